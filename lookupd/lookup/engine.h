/*
 * The engine answers lookups from the database: many askers, few connections. A lookup waits in a
 * lane with others of its map; when a connection is idle, the lane that has waited longest goes as
 * one batch. Every lookup that is asked is answered once, at its deadline at the latest.
 */
#ifndef LOOKUPD_ENGINE_H
#define LOOKUPD_ENGINE_H

#include "lookup/credentials.h"
#include "lookup/lookup.h"
#include "lookup/map.h"
#include "lookup/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct event_base;

enum engine_state {
    ENGINE_CONNECTING, /* no connection yet, the first attempt is under way: lookups wait for it */
    ENGINE_LIVE,
    ENGINE_DOWN, /* no connection: answers at once, while we go on trying: the snapshot's, or
                    temporary */
    ENGINE_OFF   /* the same, since the table service says so */
};

/* Called when the state has changed, or what engine_text() or engine_host() says. */
typedef void engine_changed(enum engine_state state, void *context);

/*
 * Begins to connect. The configuration of maps gives the database, its connections, the deadline
 * and the limits. References are taken of maps and credentials. NULL without memory or threads.
 */
struct engine *engine_new(struct event_base *base, struct maps *maps,
                          struct credentials *credentials, engine_changed *changed, void *context);

/*
 * Goes on with another configuration. Lookups that were asked before end as they began; where what
 * connections depend on has changed, new ones are made, and old ones closed when these are there.
 * False without memory or threads: then nothing has changed.
 */
bool engine_change(struct engine *engine, struct maps *maps, struct credentials *credentials);

/*
 * Gives it a snapshot, which is the engine's then, in place of the one it has: what lookups are
 * answered from that the database cannot answer.
 */
void engine_set_snapshot(struct engine *engine, struct snapshot *snapshot);

/* Where answers come from, for the process title: "live", "answering from the snapshot of ...". */
const char *engine_text(const struct engine *engine);
/* The database host in use as the settings name it, when it is not the first one; else NULL. */
const char *engine_host(const struct engine *engine);

/*
 * Asks. done() may be called before this returns. The map's set is held until then. The key is not
 * needed afterwards.
 */
void engine_ask(struct engine *engine, struct lookup *lookup, struct map *map, const char *key,
                size_t len, lookup_done *done);

/* Takes back a lookup whose asker has gone: done() will not be called. */
void engine_cancel(struct engine *engine, struct lookup *lookup);

/*
 * Sends what waits. To be called after each round of the event loop, so that all that was asked in
 * one round travels together.
 */
void engine_run(struct engine *engine);

struct engine_counts {
    uint64_t queries; /* statements executed */
    uint64_t batched; /* lookups that they carried */
    uint64_t connects;
    unsigned connections; /* open now */
    unsigned outstanding; /* lookups not answered yet */
};
struct engine_counts engine_counts(const struct engine *engine);

/*
 * Closes everything; lookups still outstanding are answered as temporary. False when a thread hangs
 * at the deadline (monotonic nanoseconds): then end the process without freeing conf.
 */
bool engine_free(struct engine *engine, uint64_t deadline);

#endif
