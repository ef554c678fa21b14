/* All clients of a worker: what is done with each of them. */
#include "server/connection_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct connections *connections_new(struct event_base *base, struct engine *engine,
                                    struct maps *maps)
{
    struct connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL)
        return NULL;
    connections->base = base;
    connections->engine = engine;
    connections->maps = maps;
    maps_hold(maps);
    TAILQ_INIT(&connections->all);
    TAILQ_INIT(&connections->dirty);
    return connections;
}

void connections_free(struct connections *connections)
{
    struct connection *connection;
    struct connection *next;
    TAILQ_FOREACH_SAFE(connection, &connections->all, link, next)
    connection_close(connection);
    maps_release(connections->maps);
    free(connections);
}

size_t connections_count(const struct connections *connections)
{
    return connections->count;
}

bool connections_flush(struct connections *connections)
{
    struct connection *connection;
    connections->asked = false;
    while ((connection = TAILQ_FIRST(&connections->dirty)) != NULL) {
        TAILQ_REMOVE(&connections->dirty, connection, dirty_link);
        connection->dirty = false;
        connection_flush(connection);
    }
    return connections->asked;
}

void connections_finish(struct connections *connections)
{
    struct connection *connection;
    struct connection *next;
    TAILQ_FOREACH_SAFE(connection, &connections->all, link, next)
    connection_finish(connection);
}

/* ---- change ---- */

/* Which listener follows which: found once, not for each of ten thousand clients. */
struct succession {
    const struct listeners *now;
    size_t count;
    struct {
        const struct listener *before;
        const struct listener *now;
    } known[32];
};

static const struct listener *find_successor(struct succession *succession,
                                             const struct listener *before)
{
    for (size_t i = 0; i < succession->count; i++)
        if (succession->known[i].before == before)
            return succession->known[i].now;
    const struct listener *now = listeners_find(succession->now, before);
    if (succession->count < sizeof succession->known / sizeof succession->known[0]) {
        succession->known[succession->count].before = before;
        succession->known[succession->count++].now = now;
    }
    return now;
}

static bool may_stay(const struct connection *connection, bool has_listener)
{
    const struct listener *listener = connection->listener;
    if (!has_listener)
        return listener->codec->names_map ||
               maps_find(connection->owner->maps, listener->map, strlen(listener->map));
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    return listener->local || getpeername(connection->fd, (struct sockaddr *)&peer, &size) != 0 ||
           listener_allows(listener, (const struct sockaddr *)&peer);
}

void connections_change(struct connections *connections, struct maps *maps,
                        const struct listeners *listeners)
{
    struct succession succession = {.now = listeners};
    struct connection *connection;
    struct connection *next;
    maps_hold(maps);
    maps_release(connections->maps);
    connections->maps = maps;
    TAILQ_FOREACH_SAFE(connection, &connections->all, link, next)
    {
        const struct listener *now = find_successor(&succession, connection->listener);
        struct listeners *before = connection->listener->set;
        if (now) {
            listeners_hold(now->set);
            connection->listener = now;
            listeners_release(before);
        }
        if (!may_stay(connection, now != NULL))
            connection_finish(connection);
    }
}
