/*
 * How fast lookups are answered: by lookupd over its socketmap, and, for comparison, by the map's
 * own statement for one key, prepared and run raw over connections of the same kind. Both ask the
 * same keys in the same order. Writes a line for each measurement:
 *
 *     WHAT  MAP  CLIENTS  LOOKUPS_PER_SECOND  P50_MICROSECONDS  P99_MICROSECONDS
 *
 * Every answer is checked: keys whose number is below -p must be found, the others not. With -T an
 * answer may be temporary instead, and a last line says how many were: "temporary MAP CLIENTS
 * NUMBER".
 */
#include "common/clock.h"
#include "common/log.h"
#include "lookup/connect.h"
#include "lookup/map.h"
#include "lookup/statement.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    const char *conf;
    const char *path;
    const char *map;
    double seconds;
    unsigned present; /* keys that exist */
    unsigned keys;    /* all that are asked */
    uint64_t count;   /* lookups of lookupd:CLIENTS, in place of seconds; 0: none */
    bool temporary;   /* is an answer */
} option = {.seconds = 2, .present = 1000, .keys = 2000};

static void die(const char *what)
{
    fprintf(stderr, "lookups: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void die_text(const char *what)
{
    fprintf(stderr, "lookups: %s\n", what);
    exit(1);
}

/* ---- keys: the same pseudo-random order for everybody ---- */

static unsigned next_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*state >> 33) % option.keys;
}

static size_t make_key(unsigned number, enum keys_kind keys, char *key, size_t size)
{
    return (size_t)snprintf(key, size, "%sd%07u.example%u.net", keys == KEYS_ADDRESS ? "user@" : "",
                            number, number % 10);
}

/* ---- latencies: a histogram in steps of 2 %, from 1 microsecond to 100 seconds ---- */

#define BUCKETS 930

struct measure {
    uint64_t buckets[BUCKETS];
    uint64_t count;
};

static double bucket_limits[BUCKETS];

static void measure_add(struct measure *measure, uint64_t nanoseconds)
{
    double microseconds = (double)nanoseconds / 1000;
    unsigned low = 0;
    unsigned high = BUCKETS - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bucket_limits[middle] < microseconds)
            low = middle + 1;
        else
            high = middle;
    }
    measure->buckets[low]++;
    measure->count++;
}

static double measure_percentile(const struct measure *measure, double share)
{
    uint64_t wanted = (uint64_t)((double)measure->count * share);
    uint64_t seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        if ((seen += measure->buckets[i]) > wanted)
            return bucket_limits[i];
    return 0;
}

static void report(const char *what, unsigned clients, const struct measure *measure,
                   double seconds)
{
    printf("%s\t%s\t%u\t%.0f\t%.0f\t%.0f\n", what, option.map, clients,
           (double)measure->count / seconds, measure_percentile(measure, 0.5),
           measure_percentile(measure, 0.99));
    fflush(stdout);
}

/* ---- raw: a thread for each connection ---- */

struct raw {
    pthread_t thread;
    const struct map *map;
    MYSQL *mysql;
    uint64_t seed;
    uint64_t end;
    struct measure measure;
};

/* The map's statement with just as many parameters as the key has candidates. */
static char *raw_statement(const struct map *map, const struct candidates *candidates,
                           size_t *parameters)
{
    size_t capacity[LIST_COUNT] = {0};
    for (size_t i = 0; i < candidates->count; i++)
        capacity[candidates->list[i].list]++;
    for (int list = 0; list < LIST_COUNT; list++)
        if (capacity[list] == 0)
            capacity[list] = 1;
    return query_expand(map->query, capacity, parameters);
}

static void *raw_run(void *context)
{
    struct raw *raw = context;
    const struct map *map = raw->map;
    char key[300];
    size_t len = make_key(0, map->keys, key, sizeof key);
    struct candidates *candidates;
    if (candidates_make(map->keys, key, len, map->delimiter, &candidates) != CANDIDATES_OK)
        die_text("a key of the benchmark is no name");
    size_t count;
    char *sql = raw_statement(map, candidates, &count);
    free(candidates);
    MYSQL_STMT *stmt = mysql_stmt_init(raw->mysql);
    if (sql == NULL || stmt == NULL || mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0)
        die_text("cannot prepare the statement");
    free(sql);

    MYSQL_BIND *parameters = calloc(count, sizeof *parameters);
    my_bool null = 1;
    char column[2][400];
    unsigned long lengths[2];
    my_bool nulls[2];
    MYSQL_BIND result[2] = {{.buffer_type = MYSQL_TYPE_STRING,
                             .buffer = column[0],
                             .buffer_length = sizeof column[0],
                             .length = &lengths[0],
                             .is_null = &nulls[0]},
                            {.buffer_type = MYSQL_TYPE_STRING,
                             .buffer = column[1],
                             .buffer_length = sizeof column[1],
                             .length = &lengths[1],
                             .is_null = &nulls[1]}};
    for (uint64_t now = clock_now(); now < raw->end;) {
        unsigned number = next_number(&raw->seed);
        len = make_key(number, map->keys, key, sizeof key);
        if (candidates_make(map->keys, key, len, map->delimiter, &candidates) != CANDIDATES_OK)
            die_text("a key of the benchmark is no name");
        size_t at = 0;
        for (size_t place = 0; place < query_place_count(map->query); place++) {
            size_t before = at;
            for (size_t i = 0; i < candidates->count; i++)
                if (candidates->list[i].list == query_place(map->query, place)) {
                    parameters[at] =
                        (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                     .buffer = (void *)(uintptr_t)candidates->list[i].text,
                                     .buffer_length = candidates->list[i].len};
                    at++;
                }
            if (at == before)
                parameters[at++] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .is_null = &null};
        }
        unsigned rows = 0;
        if (mysql_stmt_bind_param(stmt, parameters) != 0 || mysql_stmt_execute(stmt) != 0 ||
            mysql_stmt_bind_result(stmt, result) != 0 || mysql_stmt_store_result(stmt) != 0)
            die_text(mysql_stmt_error(stmt));
        int status;
        while ((status = mysql_stmt_fetch(stmt)) == 0)
            rows++;
        if (status != MYSQL_NO_DATA || (rows > 0) != (number < option.present))
            die_text("a raw statement gave a wrong result");
        mysql_stmt_free_result(stmt);
        free(candidates);
        uint64_t then = now;
        now = clock_now();
        measure_add(&raw->measure, now - then);
    }
    free(parameters);
    mysql_stmt_close(stmt);
    return NULL;
}

static void run_raw(struct maps *maps, const struct credentials *credentials, unsigned clients)
{
    struct map *map = maps_find(maps, option.map, strlen(option.map));
    struct raw *raws = calloc(clients, sizeof *raws);
    for (unsigned i = 0; i < clients; i++) {
        struct connect_error error;
        raws[i].map = map;
        raws[i].mysql = connect_open(maps->conf, credentials, &error);
        if (raws[i].mysql == NULL)
            die_text(error.text);
        raws[i].seed = 1000 + i;
    }
    uint64_t begin = clock_now();
    for (unsigned i = 0; i < clients; i++) {
        raws[i].end = begin + clock_seconds(option.seconds);
        if (pthread_create(&raws[i].thread, NULL, raw_run, &raws[i]) != 0)
            die("thread");
    }
    static struct measure all;
    memset(&all, 0, sizeof all);
    for (unsigned i = 0; i < clients; i++) {
        pthread_join(raws[i].thread, NULL);
        mysql_close(raws[i].mysql);
        for (unsigned k = 0; k < BUCKETS; k++)
            all.buckets[k] += raws[i].measure.buckets[k];
        all.count += raws[i].measure.count;
    }
    report("raw", clients, &all, (double)(clock_now() - begin) / (double)CLOCK_SECOND);
    free(raws);
}

/* ---- lookupd: many clients, each waiting for its answer before it asks again ---- */

struct client {
    int fd;
    unsigned number;
    uint64_t asked;
    char reply[1024];
    size_t len;
};

static void ask(struct client *client, enum keys_kind keys, uint64_t *state)
{
    char key[300];
    char request[400];
    client->number = next_number(state);
    size_t len = make_key(client->number, keys, key, sizeof key);
    int size = snprintf(request, sizeof request, "%zu:%s %s,", strlen(option.map) + 1 + len,
                        option.map, key);
    client->len = 0;
    client->asked = clock_now();
    if (send(client->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        die("send");
}

/* True when the reply is complete; ends the program when it is wrong. */
static bool take_reply(struct client *client, uint64_t *temporary)
{
    ssize_t got =
        recv(client->fd, client->reply + client->len, sizeof client->reply - client->len - 1, 0);
    if (got <= 0)
        die("recv");
    client->len += (size_t)got;
    client->reply[client->len] = '\0';
    const char *colon = strchr(client->reply, ':');
    if (colon == NULL ||
        client->len < (size_t)(colon + 1 - client->reply) + strtoul(client->reply, NULL, 10) + 1)
        return false;
    if (option.temporary && strncmp(colon + 1, "TEMP ", 5) == 0) {
        (*temporary)++;
        return true;
    }
    bool found = strncmp(colon + 1, "OK ", 3) == 0;
    if (!found && strncmp(colon + 1, "NOTFOUND", 8) != 0)
        die_text(client->reply);
    if (found != (client->number < option.present))
        die_text("lookupd gave a wrong answer");
    return true;
}

static void run_lookupd(struct maps *maps, unsigned clients)
{
    enum keys_kind keys = maps_find(maps, option.map, strlen(option.map))->keys;
    static struct measure measure;
    memset(&measure, 0, sizeof measure);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", option.path);
    struct client *list = calloc(clients, sizeof *list);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t state = 1000;
    uint64_t begin = clock_now();
    for (unsigned i = 0; i < clients; i++) {
        list[i].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(list[i].fd, (struct sockaddr *)&name, sizeof name) != 0)
            die(option.path);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, list[i].fd, &event) != 0)
            die("epoll");
    }
    for (unsigned i = 0; i < clients; i++)
        ask(&list[i], keys, &state);
    uint64_t end = begin + clock_seconds(option.seconds);
    uint64_t now = begin;
    uint64_t temporary = 0;
    while (option.count ? measure.count < option.count : now < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll, events, 256, 5000);
        if (ready <= 0)
            die_text("no answer within 5 seconds");
        for (int i = 0; i < ready; i++) {
            struct client *client = &list[events[i].data.u32];
            if (!take_reply(client, &temporary))
                continue;
            now = clock_now();
            measure_add(&measure, now - client->asked);
            ask(client, keys, &state);
        }
    }
    report("lookupd", clients, &measure, (double)(now - begin) / (double)CLOCK_SECOND);
    if (option.temporary)
        printf("temporary\t%s\t%u\t%lu\n", option.map, clients, (unsigned long)temporary);
    for (unsigned i = 0; i < clients; i++)
        close(list[i].fd);
    close(poll);
    free(list);
}

static void say(const char *line, void *context)
{
    fprintf(stderr, "%s\n", line);
}

static const char usage[] =
    "usage: lookups -c LOOKUPD_CONF -s SOCKETMAP_PATH -m MAP [-t SECONDS] [-p PRESENT] [-k KEYS]\n"
    "               [-n LOOKUPS] [-T] raw:CLIENTS|lookupd:CLIENTS ...\n"
    "       lookups -P NUMBER [-a]   print the domain (or address) of that number\n";

int main(int argc, char **argv)
{
    int letter;
    bool address = false;
    long print = -1;
    while ((letter = getopt(argc, argv, "c:s:m:t:p:k:n:TP:a")) != -1) {
        switch (letter) {
        case 'c':
            option.conf = optarg;
            break;
        case 's':
            option.path = optarg;
            break;
        case 'm':
            option.map = optarg;
            break;
        case 't':
            option.seconds = strtod(optarg, NULL);
            break;
        case 'p':
            option.present = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            option.keys = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            option.count = strtoull(optarg, NULL, 10);
            break;
        case 'T':
            option.temporary = true;
            break;
        case 'P':
            print = strtol(optarg, NULL, 10);
            break;
        case 'a':
            address = true;
            break;
        default:
            die_text(usage);
        }
    }
    if (print >= 0) {
        char key[300];
        make_key((unsigned)print, address ? KEYS_ADDRESS : KEYS_DOMAIN, key, sizeof key);
        puts(key);
        return 0;
    }
    if (!option.conf || !option.path || !option.map || option.keys == 0)
        die_text(usage);
    log_open("lookups", true, LOG_LEVEL_INFO);
    bucket_limits[0] = 1;
    for (unsigned i = 1; i < BUCKETS; i++)
        bucket_limits[i] = bucket_limits[i - 1] * 1.02;

    struct settings_errors errors = {.report = say};
    struct conf *conf = conf_read(option.conf, &errors);
    if (conf == NULL)
        return 1;
    struct credentials *credentials = credentials_read(conf->database.option_file, &errors);
    struct maps *maps = maps_new(conf, &errors);
    if (maps == NULL || credentials == NULL ||
        maps_find(maps, option.map, strlen(option.map)) == NULL)
        die_text("no such map");
    for (int i = optind; i < argc; i++) {
        unsigned clients =
            (unsigned)strtoul(strchr(argv[i], ':') ? strchr(argv[i], ':') + 1 : "0", NULL, 10);
        if (clients == 0)
            die_text(usage);
        if (strncmp(argv[i], "raw:", 4) == 0)
            run_raw(maps, credentials, clients);
        else
            run_lookupd(maps, clients);
    }
    maps_release(maps);
    credentials_free(credentials);
    return 0;
}
