#include "lookup/snapshot.h"

#include "common/clock.h"
#include "lookup/snapshot_file.h"

#include <cdb.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct snapshot {
    struct cdb cdb;
    int fd;
    int64_t taken;
    uint64_t received; /* nanoseconds of a clock that nobody sets */
};

/* Goes on while the machine sleeps, which CLOCK_MONOTONIC does not. */
static uint64_t boot_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

struct snapshot *snapshot_new(int fd)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    int64_t taken = snapshot ? snapshot_taken_of(fd) : -1;
    if (taken < 0 || cdb_init(&snapshot->cdb, fd) != 0) {
        free(snapshot);
        close(fd);
        return NULL;
    }
    snapshot->fd = fd;
    snapshot->taken = taken;
    snapshot->received = boot_time();
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    cdb_free(&snapshot->cdb);
    close(snapshot->fd);
    free(snapshot);
}

int64_t snapshot_taken(const struct snapshot *snapshot)
{
    return snapshot->taken;
}

bool snapshot_is_young(const struct snapshot *snapshot, int max_age)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t most = (int64_t)max_age * (int64_t)CLOCK_SECOND;
    int64_t wall = (int64_t)now.tv_sec * (int64_t)CLOCK_SECOND + now.tv_nsec;
    return wall - snapshot->taken < most && boot_time() - snapshot->received < (uint64_t)most;
}

const char *snapshot_time(const struct snapshot *snapshot, char buffer[SNAPSHOT_TIME_MAX])
{
    time_t taken = (time_t)(snapshot->taken / (int64_t)CLOCK_SECOND);
    time_t now = time(NULL);
    struct tm then;
    struct tm today;
    localtime_r(&taken, &then);
    localtime_r(&now, &today);
    bool same_day = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
    if (strftime(buffer, SNAPSHOT_TIME_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then) ==
        0)
        buffer[0] = '\0';
    return buffer;
}

/* A key of our own making is short; cdb counts in unsigned. */
static int find(const struct snapshot *snapshot, struct cdb_find *cursor, struct cdb *cdb,
                const char *key, size_t len)
{
    *cdb = snapshot->cdb; /* the place of what was found stands in it */
    return cdb_findinit(cursor, cdb, key, (unsigned)len) > 0 ? cdb_findnext(cursor) : 0;
}

bool snapshot_has(const struct snapshot *snapshot, const struct map *map, uint64_t *rows,
                  uint64_t *values)
{
    char key[SNAPSHOT_KEY_MAX];
    struct cdb cdb;
    struct cdb_find cursor;
    size_t len = snapshot_key(map, NULL, 0, key);
    if (len == 0 || find(snapshot, &cursor, &cdb, key, len) <= 0)
        return false;
    const struct snapshot_map_record *found = cdb_getdata(&cdb);
    struct snapshot_map_record record;
    if (cdb_datalen(&cdb) != sizeof record || found == NULL)
        return false;
    memcpy(&record, found, sizeof record); /* records are not aligned */
    if (memcmp(record.fingerprint, map->fingerprint, sizeof record.fingerprint) != 0)
        return false;
    if (rows)
        *rows = le64toh(record.rows);
    if (values)
        *values = le64toh(record.values);
    return true;
}

/* What the rows of a candidate come to. */
static enum snapshot_result take_rows(struct snapshot *snapshot, struct lookup *lookup,
                                      size_t candidate)
{
    char key[SNAPSHOT_KEY_MAX];
    struct cdb cdb;
    struct cdb_find cursor;
    const struct candidate *from = &lookup->candidates->list[candidate];
    size_t len = snapshot_key(lookup->map, from->text, from->len, key);
    enum snapshot_result result = SNAPSHOT_ABSENT;
    int found = find(snapshot, &cursor, &cdb, key, len);
    for (; found > 0; found = cdb_findnext(&cursor)) {
        const char *record = cdb_getdata(&cdb);
        size_t record_len = cdb_datalen(&cdb);
        if (record == NULL || record_len == 0)
            return SNAPSHOT_NO_MAP;
        switch (record[0]) {
        case SNAPSHOT_VALUE:
            decision_row(&lookup->decision, lookup->map, candidate, record + 1, record_len - 1);
            break;
        case SNAPSHOT_NULL:
            decision_row(&lookup->decision, lookup->map, candidate, NULL, 0);
            break;
        case SNAPSHOT_UNSURE:
            return SNAPSHOT_MAYBE;
        default:
            return SNAPSHOT_NO_MAP;
        }
        result = SNAPSHOT_ROWS;
    }
    return found == 0 ? result : SNAPSHOT_NO_MAP;
}

enum snapshot_result snapshot_lookup(struct snapshot *snapshot, struct lookup *lookup)
{
    const struct candidates *candidates = lookup->candidates;
    if (!snapshot_has(snapshot, lookup->map, NULL, NULL))
        return SNAPSHOT_NO_MAP;
    enum snapshot_result result = SNAPSHOT_ABSENT;
    for (size_t i = 0; i < candidates->count && result == SNAPSHOT_ABSENT; i++)
        if (query_names(lookup->map->query, (enum key_list)candidates->list[i].list))
            result = take_rows(snapshot, lookup, i);
    if (result != SNAPSHOT_ROWS)
        decision_clear(&lookup->decision);
    return result;
}
