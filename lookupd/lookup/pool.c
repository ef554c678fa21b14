#include "lookup/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/connector.h"
#include "lookup/hosts.h"

#include <errmsg.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

/* Pauses between attempts at further connections, while there are some. */
#define PAUSE_FIRST (CLOCK_SECOND / 20)
#define PAUSE_MOST  (CLOCK_SECOND * 4 / 5)
/* So many connections may be lost in a row, each before it answered anything, without a pause. */
#define USELESS_MOST 8
/* Attempts to connect that are cut off sooner than this are repeated so often without a pause. */
#define QUICK      (CLOCK_SECOND / 2)
#define QUICK_MOST 3
/* That the database cannot be reached is logged again this often. */
#define SAY_AGAIN (60 * CLOCK_SECOND)
/* A host is not suspected more often: a query that waits for a lock says so again and again. */
#define SUSPECT_AGAIN CLOCK_SECOND
/* How long the lag of a replica may be unknown before it counts as more than max_lag. */
#define UNSURE_MOST (5 * CLOCK_SECOND)

struct pool_host {
    struct pool *pool;
    size_t index;
    const char *name;
    struct connector *connector; /* NULL: not needed yet */
    enum connect_purpose purpose;
    uint64_t asked;
    unsigned quick_failures; /* attempts in a row that were begun and cut off at once */
    uint64_t suspected;
    uint64_t unsure; /* since when its checks fail; 0: they do not */
    unsigned number; /* an error of MariaDB or Connector/C, or 0 */
    char why[700];   /* it is not good: names the host */
    unsigned said_number;
    uint64_t said; /* that it cannot be reached */
};

struct pool_session {
    struct session *session;
    size_t host;
};

struct pool {
    struct event_base *base;
    const struct conf *conf;
    const struct credentials *credentials;
    struct pool_owner owner;
    enum pool_state state;
    bool retired; /* connects no more */

    struct hosts *hosts;
    struct pool_host *list;
    size_t last_used;
    struct event timer; /* until something is to be asked */
    uint64_t pause_length;
    uint64_t paused;  /* no further connection to the host in use before this */
    unsigned useless; /* connections lost in a row that had answered nothing */
    struct log_limit lost_lines;
    struct log_limit down_lines;
    bool moving; /* sessions are given up, and nothing is wrong */

    struct pool_session *sessions;
    size_t session_count;
    uint64_t connects;
};

static void steer(struct pool *pool);

/* ---- sessions ---- */

static void set_state(struct pool *pool, enum pool_state state)
{
    if (pool->state == state)
        return;
    pool->state = state;
    pool->owner.changed(state, pool->owner.context);
}

static size_t find_session(const struct pool *pool, const struct session *session)
{
    size_t i = 0;
    while (i < pool->session_count && pool->sessions[i].session != session)
        i++;
    return i;
}

static void remove_session(struct pool *pool, struct session *session)
{
    size_t i = find_session(pool, session);
    if (i == pool->session_count)
        return;
    pool->sessions[i] = pool->sessions[--pool->session_count];
    session_close(session);
}

/* Connections that go to a host. */
static size_t count_on(const struct pool *pool, size_t host)
{
    size_t count = 0;
    for (size_t i = 0; i < pool->session_count; i++)
        count += pool->sessions[i].host == host;
    return count;
}

static size_t host_of(const struct pool *pool, const struct session *session)
{
    size_t i = find_session(pool, session);
    return i < pool->session_count ? pool->sessions[i].host : HOSTS_NONE;
}

/*
 * Closes what goes to other hosts than this. What is under way there is asked again elsewhere, but
 * for a host that is as good as ever: its answers come in a moment.
 */
static void close_others(struct pool *pool, size_t host)
{
    static const struct session_end end = {
        .kind = DBERROR_CONNECTION, .number = CR_SERVER_LOST, .text = "another host is used now"};
    bool full = pool->session_count + 1 >= POOL_SESSIONS(pool->conf->database.connections);
    pool->moving = true;
    for (size_t i = pool->session_count; i-- > 0;) {
        if (i >= pool->session_count || pool->sessions[i].host == host)
            continue;
        struct session *session = pool->sessions[i].session;
        if (session_is_idle(session))
            remove_session(pool, session);
        else if (full || hosts_state(pool->hosts, pool->sessions[i].host) != HOST_GOOD)
            pool->owner.ended(session, &end, pool->owner.context);
    }
    pool->moving = false;
}

static void pause_filling(struct pool *pool, uint64_t now)
{
    pool->pause_length = pool->pause_length == 0 ? PAUSE_FIRST : pool->pause_length * 2;
    if (pool->pause_length > PAUSE_MOST)
        pool->pause_length = PAUSE_MOST;
    /* Workers must not come back all at once. */
    uint64_t half = pool->pause_length / 2;
    pool->paused = now + half + arc4random_uniform((uint32_t)half);
}

/* ---- what is said ---- */

/* No host can be used: why, at once, and now and then; and when the reason has changed. */
static void say_unreachable(struct pool *pool, uint64_t now)
{
    for (size_t i = 0; i < hosts_count(pool->hosts); i++) {
        struct pool_host *host = &pool->list[i];
        if ((pool->state == POOL_DOWN && host->number == host->said_number &&
             now - host->said < SAY_AGAIN) ||
            !log_allows(&pool->down_lines))
            continue;
        host->said = now;
        host->said_number = host->number;
        log_warning("database %s", host->why);
    }
}

static void say_used(struct pool *pool, size_t host, bool first)
{
    const char *name = pool->list[host].name;
    if (host == pool->last_used || (first && host == 0)) {
        if (pool->state == POOL_DOWN || first)
            log_info("database %s: connected", name);
        return;
    }
    if (pool->last_used != HOSTS_NONE && host < pool->last_used &&
        hosts_state(pool->hosts, pool->last_used) != HOST_DOWN) {
        log_info("database %s: good again; using it", name);
        return;
    }
    size_t worse = pool->last_used == HOSTS_NONE ? 0 : pool->last_used;
    log_warning("database %s; using %s", pool->list[worse].why, name);
}

/* ---- hosts ---- */

static void on_answered(MYSQL *mysql, const struct health *health,
                        const struct connect_error *error, void *context);

static void ask(struct pool *pool, size_t index, enum connect_purpose purpose, uint64_t now)
{
    struct pool_host *host = &pool->list[index];
    if (host->connector == NULL)
        host->connector = connector_new(pool->base, on_answered, host);
    hosts_ask(pool->hosts, index, now);
    host->purpose = purpose;
    host->asked = now;
    if (host->connector == NULL) {
        snprintf(host->why, sizeof host->why, "%s: no memory or threads", host->name);
        hosts_report(pool->hosts, index, HOST_DOWN, now);
        return;
    }
    connector_ask(host->connector, purpose, host->name, pool->conf, pool->credentials);
}

static bool is_kept_for_checks(const struct pool *pool, size_t host)
{
    size_t used = hosts_used(pool->hosts);
    return host < used || (host == used && hosts_is_watched(pool->hosts, host)) ||
           (used != HOSTS_NONE && hosts_state(pool->hosts, used) == HOST_LESSER);
}

static void forget_checks(struct pool *pool)
{
    for (size_t i = 0; i < hosts_count(pool->hosts); i++)
        if (pool->list[i].connector && !is_kept_for_checks(pool, i))
            connector_forget(pool->list[i].connector);
}

/* The host in use is none any more. */
static void use_none(struct pool *pool, uint64_t now)
{
    hosts_use(pool->hosts, HOSTS_NONE, now);
    if (pool->state == POOL_LIVE)
        set_state(pool, POOL_CONNECTING);
}

static void find_down(struct pool *pool, uint64_t now)
{
    if (!hosts_all_down(pool->hosts))
        return;
    if (count_on(pool, hosts_used(pool->hosts)) == 0) {
        say_unreachable(pool, now);
        set_state(pool, POOL_DOWN);
    }
    pool->owner.failed(pool->owner.context);
}

/* Ended while it was being made (KILL, a restart): that says little about the next one. */
static bool was_cut_off(const struct pool_host *host, unsigned number, uint64_t now)
{
    return dberror_kind(number) == DBERROR_CONNECTION && number != 0 &&
           number != CR_CONNECTION_ERROR && number != CR_CONN_HOST_ERROR &&
           now - host->asked < QUICK;
}

/* The host itself says that it is not fit to answer; else it only could not be asked. */
static bool is_verdict(const struct health *health)
{
    return health->number == 0 && health->text[0] != '\0';
}

/* The host in use is not fit to answer: not one more answer comes from there. */
static void leave(struct pool *pool, size_t host, uint64_t now)
{
    hosts_report(pool->hosts, host, HOST_DOWN, now);
    close_others(pool, HOSTS_NONE);
    use_none(pool, now);
    find_down(pool, now);
}

static void take_refusal(struct pool_host *host, const struct health *health, unsigned number,
                         uint64_t now)
{
    struct pool *pool = host->pool;
    if (!is_verdict(health) && was_cut_off(host, number, now) &&
        host->quick_failures++ < QUICK_MOST) {
        hosts_report(pool->hosts, host->index, HOST_UNKNOWN, now);
        return;
    }
    if (host->index == hosts_used(pool->hosts) && is_verdict(health)) {
        leave(pool, host->index, now);
        return;
    }
    if (host->index == hosts_used(pool->hosts)) {
        /* The connections that are there still answer. */
        hosts_report(pool->hosts, host->index, hosts_state(pool->hosts, host->index), now);
        pause_filling(pool, now);
        pool->owner.failed(pool->owner.context);
        return;
    }
    hosts_report(pool->hosts, host->index, HOST_DOWN, now);
    find_down(pool, now);
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
        hosts_prove(pool->hosts, hosts_used(pool->hosts));
    }
    pool->owner.ended(session, end, pool->owner.context);
    /* The last answer of a host that is not used any more. */
    size_t host = host_of(pool, session);
    size_t used = hosts_used(pool->hosts);
    if (!pool->retired && host != HOSTS_NONE && used != HOSTS_NONE && host != used &&
        session_is_idle(session))
        remove_session(pool, session);
}

static void take_connection(struct pool_host *host, MYSQL *mysql, enum host_state state,
                            uint64_t now)
{
    struct pool *pool = host->pool;
    size_t used = hosts_used(pool->hosts);
    host->quick_failures = 0;
    hosts_report(pool->hosts, host->index, state, now);
    if (hosts_wanted(pool->hosts, now) != host->index ||
        (host->index == used && count_on(pool, used) >= (size_t)pool->conf->database.connections)) {
        mysql_close(mysql);
        return;
    }
    struct session_owner owner = {.ended = on_ended, .lost = on_lost, .context = pool};
    struct session *session = session_new(pool->base, mysql, &owner);
    if (session == NULL) {
        snprintf(host->why, sizeof host->why, "%s: no memory", host->name);
        hosts_report(pool->hosts, host->index, HOST_DOWN, now);
        find_down(pool, now);
        return;
    }
    bool first = pool->connects++ == 0;
    if (host->index != used) {
        say_used(pool, host->index, first);
        hosts_use(pool->hosts, host->index, now);
        close_others(pool, host->index);
        forget_checks(pool);
        pool->last_used = host->index;
        /* Else this connection, too, is likely to be lost at once. */
        if (pool->useless <= USELESS_MOST)
            pool->paused = 0;
    }
    pool->sessions[pool->session_count++] =
        (struct pool_session){.session = session, .host = host->index};
    if (host->index != used && pool->state == POOL_LIVE)
        pool->owner.changed(POOL_LIVE, pool->owner.context); /* by another host */
    set_state(pool, POOL_LIVE);
}

/* A check of the host in use that came to nothing, while its connections go on answering. */
static bool is_unsure(struct pool_host *host, const struct health *health, uint64_t now)
{
    if (is_verdict(health))
        return false;
    if (host->unsure == 0)
        host->unsure = now;
    return host->pool->conf->database.max_lag == 0 || now - host->unsure < UNSURE_MOST;
}

static void take_check(struct pool_host *host, const struct health *health, bool suspected,
                       uint64_t now)
{
    struct pool *pool = host->pool;
    enum host_state before = hosts_state(pool->hosts, host->index);
    bool used = host->index == hosts_used(pool->hosts);
    if (health->state != HOST_DOWN)
        host->unsure = 0;
    if (!used) {
        hosts_report(pool->hosts, host->index, health->state, now);
    } else if (health->state == HOST_DOWN && is_unsure(host, health, now)) {
        hosts_report(pool->hosts, host->index, suspected ? HOST_DOWN : before, now);
    } else if (health->state == HOST_DOWN) {
        leave(pool, host->index, now);
    } else {
        hosts_report(pool->hosts, host->index, health->state, now);
        if (health->state == HOST_LESSER && before != HOST_LESSER)
            log_warning("database %s", host->why);
    }
    forget_checks(pool);
}

static void on_answered(MYSQL *mysql, const struct health *health,
                        const struct connect_error *error, void *context)
{
    struct pool_host *host = context;
    struct pool *pool = host->pool;
    uint64_t now = clock_now();
    if (pool->retired) {
        if (mysql)
            mysql_close(mysql);
        return;
    }
    if (health->cluster && hosts_count(pool->hosts) > 1)
        hosts_watch(pool->hosts, host->index);
    host->number = error->number;
    if (health->state != HOST_GOOD)
        snprintf(host->why, sizeof host->why, "%s", error->text);
    if (host->purpose == CONNECT_TO_CHECK)
        take_check(host, health, hosts_is_suspected(pool->hosts, host->index), now);
    else if (mysql)
        take_connection(host, mysql, health->state, now);
    else
        take_refusal(host, health, error->number, now);
    steer(pool);
}

/* ---- what is to be done ---- */

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    steer(context);
}

/* A connection to the host that should be used, where there are not enough yet. */
static void fill(struct pool *pool, uint64_t now, uint64_t *until)
{
    size_t used = hosts_used(pool->hosts);
    size_t wanted = hosts_wanted(pool->hosts, now);
    if (wanted == HOSTS_NONE || hosts_is_asked(pool->hosts, wanted))
        return;
    if (wanted == used && count_on(pool, used) >= (size_t)pool->conf->database.connections)
        return;
    if (wanted != used || pool->paused <= now)
        ask(pool, wanted, CONNECT_TO_ASK, now);
    else if (pool->paused < *until)
        *until = pool->paused;
}

/* After everything that happens. */
static void steer(struct pool *pool)
{
    if (pool->retired)
        return;
    uint64_t now = clock_now();
    uint64_t until;
    size_t host;
    while ((host = hosts_next(pool->hosts, now, &until)) != HOSTS_NONE) {
        size_t used = hosts_used(pool->hosts);
        bool sought =
            used == HOSTS_NONE || (hosts_state(pool->hosts, used) == HOST_DOWN && host != used);
        ask(pool, host, sought ? CONNECT_TO_ASK : CONNECT_TO_CHECK, now);
    }
    fill(pool, now, &until);
    if (until == UINT64_MAX) {
        event_del(&pool->timer);
        return;
    }
    struct timeval pause = clock_timeval((until > now ? until - now : 0) + CLOCK_SECOND / 1000);
    event_add(&pool->timer, &pause);
}

void pool_lose(struct pool *pool, struct session *session, const char *why)
{
    size_t index = host_of(pool, session);
    if (pool->moving || pool->retired || index == HOSTS_NONE) {
        remove_session(pool, session);
        return;
    }
    struct pool_host *host = &pool->list[index];
    if (!session_is_proven(session))
        pool->useless++;
    snprintf(host->why, sizeof host->why, "%s: connection lost: %s", host->name, why);
    if (log_allows(&pool->lost_lines))
        log_warning("database %s", host->why);
    remove_session(pool, session);
    uint64_t now = clock_now();
    /* A server that takes connections and answers nothing must not be met with a storm of them. */
    bool useless = pool->useless > USELESS_MOST;
    if (useless) {
        hosts_distrust(pool->hosts, index, now);
        pause_filling(pool, now);
    }
    if (hosts_used(pool->hosts) == index && count_on(pool, index) == 0) {
        use_none(pool, now);
        if (useless && !hosts_is_asked(pool->hosts, index))
            hosts_report(pool->hosts, index, HOST_DOWN, now);
        find_down(pool, now);
    } else if (useless) {
        pool->owner.failed(pool->owner.context);
    }
    steer(pool);
}

void pool_suspect(struct pool *pool, const struct session *session)
{
    size_t index = host_of(pool, session);
    uint64_t now = clock_now();
    if (pool->retired || hosts_count(pool->hosts) == 1 || index == HOSTS_NONE ||
        index != hosts_used(pool->hosts) || now - pool->list[index].suspected < SUSPECT_AGAIN)
        return;
    struct pool_host *host = &pool->list[index];
    host->suspected = now;
    snprintf(host->why, sizeof host->why, "%s: does not answer", host->name);
    if (!hosts_is_asked(pool->hosts, index))
        ask(pool, index, CONNECT_TO_CHECK, now);
    hosts_suspect(pool->hosts, index);
    steer(pool);
}

bool pool_blame(struct pool *pool, const struct session *session, const char *why)
{
    size_t index = host_of(pool, session);
    if (pool->retired || index == HOSTS_NONE || !hosts_blame(pool->hosts, index, clock_now()))
        return false;
    snprintf(pool->list[index].why, sizeof pool->list[index].why, "%s: %s", pool->list[index].name,
             why);
    steer(pool);
    return true;
}

enum pool_state pool_state(const struct pool *pool)
{
    return pool->state;
}

const char *pool_host(const struct pool *pool)
{
    size_t used = hosts_used(pool->hosts);
    return used == HOSTS_NONE || used == 0 ? NULL : pool->list[used].name;
}

size_t pool_count(const struct pool *pool)
{
    return pool->session_count;
}

struct session *pool_session(const struct pool *pool, size_t i)
{
    return pool->sessions[i].session;
}

uint64_t pool_connects(const struct pool *pool)
{
    return pool->connects;
}

static bool set_up(struct pool *pool)
{
    const struct conf_database *database = &pool->conf->database;
    size_t count = 1; /* the setting asks for one */
    while (database->hosts[count])
        count++;
    pool->hosts = hosts_new(count, database->max_lag > 0);
    pool->list = calloc(count, sizeof *pool->list);
    pool->sessions = calloc(POOL_SESSIONS(database->connections), sizeof *pool->sessions);
    if (pool->hosts == NULL || pool->list == NULL || pool->sessions == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pool_host *host = &pool->list[i];
        host->pool = pool;
        host->index = i;
        host->name = database->hosts[i];
        snprintf(host->why, sizeof host->why, "%s: does not answer", host->name);
    }
    pool->list[0].connector = connector_new(pool->base, on_answered, &pool->list[0]);
    return pool->list[0].connector != NULL;
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
    pool->last_used = HOSTS_NONE;
    evtimer_assign(&pool->timer, base, on_timer, pool);
    if (!set_up(pool)) {
        hosts_free(pool->hosts);
        free(pool->list);
        free(pool->sessions);
        free(pool);
        return NULL;
    }
    steer(pool);
    return pool;
}

void pool_retire(struct pool *pool)
{
    pool->retired = true;
    event_del(&pool->timer);
}

void pool_close_idle(struct pool *pool, struct session *session)
{
    remove_session(pool, session);
}

bool pool_is_connecting(const struct pool *pool)
{
    for (size_t i = 0; i < hosts_count(pool->hosts); i++)
        if (pool->list[i].connector && connector_is_busy(pool->list[i].connector))
            return true;
    return false;
}

bool pool_free(struct pool *pool, uint64_t deadline)
{
    event_del(&pool->timer);
    while (pool->session_count > 0)
        remove_session(pool, pool->sessions[0].session);
    size_t count = hosts_count(pool->hosts);
    for (size_t i = 0; i < count; i++)
        if (pool->list[i].connector)
            connector_stop(pool->list[i].connector);
    bool joined = true;
    for (size_t i = 0; i < count; i++)
        if (pool->list[i].connector && !connector_free(pool->list[i].connector, deadline))
            joined = false;
    hosts_free(pool->hosts);
    free(pool->list);
    free(pool->sessions);
    free(pool);
    return joined;
}
