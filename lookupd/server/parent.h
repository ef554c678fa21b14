/* The parent: forks the workers, watches them, and starts new ones for those that end. */
#ifndef LOOKUPD_PARENT_H
#define LOOKUPD_PARENT_H

#include "lookup/credentials.h"
#include "lookup/map.h"
#include "server/listener.h"

struct parent_start {
    struct maps *maps;
    struct credentials *credentials;
    struct listeners *listeners;
    /* Called once all workers have been started; may be NULL. */
    void (*ready)(void *context);
    void *context;
};

/*
 * Runs until SIGTERM or SIGINT and until all workers have ended; a second signal kills them at
 * once. Returns the exit code of the program. Child processes do not return from here.
 */
int parent_run(const struct parent_start *start);

#endif
