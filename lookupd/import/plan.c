#include "import/plan.h"

#include <stdlib.h>
#include <string.h>

/* The route of a row that has neither route nor relay, and of one that says the same in words:
 * Postfix follows the MX. */
#define ROUTE_MX "relay:"

#define TEXT_CHUNK ((size_t)64 << 10)

/* Texts of a state, many to a chunk: 100,000 claims have half a million of them. */
struct plan_text {
    struct plan_text *next;
    size_t used, size;
    char data[];
};

const char *plan_state_text(struct plan_state *state, const char *text, size_t len)
{
    if (text == NULL)
        return NULL;
    struct plan_text *chunk = state->memory;
    if (chunk == NULL || chunk->size - chunk->used <= len) {
        size_t size = len + 1 > TEXT_CHUNK ? len + 1 : TEXT_CHUNK;
        chunk = malloc(sizeof *chunk + size);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct plan_text){.next = state->memory, .size = size};
        state->memory = chunk;
    }
    char *copy = chunk->data + chunk->used;
    memcpy(copy, text, len);
    copy[len] = '\0';
    chunk->used += len + 1;
    return copy;
}

void plan_state_clear(struct plan_state *state)
{
    while (state->memory) {
        struct plan_text *next = state->memory->next;
        free(state->memory);
        state->memory = next;
    }
    free(state->list);
    free(state->fenced);
    free(state->relays);
    *state = (struct plan_state){.list = NULL};
}

/* What is compared while a plan is made. */
struct making {
    struct plan *plan;
    const struct importconf *conf;
    const struct plan_state *state;
    bool failed;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* True when two pairs of route and relay send mail the same way; a route wins over a relay. */
static bool same_way(const char *route_a, const char *relay_a, const char *route_b,
                     const char *relay_b)
{
    if (route_a == NULL && relay_a == NULL)
        route_a = ROUTE_MX;
    if (route_b == NULL && relay_b == NULL)
        route_b = ROUTE_MX;
    if (route_a != NULL || route_b != NULL)
        return same_text(route_a, route_b);
    return same_text(relay_a, relay_b);
}

static void *grow(struct making *making, void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t more = *room ? 2 * *room : 64;
    void *bigger = reallocarray(list, more, size);
    if (bigger == NULL)
        making->failed = true;
    else
        *room = more;
    return bigger ? bigger : list;
}

static struct plan_change *add_change(struct making *making, enum plan_action action,
                                      const struct plan_claim *claim, const struct verdict *verdict)
{
    static struct plan_change spare; /* takes what is written after memory ran out */
    struct plan *plan = making->plan;
    plan->changes =
        grow(making, plan->changes, plan->change_count, &plan->change_room, sizeof *plan->changes);
    if (making->failed)
        return &spare;
    struct plan_change *change = &plan->changes[plan->change_count++];
    *change = (struct plan_change){
        .action = action, .name = claim->name, .claimed = claim->claimed, .verdict = *verdict};
    plan->counts[action]++;
    return change;
}

static struct plan_note *add_note(struct making *making, enum plan_disagreement kind,
                                  const struct plan_claim *claim, const struct verdict *verdict)
{
    static struct plan_note spare;
    struct plan *plan = making->plan;
    plan->notes =
        grow(making, plan->notes, plan->note_count, &plan->note_room, sizeof *plan->notes);
    if (making->failed)
        return &spare;
    struct plan_note *note = &plan->notes[plan->note_count++];
    *note = (struct plan_note){.kind = kind,
                               .name = claim->name,
                               .row_route = claim->row_route,
                               .row_relay = claim->row_relay,
                               .row_source = claim->row_source,
                               .our_route = verdict->route,
                               .our_relay = verdict->relay,
                               .reason = verdict->reason};
    plan->note_counts[kind]++;
    return note;
}

static bool is_ours(const struct making *making, const struct plan_claim *claim)
{
    return claim->row && same_text(claim->row_source, making->conf->source);
}

static int compare_texts(const void *key, const void *item)
{
    const char *const *text = item;
    return strcmp(key, *text);
}

/* The disabled ".parent" of people that a name is below, or NULL. */
static const char *fence_of(const struct plan_state *state, const char *name)
{
    if (state->fenced_count == 0)
        return NULL;
    /* ".b.example" is not below itself: it is what stands behind its own first dot that counts */
    const char *dot = strchr(name[0] == '.' ? name + 1 : name, '.');
    for (; dot != NULL; dot = strchr(dot + 1, '.')) {
        const char **found =
            bsearch(dot, state->fenced, state->fenced_count, sizeof *state->fenced, compare_texts);
        if (found != NULL)
            return *found;
    }
    return NULL;
}

/* True when a hint names a relay that nobody has made. */
static bool lacks_relay(const struct plan_state *state, const struct verdict *verdict)
{
    return verdict->relay != NULL &&
           (state->relay_count == 0 || bsearch(verdict->relay, state->relays, state->relay_count,
                                               sizeof *state->relays, compare_texts) == NULL);
}

static void count_row(struct making *making, bool any)
{
    making->plan->imported++;
    if (any)
        making->plan->accept_any++;
}

static void plan_claim_there(struct making *making, const struct plan_claim *claim,
                             const struct verdict *verdict, bool *rerouted)
{
    if (!claim->claimed || claim->gone_since != 0) {
        struct plan_change *change = add_change(making, PLAN_CLAIM, claim, verdict);
        change->old_route = claim->route;
        change->old_relay = claim->relay;
        change->new_route = verdict->route;
        change->new_relay = verdict->relay;
        change->beside = claim->row && claim->row_source && !is_ours(making, claim) &&
                         !fence_of(making->state, claim->name);
    } else if (!verdict->behind && (!same_text(claim->route, verdict->route) ||
                                    !same_text(claim->relay, verdict->relay))) {
        struct plan_change *change = add_change(making, PLAN_CLAIM_ROUTE, claim, verdict);
        change->old_route = claim->route;
        change->old_relay = claim->relay;
        change->new_route = verdict->route;
        change->new_relay = verdict->relay;
        *rerouted = true;
    }
}

static void plan_row_there(struct making *making, const struct plan_claim *claim,
                           const struct verdict *verdict, bool *rerouted)
{
    const char *fence = fence_of(making->state, claim->name);
    bool lacks = lacks_relay(making->state, verdict);
    if (fence && (!claim->row || is_ours(making, claim)))
        add_note(making, PLAN_ROW_FENCED, claim, verdict)->fence = fence;
    if (is_ours(making, claim)) {
        count_row(making, claim->row_any);
        if (verdict->behind || (same_text(claim->row_route, verdict->route) &&
                                same_text(claim->row_relay, verdict->relay)))
            return;
        if (lacks) {
            add_note(making, PLAN_RELAY_MISSING, claim, verdict);
            return;
        }
        struct plan_change *change = add_change(making, PLAN_UPDATE, claim, verdict);
        change->old_route = claim->row_route;
        change->old_relay = claim->row_relay;
        change->new_route = verdict->route;
        change->new_relay = verdict->relay;
        *rerouted = true;
    } else if (claim->row) {
        if (!same_way(claim->row_route, claim->row_relay, verdict->route, verdict->relay))
            add_note(making, claim->row_source ? PLAN_ROW_OF_OTHER : PLAN_ROW_OF_PEOPLE, claim,
                     verdict);
    } else if (!fence && lacks) {
        add_note(making, PLAN_RELAY_MISSING, claim, verdict);
    } else if (!fence) {
        struct plan_change *change = add_change(making, PLAN_INSERT, claim, verdict);
        change->new_route = verdict->route;
        change->new_relay = verdict->relay;
        count_row(making, making->conf->recipients == IMPORT_RECIPIENTS_ANY);
    }
}

/* The zone says that the name is relayed. */
static void plan_relayed(struct making *making, const struct plan_claim *claim,
                         const struct verdict *verdict)
{
    bool rerouted = false;
    plan_claim_there(making, claim, verdict, &rerouted);
    plan_row_there(making, claim, verdict, &rerouted);
    if (rerouted)
        making->plan->rerouted++;
}

/* It is known that the name is not relayed, or not any more. */
static void plan_gone(struct making *making, const struct plan_claim *claim,
                      const struct verdict *verdict)
{
    const struct plan_state *state = making->state;
    bool ours = is_ours(making, claim);
    /* a row that a person brought back after it had been deleted is held anew */
    bool back = ours && claim->kept_since;
    bool newly = claim->claimed ? claim->gone_since == 0 || back : ours;
    if (!claim->claimed && !ours)
        return;
    if (newly) {
        struct plan_change *change = add_change(making, PLAN_CLAIM_GONE, claim, verdict);
        change->old_route = claim->route;
        change->old_relay = claim->relay;
        change->new_route = claim->claimed ? claim->route : claim->row_route;
        change->new_relay = claim->claimed ? claim->relay : claim->row_relay;
        making->plan->newly_gone++;
    }
    bool over = newly ? making->conf->hold == 0
                      : state->now - claim->gone_since >= (time_t)making->conf->hold;
    if (ours && claim->heir) {
        struct plan_change *change = add_change(making, PLAN_PASS, claim, verdict);
        change->heir = claim->heir;
        change->old_route = claim->row_route;
        change->old_relay = claim->row_relay;
    } else if (ours && over) {
        struct plan_change *change = add_change(making, PLAN_DELETE, claim, verdict);
        change->old_route = claim->row_route;
        change->old_relay = claim->row_relay;
    } else if (ours) {
        count_row(making, claim->row_any);
    } else if (over && !newly && !claim->kept) {
        /* the claim of a row that is not ours: nothing hangs on it */
        struct plan_change *change = add_change(making, PLAN_CLAIM_DELETE, claim, verdict);
        change->old_route = claim->route;
        change->old_relay = claim->relay;
    }
}

/* What does not work, or is not as it looks: for the report on MX records. */
static void note_sanity(struct making *making, const struct plan_claim *claim,
                        const struct verdict *verdict)
{
    if (claim->row && claim->row_enabled && verdict->reason == RULE_ONLY_US)
        add_note(making, PLAN_ROW_WE_ARE_BEST, claim, verdict);
    else if (claim->row && claim->row_enabled && claim->row_source == NULL && verdict->zone &&
             (verdict->reason == RULE_NOT_OURS || verdict->reason == RULE_NO_MX ||
              verdict->reason == RULE_NULL_MX))
        add_note(making, PLAN_ROW_NOT_LISTED, claim, verdict);
    else if (!claim->row &&
             (verdict->reason == RULE_BAD_TARGETS || verdict->reason == RULE_NO_SAFE_HOST))
        add_note(making, PLAN_ROW_MISSING, claim, verdict);
}

static void plan_name(struct making *making, const struct plan_claim *claim,
                      const struct verdict *verdict)
{
    if (claim->claimed && claim->gone_since == 0)
        making->plan->claims_before++;
    switch (verdict->kind) {
    case VERDICT_RELAY:
        plan_relayed(making, claim, verdict);
        break;
    case VERDICT_NOT:
        plan_gone(making, claim, verdict);
        break;
    case VERDICT_UNKNOWN:
        if (is_ours(making, claim))
            count_row(making, claim->row_any);
        break;
    }
    note_sanity(making, claim, verdict);
}

static enum plan_valve valve_of(const struct plan *plan, const struct importconf *conf,
                                size_t zones)
{
    if (zones == 0)
        return PLAN_NO_ZONES;
    size_t many = plan->newly_gone + plan->rerouted;
    if (many <= PLAN_VALVE_FREE ||
        many * 100 <= plan->claims_before * (size_t)conf->max_delete_percent)
        return PLAN_OPEN;
    return plan->newly_gone >= plan->rerouted ? PLAN_TOO_MANY_GONE : PLAN_TOO_MANY_ROUTES;
}

struct plan *plan_make(const struct importconf *conf, const struct plan_verdicts *verdicts,
                       size_t zones, const struct plan_state *state)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    struct making making = {.plan = plan, .conf = conf, .state = state};
    size_t v = 0, c = 0;
    while (!making.failed && (v < verdicts->count || c < state->count)) {
        int order = v == verdicts->count ? 1
                    : c == state->count  ? -1
                                         : strcmp(verdicts->list[v].name, state->list[c].name);
        if (order < 0) {
            const struct plan_claim none = {.name = verdicts->list[v].name};
            plan_name(&making, &none, &verdicts->list[v]);
        } else if (order > 0) {
            const struct verdict found = verdicts->find(verdicts->context, state->list[c].name);
            plan_name(&making, &state->list[c], &found);
        } else {
            plan_name(&making, &state->list[c], &verdicts->list[v]);
        }
        v += order <= 0;
        c += order >= 0;
    }
    if (making.failed) {
        plan_free(plan);
        return NULL;
    }
    plan->valve = valve_of(plan, conf, zones);
    return plan;
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->changes);
    free(plan->notes);
    free(plan);
}

const char *plan_action_word(enum plan_action action)
{
    static const char *const words[PLAN_ACTIONS] = {
        [PLAN_CLAIM] = "claim",           [PLAN_CLAIM_ROUTE] = "claim-route",
        [PLAN_CLAIM_GONE] = "claim-gone", [PLAN_CLAIM_DELETE] = "claim-delete",
        [PLAN_INSERT] = "insert",         [PLAN_UPDATE] = "update",
        [PLAN_DELETE] = "delete",         [PLAN_PASS] = "pass",
    };
    return words[action];
}

const char *plan_note_word(enum plan_disagreement kind)
{
    static const char *const words[PLAN_DISAGREEMENTS] = {
        [PLAN_ROW_OF_PEOPLE] = "row-of-people",
        [PLAN_ROW_OF_OTHER] = "row-of-other-source",
        [PLAN_ROW_FENCED] = "fenced",
        [PLAN_ROW_NOT_LISTED] = "mx-does-not-list-us",
        [PLAN_ROW_WE_ARE_BEST] = "we-are-best-mx",
        [PLAN_ROW_MISSING] = "no-usable-target",
        [PLAN_RELAY_MISSING] = "no-such-relay",
    };
    return words[kind];
}
