/* A growing list of records: what the readers of files fill. */
#ifndef LOOKUPD_RECORDS_H
#define LOOKUPD_RECORDS_H

#include "import/rr.h"

#include <stdbool.h>
#include <stddef.h>

struct records {
    struct rr *list;
    size_t count, room;
};

/* False without memory; then the list is as it was. */
bool records_add(struct records *records, const struct rr *rr);
/* Sorts by owner (canonical), keeping the order within an owner; nothing when it is sorted. False
 * without memory. */
bool records_sort(struct records *records);
/* Owner (canonical), type, rdata: the order of records_sort_full(). 0: the same record. */
int records_compare(const struct rr *a, const struct rr *b);
void records_free(struct records *records);

#endif
