/*
 * The importer's session with the database: reads the state that plan.h compares with, and writes
 * the plan in one transaction, by primary keys, only where something differs. Acts for one source
 * (@lookupd_source), as an account that the triggers of sql/schema.sql fence in.
 */
#ifndef LOOKUPD_APPLY_H
#define LOOKUPD_APPLY_H

#include "import/plan.h"
#include "import/sqlrun.h"
#include "lookup/credentials.h"

#include <stdint.h>

/* Rows that go to the server together: 100,000 one by one would be 100,000 round trips. */
#define APPLY_ROWS SQLRUN_ROWS

enum apply_outcome { APPLY_DONE, APPLY_PARTIAL, APPLY_REFUSED, APPLY_FAILED };

struct apply_error {
    unsigned number; /* of MariaDB or Connector/C; 0: our own, a matter of configuration */
    char text[1000]; /* names the host; no password */
    bool unsure;     /* apply_plan(): the answer to COMMIT got lost, and nobody can be asked */
};

/* A run as its row in import_run says it. */
struct apply_run {
    uint64_t id;
    size_t zones, unread;
    char message[2000]; /* for the row; "" for none */
    /* Filled by apply_plan(). */
    size_t inserted, updated, passed, deleted;
    size_t
        passed_over; /* rows that somebody changed while the run went on: the next run sees them */
};

struct apply;
/* Connects (hosts in order), says for which source it acts, checks the schema's version and that
 * the source is this account's. NULL with *error. Nothing is written. conf and credentials must
 * live until apply_close(). */
struct apply *apply_open(const struct importconf *conf, const struct credentials *credentials,
                         struct apply_error *error);
void apply_close(struct apply *apply);

/* The start of the run in import_run, committed at once, so that a run that is killed is seen; one
 * that was killed before is marked as failed. Under the lock of main.c only. */
bool apply_begin_run(struct apply *apply, struct apply_run *run, struct apply_error *error);
/* All claims of this source with their rows, its rows without a claim, and the rows of names that
 * verdicts mention: as of one moment. state is zeroed before; plan_state_clear() it in any case. */
bool apply_read(struct apply *apply, const struct plan_verdicts *verdicts, struct plan_state *state,
                struct apply_error *error);
/*
 * Writes the plan and the end of the run in one transaction. Rows are locked and compared with what
 * the plan was made from: one that somebody changed in the meantime is left alone and counted. A
 * deadlock or lock wait is tried again, at most 3 times. False when the database failed, and
 * everything was rolled back, or error->unsure.
 */
bool apply_plan(struct apply *apply, struct apply_run *run, const struct plan *plan,
                const struct plan_state *state, struct apply_error *error);
/* Ends a run that writes nothing else, refused or failed, with run->message; over a new connection
 * when this one is gone. */
bool apply_end_run(struct apply *apply, const struct apply_run *run, enum apply_outcome outcome,
                   struct apply_error *error);

#endif
