#include "lookup/batch.h"

#include <string.h>

/*
 * Which lookups have a key: an open hash of all candidates of the batch. A key may stand there many
 * times, once for each lookup that has it. Twice the keys of the largest statement, which has at
 * most four lists of at most 256.
 */
#define INDEX_SIZE 2048

struct index {
    struct {
        uint8_t used;
        uint8_t lookup;
        uint16_t candidate;
    } slots[INDEX_SIZE];
};

void batch_clear(struct batch *batch)
{
    memset(batch, 0, sizeof *batch);
}

static bool fits(const size_t keys[LIST_COUNT], int step)
{
    for (int list = 0; list < LIST_COUNT; list++)
        if (keys[list] > statement_capacity((enum key_list)list, step))
            return false;
    return true;
}

bool batch_add(struct batch *batch, struct lookup *lookup, int step)
{
    if (batch->count >= (size_t)1 << step)
        return false;
    size_t keys[LIST_COUNT];
    memcpy(keys, batch->keys, sizeof keys);
    for (size_t i = 0; i < lookup->candidates->count; i++)
        keys[lookup->candidates->list[i].list]++;
    if (!fits(keys, step))
        return false;
    memcpy(batch->keys, keys, sizeof keys);
    lookup->place = (unsigned)batch->count;
    batch->map = lookup->map;
    batch->lookups[batch->count++] = lookup;
    return true;
}

int batch_step(const struct batch *batch)
{
    int step = 0;
    while (step < STATEMENT_STEP_MAX &&
           (batch->count > (size_t)1 << step || !fits(batch->keys, step)))
        step++;
    return step;
}

static void index_fill(struct index *index, const struct batch *batch)
{
    memset(index, 0, sizeof *index);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lookups[i] == NULL)
            continue;
        const struct candidates *candidates = batch->lookups[i]->candidates;
        for (size_t k = 0; k < candidates->count; k++) {
            size_t at = candidates->list[k].hash % INDEX_SIZE;
            while (index->slots[at].used)
                at = (at + 1) % INDEX_SIZE;
            index->slots[at].used = 1;
            index->slots[at].lookup = (uint8_t)i;
            index->slots[at].candidate = (uint16_t)k;
        }
    }
}

static void give_row(const struct index *index, const struct batch *batch, const struct row *row)
{
    char key[CANDIDATE_LEN_MAX + 1];
    size_t len;
    if (row->key == NULL || !candidates_fold_row(row->key, row->key_len, key, sizeof key, &len))
        return;
    size_t at = candidates_hash(key, len) % INDEX_SIZE;
    for (; index->slots[at].used; at = (at + 1) % INDEX_SIZE) {
        struct lookup *lookup = batch->lookups[index->slots[at].lookup];
        size_t place = index->slots[at].candidate;
        const struct candidate *candidate = &lookup->candidates->list[place];
        if (candidate->len == len && memcmp(candidate->text, key, len) == 0)
            decision_row(&lookup->decision, lookup->map, place, row->value, row->value_len);
    }
}

bool batch_read(struct batch *batch, struct statement *statement, struct row_reader *reader)
{
    if (mysql_stmt_num_rows(statement->stmt) == 0)
        return true; /* the way of most questions: foreign senders */
    struct index index;
    index_fill(&index, batch);
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
            give_row(&index, batch, &row);
        }
    }
}
