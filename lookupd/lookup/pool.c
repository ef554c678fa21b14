#include "lookup/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/connector.h"

#include <errmsg.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

/* Pauses between attempts to connect: short enough to be back within a second of the server. */
#define PAUSE_FIRST (CLOCK_SECOND / 20)
#define PAUSE_MOST  (CLOCK_SECOND * 4 / 5)
/* So many connections may be lost in a row, each before it answered anything, without a pause. */
#define USELESS_MOST 8
/* Attempts to connect that are cut off sooner than this are repeated so often without a pause. */
#define QUICK      (CLOCK_SECOND / 2)
#define QUICK_MOST 3
/* That the database cannot be reached is logged again this often. */
#define SAY_AGAIN (60 * CLOCK_SECOND)

struct pool {
    struct event_base *base;
    const struct conf *conf;
    const struct credentials *credentials;
    struct pool_owner owner;
    enum pool_state state;
    bool retired; /* connects no more */

    struct connector *connector;
    struct event pause; /* until the next attempt to connect */
    uint64_t pause_length;
    uint64_t attempted;      /* when the last attempt to connect began */
    unsigned quick_failures; /* attempts in a row that were begun and cut off at once */
    unsigned useless;        /* connections lost in a row that had answered nothing */
    uint64_t said_unreachable;
    unsigned said_number; /* why, as said then */
    struct log_limit unreachable_lines, lost_lines;

    struct session **sessions;
    size_t session_count;
    uint64_t connects;
};

static void connect_more(struct pool *pool);

static void set_state(struct pool *pool, enum pool_state state)
{
    if (pool->state == state)
        return;
    pool->state = state;
    pool->owner.changed(state, pool->owner.context);
}

static void pause_connecting(struct pool *pool)
{
    if (pool->retired)
        return;
    if (pool->pause_length == 0)
        pool->pause_length = PAUSE_FIRST;
    else if (pool->pause_length < PAUSE_MOST)
        pool->pause_length *= 2;
    if (pool->pause_length > PAUSE_MOST)
        pool->pause_length = PAUSE_MOST;
    /* Workers must not come back all at once. */
    uint64_t half = pool->pause_length / 2;
    struct timeval pause = clock_timeval(half + arc4random_uniform((uint32_t)half));
    event_add(&pool->pause, &pause);
    if (pool->session_count == 0)
        set_state(pool, POOL_DOWN);
    pool->owner.failed(pool->owner.context);
}

/* Whether an attempt to connect is possible: one is wanted, and there is no reason to wait. */
static bool may_connect(const struct pool *pool)
{
    return !pool->retired && pool->session_count < (size_t)pool->conf->database.connections &&
           !event_pending(&pool->pause, EV_TIMEOUT, NULL) && !connector_is_busy(pool->connector);
}

static void attempt(struct pool *pool)
{
    if (may_connect(pool) && connector_ask(pool->connector, pool->conf, pool->credentials))
        pool->attempted = clock_now();
}

static void connect_more(struct pool *pool)
{
    /* A server that takes connections and answers nothing must not be met with a storm of them. */
    if (pool->useless > USELESS_MOST && may_connect(pool))
        pause_connecting(pool);
    else
        attempt(pool);
    if (pool->session_count == 0 && pool->state == POOL_LIVE)
        set_state(pool, POOL_CONNECTING);
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
    attempt(context);
}

static void remove_session(struct pool *pool, struct session *session)
{
    for (size_t i = 0; i < pool->session_count; i++)
        if (pool->sessions[i] == session)
            pool->sessions[i] = pool->sessions[--pool->session_count];
    session_close(session);
}

void pool_lose(struct pool *pool, struct session *session, const char *why)
{
    if (!session_is_proven(session))
        pool->useless++;
    if (log_allows(&pool->lost_lines))
        log_warning("database %s: connection lost: %s", session_host(session), why);
    remove_session(pool, session);
    connect_more(pool);
}

static void on_lost(struct session *session, void *context)
{
    pool_lose(context, session, "closed by the server");
}

static void on_ended(struct session *session, const struct session_end *end, void *context)
{
    struct pool *pool = context;
    if (end->good) {
        pool->useless = 0;
        pool->pause_length = 0;
    }
    pool->owner.ended(session, end, pool->owner.context);
}

/* Ended while it was being made (KILL, a restart): that says little about the next one. */
static bool was_cut_off(const struct pool *pool, unsigned number)
{
    return dberror_kind(number) == DBERROR_CONNECTION && number != 0 &&
           number != CR_CONNECTION_ERROR && number != CR_CONN_HOST_ERROR &&
           clock_now() - pool->attempted < QUICK;
}

static void on_connected(MYSQL *mysql, const struct connect_error *error, void *context)
{
    struct pool *pool = context;
    if (pool->retired) {
        if (mysql)
            mysql_close(mysql);
        return;
    }
    if (mysql == NULL) {
        if (was_cut_off(pool, error->number) && pool->quick_failures++ < QUICK_MOST) {
            connect_more(pool);
            return;
        }
        uint64_t now = clock_now();
        /* An outage may have several causes, one after the other: each is said. */
        if (pool->state != POOL_DOWN || now - pool->said_unreachable >= SAY_AGAIN ||
            (pool->said_number != error->number && log_allows(&pool->unreachable_lines))) {
            pool->said_unreachable = now;
            pool->said_number = error->number;
            log_warning("database %s", error->text);
        }
        pause_connecting(pool);
        return;
    }
    struct session_owner owner = {.ended = on_ended, .lost = on_lost, .context = pool};
    struct session *session = session_new(pool->base, mysql, &owner);
    if (session == NULL) {
        pause_connecting(pool);
        return;
    }
    pool->quick_failures = 0;
    pool->connects++;
    pool->sessions[pool->session_count++] = session;
    if (pool->state == POOL_DOWN || pool->connects == 1)
        log_info("database %s: connected", session_host(session));
    set_state(pool, POOL_LIVE);
    connect_more(pool);
}

enum pool_state pool_state(const struct pool *pool)
{
    return pool->state;
}

size_t pool_count(const struct pool *pool)
{
    return pool->session_count;
}

struct session *pool_session(const struct pool *pool, size_t i)
{
    return pool->sessions[i];
}

uint64_t pool_connects(const struct pool *pool)
{
    return pool->connects;
}

struct pool *pool_new(struct event_base *base, const struct conf *conf,
                      const struct credentials *credentials, const struct pool_owner *owner)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->base = base;
    pool->conf = conf;
    pool->credentials = credentials;
    pool->owner = *owner;
    pool->state = POOL_CONNECTING;
    evtimer_assign(&pool->pause, base, on_pause_over, pool);
    pool->sessions = calloc((size_t)conf->database.connections, sizeof(struct session *));
    pool->connector = connector_new(base, on_connected, pool);
    if (pool->sessions == NULL || pool->connector == NULL) {
        free(pool->sessions);
        free(pool);
        return NULL;
    }
    connect_more(pool);
    return pool;
}

void pool_retire(struct pool *pool)
{
    pool->retired = true;
    event_del(&pool->pause);
}

void pool_close_idle(struct pool *pool, struct session *session)
{
    remove_session(pool, session);
}

bool pool_is_connecting(const struct pool *pool)
{
    return connector_is_busy(pool->connector);
}

bool pool_free(struct pool *pool, uint64_t deadline)
{
    event_del(&pool->pause);
    while (pool->session_count > 0)
        remove_session(pool, pool->sessions[0]);
    bool joined = connector_free(pool->connector, deadline);
    free(pool->sessions);
    free(pool);
    return joined;
}
