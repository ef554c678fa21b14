/*
 * Which of several database hosts to use: the first one in order that is good, the next one when it
 * fails, back when it has been good for a while. Plain functions of what was reported and of the
 * time (monotonic nanoseconds): nothing here connects or logs.
 */
#ifndef LOOKUPD_HOSTS_H
#define LOOKUPD_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTS_NONE SIZE_MAX

enum host_state {
    HOST_UNKNOWN, /* not asked, or too long ago */
    HOST_GOOD,
    HOST_LESSER, /* answers, but may be behind: only while none is good */
    HOST_DOWN
};

struct hosts;

/* watched: hosts whose answers do not show when they fall behind; the one in use is checked too. */
struct hosts *hosts_new(size_t count, bool watched);
void hosts_free(struct hosts *hosts);

size_t hosts_count(const struct hosts *hosts);
enum host_state hosts_state(const struct hosts *hosts, size_t host);
/* The host whose connections are in use, or HOSTS_NONE. */
size_t hosts_used(const struct hosts *hosts);
/* Also says that a host must be watched, whatever hosts_new() was given. */
void hosts_watch(struct hosts *hosts, size_t host);
bool hosts_is_watched(const struct hosts *hosts, size_t host);

/* A host is being asked; and what came of it. */
void hosts_ask(struct hosts *hosts, size_t host, uint64_t now);
void hosts_report(struct hosts *hosts, size_t host, enum host_state state, uint64_t now);
bool hosts_is_asked(const struct hosts *hosts, size_t host);

/* Something is wrong with a host that is being asked: without an answer soon, it counts as down. */
void hosts_suspect(struct hosts *hosts, size_t host);
bool hosts_is_suspected(const struct hosts *hosts, size_t host);

/*
 * It has answered a query: there is no pause before it is asked for more, and pauses begin anew the
 * next time it fails. Or it takes connections and answers nothing: a longer pause each time.
 */
void hosts_prove(struct hosts *hosts, size_t host);
void hosts_distrust(struct hosts *hosts, size_t host, uint64_t now);

/*
 * A host answers queries with errors of its own (a broken table). True when another one is worth
 * trying, and this one counts as down; false when the others did no better lately.
 */
bool hosts_blame(struct hosts *hosts, size_t host, uint64_t now);

/* Its connections are used from now on; HOSTS_NONE: they are all gone, and why is not known. */
void hosts_use(struct hosts *hosts, size_t host, uint64_t now);

/* The host that should be used of those known to answer: the one in use, unless there is better. */
size_t hosts_wanted(const struct hosts *hosts, uint64_t now);

/* A host to be asked now, or HOSTS_NONE: then *until says when to look again (UINT64_MAX: after the
 * next report). Hosts that were suspected and stayed silent are down afterwards. */
size_t hosts_next(struct hosts *hosts, uint64_t now, uint64_t *until);

/* Every host is down. */
bool hosts_all_down(const struct hosts *hosts);

#endif
