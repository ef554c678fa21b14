/* Lists of records. */
#include "import/records.h"

#include "import/wirename.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64

bool records_add(struct records *records, const struct rr *rr)
{
    if (records->count == records->room) {
        size_t room = records->room > 0 ? 2 * records->room : ROOM_FIRST;
        struct rr *list = reallocarray(records->list, room, sizeof *list);
        if (list == NULL)
            return false;
        records->list = list;
        records->room = room;
    }
    records->list[records->count++] = *rr;
    return true;
}

void records_free(struct records *records)
{
    free(records->list);
    *records = (struct records){.list = NULL};
}

/* Of targets whose letters were kept as they were; what is equal but for them is equal. */
static int compare_pointers(const struct rr *a, const struct rr *b)
{
    uint8_t x[WIRENAME_MAX], y[WIRENAME_MAX];
    memcpy(x, a->rdata, a->rdlen);
    memcpy(y, b->rdata, b->rdlen);
    wirename_lower(x);
    wirename_lower(y);
    return memcmp(x, y, a->rdlen < b->rdlen ? a->rdlen : b->rdlen);
}

int records_compare(const struct rr *a, const struct rr *b)
{
    int order = a->owner == b->owner ? 0 : wirename_compare(a->owner, b->owner);
    if (order == 0)
        order = (int)a->type - (int)b->type;
    if (order == 0)
        order = memcmp(a->rdata, b->rdata, a->rdlen < b->rdlen ? a->rdlen : b->rdlen);
    if (order != 0 && a->type == RR_PTR && b->type == RR_PTR && wirename_equal(a->owner, b->owner))
        order = compare_pointers(a, b);
    return order != 0 ? order : (int)a->rdlen - (int)b->rdlen;
}

static int compare(const void *a, const void *b)
{
    return records_compare(a, b);
}

void records_sort(struct rr *list, size_t count)
{
    if (count > 1)
        qsort(list, count, sizeof *list, compare);
}

void records_sort_owners(struct records *records)
{
    for (size_t i = 1; i < records->count; i++) {
        const uint8_t *before = records->list[i - 1].owner, *here = records->list[i].owner;
        if (before != here && wirename_compare(before, here) > 0) {
            records_sort(records->list, records->count);
            return;
        }
    }
}
