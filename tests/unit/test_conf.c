/* lookupd.conf: defaults, what the settings mean together, maps, and printing. */
#include "lookup/conf.h"

#include "lookup/conf_table.h"
#include "lookup/default_maps.h"
#include "settings_report.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* A listener, so that only what a test is about is wrong. */
#define L "listeners = ( { protocol = \"socketmap\"; address = \"unix:/run/s\"; } );\n"

static struct report report;

static struct conf *parse(const char *text)
{
    report_init(&report);
    struct conf *conf = conf_parse(text, "x/l.conf", &report.errors);
    cr_assert_eq(conf == NULL, report.errors.count > 0);
    return conf;
}

static struct conf *parse_good(const char *text)
{
    struct conf *conf = parse(text);
    cr_assert_not_null(conf, "%s\n%s", text, report.text);
    return conf;
}

static void expect_errors(const char *text, const char *expected)
{
    struct conf *conf = parse(text);
    cr_expect_str_eq(report.text, expected, "%s\ngave: %s", text, report.text);
    conf_free(conf);
}

static const struct conf_map *map_of(const struct conf *conf, const char *name)
{
    return conf_find_map(conf, name, strlen(name));
}

Test(conf, defaults)
{
    static const char *const transports[] = {"relay", "smtp",  "smtps", "lmtp",
                                             "hold",  "retry", "error", "discard"};
    struct conf *conf = parse_good(L);
    cr_expect_str_eq(conf->file, "x/l.conf");
    cr_expect_eq(conf->workers, 0);
    cr_expect_str_eq(conf->user, "lookupd");
    cr_expect_str_eq(conf->group, "lookupd");
    cr_expect_eq(conf->deadline, 2.0);
    cr_expect_str_eq(conf->recipient_delimiter, "+");
    for (size_t i = 0; i < COUNT(transports); i++)
        cr_expect_str_eq(conf->transports[i], transports[i]);
    cr_expect_null(conf->transports[COUNT(transports)]);
    cr_expect(conf->default_maps);
    cr_expect_str_eq(conf->database.hosts[0], "unix:/run/mysqld/mysqld.sock");
    cr_expect_null(conf->database.hosts[1]);
    cr_expect_str_eq(conf->database.name, "lookupd");
    cr_expect_str_eq(conf->database.user, "lookupd");
    cr_expect_null(conf->database.option_file);
    cr_expect_eq(conf->database.connections, 2);
    cr_expect_eq(conf->database.timeout, 2.0);
    cr_expect_eq(conf->limits.clients, 10000);
    cr_expect_eq(conf->limits.waiting, 10000);
    cr_expect_eq(conf->limits.outstanding, 262144);
    cr_expect_eq(conf->limits.buffers, 67108864);
    cr_expect_eq(conf->limits.request_timeout, 10.0);
    cr_expect_eq(conf->limits.stall, 5.0);
    cr_expect_null(conf->snapshot.directory);
    cr_expect_null(conf->status_address);
    cr_expect_eq(conf->listener_count, 1);
    cr_expect_eq(conf->listeners[0].mode, 0660);
    cr_expect_null(conf->listeners[0].owner);
    cr_expect_null(conf->listeners[0].group);
    cr_expect_null(conf->listeners[0].allow);
    cr_expect_str_eq(conf->listeners[0].where, "x/l.conf:1");
    cr_expect_geq(conf_workers(conf), 1);
    cr_expect_leq(conf_workers(conf), 4);
    conf_free(conf);

    conf = parse_good(L "snapshot = {}; status = {}; workers = 7;");
    cr_expect_str_eq(conf->snapshot.directory, "/var/lib/lookupd");
    cr_expect_eq(conf->snapshot.interval, 60);
    cr_expect_eq(conf->snapshot.max_age, 86400);
    cr_expect_eq(conf->snapshot.guard_percent, 50);
    cr_expect_str_eq(conf->status_address, "inet:127.0.0.1:9275");
    cr_expect_eq(conf_workers(conf), 7);
    conf_free(conf);
}

struct expected_map {
    const char *name;
    enum keys_kind keys;
    enum value_kind value;
    bool join;
    enum absent_kind absent;
};

static const struct expected_map expected_maps[] = {
    {"relay_domains", KEYS_DOMAIN, VALUE_TEXT, false, ABSENT_TEMPORARY},
    {"transport", KEYS_ADDRESS, VALUE_ROUTE, false, ABSENT_TEMPORARY},
    {"relay_recipients", KEYS_ADDRESS, VALUE_TEXT, false, ABSENT_TEMPORARY},
    {"virtual_aliases", KEYS_ADDRESS, VALUE_ADDRESSES, true, ABSENT_NOT_FOUND},
    {"client_access", KEYS_CLIENT, VALUE_TEXT, false, ABSENT_NOT_FOUND},
    {"sender_access", KEYS_ADDRESS, VALUE_TEXT, false, ABSENT_NOT_FOUND},
    {"recipient_access", KEYS_ADDRESS, VALUE_TEXT, false, ABSENT_NOT_FOUND},
};

Test(conf, built_in_maps)
{
    struct conf *conf = parse_good(L);
    cr_assert_eq(conf->map_count, COUNT(expected_maps));
    for (size_t i = 0; i < COUNT(expected_maps); i++) {
        const struct expected_map *expected = &expected_maps[i];
        const struct conf_map *map = map_of(conf, expected->name);
        cr_assert_not_null(map, "%s", expected->name);
        cr_expect_eq(map->keys, (int)expected->keys, "%s", map->name);
        cr_expect_eq(map->value, (int)expected->value, "%s", map->name);
        cr_expect_eq(map->join, expected->join, "%s", map->name);
        cr_expect_eq(map->absent, (int)expected->absent, "%s", map->name);
        cr_expect(map->uses_schema, "%s", map->name);
        cr_expect_not_null(map->all, "%s", map->name);
        cr_expect_str_eq(map->where, "built-in");
    }
    cr_expect_null(conf_find_map(conf, "relay_domain", 12));
    cr_expect_null(conf_find_map(conf, "", 0));
    conf_free(conf);
}

Test(conf, own_maps)
{
    struct conf *conf =
        parse_good(L "maps = { mine = { keys = \"exact\"; query = \"SELECT k, v FROM t WHERE k IN "
                     "(:key)\"; };\n"
                     "virtual_aliases = { join = false; };\n"
                     "transport = { query = \"SELECT a, b FROM t WHERE a IN (:domains)\"; }; };\n");
    cr_expect_eq(conf->map_count, COUNT(expected_maps) + 1);
    const struct conf_map *mine = map_of(conf, "mine");
    cr_expect_eq(mine->keys, KEYS_EXACT);
    cr_expect_eq(mine->value, VALUE_TEXT);
    cr_expect_eq(mine->absent, ABSENT_TEMPORARY);
    cr_expect_not(mine->join);
    cr_expect_not(mine->uses_schema);
    cr_expect_null(mine->all);
    cr_expect_str_eq(mine->where, "x/l.conf:2");
    /* A member that was not set is the built-in one. */
    const struct conf_map *aliases = map_of(conf, "virtual_aliases");
    cr_expect_not(aliases->join);
    cr_expect(aliases->uses_schema);
    cr_expect_eq(aliases->value, VALUE_ADDRESSES);
    cr_expect_eq(aliases->absent, ABSENT_NOT_FOUND);
    cr_expect_str_eq(aliases->all, default_maps_find("virtual_aliases")->all);
    /* Except that another query goes with another "all". */
    const struct conf_map *transport = map_of(conf, "transport");
    cr_expect_not(transport->uses_schema);
    cr_expect_eq(transport->value, VALUE_ROUTE);
    cr_expect_null(transport->all);
    conf_free(conf);

    conf = parse_good(L "default_maps = false; maps = { transport = {}; };");
    cr_expect_eq(conf->map_count, 1);
    cr_expect(conf->maps[0].uses_schema);
    conf_free(conf);
}

Test(conf, errors_of_listeners)
{
    expect_errors("", "x/l.conf: the setting \"listeners\" is missing\n");
    expect_errors("listeners = ();", "x/l.conf:1: listeners: must have at least one listener\n");
    expect_errors(
        "\nlisteners = { protocol = \"socketmap\"; };",
        "x/l.conf:2: listeners: must be a list of groups: ( { protocol = …; }, { … } )\n");
    expect_errors("listeners = ( {},\n 5 );",
                  "x/l.conf:1: listeners[0]: the setting \"protocol\" is missing\n"
                  "x/l.conf:1: listeners[0]: the setting \"address\" is missing\n"
                  "x/l.conf:1: listeners[1]: must be a group, such as { protocol = …; }, and is a "
                  "whole number\n");
    expect_errors(
        "listeners = (\n"
        " { protocol = \"tcp_table\"; address = \"inet:127.0.0.1:1\"; },\n"
        " { protocol = \"socketmap\"; address = \"inet:127.0.0.1:2\";\n"
        "   map = \"transport\"; },\n"
        " { protocol = \"tcp_table\"; address = \"inet:127.0.0.1:3\"; map = \"trans\"; },\n"
        " { protocol = \"http\"; address = \"inet:localhost:4\"; }\n"
        ");",
        "x/l.conf:6: listeners[3].protocol: must be \"socketmap\" or \"tcp_table\", and is "
        "\"http\"\n"
        "x/l.conf:2: listeners[0]: tcp_table needs the setting \"map\": its requests do "
        "not name one\n"
        "x/l.conf:4: listeners[1].map: only for tcp_table: socketmap requests name their "
        "map\n"
        "x/l.conf:5: listeners[2].map: there is no map \"trans\"\n"
        "x/l.conf:6: listeners[3].address: \"inet:localhost:4\": must be inet:ADDRESS:PORT "
        "with a numeric address, such as inet:127.0.0.1:2501 (0.0.0.0 or [::] stand for "
        "all addresses)\n");
    expect_errors("listeners = (\n"
                  " { protocol = \"socketmap\"; address = \"inet:[::1]:1\"; },\n"
                  " { protocol = \"socketmap\";\n"
                  "   address = \"inet:[0::1]:1\"; },\n"
                  " { protocol = \"socketmap\"; address = \"inet:[::1]:1\"; }\n"
                  ");",
                  "x/l.conf:4: listeners[1].address: \"inet:[0::1]:1\" is the address of "
                  "listeners[0] too\n"
                  "x/l.conf:5: listeners[2].address: \"inet:[::1]:1\" is the address of "
                  "listeners[0] too\n");
    expect_errors("listeners = (\n"
                  " { protocol = \"socketmap\"; address = \"inet:127.0.0.1:1\"; },\n"
                  " { protocol = \"socketmap\"; address = \"inet:[::]:1\"; },\n"
                  " { protocol = \"socketmap\"; address = \"inet:0.0.0.0:1\"; }\n"
                  ");",
                  "x/l.conf:4: listeners[2].address: \"inet:0.0.0.0:1\" cannot be beside "
                  "listeners[0]: one of them is all addresses of this port\n");
    expect_errors("listeners = (\n"
                  " { protocol = \"socketmap\"; address = \"inet:[::1]:1\"; owner = \"a\";\n"
                  "   group = \"b\"; mode = \"0600\"; allow = ( \"10.0.0.1/8\",\n \"::1/128\",\n "
                  "\"x\" ); },\n"
                  " { protocol = \"socketmap\"; address = \"unix:/s\"; allow = [ \"::1\" ]; },\n"
                  " { protocol = \"socketmap\"; address = \"systemd:s\"; mode = \"0600\"; }\n"
                  ");",
                  "x/l.conf:2: listeners[0].owner: only for unix sockets\n"
                  "x/l.conf:3: listeners[0].group: only for unix sockets\n"
                  "x/l.conf:3: listeners[0].mode: only for unix sockets\n"
                  "x/l.conf:3: listeners[0].allow[0]: \"10.0.0.1/8\": has bits set beyond the "
                  "length of the network\n"
                  "x/l.conf:3: listeners[0].allow[2]: \"x\": not a network, such as 192.0.2.0/24 "
                  "or 2001:db8::/32\n"
                  "x/l.conf:6: listeners[1].allow: only for TCP: owner, group and mode say who may "
                  "use a unix socket\n"
                  "x/l.conf:7: listeners[2].mode: is set by the socket unit\n");
}

Test(conf, errors_of_maps)
{
    expect_errors(L "maps = ( 1 );",
                  "x/l.conf:2: maps: must be a group of maps: { NAME = { keys = …; }; }\n");
    expect_errors(L "maps = { a = 5; };",
                  "x/l.conf:2: maps.a: must be a group, such as { keys = …; "
                  "}, and is a whole number\n");
    expect_errors(L "maps = { a = { };\n b = { keys = \"exact\"; qurey = \"\"; }; };",
                  "x/l.conf:3: maps.b.qurey: unknown setting; did you mean \"query\"?\n"
                  "x/l.conf:2: maps.a: the setting \"keys\" is missing\n"
                  "x/l.conf:2: maps.a: the setting \"query\" is missing\n"
                  "x/l.conf:3: maps.b: the setting \"query\" is missing\n");
    expect_errors(L "maps = { transport = { all = \"SELECT 1, 2\"; }; };",
                  "x/l.conf:2: maps.transport.all: needs the setting \"query\" beside it: the "
                  "built-in one asks other rows\n");
    expect_errors(L "maps = { transport = {\n"
                    "  query = \"SELECT a, b FROM t WHERE a IN (:clients)\";\n"
                    "  all = \"SELECT a, b FROM t WHERE a IN (:domains)\"; };\n"
                    " relay_domains = { keys = \"client\"; };\n };",
                  "x/l.conf:3: maps.transport.query: keys of this kind have no list \":clients\"\n"
                  "x/l.conf:4: maps.transport.all: returns every row, and must name no list of "
                  "keys\n"
                  "x/l.conf:5: maps.relay_domains.keys: keys of this kind have no list "
                  "\":domains\"\n");
    expect_errors(L "maps = { a = {}; a = {}; };", "x/l.conf:2: duplicate setting name\n");
    expect_errors(L "default_maps = false;",
                  "x/l.conf:2: default_maps: without the built-in maps, and with none in \"maps\", "
                  "nothing is served\n");
}

Test(conf, errors_of_other_groups)
{
    expect_errors(L "workers = 65;\ndeadline = 31;\nrecipient_delimiter = \"+@\";\nuser = \"\";\n"
                    "database = { hosts = ( \"unix:s\",\n \"db:0\" ); option_file = \"my.cnf\";\n"
                    " connections = 0; timeout = 0; port = 1; };\n"
                    "limits = { clients = 0; stall = 0.5; request_timeout = 0; };\n"
                    "snapshot = { directory = \"x\"; guard = 5; };\n"
                    "status = { address = \"127.0.0.1:1\"; };\n",
                  "x/l.conf:2: workers: must be 0 to 64, and is 65\n"
                  "x/l.conf:3: deadline: must be 0.1 to 30, and is 31\n"
                  "x/l.conf:5: user: must not be empty\n"
                  "x/l.conf:8: database.connections: must be 1 to 64, and is 0\n"
                  "x/l.conf:8: database.timeout: must be 0.1 to 30, and is 0\n"
                  "x/l.conf:8: database.port: unknown setting of this group\n"
                  "x/l.conf:9: limits.clients: must be 1 to 1000000, and is 0\n"
                  "x/l.conf:9: limits.stall: must be 1 to 300, and is 0.5\n"
                  "x/l.conf:9: limits.request_timeout: must be 0.1 to 3600, and is 0\n"
                  "x/l.conf:10: snapshot.guard: unknown setting of this group\n"
                  "x/l.conf:4: recipient_delimiter: may hold visible ASCII characters other than "
                  "@, \" and \\\n"
                  "x/l.conf:6: database.hosts[0]: \"unix:s\": the path of a unix socket must begin "
                  "with \"/\"\n"
                  "x/l.conf:6: database.hosts[1]: \"db:0\": needs a port of 1 to 65535 after the "
                  "\":\", or neither\n"
                  "x/l.conf:7: database.option_file: must be a path that begins with \"/\", and is "
                  "\"my.cnf\"\n"
                  "x/l.conf:10: snapshot.directory: must be a path that begins with \"/\", and is "
                  "\"x\"\n"
                  "x/l.conf:11: status.address: \"127.0.0.1:1\": must begin with \"unix:\", "
                  "\"inet:\" or \"systemd:\"\n");
    expect_errors(L "status = { address = \"unix:/run/s\"; };",
                  "x/l.conf:2: status.address: \"unix:/run/s\" is the address of listeners[0] "
                  "too\n");
    expect_errors(L "database = 5; listenres = 1; limits = ();",
                  "x/l.conf:2: listenres: unknown setting; did you mean \"listeners\"?\n"
                  "x/l.conf:2: database: must be a group, such as { hosts = …; }, and is a whole "
                  "number\n"
                  "x/l.conf:2: limits: must be a group, such as { clients = …; }, and is a list\n");
    expect_errors(L "\ntransports = ( \"relay\", \"smtp:\", 5 );\n",
                  "x/l.conf:3: transports[2]: must be a text, and is a whole number\n"
                  "x/l.conf:3: transports[1]: \"smtp:\" cannot be the name of a service in "
                  "master.cf\n");
    expect_errors(L "transports = ( \"relay\" );",
                  "x/l.conf:2: transports: \"hold\" is missing, and the built-in map transport "
                  "answers with it (the setting takes the place of the whole list)\n"
                  "x/l.conf:2: transports: \"retry\" is missing, and the built-in map transport "
                  "answers with it (the setting takes the place of the whole list)\n");
    struct conf *conf = parse_good(L "transports = ( \"relay\" ); default_maps = false;\n"
                                     "maps = { relay_domains = {}; };");
    conf_free(conf);
}

Test(conf, unreadable)
{
    report_init(&report);
    cr_expect_null(conf_read("/nowhere/l.conf", &report.errors));
    cr_expect_str_eq(report.text, "/nowhere/l.conf: cannot be opened: No such file or directory\n");
    expect_errors(L "a", "x/l.conf:2: syntax error\n");
}

static char *print(const struct conf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    conf_print(conf, out);
    fclose(out);
    return text;
}

static void expect_same_text(const char *a, const char *b)
{
    cr_expect_eq(a == NULL, b == NULL, "%s, %s", a, b);
    if (a != NULL && b != NULL)
        cr_expect_str_eq(a, b);
}

/* Compares by the tables, so that a setting that is added is compared too. */
static void expect_same(const struct setting *table, const void *a, const void *b)
{
    for (; table->name != NULL; table++) {
        const void *x = (const char *)a + table->offset;
        const void *y = (const char *)b + table->offset;
        switch (table->type) {
        case SETTING_BOOL:
            cr_expect_eq(*(const bool *)x, *(const bool *)y, "%s", table->name);
            break;
        case SETTING_INT:
        case SETTING_CHOICE:
            cr_expect_eq(*(const int *)x, *(const int *)y, "%s", table->name);
            break;
        case SETTING_NUMBER:
            cr_expect_eq(*(const double *)x, *(const double *)y, "%s", table->name);
            break;
        case SETTING_MODE:
            cr_expect_eq(*(const mode_t *)x, *(const mode_t *)y, "%s", table->name);
            break;
        case SETTING_STRING:
            expect_same_text(*(char *const *)x, *(char *const *)y);
            break;
        case SETTING_LIST: {
            char **l = *(char **const *)x;
            char **m = *(char **const *)y;
            cr_expect_eq(l == NULL, m == NULL, "%s", table->name);
            for (size_t i = 0; l != NULL && m != NULL && (l[i] != NULL || m[i] != NULL); i++) {
                expect_same_text(l[i], m[i]);
                if (l[i] == NULL || m[i] == NULL)
                    break;
            }
            break;
        }
        }
    }
}

static void expect_round_trip(const struct conf *conf)
{
    char *text = print(conf);
    struct conf *again = parse_good(text);
    expect_same(conf_top_settings, conf, again);
    expect_same(conf_database_settings, &conf->database, &again->database);
    expect_same(conf_limits_settings, &conf->limits, &again->limits);
    expect_same(conf_snapshot_settings, &conf->snapshot, &again->snapshot);
    expect_same(conf_status_settings, conf, again);
    cr_assert_eq(conf->listener_count, again->listener_count);
    for (size_t i = 0; i < conf->listener_count; i++)
        expect_same(conf_listener_settings, &conf->listeners[i], &again->listeners[i]);
    cr_assert_eq(conf->map_count, again->map_count);
    for (size_t i = 0; i < conf->map_count; i++) {
        cr_expect_str_eq(conf->maps[i].name, again->maps[i].name);
        cr_expect_eq(conf->maps[i].uses_schema, again->maps[i].uses_schema);
        expect_same(conf_map_settings, &conf->maps[i], &again->maps[i]);
    }
    char *text_again = print(again);
    cr_expect_str_eq(text, text_again);
    free(text);
    free(text_again);
    conf_free(again);
}

Test(conf, print_and_read_back)
{
    static const char *const texts[] = {
        L,
        L "snapshot = { interval = 0; }; status = { address = \"systemd:st\"; };",
        L
        "default_maps = false; maps = { a*-b = { keys = \"client\"; value = \"addresses\"; join = "
        "true; absent = \"notfound\"; query = \"SELECT '\\\"a\\\\\\\\ \\n\\n\\t\\x01\xc3\xbc ?', b "
        "\"\n"
        "# c\n\"FROM t WHERE a IN (:clients)\"; all = \"SELECT 1, 2\"; }; };",
        "workers = 64; user = \"a b\"; group = \"\\\\\"; deadline = 0.1; recipient_delimiter = "
        "\"\";\n"
        "transports = [ \"relay\", \"hold\", \"retry\", \"relay-2_3.x\" ];\n"
        "database = { hosts = ( \"[::1]:33\", \"db\" ); name = \"n\"; user = \"u\"; option_file = "
        "\"/o\"; connections = 64; timeout = 30; };\n"
        "listeners = ( { protocol = \"tcp_table\"; address = \"inet:[::]:1\"; map = \"transport\"; "
        "allow = ( \"10.0.0.0/8\", \"::/0\" ); },\n"
        "{ protocol = \"socketmap\"; address = \"unix:/s\"; owner = \"o\"; group = \"g\"; mode = "
        "\"007\"; }, { protocol = \"socketmap\"; address = \"systemd:n\"; allow = ( \"::1\" ); } "
        ");\n"
        "limits = { clients = 1; waiting = 1000000; request_timeout = 0.123456789; stall = 300; "
        "outstanding = 1073741824; buffers = 2147483647; };\n"
        "maps = { transport = { query = \"SELECT a, b FROM t WHERE a IN (:addresses)\"; }; };\n",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct conf *conf = parse_good(texts[i]);
        expect_round_trip(conf);
        conf_free(conf);
    }
}

/* Every setting of every group at both ends of its range: accepted, and read back. */
Test(conf, ends_of_ranges)
{
    for (const struct conf_table *group = conf_tables; group->path != NULL; group++) {
        if (strpbrk(group->path, "[.") != NULL)
            continue;
        for (const struct setting *entry = group->settings; entry->name != NULL; entry++) {
            if (entry->type != SETTING_INT && entry->type != SETTING_NUMBER)
                continue;
            for (int end = 0; end < 2; end++) {
                char text[512];
                /* These two belong together. */
                const char *beside = strcmp(entry->name, "interval") == 0  ? "max_age = 31536000;"
                                     : strcmp(entry->name, "max_age") == 0 ? "interval = 0;"
                                                                           : "";
                snprintf(text, sizeof text, L "%s%s%s = %.15g; %s%s", group->path,
                         group->path[0] ? " = { " : "", entry->name, end ? entry->max : entry->min,
                         beside, group->path[0] ? " };" : "");
                struct conf *conf = parse_good(text);
                expect_round_trip(conf);
                conf_free(conf);
            }
        }
    }
}

/* The example that is installed needs no change to be accepted. */
Test(conf, example_file)
{
    report_init(&report);
    struct conf *conf = conf_read(EXAMPLES "/lookupd.conf", &report.errors);
    cr_assert_not_null(conf, "%s", report.text);
    cr_expect_eq(conf->listener_count, 1);
    cr_expect_eq(conf->map_count, COUNT(expected_maps));
    conf_free(conf);
}

/* No setting without a place in the manual page, under the name of its group. */
Test(conf, manual_page_has_every_setting)
{
    report_init(&report);
    char *page = settings_load(MANUALS "/lookupd.conf.5", &report.errors);
    cr_assert_not_null(page, "%s", report.text);
    for (const struct conf_table *group = conf_tables; group->path != NULL; group++) {
        char heading[64];
        snprintf(heading, sizeof heading, ".\\\" settings: %s\n",
                 group->path[0] ? group->path : "top");
        const char *section = strstr(page, heading);
        cr_assert_not_null(section, "no section for \"%s\"", group->path);
        const char *next = strstr(section + 1, ".\\\" settings:");
        size_t len = next != NULL ? (size_t)(next - section) : strlen(section);
        for (const struct setting *entry = group->settings; entry->name != NULL; entry++) {
            char item[64];
            snprintf(item, sizeof item, "\n.It Ic %s\n", entry->name);
            cr_expect_not_null(memmem(section, len, item, strlen(item)), "%s.%s is missing",
                               group->path, entry->name);
            cr_expect_not_null(entry->help, "%s.%s", group->path, entry->name);
        }
        /* Nor one in the page that there is not. */
        for (const char *p = section; (p = strstr(p, "\n.It Ic ")) != NULL && p < section + len;) {
            p += strlen("\n.It Ic ");
            bool known = false;
            for (const struct setting *entry = group->settings; entry->name != NULL; entry++)
                known = known || (strncmp(p, entry->name, strlen(entry->name)) == 0 &&
                                  p[strlen(entry->name)] == '\n');
            cr_expect(known, "%s: %.*s", group->path, (int)strcspn(p, "\n"), p);
        }
    }
    free(page);
}
