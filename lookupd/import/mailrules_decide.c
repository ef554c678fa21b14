/* The mail rules proper: what becomes of one name. */
#include "import/mailrules_memory.h"
#include "import/zonelist_memory.h"

#include "common/route.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_OF_MX "relay:"

/* Where the settings want mail to go in mode "all". */
enum way { WAY_MX, WAY_PRIMARIES, WAY_MAIL, WAY_FIXED };

/* A decision under way. */
struct deciding {
    struct mailrules *rules;
    const struct mail_name *name;
    const struct mail_zone *zone;
    enum way way;
    bool apex, wildcard;
    char domain[WIRENAME_DOMAIN_SIZE]; /* of a wildcard: what is behind the "*." */
    bool no_memory;
};

static enum way way_of(const struct importconf *conf)
{
    if (conf->mode == IMPORT_MODE_MX || conf->relay == NULL || strcmp(conf->relay, "mx") == 0)
        return WAY_MX;
    if (strcmp(conf->relay, "primaries") == 0)
        return WAY_PRIMARIES;
    return strcmp(conf->relay, "mail.%d") == 0 ? WAY_MAIL : WAY_FIXED;
}

static struct decision decided(enum verdict_reason reason)
{
    return (struct decision){.reason = reason};
}

static struct decision relayed(struct deciding *deciding, enum verdict_reason reason,
                               const char *route)
{
    deciding->no_memory = deciding->no_memory || route == NULL;
    return (struct decision){.reason = reason, .route = route};
}

/* ---- who may be asked at all ---- */

/* Sets *reason when the name is not to be decided by its records. */
static bool is_settled(struct deciding *deciding, enum verdict_reason *reason)
{
    const struct mailrules *rules = deciding->rules;
    const struct mail_name *name = deciding->name;
    const struct mail_zone *zone = deciding->zone;
    const struct mail_zone *owner = mailrules_zone_of(rules, zone->entry->order, name->name);
    const uint8_t *domain = deciding->wildcard ? wirename_parent(name->name) : name->name;
    if (owner != zone)
        *reason = owner->unread ? RULE_ZONE_UNREAD : RULE_DEEPER_ZONE;
    else if (name->place != ZONE_AUTHORITATIVE && rules->catalog_unread)
        *reason = RULE_ZONE_UNREAD; /* perhaps a member has it */
    else if (name->place == ZONE_AT_CUT)
        *reason = RULE_AT_CUT;
    else if (name->place == ZONE_BELOW_CUT)
        *reason = RULE_BELOW_CUT;
    else if (name->place == ZONE_BELOW_DNAME)
        *reason = RULE_BELOW_DNAME;
    else if (wirename_domain(domain, deciding->domain) != WIRENAME_GOOD)
        *reason = RULE_INVALID_NAME;
    else if (namejudge_name(&rules->judge, name->name) != ZONE_READ)
        *reason = RULE_EXCLUDED;
    else if (deciding->wildcard && !rules->conf->wildcards)
        *reason = RULE_WILDCARD_IGNORED;
    else if (!deciding->apex && !rules->conf->subdomains &&
             !(deciding->wildcard && wirename_equal(domain, zone->entry->name)))
        *reason = RULE_SUBDOMAIN_IGNORED;
    else if (zone->hint == HINT_NO)
        *reason = RULE_HINT_NO;
    else
        return false;
    return true;
}

/* ---- MX records ---- */

static int compare_judged(const void *a, const void *b)
{
    const struct judged_mx *x = a, *y = b;
    int order = (int)x->preference - (int)y->preference;
    return order != 0 ? order : wirename_compare(x->name, y->name);
}

bool mailrules_judge_mx(struct mailrules *rules, const struct mail_name *name)
{
    unsigned view = rules->zones[name->zone].entry->order;
    while (rules->judged_room < name->mx_count) {
        struct judged_mx *grown =
            zonelist_grow(rules->judged, rules->judged_room, &rules->judged_room, sizeof *grown);
        if (grown == NULL)
            return false;
        rules->judged = grown;
    }
    for (size_t i = 0; i < name->mx_count; i++) {
        struct judged_mx *mx = &rules->judged[i];
        *mx = (struct judged_mx){.name = name->mx[i].target, .preference = name->mx[i].preference};
        mx->target = mailrules_target(rules, view, mx->name, &mx->cname);
    }
    if (name->mx_count > 1)
        qsort(rules->judged, name->mx_count, sizeof *rules->judged, compare_judged);
    return true;
}

static bool is_allowed_host(const struct importconf *conf, const char *host)
{
    for (char **allowed = conf->allow_hosts; allowed && *allowed; allowed++)
        if (strcasecmp(*allowed, host) == 0)
            return true;
    return false;
}

/* The hosts that are better than we, as one route. Empty: none can be vouched for. */
struct hosts {
    char route[ROUTE_MAX + 1];
    size_t len;
    unsigned count;
};

static void add_host(struct hosts *hosts, const char *host)
{
    char item[WIRENAME_DOMAIN_SIZE + 16];
    int len = snprintf(item, sizeof item, "%s[%s]:25", hosts->count > 0 ? ", " : ROUTE_OF_MX, host);
    if (hosts->count == MAILRULES_HOSTS_MAX || hosts->len + (size_t)len > ROUTE_MAX ||
        strstr(hosts->route, strchr(item, '[')) != NULL)
        return;
    memcpy(hosts->route + hosts->len, item, (size_t)len + 1);
    hosts->len += (size_t)len;
    hosts->count++;
}

static unsigned warning_of(const struct judged_mx *mx)
{
    unsigned bits = mx->cname ? 1U << WARN_TARGET_CNAME : 0;
    if (mx->target == TARGET_ROOT)
        bits |= 1U << WARN_NULL_MX_MIXED;
    if (mx->target == TARGET_INVALID)
        bits |= 1U << WARN_TARGET_INVALID;
    if (mx->target == TARGET_DANGLING)
        bits |= 1U << WARN_TARGET_DANGLING;
    if (mx->target == TARGET_FORBIDDEN)
        bits |= 1U << WARN_TARGET_FORBIDDEN;
    return bits;
}

/* What a set of judged MX records comes to. */
struct sum {
    size_t ours;           /* of the list: our best record; count when there is none */
    size_t better, usable; /* before it, without "."; and those that mail can go to */
    bool all_root;
    bool unread, better_unread; /* something could be ours that was not read */
    unsigned warnings;
};

static struct sum sum_up(const struct judged_mx *list, size_t count)
{
    struct sum sum = {.ours = count, .all_root = true};
    for (size_t i = 0; i < count; i++) {
        if (list[i].target == TARGET_SELF && sum.ours == count)
            sum.ours = i;
        sum.all_root = sum.all_root && list[i].target == TARGET_ROOT;
        sum.unread = sum.unread || list[i].target == TARGET_UNREAD;
        sum.warnings |= warning_of(&list[i]);
    }
    /* RFC 5321 5.1: what is not better than our own record is discarded */
    for (size_t i = 0; i < sum.ours; i++) {
        if (sum.ours < count && list[i].preference == list[sum.ours].preference)
            break;
        sum.better += list[i].target != TARGET_ROOT;
        sum.usable += list[i].target >= TARGET_UNREAD;
        sum.better_unread = sum.better_unread || list[i].target == TARGET_UNREAD;
    }
    return sum;
}

/* The route of the list's better ones, or why there is none. */
static struct decision route_better(struct deciding *deciding, const struct judged_mx *list,
                                    size_t ours, size_t count)
{
    const struct importconf *conf = deciding->rules->conf;
    struct hosts hosts = {.len = 0};
    if (conf->relay_form == IMPORT_FORM_MX)
        return relayed(deciding, RULE_BETTER_MX, ROUTE_OF_MX);
    for (size_t i = 0; i < ours; i++) {
        char host[WIRENAME_DOMAIN_SIZE];
        if (ours < count && list[i].preference == list[ours].preference)
            break;
        if (list[i].target < TARGET_UNREAD || wirename_target(list[i].name, host) != WIRENAME_GOOD)
            continue;
        bool allowed = is_allowed_host(conf, host);
        /* perhaps it can be vouched for: the row stays as it is until that is known */
        if (list[i].target == TARGET_UNREAD && !allowed)
            return decided(RULE_ZONE_UNREAD);
        if (list[i].target == TARGET_GOOD || allowed)
            add_host(&hosts, host);
    }
    if (hosts.count == 0)
        return decided(RULE_NO_SAFE_HOST);
    return relayed(deciding, RULE_BETTER_MX,
                   arena_text(&deciding->rules->arena, hosts.route, hosts.len));
}

/* Decides by the MX records. stranger: mail is relayed although no record is ours. */
static struct decision decide_by_mx(struct deciding *deciding, bool stranger)
{
    struct mailrules *rules = deciding->rules;
    size_t count = deciding->name->mx_count;
    if (count == 0)
        return decided(RULE_NO_MX);
    if (!mailrules_judge_mx(rules, deciding->name)) {
        deciding->no_memory = true;
        return decided(RULE_NO_MX);
    }
    const struct judged_mx *list = rules->judged;
    struct sum sum = sum_up(list, count);
    bool by_address = rules->conf->my_address_count > 0;
    struct decision decision;
    if (sum.all_root)
        return decided(RULE_NULL_MX);
    if (sum.ours == count && !stranger)
        return decided(sum.unread ? RULE_ZONE_UNREAD : RULE_NOT_OURS);
    if (sum.better == 0)
        decision = decided(RULE_ONLY_US);
    /* by names alone, only a CNAME could be ours, which an MX must not point to (RFC 2181 10.3) */
    else if (by_address && sum.better_unread)
        decision = decided(RULE_ZONE_UNREAD);
    else if (sum.usable == 0)
        decision = decided(RULE_BAD_TARGETS);
    else
        decision = route_better(deciding, list, sum.ours, count);
    decision.own_preference = sum.ours < count ? list[sum.ours].preference : 0;
    decision.warnings = (uint8_t)sum.warnings;
    return decision;
}

/* ---- mode "all" ---- */

/* RFC 5321 5.1: without MX records, the name's own addresses. */
static struct decision decide_by_address(struct deciding *deciding)
{
    const struct importconf *conf = deciding->rules->conf;
    unsigned addresses = deciding->name->addresses;
    if (!(addresses & MAIL_HAS_ADDRESS))
        return decided(RULE_NO_MX);
    if (addresses & MAIL_OURS)
        return decided(RULE_ONLY_US);
    if (addresses & MAIL_FORBIDDEN)
        return decided(RULE_BAD_TARGETS);
    if (conf->relay_form == IMPORT_FORM_MX)
        return relayed(deciding, RULE_ALL, ROUTE_OF_MX);
    struct hosts hosts = {.len = 0};
    add_host(&hosts, deciding->domain);
    return relayed(deciding, RULE_ALL, arena_text(&deciding->rules->arena, hosts.route, hosts.len));
}

static struct decision route_to_primaries(struct deciding *deciding)
{
    const struct zonelist_zone *entry = deciding->zone->entry;
    for (unsigned i = 0; i < entry->primary_count; i++) {
        const struct zonelist_address *address = &entry->primaries[i];
        char text[INET6_ADDRSTRLEN];
        if (mailrules_address(deciding->rules->conf, address) != MAIL_HAS_ADDRESS)
            continue;
        inet_ntop(address->family,
                  address->family == AF_INET ? (const void *)&address->v4
                                             : (const void *)&address->v6,
                  text, sizeof text);
        return relayed(deciding, RULE_ALL,
                       arena_print(&deciding->rules->arena, "relay:[%s]:25", text));
    }
    return decided(RULE_NO_SAFE_HOST);
}

static struct decision route_to_mail(struct deciding *deciding)
{
    uint8_t host[WIRENAME_MAX];
    char text[sizeof "mail." + WIRENAME_DOMAIN_SIZE];
    bool cname;
    int len = snprintf(text, sizeof text, "mail.%s", deciding->domain);
    if (!wirename_parse(text, (size_t)len, host))
        return decided(RULE_BAD_TARGETS);
    switch (mailrules_target(deciding->rules, deciding->zone->entry->order, host, &cname)) {
    case TARGET_SELF:
        return decided(RULE_ONLY_US);
    case TARGET_UNREAD:
        return decided(RULE_ZONE_UNREAD);
    case TARGET_OUTSIDE:
    case TARGET_GOOD:
        return relayed(deciding, RULE_ALL,
                       arena_print(&deciding->rules->arena, "relay:[%s]:25", text));
    case TARGET_ROOT:
    case TARGET_INVALID:
    case TARGET_DANGLING:
    case TARGET_FORBIDDEN:
        break;
    }
    return decided(RULE_BAD_TARGETS);
}

/*
 * Every zone's own name is relayed; names below it as in mode "mx", when one of their MX records is
 * ours. Whoever takes no mail is not relayed in any mode.
 */
static struct decision decide_all(struct deciding *deciding)
{
    struct decision by_mx = decide_by_mx(deciding, deciding->apex);
    struct decision decision = by_mx;
    if (by_mx.reason == RULE_NULL_MX || by_mx.reason == RULE_NOT_OURS ||
        (!deciding->apex && (by_mx.reason == RULE_NO_MX || by_mx.reason == RULE_ZONE_UNREAD)))
        return by_mx;
    switch (deciding->way) {
    case WAY_MX:
        if (by_mx.reason == RULE_NO_MX)
            return decide_by_address(deciding);
        if (by_mx.reason == RULE_BETTER_MX && deciding->apex)
            decision.reason = RULE_ALL;
        return decision;
    case WAY_PRIMARIES:
        decision = route_to_primaries(deciding);
        break;
    case WAY_MAIL:
        decision = route_to_mail(deciding);
        break;
    case WAY_FIXED:
        decision = relayed(deciding, RULE_ALL, deciding->rules->conf->relay);
        break;
    }
    decision.own_preference = by_mx.own_preference;
    return decision;
}

/* ---- a name ---- */

static struct deciding begin(struct mailrules *rules, const struct mail_name *name)
{
    struct deciding deciding = {.rules = rules, .name = name, .zone = &rules->zones[name->zone]};
    deciding.way = way_of(rules->conf);
    deciding.apex = wirename_equal(name->name, deciding.zone->entry->name);
    deciding.wildcard = wirename_is_wildcard(name->name);
    return deciding;
}

/* A zone's own wish comes before its MX records, where they are such that mail comes here at all;
 * and for the zone's own name in any case, unless it takes no mail. */
static void apply_hint(const struct deciding *deciding, struct decision *decision)
{
    if (deciding->zone->hint == HINT_REFUSED)
        decision->warnings |= 1U << WARN_HINT_REFUSED;
    bool listed = decision->reason == RULE_ONLY_US || decision->reason == RULE_BAD_TARGETS ||
                  decision->reason == RULE_NO_SAFE_HOST ||
                  verdict_reason_kind(decision->reason) == VERDICT_RELAY;
    if (deciding->zone->hint != HINT_RELAY || decision->reason == RULE_NULL_MX ||
        !(listed || deciding->apex))
        return;
    decision->reason = RULE_HINT;
    decision->relay = deciding->zone->hint_relay;
    decision->route = NULL;
}

bool mailrules_decide_mx(struct mailrules *rules, const struct mail_name *name,
                         struct decision *decision)
{
    struct deciding deciding = begin(rules, name);
    *decision = decided(RULE_COUNT);
    if (is_settled(&deciding, &decision->reason))
        return true;
    *decision = rules->conf->mode == IMPORT_MODE_ALL ? decide_all(&deciding)
                                                     : decide_by_mx(&deciding, false);
    apply_hint(&deciding, decision);
    if (deciding.wildcard && verdict_reason_kind(decision->reason) == VERDICT_RELAY &&
        decision->reason != RULE_HINT)
        decision->reason = RULE_WILDCARD;
    return !deciding.no_memory;
}

struct decision mailrules_decide_cname(const struct mailrules *rules, const struct mail_name *name)
{
    /* nothing is written: a settled name and a chain need no memory */
    struct deciding deciding = begin((struct mailrules *)(uintptr_t)rules, name);
    struct decision decision = {.reason = RULE_COUNT};
    if (is_settled(&deciding, &decision.reason))
        return decision;
    if (!rules->conf->cname_aliases)
        return decided(RULE_CNAME_OUT);
    const struct mail_name *found = name;
    for (unsigned step = 0; mailrules_cname(found) != NULL; step++) {
        if (step == MAILRULES_CNAME_MAX)
            return decided(RULE_CNAME_LOOP);
        enum mail_look look =
            mailrules_look(rules, deciding.zone->entry->order, mailrules_cname(found), &found);
        if (look != LOOK_NAME)
            return decided(look == LOOK_UNREAD ? RULE_ZONE_UNREAD : RULE_CNAME_OUT);
    }
    const struct mail_zone *zone = &rules->zones[found->zone];
    if (zone->too_many)
        return decided(RULE_ZONE_UNREAD);
    if (found->decision == 0)
        return decided(zone->behind ? RULE_ZONE_UNREAD : RULE_CNAME_OUT);
    decision = rules->decisions[found->decision - 1];
    switch (verdict_reason_kind(decision.reason)) {
    case VERDICT_RELAY:
        decision.reason = deciding.wildcard ? RULE_WILDCARD : RULE_CNAME;
        decision.behind = zone->behind;
        break;
    case VERDICT_NOT:
        return decided(zone->behind ? RULE_ZONE_UNREAD : RULE_CNAME_OUT);
    case VERDICT_UNKNOWN:
        break;
    }
    decision.warnings = 0;
    return decision;
}

bool mailrules_decision(const struct mailrules *rules, const struct mail_name *name,
                        struct decision *decision)
{
    if (name->decision != 0)
        *decision = rules->decisions[name->decision - 1];
    else if (mailrules_cname(name) != NULL)
        *decision = mailrules_decide_cname(rules, name);
    else
        return false;
    return true;
}
