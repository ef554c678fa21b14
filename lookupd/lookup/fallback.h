/*
 * What answers in the database's place: the snapshot, or nobody. And what the log and the process
 * title say of it, once for each change.
 */
#ifndef LOOKUPD_FALLBACK_H
#define LOOKUPD_FALLBACK_H

#include "lookup/lookup.h"
#include "lookup/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* Where answers should come from. */
enum fallback_source {
    SOURCE_CONNECTING,  /* nobody knows yet: lookups wait */
    SOURCE_DATABASE,    /* single lookups may fail all the same */
    SOURCE_UNREACHABLE, /* the snapshot: there is no connection */
    SOURCE_SWITCHED_OFF /* the snapshot: the table service says so */
};

#define FALLBACK_TEXT_MAX 120

struct fallback {
    struct maps *maps;         /* of the engine, which holds them */
    struct snapshot *snapshot; /* owned; NULL: none */
    enum fallback_source source;
    bool usable;      /* the snapshot was, when it was last looked at */
    bool said;        /* that the database does not answer: then its return is said too */
    uint64_t said_at; /* monotonic nanoseconds */
    char text[FALLBACK_TEXT_MAX];
};

/* Begins with SOURCE_CONNECTING and without a snapshot. */
void fallback_init(struct fallback *fallback, struct maps *maps);
void fallback_clear(struct fallback *fallback);

/* A newer one, or one of other maps; takes it. */
void fallback_set_snapshot(struct fallback *fallback, struct snapshot *snapshot);

/*
 * Looks at what is, and logs what has changed; why: the reason, where answers do not come from the
 * database. True when the text for the process title is another than before. To be called at each
 * change of source, and a few times a second.
 */
bool fallback_look(struct fallback *fallback, enum fallback_source source, const char *why);

/* "live", "answering from the snapshot of 12:03:11", ... */
const char *fallback_text(const struct fallback *fallback);

/*
 * For a lookup that the database does not answer: true when its decision (empty before) now says
 * what the snapshot says. Otherwise the answer is temporary, and *fault may say it more precisely.
 */
bool fallback_decide(struct fallback *fallback, struct lookup *lookup, const char **fault);

#endif
