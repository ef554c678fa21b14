/*
 * The switch for maintenance: what the table service says. "no", no row or no table: lookups are
 * answered from the snapshot, since the tables may be half there.
 */
#ifndef LOOKUPD_SERVICE_H
#define LOOKUPD_SERVICE_H

#include "lookup/lookup.h"

#include <stdbool.h>

enum service_state {
    SERVICE_UNKNOWN, /* to be asked before anything else is */
    SERVICE_YES,
    SERVICE_NO
};

struct service {
    enum service_state state;
    const char *why;      /* it is SERVICE_NO */
    struct lookup lookup; /* the question */
    bool asked;           /* it is under way */
    bool stale;           /* and was sent before the last service_forget() */
    unsigned number;      /* error of the database that ended it; 0: none, or another reason */
};

/* Nobody knows what it says: with other connections, or after a sign that tables are missing. An
 * answer that is under way says nothing any more. */
void service_forget(struct service *service);

/* The question's done(): takes what the switch says. */
void service_done(struct lookup *lookup, const struct answer *answer);

/* Whether a failed query says that a table is not there: that it is being restored, perhaps. */
bool service_is_missing(unsigned number);

#endif
