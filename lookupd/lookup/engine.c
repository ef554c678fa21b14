#include "lookup/engine.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/fallback.h"
#include "lookup/lanes.h"
#include "lookup/pools.h"
#include "lookup/service.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

/* How late past its deadline a lookup may be answered. */
#define TICK (CLOCK_SECOND / 20)
/* How long past the deadline a query may keep its connection: the server should have ended it. */
#define OVERDUE (CLOCK_SECOND / 4)
/* A query that takes longer is waiting for something, not reading. */
#define SLOW (CLOCK_SECOND / 10)
/* A query that began less than this ago is worth waiting for. As fine as the loop's timers are. */
#define YOUNG (CLOCK_SECOND / 1000)
/* How long smaller statements are used when the server has no room for more (error 1461). */
#define SMALL_FOR (60 * CLOCK_SECOND)
/* How often the switch in the table service is looked at, and the age of the snapshot: within a
 * second of a change, everybody goes by it. */
#define CHECK (CLOCK_SECOND * 3 / 10)
/* The same fault of a query is logged this often. */
#define SAY_AGAIN (60 * CLOCK_SECOND)

struct engine {
    struct maps *maps; /* in force: of their configuration are deadline and limits */
    const struct conf *conf;
    engine_changed *changed;
    void *context;

    struct pools *pools;
    const char *host; /* as told last */
    struct lanes lanes;
    struct lookup_list outstanding;
    size_t outstanding_count;
    struct event grown; /* wakes the loop when lookups wait for a query that was young */
    struct event tick;  /* pending while anything is outstanding or under way */
    struct event check;

    struct service service;
    enum service_state seen; /* of the switch, when it was last looked at */
    struct fallback fallback;

    int step; /* the largest statement to use */
    uint64_t step_until;
    struct engine_counts counts;
};

/* What Postfix logs as the reason of a temporary error. */
#define FAULT_UNREACHABLE "the database cannot be reached"
#define FAULT_OFF         "the tables are being worked on"
#define FAULT_NO_MEMORY   "no memory"

/* ---- lookups ---- */

static void start_tick(struct engine *engine)
{
    if (!event_pending(&engine->tick, EV_TIMEOUT, NULL)) {
        struct timeval interval = clock_timeval(TICK);
        event_add(&engine->tick, &interval);
    }
}

static void remember(struct engine *engine, struct lookup *lookup)
{
    /* Deadlines come in order, but for the moment after a reload has changed the setting. */
    struct lookup *before = TAILQ_LAST(&engine->outstanding, lookup_list);
    while (before && before->deadline > lookup->deadline)
        before = TAILQ_PREV(before, lookup_list, outstanding);
    if (before)
        TAILQ_INSERT_AFTER(&engine->outstanding, before, lookup, outstanding);
    else
        TAILQ_INSERT_HEAD(&engine->outstanding, lookup, outstanding);
    engine->outstanding_count++;
    start_tick(engine);
}

static void detach(struct engine *engine, struct lookup *lookup)
{
    if (lookup->lane)
        lanes_remove(&engine->lanes, lookup);
    if (lookup->session)
        session_batch(lookup->session)->lookups[lookup->place] = NULL;
    lookup->session = NULL;
    TAILQ_REMOVE(&engine->outstanding, lookup, outstanding);
    engine->outstanding_count--;
}

/* The last thing that happens to a lookup: afterwards it is its asker's again. */
static void finish(struct engine *engine, struct lookup *lookup, const char *fault)
{
    detach(engine, lookup);
    struct map *map = lookup->map;
    struct candidates *candidates = lookup->candidates;
    struct decision decision = lookup->decision;
    lookup->candidates = NULL;
    lookup->decision = (struct decision){0};

    struct answer answer;
    if (fault)
        answer = (struct answer){.result = LOOKUP_TEMPORARY, .text = fault, .len = strlen(fault)};
    else
        decision_end(&decision, map, candidates, &answer);
    lookup->done(lookup, &answer);
    decision_clear(&decision);
    free(candidates);
    maps_release(map->set);
}

/* The one way of a lookup that the database does not answer, whatever the reason. */
static void fail(struct engine *engine, struct lookup *lookup, const char *fault)
{
    decision_clear(&lookup->decision);
    finish(engine, lookup, fallback_decide(&engine->fallback, lookup, &fault) ? NULL : fault);
}

static void answer_at_once(struct lookup *lookup, enum lookup_result result, const char *text)
{
    struct answer answer = {.result = result, .text = text, .len = text ? strlen(text) : 0};
    lookup->done(lookup, &answer);
}

void engine_ask(struct engine *engine, struct lookup *lookup, struct map *map, const char *key,
                size_t len, lookup_done *done)
{
    *lookup = (struct lookup){.done = done, .map = map};
    switch (candidates_make(map->keys, key, len, map->delimiter, &lookup->candidates)) {
    case CANDIDATES_NOT_A_NAME:
        answer_at_once(lookup, LOOKUP_NOT_FOUND, NULL);
        return;
    case CANDIDATES_NO_MEMORY:
        answer_at_once(lookup, LOOKUP_TEMPORARY, FAULT_NO_MEMORY);
        return;
    case CANDIDATES_OK:
        break;
    }
    maps_hold(map->set);
    lookup->deadline = clock_now() + clock_seconds(engine->conf->deadline);
    remember(engine, lookup);
    if (pools_state(engine->pools) == POOL_DOWN)
        fail(engine, lookup, FAULT_UNREACHABLE);
    else if (engine->service.state == SERVICE_NO && lookup != &engine->service.lookup)
        fail(engine, lookup, FAULT_OFF);
    else if (engine->lanes.waiting >= (size_t)engine->conf->limits.waiting)
        finish(engine, lookup, "too many lookups are waiting for the database");
    else if (!lanes_push(&engine->lanes, lookup, lanes_kind(lookup)))
        finish(engine, lookup, FAULT_NO_MEMORY);
}

void engine_cancel(struct engine *engine, struct lookup *lookup)
{
    detach(engine, lookup);
    decision_clear(&lookup->decision);
    free(lookup->candidates);
    lookup->candidates = NULL;
    maps_release(lookup->map->set);
}

static void fail_waiting(struct engine *engine, const char *fault)
{
    struct lookup *lookup;
    struct lookup *next;
    TAILQ_FOREACH_SAFE(lookup, &engine->outstanding, outstanding, next)
    if (lookup->lane)
        fail(engine, lookup, fault);
}

/* ---- batches ---- */

/* Takes the lookups that are still there out of a batch that has ended. */
static size_t take_batch(struct batch *batch, struct lookup **lookups)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lookups[i] == NULL)
            continue;
        batch->lookups[i]->session = NULL;
        decision_clear(&batch->lookups[i]->decision);
        lookups[count++] = batch->lookups[i];
    }
    batch_clear(batch);
    return count;
}

/* Asks again what a batch asked, in its order and before all others of its kind. */
static void ask_again(struct engine *engine, struct lookup *const *lookups, size_t count,
                      enum lane_kind kind)
{
    for (size_t i = count; i-- > 0;)
        if (!lanes_push_front(&engine->lanes, lookups[i],
                              kind == LANE_ASCII ? lanes_kind(lookups[i]) : kind))
            finish(engine, lookups[i], FAULT_NO_MEMORY);
}

/* Once more on another connection; for a lookup that had this already, the answer is temporary. */
static void retry(struct engine *engine, struct lookup **lookups, size_t count, uint64_t after)
{
    size_t again = 0;
    for (size_t i = 0; i < count; i++) {
        if (lookups[i]->retried) {
            fail(engine, lookups[i], "the connection to the database was lost");
            continue;
        }
        lookups[i]->retried = true;
        lookups[i]->retry_after = after;
        lookups[again++] = lookups[i];
    }
    ask_again(engine, lookups, again, LANE_RETRY);
}

static void log_query_fault(struct map *map, const struct session_end *end)
{
    static struct log_limit limit;
    uint64_t now = clock_now();
    if ((map->said_number == end->number && map->said && now - map->said < SAY_AGAIN) ||
        !log_allows(&limit))
        return;
    map->said_number = end->number;
    map->said = now;
    /* A fault in the data can quote it, and it may be somebody's address. */
    if (end->kind == DBERROR_DATA && !log_is_debug())
        log_error("map %s: query failed with error %u of the database", map->name, end->number);
    else
        log_error("map %s: query failed: %s (%u)", map->name, end->text, end->number);
}

/* Smaller statements than this, for a while. False when there are none. */
static bool use_smaller(struct engine *engine, int step)
{
    if (step == 0)
        return false;
    if (engine->step >= step)
        engine->step = step - 1;
    engine->step_until = clock_now() + SMALL_FOR;
    return true;
}

static bool is_service(const struct engine *engine, const struct map *map)
{
    return map == engine->service.lookup.map;
}

/* The tables were, or may have been, half there when a query read them. */
static bool may_be_partial(const struct engine *engine, const struct map *map)
{
    return engine->service.state != SERVICE_YES && !is_service(engine, map);
}

/* What was read meanwhile does not count: it is asked again, or not of the database. */
static void take_back(struct engine *engine, struct batch *batch)
{
    struct lookup *lookups[BATCH_LOOKUPS];
    size_t count = take_batch(batch, lookups);
    if (engine->service.state == SERVICE_UNKNOWN) {
        ask_again(engine, lookups, count, LANE_ASCII);
        return;
    }
    for (size_t i = 0; i < count; i++)
        fail(engine, lookups[i], FAULT_OFF);
}

static void on_ended(struct session *session, const struct session_end *end, void *context)
{
    struct engine *engine = context;
    struct batch *batch = session_batch(session);
    struct map *map = batch->map;
    engine->counts.queries++;
    engine->counts.batched += batch->count;
    map->stuck = clock_now() - session_started(session) > SLOW;
    if (is_service(engine, map))
        engine->service.number = end->good ? 0 : end->number;
    else if (!end->good && engine->maps->service && service_is_missing(end->number))
        service_forget(&engine->service);
    if (end->good && may_be_partial(engine, map)) {
        take_back(engine, batch);
        return;
    }
    if (end->good) {
        map->database_used = clock_now();
        for (size_t i = 0; i < batch->count; i++)
            if (batch->lookups[i])
                finish(engine, batch->lookups[i], NULL);
        batch_clear(batch);
        return;
    }

    struct lookup *lookups[BATCH_LOOKUPS];
    maps_hold(map->set); /* for the log: the lookups may go */
    int step = batch_step(batch);
    size_t count = take_batch(batch, lookups);
    switch (end->kind) {
    case DBERROR_CONNECTION:
        if (end->number == ER_NET_PACKET_TOO_LARGE)
            (void)use_smaller(engine, step);
        retry(engine, lookups, count, clock_now());
        pools_lose(engine->pools, session, end->text);
        break;
    case DBERROR_REPREPARE:
        retry(engine, lookups, count, 0);
        break;
    case DBERROR_STATEMENTS:
        if (count > 1 && use_smaller(engine, step)) {
            ask_again(engine, lookups, count, LANE_ASCII);
            break;
        }
        log_query_fault(map, end);
        for (size_t i = 0; i < count; i++)
            fail(engine, lookups[i], "the database has no room for prepared statements");
        break;
    case DBERROR_DATA:
        if (count > 1) {
            ask_again(engine, lookups, count, LANE_ALONE);
            break;
        }
        /* fall through */
    case DBERROR_HOST:
        if (end->kind == DBERROR_HOST && pools_blame(engine->pools, session, end->text)) {
            retry(engine, lookups, count, clock_now());
            break;
        }
        /* fall through */
    case DBERROR_QUERY:
        log_query_fault(map, end);
        for (size_t i = 0; i < count; i++)
            fail(engine, lookups[i], "the query failed");
        break;
    }
    maps_release(map->set);
}

/* ---- the pools ---- */

/* Where answers come from; NULL in *why where that needs no reason. */
static enum fallback_source source_of(const struct engine *engine, const char **why)
{
    *why = NULL;
    switch (pools_state(engine->pools)) {
    case POOL_CONNECTING:
        return SOURCE_CONNECTING;
    case POOL_DOWN:
        *why = FAULT_UNREACHABLE;
        return SOURCE_UNREACHABLE;
    case POOL_LIVE:
        break;
    }
    switch (engine->service.state) {
    case SERVICE_UNKNOWN:
        /* Known in a moment: that is no change to speak of. */
        return engine->fallback.source == SOURCE_UNREACHABLE ? SOURCE_CONNECTING
                                                             : engine->fallback.source;
    case SERVICE_YES:
        return SOURCE_DATABASE;
    case SERVICE_NO:
        *why = engine->service.why;
        return SOURCE_SWITCHED_OFF;
    }
    return SOURCE_CONNECTING;
}

/* Sees where answers come from now, and says so where that has changed. */
static void look(struct engine *engine)
{
    static const enum engine_state states[] = {
        [SOURCE_CONNECTING] = ENGINE_CONNECTING,
        [SOURCE_DATABASE] = ENGINE_LIVE,
        [SOURCE_UNREACHABLE] = ENGINE_DOWN,
        [SOURCE_SWITCHED_OFF] = ENGINE_OFF,
    };
    const char *why;
    enum fallback_source source = source_of(engine, &why);
    if (why == NULL)
        why = engine->service.why;
    bool moved = engine->host != pools_host(engine->pools);
    engine->host = pools_host(engine->pools);
    if (fallback_look(&engine->fallback, source, why) || moved)
        engine->changed(states[source], engine->context);
}

/* Asks what the table service says, unless that is under way. */
static void ask_service(struct engine *engine)
{
    struct service *service = &engine->service;
    if (engine->maps->service == NULL) {
        service->state = SERVICE_YES;
        return;
    }
    if (service->asked || pools_state(engine->pools) != POOL_LIVE)
        return;
    service->asked = true;
    service->number = 0;
    engine_ask(engine, &service->lookup, engine->maps->service, MAPS_SERVICE_KEY,
               strlen(MAPS_SERVICE_KEY), service_done);
}

static void on_changed(enum pool_state state, void *context)
{
    struct engine *engine = context;
    if (engine->pools == NULL)
        return; /* still being made */
    if (state != POOL_LIVE)
        service_forget(&engine->service);
    ask_service(engine);
    look(engine);
}

static void on_check(evutil_socket_t fd, short what, void *context)
{
    struct engine *engine = context;
    ask_service(engine);
    look(engine);
}

/* The switch may have been turned since the last round. */
static void see_service(struct engine *engine)
{
    if (engine->service.state == engine->seen)
        return;
    engine->seen = engine->service.state;
    if (engine->seen == SERVICE_UNKNOWN)
        ask_service(engine);
    if (engine->seen == SERVICE_NO)
        fail_waiting(engine, FAULT_OFF);
    look(engine);
}

static void on_failed(void *context)
{
    struct engine *engine = context;
    if (pools_state(engine->pools) == POOL_DOWN)
        fail_waiting(engine, FAULT_UNREACHABLE);
    else
        lanes_release_retries(&engine->lanes);
}

/* ---- time ---- */

/* Only wakes the loop: engine_run() comes after each round. */
static void on_grown(evutil_socket_t fd, short what, void *context)
{
}

/* Lookups of before a reload that has shortened the deadline have the time that they began with. */
static bool is_awaited(struct session *session)
{
    const struct batch *batch = session_batch(session);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->lookups[i])
            return true;
    return false;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct engine *engine = context;
    uint64_t now = clock_now();
    struct lookup *lookup;
    while ((lookup = TAILQ_FIRST(&engine->outstanding)) != NULL && lookup->deadline <= now)
        fail(engine, lookup, "the database did not answer in time");

    bool busy = false;
    uint64_t longest = clock_seconds(engine->conf->deadline) + OVERDUE;
    for (size_t i = pools_count(engine->pools); i-- > 0;) {
        struct session *session = pools_session(engine->pools, i);
        if (session_is_idle(session))
            continue;
        if (now - session_started(session) <= longest || is_awaited(session)) {
            busy = true;
            if (now - session_started(session) > longest / 2)
                pools_suspect(engine->pools, session);
            continue;
        }
        pools_lose(engine->pools, session, "a query took too long");
    }
    if (busy || !TAILQ_EMPTY(&engine->outstanding))
        start_tick(engine);
}

/* Maps that have a query under way, by its age. */
struct busy_maps {
    const struct map *young[POOLS_SESSIONS_MAX + 1];
    const struct map *older[POOLS_SESSIONS_MAX + 1];
    size_t stuck; /* queries of maps that are stuck */
};

static void find_busy_maps(const struct engine *engine, struct busy_maps *maps)
{
    size_t young = 0;
    size_t older = 0;
    uint64_t now = clock_now();
    maps->stuck = 0;
    for (size_t i = 0; i < pools_count(engine->pools); i++) {
        struct session *session = pools_session(engine->pools, i);
        if (session_is_idle(session))
            continue;
        struct map *map = session_batch(session)->map;
        uint64_t age = now - session_started(session);
        if (age > SLOW)
            map->stuck = true;
        maps->stuck += map->stuck;
        if (age < YOUNG)
            maps->young[young++] = map;
        else
            maps->older[older++] = map;
    }
    maps->young[young] = NULL;
    maps->older[older] = NULL;
}

static size_t count_idle(const struct engine *engine)
{
    size_t idle = 0;
    for (size_t i = 0; i < pools_count(engine->pools); i++)
        idle += session_is_idle(pools_session(engine->pools, i));
    return idle;
}

void engine_run(struct engine *engine)
{
    see_service(engine);
    pools_tidy(engine->pools);
    if (engine->lanes.waiting == 0)
        return;
    if (engine->step < STATEMENT_STEP_MAX && clock_now() >= engine->step_until)
        engine->step = STATEMENT_STEP_MAX;
    for (size_t i = 0; i < pools_count(engine->pools);) {
        struct session *session = pools_session(engine->pools, i);
        if (!session_is_idle(session)) {
            i++;
            continue;
        }
        struct batch *batch = session_batch(session);
        struct busy_maps busy;
        find_busy_maps(engine, &busy);
        /*
         * A map whose query has only just gone out had better wait for its answer, and send more
         * lookups together, than send a few more at once: that serves more of them. And a map that
         * waits for a lock, say, must not have all connections, one after the other, and stop all
         * others: the last one that is free is for somebody else, and so is one of all where
         * several maps wait for the same.
         */
        bool last = pools_count(engine->pools) > 1 && count_idle(engine) == 1;
        struct lanes_choice choice = {
            .connected = session_connected(session),
            .step = engine->step,
            .never = last ? busy.older : NULL,
            .only_full = busy.young,
            .only = engine->service.state == SERVICE_UNKNOWN ? engine->service.lookup.map : NULL,
            .no_stuck =
                pools_count(engine->pools) > 1 && busy.stuck + 1 >= pools_count(engine->pools),
        };
        if (!lanes_fill(&engine->lanes, batch, &choice)) {
            i++;
            continue;
        }
        for (size_t k = 0; k < batch->count; k++)
            batch->lookups[k]->session = session;
        /* Asked before a reload: its statement must not stay for as long as the connection. */
        if (batch->map->set != engine->maps)
            session_keep_only(session, engine->maps);
        start_tick(engine);
        bool only_one = engine->outstanding_count == 1;
        session_run(session, batch_step(batch));
        /* It may have failed at once, and have gone: look at this place again. */
        if (only_one && i < pools_count(engine->pools) &&
            pools_session(engine->pools, i) == session)
            session_linger(session);
    }
    if (engine->lanes.waiting > 0 && count_idle(engine) > 0 &&
        !event_pending(&engine->grown, EV_TIMEOUT, NULL)) {
        struct timeval young = clock_timeval(YOUNG);
        event_add(&engine->grown, &young);
    }
}

struct engine_counts engine_counts(const struct engine *engine)
{
    struct engine_counts counts = engine->counts;
    counts.connects = pools_connects(engine->pools);
    counts.connections = (unsigned)pools_count(engine->pools);
    counts.outstanding = (unsigned)engine->outstanding_count;
    return counts;
}

struct engine *engine_new(struct event_base *base, struct maps *maps,
                          struct credentials *credentials, engine_changed *changed, void *context)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->maps = maps;
    engine->conf = maps->conf;
    engine->changed = changed;
    engine->context = context;
    engine->step = STATEMENT_STEP_MAX;
    lanes_init(&engine->lanes);
    TAILQ_INIT(&engine->outstanding);
    evtimer_assign(&engine->tick, base, on_tick, engine);
    evtimer_assign(&engine->grown, base, on_grown, engine);
    event_assign(&engine->check, base, -1, EV_PERSIST, on_check, engine);
    struct timeval check = clock_timeval(CHECK);
    event_add(&engine->check, &check);
    fallback_init(&engine->fallback, maps);
    engine->service.lookup.map = maps->service; /* what nobody has asked yet waits for it */
    service_forget(&engine->service);
    if (maps->service == NULL)
        engine->service.state = SERVICE_YES;
    struct pool_owner owner = {
        .ended = on_ended, .changed = on_changed, .failed = on_failed, .context = engine};
    engine->pools = pools_new(base, maps, credentials, &owner);
    if (engine->pools == NULL) {
        event_del(&engine->check);
        free(engine);
        return NULL;
    }
    maps_hold(maps);
    return engine;
}

bool engine_change(struct engine *engine, struct maps *maps, struct credentials *credentials)
{
    if (!pools_change(engine->pools, maps, credentials))
        return false;
    for (size_t i = 0; i < pools_count(engine->pools); i++)
        session_keep_only(pools_session(engine->pools, i), maps);
    maps_hold(maps);
    maps_release(engine->maps);
    engine->maps = maps;
    engine->conf = maps->conf;
    engine->fallback.maps = maps;
    if (!engine->service.asked)
        engine->service.lookup.map = maps->service;
    ask_service(engine);
    look(engine);
    return true;
}

void engine_set_snapshot(struct engine *engine, struct snapshot *snapshot)
{
    fallback_set_snapshot(&engine->fallback, snapshot);
    look(engine);
}

const char *engine_host(const struct engine *engine)
{
    return pools_host(engine->pools);
}

const char *engine_text(const struct engine *engine)
{
    return fallback_text(&engine->fallback);
}

bool engine_free(struct engine *engine, uint64_t deadline)
{
    while (!TAILQ_EMPTY(&engine->outstanding))
        finish(engine, TAILQ_FIRST(&engine->outstanding), "lookupd is stopping");
    event_del(&engine->tick);
    event_del(&engine->grown);
    event_del(&engine->check);
    fallback_clear(&engine->fallback);
    bool joined = pools_free(engine->pools, deadline);
    maps_release(engine->maps);
    free(engine);
    return joined;
}
