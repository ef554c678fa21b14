#include "lookup/batch.h"

#include <string.h>

_Static_assert(BATCH_ENTRIES >= CANDIDATES_MAX, "any lookup fits into an empty batch");
_Static_assert(BATCH_ENTRIES < UINT16_MAX, "entries are numbered in 16 bits");

#define SLOT_COUNT (2 * BATCH_ENTRIES)

static void clear_index(struct batch *batch)
{
    if (batch->entry_count > 0)
        memset(batch->slots, 0, sizeof batch->slots);
    batch->entry_count = 0;
    memset(batch->keys, 0, sizeof batch->keys);
}

void batch_clear(struct batch *batch)
{
    clear_index(batch);
    memset(batch->lookups, 0, batch->count * sizeof(struct lookup *));
    batch->count = 0;
    batch->map = NULL;
}

/* The candidate of an entry, or NULL when its lookup has been given up. */
static const struct candidate *candidate_of(const struct batch *batch,
                                            const struct batch_entry *entry)
{
    const struct lookup *lookup = batch->lookups[entry->lookup];
    return lookup ? &lookup->candidates->list[entry->candidate] : NULL;
}

/* The candidate of the first entry of a chain that is still there: all of them have the same text.
 */
static const struct candidate *candidate_of_chain(const struct batch *batch, unsigned number)
{
    for (; number; number = batch->entries[number - 1].next) {
        const struct candidate *candidate = candidate_of(batch, &batch->entries[number - 1]);
        if (candidate)
            return candidate;
    }
    return NULL;
}

/* The slot of a key: with a chain, or empty. A key is of one list only: its '@', or none, says
 * which. */
static uint16_t *find_slot(struct batch *batch, const char *text, size_t len, uint32_t hash)
{
    size_t at = hash % SLOT_COUNT;
    for (; batch->slots[at]; at = (at + 1) % SLOT_COUNT) {
        const struct candidate *candidate = candidate_of_chain(batch, batch->slots[at]);
        if (candidate && candidate->len == len && memcmp(candidate->text, text, len) == 0)
            break;
    }
    return &batch->slots[at];
}

/* Adds an entry; true when no other has its key. */
static bool add_entry(struct batch *batch, size_t lookup, size_t place)
{
    const struct candidate *candidate = &batch->lookups[lookup]->candidates->list[place];
    uint16_t *slot = find_slot(batch, candidate->text, candidate->len, candidate->hash);
    struct batch_entry *entry = &batch->entries[batch->entry_count++];
    bool first = *slot == 0;
    entry->lookup = (uint8_t)lookup;
    entry->candidate = (uint16_t)place;
    entry->next = *slot;
    *slot = (uint16_t)batch->entry_count;
    return first;
}

static bool fits(const struct batch *batch, int step)
{
    for (int list = 0; list < LIST_COUNT; list++)
        if (batch->keys[list] > statement_capacity((enum key_list)list, step))
            return false;
    return true;
}

/* Counts the keys of a lookup that others do not have, and remembers all of them. */
static void index_lookup(struct batch *batch, size_t lookup, struct statement_keys *keys)
{
    const struct candidates *candidates = batch->lookups[lookup]->candidates;
    for (size_t i = 0; i < candidates->count; i++) {
        const struct candidate *candidate = &candidates->list[i];
        unsigned list = candidate->list;
        /* A row may come for a key of any list, also of one that the query does not name. */
        bool first = add_entry(batch, lookup, i);
        if (!first || !query_names(batch->map->query, (enum key_list)list))
            continue;
        batch->keys[list]++;
        if (keys)
            keys->keys[list][keys->count[list]++] = candidate;
    }
}

static void index_all(struct batch *batch, struct statement_keys *keys)
{
    clear_index(batch);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->lookups[i])
            index_lookup(batch, i, keys);
}

bool batch_add(struct batch *batch, struct lookup *lookup, int step)
{
    if (batch->count == BATCH_LOOKUPS ||
        batch->entry_count + lookup->candidates->count > BATCH_ENTRIES)
        return false;
    batch->map = lookup->map;
    batch->lookups[batch->count] = lookup;
    index_lookup(batch, batch->count++, NULL);
    if (!fits(batch, step)) {
        batch->lookups[--batch->count] = NULL;
        index_all(batch, NULL);
        return false;
    }
    lookup->place = (unsigned)batch->count - 1;
    return true;
}

int batch_step(const struct batch *batch)
{
    int step = 0;
    while (step < STATEMENT_STEP_MAX && !fits(batch, step))
        step++;
    return step;
}

void batch_collect(struct batch *batch, struct statement_keys *keys)
{
    memset(keys->count, 0, sizeof keys->count);
    index_all(batch, keys);
}

static void give_row(struct batch *batch, const struct row *row)
{
    char key[CANDIDATE_LEN_MAX + 1];
    size_t len;
    if (row->key == NULL ||
        !candidates_fold_row(batch->map->keys, row->key, row->key_len, key, sizeof key, &len))
        return;
    unsigned number = *find_slot(batch, key, len, candidates_hash(key, len));
    for (; number; number = batch->entries[number - 1].next) {
        const struct batch_entry *entry = &batch->entries[number - 1];
        struct lookup *lookup = batch->lookups[entry->lookup];
        if (lookup)
            decision_row(&lookup->decision, lookup->map, entry->candidate, row->value,
                         row->value_len);
    }
}

bool batch_read(struct batch *batch, struct statement *statement, struct row_reader *reader)
{
    if (mysql_stmt_num_rows(statement->stmt) == 0)
        return true; /* the way of most questions: foreign senders */
    if (!row_reader_bind(reader, statement))
        return false;
    for (;;) {
        struct row row;
        switch (row_reader_next(reader, statement, &row)) {
        case ROW_END:
            return true;
        case ROW_ERROR:
            return false;
        case ROW_OK:
            give_row(batch, &row);
        }
    }
}
