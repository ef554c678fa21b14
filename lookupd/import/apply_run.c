/* The run's own row in import_run: its start, its end, and what it tells of a COMMIT whose answer
 * got lost. */
#include "import/apply_session.h"

#include <errmsg.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const outcomes[] = {
    [APPLY_DONE] = "done",
    [APPLY_PARTIAL] = "partial",
    [APPLY_REFUSED] = "refused",
    [APPLY_FAILED] = "failed",
};

static bool read_id(const char *const *values, const unsigned long *lengths, void *context)
{
    uint64_t *id = context;
    *id = values[0] ? strtoull(values[0], NULL, 10) : 0;
    return true;
}

bool apply_begin_run(struct apply *apply, struct apply_run *run, struct apply_error *error)
{
    struct sqlrun_error fault;
    const char *const source[] = {apply->conf->source};
    bool good =
        sqlrun_query(apply->mysql,
                     "UPDATE import_run SET finished = CURRENT_TIMESTAMP(6), outcome = 'failed', "
                     "message = 'the run ended without a word: killed, or the machine went down' "
                     "WHERE source = ? AND outcome = 'running'",
                     source, 1, NULL, NULL, &fault) &&
        sqlrun_query(apply->mysql, "INSERT INTO import_run (source) VALUES (?)", source, 1, NULL,
                     NULL, &fault) &&
        sqlrun_query(apply->mysql, "SELECT LAST_INSERT_ID()", NULL, 0, read_id, &run->id, &fault);
    return good || apply_fail(apply, &fault, error);
}

bool apply_is_lost(unsigned number)
{
    return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR;
}

static bool read_outcome(const char *const *values, const unsigned long *lengths, void *context)
{
    enum apply_ended *ended = context;
    bool good = values[0] && (strcmp(values[0], outcomes[APPLY_DONE]) == 0 ||
                              strcmp(values[0], outcomes[APPLY_PARTIAL]) == 0);
    *ended = good ? APPLY_ENDED : APPLY_ENDED_NOT;
    return true;
}

/* Locked: the server may still be about to commit, and no answer of it is needed for that. */
enum apply_ended apply_ended(struct apply *apply, const struct apply_run *run)
{
    struct apply_error error;
    struct sqlrun_error fault;
    char id[24];
    enum apply_ended ended = APPLY_ENDED_UNKNOWN;
    snprintf(id, sizeof id, "%" PRIu64, run->id);
    const char *const parameters[] = {id};
    if (!apply_reconnect(apply, &error) ||
        !sqlrun_query(apply->mysql, "SELECT outcome FROM import_run WHERE id = ? FOR UPDATE",
                      parameters, 1, read_outcome, &ended, &fault))
        return APPLY_ENDED_UNKNOWN;
    return ended;
}

bool apply_write_end(struct apply *apply, const struct apply_run *run, enum apply_outcome outcome,
                     struct sqlrun_error *fault)
{
    enum { ID, ZONES, UNREAD, INSERTED, UPDATED, DELETED, DAYS, NUMBERS };
    char numbers[NUMBERS][24], message[sizeof run->message + 100];
    const uint64_t values[NUMBERS] = {run->id,
                                      run->zones,
                                      run->unread,
                                      run->inserted,
                                      run->updated + run->passed,
                                      run->deleted,
                                      (uint64_t)apply->conf->keep_runs};
    for (size_t i = 0; i < NUMBERS; i++)
        snprintf(numbers[i], sizeof numbers[i], "%" PRIu64, values[i]);
    snprintf(message, sizeof message, "%s", run->message);
    if (run->passed_over) {
        size_t used = strlen(message);
        snprintf(message + used, sizeof message - used,
                 "%s%zu rows were changed by others meanwhile, or have no relay: left for the next "
                 "run",
                 used ? "; " : "", run->passed_over);
    }
    const char *source = apply->conf->source;
    const char *const end[] = {outcomes[outcome], numbers[ZONES],   numbers[UNREAD],
                               numbers[INSERTED], numbers[UPDATED], numbers[DELETED],
                               message,           numbers[ID],      source};
    const char *const prune[] = {source, numbers[DAYS], numbers[ID]};
    return sqlrun_query(apply->mysql,
                        "UPDATE import_run SET finished = CURRENT_TIMESTAMP(6), outcome = ?, "
                        "zones = ?, unreadable = ?, inserted = ?, updated = ?, deleted = ?, "
                        "message = NULLIF(LEFT(?, 2000), '') WHERE id = ? AND source = ? "
                        "AND outcome IN ('running', 'failed')",
                        end, sizeof end / sizeof end[0], NULL, NULL, fault) &&
           sqlrun_query(apply->mysql,
                        "DELETE FROM import_run WHERE source = ? AND started < "
                        "CURRENT_TIMESTAMP - INTERVAL ? DAY AND id <> ? ORDER BY id LIMIT 10000",
                        prune, sizeof prune / sizeof prune[0], NULL, NULL, fault);
}

bool apply_end_run(struct apply *apply, const struct apply_run *run, enum apply_outcome outcome,
                   struct apply_error *error)
{
    struct sqlrun_error fault;
    if (apply->mysql == NULL && !apply_reconnect(apply, error))
        return false;
    (void)mysql_rollback(apply->mysql);
    if (apply_write_end(apply, run, outcome, &fault))
        return true;
    if (!apply_is_lost(fault.number))
        return apply_fail(apply, &fault, error);
    return apply_reconnect(apply, error) &&
           (apply_write_end(apply, run, outcome, &fault) || apply_fail(apply, &fault, error));
}
