/*
 * The connections of an engine: it keeps as many open as are wanted, to the host that hosts.h
 * chooses, pauses between attempts that fail, and closes those that are lost. What knows hosts is
 * here; what knows lookups is the engine.
 */
#ifndef LOOKUPD_POOL_H
#define LOOKUPD_POOL_H

#include "lookup/conf.h"
#include "lookup/credentials.h"
#include "lookup/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct pool;

/* So many connections are there at most: while another host comes into use, some of both. */
#define POOL_SESSIONS(connections) (2 * (size_t)(connections))

enum pool_state {
    POOL_CONNECTING, /* no connection, an attempt is under way */
    POOL_LIVE,
    POOL_DOWN /* no connection, and the last attempt failed; the next one comes */
};

/* Called from the event loop, the last two also from pool_lose(). */
struct pool_owner {
    /* A batch has ended, or is to be asked elsewhere. On DBERROR_CONNECTION the owner must call
     * pool_lose(). */
    void (*ended)(struct session *session, const struct session_end *end, void *context);
    /* The state, or the host in use. */
    void (*changed)(enum pool_state state, void *context);
    /* No newer connection can be had for a while. Comes after changed(). */
    void (*failed)(void *context);
    void *context;
};

/* Begins to connect. conf and credentials must outlive the pool. NULL without memory or threads. */
struct pool *pool_new(struct event_base *base, const struct conf *conf,
                      const struct credentials *credentials, const struct pool_owner *owner);

enum pool_state pool_state(const struct pool *pool);
/* The host in use as the settings name it, when it is not the first one; else NULL. */
const char *pool_host(const struct pool *pool);

/* The connections that are open, in no order that lasts: losing one moves others. */
size_t pool_count(const struct pool *pool);
struct session *pool_session(const struct pool *pool, size_t i);

/* How many connections were made since the start. */
uint64_t pool_connects(const struct pool *pool);

/*
 * Closes a connection that broke or is given up, and sees to another one. Its batch's lookups must
 * have been taken out before. why is for the log.
 */
void pool_lose(struct pool *pool, struct session *session, const char *why);

/* A query takes suspiciously long: is it the host? If so, another one is used in a moment. */
void pool_suspect(struct pool *pool, const struct session *session);

/*
 * A query failed for a reason that lies in the host (a broken table, a full disk). True when
 * another host is tried: the query had better be asked again, on a newer connection.
 */
bool pool_blame(struct pool *pool, const struct session *session, const char *why);

/*
 * For a pool whose settings are no longer those in force: it connects no more. Its connections
 * live on until they are closed one by one, when they are idle.
 */
void pool_retire(struct pool *pool);
void pool_close_idle(struct pool *pool, struct session *session);
/* An attempt to connect is under way: pool_free() might have to wait for it. */
bool pool_is_connecting(const struct pool *pool);

/*
 * Closes everything. False when a thread hangs at the deadline (monotonic nanoseconds): then end
 * the process without freeing conf.
 */
bool pool_free(struct pool *pool, uint64_t deadline);

#endif
