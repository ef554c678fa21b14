#include "lookup/engine.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/outstanding.h"
#include "lookup/pace.h"
#include "lookup/pools.h"
#include "lookup/source.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

/* How late past its deadline a lookup may be answered. */
#define TICK (CLOCK_SECOND / 20)
/* How long past the deadline a query may keep its connection: the server should have ended it. */
#define OVERDUE (CLOCK_SECOND / 4)
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
    struct outstanding outstanding;
    struct source source;
    struct event grown; /* wakes the loop when lookups wait for a query that was young */
    struct event tick;  /* pending while anything is outstanding or under way */
    struct event check;

    int step; /* the largest statement to use */
    uint64_t step_until;
    struct engine_counts counts;
};

/* ---- lookups ---- */

static void start_tick(struct engine *engine)
{
    if (!event_pending(&engine->tick, EV_TIMEOUT, NULL)) {
        struct timeval interval = clock_timeval(TICK);
        event_add(&engine->tick, &interval);
    }
}

void engine_ask(struct engine *engine, struct lookup *lookup, struct map *map, const char *key,
                size_t len, lookup_done *done)
{
    struct outstanding *outstanding = &engine->outstanding;
    uint64_t deadline = clock_now() + clock_seconds(engine->conf->deadline);
    bool question = source_is_question(&engine->source, lookup);
    if (!outstanding_begin(outstanding, lookup, map, key, len, done, deadline))
        return;
    start_tick(engine);
    if (pools_state(engine->pools) == POOL_DOWN)
        outstanding_fail(outstanding, lookup, FAULT_UNREACHABLE);
    else if (engine->source.service.state == SERVICE_NO && !question)
        outstanding_fail(outstanding, lookup, FAULT_OFF);
    else if (outstanding->lanes.waiting >= (size_t)engine->conf->limits.waiting && !question)
        outstanding_finish(outstanding, lookup, "too many lookups are waiting for the database");
    else
        outstanding_queue(outstanding, lookup);
}

void engine_cancel(struct engine *engine, struct lookup *lookup)
{
    outstanding_drop(&engine->outstanding, lookup);
}

/* ---- batches ---- */

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

/* What was read meanwhile does not count: it is asked again, or not of the database. */
static void take_back(struct engine *engine, struct batch *batch)
{
    struct lookup *lookups[BATCH_LOOKUPS];
    size_t count = outstanding_take(batch, lookups);
    if (engine->source.service.state == SERVICE_UNKNOWN)
        outstanding_ask_again(&engine->outstanding, lookups, count, LANE_ASCII);
    else
        outstanding_fail_all(&engine->outstanding, lookups, count, FAULT_OFF);
}

static void on_ended(struct session *session, const struct session_end *end, void *context)
{
    struct engine *engine = context;
    struct outstanding *outstanding = &engine->outstanding;
    struct batch *batch = session_batch(session);
    struct map *map = batch->map;
    engine->counts.queries++;
    engine->counts.batched += batch->count;
    pace_note(engine->maps, map, clock_now() - session_started(session), end->good);
    source_note(&engine->source, map, end->good ? 0 : end->number);
    if (end->good && source_may_be_partial(&engine->source, map)) {
        take_back(engine, batch);
        return;
    }
    if (end->good) {
        map->database_used = clock_now();
        outstanding_decide(outstanding, batch);
        return;
    }

    struct lookup *lookups[BATCH_LOOKUPS];
    maps_hold(map->set); /* for the log: the lookups may go */
    int step = batch_step(batch);
    size_t count = outstanding_take(batch, lookups);
    switch (end->kind) {
    case DBERROR_CONNECTION:
        if (end->number == ER_NET_PACKET_TOO_LARGE)
            (void)use_smaller(engine, step);
        outstanding_retry(outstanding, lookups, count, end->given_up ? 0 : clock_now());
        pools_lose(engine->pools, session, end->text);
        break;
    case DBERROR_REPREPARE:
        outstanding_retry(outstanding, lookups, count, 0);
        break;
    case DBERROR_STATEMENTS:
        if (count > 1 && use_smaller(engine, step)) {
            outstanding_ask_again(outstanding, lookups, count, LANE_ASCII);
            break;
        }
        log_query_fault(map, end);
        outstanding_fail_all(outstanding, lookups, count,
                             "the database has no room for prepared statements");
        break;
    case DBERROR_DATA:
        if (count > 1) {
            outstanding_ask_again(outstanding, lookups, count, LANE_ALONE);
            break;
        }
        /* fall through */
    case DBERROR_HOST:
        if (end->kind == DBERROR_HOST && pools_blame(engine->pools, session, end->text)) {
            outstanding_retry(outstanding, lookups, count, clock_now());
            break;
        }
        /* fall through */
    case DBERROR_QUERY:
        log_query_fault(map, end);
        outstanding_fail_all(outstanding, lookups, count, "the query failed");
        break;
    }
    maps_release(map->set);
}

/* ---- where answers come from ---- */

/* Sees where answers come from now, and says so where that has changed. */
static void look(struct engine *engine)
{
    static const enum engine_state states[] = {
        [SOURCE_CONNECTING] = ENGINE_CONNECTING,
        [SOURCE_DATABASE] = ENGINE_LIVE,
        [SOURCE_UNREACHABLE] = ENGINE_DOWN,
        [SOURCE_SWITCHED_OFF] = ENGINE_OFF,
    };
    if (source_look(&engine->source, engine->pools))
        engine->changed(states[engine->source.fallback.source], engine->context);
}

static void ask_service(struct engine *engine)
{
    struct lookup *question = source_question(&engine->source, pools_state(engine->pools));
    if (question)
        engine_ask(engine, question, engine->maps->service, MAPS_SERVICE_KEY,
                   strlen(MAPS_SERVICE_KEY), service_done);
}

static void on_changed(enum pool_state state, void *context)
{
    struct engine *engine = context;
    if (engine->pools == NULL)
        return; /* still being made */
    /* Another host, or another database, has a switch of its own. */
    service_forget(&engine->source.service);
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
    if (engine->source.service.state == SERVICE_UNKNOWN)
        ask_service(engine);
    if (!source_has_turned(&engine->source))
        return;
    if (engine->source.seen == SERVICE_NO)
        outstanding_fail_waiting(&engine->outstanding, FAULT_OFF);
    look(engine);
}

static void on_failed(void *context)
{
    struct engine *engine = context;
    if (pools_state(engine->pools) == POOL_DOWN)
        outstanding_fail_waiting(&engine->outstanding, FAULT_UNREACHABLE);
    else
        lanes_release_retries(&engine->outstanding.lanes);
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
    outstanding_expire(&engine->outstanding, now);

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
    if (busy || engine->outstanding.count > 0)
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
        pace_note_waiting(map, age);
        maps->stuck += pace_is_stuck(map);
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
    if (engine->outstanding.lanes.waiting == 0)
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
        bool unknown = engine->source.service.state == SERVICE_UNKNOWN;
        struct lanes_choice choice = {
            .connected = session_connected(session),
            .step = engine->step,
            .never = last ? busy.older : NULL,
            .only_full = busy.young,
            .only = unknown ? engine->source.service.lookup.map : NULL,
            .no_stuck =
                pools_count(engine->pools) > 1 && busy.stuck + 1 >= pools_count(engine->pools),
        };
        if (!lanes_fill(&engine->outstanding.lanes, batch, &choice)) {
            i++;
            continue;
        }
        for (size_t k = 0; k < batch->count; k++)
            batch->lookups[k]->batch = batch;
        /* Asked before a reload: its statement must not stay for as long as the connection. */
        if (batch->map->set != engine->maps)
            session_keep_only(session, engine->maps);
        start_tick(engine);
        bool only_one = engine->outstanding.count == 1;
        session_run(session, batch_step(batch));
        /* It may have failed at once, and have gone: look at this place again. */
        if (only_one && i < pools_count(engine->pools) &&
            pools_session(engine->pools, i) == session)
            session_linger(session);
    }
    if (engine->outstanding.lanes.waiting > 0 && count_idle(engine) > 0 &&
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
    counts.outstanding = (unsigned)engine->outstanding.count;
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
    source_init(&engine->source, maps);
    outstanding_init(&engine->outstanding, &engine->source.fallback);
    evtimer_assign(&engine->tick, base, on_tick, engine);
    evtimer_assign(&engine->grown, base, on_grown, engine);
    event_assign(&engine->check, base, -1, EV_PERSIST, on_check, engine);
    struct timeval check = clock_timeval(CHECK);
    event_add(&engine->check, &check);
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
    source_change(&engine->source, maps);
    ask_service(engine);
    look(engine);
    return true;
}

void engine_set_snapshot(struct engine *engine, struct snapshot *snapshot)
{
    fallback_set_snapshot(&engine->source.fallback, snapshot);
    look(engine);
}

const char *engine_host(const struct engine *engine)
{
    return pools_host(engine->pools);
}

const char *engine_text(const struct engine *engine)
{
    return fallback_text(&engine->source.fallback);
}

bool engine_free(struct engine *engine, uint64_t deadline)
{
    while (engine->outstanding.count > 0)
        outstanding_finish(&engine->outstanding, TAILQ_FIRST(&engine->outstanding.list),
                           "lookupd is stopping");
    event_del(&engine->tick);
    event_del(&engine->grown);
    event_del(&engine->check);
    source_clear(&engine->source);
    bool joined = pools_free(engine->pools, deadline);
    maps_release(engine->maps);
    free(engine);
    return joined;
}
