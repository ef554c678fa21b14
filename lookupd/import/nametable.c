/* A hash table with open addressing, at most two thirds full. */
#include "import/nametable.h"

#include "import/wirename.h"

#include <stdlib.h>

#define ROOM_FIRST 64

struct nametable_slot {
    const uint8_t *name; /* NULL: free */
    unsigned group;
    uint32_t value;
    uint64_t hash;
};

static uint64_t hash_of(const struct nametable *table, const uint8_t *name, unsigned group)
{
    return wirename_hash(name, table->seed + group);
}

/* The slot of a name, or the free one where it would stand. */
static struct nametable_slot *slot_of(const struct nametable *table, const uint8_t *name,
                                      unsigned group, uint64_t hash)
{
    for (size_t at = hash & (table->room - 1);; at = (at + 1) & (table->room - 1)) {
        struct nametable_slot *slot = &table->slots[at];
        if (slot->name == NULL ||
            (slot->hash == hash && slot->group == group && wirename_equal(slot->name, name)))
            return slot;
    }
}

uint32_t nametable_find(const struct nametable *table, const uint8_t *name, unsigned group)
{
    if (table->count == 0)
        return NAMETABLE_NONE;
    const struct nametable_slot *slot = slot_of(table, name, group, hash_of(table, name, group));
    return slot->name != NULL ? slot->value : NAMETABLE_NONE;
}

uint32_t nametable_find_above(const struct nametable *table, const uint8_t *name, unsigned group)
{
    uint32_t value = NAMETABLE_NONE;
    for (; name != NULL && value == NAMETABLE_NONE; name = wirename_parent(name))
        value = nametable_find(table, name, group);
    return value;
}

static bool grow(struct nametable *table)
{
    struct nametable bigger = *table;
    bigger.room = table->room > 0 ? 2 * table->room : ROOM_FIRST;
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    if (table->room == 0)
        arc4random_buf(&bigger.seed, sizeof bigger.seed);
    for (size_t i = 0; i < table->room; i++) {
        const struct nametable_slot *slot = &table->slots[i];
        if (slot->name != NULL)
            *slot_of(&bigger, slot->name, slot->group, slot->hash) = *slot;
    }
    free(table->slots);
    *table = bigger;
    return true;
}

uint32_t *nametable_at(struct nametable *table, const uint8_t *name, unsigned group)
{
    if (3 * table->count >= 2 * table->room && !grow(table))
        return NULL;
    uint64_t hash = hash_of(table, name, group);
    struct nametable_slot *slot = slot_of(table, name, group, hash);
    if (slot->name == NULL) {
        *slot = (struct nametable_slot){
            .name = name, .group = group, .value = NAMETABLE_NONE, .hash = hash};
        table->count++;
    }
    return &slot->value;
}

void nametable_free(struct nametable *table)
{
    free(table->slots);
    *table = (struct nametable){.slots = NULL};
}
