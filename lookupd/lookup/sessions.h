/* The connections of a pool, and the host that each goes to. */
#ifndef LOOKUPD_SESSIONS_H
#define LOOKUPD_SESSIONS_H

#include "lookup/session.h"

#include <stdbool.h>
#include <stddef.h>

struct session_entry {
    struct session *session;
    size_t host; /* its number in hosts.h */
};

struct sessions {
    struct session_entry *list; /* in no order that lasts: removing one moves others */
    size_t count;
    size_t most;
};

/* Room for so many. False without memory. */
bool sessions_init(struct sessions *sessions, size_t most);
/* Closes all. */
void sessions_clear(struct sessions *sessions);

/* Takes one; there must be room. */
void sessions_add(struct sessions *sessions, struct session *session, size_t host);
/* Closes one, if it is there. */
void sessions_remove(struct sessions *sessions, struct session *session);

/* The host that one goes to; HOSTS_NONE: it is not there. */
size_t sessions_host(const struct sessions *sessions, const struct session *session);
/* How many go to a host. */
size_t sessions_count_on(const struct sessions *sessions, size_t host);

#endif
