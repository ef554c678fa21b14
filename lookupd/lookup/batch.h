/*
 * Lookups of one map that are asked together, in one statement. Many have keys in common (".com"),
 * which are asked once. Rows come back in any order; the batch finds the lookups that a row is for.
 */
#ifndef LOOKUPD_BATCH_H
#define LOOKUPD_BATCH_H

#include "lookup/lookup.h"
#include "lookup/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_LOOKUPS 64
/* Keys of all lookups, counted as often as they come: at least CANDIDATES_MAX. */
#define BATCH_ENTRIES ((size_t)1024)

struct batch {
    struct map *map;
    size_t count;
    struct lookup *lookups[BATCH_LOOKUPS]; /* NULL: given up meanwhile */
    size_t keys[LIST_COUNT]; /* different ones, of each list that the map's query names */
    /* Who has a key: an open hash of the first entry with it; the others follow by next. Numbers
     * are one more than the entry's, 0 is none. */
    uint16_t slots[2 * BATCH_ENTRIES];
    struct batch_entry {
        uint8_t lookup;
        uint16_t candidate;
        uint16_t next;
    } entries[BATCH_ENTRIES];
    size_t entry_count;
};

void batch_clear(struct batch *batch);

/* Adds a lookup (of the same map as the others) when all keys still fit into the statement of step.
 */
bool batch_add(struct batch *batch, struct lookup *lookup, int step);

/* The smallest step into which the batch fits. */
int batch_step(const struct batch *batch);

/* Collects the different keys of the lookups that are still there. */
void batch_collect(struct batch *batch, struct statement_keys *keys);

/*
 * Reads all rows of an executed statement with a stored result, and gives them to the decisions of
 * the lookups. True only when the result was complete: then every lookup can be decided.
 */
bool batch_read(struct batch *batch, struct statement *statement, struct row_reader *reader);

#endif
