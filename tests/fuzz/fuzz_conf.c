/*
 * Configurations: whatever the text, it is read or something is reported; what is read is printed
 * to a text that is read again, and printed the same.
 */
#include "lookup/conf.h"
#include "settings_check.h"

#include <stdio.h>

static char *print(const struct conf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    conf_print(conf, out);
    CHECK(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_errors errors = {.report = check_line};
    char *text = text_of(data, size);
    struct conf *conf = conf_parse(text, SETTINGS_FILE, &errors);
    CHECK((conf == NULL) == (errors.count > 0));
    if (conf != NULL) {
        char *printed = print(conf);
        struct conf *again = conf_parse(printed, SETTINGS_FILE, &errors);
        CHECK(again != NULL && errors.count == 0);
        char *printed_again = print(again);
        CHECK(strcmp(printed, printed_again) == 0);
        free(printed);
        free(printed_again);
        conf_free(again);
        conf_free(conf);
    }
    free(text);
    return 0;
}
