#include "lookup/lanes.h"

#include "lookup/pace.h"

#include <stdlib.h>

void lanes_init(struct lanes *lanes)
{
    TAILQ_INIT(&lanes->all);
    lanes->waiting = 0;
}

static struct lane *find_lane(struct lanes *lanes, struct map *map, enum lane_kind kind)
{
    struct lane *lane;
    TAILQ_FOREACH(lane, &lanes->all, link)
    if (lane->map == map && lane->kind == kind)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->map = map;
    maps_hold(map->set);
    lane->kind = kind;
    TAILQ_INIT(&lane->list);
    TAILQ_INSERT_TAIL(&lanes->all, lane, link);
    return lane;
}

static struct lane *enter(struct lanes *lanes, struct lookup *lookup, enum lane_kind kind)
{
    struct lane *lane = find_lane(lanes, lookup->map, kind);
    if (kind != LANE_RETRY)
        lookup->retry_after = 0;
    if (lane) {
        lookup->lane = lane;
        lane->count++;
        lanes->waiting++;
    }
    return lane;
}

bool lanes_push(struct lanes *lanes, struct lookup *lookup, enum lane_kind kind)
{
    struct lane *lane = enter(lanes, lookup, kind);
    if (lane)
        TAILQ_INSERT_TAIL(&lane->list, lookup, waiting);
    return lane != NULL;
}

bool lanes_push_front(struct lanes *lanes, struct lookup *lookup, enum lane_kind kind)
{
    struct lane *lane = enter(lanes, lookup, kind);
    if (lane)
        TAILQ_INSERT_HEAD(&lane->list, lookup, waiting);
    return lane != NULL;
}

void lanes_remove(struct lanes *lanes, struct lookup *lookup)
{
    struct lane *lane = lookup->lane;
    TAILQ_REMOVE(&lane->list, lookup, waiting);
    lookup->lane = NULL;
    lane->count--;
    lanes->waiting--;
    /* An empty lane goes, so that it keeps no map of an older configuration. */
    if (TAILQ_EMPTY(&lane->list)) {
        TAILQ_REMOVE(&lanes->all, lane, link);
        maps_release(lane->map->set);
        free(lane);
    }
}

enum lane_kind lanes_kind(const struct lookup *lookup)
{
    return lookup->candidates->ascii ? LANE_ASCII : LANE_OTHER;
}

static bool is_among(const struct map *map, const struct map *const *maps)
{
    for (; maps && *maps; maps++)
        if (*maps == map)
            return true;
    return false;
}

static bool may_go(const struct lane *lane, const struct lanes_choice *choice)
{
    return TAILQ_FIRST(&lane->list)->retry_after < choice->connected &&
           (choice->only == NULL || lane->map == choice->only) &&
           !is_among(lane->map, choice->never) && !(choice->no_stuck && pace_is_stuck(lane->map)) &&
           (lane->count >= BATCH_LOOKUPS || !is_among(lane->map, choice->only_full));
}

bool lanes_fill(struct lanes *lanes, struct batch *batch, const struct lanes_choice *choice)
{
    uint64_t connected = choice->connected;
    int step = choice->step;
    struct lane *oldest = NULL;
    struct lane *lane;
    TAILQ_FOREACH(lane, &lanes->all, link)
    {
        if (may_go(lane, choice) && (oldest == NULL || TAILQ_FIRST(&lane->list)->deadline <
                                                           TAILQ_FIRST(&oldest->list)->deadline))
            oldest = lane;
    }
    if (oldest == NULL)
        return false;

    struct lookup *lookup = TAILQ_FIRST(&oldest->list);
    bool ascii = lookup->candidates->ascii;
    bool alone = oldest->kind == LANE_ALONE;
    struct lookup *next = TAILQ_NEXT(lookup, waiting);
    lanes_remove(lanes, lookup);
    /* A key of very many labels needs a large statement, whatever is wanted. */
    if (!batch_add(batch, lookup, step))
        (void)batch_add(batch, lookup, STATEMENT_STEP_MAX);
    while (!alone && (lookup = next) != NULL && lookup->retry_after < connected &&
           lookup->candidates->ascii == ascii && batch_add(batch, lookup, step)) {
        next = TAILQ_NEXT(lookup, waiting);
        lanes_remove(lanes, lookup);
    }
    return true;
}

void lanes_release_retries(struct lanes *lanes)
{
    struct lane *lane;
    struct lookup *lookup;
    TAILQ_FOREACH(lane, &lanes->all, link)
    if (lane->kind == LANE_RETRY)
        TAILQ_FOREACH(lookup, &lane->list, waiting)
    lookup->retry_after = 0;
}
