#include "lookup/snapshot_make.h"

#include "lookup/answer.h"

#include <cdb.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Rows with one key are found, and put in order at the end, one after the other: a map of a million
 * rows with the same key (somebody has mistaken the columns) would keep the keeper busy for days.
 * Counted by a part of the key's hash, so that a bucket's fair share comes on top.
 */
#define BUCKETS       4096
#define SAME_KEY_MOST 10000

struct snapshot_make {
    struct cdb_make cdb;
    int fd;
    int64_t taken;
    uint64_t rows, values, unsure; /* of the map that is being added */
    uint64_t all_rows;
    uint64_t buckets[BUCKETS];
};

struct snapshot_make *snapshot_make_new(int64_t taken, struct snapshot_error *error)
{
    struct snapshot_make *make = calloc(1, sizeof *make);
    int fd = make ? snapshot_memory() : -1;
    if (fd < 0 || cdb_make_start(&make->cdb, fd) != 0) {
        snprintf(error->text, sizeof error->text, "no room for a copy: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        free(make);
        return NULL;
    }
    make->fd = fd;
    make->taken = taken;
    return make;
}

static bool add(struct snapshot_make *make, const char *key, size_t key_len, const void *value,
                size_t value_len, struct snapshot_error *error)
{
    errno = 0;
    if (cdb_make_add(&make->cdb, key, (unsigned)key_len, value, (unsigned)value_len) == 0)
        return true;
    snprintf(error->text, sizeof error->text, "no room for a copy (it can have 4 GB): %s",
             strerror(errno ? errno : EFBIG));
    return false;
}

static bool count_key(struct snapshot_make *make, const char *key, size_t len)
{
    uint64_t *bucket = &make->buckets[cdb_hash(key, (unsigned)len) % BUCKETS];
    make->all_rows++;
    return ++*bucket <= SAME_KEY_MOST + 4 * (make->all_rows / BUCKETS);
}

bool snapshot_make_row(struct snapshot_make *make, const struct map *map, const char *key,
                       size_t key_len, const char *value, size_t value_len,
                       struct snapshot_error *error)
{
    char folded[CANDIDATE_LEN_MAX + 1];
    char full[SNAPSHOT_KEY_MAX];
    char record[ANSWER_VALUE_MAX + 2]; /* a longer value is cut to one that is still too long */
    size_t folded_len;
    if (!candidates_fold_row(map->keys, key, key_len, folded, sizeof folded, &folded_len))
        return true;
    size_t len = snapshot_key(map, folded, folded_len, full);
    if (len == 0) {
        snprintf(error->text, sizeof error->text, "the name of the map is too long");
        return false;
    }
    if (!count_key(make, full, len)) {
        snprintf(error->text, sizeof error->text,
                 "more than %d rows have the same key: is the key the first column?",
                 SAME_KEY_MOST);
        return false;
    }
    bool unsure = folded_len != key_len || memcmp(folded, key, key_len) != 0;
    record[0] = SNAPSHOT_NULL;
    if (unsure)
        record[0] = SNAPSHOT_UNSURE;
    else if (value)
        record[0] = SNAPSHOT_VALUE;
    size_t record_len = 1;
    make->unsure += unsure;
    make->values += value != NULL;
    if (value && !unsure) {
        size_t kept = value_len <= ANSWER_VALUE_MAX ? value_len : ANSWER_VALUE_MAX + 1;
        memcpy(record + 1, value, kept);
        record_len += kept;
    }
    make->rows++;
    return add(make, full, len, record, record_len, error);
}

bool snapshot_make_end(struct snapshot_make *make, const struct map *map,
                       struct snapshot_error *error)
{
    char key[SNAPSHOT_KEY_MAX];
    struct snapshot_map_record record = {.rows = htole64(make->rows),
                                         .values = htole64(make->values)};
    memcpy(record.fingerprint, map->fingerprint, sizeof record.fingerprint);
    size_t len = snapshot_key(map, NULL, 0, key);
    snapshot_make_skip(make);
    if (len == 0) {
        snprintf(error->text, sizeof error->text, "the name of the map is too long");
        return false;
    }
    return add(make, key, len, &record, sizeof record, error);
}

void snapshot_make_skip(struct snapshot_make *make)
{
    make->rows = 0;
    make->values = 0;
    make->unsure = 0;
}

uint64_t snapshot_make_unsure(const struct snapshot_make *make)
{
    return make->unsure;
}

int snapshot_make_finish(struct snapshot_make *make, struct snapshot_error *error)
{
    int fd = make->fd;
    int64_t taken = make->taken;
    errno = 0;
    bool good = cdb_make_finish(&make->cdb) == 0;
    if (!good)
        snprintf(error->text, sizeof error->text, "no room for a copy (it can have 4 GB): %s",
                 strerror(errno ? errno : EFBIG));
    free(make);
    if (good && snapshot_seal(fd, taken, error))
        return fd;
    close(fd);
    return -1;
}

void snapshot_make_free(struct snapshot_make *make)
{
    if (make == NULL)
        return;
    (void)cdb_make_finish(&make->cdb); /* the only way to free what it has */
    close(make->fd);
    free(make);
}
