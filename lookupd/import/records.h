/* A growing list of records: what the readers of files fill, and zone.h sorts. */
#ifndef LOOKUPD_RECORDS_H
#define LOOKUPD_RECORDS_H

#include "import/rr.h"

#include <stdbool.h>
#include <stddef.h>

/* Zeroed it is empty. count may be set back to 0 to use the list again. */
struct records {
    struct rr *list;
    size_t count, room;
};

/* False without memory; then the list is as it was. */
bool records_add(struct records *records, const struct rr *rr);
void records_free(struct records *records);

/* The order of records: owner (canonical), type, rdata. 0: the same record. */
int records_compare(const struct rr *a, const struct rr *b);
/* Sorts records by that order. */
void records_sort(struct rr *list, size_t count);
/* Brings the owners of a list into canonical order; costs little when they are, as named writes
 * them. Within an owner the order is that of the file, or records_compare()'s. */
void records_sort_owners(struct records *records);

#endif
