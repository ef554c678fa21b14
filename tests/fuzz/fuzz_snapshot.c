/*
 * Snapshots: the first octets choose a key, the rest is a file. As it is, its trailer is read; with
 * a good trailer behind it, it is looked into. Whatever the cdb says, nothing outside it is read,
 * and an answer is one that live rows could give.
 */
#include "check.h"
#include "common/log.h"
#include "lookup/snapshot.h"
#include "lookup/snapshot_file.h"

#include <unistd.h>

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

static int file_of(const uint8_t *data, size_t size)
{
    int fd = snapshot_memory();
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    return fd;
}

/* The same of a file that is not sealed, and so can be used again: a new one is half of the time.
 */
static int file_again(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = snapshot_memory();
    CHECK(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    CHECK(ftruncate(fd, (off_t)size) == 0);
    return dup(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    char error[100];
    if (!begun) {
        log_open("fuzz_snapshot", true, LOG_LEVEL_INFO);
        map.query = query_parse("q :addresses :domains", map.keys, error, sizeof error);
        begun = true;
    }
    if (size == 0)
        return 0;
    const char *key = keys[data[0] % (sizeof keys / sizeof keys[0])];
    map.join = (data[0] & 0x80) != 0;
    int fd = file_again(data + 1, size - 1);
    struct snapshot *snapshot = snapshot_new(fd);
    CHECK(snapshot == NULL || snapshot_taken(snapshot) >= 0);
    snapshot_free(snapshot);

    struct snapshot_error fault;
    fd = file_of(data + 1, size - 1);
    CHECK(snapshot_seal(fd, 1, &fault));
    snapshot = snapshot_new(fd);
    CHECK((snapshot != NULL) == (size - 1 >= 2048));
    if (snapshot)
        ask(snapshot, key);
    snapshot_free(snapshot);
    return 0;
}
