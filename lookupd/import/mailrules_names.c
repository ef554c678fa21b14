/* Names of all zones: what is there, and what a question for one finds. */
#include "import/mailrules_memory.h"

#include <arpa/inet.h>
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

enum mail_look mailrules_look(const struct mailrules *rules, unsigned view, const uint8_t *name,
                              const struct mail_name **found)
{
    const struct mail_zone *zone = mailrules_zone_of(rules, view, name);
    *found = NULL;
    if (zone == NULL)
        return rules->catalog_unread ? LOOK_UNREAD : LOOK_OUTSIDE;
    if (zone->unread)
        return LOOK_UNREAD;
    *found = mailrules_name_in(rules, zone, name);
    if (*found != NULL)
        return (*found)->place == ZONE_AUTHORITATIVE ? LOOK_NAME : LOOK_OUTSIDE;
    const struct mail_name *encloser = NULL;
    while (encloser == NULL && (name = wirename_parent(name)) != NULL)
        encloser = mailrules_name_in(rules, zone, name);
    if (encloser == NULL || encloser->place != ZONE_AUTHORITATIVE ||
        (encloser->types & RR_HAS_DNAME))
        return LOOK_OUTSIDE;
    *found = find_wildcard(rules, zone, encloser->name);
    return *found != NULL ? LOOK_NAME : LOOK_NOTHING;
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
            return TARGET_DANGLING;
        *cname = true;
    }
    return TARGET_DANGLING;
}

/* ---- addresses that mail must not go to ---- */

struct address_block {
    uint8_t octets[4];
    unsigned bits;
    bool private; /* the setting allow_private lets mail through */
};

static bool is_within(const uint8_t *address, const uint8_t *network, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0);
}

/* RFC 6890's registry: what is no address of another host, or is one of this site's only. */
static bool is_forbidden_v4(const uint8_t *address, bool allow_private)
{
    static const struct address_block networks[] = {
        {{0, 0, 0, 0}, 8, false},    {{224, 0, 0, 0}, 3, false},   {{10, 0, 0, 0}, 8, true},
        {{100, 64, 0, 0}, 10, true}, {{127, 0, 0, 0}, 8, true},    {{169, 254, 0, 0}, 16, true},
        {{172, 16, 0, 0}, 12, true}, {{192, 168, 0, 0}, 16, true},
    };
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if (is_within(address, networks[i].octets, networks[i].bits))
            return !(networks[i].private && allow_private);
    return false;
}

static bool is_forbidden_v6(const struct in6_addr *address, bool allow_private)
{
    const uint8_t *octets = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address))
        return is_forbidden_v4(octets + 12, allow_private);
    if (IN6_IS_ADDR_UNSPECIFIED(address) || IN6_IS_ADDR_MULTICAST(address))
        return true;
    bool private = IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_LINKLOCAL(address) ||
                   IN6_IS_ADDR_SITELOCAL(address) || (octets[0] & 0xfe) == 0xfc;
    return private && !allow_private;
}

unsigned mailrules_address(const struct importconf *conf, const struct zonelist_address *address)
{
    unsigned bits = MAIL_HAS_ADDRESS;
    bool forbidden = address->family == AF_INET
                         ? is_forbidden_v4((const uint8_t *)&address->v4, conf->allow_private)
                         : is_forbidden_v6(&address->v6, conf->allow_private);
    if (forbidden)
        bits |= MAIL_FORBIDDEN;
    if (importconf_is_my_address(conf, address))
        bits |= MAIL_OURS;
    return bits;
}
