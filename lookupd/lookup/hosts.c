#include "lookup/hosts.h"

#include "common/clock.h"

#include <stdlib.h>

/* Pauses between attempts while no host is good: short enough to be back within a second. */
#define PAUSE_FIRST (CLOCK_SECOND / 20)
#define PAUSE_MOST  (CLOCK_SECOND * 4 / 5)
/* A host that has not answered for so long holds up the next one no longer. */
#define PATIENCE (CLOCK_SECOND * 2 / 5)
/* How often the host in use is checked, and those that would be better, at most. */
#define CHECK_EVERY CLOCK_SECOND
/* How long a host is good before it is used again: at first, and when it has failed each time. */
#define RECOVERY_FIRST (10 * CLOCK_SECOND)
#define RECOVERY_MOST  (640 * CLOCK_SECOND)
/* A host that fails sooner than this after it was returned to had not recovered. */
#define RELAPSE (60 * CLOCK_SECOND)
/* What was known of a host is not worth more than this when another one is needed. */
#define STALE (3 * CLOCK_SECOND)
/* A host that was blamed is not tried again for the same reason before this. */
#define BLAME (60 * CLOCK_SECOND)

struct host {
    enum host_state state;
    bool watched;
    bool asked, suspected;
    uint64_t asked_at; /* when it was last asked, and when that ended */
    uint64_t ended;
    uint64_t pause;      /* while nothing is good: from the end to the next attempt */
    uint64_t pause_base; /* of which pause is a part */
    uint64_t check;      /* otherwise */
    uint64_t good_since;
    uint64_t recovery_base;
    uint64_t recovery; /* how long it must be good */
    uint64_t returned; /* when it was last used again after it had recovered; 0: never */
    uint64_t blamed;   /* 0: never */
};

struct hosts {
    size_t count;
    size_t used;
    struct host list[];
};

/* All workers of all machines see a host fail at one time, and must not all act at one time. */
static uint64_t spread(uint64_t least, uint64_t more)
{
    return least + (uint64_t)arc4random_uniform((uint32_t)(more / 1000000) + 1) * 1000000;
}

static void set_recovery(struct host *host, uint64_t base)
{
    host->recovery_base = base;
    host->recovery = spread(base, base / 2);
}

struct hosts *hosts_new(size_t count, bool watched)
{
    struct hosts *hosts = calloc(1, sizeof *hosts + count * sizeof(struct host));
    if (hosts == NULL)
        return NULL;
    hosts->count = count;
    hosts->used = HOSTS_NONE;
    for (size_t i = 0; i < count; i++) {
        hosts->list[i].watched = watched;
        set_recovery(&hosts->list[i], RECOVERY_FIRST);
    }
    return hosts;
}

void hosts_free(struct hosts *hosts)
{
    free(hosts);
}

size_t hosts_count(const struct hosts *hosts)
{
    return hosts->count;
}

enum host_state hosts_state(const struct hosts *hosts, size_t host)
{
    return hosts->list[host].state;
}

size_t hosts_used(const struct hosts *hosts)
{
    return hosts->used;
}

void hosts_watch(struct hosts *hosts, size_t host)
{
    hosts->list[host].watched = true;
}

bool hosts_is_watched(const struct hosts *hosts, size_t host)
{
    return hosts->list[host].watched;
}

void hosts_ask(struct hosts *hosts, size_t host, uint64_t now)
{
    hosts->list[host].asked = true;
    hosts->list[host].suspected = false;
    hosts->list[host].asked_at = now;
}

bool hosts_is_asked(const struct hosts *hosts, size_t host)
{
    return hosts->list[host].asked;
}

/* A host is needed: what is known only of old is asked anew. */
static void forget_old(struct hosts *hosts, uint64_t now)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->list[i];
        if (i != hosts->used && !host->asked && now - host->ended > STALE) {
            host->state = HOST_UNKNOWN;
            host->pause = host->pause_base = 0;
        }
    }
}

static void set_down(struct hosts *hosts, size_t host, uint64_t now)
{
    struct host *which = &hosts->list[host];
    if (which->state == HOST_DOWN)
        return;
    which->state = HOST_DOWN;
    if (which->returned != 0 && now - which->returned < RELAPSE)
        set_recovery(which, which->recovery_base * 2 > RECOVERY_MOST ? RECOVERY_MOST
                                                                     : which->recovery_base * 2);
    else
        set_recovery(which, RECOVERY_FIRST);
    which->returned = 0;
    if (host == hosts->used)
        forget_old(hosts, now);
}

static void lengthen_pause(struct host *host)
{
    host->pause_base = host->pause_base == 0 ? PAUSE_FIRST : host->pause_base * 2;
    if (host->pause_base > PAUSE_MOST)
        host->pause_base = PAUSE_MOST;
    host->pause = spread(host->pause_base / 2, host->pause_base / 2);
}

void hosts_report(struct hosts *hosts, size_t host, enum host_state state, uint64_t now)
{
    struct host *which = &hosts->list[host];
    which->asked = which->suspected = false;
    which->ended = now;
    which->check = spread(CHECK_EVERY / 2, CHECK_EVERY / 2);
    if (state == HOST_DOWN) {
        lengthen_pause(which);
        set_down(hosts, host, now);
        return;
    }
    if (which->state != HOST_GOOD)
        which->good_since = now;
    which->state = state;
}

void hosts_suspect(struct hosts *hosts, size_t host)
{
    hosts->list[host].suspected = true;
}

bool hosts_is_suspected(const struct hosts *hosts, size_t host)
{
    return hosts->list[host].suspected;
}

void hosts_prove(struct hosts *hosts, size_t host)
{
    if (host != HOSTS_NONE)
        hosts->list[host].pause = hosts->list[host].pause_base = 0;
}

void hosts_distrust(struct hosts *hosts, size_t host, uint64_t now)
{
    hosts->list[host].ended = now;
    lengthen_pause(&hosts->list[host]);
}

bool hosts_blame(struct hosts *hosts, size_t host, uint64_t now)
{
    struct host *which = &hosts->list[host];
    bool other = false;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *each = &hosts->list[i];
        if (i != host && (each->blamed == 0 || now - each->blamed > BLAME) &&
            (each->state != HOST_DOWN || now - each->ended > STALE))
            other = true;
    }
    if (!other || which->state == HOST_DOWN)
        return false;
    which->blamed = now;
    which->ended = now;
    which->check = CHECK_EVERY;
    which->pause = PAUSE_MOST;
    set_down(hosts, host, now);
    return true;
}

void hosts_use(struct hosts *hosts, size_t host, uint64_t now)
{
    size_t before = hosts->used;
    hosts->used = host;
    if (host == HOSTS_NONE) {
        if (before != HOSTS_NONE && hosts->list[before].state != HOST_DOWN)
            hosts->list[before].state = HOST_UNKNOWN;
        forget_old(hosts, now);
    } else if (before != HOSTS_NONE && host < before) {
        hosts->list[host].returned = now;
    }
}

/* What is known of a host that keeps silent now is worth nothing. */
static bool is(const struct host *host, enum host_state state, uint64_t now)
{
    return host->state == state && !(host->asked && now - host->asked_at >= PATIENCE);
}

static size_t find_first(const struct hosts *hosts, enum host_state state, uint64_t now)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (is(&hosts->list[i], state, now))
            return i;
    return HOSTS_NONE;
}

size_t hosts_wanted(const struct hosts *hosts, uint64_t now)
{
    size_t used = hosts->used;
    enum host_state state = used == HOSTS_NONE ? HOST_DOWN : hosts->list[used].state;
    if (state == HOST_GOOD || state == HOST_UNKNOWN) {
        for (size_t i = 0; i < used; i++) {
            const struct host *host = &hosts->list[i];
            if (is(host, HOST_GOOD, now) && now - host->good_since >= host->recovery)
                return i;
        }
        return used;
    }
    size_t good = find_first(hosts, HOST_GOOD, now);
    if (good != HOSTS_NONE)
        return good;
    return state == HOST_LESSER ? used : find_first(hosts, HOST_LESSER, now);
}

static void soonest(uint64_t *until, uint64_t when)
{
    if (when < *until)
        *until = when;
}

/* None is good: the first in order that may be asked, and the next one without waiting for long. */
static size_t next_sought(const struct hosts *hosts, uint64_t now, uint64_t *until)
{
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->list[i];
        uint64_t due = host->asked ? host->asked_at + PATIENCE : host->ended + host->pause;
        if (due > now)
            soonest(until, due);
        if (!host->asked && (due <= now || host->ended == 0))
            return i;
        if (host->asked && due > now)
            return HOSTS_NONE;
    }
    return HOSTS_NONE;
}

static size_t next_checked(const struct hosts *hosts, uint64_t now, uint64_t *until)
{
    size_t used = hosts->used;
    bool lesser = hosts->list[used].state == HOST_LESSER;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->list[i];
        if (host->asked || (i > used && !lesser) || (i == used && !host->watched))
            continue;
        uint64_t due = host->ended + host->check;
        if (due <= now)
            return i;
        soonest(until, due);
    }
    return HOSTS_NONE;
}

size_t hosts_next(struct hosts *hosts, uint64_t now, uint64_t *until)
{
    *until = UINT64_MAX;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->list[i];
        if (!host->asked || !host->suspected || host->state == HOST_DOWN)
            continue;
        if (host->asked_at + PATIENCE <= now)
            set_down(hosts, i, now);
        else
            soonest(until, host->asked_at + PATIENCE);
    }
    size_t used = hosts->used;
    bool seeks = used == HOSTS_NONE || hosts->list[used].state == HOST_DOWN;
    return seeks ? next_sought(hosts, now, until) : next_checked(hosts, now, until);
}

bool hosts_all_down(const struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (hosts->list[i].state != HOST_DOWN)
            return false;
    return true;
}
