#include "lookup/engine.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/connector.h"
#include "lookup/lanes.h"
#include "lookup/session.h"

#include <errmsg.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How late past its deadline a lookup may be answered. */
#define TICK (CLOCK_SECOND / 20)
/* How long past the deadline a query may keep its connection: the server should have ended it. */
#define OVERDUE (CLOCK_SECOND / 4)
/* Pauses between attempts to connect: short enough to be back within a second of the server. */
#define PAUSE_FIRST (CLOCK_SECOND / 20)
#define PAUSE_MOST  (CLOCK_SECOND * 4 / 5)
/* So many connections may be lost in a row, each before it answered anything, without a pause. */
#define USELESS_MOST 8
/* A query that takes longer is waiting for something, not reading. */
#define SLOW (CLOCK_SECOND / 10)
/* A query that began less than this ago is worth waiting for. As fine as the loop's timers are. */
#define YOUNG (CLOCK_SECOND / 1000)
/* Attempts to connect that are cut off sooner than this are repeated so often without a pause. */
#define QUICK      (CLOCK_SECOND / 2)
#define QUICK_MOST 3
/* How long smaller statements are used when the server has no room for more (error 1461). */
#define SMALL_FOR (60 * CLOCK_SECOND)
/* The same fault of a query is logged this often. */
#define SAY_AGAIN (60 * CLOCK_SECOND)

struct engine {
    struct event_base *base;
    const struct conf *conf;
    const struct credentials *credentials;
    engine_changed *changed;
    void *context;
    enum engine_state state;

    struct lanes lanes;
    struct lookup_list outstanding;
    size_t outstanding_count;
    struct event grown; /* wakes the loop when lookups wait for a query that was young */
    struct event tick;  /* pending while anything is outstanding or under way */

    struct connector *connector;
    struct event pause; /* until the next attempt to connect */
    uint64_t pause_length;
    uint64_t attempted;      /* when the last attempt to connect began */
    unsigned quick_failures; /* attempts in a row that were begun and cut off at once */
    unsigned useless;        /* connections lost in a row that had answered nothing */
    struct session **sessions;
    size_t session_count;
    uint64_t said_unreachable;

    int step; /* the largest statement to use */
    uint64_t step_until;
    struct log_limit lost_lines;
    struct engine_counts counts;
};

/* What Postfix logs as the reason of a temporary error. */
#define FAULT_UNREACHABLE "the database cannot be reached"
#define FAULT_NO_MEMORY   "no memory"

static void connect_more(struct engine *engine);

static void set_state(struct engine *engine, enum engine_state state)
{
    if (engine->state == state)
        return;
    engine->state = state;
    engine->changed(state, engine->context);
}

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
    const char *fault = NULL;
    if (engine->state == ENGINE_DOWN)
        fault = FAULT_UNREACHABLE;
    else if (engine->lanes.waiting >= (size_t)engine->conf->limits.waiting)
        fault = "too many lookups are waiting for the database";
    else if (!lanes_push(&engine->lanes, lookup, lanes_kind(lookup)))
        fault = FAULT_NO_MEMORY;
    if (fault) {
        free(lookup->candidates);
        lookup->candidates = NULL;
        answer_at_once(lookup, LOOKUP_TEMPORARY, fault);
        return;
    }
    maps_hold(map->set);
    lookup->deadline = clock_now() + clock_seconds(engine->conf->deadline);
    remember(engine, lookup);
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
        finish(engine, lookup, fault);
}

/* ---- sessions ---- */

static void remove_session(struct engine *engine, struct session *session)
{
    for (size_t i = 0; i < engine->session_count; i++)
        if (engine->sessions[i] == session)
            engine->sessions[i] = engine->sessions[--engine->session_count];
    session_close(session);
}

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
            finish(engine, lookups[i], "the connection to the database was lost");
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

static void pause_connecting(struct engine *engine)
{
    if (engine->pause_length == 0)
        engine->pause_length = PAUSE_FIRST;
    else if (engine->pause_length < PAUSE_MOST)
        engine->pause_length *= 2;
    if (engine->pause_length > PAUSE_MOST)
        engine->pause_length = PAUSE_MOST;
    /* Workers must not come back all at once. */
    uint64_t half = engine->pause_length / 2;
    struct timeval pause = clock_timeval(half + arc4random_uniform((uint32_t)half));
    event_add(&engine->pause, &pause);
    if (engine->session_count == 0) {
        set_state(engine, ENGINE_DOWN);
        fail_waiting(engine, FAULT_UNREACHABLE);
    } else {
        lanes_release_retries(&engine->lanes);
    }
}

static void lose_session(struct engine *engine, struct session *session, const char *why)
{
    if (!session_is_proven(session))
        engine->useless++;
    if (log_allows(&engine->lost_lines))
        log_warning("database %s: connection lost: %s", session_host(session), why);
    remove_session(engine, session);
    /* A server that takes connections and answers nothing must not be met with a storm of them. */
    if (engine->useless > USELESS_MOST && !connector_is_busy(engine->connector) &&
        !event_pending(&engine->pause, EV_TIMEOUT, NULL))
        pause_connecting(engine);
    else
        connect_more(engine);
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

static void on_ended(struct session *session, const struct session_end *end, void *context)
{
    struct engine *engine = context;
    struct batch *batch = session_batch(session);
    struct map *map = batch->map;
    engine->counts.queries++;
    engine->counts.batched += batch->count;
    map->stuck = clock_now() - session_started(session) > SLOW;
    if (end->good) {
        engine->useless = 0;
        engine->pause_length = 0;
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
        lose_session(engine, session, end->text);
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
            finish(engine, lookups[i], "the database has no room for prepared statements");
        break;
    case DBERROR_DATA:
        if (count > 1) {
            ask_again(engine, lookups, count, LANE_ALONE);
            break;
        }
        /* fall through */
    case DBERROR_QUERY:
        log_query_fault(map, end);
        for (size_t i = 0; i < count; i++)
            finish(engine, lookups[i], "the query failed");
        break;
    }
    maps_release(map->set);
}

static void on_lost(struct session *session, void *context)
{
    lose_session(context, session, "closed by the server");
}

static void on_connected(MYSQL *mysql, const struct connect_error *error, void *context)
{
    struct engine *engine = context;
    if (mysql == NULL) {
        uint64_t now = clock_now();
        /* Ended while it was being made (KILL, a restart): that says little about the next one. */
        if (dberror_kind(error->number) == DBERROR_CONNECTION && error->number != 0 &&
            error->number != CR_CONNECTION_ERROR && error->number != CR_CONN_HOST_ERROR &&
            now - engine->attempted < QUICK && engine->quick_failures++ < QUICK_MOST) {
            connect_more(engine);
            return;
        }
        if (engine->state != ENGINE_DOWN || now - engine->said_unreachable >= SAY_AGAIN) {
            engine->said_unreachable = now;
            log_warning("database %s", error->text);
        }
        pause_connecting(engine);
        return;
    }
    struct session_owner owner = {.ended = on_ended, .lost = on_lost, .context = engine};
    struct session *session = session_new(engine->base, mysql, &owner);
    if (session == NULL) {
        pause_connecting(engine);
        return;
    }
    engine->quick_failures = 0;
    engine->counts.connects++;
    engine->sessions[engine->session_count++] = session;
    if (engine->state == ENGINE_DOWN || engine->counts.connects == 1)
        log_info("database %s: connected", session_host(session));
    set_state(engine, ENGINE_LIVE);
    connect_more(engine);
}

static void ask_connector(struct engine *engine)
{
    if (connector_ask(engine->connector, engine->conf, engine->credentials))
        engine->attempted = clock_now();
}

static void connect_more(struct engine *engine)
{
    if (engine->session_count < (size_t)engine->conf->database.connections &&
        !event_pending(&engine->pause, EV_TIMEOUT, NULL))
        ask_connector(engine);
    if (engine->session_count == 0 && engine->state == ENGINE_LIVE)
        set_state(engine, ENGINE_CONNECTING);
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
    connect_more(context);
}

/* ---- time ---- */

/* Only wakes the loop: engine_run() comes after each round. */
static void on_grown(evutil_socket_t fd, short what, void *context)
{
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct engine *engine = context;
    uint64_t now = clock_now();
    struct lookup *lookup;
    while ((lookup = TAILQ_FIRST(&engine->outstanding)) != NULL && lookup->deadline <= now)
        finish(engine, lookup, "the database did not answer in time");

    bool busy = false;
    uint64_t longest = clock_seconds(engine->conf->deadline) + OVERDUE;
    for (size_t i = engine->session_count; i-- > 0;) {
        struct session *session = engine->sessions[i];
        if (session_is_idle(session))
            continue;
        if (now - session_started(session) <= longest) {
            busy = true;
            continue;
        }
        /* Its lookups were answered at their deadlines, just above or earlier. */
        lose_session(engine, session, "a query took too long");
    }
    if (busy || !TAILQ_EMPTY(&engine->outstanding))
        start_tick(engine);
}

/* Maps that have a query under way, by its age. */
struct busy_maps {
    const struct map *young[CONF_CONNECTIONS_MAX + 1];
    const struct map *older[CONF_CONNECTIONS_MAX + 1];
    size_t stuck; /* queries of maps that are stuck */
};

static void find_busy_maps(const struct engine *engine, struct busy_maps *maps)
{
    size_t young = 0;
    size_t older = 0;
    uint64_t now = clock_now();
    maps->stuck = 0;
    for (size_t i = 0; i < engine->session_count; i++) {
        struct session *session = engine->sessions[i];
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
    for (size_t i = 0; i < engine->session_count; i++)
        idle += session_is_idle(engine->sessions[i]);
    return idle;
}

void engine_run(struct engine *engine)
{
    if (engine->lanes.waiting == 0)
        return;
    if (engine->step < STATEMENT_STEP_MAX && clock_now() >= engine->step_until)
        engine->step = STATEMENT_STEP_MAX;
    for (size_t i = 0; i < engine->session_count;) {
        struct session *session = engine->sessions[i];
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
        bool last = engine->session_count > 1 && count_idle(engine) == 1;
        struct lanes_choice choice = {
            .connected = session_connected(session),
            .step = engine->step,
            .never = last ? busy.older : NULL,
            .only_full = busy.young,
            .no_stuck = engine->session_count > 1 && busy.stuck + 1 >= engine->session_count,
        };
        if (!lanes_fill(&engine->lanes, batch, &choice)) {
            i++;
            continue;
        }
        for (size_t k = 0; k < batch->count; k++)
            batch->lookups[k]->session = session;
        start_tick(engine);
        bool only_one = engine->outstanding_count == 1;
        session_run(session, batch_step(batch));
        /* It may have failed at once, and have gone: look at this place again. */
        if (only_one && i < engine->session_count && engine->sessions[i] == session)
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
    counts.connections = (unsigned)engine->session_count;
    counts.outstanding = (unsigned)engine->outstanding_count;
    return counts;
}

struct engine *engine_new(struct event_base *base, const struct conf *conf,
                          const struct credentials *credentials, engine_changed *changed,
                          void *context)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->base = base;
    engine->conf = conf;
    engine->credentials = credentials;
    engine->changed = changed;
    engine->context = context;
    engine->state = ENGINE_CONNECTING;
    engine->step = STATEMENT_STEP_MAX;
    lanes_init(&engine->lanes);
    TAILQ_INIT(&engine->outstanding);
    evtimer_assign(&engine->tick, base, on_tick, engine);
    evtimer_assign(&engine->pause, base, on_pause_over, engine);
    evtimer_assign(&engine->grown, base, on_grown, engine);
    engine->sessions = calloc((size_t)conf->database.connections, sizeof(struct session *));
    engine->connector = connector_new(base, on_connected, engine);
    if (engine->sessions == NULL || engine->connector == NULL) {
        free(engine->sessions);
        free(engine);
        return NULL;
    }
    connect_more(engine);
    return engine;
}

bool engine_free(struct engine *engine, uint64_t deadline)
{
    while (!TAILQ_EMPTY(&engine->outstanding))
        finish(engine, TAILQ_FIRST(&engine->outstanding), "lookupd is stopping");
    event_del(&engine->tick);
    event_del(&engine->pause);
    event_del(&engine->grown);
    while (engine->session_count > 0)
        remove_session(engine, engine->sessions[0]);
    bool joined = connector_free(engine->connector, deadline);
    free(engine->sessions);
    free(engine);
    return joined;
}
