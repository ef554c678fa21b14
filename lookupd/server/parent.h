/*
 * The parent: forks the workers, watches them, starts new ones for those that end, and leads them
 * to a new configuration.
 */
#ifndef LOOKUPD_PARENT_H
#define LOOKUPD_PARENT_H

#include "server/reload.h"

/* Descriptors of a worker beside its clients': listeners, the database, the loop's own. */
#define PARENT_OWN_DESCRIPTORS 256

struct parent_start {
    struct reload_set set; /* the caller's again at the end, as the last reload has left it */
    const char *file;      /* what SIGHUP reads */
    /*
     * Called once, when nothing can fail any more and before any process is forked, which would
     * keep what this closes; may be NULL. Clients that come now wait for a worker.
     */
    void (*ready)(void *context);
    void *context;
};

/*
 * Runs until SIGTERM or SIGINT and until all workers have ended; a second signal kills them at
 * once. Returns the exit code of the program. Child processes do not return from here.
 */
int parent_run(struct parent_start *start);

#endif
