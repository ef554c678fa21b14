/*
 * Takes new clients, so that all workers have about the same number of them: all listen on the same
 * sockets, and one that has more clients than another holds back for a moment.
 */
#ifndef LOOKUPD_ACCEPTOR_H
#define LOOKUPD_ACCEPTOR_H

#include "server/connection.h"
#include "server/worker.h"

#include <stdbool.h>

struct acceptor;
struct event_base;

/* start must live as long. NULL without memory. */
struct acceptor *acceptor_new(struct event_base *base, const struct worker_start *start,
                              struct connections *connections);
void acceptor_free(struct acceptor *acceptor);

/* start names other listeners now. False without memory: then no more clients are taken. */
bool acceptor_change(struct acceptor *acceptor);

/* Takes no more clients. */
void acceptor_stop(struct acceptor *acceptor);

/* Tells the other workers how many clients there are. To be called after each round of the loop. */
void acceptor_report(struct acceptor *acceptor);

#endif
