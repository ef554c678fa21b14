/*
 * The snapshot keeper: a process that copies the maps from the database again and again, puts each
 * complete copy in the place of the one before, on disk and in memory, and hands it to the parent.
 */
#ifndef LOOKUPD_KEEPER_H
#define LOOKUPD_KEEPER_H

#include "lookup/credentials.h"
#include "lookup/map.h"
#include "server/scoreboard.h"

struct keeper_start {
    struct maps *maps;
    const struct credentials *credentials;
    int snapshot;      /* the one in use, or -1; the keeper's */
    struct slot *slot; /* where it beats: a keeper that is stopped is replaced */
    int parent; /* the line on which copies go out, and that says EOF when the parent has gone */
};

/* Runs in a forked process until SIGTERM, or until the parent has gone. Returns its exit code. */
int keeper_run(const struct keeper_start *start);

#endif
