/* One lookup on its way from the question to the answer; part of whoever asks. */
#ifndef LOOKUPD_LOOKUP_H
#define LOOKUPD_LOOKUP_H

#include "lookup/answer.h"
#include "lookup/candidates.h"
#include "lookup/decision.h"
#include "lookup/map.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct lookup;
struct batch;
struct lane;

/* Is given the answer, once; the lookup belongs to the asker again and may be freed. It must not
 * ask or cancel anything: that is for later, outside. */
typedef void lookup_done(struct lookup *lookup, const struct answer *answer);

struct lookup {
    /* Set by engine_ask(). */
    lookup_done *done;
    struct map *map;
    struct candidates *candidates;
    struct decision decision;
    uint64_t deadline; /* nanoseconds of the monotonic clock */
    /* Where it stands: waiting in a lane, or in the batch of a session. */
    struct lane *lane;
    struct batch *batch;
    unsigned place;       /* in the batch */
    bool retried;         /* its connection died once already */
    uint64_t retry_after; /* a retry goes to a connection opened later than this */
    TAILQ_ENTRY(lookup) waiting;
    TAILQ_ENTRY(lookup) outstanding; /* all of an engine, the earliest deadline first */
};

TAILQ_HEAD(lookup_list, lookup);

#endif
