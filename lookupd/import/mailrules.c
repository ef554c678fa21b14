/* The mail rules: what is taken from each zone. */
#include "import/mailrules.h"

#include "import/mailrules_memory.h"
#include "import/zonelist_memory.h"

#include <stdlib.h>
#include <string.h>

#define HINT_BEGIN "v=lookupd1"
#define HINT_MAX   512

struct mailrules *mailrules_new(const struct importconf *conf)
{
    struct mailrules *rules = calloc(1, sizeof *rules);
    if (rules == NULL)
        return NULL;
    rules->conf = conf;
    if (namejudge_make(&rules->judge, conf))
        return rules;
    mailrules_free(rules);
    return NULL;
}

void mailrules_free(struct mailrules *rules)
{
    if (rules == NULL)
        return;
    namejudge_clear(&rules->judge);
    nametable_free(&rules->zone_table);
    arena_free(&rules->arena);
    free(rules->zones);
    free(rules->names);
    free(rules->decisions);
    free(rules->judged);
    free(rules->views);
    free(rules->verdicts);
    free(rules);
}

/* ---- zones ---- */

static bool add_view(struct mailrules *rules, unsigned view)
{
    size_t at = 0;
    while (at < rules->view_count && rules->views[at] < view)
        at++;
    if (at < rules->view_count && rules->views[at] == view)
        return true;
    unsigned *grown =
        zonelist_grow(rules->views, rules->view_count, &rules->view_room, sizeof *grown);
    if (grown == NULL)
        return false;
    rules->views = grown;
    memmove(grown + at + 1, grown + at, (rules->view_count - at) * sizeof *grown);
    grown[at] = view;
    rules->view_count++;
    return true;
}

/* *zone is NULL when there is one of this name in the view already: the first stays. False without
 * memory. */
static bool add_zone(struct mailrules *rules, const struct zonelist_zone *entry,
                     struct mail_zone **zone)
{
    struct mail_zone *grown =
        zonelist_grow(rules->zones, rules->zone_count, &rules->zone_room, sizeof *grown);
    *zone = NULL;
    if (grown == NULL)
        return false;
    rules->zones = grown;
    uint32_t *place = nametable_at(&rules->zone_table, entry->name, entry->order);
    if (place == NULL || !add_view(rules, entry->order))
        return false;
    if (*place != NAMETABLE_NONE)
        return true;
    *place = (uint32_t)rules->zone_count;
    *zone = &rules->zones[rules->zone_count++];
    **zone = (struct mail_zone){.entry = entry, .first = (uint32_t)rules->name_count};
    return true;
}

bool mailrules_add_unread(struct mailrules *rules, const struct zonelist_zone *entry,
                          enum zone_fault_kind why)
{
    struct mail_zone *zone;
    if (!add_zone(rules, entry, &zone))
        return false;
    if (zone == NULL)
        return true;
    zone->unread = true;
    zone->why = why;
    rules->zones_unread = true;
    return true;
}

bool mailrules_add_primary(struct mailrules *rules, const struct zonelist_zone *entry)
{
    struct mail_zone *zone;
    if (!add_zone(rules, entry, &zone))
        return false;
    if (zone != NULL)
        zone->primary = true;
    return true;
}

bool mailrules_add_shared(struct mailrules *rules, const struct zonelist_zone *entry,
                          const struct zonelist_zone *other)
{
    uint32_t shared = nametable_find(&rules->zone_table, other->name, other->order);
    if (shared == NAMETABLE_NONE)
        return true;
    uint32_t *place = nametable_at(&rules->zone_table, entry->name, entry->order);
    if (place == NULL || !add_view(rules, entry->order))
        return false;
    if (*place == NAMETABLE_NONE)
        *place = shared;
    return true;
}

void mailrules_add_unread_catalog(struct mailrules *rules)
{
    rules->catalog_unread = true;
}

/* ---- hints ---- */

/* Reads a text of a TXT record. False when it is no hint. */
static bool read_hint(const struct importconf *conf, char *text, enum mail_hint *hint,
                      const char **relay)
{
    char *save = NULL;
    const char *word = strtok_r(text, " \t", &save);
    if (word == NULL || strcmp(word, HINT_BEGIN) != 0)
        return false;
    *hint = HINT_REFUSED;
    while ((word = strtok_r(NULL, " \t", &save)) != NULL) {
        if (strncmp(word, "relay=", 6) != 0)
            continue;
        if (strcmp(word + 6, "no") == 0)
            *hint = HINT_NO;
        for (char **allowed = conf->hint_relays; *allowed; allowed++) {
            if (strcmp(word + 6, *allowed) != 0)
                continue;
            *hint = HINT_RELAY;
            *relay = *allowed;
        }
        break;
    }
    return true;
}

/* Takes the hints of one name; two that differ are none. */
static void take_hints(const struct importconf *conf, const struct zone_node *node,
                       struct mail_zone *zone)
{
    const struct rr *txt;
    for (size_t at = 0; (txt = zone_next(node, RR_TXT, &at)) != NULL;) {
        char text[HINT_MAX];
        enum mail_hint hint;
        const char *relay = NULL;
        if (!rr_txt(txt, text, sizeof text) || !read_hint(conf, text, &hint, &relay))
            continue;
        bool same = hint == zone->hint && relay == zone->hint_relay;
        zone->hint = zone->hint == HINT_NONE || same ? hint : HINT_REFUSED;
        zone->hint_relay = zone->hint == HINT_RELAY ? relay : NULL;
    }
}

static void find_hints(const struct importconf *conf, const struct zone *from,
                       struct mail_zone *zone)
{
    uint8_t name[WIRENAME_MAX] = "\010_lookupd";
    size_t size = wirename_size(from->apex);
    take_hints(conf, &from->nodes[0], zone);
    if (size + 9 > sizeof name)
        return;
    memcpy(name + 9, from->apex, size);
    const struct zone_node *node = zone_find(from, name);
    if (node != NULL && node->place == ZONE_AUTHORITATIVE)
        take_hints(conf, node, zone);
}

/* ---- names ---- */

static unsigned addresses_of(const struct importconf *conf, const struct zone_node *node)
{
    unsigned bits = 0;
    const struct rr *rr;
    struct zonelist_address address = {.family = AF_INET};
    for (size_t at = 0; (rr = zone_next(node, RR_A, &at)) != NULL;) {
        memcpy(&address.v4, rr->rdata, sizeof address.v4);
        bits |= mailrules_address(conf, &address);
    }
    address.family = AF_INET6;
    for (size_t at = 0; (rr = zone_next(node, RR_AAAA, &at)) != NULL;) {
        memcpy(&address.v6, rr->rdata, sizeof address.v6);
        bits |= mailrules_address(conf, &address);
    }
    return bits;
}

static bool copy_mx(struct mailrules *rules, const struct zone_node *node, struct mail_name *name)
{
    const struct rr *rr;
    size_t count = 0;
    for (size_t at = 0; zone_next(node, RR_MX, &at) != NULL;)
        count++;
    struct mail_mx *list = arena_alloc(&rules->arena, count * sizeof *list);
    if (list == NULL)
        return false;
    name->mx = list;
    for (size_t at = 0; (rr = zone_next(node, RR_MX, &at)) != NULL; name->mx_count++) {
        list[name->mx_count].preference = (uint16_t)rr_mx_preference(rr);
        list[name->mx_count].target = arena_name(&rules->arena, rr_target(rr));
        if (list[name->mx_count].target == NULL)
            return false;
    }
    return true;
}

static struct mail_name *add_name(struct mailrules *rules, const uint8_t *name)
{
    struct mail_name *grown =
        zonelist_grow(rules->names, rules->name_count, &rules->name_room, sizeof *grown);
    if (grown == NULL)
        return NULL;
    rules->names = grown;
    struct mail_name *added = &rules->names[rules->name_count];
    *added = (struct mail_name){.name = name, .zone = (uint32_t)rules->zone_count - 1};
    rules->name_count++;
    return added;
}

/* Names that exist only because something is below them. Names come in canonical order, so what the
 * last one is not below is new. */
static bool add_ancestors(struct mailrules *rules, const uint8_t *apex, const uint8_t *name,
                          enum zone_place place)
{
    const uint8_t *missing[WIRENAME_LABELS_MAX];
    size_t count = 0;
    const uint8_t *last = rules->names[rules->name_count - 1].name;
    for (name = wirename_parent(name); !wirename_equal(name, apex) && !wirename_within(last, name);
         name = wirename_parent(name))
        missing[count++] = name;
    while (count > 0) {
        struct mail_name *added = add_name(rules, missing[--count]);
        if (added == NULL)
            return false;
        /* a cut and a DNAME have names of their own: what is missing is above the one, or below */
        added->place = place == ZONE_AT_CUT ? ZONE_AUTHORITATIVE : place;
    }
    return true;
}

static bool add_node(struct mailrules *rules, const uint8_t *apex, const struct zone_node *node)
{
    bool authoritative = node->place == ZONE_AUTHORITATIVE;
    /* what is below a cut is nobody's here; its MX is only told apart for people */
    if (!authoritative && node->place != ZONE_AT_CUT && !(node->types & RR_HAS_MX))
        return true;
    const uint8_t *copy = arena_name(&rules->arena, node->name);
    if (copy == NULL)
        return false;
    if (!wirename_equal(copy, apex) && !add_ancestors(rules, apex, copy, node->place))
        return false;
    struct mail_name *name = add_name(rules, copy);
    if (name == NULL)
        return false;
    name->types = node->types;
    name->place = node->place;
    if (!authoritative)
        return true;
    name->addresses = (uint8_t)addresses_of(rules->conf, node);
    if (node->types & RR_HAS_MX)
        return copy_mx(rules, node, name);
    size_t at = 0;
    const struct rr *cname = zone_next(node, RR_CNAME, &at);
    return cname == NULL || (name->cname = arena_name(&rules->arena, rr_target(cname))) != NULL;
}

bool mailrules_add(struct mailrules *rules, const struct zonelist_zone *entry,
                   const struct zone *zone)
{
    struct mail_zone *added;
    size_t owners = 0;
    for (size_t i = 0; i < zone->node_count; i++)
        owners += (zone->nodes[i].types & RR_HAS_MX) && zone->nodes[i].place == ZONE_AUTHORITATIVE;
    if (!add_zone(rules, entry, &added))
        return false;
    if (added == NULL)
        return true;
    added->serial = zone->serial;
    added->behind = zone->journal == ZONE_JOURNAL_FAULT;
    rules->zones_unread = rules->zones_unread || added->behind;
    if (owners > (size_t)rules->conf->max_names) {
        added->unread = added->too_many = true;
        rules->zones_unread = true;
        return true;
    }
    if (rules->conf->hint_relays != NULL)
        find_hints(rules->conf, zone, added);
    for (size_t i = 0; i < zone->node_count; i++)
        if (!add_node(rules, zone->apex, &zone->nodes[i]))
            return false;
    added->count = (uint32_t)(rules->name_count - added->first);
    return true;
}
