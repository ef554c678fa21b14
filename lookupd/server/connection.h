/*
 * The clients' connections of a worker: requests come in by a codec, go to the engine, and are
 * answered in the order in which they came, each once.
 */
#ifndef LOOKUPD_CONNECTION_H
#define LOOKUPD_CONNECTION_H

#include "lookup/engine.h"
#include "lookup/map.h"
#include "server/listener.h"

#include <stdbool.h>
#include <stddef.h>

struct connections;
struct event_base;

/*
 * maps are those that requests name; a reference is taken. Limits are those of their configuration.
 * NULL without memory.
 */
struct connections *connections_new(struct event_base *base, struct engine *engine,
                                    struct maps *maps);
/* Closes all at once; nothing more is sent. */
void connections_free(struct connections *connections);

size_t connections_count(const struct connections *connections);

/* Takes a new client's descriptor, non-blocking; closes it when it cannot be served. */
void connections_add(struct connections *connections, int fd, const struct listener *listener);

/*
 * Goes on with other maps and listeners. What was asked is answered by the maps before; from now on
 * each client asks the new ones by name, at the listener of the same address and protocol. Where
 * there is none any more, the client stays all the same: its process may live long, and would get
 * nothing but errors elsewhere. Closed, when all it asked is answered, is who asks only for a map
 * that has gone (tcp_table), and who may no longer connect (allow).
 */
void connections_change(struct connections *connections, struct maps *maps,
                        const struct listeners *listeners);

/*
 * Sends the answers that have come up. To be called after each round of the event loop. True when
 * requests that had waited for room were asked meanwhile, so that the engine has work.
 */
bool connections_flush(struct connections *connections);

/*
 * Reads what has already arrived, then no more; each connection closes when all it asked is
 * answered, so that the count goes to 0.
 */
void connections_finish(struct connections *connections);

#endif
