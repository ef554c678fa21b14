/*
 * import.conf: whatever the text, it is read or something is reported; what is read is printed to a
 * text that is read again, and printed the same.
 */
#include "check.h"
#include "import/importconf.h"

#include <stdio.h>

/* libconfig 1.5 loses the text that it was reading at a syntax error. Ours is looked at. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*): the name is the sanitizer's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*) */

static void check_line(const char *line, void *context)
{
    CHECK(strncmp(line, "i.conf:", 7) == 0);
    for (; *line != '\0'; line++)
        CHECK((unsigned char)*line >= 0x20 && *line != 0x7f);
}

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
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    struct importconf *conf = importconf_parse(text, "i.conf", &errors);
    CHECK((conf == NULL) == (errors.count > 0));
    if (conf != NULL) {
        char *printed = print(conf);
        struct importconf *again = importconf_parse(printed, "i.conf", &errors);
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
