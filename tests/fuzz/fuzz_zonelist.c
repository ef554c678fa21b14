/*
 * What named-checkconf -px and named-nzd2nzf print. An input is an octet of settings, the first
 * text, and after a NUL the second. A list that comes out is whole: its texts are texts, each zone
 * has a name and a view, what is counted is there. A text that is refused has a message, and adds
 * nothing.
 */
#include "check.h"
#include "import/importconf.h"
#include "import/zonelist.h"

/* What importconf.c would make of settings; that is another fuzzer's matter. */
static struct importconf settings_of(unsigned octet)
{
    static char internal[] = "internal", no_view[] = "_default";
    static char *views[] = {internal, no_view, NULL};
    static char primaries[] = "primaries", chroot[] = "/jail", directory[] = "/var/cache/bind";
    static struct importconf_name names[] = {{.name = "\004test", .below = true},
                                             {.name = "\001a\004test", .below = false}};
    struct importconf conf = {.directory = directory};
    if (octet & 1) {
        conf.mode = IMPORT_MODE_ALL;
        conf.relay = primaries;
    }
    if (octet & 2)
        conf.views = views;
    if (octet & 4)
        conf.chroot = chroot;
    if (octet & 8)
        conf.include = (struct importconf_names){names, 1};
    if (octet & 16)
        conf.exclude = (struct importconf_names){names + 1, 1};
    return conf;
}

static void warn(const char *line, void *context)
{
    size_t *lines = context;
    (*lines)++;
    for (const char *p = line; *p != '\0'; p++)
        CHECK(*p >= 0x20 && *p <= 0x7e);
}

static void check_path(const char *path, const struct importconf *conf)
{
    CHECK(path[0] == '/');
    CHECK(conf->chroot == NULL || strncmp(path, conf->chroot, strlen(conf->chroot)) == 0);
}

static void check_list(const struct zonelist *list, const struct importconf *conf)
{
    size_t skipped[SKIP_TWICE + 1] = {0};
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *zone = &list->zones[i];
        char text[WIRENAME_TEXT_SIZE];
        uint8_t again[WIRENAME_MAX];
        wirename_print(zone->name, text);
        CHECK(wirename_parse(text, strlen(text), again) && wirename_equal(again, zone->name));
        CHECK(zone->view != NULL && zone->primary_count <= ZONELIST_PRIMARIES_MAX);
        CHECK(zone->catalog == NULL && zone->skip <= SKIP_TWICE);
        CHECK(zone->primary_count == 0 || (zone->primaries != NULL && conf->relay != NULL));
        for (unsigned j = 0; j < zone->primary_count; j++)
            CHECK(zone->primaries[j].family != 0);
        if (zone->file != NULL)
            check_path(zone->file, conf);
        if (zone->journal != NULL)
            check_path(zone->journal, conf);
        skipped[zone->skip]++;
    }
    CHECK(memcmp(skipped, list->skipped, sizeof skipped) == 0);
    for (size_t i = 0; i < list->catalog_count; i++) {
        const struct zonelist_catalog *catalog = &list->catalogs[i];
        CHECK(catalog->name != NULL && catalog->view != NULL);
        if (catalog->zone_directory != NULL)
            check_path(catalog->zone_directory, conf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[100] = "";
    size_t lines = 0;
    if (size < 1)
        return 0;
    struct importconf conf = settings_of(data[0]);
    const uint8_t *end = data + size, *nul = memchr(data + 1, '\0', size - 1);
    size_t len = (size_t)((nul ? nul : end) - data) - 1;
    char *text = exact_copy(data + 1, len);
    struct zonelist *list = zonelist_parse(text, len, &conf, warn, &lines, error, sizeof error);
    free(text);
    CHECK((list == NULL) == (error[0] != '\0'));
    if (list == NULL)
        return 0;
    check_list(list, &conf);
    if (nul != NULL) {
        size_t zones = list->count, rest = (size_t)(end - nul) - 1;
        text = exact_copy(nul + 1, rest);
        bool good = zonelist_add_nzf(list, text, rest, "_default", error, sizeof error);
        free(text);
        CHECK(good == (error[0] == '\0'));
        CHECK(good ? list->count >= zones : list->count == zones);
        check_list(list, &conf);
    }
    zonelist_free(list);
    return 0;
}
