#include "lookup/outstanding.h"

#include <stdlib.h>
#include <string.h>

/* What Postfix logs as the reason of a temporary error. */
#define FAULT_NO_MEMORY "no memory"

void outstanding_init(struct outstanding *outstanding, struct fallback *fallback)
{
    lanes_init(&outstanding->lanes);
    TAILQ_INIT(&outstanding->list);
    outstanding->count = 0;
    outstanding->fallback = fallback;
}

static void answer_at_once(struct lookup *lookup, enum lookup_result result, const char *text)
{
    struct answer answer = {.result = result, .text = text, .len = text ? strlen(text) : 0};
    lookup->done(lookup, &answer);
}

static void remember(struct outstanding *outstanding, struct lookup *lookup)
{
    /* Deadlines come in order, but for the moment after a reload has changed the setting. */
    struct lookup *before = TAILQ_LAST(&outstanding->list, lookup_list);
    while (before && before->deadline > lookup->deadline)
        before = TAILQ_PREV(before, lookup_list, outstanding);
    if (before)
        TAILQ_INSERT_AFTER(&outstanding->list, before, lookup, outstanding);
    else
        TAILQ_INSERT_HEAD(&outstanding->list, lookup, outstanding);
    outstanding->count++;
}

bool outstanding_begin(struct outstanding *outstanding, struct lookup *lookup, struct map *map,
                       const char *key, size_t len, lookup_done *done, uint64_t deadline)
{
    *lookup = (struct lookup){.done = done, .map = map, .deadline = deadline};
    switch (candidates_make(map->keys, key, len, map->delimiter, &lookup->candidates)) {
    case CANDIDATES_NOT_A_NAME:
        answer_at_once(lookup, LOOKUP_NOT_FOUND, NULL);
        return false;
    case CANDIDATES_NO_MEMORY:
        answer_at_once(lookup, LOOKUP_TEMPORARY, FAULT_NO_MEMORY);
        return false;
    case CANDIDATES_OK:
        break;
    }
    maps_hold(map->set);
    remember(outstanding, lookup);
    return true;
}

void outstanding_queue(struct outstanding *outstanding, struct lookup *lookup)
{
    if (!lanes_push(&outstanding->lanes, lookup, lanes_kind(lookup)))
        outstanding_finish(outstanding, lookup, FAULT_NO_MEMORY);
}

static void detach(struct outstanding *outstanding, struct lookup *lookup)
{
    if (lookup->lane)
        lanes_remove(&outstanding->lanes, lookup);
    if (lookup->batch)
        lookup->batch->lookups[lookup->place] = NULL;
    lookup->batch = NULL;
    TAILQ_REMOVE(&outstanding->list, lookup, outstanding);
    outstanding->count--;
}

void outstanding_finish(struct outstanding *outstanding, struct lookup *lookup, const char *fault)
{
    detach(outstanding, lookup);
    struct map *map = lookup->map;
    struct candidates *candidates = lookup->candidates;
    struct decision decision = lookup->decision;
    lookup->candidates = NULL;
    lookup->decision = (struct decision){0};

    struct answer answer;
    if (fault)
        answer = (struct answer){.result = LOOKUP_TEMPORARY, .text = fault, .len = strlen(fault)};
    else
        decision_end(&decision, map, candidates, &answer);
    lookup->done(lookup, &answer);
    decision_clear(&decision);
    free(candidates);
    maps_release(map->set);
}

void outstanding_fail(struct outstanding *outstanding, struct lookup *lookup, const char *fault)
{
    decision_clear(&lookup->decision);
    bool decided = fallback_decide(outstanding->fallback, lookup, &fault);
    outstanding_finish(outstanding, lookup, decided ? NULL : fault);
}

void outstanding_fail_waiting(struct outstanding *outstanding, const char *fault)
{
    struct lookup *lookup;
    struct lookup *next;
    TAILQ_FOREACH_SAFE(lookup, &outstanding->list, outstanding, next)
    if (lookup->lane)
        outstanding_fail(outstanding, lookup, fault);
}

void outstanding_expire(struct outstanding *outstanding, uint64_t now)
{
    struct lookup *lookup;
    while ((lookup = TAILQ_FIRST(&outstanding->list)) != NULL && lookup->deadline <= now)
        outstanding_fail(outstanding, lookup, "the database did not answer in time");
}

void outstanding_drop(struct outstanding *outstanding, struct lookup *lookup)
{
    detach(outstanding, lookup);
    decision_clear(&lookup->decision);
    free(lookup->candidates);
    lookup->candidates = NULL;
    maps_release(lookup->map->set);
}

/* ---- batches that have ended ---- */

void outstanding_decide(struct outstanding *outstanding, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->lookups[i])
            outstanding_finish(outstanding, batch->lookups[i], NULL);
    batch_clear(batch);
}

size_t outstanding_take(struct batch *batch, struct lookup *lookups[static BATCH_LOOKUPS])
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lookups[i] == NULL)
            continue;
        batch->lookups[i]->batch = NULL;
        decision_clear(&batch->lookups[i]->decision);
        lookups[count++] = batch->lookups[i];
    }
    batch_clear(batch);
    return count;
}

void outstanding_fail_all(struct outstanding *outstanding, struct lookup *const *lookups,
                          size_t count, const char *fault)
{
    for (size_t i = 0; i < count; i++)
        outstanding_fail(outstanding, lookups[i], fault);
}

void outstanding_ask_again(struct outstanding *outstanding, struct lookup *const *lookups,
                           size_t count, enum lane_kind kind)
{
    for (size_t i = count; i-- > 0;)
        if (!lanes_push_front(&outstanding->lanes, lookups[i],
                              kind == LANE_ASCII ? lanes_kind(lookups[i]) : kind))
            outstanding_finish(outstanding, lookups[i], FAULT_NO_MEMORY);
}

void outstanding_retry(struct outstanding *outstanding, struct lookup **lookups, size_t count,
                       uint64_t after)
{
    size_t again = 0;
    for (size_t i = 0; i < count; i++) {
        if (lookups[i]->retried) {
            outstanding_fail(outstanding, lookups[i], "the connection to the database was lost");
            continue;
        }
        lookups[i]->retried = true;
        lookups[i]->retry_after = after;
        lookups[again++] = lookups[i];
    }
    outstanding_ask_again(outstanding, lookups, again, after == 0 ? LANE_ASCII : LANE_RETRY);
}
