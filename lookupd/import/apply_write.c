#include "import/apply_session.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Attempts at a transaction that loses against other writers, and the pause between two. */
#define ATTEMPTS      3
#define PAUSE_SECONDS 1

/* The statements that write; each is executed for many rows at once. */
enum {
    WRITE_CLAIM,
    WRITE_RECLAIM,
    WRITE_INSERT,
    WRITE_UPDATE,
    WRITE_PASS,
    WRITE_DELETE,
    WRITE_FORGET,
    WRITES
};
static const struct {
    const char *sql;
    size_t columns;
} writes[WRITES] = {
    [WRITE_CLAIM] = {"INSERT INTO import_claim (route, relay, last_seen, gone_since, name, source) "
                     "VALUES (?, ?, FROM_UNIXTIME(?), IF(?, CURRENT_TIMESTAMP, NULL), ?, ?)",
                     6},
    [WRITE_RECLAIM] = {"UPDATE import_claim SET route = ?, relay = ?, last_seen = "
                       "FROM_UNIXTIME(?), gone_since = IF(?, CURRENT_TIMESTAMP, NULL) "
                       "WHERE name = ? AND source = ?",
                       6},
    [WRITE_INSERT] = {"INSERT INTO domain (name, route, relay, recipients, source) "
                      "VALUES (?, ?, ?, ?, ?)",
                      5},
    [WRITE_UPDATE] = {"UPDATE domain SET route = ?, relay = ? WHERE name = ? AND source = ?", 4},
    [WRITE_PASS] = {"UPDATE domain SET source = ? WHERE name = ? AND source = ?", 3},
    [WRITE_DELETE] = {"DELETE FROM domain WHERE name = ? AND source = ?", 2},
    [WRITE_FORGET] = {"DELETE FROM import_claim WHERE name = ? AND source = ? AND kept_at IS NULL "
                      "AND gone_since IS NOT NULL",
                      2},
};

/* A row as it is now, locked. */
struct locked {
    const char *name; /* of the plan */
    bool row, ours;
    bool same;    /* route and relay are what the plan was made from */
    bool claimed; /* by another source, now */
};

struct writing {
    struct apply *apply;
    const struct plan *plan;
    struct sqlrun_error *fault;
    struct sqlrun_bulk *bulks[WRITES];
    char now[24], last_run[24];
    struct locked locked[SQLRUN_ROWS];
    const struct plan_change *expected[SQLRUN_ROWS];
    size_t count;
    char **relays; /* rows of table relay; read when a change names one */
    size_t relay_count;
    struct apply_run *run;
};

static bool is_row_change(const struct plan_change *change)
{
    return change->action == PLAN_INSERT || change->action == PLAN_UPDATE ||
           change->action == PLAN_DELETE || change->action == PLAN_PASS;
}

/* Another source's row counts for a claim that is new, too: that source may be deleting it. */
static bool needs_row(const struct plan_change *change)
{
    return is_row_change(change) || change->beside;
}

static int compare_locked(const void *key, const void *item)
{
    return strcmp(key, ((const struct locked *)item)->name);
}

static struct locked *find_locked(struct writing *writing, const char *name)
{
    return bsearch(name, writing->locked, writing->count, sizeof *writing->locked, compare_locked);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool read_locked(const char *const *values, const unsigned long *lengths, void *context)
{
    struct writing *writing = context;
    struct locked *locked = find_locked(writing, values[0]);
    if (locked == NULL)
        return true;
    const struct plan_change *change = writing->expected[locked - writing->locked];
    locked->row = true;
    locked->ours = same_text(values[1], writing->apply->conf->source);
    locked->same =
        same_text(values[2], change->old_route) && same_text(values[3], change->old_relay);
    return true;
}

static bool read_claimed(const char *const *values, const unsigned long *lengths, void *context)
{
    struct writing *writing = context;
    struct locked *locked = find_locked(writing, values[0]);
    const char *heir = locked ? writing->expected[locked - writing->locked]->heir : NULL;
    if (locked && (heir == NULL || strcmp(heir, values[1]) == 0))
        locked->claimed = true;
    return true;
}

/* Locks the rows that a part of the plan is about, and sees what they are now. */
static bool lock_rows(struct writing *writing, const struct plan_change *changes, size_t count)
{
    const char *parameters[SQLRUN_ROWS + 1];
    bool ends = false;
    writing->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!needs_row(&changes[i]))
            continue;
        ends = ends || changes[i].action == PLAN_DELETE || changes[i].action == PLAN_PASS;
        writing->expected[writing->count] = &changes[i];
        parameters[writing->count] = changes[i].name;
        writing->locked[writing->count++] = (struct locked){.name = changes[i].name};
    }
    if (writing->count == 0)
        return true;
    MYSQL *mysql = writing->apply->mysql;
    /* in a small table the optimizer would rather read all of it, and wait for rows of no concern
     */
    char *sql = sqlrun_list("SELECT name, source, route, relay FROM domain FORCE INDEX (PRIMARY) "
                            "WHERE name IN ",
                            writing->count, " FOR UPDATE");
    bool good = sql && sqlrun_query(mysql, sql, parameters, writing->count, read_locked, writing,
                                    writing->fault);
    free(sql);
    if (!good || !ends)
        return good;
    /* a claim that comes or goes now decides whether a row is deleted or passed on */
    parameters[writing->count] = writing->apply->conf->source;
    sql = sqlrun_list("SELECT name, source FROM import_claim FORCE INDEX (name) "
                      "WHERE gone_since IS NULL AND name IN ",
                      writing->count, " AND source <> ? LOCK IN SHARE MODE");
    good = sql && sqlrun_query(mysql, sql, parameters, writing->count + 1, read_claimed, writing,
                               writing->fault);
    free(sql);
    return good;
}

static bool has_relay(const struct writing *writing, const char *name)
{
    for (size_t i = 0; i < writing->relay_count; i++)
        if (strcmp(writing->relays[i], name) == 0)
            return true;
    return false;
}

/* True when the row is still as the plan was made for. */
static bool is_as_planned(struct writing *writing, const struct plan_change *change)
{
    const struct locked *locked = find_locked(writing, change->name);
    if (locked == NULL)
        return false;
    switch (change->action) {
    case PLAN_INSERT:
        return !locked->row && (change->new_relay == NULL || has_relay(writing, change->new_relay));
    case PLAN_UPDATE:
        return locked->row && locked->ours && locked->same &&
               (change->new_relay == NULL || has_relay(writing, change->new_relay));
    case PLAN_DELETE:
        return locked->row && locked->ours && !locked->claimed;
    case PLAN_PASS:
        return locked->row && locked->ours && locked->claimed;
    case PLAN_CLAIM:
    case PLAN_CLAIM_ROUTE:
    case PLAN_CLAIM_GONE:
    case PLAN_CLAIM_DELETE:
    case PLAN_ACTIONS:
        break;
    }
    return false;
}

static bool add_insert(struct writing *writing, const struct plan_change *change)
{
    const struct importconf *conf = writing->apply->conf;
    const char *recipients = conf->recipients == IMPORT_RECIPIENTS_ANY ? "any" : "listed";
    const char *const insert[] = {change->name, change->new_route, change->new_relay, recipients,
                                  conf->source};
    writing->run->inserted++;
    return sqlrun_bulk_add(writing->bulks[WRITE_INSERT], insert, writing->fault);
}

/* The row that another source had was deleted while this claim, which would have kept it, was not
 * yet seen: it is made anew at once. Whoever would delete it now sees the claim, or waits for it.
 */
static bool add_lost_row(struct writing *writing, const struct plan_change *change)
{
    const struct locked *locked = find_locked(writing, change->name);
    bool lost = locked && !locked->row &&
                (change->new_relay == NULL || has_relay(writing, change->new_relay));
    return !lost || add_insert(writing, change);
}

static bool add_row_change(struct writing *writing, const struct plan_change *change)
{
    const struct importconf *conf = writing->apply->conf;
    struct apply_run *run = writing->run;
    if (!is_as_planned(writing, change)) {
        run->passed_over++;
        return true;
    }
    const char *const update[] = {change->new_route, change->new_relay, change->name, conf->source};
    const char *const pass[] = {change->heir, change->name, conf->source};
    switch (change->action) {
    case PLAN_INSERT:
        return add_insert(writing, change);
    case PLAN_UPDATE:
        run->updated++;
        return sqlrun_bulk_add(writing->bulks[WRITE_UPDATE], update, writing->fault);
    case PLAN_PASS:
        run->passed++;
        return sqlrun_bulk_add(writing->bulks[WRITE_PASS], pass, writing->fault);
    case PLAN_DELETE:
        run->deleted++;
        return sqlrun_bulk_add(writing->bulks[WRITE_DELETE], pass + 1, writing->fault);
    case PLAN_CLAIM:
    case PLAN_CLAIM_ROUTE:
    case PLAN_CLAIM_GONE:
    case PLAN_CLAIM_DELETE:
    case PLAN_ACTIONS:
        break;
    }
    return true;
}

static bool add_change(struct writing *writing, const struct plan_change *change)
{
    const char *source = writing->apply->conf->source;
    if (is_row_change(change))
        return add_row_change(writing, change);
    if (change->action == PLAN_CLAIM_DELETE) {
        const char *const forget[] = {change->name, source};
        return sqlrun_bulk_add(writing->bulks[WRITE_FORGET], forget, writing->fault);
    }
    if (change->beside && !add_lost_row(writing, change))
        return false;
    bool gone = change->action == PLAN_CLAIM_GONE;
    const char *const claim[] = {
        change->new_route, change->new_relay, gone ? writing->last_run : writing->now,
        gone ? "1" : "0",  change->name,      source};
    return sqlrun_bulk_add(writing->bulks[change->claimed ? WRITE_RECLAIM : WRITE_CLAIM], claim,
                           writing->fault);
}

static bool read_relay(const char *const *values, const unsigned long *lengths, void *context)
{
    struct writing *writing = context;
    char **list = reallocarray(writing->relays, writing->relay_count + 1, sizeof *writing->relays);
    if (list == NULL)
        return false;
    writing->relays = list;
    list[writing->relay_count] = strdup(values[0]);
    return list[writing->relay_count] && ++writing->relay_count;
}

/* A hint can name a relay that nobody has made yet: that is no reason to refuse the whole run. */
static bool read_relays(struct writing *writing)
{
    for (size_t i = 0; i < writing->plan->change_count; i++)
        if (writing->plan->changes[i].new_relay != NULL)
            return sqlrun_query(writing->apply->mysql, "SELECT name FROM relay LOCK IN SHARE MODE",
                                NULL, 0, read_relay, writing, writing->fault);
    return true;
}

static bool write_changes(struct writing *writing)
{
    const struct plan *plan = writing->plan;
    for (size_t i = 0; i < WRITES; i++)
        if ((writing->bulks[i] = sqlrun_bulk_new(writing->apply->mysql, writes[i].sql,
                                                 writes[i].columns, writing->fault)) == NULL)
            return false;
    if (!read_relays(writing))
        return false;
    for (size_t from = 0; from < plan->change_count; from += SQLRUN_ROWS) {
        size_t count = plan->change_count - from;
        if (count > SQLRUN_ROWS)
            count = SQLRUN_ROWS;
        if (!lock_rows(writing, plan->changes + from, count))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!add_change(writing, &plan->changes[from + i]))
                return false;
        /* claims first: a row's deletion keeps people's settings with its claim */
        for (size_t i = 0; i < WRITES; i++)
            if (!sqlrun_bulk_flush(writing->bulks[i], writing->fault))
                return false;
    }
    return true;
}

static void clear_writing(struct writing *writing)
{
    for (size_t i = 0; i < WRITES; i++)
        sqlrun_bulk_free(writing->bulks[i]);
    for (size_t i = 0; i < writing->relay_count; i++)
        free(writing->relays[i]);
    free(writing->relays);
}

/* Others wrote what this transaction was about to: seen anew, their rows are left alone. A
 * trigger's refusal (1644) and a duplicate key are of that kind when they pass with another
 * attempt. */
static bool is_worth_another(unsigned number)
{
    return number == ER_LOCK_DEADLOCK || number == ER_LOCK_WAIT_TIMEOUT || number == ER_DUP_ENTRY ||
           number == ER_SIGNAL_EXCEPTION || number == ER_CHECKREAD;
}

static bool attempt(struct apply *apply, struct apply_run *run, const struct plan *plan,
                    const struct plan_state *state, struct sqlrun_error *fault, bool *committing)
{
    struct writing *writing = calloc(1, sizeof *writing);
    *committing = false;
    if (writing == NULL) {
        *fault = (struct sqlrun_error){.number = CR_OUT_OF_MEMORY, .text = "no memory"};
        return false;
    }
    writing->apply = apply;
    writing->plan = plan;
    writing->fault = fault;
    writing->run = run;
    run->inserted = run->updated = run->passed = run->deleted = run->passed_over = 0;
    snprintf(writing->now, sizeof writing->now, "%lld", (long long)state->now);
    snprintf(writing->last_run, sizeof writing->last_run, "%lld",
             (long long)(state->last_run ? state->last_run : state->now));
    bool good = sqlrun_query(apply->mysql, "START TRANSACTION", NULL, 0, NULL, NULL, fault) &&
                apply_check_source(apply, true, fault) && write_changes(writing) &&
                apply_write_end(apply, run, run->unread ? APPLY_PARTIAL : APPLY_DONE, fault);
    clear_writing(writing);
    free(writing);
    if (!good)
        return false;
    *committing = true;
    return sqlrun_query(apply->mysql, "COMMIT", NULL, 0, NULL, NULL, fault);
}

bool apply_plan(struct apply *apply, struct apply_run *run, const struct plan *plan,
                const struct plan_state *state, struct apply_error *error)
{
    struct sqlrun_error fault = {.number = 0};
    bool committing = false;
    error->unsure = false;
    for (int i = 0; i < ATTEMPTS; i++) {
        if (i > 0)
            sleep(PAUSE_SECONDS);
        if (attempt(apply, run, plan, state, &fault, &committing))
            return true;
        if (apply_is_lost(fault.number)) {
            enum apply_ended ended = committing ? apply_ended(apply, run) : APPLY_ENDED_NOT;
            if (ended == APPLY_ENDED)
                return true;
            error->unsure = ended == APPLY_ENDED_UNKNOWN;
            break;
        }
        (void)mysql_rollback(apply->mysql);
        if (!is_worth_another(fault.number))
            break;
    }
    run->inserted = run->updated = run->passed = run->deleted = run->passed_over = 0;
    return apply_fail(apply, &fault, error);
}
