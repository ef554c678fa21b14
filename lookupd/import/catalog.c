/* Catalog zones. */
#include "import/catalog.h"

#include "import/zonelist_memory.h"

#include <sha2.h>
#include <stdio.h>
#include <string.h>

/* lib/dns/catz.c: longer than this in hex is longer than the hash. */
#define PLAIN_MAX (2 * SHA256_DIGEST_LENGTH + 1)

void catalog_file_name(const char *view, const uint8_t *catalog, const uint8_t *member, char *out)
{
    char catalog_text[WIRENAME_TEXT_SIZE], member_text[WIRENAME_TEXT_SIZE];
    char hex[SHA256_DIGEST_STRING_LENGTH];
    wirename_print(catalog, catalog_text);
    wirename_print(member, member_text);
    const char *const parts[] = {view, "_", catalog_text, "_", member_text};
    SHA2_CTX context;
    size_t len = 0;
    bool odd = false;
    SHA256Init(&context);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t part = strlen(parts[i]);
        SHA256Update(&context, (const uint8_t *)parts[i], part);
        len += part;
        odd = odd || strpbrk(parts[i], "\\/:") != NULL;
    }
    SHA256End(&context, hex);
    const bool plain = !odd && len <= PLAIN_MAX;
    char *to = stpcpy(out, "__catz__");
    for (size_t i = 0; plain && i < sizeof parts / sizeof parts[0]; i++)
        to = stpcpy(to, parts[i]);
    if (!plain)
        to = stpcpy(to, hex);
    (void)stpcpy(to, ".db");
}

/* A name made of labels that stand before another one; false when it does not fit. */
static bool put_before(const char *labels, const uint8_t *name, uint8_t *out)
{
    size_t len = strlen(labels), size = wirename_size(name);
    if (len + size > WIRENAME_MAX)
        return false;
    memcpy(out, labels, len);
    memcpy(out + len, name, size);
    return true;
}

/* RFC 9432 4.2.1: exactly one record of a version that is known. 1 is BIND's before the RFC. */
static bool check_version(const struct zone *zone, char *error, size_t error_size)
{
    uint8_t name[WIRENAME_MAX];
    char text[8];
    size_t at = 0;
    const struct zone_node *node =
        put_before("\007version", zone->apex, name) ? zone_find(zone, name) : NULL;
    const struct rr *version = node ? zone_next(node, RR_TXT, &at) : NULL;
    if (version == NULL)
        snprintf(error, error_size, "it has no version: is it a catalog zone?");
    else if (zone_next(node, RR_TXT, &at) != NULL)
        snprintf(error, error_size, "it has several versions");
    else if (!rr_txt(version, text, sizeof text) ||
             (strcmp(text, "1") != 0 && strcmp(text, "2") != 0))
        snprintf(error, error_size, "its schema version is none of 1 and 2");
    else
        return true;
    return false;
}

/* ---- primaries ---- */

static void take_addresses(const struct zone_node *node, struct zonelist_address *list,
                           unsigned *count)
{
    const struct rr *rr;
    for (size_t at = 0; *count < ZONELIST_PRIMARIES_MAX && (rr = zone_next(node, RR_A, &at));) {
        list[*count].family = AF_INET;
        memcpy(&list[(*count)++].v4, rr->rdata, sizeof list->v4);
    }
    for (size_t at = 0; *count < ZONELIST_PRIMARIES_MAX && (rr = zone_next(node, RR_AAAA, &at));) {
        list[*count].family = AF_INET6;
        memcpy(&list[(*count)++].v6, rr->rdata, sizeof list->v6);
    }
}

/* The addresses at primaries.ext.NAME, or one label below it (which then names a key): RFC 9432
 * 4.3, as BIND has it; "masters" and no "ext" in version 1. */
static unsigned find_primaries(const struct zone *zone, const uint8_t *name,
                               struct zonelist_address *list)
{
    static const char *const before[] = {"\011primaries\003ext", "\007masters\003ext",
                                         "\011primaries", "\007masters"};
    unsigned count = 0;
    for (size_t i = 0; count == 0 && i < sizeof before / sizeof before[0]; i++) {
        uint8_t owner[WIRENAME_MAX];
        if (!put_before(before[i], name, owner) || !zone_has_name(zone, owner))
            continue;
        /* canonical order: what is below stands right after it */
        for (size_t at = zone_find_from(zone, owner);
             at < zone->node_count && wirename_within(zone->nodes[at].name, owner); at++)
            if (wirename_labels(zone->nodes[at].name) <= wirename_labels(owner) + 1)
                take_addresses(&zone->nodes[at], list, &count);
    }
    return count;
}

struct adding {
    struct zonelist *list;
    const struct zonelist_catalog *catalog;
    const struct zone *zone;
    const char *catalog_text;
    unsigned view;
    struct zonelist_address common[ZONELIST_PRIMARIES_MAX]; /* of the whole catalog */
    unsigned common_count;
};

static bool set_primaries(const struct adding *adding, const uint8_t *entry,
                          struct zonelist_zone *member)
{
    struct zonelist_address own[ZONELIST_PRIMARIES_MAX];
    const struct zonelist_address *from = own;
    unsigned count = find_primaries(adding->zone, entry, own);
    if (count == 0) {
        from = adding->common;
        count = adding->common_count;
    }
    if (count == 0) {
        member->primaries = adding->catalog->primaries;
        member->primary_count = adding->catalog->primary_count;
        return true;
    }
    struct zonelist_address *kept = arena_alloc(&adding->list->memory->arena, count * sizeof *kept);
    if (kept == NULL)
        return false;
    memcpy(kept, from, count * sizeof *kept);
    member->primaries = kept;
    member->primary_count = count;
    return true;
}

/* ---- members ---- */

/* named makes the name of the file of the member's name as the record has it: its letters count. */
static bool set_file(const struct adding *adding, const uint8_t *target,
                     struct zonelist_zone *member)
{
    char name[CATALOG_FILE_SIZE];
    const struct zonelist_catalog *catalog = adding->catalog;
    if (catalog->in_memory)
        return true;
    catalog_file_name(catalog->view, catalog->name, target, name);
    member->file = catalog->zone_directory ? arena_print(&adding->list->memory->arena, "%s/%s",
                                                         catalog->zone_directory, name)
                                           : zonelist_path(adding->list, name);
    return member->file != NULL;
}

/* False without memory. */
static bool add_member(const struct adding *adding, const struct zone_node *node)
{
    size_t at = 0;
    const struct rr *pointer = zone_next(node, RR_PTR, &at);
    /* RFC 9432 4.1: several records are an error of that entry, which named leaves out */
    if (pointer == NULL || zone_next(node, RR_PTR, &at) != NULL)
        return true;
    uint8_t name[WIRENAME_MAX];
    memcpy(name, rr_target(pointer), wirename_size(rr_target(pointer)));
    wirename_lower(name);
    struct zonelist_zone member = {.view = adding->catalog->view,
                                   .catalog = adding->catalog_text,
                                   .name = arena_name(&adding->list->memory->arena, name)};
    return member.name != NULL && set_file(adding, rr_target(pointer), &member) &&
           set_primaries(adding, node->name, &member) &&
           zonelist_append(adding->list, &member, adding->view);
}

bool catalog_add_members(struct zonelist *list, const struct zonelist_catalog *catalog,
                         const struct zone *zone, char *error, size_t error_size)
{
    char text[WIRENAME_TEXT_SIZE];
    uint8_t zones[WIRENAME_MAX];
    if (!check_version(zone, error, error_size))
        return false;
    struct adding adding = {.list = list, .catalog = catalog, .zone = zone};
    adding.view = zonelist_find_view(list, catalog->view);
    adding.common_count = find_primaries(zone, zone->apex, adding.common);
    wirename_print(catalog->name, text);
    adding.catalog_text = arena_text(&list->memory->arena, text, strlen(text));
    bool good = adding.catalog_text != NULL;
    if (!put_before("\005zones", zone->apex, zones))
        return true;
    for (size_t i = 0; good && i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        if ((node->types & RR_HAS_PTR) && wirename_below(node->name, zones) &&
            wirename_labels(node->name) == wirename_labels(zones) + 1)
            good = add_member(&adding, node);
    }
    if (!good)
        snprintf(error, error_size, "no memory");
    return good;
}
