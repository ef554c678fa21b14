/*
 * The thread that connects to one host: resolving a name and a TLS handshake block for as long as
 * they like. One question at a time; the answer comes back through the event loop. Each host has a
 * thread of its own, so that one that hangs holds up no other.
 */
#ifndef LOOKUPD_CONNECTOR_H
#define LOOKUPD_CONNECTOR_H

#include "lookup/connect.h"

#include <stdbool.h>
#include <stdint.h>

struct connector;
struct event_base;

/*
 * Called from the event loop. To ask: mysql is the connection, the callee's to close, or NULL with
 * the error. To check: mysql is NULL; health, and for a host that is not good the error, say what
 * came of it. Error and health are valid during the call.
 */
typedef void connector_done(MYSQL *mysql, const struct health *health,
                            const struct connect_error *error, void *context);

/* NULL without memory, threads or descriptors. */
struct connector *connector_new(struct event_base *base, connector_done *done, void *context);

/*
 * Asks for a connection, or for a check of the host, on a connection that the thread keeps for the
 * next one. False, and nothing, while a question is under way. host, conf and credentials must live
 * until the answer.
 */
bool connector_ask(struct connector *connector, enum connect_purpose purpose, const char *host,
                   const struct conf *conf, const struct credentials *credentials);
bool connector_is_busy(const struct connector *connector);

/* No check will follow soon: the connection that is kept for them is closed. */
void connector_forget(struct connector *connector);

/* Tells the thread to end, and does not wait for it: before connector_free(), where there are
 * several. */
void connector_stop(struct connector *connector);

/*
 * Waits for the thread up to a deadline (monotonic nanoseconds) and frees everything. False when
 * the thread hangs; then nothing was freed and the process should end without more.
 */
bool connector_free(struct connector *connector, uint64_t deadline);

#endif
