#include "lookup/pools.h"

#include "common/clock.h"

#include <errmsg.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Beside the one in force. */
#define EARLIER_MOST 3
/*
 * How long connections of earlier settings answer when no new one can be had. The reload has found
 * the new database, or neither: so this is an outage that began just now, and no longer the wish of
 * whoever changed the settings.
 */
#define EARLIER_FOR (10 * CLOCK_SECOND)

struct entry {
    struct pools *owner;
    struct pool *pool;
    struct maps *maps; /* holds the configuration that the pool uses */
    struct credentials *credentials;
    uint64_t until; /* retired: when its idle connections are closed at the latest */
    TAILQ_ENTRY(entry) link;
};

struct pools {
    struct event_base *base;
    struct pool_owner owner;
    TAILQ_HEAD(entries, entry) all; /* the one in force first */
    size_t count;
    enum pool_state state;       /* as told last, as are these two */
    const struct entry *answers; /* of which connections are used first */
    const char *host;
    uint64_t connects; /* of those that have gone */
};

static struct entry *current(const struct pools *pools)
{
    return TAILQ_FIRST(&pools->all);
}

enum pool_state pools_state(const struct pools *pools)
{
    const struct entry *entry = current(pools);
    enum pool_state state = pool_state(entry->pool);
    while (state != POOL_LIVE && (entry = TAILQ_NEXT(entry, link)) != NULL)
        if (pool_count(entry->pool) > 0)
            return POOL_LIVE;
    return state;
}

const char *pools_host(const struct pools *pools)
{
    return pool_host(current(pools)->pool);
}

/* ---- what a pool says ---- */

static const struct entry *first_connected(const struct pools *pools)
{
    const struct entry *entry;
    TAILQ_FOREACH(entry, &pools->all, link)
    if (pool_count(entry->pool) > 0)
        return entry;
    return NULL;
}

static void tell_state(struct pools *pools)
{
    enum pool_state state = pools_state(pools);
    const char *host = pools_host(pools);
    const struct entry *answers = first_connected(pools);
    if (state == pools->state && host == pools->host && answers == pools->answers)
        return;
    pools->state = state;
    pools->host = host;
    pools->answers = answers;
    pools->owner.changed(state, pools->owner.context);
}

static void on_changed(enum pool_state state, void *context)
{
    struct entry *entry = context;
    if (!TAILQ_EMPTY(&entry->owner->all))
        tell_state(entry->owner);
}

static void on_failed(void *context)
{
    struct entry *entry = context;
    entry->owner->owner.failed(entry->owner->owner.context);
}

static void on_ended(struct session *session, const struct session_end *end, void *context)
{
    struct entry *entry = context;
    entry->owner->owner.ended(session, end, entry->owner->owner.context);
}

/* ---- coming and going ---- */

static bool free_entry(struct entry *entry, uint64_t deadline)
{
    struct pools *pools = entry->owner;
    TAILQ_REMOVE(&pools->all, entry, link);
    pools->count--;
    if (pools->answers == entry)
        pools->answers = NULL;
    pools->connects += pool_connects(entry->pool);
    if (!pool_free(entry->pool, deadline))
        return false; /* a thread hangs, and uses what would be freed */
    maps_release(entry->maps);
    credentials_free(entry->credentials);
    free(entry);
    return true;
}

static bool add_entry(struct pools *pools, struct maps *maps, struct credentials *credentials)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return false;
    struct pool_owner owner = {
        .ended = on_ended, .changed = on_changed, .failed = on_failed, .context = entry};
    entry->owner = pools;
    entry->pool = pool_new(pools->base, maps->conf, credentials, &owner);
    if (entry->pool == NULL) {
        free(entry);
        return false;
    }
    entry->maps = maps;
    entry->credentials = credentials;
    maps_hold(maps);
    credentials_hold(credentials);
    TAILQ_INSERT_HEAD(&pools->all, entry, link);
    pools->count++;
    return true;
}

static bool uses_schema(const struct conf *conf)
{
    for (size_t i = 0; i < conf->map_count; i++)
        if (conf->maps[i].uses_schema)
            return true;
    return false;
}

/* Whether a connection that was made for the one could have been made for the other. */
static bool is_same(const struct entry *entry, const struct conf *conf,
                    struct credentials *credentials)
{
    const struct conf *before = entry->maps->conf;
    return before->deadline == conf->deadline && uses_schema(before) == uses_schema(conf) &&
           !conf_part_differs(CONF_DATABASE, before, conf) &&
           credentials_equal(entry->credentials, credentials);
}

/* Settings change faster than queries end: the oldest are asked again elsewhere. */
static void give_up(struct entry *entry)
{
    static const struct session_end end = {.kind = DBERROR_CONNECTION,
                                           .number = CR_SERVER_LOST,
                                           .given_up = true,
                                           .text = "its settings changed several times"};
    while (pool_count(entry->pool) > 0) {
        struct session *session = pool_session(entry->pool, 0);
        if (session_is_idle(session))
            pool_close_idle(entry->pool, session);
        else
            on_ended(session, &end, entry);
    }
}

bool pools_change(struct pools *pools, struct maps *maps, struct credentials *credentials)
{
    struct entry *before = current(pools);
    if (is_same(before, maps->conf, credentials))
        return true;
    if (!add_entry(pools, maps, credentials))
        return false;
    pool_retire(before->pool);
    before->until = clock_now() + EARLIER_FOR;
    size_t number = 0;
    struct entry *entry;
    TAILQ_FOREACH(entry, &pools->all, link)
    if (number++ > EARLIER_MOST)
        give_up(entry);
    tell_state(pools);
    return true;
}

void pools_tidy(struct pools *pools)
{
    struct entry *entry = TAILQ_LAST(&pools->all, entries);
    struct entry *newer;
    for (; entry != current(pools); entry = newer) {
        newer = TAILQ_PREV(entry, entries, link);
        bool late = clock_now() >= entry->until;
        bool replaced = pool_count(current(pools)->pool) > 0;
        for (size_t i = pool_count(entry->pool); (late || replaced) && i-- > 0;)
            if (session_is_idle(pool_session(entry->pool, i)))
                pool_close_idle(entry->pool, pool_session(entry->pool, i));
        /* The thread is idle: it ends at once. */
        if (pool_count(entry->pool) == 0 && !pool_is_connecting(entry->pool))
            (void)free_entry(entry, clock_now() + CLOCK_SECOND);
    }
    tell_state(pools);
}

/* ---- as one ---- */

size_t pools_count(const struct pools *pools)
{
    size_t count = 0;
    const struct entry *entry;
    TAILQ_FOREACH(entry, &pools->all, link)
    count += pool_count(entry->pool);
    return count;
}

struct session *pools_session(const struct pools *pools, size_t i)
{
    const struct entry *entry = current(pools);
    while (i >= pool_count(entry->pool)) {
        i -= pool_count(entry->pool);
        entry = TAILQ_NEXT(entry, link);
    }
    return pool_session(entry->pool, i);
}

uint64_t pools_connects(const struct pools *pools)
{
    uint64_t connects = pools->connects;
    const struct entry *entry;
    TAILQ_FOREACH(entry, &pools->all, link)
    connects += pool_connects(entry->pool);
    return connects;
}

static struct entry *entry_of(const struct pools *pools, const struct session *session)
{
    struct entry *entry;
    TAILQ_FOREACH(entry, &pools->all, link)
    for (size_t i = 0; i < pool_count(entry->pool); i++)
        if (pool_session(entry->pool, i) == session)
            return entry;
    return current(pools);
}

void pools_lose(struct pools *pools, struct session *session, const char *why)
{
    struct entry *entry = entry_of(pools, session);
    pool_lose(entry->pool, session, why);
    if (entry == current(pools))
        return;
    /* No newer connection takes the place of this one. */
    tell_state(pools);
    pools->owner.failed(pools->owner.context);
}

void pools_suspect(struct pools *pools, const struct session *session)
{
    pool_suspect(entry_of(pools, session)->pool, session);
}

bool pools_blame(struct pools *pools, const struct session *session, const char *why)
{
    return pool_blame(entry_of(pools, session)->pool, session, why);
}

struct pools *pools_new(struct event_base *base, struct maps *maps, struct credentials *credentials,
                        const struct pool_owner *owner)
{
    struct pools *pools = calloc(1, sizeof *pools);
    if (pools == NULL)
        return NULL;
    pools->base = base;
    pools->owner = *owner;
    pools->state = POOL_CONNECTING;
    TAILQ_INIT(&pools->all);
    if (add_entry(pools, maps, credentials))
        return pools;
    free(pools);
    return NULL;
}

bool pools_free(struct pools *pools, uint64_t deadline)
{
    bool all = true;
    struct entry *entry;
    struct entry *next;
    TAILQ_FOREACH_SAFE(entry, &pools->all, link, next)
    if (!free_entry(entry, deadline))
        all = false;
    free(pools);
    return all;
}
