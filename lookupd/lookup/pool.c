#include "lookup/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/contact.h"
#include "lookup/hosts.h"
#include "lookup/sessions.h"

#include <errmsg.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

/* Pauses between attempts at further connections, while there are some. */
#define PAUSE_FIRST (CLOCK_SECOND / 20)
#define PAUSE_MOST  (CLOCK_SECOND * 4 / 5)
/* So many connections may be lost in a row, each before it answered anything, without a pause. */
#define USELESS_MOST 8

struct pool {
    struct event_base *base;
    const struct conf *conf;
    const struct credentials *credentials;
    struct pool_owner owner;
    enum pool_state state;
    bool retired; /* connects no more */

    struct hosts *hosts;
    struct contact *contacts;
    size_t last_used;
    struct event timer; /* until something is to be asked */
    uint64_t pause_length;
    uint64_t paused;  /* no further connection to the host in use before this */
    unsigned useless; /* connections lost in a row that had answered nothing */
    struct log_limit lost_lines;
    struct log_limit down_lines;
    bool moving; /* sessions are given up, and nothing is wrong */

    struct sessions sessions;
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

/*
 * Closes what goes to other hosts than this. What is under way there is asked again elsewhere, but
 * for a host that is as good as ever: its answers come in a moment.
 */
static void close_others(struct pool *pool, size_t host)
{
    static const struct session_end end = {.kind = DBERROR_CONNECTION,
                                           .number = CR_SERVER_LOST,
                                           .given_up = true,
                                           .text = "another host is used now"};
    bool full = pool->sessions.count + 1 >= pool->sessions.most;
    pool->moving = true;
    for (size_t i = pool->sessions.count; i-- > 0;) {
        if (i >= pool->sessions.count || pool->sessions.list[i].host == host)
            continue;
        struct session *session = pool->sessions.list[i].session;
        if (session_is_idle(session))
            sessions_remove(&pool->sessions, session);
        else if (full || hosts_state(pool->hosts, pool->sessions.list[i].host) != HOST_GOOD)
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
    for (size_t i = 0; i < hosts_count(pool->hosts); i++)
        contact_say_unreachable(&pool->contacts[i], pool->state == POOL_DOWN, &pool->down_lines,
                                now);
}

static void say_used(struct pool *pool, size_t host, bool first)
{
    const char *name = pool->contacts[host].name;
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
    log_warning("database %s; using %s", pool->contacts[worse].why, name);
}

/* ---- hosts ---- */

static void ask(struct pool *pool, size_t index, enum connect_purpose purpose, uint64_t now)
{
    hosts_ask(pool->hosts, index, now);
    if (!contact_ask(&pool->contacts[index], purpose, pool->conf, pool->credentials, now))
        hosts_report(pool->hosts, index, HOST_DOWN, now);
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
        if (!is_kept_for_checks(pool, i))
            contact_forget(&pool->contacts[i]);
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
    if (sessions_count_on(&pool->sessions, hosts_used(pool->hosts)) == 0) {
        say_unreachable(pool, now);
        set_state(pool, POOL_DOWN);
    }
    pool->owner.failed(pool->owner.context);
}

/* The host in use is not fit to answer: not one more answer comes from there. */
static void leave(struct pool *pool, size_t host, uint64_t now)
{
    hosts_report(pool->hosts, host, HOST_DOWN, now);
    close_others(pool, HOSTS_NONE);
    use_none(pool, now);
    find_down(pool, now);
}

static void take_refusal(struct pool *pool, struct contact *host, const struct health *health,
                         unsigned number, uint64_t now)
{
    if (contact_was_cut_off(host, health, number, now)) {
        hosts_report(pool->hosts, host->index, HOST_UNKNOWN, now);
        return;
    }
    if (host->index == hosts_used(pool->hosts) && contact_is_verdict(health)) {
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
    size_t host = sessions_host(&pool->sessions, session);
    size_t used = hosts_used(pool->hosts);
    if (!pool->retired && host != HOSTS_NONE && used != HOSTS_NONE && host != used &&
        session_is_idle(session))
        sessions_remove(&pool->sessions, session);
}

static void take_connection(struct pool *pool, struct contact *host, MYSQL *mysql,
                            enum host_state state, uint64_t now)
{
    size_t used = hosts_used(pool->hosts);
    hosts_report(pool->hosts, host->index, state, now);
    if (hosts_wanted(pool->hosts, now) != host->index ||
        (host->index == used &&
         sessions_count_on(&pool->sessions, used) >= (size_t)pool->conf->database.connections)) {
        mysql_close(mysql);
        return;
    }
    struct session_owner owner = {.ended = on_ended, .lost = on_lost, .context = pool};
    struct session *session = session_new(pool->base, mysql, &owner);
    if (session == NULL) {
        contact_note(host, "no memory");
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
    sessions_add(&pool->sessions, session, host->index);
    if (host->index != used && pool->state == POOL_LIVE)
        pool->owner.changed(POOL_LIVE, pool->owner.context); /* by another host */
    set_state(pool, POOL_LIVE);
}

static void take_check(struct pool *pool, struct contact *host, const struct health *health,
                       bool suspected, uint64_t now)
{
    enum host_state before = hosts_state(pool->hosts, host->index);
    bool used = host->index == hosts_used(pool->hosts);
    if (!used) {
        hosts_report(pool->hosts, host->index, health->state, now);
    } else if (health->state == HOST_DOWN &&
               contact_is_unsure(host, health, pool->conf->database.max_lag, now)) {
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

static void on_answered(struct contact *host, MYSQL *mysql, const struct health *health,
                        unsigned number, void *context)
{
    struct pool *pool = context;
    uint64_t now = clock_now();
    if (pool->retired) {
        if (mysql)
            mysql_close(mysql);
        return;
    }
    if (health->cluster && hosts_count(pool->hosts) > 1)
        hosts_watch(pool->hosts, host->index);
    if (host->purpose == CONNECT_TO_CHECK)
        take_check(pool, host, health, hosts_is_suspected(pool->hosts, host->index), now);
    else if (mysql)
        take_connection(pool, host, mysql, health->state, now);
    else
        take_refusal(pool, host, health, number, now);
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
    if (wanted == used &&
        sessions_count_on(&pool->sessions, used) >= (size_t)pool->conf->database.connections)
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
    size_t index = sessions_host(&pool->sessions, session);
    if (pool->moving || pool->retired || index == HOSTS_NONE) {
        sessions_remove(&pool->sessions, session);
        return;
    }
    struct contact *host = &pool->contacts[index];
    if (!session_is_proven(session))
        pool->useless++;
    contact_note(host, "connection lost: %s", why);
    if (log_allows(&pool->lost_lines))
        log_warning("database %s", host->why);
    sessions_remove(&pool->sessions, session);
    uint64_t now = clock_now();
    /* A server that takes connections and answers nothing must not be met with a storm of them. */
    bool useless = pool->useless > USELESS_MOST;
    if (useless) {
        hosts_distrust(pool->hosts, index, now);
        pause_filling(pool, now);
    }
    if (hosts_used(pool->hosts) == index && sessions_count_on(&pool->sessions, index) == 0) {
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
    size_t index = sessions_host(&pool->sessions, session);
    uint64_t now = clock_now();
    if (pool->retired || hosts_count(pool->hosts) == 1 || index == HOSTS_NONE ||
        index != hosts_used(pool->hosts) || !contact_suspect(&pool->contacts[index], now))
        return;
    if (!hosts_is_asked(pool->hosts, index))
        ask(pool, index, CONNECT_TO_CHECK, now);
    hosts_suspect(pool->hosts, index);
    steer(pool);
}

bool pool_blame(struct pool *pool, const struct session *session, const char *why)
{
    size_t index = sessions_host(&pool->sessions, session);
    if (pool->retired || index == HOSTS_NONE || !hosts_blame(pool->hosts, index, clock_now()))
        return false;
    contact_note(&pool->contacts[index], "%s", why);
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
    return used == HOSTS_NONE || used == 0 ? NULL : pool->contacts[used].name;
}

size_t pool_count(const struct pool *pool)
{
    return pool->sessions.count;
}

struct session *pool_session(const struct pool *pool, size_t i)
{
    return pool->sessions.list[i].session;
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
    pool->contacts = calloc(count, sizeof *pool->contacts);
    if (pool->hosts == NULL || pool->contacts == NULL ||
        !sessions_init(&pool->sessions, POOL_SESSIONS(database->connections)))
        return false;
    for (size_t i = 0; i < count; i++)
        contact_init(&pool->contacts[i], pool->base, i, database->hosts[i], on_answered, pool);
    return contact_prepare(&pool->contacts[0]);
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
        free(pool->contacts);
        sessions_clear(&pool->sessions);
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
    sessions_remove(&pool->sessions, session);
}

bool pool_is_connecting(const struct pool *pool)
{
    for (size_t i = 0; i < hosts_count(pool->hosts); i++)
        if (contact_is_busy(&pool->contacts[i]))
            return true;
    return false;
}

bool pool_free(struct pool *pool, uint64_t deadline)
{
    event_del(&pool->timer);
    sessions_clear(&pool->sessions);
    size_t count = hosts_count(pool->hosts);
    for (size_t i = 0; i < count; i++)
        contact_stop(&pool->contacts[i]);
    bool joined = true;
    for (size_t i = 0; i < count; i++)
        if (!contact_clear(&pool->contacts[i], deadline))
            joined = false;
    hosts_free(pool->hosts);
    free(pool->contacts);
    free(pool);
    return joined;
}
