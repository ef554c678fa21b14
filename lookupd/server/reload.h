/*
 * A reload. A child process reads the configuration and proves it; only what has passed comes to
 * the parent, which then opens what is new, and gives up what has gone. Whatever is wrong is
 * logged, and the configuration before stays in force.
 */
#ifndef LOOKUPD_RELOAD_H
#define LOOKUPD_RELOAD_H

#include "lookup/credentials.h"
#include "lookup/map.h"
#include "server/listener.h"

#include <stdbool.h>
#include <stddef.h>

/* What a server runs by. */
struct reload_set {
    struct maps *maps;
    struct credentials *credentials;
    struct listeners *listeners;
};

/*
 * In a child process: reads file, sends the configuration over the line as LINE_RELOAD, and tries
 * its queries. Returns the exit code: EX_OK when it may be used. Ended by SIGTERM after the message
 * was sent, it had nothing against it yet.
 */
int reload_prove(const char *file, const struct reload_set *force, int line);

/*
 * In the parent: takes what such a child sent (the descriptor stays the caller's) and opens what is
 * new. False after logging why not; then nothing has changed. What came of it is put in force by
 * reload_commit(), which cannot fail.
 */
bool reload_take(int descriptor, const struct reload_set *force, struct reload_set *next);
void reload_commit(struct reload_set *force, struct reload_set *next);
/* Instead: closes what reload_take() opened. */
void reload_abandon(struct reload_set *next);

/* Names the parts that differ, for a log: "maps, limits". */
const char *reload_describe(const struct reload_set *before, const struct reload_set *next,
                            char *buffer, size_t size);

/* Whether the keeper of the snapshot would do anything else: a new one begins with a whole copy. */
bool reload_concerns_copies(const struct reload_set *before, const struct reload_set *next);

#endif
