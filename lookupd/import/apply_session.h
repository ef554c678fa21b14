/* What apply.c, apply_write.c and apply_run.c share. */
#ifndef LOOKUPD_APPLY_SESSION_H
#define LOOKUPD_APPLY_SESSION_H

#include "import/apply.h"
#include "import/sqlrun.h"

struct apply {
    const struct importconf *conf;
    const struct credentials *credentials;
    MYSQL *mysql;
    char host[300];
};

/* Puts the host in front of a fault's text. Returns false, for callers to return. */
bool apply_fail(const struct apply *apply, const struct sqlrun_error *fault,
                struct apply_error *error);
/* An account that is not in the table source is a person's to the triggers: it could write rows
 * that are not this source's, and what it updates would become people's. False with the number 0
 * when the source is not this account's. lock: in a transaction, until its end nobody changes that.
 */
bool apply_check_source(struct apply *apply, bool lock, struct sqlrun_error *fault);
/* Connects anew, when the connection was lost. */
bool apply_reconnect(struct apply *apply, struct apply_error *error);
/* True for an error of the connection. */
bool apply_is_lost(unsigned number);
/* After a COMMIT without an answer: the run's own row, written in the same transaction, tells. Over
 * a new connection. */
enum apply_ended { APPLY_ENDED, APPLY_ENDED_NOT, APPLY_ENDED_UNKNOWN };
enum apply_ended apply_ended(struct apply *apply, const struct apply_run *run);
/* Writes the end of a run, unless a good one is written; in the transaction that is open, if one
 * is. */
bool apply_write_end(struct apply *apply, const struct apply_run *run, enum apply_outcome outcome,
                     struct sqlrun_error *fault);

#endif
