/* What apply.c and apply_write.c share. */
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
/* Connects anew, when the connection was lost. */
bool apply_reconnect(struct apply *apply, struct apply_error *error);
/* Writes the end of a run; in the transaction that is open, if one is. */
bool apply_write_end(struct apply *apply, const struct apply_run *run, enum apply_outcome outcome,
                     struct sqlrun_error *fault);

#endif
