/* Makes a snapshot: rows go in map by map, a sealed copy in memory comes out. */
#ifndef LOOKUPD_SNAPSHOT_MAKE_H
#define LOOKUPD_SNAPSHOT_MAKE_H

#include "lookup/snapshot_file.h"

struct snapshot_make;

/* Begins a copy of what the tables held at this time: wall clock, nanoseconds since 1970. NULL with
 * an error. */
struct snapshot_make *snapshot_make_new(int64_t taken, struct snapshot_error *error);

/*
 * Adds a row of a map, its key as it stands in the table: one that no lookup can ask for is left
 * out; of one that is not folded only that it is there is kept. value NULL: "not found". False with
 * an error: then the map cannot be part of the copy, but others can unless the copy is full.
 */
bool snapshot_make_row(struct snapshot_make *make, const struct map *map, const char *key,
                       size_t key_len, const char *value, size_t value_len,
                       struct snapshot_error *error);

/* How many rows of the map that is being added have keys that are not folded. */
uint64_t snapshot_make_unsure(const struct snapshot_make *make);

/* Says that all rows of a map have been added since the end of the map before. Without this, the
 * map is not in the copy, whatever was added. */
bool snapshot_make_end(struct snapshot_make *make, const struct map *map,
                       struct snapshot_error *error);

/* The map was given up: its rows do not count for the next. */
void snapshot_make_skip(struct snapshot_make *make);

/* Ends the copy: its descriptor, or -1 with an error. Frees make in both cases. */
int snapshot_make_finish(struct snapshot_make *make, struct snapshot_error *error);
void snapshot_make_free(struct snapshot_make *make);

#endif
