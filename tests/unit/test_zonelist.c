/* The list of zones: what named-checkconf prints, as BIND wrote it and as it never would. */
#include "mail_site.h"
#include "zone_samples.h"

#include <arpa/inet.h>

static struct importconf *conf;
static char said[20000]; /* lines that warn() got */
static char error[300];

static void warn(const char *line, void *context)
{
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s\n", line);
}

static void begin(const char *settings)
{
    importconf_free(conf);
    conf = mail_site_conf(settings);
    said[0] = error[0] = '\0';
}

static void end(void)
{
    importconf_free(conf);
    conf = NULL;
}

static struct zonelist *parse(const char *text)
{
    char *exact = malloc(strlen(text) + 1); /* so that a sanitizer sees its end */
    cr_assert_not_null(exact);
    memcpy(exact, text, strlen(text));
    said[0] = error[0] = '\0';
    struct zonelist *list =
        zonelist_parse(exact, strlen(text), conf, warn, NULL, error, sizeof error);
    free(exact);
    cr_expect_eq(list == NULL, error[0] != '\0');
    return list;
}

static struct zonelist *parse_good(const char *text)
{
    struct zonelist *list = parse(text);
    cr_assert_not_null(list, "%s", error);
    return list;
}

/* Of a file below tests/zones, for free(). */
static char *load(const char *file)
{
    char *path = zone_sample_path(file);
    size_t size;
    char *data = (char *)zone_sample_load(path, &size);
    data = realloc(data, size + 1);
    cr_assert_not_null(data);
    data[size] = '\0';
    for (char *p; (p = strstr(data, "@SAMPLES@")) != NULL;)
        memcpy(p, "/samples/", 9);
    free(path);
    return data;
}

/* "NAME [in VIEW] FILE [(JOURNAL)]" of what is read, "NAME: why" of the rest, a line each. */
static const char *print(const struct zonelist *list)
{
    static char text[30000];
    char name[WIRENAME_TEXT_SIZE];
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *zone = &list->zones[i];
        char *to = text + strlen(text);
        to += sprintf(to, "%s", wirename_print(zone->name, name));
        if (strcmp(zone->view, "_default") != 0)
            to += sprintf(to, " in %s", zone->view);
        if (zone->skip != ZONE_READ)
            sprintf(to, ": %s\n", zone_skip_text(zone->skip));
        else
            sprintf(to, " %s%s%s%s\n", zone->file ? zone->file : "-", zone->journal ? " (" : "",
                    zone->journal ? zone->journal : "", zone->journal ? ")" : "");
    }
    return text;
}

static void expect_list(const char *text, const char *expected)
{
    struct zonelist *list = parse_good(text);
    const char *printed = print(list);
    cr_expect_str_eq(printed, expected, "%s\ngave\n%s", text, printed);
    size_t skipped[SKIP_TWICE + 1] = {0};
    for (size_t i = 0; i < list->count; i++)
        skipped[list->zones[i].skip]++;
    cr_expect(memcmp(skipped, list->skipped, sizeof skipped) == 0);
    zonelist_free(list);
}

TestSuite(zonelist, .fini = end);

/* ---- what BIND printed ---- */

Test(zonelist, a_real_secondary)
{
    begin("");
    char *text = load("tools/secA.checkconf-px.txt");
    expect_list(text, "catalog.example: catalog\n"
                      "2.0.192.in-addr.arpa: reverse zone or local name\n"
                      "0/25.1.0.192.in-addr.arpa: reverse zone or local name\n"
                      "8.b.d.0.1.0.0.2.ip6.arpa: reverse zone or local name\n"
                      ".: no secondary zone\n"
                      "localhost: no secondary zone\n"
                      "127.in-addr.arpa: no secondary zone\n"
                      "stub.example: no secondary zone\n"
                      "staticstub.example: no secondary zone\n"
                      "fwd.example: no secondary zone\n"
                      "rpz.example: no secondary zone\n"
                      "example.com /samples//secA/slaves/example.com.db\n"
                      "nullmx.example /samples//secA/slaves/nullmx.example.db\n"
                      "nomx.example /samples//secA/slaves/nomx.example.db\n"
                      "onlyus.example /samples//secA/slaves/onlyus.example.db\n"
                      "equal.example /samples//secA/slaves/equal.example.db\n"
                      "three.example /samples//secA/slaves/three.example.db\n"
                      "notours.example /samples//secA/slaves/notours.example.db\n"
                      "mxip.example /samples//secA/slaves/mxip.example.db\n"
                      "mxcname.example /samples//secA/slaves/mxcname.example.db\n"
                      "xn--mnchen-3ya.example /samples//secA/slaves/xn--mnchen-3ya.example.db\n"
                      "weird.example /samples//secA/slaves/weird.example.db\n"
                      "bigset.example /samples//secA/slaves/bigset.example.db\n"
                      "ixfr.example /samples//secA/slaves/ixfr.example.db\n"
                      "jnl.example /samples//secA/slaves/jnl.example.db "
                      "(/samples//secA/slaves/other-name.jnl)\n"
                      "signed.example /samples//secA/slaves/signed.example.db\n"
                      "upper.example /samples//secA/slaves/Upper Example with space.db\n"
                      "old.example /samples//secA/slaves/old.example.db\n"
                      "text.example /samples//secA/slaves/text/text.example\n"
                      "textfull.example /samples//secA/slaves/text/textfull.example\n"
                      "nofile.example -\n"
                      "never.example /samples//secA/slaves/never.example.db\n");
    cr_expect_str_eq(said, "", "%s", said);
    free(text);
}

/* named-checkconf -l is another judge of the same text. */
Test(zonelist, a_real_secondary_as_bind_lists_it)
{
    begin("");
    char *text = load("tools/secA.checkconf-px.txt"), *judge = load("tools/secA.checkconf-l.txt");
    struct zonelist *list = parse_good(text);
    char *save = NULL;
    size_t i = 0;
    for (char *line = strtok_r(judge, "\n", &save); line; line = strtok_r(NULL, "\n", &save), i++) {
        char name[300], view[50], type[50];
        uint8_t wire[WIRENAME_MAX];
        cr_assert(sscanf(line, "%299s IN %49s %49s", name, view, type) == 3);
        cr_assert(i < list->count && wirename_parse(name, strlen(name), wire));
        const struct zonelist_zone *zone = &list->zones[i];
        cr_expect(wirename_equal(zone->name, wire), "%s", name);
        cr_expect_str_eq(zone->view, view);
        cr_expect_eq(zone->skip == SKIP_NOT_SECONDARY,
                     strcmp(type, "secondary") != 0 && strcmp(type, "slave") != 0, "%s", name);
    }
    cr_expect_eq(i, list->count);
    zonelist_free(list);
    free(text);
    free(judge);
}

Test(zonelist, a_tricky_configuration)
{
    begin("");
    char *text = load("conf/tricky.checkconf-px.txt");
    expect_list(text, "included2.example /abs/included2\n"
                      "included.example /samples//conf/s/included\n"
                      "compact.example /samples//conf/s/compact.example\n"
                      "upper.example /samples//conf/s/upper\n"
                      "comment.example /samples//conf/s/semi;colon {brace} //nocomment #no /*no*/\n"
                      "quote\\\"d.example /samples//conf/s/quote\"d back\\\\slash\n"
                      "esc\\.aped.example /samples//conf/s/esc\n"
                      "utf8-m\\195\\188nchen.example /samples//conf/s/\303\274tf8\n"
                      "rpz.example: response policy\n"
                      "cat.example: catalog\n"
                      "nofile.example -\n"
                      "jnl.example /samples//conf/s/jnl (/samples//conf/j/jnl.journal)\n"
                      "inline.example /samples//conf/s/inline\n"
                      "dlz.example /samples//conf/s/dlz\n"
                      "tls.example /samples//conf/s/tls\n"
                      ".: no secondary zone\n"
                      "com: reverse zone or local name\n"
                      "10.in-addr.arpa: reverse zone or local name\n"
                      "redir.example: no secondary zone\n");
    free(text);
}

Test(zonelist, warnings_come_first)
{
    begin("");
    char *text = load("conf/warn.checkconf-px.txt");
    expect_list(text, "a.example /var/cache/bind/a\n");
    cr_expect_str_eq(said, "warn.conf:1: option 'dnssec-must-be-secure' is deprecated\n");
    free(text);
    expect_list("zone a: loaded {serial 1}\nzone: x\nzones { no }\n\noptions\033[31m\n"
                "options {\n\tdirectory \"/d\";\n};\n",
                "");
    cr_expect_str_eq(said, "zone a: loaded {serial 1}\nzone: x\nzones { no }\noptions?[31m\n");
    expect_list("server 2001:db8::1 {\n\tbogus yes;\n};\nzone \"a:b.example\" {\n};\n",
                "a:b.example: no secondary zone\n");
    cr_expect_str_eq(said, "");
    expect_list(
        "primaries \"m\" source-v6 2001:db8:: {\n\t192.0.2.1;\n};\nzone \"a.example\" {\n};\n",
        "a.example: no secondary zone\n");
    cr_expect_str_eq(said, "", "%s", said);
}

/* Written from the documentation: named 9.21 was never seen. */
Test(zonelist, templates_and_tokens)
{
    begin("");
    static const char head[] =
        "options {\n directory \"/d\"; };\n template t { type secondary; file "
        "\"$type/$VIEW/$name.%%.$name\"; };\n template p { type Slave; file "
        "\"%t.%S.%s\"; journal \"j\"; }; template l { type slave; file \"$label1/%z\"; };\n";
    char text[2000];
    snprintf(text, sizeof text,
             "%szone \"A.example\" { template t; };\nzone \"b.example\" { template T; file "
             "\"other/b\"; };\n"
             "zone \"c.example\" { template p; };\nzone \"d.example\" { template l; };\n"
             "zone \"e.example\" { template none; };\nzone \"f.example\" { type slave; file "
             "\"100%%s\"; };\n"
             "zone \"g.example\" { type slave; file \"$NAME\"; };\n",
             head);
    expect_list(text, "a.example /d/secondary/_default/a.example.%%.$name\nb.example /d/other/b\n"
                      "c.example /d/secondary.c.example.%s (/d/j)\nd.example -\n"
                      "e.example: no secondary zone\nf.example /d/100%s\ng.example /d/g.example\n");
    cr_expect_str_eq(said,
                     "line 8: \"$label1/%z\": the name of the zone's file has a token that is not "
                     "expanded\nline 9: there is no template \"none\"\n",
                     "%s", said);
    char *sample = load("conf/template-9.21.conf");
    begin("directory = \"/var/cache/bind\";");
    expect_list(strchr(sample, '\n') + 1, "example.net /var/cache/bind/secondary/example.net.db\n"
                                          "example.edu /var/cache/bind/other/example.edu\n");
    free(sample);
}

/* ---- options ---- */

Test(zonelist, relative_names)
{
    begin("directory = \"/def\";");
    static const char zones[] =
        "zone \"a.example\" { type slave; file \"a\"; };\n"
        "zone \"b.example\" { type slave; file \"/b\"; journal \"b.jnl\"; };\n";
    char text[1000];
    expect_list(zones, "a.example /def/a\nb.example /b (/def/b.jnl)\n");
    snprintf(text, sizeof text, "options {\n directory \"rel\";\n};\n%s", zones);
    expect_list(text, "a.example /def/rel/a\nb.example /b (/def/rel/b.jnl)\n");
    begin("chroot = \"/jail\";");
    snprintf(text, sizeof text, "%soptions {\n directory \"/dir\";\n};\n", zones);
    expect_list(text, "a.example /jail/dir/a\nb.example /jail/b (/jail/dir/b.jnl)\n");
}

Test(zonelist, names_that_are_nobodys)
{
    begin("");
    static const char *const nobodys[] = {
        ".",         "com",         "10.in-addr.arpa", "x.ip6.arpa", "home.arpa", "a.ip6.int",
        "localhost", "a.localhost", "printer.local",   "x.invalid",  "y.onion",   "version.bind",
        "ARPA",      "a.LOCAL."};
    static const char *const wanted[] = {"a.test", "xarpa.example", "a.notlocal", "arpa.example",
                                         "int.example"};
    for (size_t i = 0; i < sizeof nobodys / sizeof nobodys[0] + sizeof wanted / sizeof wanted[0];
         i++) {
        char text[200];
        bool skip = i < sizeof nobodys / sizeof nobodys[0];
        const char *name = skip ? nobodys[i] : wanted[i - sizeof nobodys / sizeof nobodys[0]];
        snprintf(text, sizeof text, "zone \"%s\" { type slave; file \"f\"; };\n", name);
        struct zonelist *list = parse_good(text);
        cr_expect_eq(list->zones[0].skip, skip ? SKIP_NAME : ZONE_READ, "%s", name);
        zonelist_free(list);
    }
}

Test(zonelist, include_and_exclude)
{
    static const char zones[] = "options { directory \"/d\"; };\n"
                                "zone \"a.test\" { type slave; file \"a\"; };\n"
                                "zone \"b.a.test\" { type slave; file \"b\"; };\n"
                                "zone \"c.test\" { type slave; file \"c\"; };\n";
    static const struct {
        const char *settings, *expected;
    } rows[] = {
        {"include = ( \"a.test\" );", "a.test /d/a\nb.a.test: excluded\nc.test: excluded\n"},
        {"include = ( \".a.test\" );", "a.test /d/a\nb.a.test /d/b\nc.test: excluded\n"},
        {"include = ( \"x.b.a.test\" );", "a.test /d/a\nb.a.test /d/b\nc.test: excluded\n"},
        {"include = ( \".test\" );", "a.test /d/a\nb.a.test /d/b\nc.test /d/c\n"},
        /* names below could still be wanted */
        {"exclude = ( \"a.test\" );", "a.test /d/a\nb.a.test /d/b\nc.test /d/c\n"},
        {"exclude = ( \".a.test\" );", "a.test /d/a\nb.a.test: excluded\nc.test /d/c\n"},
        {"exclude = ( \"a.test\", \".a.test\" );",
         "a.test: excluded\nb.a.test: excluded\nc.test /d/c\n"},
        {"include = ( \".test\" ); exclude = ( \".test\" );",
         "a.test: excluded\nb.a.test: excluded\nc.test: excluded\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(rows[i].settings);
        expect_list(zones, rows[i].expected);
    }
}

Test(zonelist, classes)
{
    begin("directory = \"/d\";");
    expect_list("zone \"a.test\" in { type slave; file \"a\"; };\nzone \"b.test\" CH { type slave; "
                "file \"b\"; };\n"
                "zone \"c.test\" CHAOS { type slave; file \"b\"; };\n"
                "view \"v\" CHAOS { zone \"d.test\" { type slave; file \"d\"; };\n"
                " zone \"e.test\" IN { type slave; file \"e\"; }; };\n",
                "a.test /d/a\nb.test: not of class IN\nc.test: not of class IN\nd.test in v: not "
                "of class IN\n"
                "e.test in v /d/e\n");
}

/* Names of theirs are no other zone's. */
Test(zonelist, zones_that_this_server_is_primary_of)
{
    static const char text[] =
        "view \"v\" { zone \"a.test\" { type primary; }; zone \"b.test\" { type Master; };\n"
        " zone \"c.test\" { type slave; file \"c\"; }; zone \"d.test\" CH { type primary; };\n"
        " zone \"e.test\" { type forward; }; zone \"f.test\" { }; };\n"
        "view \"w\" { zone \"g.test\" { type primary; }; };\n";
    static const bool primary[] = {true, true, false, false, false, false, false};
    begin("views = ( \"v\" );");
    struct zonelist *list = parse_good(text);
    cr_assert_eq(list->count, sizeof primary / sizeof primary[0]);
    for (size_t i = 0; i < list->count; i++)
        cr_expect_eq(list->zones[i].primary, primary[i], "%zu", i);
    zonelist_free(list);
}

static const char views[] =
    "options { directory \"/d\"; catalog-zones { zone \"cat.test\" zone-directory \"z\" in-memory "
    "no; };\n"
    " response-policy { zone \"rpz.test\" policy drop; } break-dnssec yes; };\n"
    "view \"in\" IN { match-clients { \"any\"; };\n"
    " zone \"a.test\" { type secondary; file \"in/a\"; };\n"
    " zone \"rpz.test\" { type secondary; file \"in/r\"; };\n"
    " zone \"cat.test\" { type secondary; file \"in/c\"; }; };\n"
    "view \"out\" { catalog-zones { zone \"own.test\" in-memory yes; }; response-policy { zone "
    "\"p.test\"; };\n"
    " zone \"a.test\" { type secondary; file \"out/a\"; };\n"
    " zone \"own.test\" { type secondary; file \"out/o\"; };\n"
    " zone \"p.test\" { type secondary; file \"out/p\"; };\n"
    " zone \"b.test\" { in-view \"in\"; }; zone \"rpz.test\" { in-view \"in\"; }; };\n"
    "view \"last\" { zone \"a.test\" { in-view \"in\"; }; zone \"p.test\" { type secondary; file "
    "\"l/p\"; }; };\n";

Test(zonelist, views)
{
    begin("");
    expect_list(views,
                "a.test in in /d/in/a\nrpz.test in in: response policy\ncat.test in in: catalog\n"
                "a.test in out /d/out/a\nown.test in out: catalog\np.test in out: response policy\n"
                "b.test in out: no secondary zone\nrpz.test in out: no secondary zone\n"
                "a.test in last: no secondary zone\np.test in last /d/l/p\n");
    struct zonelist *list = parse_good(views);
    cr_expect_lt(list->zones[0].order, list->zones[3].order);
    for (size_t i = 0; i < list->count; i++)
        cr_expect_eq(list->zones[i].in_view, i == 8 ? 1 : 0, "%zu", i); /* a.test in last: of in */
    cr_assert_eq(list->catalog_count, 2);
    cr_expect_str_eq(list->catalogs[0].view, "in");
    cr_expect_str_eq(list->catalogs[0].zone_directory, "/d/z");
    cr_expect_not(list->catalogs[0].in_memory);
    cr_expect_str_eq(list->catalogs[1].view, "out");
    cr_expect(list->catalogs[1].in_memory);
    zonelist_free(list);
}

Test(zonelist, the_setting_views)
{
    begin("views = ( \"out\", \"in\" );");
    expect_list(views,
                "a.test in in /d/in/a\nrpz.test in in: response policy\ncat.test in in: catalog\n"
                "a.test in out /d/out/a\nown.test in out: catalog\np.test in out: response policy\n"
                "b.test in out: no secondary zone\nrpz.test in out: no secondary zone\n"
                "a.test in last: no secondary zone\np.test in last: in a view that is not read\n");
    struct zonelist *list = parse_good(views);
    cr_expect_gt(list->zones[0].order, list->zones[3].order);
    zonelist_free(list);
    /* what another view has is read for the one that borrows it */
    begin("views = ( \"last\" );");
    list = parse_good(views);
    cr_expect_eq(list->catalog_count, 0);
    cr_expect_str_eq(list->zones[8].view, "last");
    cr_expect_eq(list->zones[8].skip, ZONE_READ);
    cr_expect_str_eq(list->zones[8].file, "/d/in/a");
    cr_expect_eq(list->zones[0].skip, SKIP_VIEW);
    zonelist_free(list);
    begin("views = ( \"none\" );");
    list = parse_good(views);
    cr_expect_eq(list->skipped[ZONE_READ], 0);
    zonelist_free(list);
}

Test(zonelist, a_catalog_of_the_options_that_no_view_has)
{
    begin("");
    struct zonelist *list =
        parse_good("options { catalog-zones { zone \"c.test\"; }; };\n"
                   "view \"v\" { zone \"a.test\" { type slave; file \"a\"; }; };\n");
    cr_expect_eq(list->catalog_count, 1, "somebody must hear of it");
    zonelist_free(list);
}

/* ---- primaries ---- */

static void expect_primaries(const char *text, const char *expected)
{
    char printed[2000] = "";
    struct zonelist *list = parse_good(text);
    for (size_t i = 0; i < list->count; i++) {
        for (unsigned j = 0; j < list->zones[i].primary_count; j++) {
            const struct zonelist_address *address = &list->zones[i].primaries[j];
            char one[INET6_ADDRSTRLEN];
            inet_ntop(address->family, &address->v4, one, sizeof one);
            sprintf(printed + strlen(printed), "%s ", one);
        }
        sprintf(printed + strlen(printed), "| ");
    }
    cr_expect_str_eq(printed, expected, "%s\ngave %s", text, printed);
    zonelist_free(list);
}

Test(zonelist, primaries)
{
    begin("mode = \"all\"; relay = \"primaries\";");
    expect_primaries(
        "masters \"m4\" port 5300 { 192.0.2.4; 192.0.2.5 port 5301 key \"k\"; };\n"
        "primaries \"m6\" source 192.0.2.99 port 53 { 2001:db8::1; \"m4\"; };\n"
        "remote-servers \"r\" { \"m6\" key \"k\" tls \"t\"; 192.0.2.9; \"M4\"; fe80::1%eth0; };\n"
        "parental-agents \"pa\" { 192.0.2.10; };\n"
        "zone \"a.test\" { type slave; masters { \"m4\"; }; };\n"
        "zone \"b.test\" { type slave; primaries port 1 { \"r\"; }; };\n"
        "zone \"c.test\" { type slave; primaries { \"none\"; 192.0.2.7; }; };\n"
        "zone \"d.test\" { type slave; primaries { \"pa\"; \"pa\"; }; };\n"
        "zone \"e.test\" { type slave; primaries { }; };\n"
        "zone \"f.test\" { type master; primaries { \"m4\"; }; };\n",
        "192.0.2.4 192.0.2.5 | 2001:db8::1 192.0.2.4 192.0.2.5 192.0.2.9 fe80::1 | 192.0.2.7 | "
        "192.0.2.10 | | | ");
    cr_expect_str_eq(said, "there is no list of primaries \"none\"\n", "%s", said);
    /* loops, and lists in lists in lists */
    expect_primaries("primaries \"a\" { \"b\"; \"a\"; };\nprimaries \"b\" { \"a\"; 192.0.2.1; };\n"
                     "zone \"a.test\" { type slave; primaries { \"a\"; }; };\n",
                     "192.0.2.1 | ");
    char text[2000] = "";
    for (int i = 0; i < 20; i++)
        sprintf(text + strlen(text), "primaries \"l%d\" { 192.0.2.%d; \"l%d\"; };\n", i, i, i + 1);
    sprintf(text + strlen(text), "zone \"a.test\" { type slave; primaries { \"l0\"; }; };\n");
    expect_primaries(
        text, "192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 | ");
    begin("");
    expect_primaries("zone \"a.test\" { type slave; primaries { 192.0.2.1; }; };\n", "| ");
}

/* ---- zones of rndc addzone ---- */

Test(zonelist, added_zones)
{
    begin("mode = \"all\"; relay = \"primaries\";");
    struct zonelist *list =
        parse_good("options { directory \"/d\"; };\nprimaries \"hidden\" { 192.0.2.1; };\n"
                   "zone \"a.example\" { type slave; file \"a\"; };\n");
    char *text = load("tools/secA.nzd2nzf.txt");
    cr_assert(zonelist_add_nzf(list, text, strlen(text), "_default", error, sizeof error), "%s",
              error);
    cr_expect_str_eq(print(list), "a.example /d/a\nadded.example /d/slaves/added.example.db\n");
    cr_expect_eq(list->zones[1].primary_count, 1);
    static const char twice[] = "zone \"A.example\" { type slave; file \"b\"; };\n";
    cr_assert(zonelist_add_nzf(list, twice, strlen(twice), "_default", error, sizeof error));
    cr_expect_eq(list->zones[2].skip, SKIP_TWICE);
    cr_expect(zonelist_add_nzf(list, "", 0, "_default", error, sizeof error), "no zones are added");
    cr_expect_not(zonelist_add_nzf(list, text, strlen(text) - 3, "_default", error, sizeof error));
    cr_expect_str_eq(error, "line 1: the text ends within a zone", "%s", error);
    cr_expect_not(zonelist_add_nzf(list, text, strlen(text), "other", error, sizeof error));
    cr_expect_str_eq(error, "there is no view \"other\"");
    static const char other[] = "zone \"b.example\" { };\noptions { directory \"/x\"; };\n";
    cr_expect_not(zonelist_add_nzf(list, other, strlen(other), "_default", error, sizeof error));
    cr_expect_str_eq(error, "line 2: a zone is expected");
    cr_expect_eq(list->count, 3);
    zonelist_free(list);
    free(text);
}

/* ---- what is no output of named-checkconf ---- */

Test(zonelist, half_a_text_is_none)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "no configuration was printed"},
        {"\n\n", "no configuration was printed"},
        {"named.conf:3: unknown option 'zonee'\n", "no configuration was printed"},
        {"options {\n\tdirectory \"/x\";\n", "line 3: the text ends within a block"},
        {"options {\n\tdirectory \"/x\n", "line 2: a quoted string does not end on its line"},
        {"options {\n\tdirectory \"/x", "line 2: the text ends within a quoted string"},
        {"options {\n\tdirectory \"/x\\", "line 2: the text ends within a quoted string"},
        {"options {\n\tdirectory", "line 2: a name or a value is missing"},
        {"zone \"a.test\" { type slave; file \"a\";", "line 1: the text ends within a zone"},
        {"zone \"a.test\" { type slave; file \"a\"; }", "line 1: a ';' is missing"},
        {"zone \"a.test\" { type slave; file \"a\" };",
         "line 1: a '}' too many, or a ';' is missing"},
        {"zone \"a.test\" { type slave; masters { 1.2.3.4 }; };",
         "line 1: a '}' too many, or a ';' is missing"},
        {"zone \"a.test\" { type slave; masters { { } }; };",
         "line 1: an address or the name of a list is missing"},
        {"zone \"a.test\" { type slave; masters; };", "line 1: a '{' is missing"},
        {"zone \"a.test\" { ; };", "line 1: an option is expected"},
        {"zone { };", "line 1: a name or a value is missing"},
        {"zone \"a.test\" {};\n}", "line 2: a statement is expected"},
        {"zone \"a.test\" {};\n};", "line 2: a statement is expected"},
        {"view \"v\" { zone \"a.test\" { type slave; }; ", "line 1: the text ends within a block"},
        {"zone \"a.test\" {};\nacl \"x\" { 1.2.3.4;", "line 2: the text ends within a statement"},
        {"zone \"a.test\" {};\n/* people */\n",
         "line 2: a comment: this is not what named-checkconf prints"},
        {"zone \"a.test\" {};\n# people\n",
         "line 2: a comment: this is not what named-checkconf prints"},
        {"zone \"a.test\" {};\n// people\n",
         "line 2: a comment: this is not what named-checkconf prints"},
        {"zone \"a.test\" {};\ninclude \"more\";\n",
         "line 2: include: this is not what named-checkconf prints"},
        {"zone \"a.test\" { include \"more\"; };\n",
         "line 1: include: this is not what named-checkconf prints"},
        {"options { catalog-zones { blob; }; };", "line 1: a zone is expected"},
        {"options { catalog-zones { zone \"c.test\"; };", "line 1: the text ends within a block"},
        {"dyndb \"x\" \"y\" { a \" { b };\n", "line 2: the text ends within a block"},
    };
    begin("");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zonelist *list = parse(rows[i].text);
        cr_expect_null(list, "%s", rows[i].text);
        cr_expect_str_eq(error, rows[i].error, "%s\ngave %s", rows[i].text, error);
        zonelist_free(list);
    }
    struct zonelist *list =
        zonelist_parse("zone \"a\" { x \0 };", 18, conf, NULL, NULL, error, sizeof error);
    cr_expect_null(list);
    cr_expect_str_eq(error, "line 1: there is a NUL", "%s", error);
    list = zonelist_parse("zone \"a\0.test\" {};", 18, conf, NULL, NULL, error, sizeof error);
    cr_expect_null(list);
}

/* Cut anywhere, a text is refused; but for ends of lines, and where a whole statement goes. */
Test(zonelist, cut_at_every_octet)
{
    begin("");
    char *text = load("tools/secA.checkconf-px.txt");
    size_t size = strlen(text), whole = 0;
    for (size_t len = 0; len < size; len++) {
        struct zonelist *list = zonelist_parse(text, len, conf, NULL, NULL, error, sizeof error);
        bool end = len >= 3 && (memcmp(text + len - 3, "\n};", 3) == 0 ||
                                (len >= 4 && memcmp(text + len - 4, "\n};\n", 4) == 0));
        cr_expect_eq(list != NULL, end, "%zu", len);
        whole += list != NULL;
        zonelist_free(list);
    }
    cr_expect_gt(whole, 60);
    free(text);
}

Test(zonelist, blocks_of_other_languages)
{
    begin("directory = \"/d\";");
    expect_list("plugin query \"x.so\" { a \" { b # } \\} /* };\n"
                "zone \"a.test\" { plugin \"y\" { \" }; type slave; file \"a\"; };\n"
                "dyndb \"x\" \"y\" { \" };\nzone \"b.test\" { type slave; file \"b\\\\\"; };\n",
                "a.test /d/a\nb.test /d/b\\\\\n");
}

Test(zonelist, zones_without_a_name)
{
    begin("directory = \"/d\";");
    char text[1000];
    snprintf(text, sizeof text,
             "zone \"a..test\" { type slave; };\nzone \"%0300d.test\" { type slave; };\n"
             "zone \"\" { type slave; };\nzone \"b.test\" { type slave; file \"b\"; };\n",
             1);
    expect_list(text, "b.test /d/b\n");
    cr_expect_not_null(strstr(said, "\"a..test\" is no name of a zone\n"));
}

/* 100,000 zones: in time, and in order. */
Test(zonelist, many)
{
    enum { COUNT = 100000 };
    begin("exclude = ( \".z.test\" );");
    char *text = malloc((size_t)COUNT * 120), *p = text;
    cr_assert_not_null(text);
    p += sprintf(p, "options {\n\tdirectory \"/var/cache/bind\";\n};\n");
    for (int i = 0; i < COUNT; i++)
        p += sprintf(p,
                     "zone \"d%06d.test\" {\n\ttype secondary;\n\tfile \"s/d%06d\";\n\tprimaries "
                     "{\n\t\t\"h\";\n"
                     "\t};\n};\n",
                     i, i);
    struct zonelist *list = parse_good(text);
    cr_expect_eq(list->skipped[ZONE_READ], COUNT);
    cr_expect_str_eq(list->zones[COUNT - 1].file, "/var/cache/bind/s/d099999");
    zonelist_free(list);
    free(text);
}
