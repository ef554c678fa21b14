#include "server/keeper_copy.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/dberror.h"
#include "lookup/snapshot_make.h"
#include "lookup/statement.h"

#include <errmsg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * Limits of a copy: seconds. The whole of it; a wait for the next octets; a wait for a table that
 * somebody has locked. A million domains take a few seconds.
 */
#define COPY_MOST 300
#define READ_MOST 30
#define LOCK_MOST 20
/* How often the time is looked at. */
#define ROWS_A_LOOK 4096
/* That a map is left out is logged again this often. */
#define SAY_AGAIN (600 * CLOCK_SECOND)

struct copy {
    struct maps *maps;
    const struct snapshot *before;
    MYSQL *mysql;
    struct snapshot_make *make;
    uint64_t give_up;
    struct row_reader reader;
    char *text;
};

/* How a map's copying ended. */
enum map_status {
    MAP_DONE,
    MAP_FAILED, /* lies in the map */
    MAP_NEVER   /* nothing more can be had, for any map */
};

static void say(struct copy *copy, const char *what, const char *why)
{
    snprintf(copy->text, COPY_TEXT_MAX, "%s: %s", what, why);
}

static enum map_status failed(struct copy *copy, const struct map *map, MYSQL_STMT *stmt)
{
    unsigned number = mysql_stmt_errno(stmt);
    const char *why = mysql_stmt_error(stmt);
    if (number == 0) {
        /* Connector/C 3.3 notes a fault in the middle of unread rows for the connection only. */
        number = mysql_errno(copy->mysql);
        why = number ? mysql_error(copy->mysql) : "the result broke off";
    }
    /* A fault in the data can quote it, and it may be somebody's address. */
    if (number != 0 && dberror_kind(number) == DBERROR_DATA && !log_is_debug())
        why = "a fault in the data";
    snprintf(copy->text, COPY_TEXT_MAX, "map %s: all: %s (%u)", map->name, why, number);
    return dberror_kind(number) == DBERROR_CONNECTION ? MAP_NEVER : MAP_FAILED;
}

static bool run(MYSQL *mysql, const char *statement)
{
    return mysql_query(mysql, statement) == 0;
}

/*
 * The lookups' own way to connect, with time for long answers. The copy of the settings is only
 * looked at.
 */
static MYSQL *open_connection(const struct conf *conf, const struct credentials *credentials,
                              struct connect_error *error)
{
    struct conf patient = *conf;
    patient.deadline = COPY_MOST; /* what max_statement_time follows from */
    patient.database.timeout = READ_MOST;
    return connect_open(&patient, credentials, error);
}

/* One view of all tables: what it shows was committed before, and nothing of it changes. */
static bool begin_reading(MYSQL *mysql)
{
    char locks[80];
    snprintf(locks, sizeof locks, "SET SESSION lock_wait_timeout = %d", LOCK_MOST);
    return run(mysql, locks) &&
           run(mysql, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ") &&
           run(mysql, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
}

/* ---- the rows of a map ---- */

/* Whether what was said then is to be said now; notes that it is. */
static bool is_due(uint64_t *said)
{
    uint64_t now = clock_now();
    if (*said != 0 && now - *said < SAY_AGAIN)
        return false;
    *said = now;
    return true;
}

/* Built-in tables hold folded keys only: their triggers see to it. */
static void say_unsure(struct copy *copy, struct map *map)
{
    uint64_t count = snapshot_make_unsure(copy->make);
    if (count == 0 || !is_due(&map->said_unsure))
        return;
    log_warning("snapshot: map %s: all: %llu rows have keys that are not folded; from the snapshot "
                "they are answered with a temporary error",
                map->name, (unsigned long long)count);
}

static enum map_status read_rows(struct copy *copy, struct map *map, MYSQL_STMT *stmt)
{
    struct statement statement = {.stmt = stmt, .map = map};
    struct snapshot_error error;
    if (!row_reader_bind(&copy->reader, &statement))
        return failed(copy, map, stmt);
    for (size_t count = 1;; count++) {
        struct row row;
        switch (row_reader_next(&copy->reader, &statement, &row)) {
        case ROW_END:
            say_unsure(copy, map);
            if (snapshot_make_end(copy->make, map, &error))
                return MAP_DONE;
            say(copy, "map", error.text);
            return MAP_NEVER;
        case ROW_ERROR:
            /* A query that is killed in the middle of its rows ends here. */
            return failed(copy, map, stmt);
        case ROW_OK:
            break;
        }
        if (row.key && !snapshot_make_row(copy->make, map, row.key, row.key_len, row.value,
                                          row.value_len, &error)) {
            snprintf(copy->text, COPY_TEXT_MAX, "map %s: all: %s", map->name, error.text);
            return MAP_FAILED;
        }
        if (count % ROWS_A_LOOK == 0 && clock_now() > copy->give_up) {
            snprintf(copy->text, COPY_TEXT_MAX, "the copy took longer than %d seconds", COPY_MOST);
            return MAP_NEVER;
        }
    }
}

/* Two columns and no parameter, as for lookups. NULL when it is so. */
static const char *shape_fault(MYSQL_STMT *stmt)
{
    if (mysql_stmt_field_count(stmt) != 2)
        return "must return two columns, key and value";
    return mysql_stmt_param_count(stmt) > 0 ? "must have no parameters" : NULL;
}

/* The rows are not stored: they may be many. */
static enum map_status run_map(struct copy *copy, struct map *map, const char *all,
                               MYSQL_STMT *stmt)
{
    if (mysql_stmt_prepare(stmt, all, strlen(all)) != 0)
        return failed(copy, map, stmt);
    const char *fault = shape_fault(stmt);
    if (fault) {
        snprintf(copy->text, COPY_TEXT_MAX, "map %s: all: %s", map->name, fault);
        return MAP_FAILED;
    }
    if (mysql_stmt_execute(stmt) != 0)
        return failed(copy, map, stmt);
    return read_rows(copy, map, stmt);
}

static enum map_status copy_map(struct copy *copy, struct map *map, const char *all)
{
    MYSQL_STMT *stmt = mysql_stmt_init(copy->mysql);
    if (stmt == NULL) {
        say(copy, map->name, "no memory");
        return MAP_NEVER;
    }
    enum map_status status = run_map(copy, map, all, stmt);
    if (status != MAP_DONE)
        snapshot_make_skip(copy->make);
    /* Reads what is left of an unfinished result. */
    if (mysql_stmt_close(stmt) != 0 && status == MAP_FAILED)
        status = MAP_NEVER;
    return status;
}

/* ---- all maps ---- */

/* False when the copy must be given up. */
static bool copy_maps(struct copy *copy)
{
    size_t done = 0;
    size_t wanted = 0;
    for (size_t i = 0; i < copy->maps->count; i++) {
        struct map *map = &copy->maps->list[i];
        if (!map->has_all)
            continue;
        wanted++;
        enum map_status status = copy_map(copy, map, copy->maps->conf->maps[i].all);
        if (status == MAP_NEVER)
            return false;
        if (status == MAP_DONE) {
            done++;
            continue;
        }
        if (copy->before && snapshot_has(copy->before, map, NULL, NULL))
            return false;
        if (is_due(&map->said))
            log_error("snapshot: %s: this map is left out", copy->text);
    }
    if (wanted == 0)
        say(copy, "snapshot", "no map has the setting all");
    return done > 0;
}

/* What the switch said when the view was made. */
static enum copy_status read_switch(struct copy *copy)
{
    if (copy->maps->service == NULL)
        return COPY_DONE;
    switch (connect_read_switch(copy->mysql)) {
    case SWITCH_YES:
        return COPY_DONE;
    case SWITCH_UNREADABLE:
        say(copy, "table service", mysql_error(copy->mysql));
        if (dberror_kind(mysql_errno(copy->mysql)) == DBERROR_CONNECTION)
            return COPY_FAILED;
        break;
    case SWITCH_NO:
        say(copy, "table service", "says that nobody shall answer from the tables");
        break;
    case SWITCH_NO_ROW:
        say(copy, "table service", "has no row");
        break;
    }
    return COPY_OFF;
}

static enum copy_status take(struct copy *copy, int *fd)
{
    struct snapshot_error error;
    struct timespec now;
    /* Before the view is made: what is committed later is not in it. */
    clock_gettime(CLOCK_REALTIME, &now);
    if (!begin_reading(copy->mysql)) {
        say(copy, "cannot begin a consistent read", mysql_error(copy->mysql));
        return COPY_FAILED;
    }
    enum copy_status status = read_switch(copy);
    if (status != COPY_DONE)
        return status;
    copy->make =
        snapshot_make_new((int64_t)now.tv_sec * (int64_t)CLOCK_SECOND + now.tv_nsec, &error);
    if (copy->make == NULL) {
        say(copy, "memory", error.text);
        return COPY_FAILED;
    }
    if (!copy_maps(copy)) {
        snapshot_make_free(copy->make);
        return COPY_FAILED;
    }
    *fd = snapshot_make_finish(copy->make, &error);
    if (*fd < 0)
        say(copy, "memory", error.text);
    return *fd < 0 ? COPY_FAILED : COPY_DONE;
}

enum copy_status keeper_copy(struct maps *maps, const struct credentials *credentials,
                             const struct snapshot *before, int *fd, char text[COPY_TEXT_MAX])
{
    struct connect_error error;
    struct copy copy = {.maps = maps,
                        .before = before,
                        .text = text,
                        .give_up = clock_now() + COPY_MOST * CLOCK_SECOND};
    *fd = -1;
    copy.mysql = open_connection(maps->conf, credentials, &error);
    if (copy.mysql == NULL) {
        snprintf(text, COPY_TEXT_MAX, "database %s", error.text);
        return COPY_FAILED;
    }
    enum copy_status status = take(&copy, fd);
    row_reader_clear(&copy.reader);
    mysql_close(copy.mysql);
    return status;
}

bool keeper_copy_check(struct maps *maps, const struct credentials *credentials,
                       struct settings_errors *errors, struct connect_error *error)
{
    MYSQL *mysql = connect_open(maps->conf, credentials, error);
    if (mysql == NULL)
        return false;
    bool reached = true;
    for (size_t i = 0; i < maps->count && reached; i++) {
        const char *all = maps->conf->maps[i].all;
        MYSQL_STMT *stmt = all ? mysql_stmt_init(mysql) : NULL;
        if (stmt == NULL)
            continue;
        char line[900];
        bool prepared = mysql_stmt_prepare(stmt, all, strlen(all)) == 0;
        const char *fault = prepared ? shape_fault(stmt) : mysql_stmt_error(stmt);
        if (!prepared && dberror_is_passing(mysql_stmt_errno(stmt))) {
            reached = false;
            char host[200];
            error->number = mysql_stmt_errno(stmt);
            snprintf(error->text, sizeof error->text, "%s: %s (%u)",
                     connect_host(mysql, host, sizeof host), fault, error->number);
        } else if (fault) {
            snprintf(line, sizeof line, "%s: maps.%s.all: %s", maps->list[i].where,
                     maps->list[i].name, fault);
            errors->count++;
            errors->report(line, errors->context);
        }
        mysql_stmt_close(stmt);
    }
    mysql_close(mysql);
    return reached;
}
