/*
 * One connection to the database, as the event loop sees it: it runs one batch at a time with
 * Connector/C's non-blocking calls, keeps the statements that it has prepared, and notices when the
 * server goes away.
 */
#ifndef LOOKUPD_SESSION_H
#define LOOKUPD_SESSION_H

#include "lookup/batch.h"
#include "lookup/dberror.h"

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct session;

/* How a batch ended. On DBERROR_CONNECTION the session must be closed. */
struct session_end {
    bool good; /* every lookup of the batch can be decided */
    enum dberror_kind kind;
    unsigned number;
    /* It was not broken, but given up for others, which are there or come: those may be older. */
    bool given_up;
    const char *text; /* borrowed, for a log: may hold parts of keys where kind is DBERROR_DATA */
};

/* Called from the event loop. The callee may close the session. */
struct session_owner {
    void (*ended)(struct session *session, const struct session_end *end, void *context);
    /* The server closed an idle connection, or said something unasked. */
    void (*lost)(struct session *session, void *context);
    void *context;
};

/* Takes a connection of connect_open(); closes it too when this fails (NULL). */
struct session *session_new(struct event_base *base, MYSQL *mysql,
                            const struct session_owner *owner);
/* Gives up whatever is under way; never waits for the server. */
void session_close(struct session *session);

bool session_is_idle(const struct session *session);
/* The batch: to be filled while idle, then started; lookups may be taken out at any time. */
struct batch *session_batch(struct session *session);
/* When the batch was started, and when the connection was made: monotonic nanoseconds. */
uint64_t session_started(const struct session *session);
uint64_t session_connected(const struct session *session);
/* A batch has ended well on it: it is more than a port that can be connected to. */
bool session_is_proven(const struct session *session);
const char *session_host(const struct session *session);

/*
 * Gives up the statements of other sets than this, which must live until the next call: now, or
 * when what is under way has ended. Without this their maps, and the server's memory of them, would
 * stay for as long as the connection.
 */
void session_keep_only(struct session *session, const struct maps *set);

/* Runs the batch in a statement of step. ended() may be called before this returns. */
void session_run(struct session *session, int step);

/*
 * Stays with a busy session for as long as a database on this machine usually takes, a few dozen
 * microseconds; for when nobody else waits. Going to sleep and being woken takes as long again.
 */
void session_linger(struct session *session);

#endif
