/* Catalog zones: their members, as BIND 9.18 makes zones of them. */
#include "import/catalog.h"

#include "mail_site.h"
#include "zone_samples.h"

#include <arpa/inet.h>

#define PRIMARIES "mode = \"all\"; relay = \"primaries\";"

static struct importconf *conf;
static struct zone_reader *reader;
static struct zonelist *list;
static char error[300];

static void end(void)
{
    zonelist_free(list);
    zone_reader_free(reader);
    importconf_free(conf);
}

TestSuite(catalog, .fini = end);

/* The list of a named.conf with a catalog c.test; options: of the item in catalog-zones. */
static void begin(const char *settings, const char *options, const char *more)
{
    char text[2000];
    end();
    conf = mail_site_conf(settings);
    reader = zone_reader_new(&conf->limits);
    snprintf(text, sizeof text,
             "options {\n directory \"/d\"; catalog-zones { zone \"C.test\" %s; }; };\n"
             "zone \"c.test\" { type secondary; file \"c.db\"; };\n%s",
             options, more);
    list = zonelist_parse(text, strlen(text), conf, NULL, NULL, error, sizeof error);
    cr_assert(reader != NULL && list != NULL, "%s", error);
    cr_assert_eq(list->catalog_count, 1);
}

/* Adds the members of a catalog zone with these records. */
static bool add(const char *records)
{
    char file[] = "/tmp/lookupd-catalog.XXXXXX";
    struct zone_fault fault = {.text = ""};
    int fd = mkstemp(file);
    cr_assert(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fprintf(f, "$ORIGIN c.test.\n$TTL 60\n@ SOA . . 7 2 3 4 5\n@ NS invalid.\n%s", records);
    cr_assert(fclose(f) == 0);
    const struct zone *zone = zone_read(reader, list->catalogs[0].name, file, NULL, &fault);
    (void)unlink(file);
    cr_assert_not_null(zone, "%s\n%s", fault.text, records);
    error[0] = '\0';
    bool good = catalog_add_members(list, &list->catalogs[0], zone, error, sizeof error);
    cr_expect_eq(good, error[0] == '\0', "%s", error);
    return good;
}

/* "NAME FILE [ADDRESS …]" of what is read, "NAME: why" of the rest, a line each; members only. */
static void expect_members(const char *records, const char *expected)
{
    static char text[20000];
    char name[WIRENAME_TEXT_SIZE], *to = text;
    text[0] = '\0';
    cr_assert(add(records), "%s", error);
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *zone = &list->zones[i];
        if (zone->catalog == NULL)
            continue;
        cr_expect_str_eq(zone->catalog, "c.test");
        to += sprintf(to, "%s", wirename_print(zone->name, name));
        if (zone->skip != ZONE_READ)
            to += sprintf(to, ": %s", zone_skip_text(zone->skip));
        else
            to += sprintf(to, " %s", zone->file ? zone->file : "-");
        for (unsigned j = 0; j < zone->primary_count; j++) {
            const struct zonelist_address *address = &zone->primaries[j];
            *to++ = ' ';
            cr_assert_not_null(inet_ntop(address->family, &address->v4, to, INET6_ADDRSTRLEN));
            to += strlen(to);
        }
        *to++ = '\n';
        *to = '\0';
    }
    cr_expect_str_eq(text, expected, "%s\ngave\n%s", records, text);
}

static void expect_refused(const char *records, const char *expected)
{
    size_t before = list->count;
    cr_expect_not(add(records), "%s", records);
    cr_expect_str_eq(error, expected, "%s: %s", records, error);
    cr_expect_eq(list->count, before, "no member of it is added");
}

/* ---- versions ---- */

Test(catalog, versions)
{
    static const char *const good[] = {"version TXT 1\n", "version TXT \"2\"\n",
                                       "VERSION TXT \"2\"\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char records[200];
        begin("", "", "");
        snprintf(records, sizeof records, "%sa.zones PTR a.test.\n", good[i]);
        expect_members(records, "a.test /d/__catz___default_c.test_a.test.db\n");
    }
    begin("", "", "");
    expect_refused("a.zones PTR a.test.\n", "it has no version: is it a catalog zone?");
    expect_refused("version A 192.0.2.1\na.zones PTR a.test.\n",
                   "it has no version: is it a catalog zone?");
    expect_refused("x.version TXT 2\na.zones PTR a.test.\n",
                   "it has no version: is it a catalog zone?");
    expect_refused("version TXT 1\nversion TXT 2\na.zones PTR a.test.\n",
                   "it has several versions");
    static const char *const unknown[] = {
        "3",          "\"\"", "22",        "\" 2\"",
        "\"2 \"",     "02",   "\"\\000\"", "\"version 2 of a catalog\"",
        "\"2\" \"2\""};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        char records[200];
        snprintf(records, sizeof records, "version TXT %s\na.zones PTR a.test.\n", unknown[i]);
        expect_refused(records, "its schema version is none of 1 and 2");
    }
}

Test(catalog, no_members)
{
    begin("", "", "");
    expect_members("version TXT 2\n", "");
}

/* ---- files ---- */

Test(catalog, folders)
{
    static const char records[] = "version TXT 2\na.zones PTR a.test.\n";
    begin("", "zone-directory \"cat z\"", "");
    expect_members(records, "a.test /d/cat z/__catz___default_c.test_a.test.db\n");
    begin("chroot = \"/jail\";", "zone-directory \"/abs\"", "");
    expect_members(records, "a.test /jail/abs/__catz___default_c.test_a.test.db\n");
    begin("chroot = \"/jail\";", "", "");
    expect_members(records, "a.test /jail/d/__catz___default_c.test_a.test.db\n");
    begin("", "zone-directory \"z\" in-memory yes", "");
    expect_members(records, "a.test -\n");
    begin("", "zone-directory \"z\" in-memory no", "");
    expect_members(records, "a.test /d/z/__catz___default_c.test_a.test.db\n");
}

static void expect_file(const char *view, const char *catalog, const char *member,
                        const char *expected)
{
    uint8_t wires[2][WIRENAME_MAX];
    char file[CATALOG_FILE_SIZE + 1];
    memset(file, 'x', sizeof file);
    cr_assert(wirename_parse(catalog, strlen(catalog), wires[0]) &&
              wirename_parse(member, strlen(member), wires[1]));
    /* wirename_parse() lowers letters: these are as the record has them */
    for (const char *p = member; member[0] == 'M' && *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            wires[1][1 + (p - member)] = (uint8_t)*p;
    catalog_file_name(view, wires[0], wires[1], file);
    cr_expect_str_eq(file, expected, "%s: %s", member, file);
    cr_expect_eq(file[CATALOG_FILE_SIZE], 'x');
}

/* What named 9.18.49 called the files, but for the longest and the view's: sha256sum did. */
Test(catalog, names_of_files)
{
    expect_file("_default", "catalog.example", "cat1.example",
                "__catz___default_catalog.example_cat1.example.db");
    expect_file("_default", "catalog.example", "0/25.2.0.192.in-addr.arpa",
                "__catz__eb624701fb8c359e4d5c3ee8ca804bf964af6f843dbd957f5f774172f6736ba2.db");
    expect_file("_default", "catalog.example",
                "a-very-long-member-zone-name-to-force-hashing-of-the-file-name.subdomain.cat3."
                "example",
                "__catz__29bb977904ad7beb4fe0d80a64bedf72eed460a0b865da3cc64d606eb88363ec.db");
    expect_file("_default", "cat.example", "MiXed.Example",
                "__catz___default_cat.example_MiXed.Example.db");
    expect_file("_default", "cat.example", "sl/ash.example",
                "__catz__5377cc0ebb577db9d6b6bb87eda6489305b6f8f1beaaa45dd93e9f77b0449ab7.db");
    expect_file("_default", "cat.example", "col:on.example",
                "__catz__a115411916d139f5d69eaf83c55ed565464e8c5457147278f0abf01888961ccb.db");
    expect_file("_default", "cat.example", "quo\\\"te.example",
                "__catz__19791ad63aa5f6ba41bc434e55781ccd5fecd3323712ad2f83c0d9a9597079e8.db");
    expect_file("_default", "cat.example", "at\\@sign.example",
                "__catz__0f56de6045e4807ec3ec329d3c2766e85f4fc97927852898c5bb1e8b72786f2e.db");
    expect_file("_default", "cat.example", "do\\$llar.example",
                "__catz__4c0fd68ebe8d99579065d960631a13ee3925e7202df7684ee27b15102e627cfb.db");
    /* 65 octets, and one more: _default_c.test_ is 16 */
    expect_file("_default", "c.test", "a123456789.a123456789.a123456789.a123456789.b.tst",
                "__catz___default_c.test_a123456789.a123456789.a123456789.a123456789.b.tst.db");
    expect_file("_default", "c.test", "a123456789.a123456789.a123456789.a123456789.b.test",
                "__catz__788e5c1410c164c698fc64c6070d07b9cf859d284b2452f7ffbcd36ebc08849a.db");
    expect_file("in/side", "c.test", "a.test",
                "__catz__ff642951bf3905f6192c33c5a45fa5c3587accbe15e804d3e00a32ffa4d65435.db");
}

/* Labels of any octets make no path: whatever is odd is escaped, and so hashed. */
Test(catalog, hostile_members)
{
    begin("", "zone-directory \"z\"", "");
    cr_assert(
        add("version TXT 2\na.zones PTR \\.\\./\\.\\./etc/passwd.x.\nb.zones PTR \\000\\010.x.\n"
            "d.zones PTR .\ne.zones PTR com.\nf.zones PTR *.x.\ng.zones PTR \\255\\%s.x.\n"
            "h.zones PTR 1.0.10.in-addr.arpa.\n\\000.zones PTR h.test.\ni.zones PTR c.test.\n"),
        "%s", error);
    cr_expect_eq(list->count, 10);
    for (size_t i = 0; i < list->count; i++) {
        const char *file = list->zones[i].file;
        if (list->zones[i].catalog == NULL)
            continue;
        cr_expect_str_neq(file, "");
        cr_expect(strncmp(file, "/d/z/__catz__", 13) == 0, "%s", file);
        cr_expect_null(strchr(file + 5, '/'), "%s", file);
        for (const char *p = file; *p != '\0'; p++)
            cr_expect(*p > 0x20 && *p < 0x7f && *p != '\\', "%s", file);
    }
}

/* ---- members ---- */

Test(catalog, what_is_a_member)
{
    begin("exclude = ( \"x.test\", \".x.test\" );", "",
          "zone \"own.test\" { type secondary; file \"own\"; };\n");
    expect_members("version TXT 2\n"
                   "a.zones PTR A.test.\n"
                   "b.zones PTR own.test.\n"                      /* named.conf comes first */
                   "c.zones PTR a.TEST.\n"                        /* of two that name it, one */
                   "d.zones PTR x.test.\n"                        /* the settings */
                   "e.zones PTR e1.test.\ne.zones PTR e2.test.\n" /* RFC 9432 4.1: broken */
                   "f.zones TXT f.test\n"
                   "g PTR g.test.\n"
                   "zones PTR h.test.\n"
                   "x.i.zones PTR i.test.\n"
                   "j.other PTR j.test.\n"
                   "k.zones PTR c.test.\n" /* the catalog itself */
                   "l.zones PTR 1.in-addr.arpa.\n",
                   "a.test /d/__catz___default_c.test_A.test.db\n"
                   "own.test: listed twice\na.test: listed twice\nx.test: excluded\n"
                   "c.test: listed twice\n1.in-addr.arpa: reverse zone or local name\n");
}

/* RFC 9432 4.4, and what other servers put there: nothing of it makes a zone, or hides one. */
Test(catalog, properties)
{
    begin("", "", "");
    expect_members("version TXT 2\n"
                   "a.zones PTR a.test.\n"
                   "group.a.zones TXT \"nodnssec\"\ngroup.a.zones TXT \"second\"\n"
                   "coo.a.zones PTR other.test.\n"
                   "b.zones PTR b.test.\n"
                   "serial.b.zones TXT 7\n"
                   "x.ext.b.zones PTR ext.test.\n"
                   "serial TXT 7\nx.ext PTR ext.test.\ncoo PTR coo.test.\n"
                   "allow-query APL 1:0.0.0.0/0\n",
                   "a.test /d/__catz___default_c.test_a.test.db\n"
                   "b.test /d/__catz___default_c.test_b.test.db\n");
}

Test(catalog, primaries)
{
    static const char members[] = "version TXT 2\na.zones PTR a.test.\nb.zones PTR b.test.\n"
                                  "primaries.ext.b.zones A 192.0.2.7\n"
                                  "primaries.ext.b.zones AAAA 2001:db8::7\n";
    char records[3000];
    begin(PRIMARIES, "default-primaries { 192.0.2.1; } in-memory yes", "");
    expect_members(members, "a.test - 192.0.2.1\nb.test - 192.0.2.7 2001:db8::7\n");
    /* of the catalog, stronger than those of named.conf; a label below names a key */
    begin(PRIMARIES, "default-primaries { 192.0.2.1; } in-memory yes", "");
    snprintf(records, sizeof records,
             "%sprimaries.ext A 192.0.2.2\nkeyed.primaries.ext A 192.0.2.3\n"
             "keyed.primaries.ext TXT \"tsig-key\"\nx.y.primaries.ext A 192.0.2.9\n",
             members);
    expect_members(records, "a.test - 192.0.2.2 192.0.2.3\nb.test - 192.0.2.7 2001:db8::7\n");
    /* words of older ones: masters, and version 1 without ext */
    begin(PRIMARIES, "in-memory yes", "");
    expect_members("version TXT 1\nmasters A 192.0.2.2\na.zones PTR a.test.\nb.zones PTR b.test.\n"
                   "masters.b.zones AAAA 2001:db8::7\n",
                   "a.test - 192.0.2.2\nb.test - 2001:db8::7\n");
    begin(PRIMARIES, "in-memory yes", "");
    expect_members("version TXT 2\na.zones PTR a.test.\n", "a.test -\n");
    /* more than anybody tries */
    begin(PRIMARIES, "in-memory yes", "");
    int used = snprintf(records, sizeof records, "version TXT 2\na.zones PTR a.test.\n");
    for (int i = 1; i <= 20; i++)
        used +=
            snprintf(records + used, sizeof records - (size_t)used,
                     "primaries.ext A 192.0.2.%d\nk%d.primaries.ext AAAA 2001:db8::%d\n", i, i, i);
    cr_assert(add(records));
    cr_expect_eq(list->zones[1].primary_count, ZONELIST_PRIMARIES_MAX);
}

Test(catalog, views)
{
    static const char text[] =
        "options { directory \"/d\"; catalog-zones { zone \"c.test\"; }; };\n"
        "view \"in\" { zone \"c.test\" { type secondary; file \"in\"; }; };\n"
        "view \"out\" { zone \"c.test\" { type secondary; file \"out\"; }; };\n";
    begin("", "", "");
    zonelist_free(list);
    list = zonelist_parse(text, strlen(text), conf, NULL, NULL, error, sizeof error);
    cr_assert_not_null(list);
    cr_assert_eq(list->catalog_count, 2);
    expect_members("version TXT 2\na.zones PTR a.test.\n",
                   "a.test /d/__catz__in_c.test_a.test.db\n");
    list->catalogs[0] = list->catalogs[1];
    expect_members(
        "version TXT 2\na.zones PTR a.test.\n",
        "a.test /d/__catz__in_c.test_a.test.db\na.test /d/__catz__out_c.test_a.test.db\n");
    cr_expect_lt(list->zones[2].order, list->zones[3].order);
}

/* A real one, with the files that named wrote of its members. */
Test(catalog, a_real_one)
{
    uint8_t apex[WIRENAME_MAX];
    struct zone_fault fault;
    char *file = zone_sample_path("secA/slaves/catalog.example.db"), *text = NULL;
    begin("", "", "");
    zonelist_free(list);
    cr_assert(
        asprintf(&text,
                 "options { directory \"%s/secA\"; catalog-zones { zone \"catalog.example\" "
                 "zone-directory \"catz\"; }; };\n"
                 "zone \"catalog.example\" { type slave; file \"slaves/catalog.example.db\"; };\n",
                 ZONES) > 0);
    list = zonelist_parse(text, strlen(text), conf, NULL, NULL, error, sizeof error);
    cr_assert_not_null(list, "%s", error);
    cr_assert(wirename_parse("catalog.example", 15, apex));
    const struct zone *zone = zone_read(reader, apex, file, NULL, &fault);
    cr_assert(zone != NULL &&
              catalog_add_members(list, &list->catalogs[0], zone, error, sizeof error));
    cr_expect_eq(list->count, 6);
    size_t read = 0;
    for (size_t i = 1; i < list->count; i++) {
        char name[WIRENAME_TEXT_SIZE];
        wirename_print(list->zones[i].name, name);
        /* cat5's primary had no such zone */
        const struct zone *member =
            zone_read(reader, list->zones[i].name, list->zones[i].file, NULL, &fault);
        cr_expect(member != NULL || strcmp(name, "cat5.example") == 0, "%s: %s", name, fault.text);
        read += member != NULL;
    }
    cr_expect_eq(read, 4);
    free(text);
    free(file);
}
