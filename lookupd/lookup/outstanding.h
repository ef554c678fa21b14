/*
 * The lookups that are asked and not answered yet: each ends here, once. Until then it waits in a
 * lane or travels in a batch. Plain functions: nothing here knows connections or timers.
 */
#ifndef LOOKUPD_OUTSTANDING_H
#define LOOKUPD_OUTSTANDING_H

#include "lookup/batch.h"
#include "lookup/fallback.h"
#include "lookup/lanes.h"
#include "lookup/lookup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outstanding {
    struct lanes lanes;
    struct lookup_list list; /* the earliest deadline first */
    size_t count;
    struct fallback *fallback;
};

/* fallback answers what the database does not, and must live as long. */
void outstanding_init(struct outstanding *outstanding, struct fallback *fallback);

/*
 * Begins a lookup, and holds the map's set until it ends; deadline: monotonic nanoseconds. The key
 * is not needed afterwards. False when done() has been called already: the key is no name, or there
 * is no memory.
 */
bool outstanding_begin(struct outstanding *outstanding, struct lookup *lookup, struct map *map,
                       const char *key, size_t len, lookup_done *done, uint64_t deadline);

/* Puts one that has begun into its lane; without memory, that is its answer. */
void outstanding_queue(struct outstanding *outstanding, struct lookup *lookup);

/*
 * The last thing that happens to a lookup: done() is called, and it is its asker's again. With
 * fault, which need not outlive the call, the answer is temporary; with NULL its decision says what
 * the answer is.
 */
void outstanding_finish(struct outstanding *outstanding, struct lookup *lookup, const char *fault);

/*
 * Ends a lookup that the database does not answer, whatever the reason: with what the snapshot
 * says, or temporary with fault. The rows that it has are forgotten.
 */
void outstanding_fail(struct outstanding *outstanding, struct lookup *lookup, const char *fault);
/* The same for all that wait in lanes. */
void outstanding_fail_waiting(struct outstanding *outstanding, const char *fault);
/* The same for all whose deadline is now or was before. */
void outstanding_expire(struct outstanding *outstanding, uint64_t now);

/* Ends a lookup whose asker has gone: done() is not called. */
void outstanding_drop(struct outstanding *outstanding, struct lookup *lookup);

/* ---- batches that have ended ---- */

/* Decides every lookup of a batch whose result was complete, and clears the batch. */
void outstanding_decide(struct outstanding *outstanding, struct batch *batch);

/*
 * Takes the lookups that are still there out of a batch, which is clear then; they have no rows any
 * more. How many: each must be asked again, retried or failed.
 */
size_t outstanding_take(struct batch *batch, struct lookup *lookups[static BATCH_LOOKUPS]);

void outstanding_fail_all(struct outstanding *outstanding, struct lookup *const *lookups,
                          size_t count, const char *fault);

/*
 * Asks again what a batch asked, in its order and before all others of its kind. LANE_ASCII: each
 * in the lane of lookups that nothing has happened to.
 */
void outstanding_ask_again(struct outstanding *outstanding, struct lookup *const *lookups,
                           size_t count, enum lane_kind kind);

/*
 * Once more, on a connection made later than after (monotonic nanoseconds; 0: on any). For a lookup
 * that had this already, the answer is as of outstanding_fail(). Reorders lookups.
 */
void outstanding_retry(struct outstanding *outstanding, struct lookup **lookups, size_t count,
                       uint64_t after);

#endif
