#include "server/acceptor.h"

#include "common/clock.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * How long a worker with many more clients than the least loaded leaves a new one to the others.
 * The shortest that the event loop's timers know: finer ones cost a system call in every round.
 */
#define HOLD_BACK (CLOCK_SECOND / 1000)
/* Clients taken in one go: a burst comes faster than the loop turns. */
#define AT_ONCE 64
/* Out of descriptors, accept() fails for ever: the loop must not spin on it. */
#define TIRED (CLOCK_SECOND / 10)
/* Descriptors of a worker beside listeners, clients and the database: log, event loop, the line to
 * the parent, the reserve, and what a resolver or a reload opens for a moment. */
#define OWN_DESCRIPTORS 40

struct door {
    struct acceptor *acceptor;
    const struct listener *listener;
    struct event ready;
    struct event pause;
};

struct acceptor {
    struct event_base *base;
    const struct worker_start *start;
    struct connections *connections;
    int reserve;     /* a descriptor to give up when there are no others */
    size_t possible; /* clients for which there are descriptors */
    struct log_limit full_lines;
    struct log_limit refused_lines;
    size_t count;
    struct door *doors; /* one for each listener */
};

void acceptor_report(struct acceptor *acceptor)
{
    atomic_store_explicit(&acceptor->start->slot->clients,
                          (uint32_t)connections_count(acceptor->connections), memory_order_relaxed);
}

static void pause_door(struct door *door, uint64_t time)
{
    struct timeval length = clock_timeval(time);
    event_del(&door->ready);
    event_add(&door->pause, &length);
}

static void say_full(struct acceptor *acceptor, const char *what)
{
    if (log_allows(&acceptor->full_lines))
        log_warning("worker %d: %s: new clients are turned away", acceptor->start->number, what);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Clients must not take the descriptors that the database's connections need: then nobody would be
 * served. Twice for those: a new one is made while an old one is being given up.
 */
static size_t count_possible(const struct worker_start *start)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    size_t own = OWN_DESCRIPTORS + start->listeners->count +
                 2 * (size_t)start->maps->conf->database.connections;
    return limit.rlim_cur > own ? (size_t)limit.rlim_cur - own : 1;
}

/*
 * A temporary answer to whatever it is about to ask. Where it comes too late, the client sees the
 * end of the connection, which Postfix takes for the same; but a table of the kind "tcp:" would try
 * ten times, a second apart.
 */
static void answer_busy(const struct listener *listener, int fd)
{
    static const char reason[] = "too many clients";
    struct answer answer = {.result = LOOKUP_TEMPORARY, .text = reason, .len = sizeof reason - 1};
    struct evbuffer *out = evbuffer_new();
    if (out == NULL)
        return;
    if (listener->codec->reply(out, &answer))
        (void)evbuffer_write(out, fd);
    evbuffer_free(out);
}

/* Takes a client only to send it away: it then knows at once, where it would hang in the backlog.
 */
static void turn_away(struct door *door)
{
    struct acceptor *acceptor = door->acceptor;
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    if (acceptor->reserve >= 0)
        close(acceptor->reserve);
    int fd =
        accept4(door->listener->fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        if (listener_allows(door->listener, (const struct sockaddr *)&peer))
            answer_busy(door->listener, fd);
        close(fd);
    }
    acceptor->reserve = open_reserve();
    if (fd < 0)
        pause_door(door, TIRED);
}

static void log_refused(const struct door *door, const struct sockaddr *peer)
{
    char address[INET6_ADDRSTRLEN] = "?";
    if (peer->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, address, sizeof address);
    else if (peer->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, address,
                  sizeof address);
    log_warning("listener %s: %s was refused: its setting \"allow\" does not name that network",
                door->listener->address, address);
}

/* Takes one client; false when there is none, or none can be taken. */
static bool take_client(struct door *door)
{
    struct acceptor *acceptor = door->acceptor;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    size_t count = connections_count(acceptor->connections);
    bool all = count >= (size_t)acceptor->start->maps->conf->limits.clients;
    if (all || count >= acceptor->possible) {
        say_full(acceptor, all ? "limits.clients is reached" : "no more descriptors may be open");
        turn_away(door);
        return false;
    }
    memset(&peer, 0, sizeof peer);
    int fd =
        accept4(door->listener->fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            say_full(acceptor, strerror(errno));
            turn_away(door);
        }
        return false; /* EAGAIN: another worker was faster */
    }
    if (!listener_allows(door->listener, (const struct sockaddr *)&peer)) {
        if (log_allows(&acceptor->refused_lines))
            log_refused(door, (const struct sockaddr *)&peer);
        close(fd);
        return true;
    }
    connections_add(acceptor->connections, fd, door->listener);
    acceptor_report(acceptor);
    return true;
}

/* Small differences do not matter: holding back at each would let a burst overrun the backlog. */
static bool has_more_than_others(const struct acceptor *acceptor)
{
    size_t least = scoreboard_least_clients(acceptor->start->board);
    return connections_count(acceptor->connections) > least + 4 + least / 16;
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct door *door = context;
    if (has_more_than_others(door->acceptor)) {
        pause_door(door, HOLD_BACK);
        return;
    }
    for (int i = 0; i < AT_ONCE && take_client(door); i++)
        if (has_more_than_others(door->acceptor))
            break;
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
    struct door *door = context;
    event_add(&door->ready, NULL);
    take_client(door);
}

static bool open_doors(struct acceptor *acceptor)
{
    const struct listeners *listeners = acceptor->start->listeners;
    struct door *doors = calloc(listeners->count, sizeof *doors);
    if (doors == NULL)
        return false;
    acceptor->possible = count_possible(acceptor->start);
    acceptor->count = listeners->count;
    acceptor->doors = doors;
    for (size_t i = 0; i < listeners->count; i++) {
        struct door *door = &doors[i];
        door->acceptor = acceptor;
        door->listener = &listeners->list[i];
        event_assign(&door->ready, acceptor->base, door->listener->fd, EV_READ | EV_PERSIST,
                     on_ready, door);
        evtimer_assign(&door->pause, acceptor->base, on_pause_over, door);
        event_add(&door->ready, NULL);
    }
    atomic_store(&acceptor->start->slot->accepting, 1);
    return true;
}

struct acceptor *acceptor_new(struct event_base *base, const struct worker_start *start,
                              struct connections *connections)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor == NULL)
        return NULL;
    acceptor->base = base;
    acceptor->start = start;
    acceptor->connections = connections;
    acceptor->reserve = open_reserve();
    if (open_doors(acceptor))
        return acceptor;
    acceptor_free(acceptor);
    return NULL;
}

void acceptor_stop(struct acceptor *acceptor)
{
    atomic_store(&acceptor->start->slot->accepting, 0);
    for (size_t i = 0; i < acceptor->count; i++) {
        event_del(&acceptor->doors[i].ready);
        event_del(&acceptor->doors[i].pause);
    }
}

bool acceptor_change(struct acceptor *acceptor)
{
    acceptor_stop(acceptor);
    free(acceptor->doors);
    acceptor->doors = NULL;
    acceptor->count = 0;
    return open_doors(acceptor);
}

void acceptor_free(struct acceptor *acceptor)
{
    acceptor_stop(acceptor);
    if (acceptor->reserve >= 0)
        close(acceptor->reserve);
    free(acceptor->doors);
    free(acceptor);
}
