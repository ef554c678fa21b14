/*
 * Lanes: where lookups wait for a connection. Those of one map that may travel together wait in one
 * lane. Three things travel apart: keys that are not ASCII (compared with an ASCII column they fail
 * the whole statement), lookups that must be asked alone because a batch of theirs failed, and
 * those whose connection died, which go to one that is newer than its end.
 */
#ifndef LOOKUPD_LANES_H
#define LOOKUPD_LANES_H

#include "lookup/batch.h"
#include "lookup/lookup.h"

enum lane_kind { LANE_ASCII, LANE_OTHER, LANE_ALONE, LANE_RETRY };

struct lane {
    struct map *map;
    enum lane_kind kind;
    struct lookup_list list;
    size_t count;
    TAILQ_ENTRY(lane) link;
};

struct lanes {
    TAILQ_HEAD(, lane) all;
    size_t waiting; /* lookups in all of them */
};

void lanes_init(struct lanes *lanes);

/* Puts a lookup at the end of its lane, or back at the front. False without memory. */
bool lanes_push(struct lanes *lanes, struct lookup *lookup, enum lane_kind kind);
bool lanes_push_front(struct lanes *lanes, struct lookup *lookup, enum lane_kind kind);
void lanes_remove(struct lanes *lanes, struct lookup *lookup);

/* The lane for lookups like this one that nothing has happened to. */
enum lane_kind lanes_kind(const struct lookup *lookup);

/* What a batch is wanted for. */
struct lanes_choice {
    uint64_t connected; /* when the connection was made: retries want a newer one */
    int step;           /* the largest statement wanted */
    /* Both NULL-terminated; NULL: none. Maps that must not have this connection; and maps that may
     * only have it with a full batch. */
    const struct map *const *never;
    const struct map *const *only_full;
    const struct map *only; /* no other; NULL: any */
    bool no_stuck;          /* nor those that are stuck */
};

/*
 * Fills an empty batch from the lane whose first lookup is the oldest of those that may go. False
 * when nothing may.
 */
bool lanes_fill(struct lanes *lanes, struct batch *batch, const struct lanes_choice *choice);

/* No newer connection can be had: those who wait for one may go to any. */
void lanes_release_retries(struct lanes *lanes);

#endif
