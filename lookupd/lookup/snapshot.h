/* A snapshot as lookups use it: the last complete copy of the maps, in memory. */
#ifndef LOOKUPD_SNAPSHOT_H
#define LOOKUPD_SNAPSHOT_H

#include "lookup/lookup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot;

/* Takes a descriptor of snapshot_load() or snapshot_make_finish(), which is closed with it, and
 * also when this fails. NULL when it cannot be mapped. */
struct snapshot *snapshot_new(int fd);
void snapshot_free(struct snapshot *snapshot);

/* When it was taken: wall clock, nanoseconds since 1970. */
int64_t snapshot_taken(const struct snapshot *snapshot);

/*
 * Whether it is younger than max_age seconds. By the wall clock, and by the time since this process
 * has it, whichever says more: a clock that is set back makes no old copy young, and none unusable.
 */
bool snapshot_is_young(const struct snapshot *snapshot, int max_age);

/* "12:03:11", with the date when that is not today; local time. Returns buffer. */
#define SNAPSHOT_TIME_MAX 32
const char *snapshot_time(const struct snapshot *snapshot, char buffer[SNAPSHOT_TIME_MAX]);

/* Whether it has this map, copied by the same settings; rows and values may be NULL. */
bool snapshot_has(const struct snapshot *snapshot, const struct map *map, uint64_t *rows,
                  uint64_t *values);

enum snapshot_result {
    SNAPSHOT_NO_MAP, /* it knows nothing of this map */
    SNAPSHOT_ABSENT, /* no candidate has a row */
    SNAPSHOT_MAYBE,  /* there is a row of which it cannot tell whether the database finds it */
    SNAPSHOT_ROWS    /* the lookup's decision has got its rows */
};

/* Gives the rows of the most specific candidate that has any to the lookup's decision, which must
 * be empty. */
enum snapshot_result snapshot_lookup(struct snapshot *snapshot, struct lookup *lookup);

#endif
