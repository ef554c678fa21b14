#include "lookup/source.h"

void source_init(struct source *source, struct maps *maps)
{
    *source = (struct source){.seen = SERVICE_UNKNOWN};
    fallback_init(&source->fallback, maps);
    source->service.lookup.map = maps->service; /* what nobody has asked yet waits for it */
    service_forget(&source->service);
    if (maps->service == NULL)
        source->service.state = SERVICE_YES;
}

void source_clear(struct source *source)
{
    fallback_clear(&source->fallback);
}

void source_change(struct source *source, struct maps *maps)
{
    source->fallback.maps = maps;
    if (!source->service.asked)
        source->service.lookup.map = maps->service;
}

struct lookup *source_question(struct source *source, enum pool_state state)
{
    struct service *service = &source->service;
    if (source->fallback.maps->service == NULL) {
        service->state = SERVICE_YES;
        return NULL;
    }
    if (service->asked || state != POOL_LIVE)
        return NULL;
    service->asked = true;
    service->number = 0;
    return &service->lookup;
}

bool source_is_question(const struct source *source, const struct lookup *lookup)
{
    return lookup == &source->service.lookup;
}

bool source_is_switch(const struct source *source, const struct map *map)
{
    return map == source->service.lookup.map;
}

void source_note(struct source *source, const struct map *map, unsigned number)
{
    if (source_is_switch(source, map))
        source->service.number = number;
    else if (source->fallback.maps->service && service_is_missing(number))
        service_forget(&source->service);
}

bool source_may_be_partial(const struct source *source, const struct map *map)
{
    return source->service.state != SERVICE_YES && !source_is_switch(source, map);
}

bool source_has_turned(struct source *source)
{
    bool turned = source->seen != source->service.state;
    source->seen = source->service.state;
    return turned;
}

/* *why: NULL where that needs no reason. */
static enum fallback_source find(const struct source *source, enum pool_state state,
                                 const char **why)
{
    *why = NULL;
    switch (state) {
    case POOL_CONNECTING:
        return SOURCE_CONNECTING;
    case POOL_DOWN:
        *why = FAULT_UNREACHABLE;
        return SOURCE_UNREACHABLE;
    case POOL_LIVE:
        break;
    }
    switch (source->service.state) {
    case SERVICE_UNKNOWN:
        /* Known in a moment: that is no change to speak of. */
        return source->fallback.source == SOURCE_UNREACHABLE ? SOURCE_CONNECTING
                                                             : source->fallback.source;
    case SERVICE_YES:
        return SOURCE_DATABASE;
    case SERVICE_NO:
        *why = source->service.why;
        return SOURCE_SWITCHED_OFF;
    }
    return SOURCE_CONNECTING;
}

bool source_look(struct source *source, const struct pools *pools)
{
    const char *why;
    enum fallback_source now = find(source, pools_state(pools), &why);
    if (why == NULL)
        why = source->service.why;
    const char *host = pools_host(pools);
    bool moved = source->host != host;
    source->host = host;
    return fallback_look(&source->fallback, now, why) || moved;
}
