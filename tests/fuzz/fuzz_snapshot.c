/*
 * Snapshots: the first octets choose a key, the rest is a file. As it is, its trailer is read; with
 * a good trailer behind it, it is looked into. Whatever the cdb says, nothing outside it is read,
 * and an answer is one that live rows could give.
 */
#include "check.h"
#include "common/log.h"
#include "lookup/snapshot.h"
#include "lookup/snapshot_file.h"

#include <endian.h>
#include <unistd.h>

#define TAKEN           1
#define TRAILER_SIZE    64
#define TRAILER_SIZE_AT 24 /* where the size of the file stands in it */

static const char *const keys[] = {"a.example", "u+x@b.a.example", "u@a.example", "x"};

/* The fingerprint is zeros: so the corpus can have it. */
static struct map map = {.name = "m", .keys = KEYS_ADDRESS, .value = VALUE_TEXT, .delimiter = "+"};

static void ask(struct snapshot *snapshot, const char *key)
{
    struct lookup lookup = {.map = &map};
    struct answer answer = {.result = LOOKUP_TEMPORARY};
    CHECK(candidates_make(map.keys, key, strlen(key), map.delimiter, &lookup.candidates) ==
          CANDIDATES_OK);
    if (snapshot_lookup(snapshot, &lookup) == SNAPSHOT_ROWS) {
        CHECK(lookup.decision.seen && lookup.decision.candidate < lookup.candidates->count);
        decision_end(&lookup.decision, &map, lookup.candidates, &answer);
        if (answer.result == LOOKUP_FOUND)
            CHECK(answer.len > 0 && answer.len <= ANSWER_VALUE_MAX &&
                  answer.text[answer.len - 1] != '\0');
    } else {
        CHECK(!lookup.decision.seen && lookup.decision.value == NULL);
    }
    decision_clear(&lookup.decision);
    free(lookup.candidates);
}

/* The trailer that a file of this size has, but for the digest: snapshot_new() does not look at it,
 * and to make a new file and its digest for each input was most of the time. */
static const uint8_t *trailer_of(uint64_t size)
{
    static uint8_t trailer[TRAILER_SIZE];
    static bool made;
    if (!made) {
        struct snapshot_error fault;
        int fd = snapshot_memory();
        CHECK(fd >= 0 && snapshot_seal(fd, TAKEN, &fault));
        CHECK(pread(fd, trailer, sizeof trailer, 0) == TRAILER_SIZE);
        close(fd);
        made = true;
    }
    size = htole64(size);
    memcpy(trailer + TRAILER_SIZE_AT, &size, sizeof size);
    return trailer;
}

/* A file of these octets, with a trailer or without: always the same one. */
static int file_of(const uint8_t *data, size_t size, bool whole)
{
    static int file = -1;
    size_t all = size + (whole ? TRAILER_SIZE : 0);
    if (file < 0)
        file = snapshot_memory();
    CHECK(file >= 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    CHECK(!whole || pwrite(file, trailer_of(all), TRAILER_SIZE, (off_t)size) == TRAILER_SIZE);
    CHECK(ftruncate(file, (off_t)all) == 0);
    return dup(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    char error[100];
    if (!begun) {
        log_open("fuzz_snapshot", true, LOG_LEVEL_INFO);
        map.query = query_parse("q IN (:addresses, :domains)", map.keys, error, sizeof error);
        begun = true;
    }
    if (size == 0)
        return 0;
    const char *key = keys[data[0] % (sizeof keys / sizeof keys[0])];
    map.join = (data[0] & 0x80) != 0;
    struct snapshot *snapshot = snapshot_new(file_of(data + 1, size - 1, false));
    CHECK(snapshot == NULL || snapshot_taken(snapshot) >= 0);
    snapshot_free(snapshot);

    snapshot = snapshot_new(file_of(data + 1, size - 1, true));
    CHECK((snapshot != NULL) == (size - 1 >= 2048));
    CHECK(snapshot == NULL || snapshot_taken(snapshot) == TAKEN);
    if (snapshot)
        ask(snapshot, key);
    snapshot_free(snapshot);
    return 0;
}
