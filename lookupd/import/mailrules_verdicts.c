/* What is said about names: all of them decided, one verdict for each. */
#include "import/mailrules_memory.h"
#include "import/zonelist_memory.h"

#include <stdlib.h>
#include <string.h>

bool mailrules_text(const uint8_t *name, char *out)
{
    bool wildcard = wirename_is_wildcard(name);
    out[0] = '.';
    return wirename_domain(wildcard ? wirename_parent(name) : name, out + wildcard) ==
           WIRENAME_GOOD;
}

bool mailrules_wire(const char *text, uint8_t *out)
{
    char wildcard[MAIL_TEXT_SIZE + 1];
    size_t len = strlen(text);
    if (text[0] != '.')
        return wirename_parse(text, len, out);
    if (len + 1 > sizeof wildcard)
        return false;
    wildcard[0] = '*';
    memcpy(wildcard + 1, text, len);
    return wirename_parse(wildcard, len + 1, out);
}

/* ---- deciding ---- */

/* Decides what has MX records, and every zone's own name. */
static bool decide_owners(struct mailrules *rules)
{
    for (size_t i = 0; i < rules->name_count; i++) {
        struct mail_name *name = &rules->names[i];
        if (!(name->types & RR_HAS_MX) && i != rules->zones[name->zone].first)
            continue;
        struct decision *grown = zonelist_grow(rules->decisions, rules->decision_count,
                                               &rules->decision_room, sizeof *grown);
        if (grown == NULL)
            return false;
        rules->decisions = grown;
        if (!mailrules_decide_mx(rules, name, &grown[rules->decision_count]))
            return false;
        name->decision = (uint32_t)++rules->decision_count;
    }
    return true;
}

static bool is_relayed(const struct mailrules *rules, const struct mail_name *name)
{
    struct decision decision;
    return mailrules_decision(rules, name, &decision) &&
           verdict_reason_kind(decision.reason) == VERDICT_RELAY;
}

/* Aliases count too: one record makes each. A zone that is then left out can only make fewer names
 * of other zones relayed, so once is enough. */
static void find_too_many(struct mailrules *rules)
{
    uint32_t max = (uint32_t)rules->conf->max_names;
    for (size_t i = 0; i < rules->zone_count; i++) {
        struct mail_zone *zone = &rules->zones[i];
        for (size_t n = 0; zone->count > max && n < zone->count; n++)
            zone->relayed += is_relayed(rules, &rules->names[zone->first + n]);
    }
    for (size_t i = 0; i < rules->zone_count; i++)
        rules->zones[i].too_many = rules->zones[i].too_many || rules->zones[i].relayed > max;
}

/* ---- one verdict for each name ---- */

struct listed {
    struct verdict verdict;
    unsigned warnings;
};
struct listing {
    struct listed *list;
    size_t count, room;
};

static bool list_verdict(struct mailrules *rules, struct listing *listing,
                         const struct mail_zone *zone, const uint8_t *name,
                         const struct decision *decision)
{
    char text[MAIL_TEXT_SIZE];
    if (!mailrules_text(name, text)) {
        rules->counts[decision->reason]++;
        return true;
    }
    struct listed *grown =
        zonelist_grow(listing->list, listing->count, &listing->room, sizeof *grown);
    const char *kept = arena_text(&rules->arena, text, strlen(text));
    if (grown != NULL)
        listing->list = grown;
    if (grown == NULL || kept == NULL)
        return false;
    listing->list[listing->count++] =
        (struct listed){.verdict = {.name = kept,
                                    .kind = verdict_reason_kind(decision->reason),
                                    .reason = decision->reason,
                                    .route = decision->route,
                                    .relay = decision->relay,
                                    .zone = zone->entry,
                                    .serial = zone->serial,
                                    .own_preference = decision->own_preference,
                                    .behind = zone->behind || decision->behind},
                        .warnings = decision->warnings};
    return true;
}

static bool list_name(struct mailrules *rules, struct listing *listing,
                      const struct mail_zone *zone, const struct mail_name *name)
{
    struct decision decision;
    if (!mailrules_decision(rules, name, &decision))
        return true;
    if (zone->too_many && verdict_reason_kind(decision.reason) != VERDICT_NOT)
        decision = (struct decision){.reason = RULE_TOO_MANY};
    /* Most aliases are of web sites. Nobody misses them in the list: mailrules_find() knows them.
     */
    if (name->decision == 0 && verdict_reason_kind(decision.reason) == VERDICT_NOT) {
        rules->counts[decision.reason]++;
        return true;
    }
    return list_verdict(rules, listing, zone, name->name, &decision);
}

static bool list_zone(struct mailrules *rules, struct listing *listing,
                      const struct mail_zone *zone)
{
    if (zone->unread) {
        struct decision decision = {.reason = zone->too_many ? RULE_TOO_MANY : RULE_ZONE_UNREAD};
        if (namejudge_name(&rules->judge, zone->entry->name) != ZONE_READ)
            decision.reason = RULE_EXCLUDED;
        return list_verdict(rules, listing, zone, zone->entry->name, &decision);
    }
    for (size_t n = 0; n < zone->count; n++)
        if (!list_name(rules, listing, zone, &rules->names[zone->first + n]))
            return false;
    return true;
}

/* True when the zone has nothing to say about the name: another one has, if it is here. */
static bool is_others(enum verdict_reason reason)
{
    return reason == RULE_AT_CUT || reason == RULE_BELOW_CUT || reason == RULE_BELOW_DNAME ||
           reason == RULE_DEEPER_ZONE;
}

/* By name; for one name, the one that decides comes first. */
static int compare_listed(const void *a, const void *b)
{
    const struct verdict *x = &((const struct listed *)a)->verdict;
    const struct verdict *y = &((const struct listed *)b)->verdict;
    int order = strcmp(x->name, y->name);
    if (order == 0)
        order = (int)is_others(x->reason) - (int)is_others(y->reason);
    if (order == 0)
        order = (x->zone->order > y->zone->order) - (x->zone->order < y->zone->order);
    if (order == 0)
        order = (int)wirename_labels(y->zone->name) - (int)wirename_labels(x->zone->name);
    return order;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool disagrees(const struct verdict *first, const struct verdict *other)
{
    return !is_others(other->reason) && other->zone->order != first->zone->order &&
           (other->kind != first->kind || !same_text(other->route, first->route) ||
            !same_text(other->relay, first->relay));
}

/* True when no record of a zone could change that the name is not relayed. */
static bool is_by_settings(enum verdict_reason reason)
{
    return reason == RULE_EXCLUDED || reason == RULE_WILDCARD_IGNORED ||
           reason == RULE_SUBDOMAIN_IGNORED || reason == RULE_INVALID_NAME;
}

/*
 * The zone that has the name, could not be read, and would decide: of a view before the verdict's,
 * or of any when the verdict's zone has nothing to say. Or one that was read without its journal
 * and lacks what would make the name relayed.
 */
static const struct mail_zone *find_doubt(const struct mailrules *rules, const uint8_t *name,
                                          const struct verdict *verdict)
{
    unsigned view = verdict->zone->order;
    bool lacks = verdict->kind == VERDICT_NOT && !is_by_settings(verdict->reason);
    bool any = is_others(verdict->reason);
    for (size_t i = 0; rules->zones_unread && i < rules->view_count; i++) {
        if (rules->views[i] > view && !any)
            break;
        const struct mail_zone *zone = mailrules_zone_of(rules, rules->views[i], name);
        if (zone != NULL && (zone->unread || (zone->behind && lacks)))
            return zone;
    }
    return NULL;
}

/* Of the verdicts of one name, keeps the first. */
static void keep_verdict(struct mailrules *rules, const struct listed *list, size_t count)
{
    struct verdict *verdict = &rules->verdicts[rules->verdict_count++];
    unsigned warnings = list[0].warnings;
    uint8_t wire[WIRENAME_MAX];
    *verdict = list[0].verdict;
    const struct mail_zone *doubt =
        mailrules_wire(verdict->name, wire) && verdict->reason != RULE_EXCLUDED
            ? find_doubt(rules, wire, verdict)
            : NULL;
    if (doubt != NULL)
        *verdict = (struct verdict){.name = verdict->name,
                                    .kind = VERDICT_UNKNOWN,
                                    .reason = doubt->too_many ? RULE_TOO_MANY : RULE_ZONE_UNREAD,
                                    .zone = doubt->entry,
                                    .serial = doubt->serial};
    rules->counts[verdict->reason]++;
    for (size_t i = 1; i < count; i++)
        if (disagrees(&list[0].verdict, &list[i].verdict))
            warnings |= 1U << WARN_VIEWS_DISAGREE;
    for (unsigned i = 0; verdict->kind == VERDICT_RELAY && i < WARN_COUNT; i++)
        rules->warnings[i] += warnings >> i & 1;
}

static bool keep_verdicts(struct mailrules *rules, struct listing *listing)
{
    if (listing->count == 0)
        return true;
    qsort(listing->list, listing->count, sizeof *listing->list, compare_listed);
    rules->verdicts = calloc(listing->count, sizeof *rules->verdicts);
    if (rules->verdicts == NULL)
        return false;
    for (size_t i = 0, next; i < listing->count; i = next) {
        const char *name = listing->list[i].verdict.name;
        for (next = i + 1; next < listing->count; next++)
            if (strcmp(listing->list[next].verdict.name, name) != 0)
                break;
        keep_verdict(rules, &listing->list[i], next - i);
    }
    return true;
}

bool mailrules_decide(struct mailrules *rules)
{
    struct listing listing = {.list = NULL};
    bool good = decide_owners(rules);
    if (good)
        find_too_many(rules);
    for (size_t i = 0; good && i < rules->zone_count; i++)
        good = list_zone(rules, &listing, &rules->zones[i]);
    good = good && keep_verdicts(rules, &listing);
    free(listing.list);
    return good;
}

/* ---- asking ---- */

const struct verdict *mailrules_verdicts(const struct mailrules *rules, size_t *count)
{
    *count = rules->verdict_count;
    return rules->verdicts;
}

size_t mailrules_count(const struct mailrules *rules, enum verdict_reason reason)
{
    return rules->counts[reason];
}

size_t mailrules_warnings(const struct mailrules *rules, enum verdict_warning warning)
{
    return rules->warnings[warning];
}

static int compare_to_verdict(const void *name, const void *verdict)
{
    return strcmp(name, ((const struct verdict *)verdict)->name);
}

static struct verdict make_verdict(const char *name, enum verdict_reason reason,
                                   const struct mail_zone *zone)
{
    return (struct verdict){.name = name,
                            .kind = verdict_reason_kind(reason),
                            .reason = reason,
                            .zone = zone ? zone->entry : NULL,
                            .serial = zone ? zone->serial : 0};
}

struct verdict mailrules_find(const struct mailrules *rules, const char *name)
{
    uint8_t wire[WIRENAME_MAX];
    const struct verdict *listed = rules->verdict_count > 0
                                       ? bsearch(name, rules->verdicts, rules->verdict_count,
                                                 sizeof *rules->verdicts, compare_to_verdict)
                                       : NULL;
    if (listed != NULL)
        return *listed;
    if (!mailrules_wire(name, wire))
        return make_verdict(name, RULE_INVALID_NAME, NULL);
    if (namejudge_name(&rules->judge, wire) != ZONE_READ)
        return make_verdict(name, RULE_EXCLUDED, NULL);
    const struct mail_zone *read = NULL;
    for (size_t i = 0; i < rules->view_count; i++) {
        const struct mail_zone *zone = mailrules_zone_of(rules, rules->views[i], wire);
        if (zone != NULL && (zone->unread || zone->too_many || zone->behind))
            return make_verdict(name, zone->too_many ? RULE_TOO_MANY : RULE_ZONE_UNREAD, zone);
        read = read ? read : zone;
    }
    if (rules->catalog_unread)
        return make_verdict(name, RULE_ZONE_UNREAD, NULL);
    if (read == NULL)
        return make_verdict(name, RULE_NO_ZONE, NULL);
    const struct mail_name *found = mailrules_name_in(rules, read, wire);
    enum verdict_reason reason = read->primary ? RULE_DEEPER_ZONE : RULE_NO_MX;
    if (found != NULL && found->decision != 0)
        reason = rules->decisions[found->decision - 1].reason;
    else if (found != NULL && mailrules_cname(found) != NULL)
        reason = mailrules_decide_cname(rules, found).reason;
    return make_verdict(name, reason, read);
}
