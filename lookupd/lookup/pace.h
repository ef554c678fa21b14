/*
 * How quick the queries of a map are. One that waits for a lock, or reads what it should not, must
 * leave a connection to the others; one slow query of a busy moment is no reason to.
 */
#ifndef LOOKUPD_PACE_H
#define LOOKUPD_PACE_H

#include "lookup/map.h"

#include <stdbool.h>
#include <stdint.h>

/* A query of the map has ended, after so many nanoseconds. good: with an answer. maps: those in
 * force. */
void pace_note(const struct maps *maps, struct map *map, uint64_t took, bool good);

/* A query of the map is under way, for so many nanoseconds. */
void pace_note_waiting(struct map *map, uint64_t age);

/* Whether the map must not have the last connection that is free. */
bool pace_is_stuck(const struct map *map);

#endif
