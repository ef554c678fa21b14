/* A worker: one event loop that serves clients from the database. */
#ifndef LOOKUPD_WORKER_H
#define LOOKUPD_WORKER_H

#include "lookup/credentials.h"
#include "lookup/map.h"
#include "server/listener.h"
#include "server/scoreboard.h"

struct worker_start {
    int number; /* 1, 2, … as in the process title */
    /* These three are the worker's, which gives them up for others at a reload. */
    struct maps *maps;
    struct credentials *credentials;
    struct listeners *listeners;
    struct scoreboard *board;
    struct slot *slot;
    int snapshot; /* the last one, or -1; the worker's */
    int parent;   /* the line to the parent, which says EOF when it has gone */
};

/*
 * Runs in a forked process until SIGTERM, or until the parent has gone; then finishes what was
 * asked. Returns the exit code of the process.
 */
int worker_run(struct worker_start *start);

#endif
