/* import.conf: defaults, what the settings mean together, names and addresses, and printing. */
#include "import/importconf.h"

#include "settings_report.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* The least that is right, so that only what a test is about is wrong. */
#define L "source = \"bind:ns2\"; my_names = ( \"mx2.example.net\" );\n"

static struct report report;

static struct importconf *parse(const char *text)
{
    report_init(&report);
    struct importconf *conf = importconf_parse(text, "x/i.conf", &report.errors);
    cr_assert_eq(conf == NULL, report.errors.count > 0);
    return conf;
}

static struct importconf *parse_good(const char *text)
{
    struct importconf *conf = parse(text);
    cr_assert_not_null(conf, "%s\n%s", text, report.text);
    return conf;
}

static void expect_errors(const char *text, const char *expected)
{
    struct importconf *conf = parse(text);
    cr_expect_str_eq(report.text, expected, "%s\ngave: %s", text, report.text);
    importconf_free(conf);
}

Test(importconf, defaults)
{
    struct importconf *conf = parse_good(L);
    cr_expect_str_eq(conf->file, "x/i.conf");
    cr_expect_str_eq(conf->source, "bind:ns2");
    cr_expect_str_eq(conf->database.hosts[0], "unix:/run/mysqld/mysqld.sock");
    cr_expect_null(conf->database.hosts[1]);
    cr_expect_str_eq(conf->database.name, "lookupd");
    cr_expect_null(conf->database.user);
    cr_expect_null(conf->database.option_file);
    cr_expect_eq(conf->database.timeout, 30.0);
    cr_expect_eq(conf->zones, IMPORT_ZONES_CHECKCONF);
    cr_expect_null(conf->zones_file);
    cr_expect_str_eq(conf->named_conf, "/etc/bind/named.conf");
    cr_expect_str_eq(conf->checkconf, "/usr/bin/named-checkconf");
    cr_expect_str_eq(conf->nzd2nzf, "/usr/bin/named-nzd2nzf");
    cr_expect_null(conf->added_zones);
    cr_expect_null(conf->chroot);
    cr_expect_str_eq(conf->directory, "/var/cache/bind");
    cr_expect_eq(conf->mode, IMPORT_MODE_MX);
    cr_expect_str_eq(conf->relay, "mx");
    cr_expect_eq(conf->relay_form, IMPORT_FORM_MX);
    cr_expect(conf->subdomains);
    cr_expect_not(conf->wildcards);
    cr_expect(conf->cname_aliases);
    cr_expect_not(conf->allow_private);
    cr_expect_null(conf->allow_hosts);
    cr_expect_null(conf->hint_relays);
    cr_expect_eq(conf->recipients, IMPORT_RECIPIENTS_ANY);
    cr_expect_null(conf->views);
    cr_expect_eq(conf->include.count, 0);
    cr_expect_eq(conf->exclude.count, 0);
    cr_expect_eq(conf->hold, 86400);
    cr_expect_eq(conf->max_delete_percent, 10);
    cr_expect_eq(conf->keep_runs, 30);
    cr_expect_str_eq(conf->lock_file, "/run/lookupd-import/lock");
    cr_expect_eq(conf->limits.file_max, (size_t)256 << 20);
    cr_expect_eq(conf->limits.journal_max, (size_t)256 << 20);
    cr_expect_eq(conf->max_names, 10000);
    importconf_free(conf);
}

Test(importconf, everything_set)
{
    struct importconf *conf = parse_good(
        "source = \"a\"; zones = \"file\"; zones_file = \"/z\"; chroot = \"/c\"; mode = \"all\";\n"
        "relay = \"smtp:[10.0.0.1]:2525\"; relay_form = \"hosts\"; views = [ \"b\", \"a\" ];\n"
        "added_zones = ( \"/x/_default.nzd\", \"intern:/x/3bf3.nzd\" ); wildcards = true;\n"
        "allow_hosts = ( \"mail.example.net\" ); hint_relays = ( \"hq\" ); hold = 0;\n"
        "recipients = \"listed\"; max_delete_percent = 100; max_zone_size = 1; max_names = 7;\n"
        "database = { hosts = ( \"db.example.net\" ); user = \"importer_ns2\"; timeout = 5; };\n"
        "include = ( \"Example.COM.\", \".example.org\" ); exclude = ( \"a.example.org\" );");
    cr_expect_eq(conf->zones, IMPORT_ZONES_FILE);
    cr_expect_eq(conf->mode, IMPORT_MODE_ALL);
    cr_expect_eq(conf->relay_form, IMPORT_FORM_HOSTS);
    cr_expect_eq(conf->recipients, IMPORT_RECIPIENTS_LISTED);
    cr_expect_str_eq(conf->views[0], "b");
    cr_expect_str_eq(conf->views[1], "a");
    cr_expect_str_eq(conf->added_zones[1], "intern:/x/3bf3.nzd");
    cr_expect_eq(conf->limits.file_max, (size_t)1 << 20);
    cr_expect_eq(conf->include.count, 2);
    cr_expect_arr_eq(conf->include.list[0].name, "\7example\3com", 13);
    cr_expect_not(conf->include.list[0].below);
    cr_expect_arr_eq(conf->include.list[1].name, "\7example\3org", 13);
    cr_expect(conf->include.list[1].below);
    cr_expect_eq(conf->exclude.count, 1);
    cr_expect_arr_eq(conf->exclude.list[0].name, "\1a\7example\3org", 15);
    importconf_free(conf);
}

Test(importconf, who_we_are)
{
    struct importconf *conf =
        parse_good("source = \"a\"; my_names = ( \"Mx2.example.NET\", \"b_1.example.net.\" );\n"
                   "my_addresses = ( \"192.0.2.1\", \"2001:db8::1\" );");
    cr_expect(importconf_is_my_name(conf, (const uint8_t *)"\3mx2\7example\3net"));
    cr_expect(importconf_is_my_name(conf, (const uint8_t *)"\3b_1\7example\3net"));
    cr_expect_not(importconf_is_my_name(conf, (const uint8_t *)"\7example\3net"));
    cr_expect_not(importconf_is_my_name(conf, (const uint8_t *)"\1a\3mx2\7example\3net"));
    struct zonelist_address address = {.family = AF_INET};
    inet_pton(AF_INET, "192.0.2.1", &address.v4);
    cr_expect(importconf_is_my_address(conf, &address));
    inet_pton(AF_INET, "192.0.2.2", &address.v4);
    cr_expect_not(importconf_is_my_address(conf, &address));
    address.family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8::1", &address.v6);
    cr_expect(importconf_is_my_address(conf, &address));
    inet_pton(AF_INET6, "2001:db8::1:1", &address.v6);
    cr_expect_not(importconf_is_my_address(conf, &address));
    importconf_free(conf);
}

#define X "x/i.conf:"

Test(importconf, what_is_missing)
{
    expect_errors("hold = 1;",
                  "x/i.conf: the setting \"source\" is missing: the name of this importer in the "
                  "table source, such as \"bind:ns2\"\n"
                  "x/i.conf: mode \"mx\" needs the setting \"my_names\" or \"my_addresses\": how "
                  "MX records mean this host\n");
    expect_errors(L "zones = \"file\";", X "2: zones: \"file\" needs the setting \"zones_file\"\n");
}

Test(importconf, what_does_not_go_together)
{
    expect_errors(L "zones_file = \"/z\";\nrelay = \"primaries\";\nallow_hosts = (\"a.example\");",
                  X "2: zones_file: only with zones = \"file\"\n" X
                    "3: relay: only with mode = \"all\"\n" X
                    "4: allow_hosts: only with relay_form = \"hosts\"\n");
    expect_errors(L "zones = \"file\"; zones_file = \"/z\";\nnamed_conf = \"/n\";",
                  X "3: named_conf: is not read with zones = \"file\"\n");
}

Test(importconf, wrong_values)
{
    expect_errors(L "surce = 1;", X "2: surce: unknown setting; did you mean \"source\"?\n");
    expect_errors(L "database = { connections = 2; };",
                  X "2: database.connections: unknown setting of this group\n");
    expect_errors(L "mode = \"mxx\";", X "2: mode: must be \"mx\" or \"all\", and is \"mxx\"\n");
    expect_errors(L "max_delete_percent = 101;",
                  X "2: max_delete_percent: must be 0 to 100, and is 101\n");
    expect_errors("source = \"Bind NS2\"; my_names = (\"a.example\");",
                  X "1: source: must be a short name such as \"bind:ns2\", and is \"Bind NS2\"\n");
    expect_errors(L "lock_file = \"run/lock\";", X "2: lock_file: must be a path that begins with "
                                                   "\"/\", and is \"run/lock\"\n");
    expect_errors(L "added_zones = ( \"x.nzd\" );",
                  X "2: added_zones[0]: \"x.nzd\": must be \"/path/to/_default.nzd\" or "
                    "\"VIEW:/path/to/file.nzd\"\n");
    expect_errors(L "database = { hosts = ( \"db:99999\" ); };",
                  X "2: database.hosts[0]: \"db:99999\": needs a port of 1 to 65535 after the "
                    "\":\", or neither\n");
    expect_errors(L "hint_relays = ( \"h q\" );",
                  X "2: hint_relays[0]: \"h q\" cannot be the name of a row in the table relay\n");
}

Test(importconf, wrong_names)
{
    expect_errors("source = \"a\"; my_names = ( \"192.0.2.1\",\n \".example.net\",\n\"mx\" );",
                  X "1: my_names[0]: \"192.0.2.1\": ends with a number, as addresses do\n" X
                    "1: my_names[1]: \".example.net\": must be the name of a host, without a "
                    "leading dot\n" X "1: my_names[2]: \"mx\": has less than two labels\n");
    expect_errors(L "my_addresses = ( \"[2001:db8::1]:25\", \"192.0.2\" );",
                  X "2: my_addresses[0]: \"[2001:db8::1]:25\": must be an address such as "
                    "192.0.2.1 or 2001:db8::1, without brackets or port\n" X
                    "2: my_addresses[1]: \"192.0.2\": must be an address such as 192.0.2.1 or "
                    "2001:db8::1, without brackets or port\n");
    expect_errors(L "exclude = ( \"*.example.net\", \"b\xc3\xbc.example\", \"a..b\" );",
                  X "2: exclude[0]: \"*.example.net\": write \".example.com\" for all names below "
                    "example.com\n" X "2: exclude[1]: \"b\xc3\xbc.example\": write the name as an "
                    "A-label (idn2 prints it)\n" X "2: exclude[2]: \"a..b\": is no domain name\n");
}

/* A bad nexthop kills smtp(8): it must not come from here either. */
Test(importconf, relay_of_mode_all)
{
    static const char *const good[] = {
        "mx",    "primaries", "mail.%d", "smtp:[10.0.0.1]:25", "my-relay:[mail.example.net]",
        "relay:"};
    static const char *const bad[] = {"mail.%s", "smtp:[mail.example", "10.0.0.1", "smtp:10.0.0.1",
                                      "smtp:[a.example]:70000"};
    char text[200];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "source = \"a\"; mode = \"all\"; relay = \"%s\";", good[i]);
        importconf_free(parse_good(text));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "source = \"a\"; mode = \"all\"; relay = \"%s\";", bad[i]);
        cr_expect_null(parse(text), "%s", bad[i]);
        cr_expect_eq(report.errors.count, 1);
    }
}

/* What is printed is read back to the same. */
Test(importconf, print)
{
    static const char *const texts[] = {
        L,
        "source = \"a\"; zones = \"file\"; zones_file = \"/z\"; mode = \"all\"; relay = "
        "\"mail.%d\"; relay_form = \"hosts\"; allow_hosts = ( \"a.example\" ); exclude = ( "
        "\".b.example\" );",
    };
    for (size_t i = 0; i < 2; i++) {
        char *printed[2] = {NULL, NULL};
        const char *text = texts[i];
        for (size_t j = 0; j < 2; j++) {
            size_t size;
            struct importconf *conf = parse_good(text);
            FILE *out = open_memstream(&printed[j], &size);
            importconf_print(conf, out);
            (void)fclose(out);
            importconf_free(conf);
            text = printed[j];
        }
        cr_expect_str_eq(printed[0], printed[1]);
        free(printed[0]);
        free(printed[1]);
    }
}

Test(importconf, example)
{
    report_init(&report);
    struct importconf *conf = importconf_read(EXAMPLES "/../import/import.conf", &report.errors);
    cr_assert_not_null(conf, "%s", report.text);
    importconf_free(conf);
    /* What stands in comments is right too, each line of it alone. */
    char *text = settings_load(EXAMPLES "/../import/import.conf", &report.errors);
    cr_assert_not_null(text);
    size_t settings = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] != '#' || line[1] < 'a' || line[1] > 'z' || line[strlen(line) - 1] != ';')
            continue;
        char one[600];
        snprintf(one, sizeof one, "source = \"a\"; %s%s",
                 strstr(line, "my_") ? "" : "my_names = (\"a.example\");", line + 1);
        if (strstr(line, "named_conf") == NULL || strstr(line, "zones") == NULL)
            importconf_free(parse_good(one));
        settings++;
    }
    cr_expect_gt(settings, 8);
    free(text);
}

static void expect_in_page(const char *page, const char *group, const struct setting *table)
{
    char heading[64];
    snprintf(heading, sizeof heading, ".\\\" settings: %s\n", group);
    const char *section = strstr(page, heading);
    cr_assert_not_null(section, "no section for \"%s\"", group);
    const char *next = strstr(section + 1, ".\\\" settings:");
    size_t len = next != NULL ? (size_t)(next - section) : strlen(section);
    for (const struct setting *entry = table; entry->name != NULL; entry++) {
        char item[64];
        snprintf(item, sizeof item, "\n.It Ic %s\n", entry->name);
        cr_expect_not_null(memmem(section, len, item, strlen(item)), "%s is missing", entry->name);
        cr_expect_not_null(entry->help, "%s", entry->name);
    }
    for (const char *p = section; (p = strstr(p, "\n.It Ic ")) != NULL && p < section + len;) {
        p += strlen("\n.It Ic ");
        bool known = false;
        for (const struct setting *entry = table; entry->name != NULL; entry++)
            known = known || (strncmp(p, entry->name, strlen(entry->name)) == 0 &&
                              p[strlen(entry->name)] == '\n');
        cr_expect(known, "%.*s", (int)strcspn(p, "\n"), p);
    }
}

/* Every setting stands in the manual page, and nothing else does. */
Test(importconf, manual_page)
{
    report_init(&report);
    char *page = settings_load(MANUALS "/import.conf.5", &report.errors);
    cr_assert_not_null(page, "%s", report.text);
    expect_in_page(page, "top", importconf_settings);
    expect_in_page(page, "database", importconf_database_settings);
    free(page);
}
