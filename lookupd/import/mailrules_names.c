/* Names of all zones: what is there, and what a question for one finds. */
#include "import/mailrules_memory.h"

#include <string.h>

const struct mail_zone *mailrules_zone_of(const struct mailrules *rules, unsigned view,
                                          const uint8_t *name)
{
    uint32_t at = nametable_find_above(&rules->zone_table, name, view);
    return at == NAMETABLE_NONE ? NULL : &rules->zones[at];
}

const struct mail_name *mailrules_name_in(const struct mailrules *rules,
                                          const struct mail_zone *zone, const uint8_t *name)
{
    size_t low = zone->first, high = zone->first + zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = wirename_compare(rules->names[middle].name, name);
        if (order == 0)
            return &rules->names[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The wildcard that answers for names below its parent (RFC 4592 3.3.1). */
static const struct mail_name *find_wildcard(const struct mailrules *rules,
                                             const struct mail_zone *zone, const uint8_t *encloser)
{
    uint8_t name[WIRENAME_MAX] = "\001*";
    size_t size = wirename_size(encloser);
    if (size + 2 > sizeof name)
        return NULL;
    memcpy(name + 2, encloser, size);
    return mailrules_name_in(rules, zone, name);
}

/* What is to be thought of a name that no zone here has anything to say about. */
static enum mail_look look_outside(const struct mailrules *rules)
{
    return rules->catalog_unread ? LOOK_UNREAD : LOOK_OUTSIDE;
}

enum mail_look mailrules_look(const struct mailrules *rules, unsigned view, const uint8_t *name,
                              const struct mail_name **found)
{
    const struct mail_zone *zone = mailrules_zone_of(rules, view, name);
    *found = NULL;
    if (zone == NULL || zone->primary)
        return look_outside(rules);
    if (zone->unread)
        return LOOK_UNREAD;
    *found = mailrules_name_in(rules, zone, name);
    if (*found != NULL)
        return (*found)->place == ZONE_AUTHORITATIVE ? LOOK_NAME : look_outside(rules);
    const struct mail_name *encloser = NULL;
    while (encloser == NULL && (name = wirename_parent(name)) != NULL)
        encloser = mailrules_name_in(rules, zone, name);
    if (encloser == NULL || encloser->place != ZONE_AUTHORITATIVE ||
        (encloser->types & RR_HAS_DNAME))
        return look_outside(rules);
    *found = find_wildcard(rules, zone, encloser->name);
    if (*found != NULL)
        return LOOK_NAME;
    return zone->behind ? LOOK_UNREAD : LOOK_NOTHING;
}

enum mail_target mailrules_target(const struct mailrules *rules, unsigned view,
                                  const uint8_t *target, bool *cname)
{
    char text[WIRENAME_DOMAIN_SIZE];
    *cname = false;
    if (wirename_labels(target) == 0)
        return TARGET_ROOT;
    if (wirename_target(target, text) != WIRENAME_GOOD)
        return TARGET_INVALID;
    for (unsigned step = 0; step <= MAILRULES_CNAME_MAX; step++) {
        const struct mail_name *found;
        if (importconf_is_my_name(rules->conf, target))
            return TARGET_SELF;
        switch (mailrules_look(rules, view, target, &found)) {
        case LOOK_OUTSIDE:
            return TARGET_OUTSIDE;
        case LOOK_UNREAD:
            return TARGET_UNREAD;
        case LOOK_NOTHING:
            return TARGET_DANGLING;
        case LOOK_NAME:
            break;
        }
        if (found->addresses & MAIL_OURS)
            return TARGET_SELF;
        if (found->addresses & MAIL_FORBIDDEN)
            return TARGET_FORBIDDEN;
        if (found->addresses & MAIL_HAS_ADDRESS)
            return TARGET_GOOD;
        target = mailrules_cname(found);
        if (target == NULL)
            return rules->zones[found->zone].behind ? TARGET_UNREAD : TARGET_DANGLING;
        *cname = true;
    }
    return TARGET_DANGLING;
}
