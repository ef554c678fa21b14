/* The mechanism of settings, with a table of its own: every type, every error with its exact line.
 */
#include "common/settings.h"

#include "settings_report.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct target {
    bool flag;
    int whole;
    double number;
    char *text;
    char *optional;
    mode_t mode;
    int choice;
    char **list;
};

static const char *const words[] = {"red", "green", "blue", NULL};

static const struct setting table[] = {
    {"flag", SETTING_BOOL, offsetof(struct target, flag), .help = "a flag"},
    {"whole", SETTING_INT, offsetof(struct target, whole), .min = -5, .max = 100, .help = "an int"},
    {"number", SETTING_NUMBER, offsetof(struct target, number), .min = 0.5, .max = 9,
     .help = "a number"},
    {"text", SETTING_STRING, offsetof(struct target, text), .min = 1, .help = "a text"},
    {"optional", SETTING_STRING, offsetof(struct target, optional), .min = 0,
     .help = "may be \"\""},
    {"mode", SETTING_MODE, offsetof(struct target, mode), .help = "a mode"},
    {"choice", SETTING_CHOICE, offsetof(struct target, choice), .choices = words, .help = "a word"},
    {"list", SETTING_LIST, offsetof(struct target, list), .min = 1, .max = 3, .help = "a list"},
    {.name = NULL},
};

static const struct setting required_table[] = {
    {"text", SETTING_STRING, offsetof(struct target, text), .min = 1, .required = true},
    {"list", SETTING_LIST, offsetof(struct target, list), .max = 3, .required = true},
    {.name = NULL},
};

/* Reads text by a table into target; true when nothing was wrong. */
static bool read_with(const struct setting *with, const char *text, struct target *target,
                      struct report *report)
{
    static const char *const also[] = {"group", NULL};
    config_t config;
    config_init(&config);
    report_init(report);
    if (settings_parse(&config, text, "dir/x.conf", &report->errors))
        settings_read(config_root_setting(&config), with, also, target, &report->errors);
    config_destroy(&config);
    cr_assert_eq(report->errors.count, report_lines(report));
    return report->errors.count == 0;
}

static void expect(const char *text, const char *errors)
{
    struct target target = {.whole = 7};
    static struct report report;
    read_with(table, text, &target, &report);
    cr_expect_str_eq(report.text, errors, "%s\ngave: %s", text, report.text);
    settings_free(table, &target);
    cr_assert_null(target.text);
    cr_assert_null(target.list);
}

Test(settings, every_type)
{
    static struct report report;
    struct target target = {.whole = 7};
    cr_assert(
        read_with(table,
                  "flag = true; whole = -5L; number = 3; text = \"a\" \"b\"; optional = \"\";\n"
                  "mode = \"0640\"; choice = \"blue\"; list = [ \"x\", \"y\" ]; group = {};\n",
                  &target, &report),
        "%s", report.text);
    cr_expect(target.flag);
    cr_expect_eq(target.whole, -5);
    cr_expect_eq(target.number, 3.0);
    cr_expect_str_eq(target.text, "ab");
    cr_expect_str_eq(target.optional, "");
    cr_expect_eq(target.mode, 0640);
    cr_expect_eq(target.choice, 2);
    cr_expect_str_eq(target.list[0], "x");
    cr_expect_str_eq(target.list[1], "y");
    cr_expect_null(target.list[2]);

    /* What is read again takes the place of what was there; the rest stays. */
    cr_assert(read_with(table, "text = \"c\"; list = ( \"z\" ); number = 0.5; whole = 0x10;",
                        &target, &report));
    cr_expect_str_eq(target.text, "c");
    cr_expect_str_eq(target.list[0], "z");
    cr_expect_null(target.list[1]);
    cr_expect_eq(target.whole, 16);
    cr_expect_eq(target.number, 0.5);
    cr_expect_eq(target.mode, 0640);
    settings_free(table, &target);
}

Test(settings, nothing_is_changed_by_what_is_wrong)
{
    static struct report report;
    struct target target = {.whole = 7};
    cr_assert(read_with(table, "text = \"t\"; list = ( \"l\" );", &target, &report));
    cr_assert_not(read_with(table, "whole = 101; text = 5; list = ( \"a\", 5 ); mode = \"9\";",
                            &target, &report));
    cr_expect_eq(target.whole, 7);
    cr_expect_str_eq(target.text, "t");
    cr_expect_str_eq(target.list[0], "l");
    cr_expect_eq(target.mode, 0);
    settings_free(table, &target);
}

Test(settings, types)
{
    expect("flag = 1;", "dir/x.conf:1: flag: must be true or false, and is a whole number\n");
    expect("\n\nflag = \"true\";", "dir/x.conf:3: flag: must be true or false, and is a text\n");
    expect("whole = 1.0;",
           "dir/x.conf:1: whole: must be a whole number, and is a number with a fraction\n");
    expect("whole = \"4\";", "dir/x.conf:1: whole: must be a whole number, and is a text\n");
    expect("whole = true;", "dir/x.conf:1: whole: must be a whole number, and is true or false\n");
    expect("number = \"2\";", "dir/x.conf:1: number: must be a number, and is a text\n");
    expect("number = (2);", "dir/x.conf:1: number: must be a number, and is a list\n");
    expect("text = 5;", "dir/x.conf:1: text: must be a text in quotes, and is a whole number\n");
    expect("text = {};", "dir/x.conf:1: text: must be a text in quotes, and is a group\n");
    expect("text = \"\";", "dir/x.conf:1: text: must not be empty\n");
    expect("mode = 0660;", "dir/x.conf:1: mode: must be an octal mode in quotes, such as \"0660\", "
                           "and is a whole number\n");
    expect("choice = 1;",
           "dir/x.conf:1: choice: must be \"red\", \"green\" or \"blue\", and is a whole number\n");
    expect("list = \"a\";",
           "dir/x.conf:1: list: must be a list of texts, such as ( \"a\", \"b\" ), "
           "and is a text\n");
    expect("list = (\n \"a\",\n 5);",
           "dir/x.conf:1: list[1]: must be a text, and is a whole number\n");
    expect("list = ( \"a\", \"\" );", "dir/x.conf:1: list[1]: must not be empty\n");
}

Test(settings, ranges)
{
    expect("whole = -6;", "dir/x.conf:1: whole: must be -5 to 100, and is -6\n");
    expect("whole = 101;", "dir/x.conf:1: whole: must be -5 to 100, and is 101\n");
    expect("whole = 4294967297L;", "dir/x.conf:1: whole: must be -5 to 100, and is 4294967297\n");
    expect("number = 0.4999;", "dir/x.conf:1: number: must be 0.5 to 9, and is 0.4999\n");
    expect("number = 1e400;", "dir/x.conf:1: number: must be 0.5 to 9, and is inf\n");
    expect("number = 10;", "dir/x.conf:1: number: must be 0.5 to 9, and is 10\n");
    expect("list = ();", "dir/x.conf:1: list: must have 1 to 3 items, and has 0\n");
    expect("list = [ \"a\", \"b\", \"c\", \"d\" ];",
           "dir/x.conf:1: list: must have 1 to 3 items, and has 4\n");
    static const char *const modes[] = {"06600", "66", "0680", "1777", "rw-", " 660", "-660"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char text[64], error[160];
        snprintf(text, sizeof text, "mode = \"%s\";", modes[i]);
        snprintf(
            error, sizeof error,
            "dir/x.conf:1: mode: must be an octal mode of 3 or 4 digits up to \"0777\", and is "
            "\"%s\"\n",
            modes[i]);
        expect(text, error);
    }
    expect("mode = \"777\";", "");
    expect("choice = \"Red\";",
           "dir/x.conf:1: choice: must be \"red\", \"green\" or \"blue\", and is \"Red\"\n");
}

Test(settings, unknown_names)
{
    expect("a = 1;\nwhloe = 1;", "dir/x.conf:1: a: unknown setting\n"
                                 "dir/x.conf:2: whloe: unknown setting; did you mean \"whole\"?\n");
    expect("gruop = 1;", "dir/x.conf:1: gruop: unknown setting; did you mean \"group\"?\n");
    expect("Flag = true;", "dir/x.conf:1: Flag: unknown setting; did you mean \"flag\"?\n");
    expect("a-name-that-is-longer-than-all-names-that-are-compared = 1;",
           "dir/x.conf:1: a-name-that-is-longer-than-all-names-that-are-compared: unknown "
           "setting\n");
}

Test(settings, all_errors_in_one_run)
{
    expect("flag = 1;\nwhole = 101;\n\nlist = ();\nx = 1;\n",
           "dir/x.conf:1: flag: must be true or false, and is a whole number\n"
           "dir/x.conf:2: whole: must be -5 to 100, and is 101\n"
           "dir/x.conf:4: list: must have 1 to 3 items, and has 0\n"
           "dir/x.conf:5: x: unknown setting\n");
}

Test(settings, required)
{
    static struct report report;
    struct target target = {.whole = 7};
    read_with(required_table, "\n", &target, &report);
    cr_expect_str_eq(report.text, "dir/x.conf: the setting \"text\" is missing\n"
                                  "dir/x.conf: the setting \"list\" is missing\n");
}

Test(settings, text_that_libconfig_would_misread)
{
    expect("whole = 4294967297;\n", "dir/x.conf:1: the number 4294967297 is too large\n");
    expect("\nwhole = -2147483649;\nflag = 1;",
           "dir/x.conf:2: the number -2147483649 is too large\n"
           "dir/x.conf:2: whole: must be -5 to 100, and is 2147483647\n"
           "dir/x.conf:3: flag: must be true or false, and is a whole number\n");
    expect("whole = 0xFFFFFFFFF;", "dir/x.conf:1: the number 0xFFFFFFFFF is too large\n");
    expect("text = \"4294967297\"; # 4294967297 @include\n/* 4294967297\n@ */ // @ \"\nx9999999999 "
           "= 1;",
           "dir/x.conf:4: x9999999999: unknown setting\n");
    expect("whole = 1;\n@include \"/tmp\"\n",
           "dir/x.conf:2: \"@include\" is not supported: write the settings here\n");
    expect("text = \"a@include \\\" @\";", "");
    expect("text = \"a\\x00b\";", "dir/x.conf:1: \"\\x00\" in a text would end it there\n");
    expect("text = \"a\n\nb;\n", "dir/x.conf:1: the text that begins here has no end\n");
    expect("text = \"a\";\n\x01", "dir/x.conf:2: a control character (0x01)\n");
    expect("text = \"a\";\n\n# M\xfcller", "dir/x.conf:3: a character that is not UTF-8\n");
    expect("text = \"a\\xC3\\xBC\";", "");
    expect("text = \"a\\x95\";",
           "dir/x.conf:1: text: an escape in it makes an octet that is not UTF-8\n");
    expect("\xef\xbb\xbfwhole = 1;", "");
}

Test(settings, syntax)
{
    expect("whole = 1;\n\nflag 2;", "dir/x.conf:3: syntax error\n");
    expect("whole = 1;\nwhole = 2;", "dir/x.conf:2: duplicate setting name\n");
    expect("list = [ \"a\", 1 ];", "dir/x.conf:1: mismatched element type in array\n");
}

Test(settings, controls_in_a_message)
{
    expect("choice = \"a\\nb\\x1b\";",
           "dir/x.conf:1: choice: must be \"red\", \"green\" or \"blue\", and is \"a?b?\"\n");
}

/* What is printed is read back to the same, whatever stands in the texts. */
Test(settings, print_and_read_back)
{
    static struct report report;
    char nasty[1200];
    size_t len = 0;
    for (int octet = 1; octet < 128; octet++)
        nasty[len++] = (char)octet;
    for (int i = 0; i < 60; i++)
        len += (size_t)snprintf(nasty + len, sizeof nasty - len, "word%d \\\"q \xc3\xbc", i);
    struct target target = {
        .flag = true, .whole = -3, .number = 0.1 + 0.6, .mode = 07, .choice = 1};
    const char *const items[] = {"a", "", nasty, NULL};
    target.text = strdup(nasty);
    target.list = settings_list_copy(items);
    /* Empty items cannot be read back. */
    free(target.list[1]);
    target.list[1] = strdup(" \n ");

    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    settings_print(table, &target, 4, true, out);
    fclose(out);
    struct target again = {.whole = 7};
    cr_assert(read_with(table, text, &again, &report), "%s\n%s", report.text, text);
    cr_expect_eq(again.flag, target.flag);
    cr_expect_eq(again.whole, target.whole);
    cr_expect_eq(again.number, target.number);
    cr_expect_eq(again.mode, target.mode);
    cr_expect_eq(again.choice, target.choice);
    cr_expect_str_eq(again.text, target.text);
    cr_expect_null(again.optional);
    for (int i = 0; i < 3; i++)
        cr_expect_str_eq(again.list[i], target.list[i]);
    cr_expect_not_null(strstr(text, "# optional is not set"));
    free(text);
    settings_free(table, &again);
    settings_free(table, &target);
}

/* Seconds, as a person writes them. */
Test(settings, print_numbers)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{30, "30.0;"}, {3600, "3600.0;"}, {0.1, "0.1;"}, {2, "2.0;"}, {2.25, "2.25;"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target target = {.number = cases[i].number};
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        settings_print(table, &target, 0, false, out);
        fclose(out);
        cr_expect_not_null(strstr(text, cases[i].text), "%s in\n%s", cases[i].text, text);
        free(text);
    }
}

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    fclose(file);
}

Test(settings, load)
{
    static struct report report;
    char directory[] = "/tmp/test_settings.XXXXXX";
    char name[64], expected[160];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/f", directory);

    report_init(&report);
    cr_expect_null(settings_load(name, &report.errors));
    snprintf(expected, sizeof expected, "%s: cannot be opened: No such file or directory\n", name);
    cr_expect_str_eq(report.text, expected);

    report_init(&report);
    cr_expect_null(settings_load(directory, &report.errors));
    snprintf(expected, sizeof expected, "%s: is a folder, not a file\n", directory);
    cr_expect_str_eq(report.text, expected);

    report_init(&report);
    write_file(name, "a\0b", 3);
    cr_expect_null(settings_load(name, &report.errors));
    snprintf(expected, sizeof expected, "%s: has a NUL octet in it: this is no text\n", name);
    cr_expect_str_eq(report.text, expected);

    report_init(&report);
    char *large = malloc(SETTINGS_FILE_MAX + 1);
    memset(large, ' ', SETTINGS_FILE_MAX + 1);
    write_file(name, large, SETTINGS_FILE_MAX + 1);
    cr_expect_null(settings_load(name, &report.errors));
    snprintf(expected, sizeof expected, "%s: is longer than 1048576 octets\n", name);
    cr_expect_str_eq(report.text, expected);

    report_init(&report);
    write_file(name, large, SETTINGS_FILE_MAX);
    char *text = settings_load(name, &report.errors);
    cr_expect_not_null(text);
    cr_expect_eq(strlen(text), SETTINGS_FILE_MAX);
    free(text);
    free(large);

    write_file(name, "", 0);
    text = settings_load(name, &report.errors);
    cr_expect_str_eq(text, "");
    free(text);
    unlink(name);
    rmdir(directory);
}
