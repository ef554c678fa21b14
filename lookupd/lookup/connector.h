/*
 * A thread that opens database connections for an event loop: resolving names, connecting and TLS
 * handshakes block in Connector/C, whatever the non-blocking calls say.
 */
#ifndef LOOKUPD_CONNECTOR_H
#define LOOKUPD_CONNECTOR_H

#include "lookup/conf.h"
#include "lookup/connect.h"
#include "lookup/credentials.h"

#include <stdbool.h>
#include <stdint.h>

struct connector;
struct event_base;

/*
 * Called in the loop: with a connection, which is the callee's from then on, or with NULL and why.
 */
typedef void connector_done(MYSQL *mysql, const struct connect_error *error, void *context);

/* Starts the thread; after every fork of the process. NULL when it cannot be had. */
struct connector *connector_new(struct event_base *base, connector_done *done, void *context);

/*
 * Asks for one connection; done() is called once for it. conf and credentials must live until then.
 * Only one at a time: false when one is under way already.
 */
bool connector_ask(struct connector *connector, const struct conf *conf,
                   const struct credentials *credentials);
bool connector_is_busy(const struct connector *connector);

/*
 * Ends the thread; a connection that comes too late is closed, and done() is not called. Waits at
 * most until deadline (monotonic nanoseconds): false when the thread still hangs then (in a
 * resolver, say). The process must then end without freeing what the thread uses.
 */
bool connector_free(struct connector *connector, uint64_t deadline);

#endif
