/*
 * The importer's session with the database: reads the state that plan.h compares with, and writes
 * the plan in one transaction, by primary keys, only where something differs. Acts for one source
 * (@lookupd_source), as an account that the triggers of sql/schema.sql fence in.
 */
#ifndef LOOKUPD_APPLY_H
#define LOOKUPD_APPLY_H

#include "import/plan.h"
#include "lookup/credentials.h"

#include <stdint.h>

/* Prepared statements with many rows each: 100,000 rows one by one would be 100,000 round trips. */
#define APPLY_ROWS 200

enum apply_outcome { APPLY_DONE, APPLY_PARTIAL, APPLY_REFUSED, APPLY_FAILED };

struct apply_error {
    unsigned number; /* of MariaDB or Connector/C; 0: our own */
    char text[700];  /* names the host; no password */
};

struct apply;
/* Connects (hosts in order), says for which source it acts, checks the schema's version and that
 * the source is this account's. NULL with *error. Nothing is written. */
struct apply *apply_open(const struct importconf *conf, const struct credentials *credentials,
                         struct apply_error *error);
void apply_close(struct apply *apply);

/* The start of the run in import_run, committed at once, so that a run that is killed is seen. */
bool apply_begin_run(struct apply *apply, uint64_t *run, struct apply_error *error);
/* All claims of this source with their rows, and the rows of names that verdicts mention. Also how
 * many claims were there after the last accepted run. */
bool apply_read(struct apply *apply, const struct mailrules *rules, struct plan_state *state,
                struct apply_error *error);
/*
 * Writes the plan and the end of the run in one transaction. Rows are locked and compared with what
 * the plan was made from: one that somebody changed in the meantime is left alone and counted in
 * *passed_over; the next run sees it. Ends with APPLY_FAILED and everything rolled back when the
 * database fails; a deadlock or lock wait is tried again, at most 3 times.
 */
bool apply_plan(struct apply *apply, uint64_t run, const struct plan *plan, size_t *passed_over,
                struct apply_error *error);
/* Ends a run that writes nothing else: refused, or failed. Prunes rows older than keep_runs. */
bool apply_end_run(struct apply *apply, uint64_t run, enum apply_outcome outcome,
                   const struct plan *plan, const char *message, struct apply_error *error);

#endif
