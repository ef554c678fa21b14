/*
 * Lookups of one map that are asked together, in one statement. Rows come back in any order and for
 * any of the keys; the batch finds the lookups that a row is for.
 */
#ifndef LOOKUPD_BATCH_H
#define LOOKUPD_BATCH_H

#include "lookup/lookup.h"
#include "lookup/statement.h"

#include <stdbool.h>
#include <stddef.h>

struct batch {
    struct map *map;
    size_t count;
    struct lookup *lookups[STATEMENT_LOOKUPS]; /* NULL: given up meanwhile */
    size_t keys[LIST_COUNT];                   /* that the lookups bring, of each list */
};

void batch_clear(struct batch *batch);

/* Adds a lookup when it fits into the statement of step (of the same map as the others). */
bool batch_add(struct batch *batch, struct lookup *lookup, int step);

/* The smallest step into which the batch fits. */
int batch_step(const struct batch *batch);

/*
 * Reads all rows of an executed statement with a stored result, and gives them to the decisions of
 * the lookups. True only when the result was complete: then every lookup can be decided.
 */
bool batch_read(struct batch *batch, struct statement *statement, struct row_reader *reader);

#endif
