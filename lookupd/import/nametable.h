/*
 * Names and numbers: where a name of a group (a view, say) stands in somebody's list. Names are
 * strangers' choice, so the hash is seeded.
 */
#ifndef LOOKUPD_NAMETABLE_H
#define LOOKUPD_NAMETABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMETABLE_NONE UINT32_MAX

struct nametable {
    struct nametable_slot *slots; /* zeroed it is empty */
    size_t count, room;
    uint64_t seed;
};

/* The value of a name in a group, or NAMETABLE_NONE. */
uint32_t nametable_find(const struct nametable *table, const uint8_t *name, unsigned group);
/* Of the longest name in the group that is the name or an ancestor of it. */
uint32_t nametable_find_above(const struct nametable *table, const uint8_t *name, unsigned group);
/* Where the value of a name stands, NAMETABLE_NONE when it is new, until the next call. The name is
 * borrowed. NULL without memory. */
uint32_t *nametable_at(struct nametable *table, const uint8_t *name, unsigned group);
void nametable_free(struct nametable *table);

#endif
