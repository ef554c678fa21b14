/*
 * Where answers come from: the database, or what answers in its place, by the state of the
 * connections and by the switch in the table service. And whether its owner is to be told.
 */
#ifndef LOOKUPD_SOURCE_H
#define LOOKUPD_SOURCE_H

#include "lookup/fallback.h"
#include "lookup/pools.h"
#include "lookup/service.h"

#include <stdbool.h>

/* What Postfix logs as the reason of a temporary error. */
#define FAULT_UNREACHABLE "the database cannot be reached"
#define FAULT_OFF         "the tables are being worked on"

struct source {
    struct service service;
    enum service_state seen; /* when source_has_turned() last looked */
    struct fallback fallback;
    const char *host; /* in use, as told last */
};

/* maps: those in force, which the owner holds. Without a table service the switch is on. */
void source_init(struct source *source, struct maps *maps);
void source_clear(struct source *source);

/* Other maps are in force. */
void source_change(struct source *source, struct maps *maps);

/*
 * What the table service must be asked now, unless that is under way or there is no connection:
 * the lookup, for MAPS_SERVICE_KEY in the map of service, with service_done(); else NULL. It counts
 * as asked.
 */
struct lookup *source_question(struct source *source, enum pool_state state);

/* The lookup is that question, or the map is that of the switch: it is asked whatever it says. */
bool source_is_question(const struct source *source, const struct lookup *lookup);
bool source_is_switch(const struct source *source, const struct map *map);

/* A query of a map has ended, with this error of the database (0: well, or for another reason). */
void source_note(struct source *source, const struct map *map, unsigned number);

/* The tables were, or may have been, half there when a query of this map read them. */
bool source_may_be_partial(const struct source *source, const struct map *map);

/* The switch has been turned since this was asked last. */
bool source_has_turned(struct source *source);

/*
 * Sees where answers come from now, which fallback.source says then, and logs a change. True when
 * the owner is to be told: the source, the text for the title or the host in use has changed.
 */
bool source_look(struct source *source, const struct pools *pools);

#endif
