/*
 * import.conf: whatever the text, it is read or something is reported; what is read is printed to a
 * text that is read again, and printed the same.
 */
#include "import/importconf.h"
#include "settings_check.h"

#include <stdio.h>

static char *print(const struct importconf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    importconf_print(conf, out);
    CHECK(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_errors errors = {.report = check_line};
    char *text = text_of(data, size);
    struct importconf *conf = importconf_parse(text, SETTINGS_FILE, &errors);
    CHECK((conf == NULL) == (errors.count > 0));
    if (conf != NULL) {
        char *printed = print(conf);
        struct importconf *again = importconf_parse(printed, SETTINGS_FILE, &errors);
        CHECK(again != NULL && errors.count == 0);
        char *printed_again = print(again);
        CHECK(strcmp(printed, printed_again) == 0);
        for (size_t i = 0; i < conf->my_name_list.count; i++)
            CHECK(importconf_is_my_name(again, conf->my_name_list.list[i].name));
        for (size_t i = 0; i < conf->my_address_count; i++)
            CHECK(importconf_is_my_address(again, &conf->my_address_list[i]));
        free(printed);
        free(printed_again);
        importconf_free(again);
        importconf_free(conf);
    }
    free(text);
    return 0;
}
