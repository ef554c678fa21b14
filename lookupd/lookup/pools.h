/*
 * The pools of an engine: one for the database settings in force and, for the moment after a reload
 * has changed them, those before it. The new connections are made before the old ones are given up,
 * and what is under way on these ends there.
 */
#ifndef LOOKUPD_POOLS_H
#define LOOKUPD_POOLS_H

#include "lookup/map.h"
#include "lookup/pool.h"

struct pools;

/* So many connections are open at most. */
#define POOLS_SESSIONS_MAX (4 * POOL_SESSIONS(CONF_CONNECTIONS_MAX))

/*
 * owner: as of a pool; changed() tells the state of all together. maps: the settings are those of
 * its configuration. References are taken of maps and credentials. NULL without memory or threads.
 */
struct pools *pools_new(struct event_base *base, struct maps *maps, struct credentials *credentials,
                        const struct pool_owner *owner);

/*
 * Changes to other settings. Where nothing has changed that a connection depends on, all stay.
 * False without memory or threads: then nothing has changed.
 */
bool pools_change(struct pools *pools, struct maps *maps, struct credentials *credentials);

/*
 * Closes idle connections of earlier settings as soon as there are new ones, and after a while even
 * if there are none. To be called after each round of the event loop.
 */
void pools_tidy(struct pools *pools);

/* As those of a pool, for all of them together. */
enum pool_state pools_state(const struct pools *pools);
const char *pools_host(const struct pools *pools); /* of the settings in force */
size_t pools_count(const struct pools *pools);
struct session *pools_session(const struct pools *pools, size_t i);
uint64_t pools_connects(const struct pools *pools);
void pools_lose(struct pools *pools, struct session *session, const char *why);
void pools_suspect(struct pools *pools, const struct session *session);
bool pools_blame(struct pools *pools, const struct session *session, const char *why);
bool pools_free(struct pools *pools, uint64_t deadline);

#endif
