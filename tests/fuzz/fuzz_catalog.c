/*
 * Catalog zones, and on the way to them the nodes of any zone. An input is the file of the zone
 * c.test, raw or text. A zone that is read has its names in order, each once, and finds them again;
 * a catalog's members are names, each with a file in named's folder, and are counted.
 */
#include "check.h"
#include "import/catalog.h"
#include "import/importconf.h"
#include "import/zone.h"
#include "import/zonelist.h"

#include <sys/mman.h>
#include <unistd.h>

static const char named_conf[] =
    "options {\n directory \"/d\"; catalog-zones { zone \"c.test\"; }; };\n"
    "zone \"c.test\" { type secondary; file \"c.db\"; };\n"
    "zone \"taken.test\" { type secondary; file \"taken.db\"; };\n";

/* The path of a file of these octets: always the same file. */
static const char *file_of(const uint8_t *data, size_t size)
{
    static char path[32];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("zone", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    CHECK(fd >= 0 && (size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size));
    CHECK(ftruncate(fd, (off_t)size) == 0);
    return path;
}

static void check_zone(const struct zone *zone)
{
    size_t records = 0;
    CHECK(zone->node_count > 0 && wirename_equal(zone->nodes[0].name, zone->apex));
    CHECK(zone->journal == ZONE_JOURNAL_NONE && zone->serial == zone->file_serial);
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        CHECK(i == 0 || wirename_compare(node[-1].name, node->name) < 0);
        CHECK(wirename_within(node->name, zone->apex) && node->rr_count > 0 && node->types != 0);
        CHECK(zone_find(zone, node->name) == node && zone_has_name(zone, node->name));
        CHECK(zone_place(zone, node->name) == (enum zone_place)node->place);
        const uint8_t *parent = i > 0 ? wirename_parent(node->name) : NULL;
        if (parent != NULL) {
            enum zone_place above = zone_place(zone, parent);
            CHECK(zone_has_name(zone, parent));
            CHECK(above == ZONE_AUTHORITATIVE || node->place == ZONE_BELOW_CUT ||
                  node->place == ZONE_BELOW_DNAME);
        }
        records += node->rr_count;
    }
    CHECK(records == zone->rr_count && zone->nodes[0].place == ZONE_AUTHORITATIVE);
}

static void check_members(const struct zonelist *list, size_t before)
{
    size_t skipped[SKIP_TWICE + 1] = {0};
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *zone = &list->zones[i];
        char text[WIRENAME_TEXT_SIZE];
        uint8_t again[WIRENAME_MAX];
        CHECK((zone->catalog != NULL) == (i >= before));
        wirename_print(zone->name, text);
        CHECK(wirename_parse(text, strlen(text), again) && wirename_equal(again, zone->name));
        CHECK(zone->file != NULL && strncmp(zone->file, "/d/", 3) == 0);
        CHECK(strchr(zone->file + 3, '/') == NULL);
        CHECK(zone->primary_count <= ZONELIST_PRIMARIES_MAX);
        for (unsigned j = 0; j < zone->primary_count; j++)
            CHECK(zone->primaries[j].family != 0);
        CHECK(zone->skip <= SKIP_TWICE);
        skipped[zone->skip]++;
    }
    CHECK(memcmp(skipped, list->skipped, sizeof skipped) == 0);
}

static void add_members(const struct zone *zone)
{
    static char directory[] = "/d", primaries[] = "primaries";
    static const struct importconf conf = {
        .directory = directory, .mode = IMPORT_MODE_ALL, .relay = primaries};
    char error[200] = "";
    struct zonelist *list =
        zonelist_parse(named_conf, sizeof named_conf - 1, &conf, NULL, NULL, error, sizeof error);
    CHECK(list != NULL && list->catalog_count == 1 && list->count == 2);
    size_t before = list->count;
    bool good = catalog_add_members(list, &list->catalogs[0], zone, error, sizeof error);
    CHECK(good == (error[0] == '\0') && (good || list->count == before));
    check_members(list, before);
    zonelist_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t apex[] = "\001c\004test";
    static struct zone_reader *reader;
    struct zone_limits limits = {.file_max = 1 << 20, .journal_max = 1 << 20};
    struct zone_fault fault = {.text = ""};
    if (reader == NULL)
        reader = zone_reader_new(&limits);
    CHECK(reader != NULL);
    const struct zone *zone = zone_read(reader, apex, file_of(data, size), NULL, &fault);
    CHECK((zone == NULL) == (fault.text[0] != '\0'));
    if (zone != NULL) {
        check_zone(zone);
        add_members(zone);
    }
    return 0;
}
