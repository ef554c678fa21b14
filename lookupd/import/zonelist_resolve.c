/* From statements to zones: lists, templates and views are followed. */
#include "import/importconf.h"
#include "import/zonelist_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void zonelist_say(const struct zonelist *list, const char *format, ...)
{
    char line[ZONELIST_LINE_MAX + 1];
    va_list arguments;
    if (list->memory->warn == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *p = line; *p != '\0'; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    list->memory->warn(line, list->memory->context);
}

/* ---- primaries ---- */

struct follow {
    struct zonelist *list;
    struct zonelist_address found[ZONELIST_PRIMARIES_MAX];
    unsigned count;
};

static struct zonelist_remotes *find_remotes(const struct zonelist_memory *memory, const char *name)
{
    for (size_t i = 0; i < memory->remote_count; i++)
        if (strcasecmp(memory->remotes[i].name, name) == 0)
            return &memory->remotes[i];
    return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most ZONELIST_DEPTH_MAX deep, and each list once */
static void follow_items(struct follow *follow, const struct zonelist_items *items, unsigned depth)
{
    struct zonelist_memory *memory = follow->list->memory;
    for (size_t i = 0; i < items->count && follow->count < ZONELIST_PRIMARIES_MAX; i++) {
        if (items->list[i].list == NULL) {
            follow->found[follow->count++] = items->list[i].address;
            continue;
        }
        struct zonelist_remotes *remotes = find_remotes(memory, items->list[i].list);
        if (remotes == NULL)
            zonelist_say(follow->list, "there is no list of primaries \"%s\"", items->list[i].list);
        if (remotes == NULL || remotes->walk == memory->walk || depth == ZONELIST_DEPTH_MAX)
            continue;
        remotes->walk = memory->walk;
        follow_items(follow, &remotes->items, depth + 1);
    }
}

bool zonelist_follow(struct zonelist *list, const struct zonelist_items *items,
                     const struct zonelist_address **addresses, unsigned *count)
{
    struct follow follow = {.list = list};
    const struct importconf *conf = list->memory->conf;
    *addresses = NULL;
    *count = 0;
    if (conf->mode != IMPORT_MODE_ALL || conf->relay == NULL ||
        strcmp(conf->relay, "primaries") != 0)
        return true;
    list->memory->walk++;
    follow_items(&follow, items, 0);
    if (follow.count == 0)
        return true;
    size_t size = follow.count * sizeof follow.found[0];
    struct zonelist_address *kept = arena_alloc(&list->memory->arena, size);
    if (kept == NULL)
        return false;
    memcpy(kept, follow.found, size);
    *addresses = kept;
    *count = follow.count;
    return true;
}

/* ---- zones ---- */

unsigned zonelist_find_view(const struct zonelist *list, const char *name)
{
    for (unsigned i = 0; i < list->memory->view_count; i++)
        if (strcmp(list->memory->views[i].name, name) == 0)
            return i;
    return 0;
}

static bool is_catalog(const struct zonelist *list, const struct zonelist_zone *zone)
{
    for (size_t i = 0; i < list->catalog_count; i++)
        if (wirename_equal(list->catalogs[i].name, zone->name) &&
            strcmp(list->catalogs[i].view, zone->view) == 0)
            return true;
    return false;
}

static bool is_policy(const struct zonelist *list, const uint8_t *name, unsigned view)
{
    const struct nametable *policies = &list->memory->policies;
    return nametable_find(policies, name, 0) != NAMETABLE_NONE ||
           nametable_find(policies, name, view + 1) != NAMETABLE_NONE;
}

/* Judges a secondary zone of class IN. */
static enum zone_skip judge(const struct zonelist *list, const struct zonelist_zone *zone,
                            unsigned view)
{
    if (!list->memory->views[view].read)
        return SKIP_VIEW;
    if (is_catalog(list, zone))
        return SKIP_CATALOG;
    if (is_policy(list, zone->name, view))
        return SKIP_POLICY;
    return namejudge_zone(&list->memory->judge, zone->name);
}

bool zonelist_append(struct zonelist *list, const struct zonelist_zone *zone, unsigned view)
{
    struct zonelist_zone *grown =
        zonelist_grow(list->zones, list->count, &list->room, sizeof *grown);
    if (grown == NULL)
        return false;
    list->zones = grown;
    struct zonelist_zone *added = &list->zones[list->count];
    uint32_t *place = nametable_at(&list->memory->zones, zone->name, view);
    if (place == NULL)
        return false;
    *added = *zone;
    added->order = list->memory->views[view].order;
    if (*place != NAMETABLE_NONE)
        added->skip = SKIP_TWICE;
    else if (zone->skip == ZONE_READ)
        added->skip = judge(list, zone, view);
    if (*place == NAMETABLE_NONE)
        *place = (uint32_t)list->count;
    list->skipped[added->skip]++;
    list->count++;
    return true;
}

/* Fills in what the zone's template gives. */
static void apply_template(const struct zonelist *list, struct zonelist_statement *zone,
                           bool *file_of_template)
{
    const struct zonelist_statements *templates = &list->memory->templates;
    for (size_t i = 0; zone->template != NULL && i < templates->count; i++) {
        const struct zonelist_statement *from = &templates->list[i];
        if (strcasecmp(from->name, zone->template) != 0)
            continue;
        *file_of_template = zone->file == NULL && from->file != NULL;
        zone->file = zone->file ? zone->file : from->file;
        zone->type = zone->type ? zone->type : from->type;
        zone->journal = zone->journal ? zone->journal : from->journal;
        zone->in_view = zone->in_view ? zone->in_view : from->in_view;
        if (zone->primaries.count == 0)
            zone->primaries = from->primaries;
        return;
    }
    if (zone->template != NULL)
        zonelist_say(list, "line %u: there is no template \"%s\"", zone->line, zone->template);
}

static bool is_class_in(const char *class)
{
    return strcasecmp(class, "IN") == 0 || strcasecmp(class, "CLASS1") == 0;
}

/* True when this server is primary of the zone, in a view that is read. */
static bool is_primary(const struct zonelist *list, const struct zonelist_statement *statement)
{
    const struct zonelist_view *view = &list->memory->views[statement->view];
    const char *class = statement->class ? statement->class : view->class;
    return view->read && statement->type != NULL &&
           (strcasecmp(statement->type, "primary") == 0 ||
            strcasecmp(statement->type, "master") == 0) &&
           (class == NULL || is_class_in(class));
}

static enum zone_skip judge_statement(const struct zonelist *list,
                                      const struct zonelist_statement *statement)
{
    const char *class =
        statement->class ? statement->class : list->memory->views[statement->view].class;
    if (statement->type == NULL || (strcasecmp(statement->type, "secondary") != 0 &&
                                    strcasecmp(statement->type, "slave") != 0))
        return SKIP_NOT_SECONDARY;
    return class == NULL || is_class_in(class) ? ZONE_READ : SKIP_CLASS;
}

bool zonelist_add(struct zonelist *list, const struct zonelist_statement *given)
{
    struct zonelist_statement statement = *given;
    struct zonelist_memory *memory = list->memory;
    bool of_template = false;
    uint8_t wire[WIRENAME_MAX];
    if (!wirename_parse(statement.name, strlen(statement.name), wire)) {
        zonelist_say(list, "line %u: \"%s\" is no name of a zone", statement.line, statement.name);
        return true;
    }
    apply_template(list, &statement, &of_template);
    struct zonelist_zone zone = {.name = arena_name(&memory->arena, wire),
                                 .view = memory->views[statement.view].name,
                                 .skip = judge_statement(list, &statement),
                                 .primary = is_primary(list, &statement)};
    return zone.name != NULL && zonelist_set_files(list, &statement, of_template, &zone) &&
           (zone.skip != ZONE_READ ||
            zonelist_follow(list, &statement.primaries, &zone.primaries, &zone.primary_count)) &&
           zonelist_append(list, &zone, statement.view);
}

/* A zone that another view has is read there, and is this one's too; but when that view is not
 * read, it is read for this one. */
static void resolve_in_view(struct zonelist *list, const struct zonelist_statement *statement)
{
    struct zonelist_memory *memory = list->memory;
    uint8_t wire[WIRENAME_MAX];
    if (statement->in_view == NULL || !memory->views[statement->view].read ||
        !wirename_parse(statement->name, strlen(statement->name), wire))
        return;
    uint32_t here = nametable_find(&memory->zones, wire, statement->view);
    uint32_t there =
        nametable_find(&memory->zones, wire, zonelist_find_view(list, statement->in_view));
    if (here == NAMETABLE_NONE || there == NAMETABLE_NONE || here == there ||
        list->zones[here].skip != SKIP_NOT_SECONDARY)
        return;
    struct zonelist_zone *zone = &list->zones[here];
    const struct zonelist_zone *other = &list->zones[there];
    if (other->skip == ZONE_READ || other->primary)
        zone->in_view = there + 1;
    if (other->skip != SKIP_VIEW)
        return;
    zone->file = other->file;
    zone->journal = other->journal;
    zone->primaries = other->primaries;
    zone->primary_count = other->primary_count;
    list->skipped[zone->skip]--;
    zone->skip = judge(list, zone, statement->view);
    list->skipped[zone->skip]++;
}

/* ---- catalogs ---- */

static bool add_catalog(struct zonelist *list, const struct zonelist_declared_catalog *declared,
                        const uint8_t *name, unsigned view)
{
    struct zonelist_catalog *grown =
        reallocarray(list->catalogs, list->catalog_count + 1, sizeof *grown);
    if (grown == NULL)
        return false;
    list->catalogs = grown;
    struct zonelist_catalog *catalog = &list->catalogs[list->catalog_count];
    *catalog = (struct zonelist_catalog){
        .name = name, .view = list->memory->views[view].name, .in_memory = declared->in_memory};
    if (declared->directory != NULL &&
        (catalog->zone_directory = zonelist_path(list, declared->directory)) == NULL)
        return false;
    list->catalog_count++;
    return zonelist_follow(list, &declared->primaries, &catalog->primaries,
                           &catalog->primary_count);
}

/* True when a statement declares the zone in the view. */
static bool is_declared(const struct zonelist_statements *zones, const uint8_t *name, unsigned view)
{
    uint8_t wire[WIRENAME_MAX];
    for (size_t i = 0; i < zones->count; i++)
        if (zones->list[i].view == view &&
            wirename_parse(zones->list[i].name, strlen(zones->list[i].name), wire) &&
            wirename_equal(wire, name))
            return true;
    return false;
}

/* Catalogs of the options are those of every view that has none of its own and has the zone. */
static bool resolve_catalog(struct zonelist *list, const struct zonelist_statements *zones,
                            const struct zonelist_declared_catalog *declared)
{
    struct zonelist_memory *memory = list->memory;
    uint8_t wire[WIRENAME_MAX];
    bool seen = false;
    if (!wirename_parse(declared->name, strlen(declared->name), wire)) {
        zonelist_say(list, "\"%s\" is no name of a catalog zone", declared->name);
        return true;
    }
    const uint8_t *name = arena_name(&memory->arena, wire);
    if (name == NULL)
        return false;
    for (unsigned view = 0; view < memory->view_count; view++) {
        bool here = declared->view >= 0
                        ? view == (unsigned)declared->view
                        : !memory->views[view].own_catalogs && is_declared(zones, name, view);
        seen = seen || here;
        if (here && memory->views[view].read && !add_catalog(list, declared, name, view))
            return false;
    }
    /* in no view: who reads the list finds out that it is no zone of this server */
    return seen || add_catalog(list, declared, name, 0);
}

bool zonelist_resolve(struct zonelist *list, const struct zonelist_statements *zones)
{
    const struct zonelist_memory *memory = list->memory;
    for (size_t i = 0; i < memory->catalog_count; i++)
        if (!resolve_catalog(list, zones, &memory->catalogs[i]))
            return false;
    for (size_t i = 0; i < zones->count; i++)
        if (!zonelist_add(list, &zones->list[i]))
            return false;
    for (size_t i = 0; i < zones->count; i++)
        resolve_in_view(list, &zones->list[i]);
    return true;
}
