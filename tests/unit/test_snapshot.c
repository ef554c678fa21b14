/* The snapshot: what goes in comes out, by the rules of live lookups; what is cut, damaged or of
 * others is not used; and what is used cannot change. */
#include "lookup/snapshot.h"

#include "common/log.h"
#include "lookup/snapshot_make.h"

#include <cdb.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LISTENERS                                                                                  \
    "listeners = ( { protocol = \"socketmap\"; address = \"unix:/x/y\"; } );"                      \
    "default_maps = false;"

static const char settings[] = LISTENERS
    "maps = {"
    "domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\"; };"
    "addresses = { keys = \"address\"; query = \"q IN (:addresses, :domains)\"; all = \"a\";"
    "              value = \"addresses\"; join = true; absent = \"notfound\"; };"
    "routes = { keys = \"address\"; query = \"q IN (:addresses, :domains)\"; all = \"a\";"
    "           value = \"route\"; };"
    "exact = { keys = \"exact\"; query = \"q IN (:key)\"; all = \"a\"; }; };";

static void report(const char *line, void *context)
{
    cr_log_error("%s", line);
}

static struct maps *maps_of(const char *text)
{
    struct settings_errors errors = {.report = report};
    struct conf *conf = conf_parse(text, "t.conf", &errors);
    cr_assert_not_null(conf);
    struct maps *maps = maps_new(conf, &errors);
    cr_assert_not_null(maps);
    log_open("test_snapshot", true, LOG_LEVEL_INFO);
    return maps;
}

static struct map *map_of(struct maps *maps, const char *name)
{
    struct map *map = maps_find(maps, name, strlen(name));
    cr_assert_not_null(map);
    return map;
}

static int64_t wall(void)
{
    return (int64_t)time(NULL) * 1000000000;
}

struct row_in {
    const char *map, *key, *value;
};

/* A complete copy of rows, which stand map by map; every map of the set is in it. */
static int copy_of(struct maps *maps, const struct row_in *rows, int64_t taken)
{
    struct snapshot_error error;
    struct snapshot_make *make = snapshot_make_new(taken, &error);
    cr_assert_not_null(make);
    for (size_t i = 0; i < maps->count; i++) {
        for (const struct row_in *row = rows; row->map; row++)
            if (strcmp(row->map, maps->list[i].name) == 0)
                cr_assert(snapshot_make_row(make, &maps->list[i], row->key, strlen(row->key),
                                            row->value, row->value ? strlen(row->value) : 0,
                                            &error));
        cr_assert(snapshot_make_end(make, &maps->list[i], &error));
    }
    int fd = snapshot_make_finish(make, &error);
    cr_assert_geq(fd, 0, "%s", error.text);
    return fd;
}

static const struct row_in none[] = {{NULL, NULL, NULL}};

/* What a key is answered with: "=value", "-" (not found), "?" (temporary), or what else it comes
 * to. */
static const char *ask(struct snapshot *snapshot, struct map *map, const char *key)
{
    static char text[ANSWER_VALUE_MAX + 10];
    struct lookup lookup = {.map = map};
    cr_assert_eq(candidates_make(map->keys, key, strlen(key), map->delimiter, &lookup.candidates),
                 CANDIDATES_OK);
    enum snapshot_result result = snapshot_lookup(snapshot, &lookup);
    if (result == SNAPSHOT_ROWS) {
        struct answer answer;
        decision_end(&lookup.decision, map, lookup.candidates, &answer);
        if (answer.result == LOOKUP_FOUND)
            snprintf(text, sizeof text, "=%.*s", (int)answer.len, answer.text);
        else
            snprintf(text, sizeof text, "%s", answer.result == LOOKUP_NOT_FOUND ? "-" : "?");
    } else {
        cr_assert(!lookup.decision.seen);
        static const char *const texts[] = {
            [SNAPSHOT_NO_MAP] = "no map", [SNAPSHOT_ABSENT] = "absent", [SNAPSHOT_MAYBE] = "maybe"};
        snprintf(text, sizeof text, "%s", texts[result]);
    }
    decision_clear(&lookup.decision);
    free(lookup.candidates);
    return text;
}

static const struct row_in sample[] = {
    {"domains", "example.com", "example.com"},
    {"domains", "Upper.Example.COM.", "upper"},
    {"domains", ".example.com", "below"},
    {"domains", "dot.example.", NULL},
    {"domains", "blank.example ", "blank"},
    {"domains", "two.example", "one"},
    {"domains", "Two.example", "other"},
    {"domains", "closed.example.com", NULL},
    {"domains", "both.example", NULL},
    {"domains", "both.example", "both"},
    {"domains", "twice.example", "same"},
    {"domains", "twice.example", "same"},
    {"domains", "conflict.example", "one"},
    {"domains", "conflict.example", "two"},
    {"domains", "empty.example", ""},
    {"addresses", "user@example.com", "a@goal.example"},
    {"addresses", "user@example.com", "b@goal.example"},
    {"addresses", "@example.com", "all@goal.example"}, /* a list that the query does not name */
    {"addresses", "m\xc3\xbcller@example.com", "m@goal.example"},
    {"routes", "example.com", "relay:[192.0.2.1]"},
    {"routes", "bad.example", "no route"},
    {"exact", "a key with blanks", "v"},
    {NULL, NULL, NULL},
};

static void is(const char *got, const char *expected)
{
    cr_expect_str_eq(got, expected);
}

Test(snapshot, answers_as_live)
{
    struct maps *maps = maps_of(settings);
    struct snapshot *snapshot = snapshot_new(copy_of(maps, sample, wall()));
    cr_assert_not_null(snapshot);
    struct map *domains = map_of(maps, "domains");
    is(ask(snapshot, domains, "Example.com."), "=example.com");
    is(ask(snapshot, domains, "upper.example.com"), "maybe");
    is(ask(snapshot, domains, "below.upper.example.com"), "=below");
    is(ask(snapshot, domains, "dot.example"), "maybe");
    is(ask(snapshot, domains, "two.example"), "maybe");
    is(ask(snapshot, domains, "blank.example"), "maybe");
    is(ask(snapshot, domains, "a.b.example.com"), "=below");
    is(ask(snapshot, domains, "closed.example.com"), "-");
    is(ask(snapshot, domains, "below.closed.example.com"), "=below");
    is(ask(snapshot, domains, "both.example"), "=both");
    is(ask(snapshot, domains, "twice.example"), "=same");
    is(ask(snapshot, domains, "conflict.example"), "?");
    is(ask(snapshot, domains, "empty.example"), "?");
    is(ask(snapshot, domains, "other.example"), "absent");
    is(ask(snapshot, domains, "example"), "absent");
    struct map *addresses = map_of(maps, "addresses");
    /* which comes first is not promised, live neither */
    const char *both = ask(snapshot, addresses, "USER+Ext@example.com");
    cr_expect(strcmp(both, "=a+Ext@goal.example, b+Ext@goal.example") == 0 ||
                  strcmp(both, "=b+Ext@goal.example, a+Ext@goal.example") == 0,
              "%s", both);
    is(ask(snapshot, addresses, "other@example.com"), "absent");
    is(ask(snapshot, addresses, "M\xc3\x9cller@example.com"), "=m@goal.example");
    struct map *routes = map_of(maps, "routes");
    is(ask(snapshot, routes, "u@example.com"), "=relay:[192.0.2.1]");
    is(ask(snapshot, routes, "u@bad.example"), "?");
    is(ask(snapshot, map_of(maps, "exact"), "A key with BLANKS"), "=v");
    uint64_t rows;
    uint64_t values;
    cr_assert(snapshot_has(snapshot, domains, &rows, &values));
    cr_expect_eq(rows, 15);
    cr_expect_eq(values, 12);
    snapshot_free(snapshot);
    maps_release(maps);
}

Test(snapshot, keys_that_nobody_can_ask_for_are_left_out)
{
    struct maps *maps = maps_of(settings);
    struct map *exact = map_of(maps, "exact");
    struct snapshot_error error;
    struct snapshot_make *make = snapshot_make_new(wall(), &error);
    static char longest[CANDIDATE_LEN_MAX + 1];
    memset(longest, 'k', sizeof longest);
    cr_assert(snapshot_make_row(make, exact, longest, CANDIDATE_LEN_MAX, "v", 1, &error));
    cr_assert(snapshot_make_row(make, exact, longest, CANDIDATE_LEN_MAX + 1, "v", 1, &error));
    cr_assert(snapshot_make_row(make, exact, "", 0, "v", 1, &error));
    cr_assert(snapshot_make_row(make, exact, "\xff", 1, "v", 1, &error));
    cr_assert(snapshot_make_end(make, exact, &error));
    struct snapshot *snapshot = snapshot_new(snapshot_make_finish(make, &error));
    uint64_t rows;
    cr_assert(snapshot_has(snapshot, exact, &rows, NULL));
    cr_expect_eq(rows, 1);
    longest[CANDIDATE_LEN_MAX] = '\0';
    is(ask(snapshot, exact, longest), "=v");
    snapshot_free(snapshot);
    maps_release(maps);
}

Test(snapshot, a_value_that_is_too_long_stays_too_long)
{
    struct maps *maps = maps_of(settings);
    struct map *exact = map_of(maps, "exact");
    struct snapshot_error error;
    char *value = malloc(ANSWER_VALUE_MAX + 100);
    memset(value, 'v', ANSWER_VALUE_MAX + 100);
    struct snapshot_make *make = snapshot_make_new(wall(), &error);
    cr_assert(snapshot_make_row(make, exact, "a", 1, value, ANSWER_VALUE_MAX, &error));
    cr_assert(snapshot_make_row(make, exact, "b", 1, value, ANSWER_VALUE_MAX + 1, &error));
    cr_assert(snapshot_make_row(make, exact, "c", 1, value, ANSWER_VALUE_MAX + 100, &error));
    cr_assert(snapshot_make_end(make, exact, &error));
    struct snapshot *snapshot = snapshot_new(snapshot_make_finish(make, &error));
    cr_expect_eq(strlen(ask(snapshot, exact, "a")), ANSWER_VALUE_MAX + 1);
    is(ask(snapshot, exact, "b"), "?");
    is(ask(snapshot, exact, "c"), "?");
    snapshot_free(snapshot);
    free(value);
    maps_release(maps);
}

/* A map of which not all rows were added is not in the copy; the others are. */
Test(snapshot, a_map_that_was_given_up)
{
    struct maps *maps = maps_of(settings);
    struct map *domains = map_of(maps, "domains");
    struct map *routes = map_of(maps, "routes");
    struct snapshot_error error;
    struct snapshot_make *make = snapshot_make_new(wall(), &error);
    cr_assert(snapshot_make_row(make, domains, "example.com", 11, "v", 1, &error));
    snapshot_make_skip(make);
    cr_assert(snapshot_make_row(make, routes, "example.com", 11, "relay:", 6, &error));
    cr_assert(snapshot_make_end(make, routes, &error));
    struct snapshot *snapshot = snapshot_new(snapshot_make_finish(make, &error));
    is(ask(snapshot, domains, "example.com"), "no map");
    is(ask(snapshot, routes, "u@example.com"), "=relay:");
    uint64_t rows;
    cr_assert(snapshot_has(snapshot, routes, &rows, NULL));
    cr_expect_eq(rows, 1);
    snapshot_free(snapshot);
    maps_release(maps);
}

/* Whatever decides which rows a map has makes it another map. */
Test(snapshot, a_map_with_other_settings)
{
    struct maps *maps = maps_of(settings);
    struct snapshot *snapshot = snapshot_new(copy_of(maps, sample, wall()));
    static const char *const others[] = {
        LISTENERS
        "maps = { domains = { keys = \"domain\"; query = \"q2 IN (:domains)\"; all = \"a\"; }; };",
        LISTENERS
        "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"b\"; }; };",
        LISTENERS "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; }; };",
        LISTENERS
        "maps = { domains = { keys = \"address\"; query = \"q IN (:domains)\"; all = \"a\"; }; };",
        LISTENERS
        "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\";"
        " join = true; }; };",
        LISTENERS
        "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\";"
        " value = \"route\"; }; };",
        LISTENERS
        "database = { name = \"other\"; };"
        "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\"; }; };",
        LISTENERS
        "maps = { domain = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\"; }; };",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct maps *other = maps_of(others[i]);
        cr_expect_str_eq(ask(snapshot, &other->list[0], "example.com"), "no map", "%zu", i);
        maps_release(other);
    }
    struct maps *same =
        maps_of(LISTENERS
                "workers = 7; database = { connections = 5; };"
                "maps = { domains = { keys = \"domain\"; query = \"q IN (:domains)\"; all = \"a\";"
                " absent = \"notfound\"; }; };");
    is(ask(snapshot, &same->list[0], "example.com"), "=example.com");
    maps_release(same);
    snapshot_free(snapshot);
    maps_release(maps);
}

Test(snapshot, many_rows)
{
    enum { COUNT = 30000 };
    struct maps *maps = maps_of(settings);
    struct map *domains = map_of(maps, "domains");
    struct snapshot_error error;
    struct snapshot_make *make = snapshot_make_new(wall(), &error);
    char key[40];
    for (int i = 0; i < COUNT; i += 2) {
        int len = snprintf(key, sizeof key, "d%d.example", i);
        cr_assert(snapshot_make_row(make, domains, key, (size_t)len, i % 3 ? key : NULL,
                                    (size_t)len, &error));
    }
    cr_assert(snapshot_make_end(make, domains, &error));
    struct snapshot *snapshot = snapshot_new(snapshot_make_finish(make, &error));
    for (int i = 0; i < COUNT; i++) {
        char expected[42];
        snprintf(key, sizeof key, "d%d.example", i);
        snprintf(expected, sizeof expected, "=%s", key);
        is(ask(snapshot, domains, key), i % 2 ? "absent" : i % 3 ? expected : "-");
    }
    snapshot_free(snapshot);
    maps_release(maps);
}

/* A million rows with one key would take days to put in order. */
Test(snapshot, a_wrong_key_column_is_seen)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    struct snapshot_make *make = snapshot_make_new(wall(), &error);
    int added = 0;
    while (added < 100000 &&
           snapshot_make_row(make, map_of(maps, "domains"), "same.example", 12, "v", 1, &error))
        added++;
    cr_expect_geq(added, 10000);
    cr_expect_lt(added, 20000);
    cr_expect(strstr(error.text, "same key"), "%s", error.text);
    snapshot_make_free(make);
    maps_release(maps);
}

Test(snapshot, age)
{
    struct maps *maps = maps_of(settings);
    struct snapshot *now = snapshot_new(copy_of(maps, none, wall()));
    struct snapshot *old = snapshot_new(copy_of(maps, none, wall() - 100 * INT64_C(1000000000)));
    struct snapshot *future = snapshot_new(copy_of(maps, none, wall() + INT64_C(1000000000000000)));
    cr_expect(snapshot_is_young(now, 5));
    cr_expect(snapshot_is_young(old, 110));
    cr_expect_not(snapshot_is_young(old, 99));
    /* the clock was set back since: its age is counted from when it was got */
    cr_expect(snapshot_is_young(future, 5));
    usleep(1100000);
    cr_expect_not(snapshot_is_young(future, 1));
    char text[SNAPSHOT_TIME_MAX];
    setenv("TZ", "UTC", 1);
    tzset();
    struct snapshot *then = snapshot_new(copy_of(maps, none, INT64_C(1700000000) * 1000000000));
    is(snapshot_time(then, text), "2023-11-14 22:13:20");
    cr_expect_eq(strlen(snapshot_time(now, text)), 8);
    snapshot_free(now);
    snapshot_free(old);
    snapshot_free(future);
    snapshot_free(then);
    maps_release(maps);
}

/* ---- files ---- */

static char folder[] = "/tmp/test-snapshot-XXXXXX";
static char file[100], partial[100];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/" SNAPSHOT_FILE, folder);
    snprintf(partial, sizeof partial, "%s/" SNAPSHOT_PARTIAL, folder);
}

static void remove_folder(void)
{
    unlink(file);
    unlink(partial);
    rmdir(folder);
}

static size_t read_file(char **octets)
{
    FILE *f = fopen(file, "rb");
    struct stat status;
    cr_assert(f && fstat(fileno(f), &status) == 0);
    *octets = malloc((size_t)status.st_size);
    cr_assert_eq(fread(*octets, 1, (size_t)status.st_size, f), (size_t)status.st_size);
    fclose(f);
    return (size_t)status.st_size;
}

static void write_file(const char *octets, size_t size)
{
    FILE *f = fopen(file, "wb");
    cr_assert(f && fwrite(octets, 1, size, f) == size && fclose(f) == 0);
}

/* The reason why the folder's file is refused. */
static const char *refusal(void)
{
    static struct snapshot_error error;
    error = (struct snapshot_error){.text = "-"};
    int fd = snapshot_load(folder, &error);
    if (fd < 0)
        return error.text;
    close(fd);
    return "accepted";
}

Test(files, saved_and_loaded, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    is(refusal(), "");
    int64_t taken = wall();
    int fd = copy_of(maps, sample, taken);
    cr_assert(snapshot_save(folder, fd, &error), "%s", error.text);
    cr_assert(snapshot_save(folder, fd, &error), "again: %s", error.text);
    close(fd);
    cr_expect_eq(access(partial, F_OK), -1);
    struct stat status;
    cr_assert_eq(stat(file, &status), 0);
    cr_expect_eq(status.st_mode & 07777, 0640);
    fd = snapshot_load(folder, &error);
    cr_assert_geq(fd, 0, "%s", error.text);
    cr_expect_eq(snapshot_taken_of(fd), taken);
    struct snapshot *snapshot = snapshot_new(fd);
    /* in place, as a careless "> snapshot.cdb" does */
    cr_assert_eq(truncate(file, 0), 0);
    is(ask(snapshot, map_of(maps, "domains"), "example.com"), "=example.com");
    is(ask(snapshot, map_of(maps, "routes"), "u@example.com"), "=relay:[192.0.2.1]");
    snapshot_free(snapshot);
    maps_release(maps);
}

Test(files, what_is_in_memory_cannot_change, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    int made = copy_of(maps, sample, wall());
    cr_assert(snapshot_save(folder, made, &error));
    int loaded = snapshot_load(folder, &error);
    int fds[] = {made, loaded};
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(ftruncate(fds[i], 10), -1);
        cr_expect_eq(ftruncate(fds[i], 1 << 20), -1);
        cr_expect_eq(pwrite(fds[i], "x", 1, 0), -1);
        cr_expect_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0), MAP_FAILED);
        cr_expect(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        close(fds[i]);
    }
    maps_release(maps);
}

Test(files, cut_anywhere, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    int fd = copy_of(maps, sample, wall());
    cr_assert(snapshot_save(folder, fd, &error));
    char *octets;
    size_t size = read_file(&octets);
    for (size_t cut = 0; cut < size; cut += cut < 2200 ? 97 : 1) {
        write_file(octets, cut);
        cr_expect_str_eq(refusal(), "is no snapshot, or is cut", "cut to %zu of %zu", cut, size);
    }
    write_file(octets, size);
    is(refusal(), "accepted");
    /* with something behind it */
    char *longer = calloc(1, size + 64);
    memcpy(longer, octets, size);
    write_file(longer, size + 64);
    is(refusal(), "is no snapshot, or is cut");
    memcpy(longer + size, octets + size - 64, 64);
    write_file(longer, size + 64);
    is(refusal(), "is damaged");
    free(longer);
    free(octets);
    close(fd);
    maps_release(maps);
}

Test(files, every_octet_counts, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    int fd = copy_of(maps, sample, wall());
    cr_assert(snapshot_save(folder, fd, &error));
    char *octets;
    size_t size = read_file(&octets);
    for (size_t at = 0; at < size; at += at < 2048 ? 61 : 1) {
        octets[at] ^= 0x10;
        write_file(octets, size);
        cr_expect_str_neq(refusal(), "accepted", "octet %zu of %zu", at, size);
        octets[at] ^= 0x10;
    }
    octets[size - 64 + 8] = SNAPSHOT_VERSION + 1;
    write_file(octets, size);
    is(refusal(), "has version 3 of the format, and this lookupd knows version 2");
    free(octets);
    close(fd);
    maps_release(maps);
}

Test(files, no_regular_file, .init = make_folder, .fini = remove_folder)
{
    write_file("", 0);
    is(refusal(), "is no snapshot, or is cut");
    unlink(file);
    cr_assert_eq(symlink("/etc/passwd", file), 0);
    cr_expect(strstr(refusal(), "cannot be opened"));
    unlink(file);
    cr_assert_eq(mkfifo(file, 0600), 0);
    is(refusal(), "is no regular file");
    unlink(file);
    cr_assert_eq(mkdir(file, 0700), 0);
    is(refusal(), "is no regular file");
    rmdir(file);
}

/* A disk without room: the old file stays, and nothing is left of the new one. */
Test(files, disk_full, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    int fd = copy_of(maps, sample, 1234567890);
    cr_assert(snapshot_save(folder, fd, &error));
    close(fd);
    fd = copy_of(maps, sample, wall());
    struct rlimit small = {.rlim_cur = 2000, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_expect_not(snapshot_save(folder, fd, &error));
    cr_expect(strstr(error.text, "cannot be written: File too large"), "%s", error.text);
    cr_expect_eq(access(partial, F_OK), -1);
    small.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    close(fd);
    fd = snapshot_load(folder, &error);
    cr_expect_eq(snapshot_taken_of(fd), 1234567890);
    close(fd);
    maps_release(maps);
}

/* What a keeper left that was killed in the middle is no hindrance, whatever it is. */
Test(files, leftovers, .init = make_folder, .fini = remove_folder)
{
    struct maps *maps = maps_of(settings);
    struct snapshot_error error;
    int fd = copy_of(maps, sample, wall());
    cr_assert_eq(symlink("/tmp/nobody-writes-here", partial), 0);
    cr_expect(snapshot_save(folder, fd, &error), "%s", error.text);
    cr_expect_eq(access("/tmp/nobody-writes-here", F_OK), -1);
    is(refusal(), "accepted");
    close(fd);
    maps_release(maps);
}

Test(files, folders, .init = make_folder, .fini = remove_folder)
{
    struct snapshot_error error;
    cr_expect(snapshot_check_folder(folder, &error), "%s", error.text);
    cr_expect_not(snapshot_check_folder("/tmp/there-is-no-such-folder", &error));
    is(error.text, "/tmp/there-is-no-such-folder: No such file or directory");
    cr_expect_not(snapshot_check_folder("/etc/passwd", &error));
    is(error.text, "/etc/passwd: Not a directory");
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_expect_not(snapshot_check_folder(folder, &error));
    cr_expect(strstr(error.text, "everybody may write there"), "%s", error.text);
}
