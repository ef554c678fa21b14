/*
 * The maps as they are served: what conf says, with the SQL taken apart. A set of maps belongs to
 * one configuration; lookups hold it while they run, so that a reload can change the set in place.
 */
#ifndef LOOKUPD_MAP_H
#define LOOKUPD_MAP_H

#include "lookup/candidates.h"
#include "lookup/conf.h"
#include "lookup/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_FINGERPRINT 32 /* octets: a SHA-256 */

struct map {
    unsigned id; /* of this process, never used again: statements are kept by it */
    const char *name;
    const char *where; /* "lookupd.conf:12", for messages */
    enum keys_kind keys;
    enum value_kind value;
    bool join;
    struct query *query;
    const char *delimiter;         /* recipient_delimiter */
    const char *const *transports; /* that a route may name */
    struct maps *set;
    bool has_all; /* it is part of the snapshot */
    enum absent_kind absent;
    bool uses_schema;
    /* Of all that decides which rows a copy of it holds: a copy of other rows is not answered from.
     */
    unsigned char fingerprint[MAP_FINGERPRINT];
    /* See lookup/pace.h: its queries in a row that took long, and until when that keeps it from the
     * last connection (monotonic nanoseconds). */
    unsigned slow;
    uint64_t stuck_until;
    /* The last fault of the query that was logged: it comes again with every lookup. */
    unsigned said_number;
    uint64_t said;        /* monotonic nanoseconds, as the next */
    uint64_t said_unsure; /* that its copy has rows whose keys are not folded */
    /* Whether its last answers came from the snapshot, though others' came from the database. */
    bool from_snapshot;
    uint64_t snapshot_used, database_used; /* when it last answered: monotonic nanoseconds */
};

struct maps {
    unsigned references;
    struct conf *conf; /* owned: what the maps borrow their texts from */
    /* The switch in the table service, asked as a map is; NULL where no map uses the schema. It is
     * none of the list: nobody else can ask it. */
    struct map *service;
    size_t count;
    struct map list[];
};

/*
 * Takes conf, which then belongs to the set (also when this fails). Every query that cannot be
 * taken apart is reported. NULL after an error. The caller has one reference.
 */
struct maps *maps_new(struct conf *conf, struct settings_errors *errors);
void maps_hold(struct maps *maps);
void maps_release(struct maps *maps);

/* The key of the map service, under which the switch answers. */
#define MAPS_SERVICE_KEY "answering"

/* The map of a name that need not be NUL-terminated, or NULL. */
struct map *maps_find(struct maps *maps, const char *name, size_t len);

#endif
