#include "server/worker.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/engine.h"
#include "server/acceptor.h"
#include "server/connection.h"
#include "server/handover.h"
#include "server/line.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* How often the loop says that it turns: often enough for the shortest limits.stall, 1 s. */
#define BEAT (CLOCK_SECOND / 4)
/* How long after the deadline a stopping worker waits for clients to take their answers. */
#define FINISH_EXTRA (CLOCK_SECOND / 2)

struct worker {
    struct worker_start *start;
    struct event_base *base;
    struct engine *engine;
    struct connections *connections;
    struct acceptor *acceptor;
    struct event beat;
    struct event parent;
    struct event *terminate;
    bool stopping;
    uint64_t give_up; /* when stopping: not later than this */
};

static void set_title(const struct worker *worker)
{
    const char *host = engine_host(worker->engine);
    if (worker->stopping)
        setproctitle("worker %d: stopping", worker->start->number);
    else
        setproctitle("worker %d: %s%s%s", worker->start->number, engine_text(worker->engine),
                     host ? ", using " : "", host ? host : "");
}

static void on_engine_changed(enum engine_state state, void *context)
{
    set_title(context);
}

static void on_beat(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    atomic_store_explicit(&worker->start->slot->beat, clock_now(), memory_order_relaxed);
}

static void stop(struct worker *worker)
{
    if (worker->stopping)
        return;
    worker->stopping = true;
    worker->give_up =
        clock_now() + clock_seconds(worker->start->maps->conf->deadline) + FINISH_EXTRA;
    set_title(worker);
    acceptor_stop(worker->acceptor);
    connections_finish(worker->connections);
}

static void on_terminate(evutil_socket_t fd, short what, void *context)
{
    stop(context);
}

/*
 * Goes on with another configuration, in one turn of the loop. What has been asked ends as it
 * began, and the clients stay. False when that cannot be had.
 */
static bool change_over(struct worker *worker, struct line_message *message)
{
    struct worker_start *start = worker->start;
    struct maps *maps;
    struct credentials *credentials;
    if (message->count < 1 || !handover_take(message->descriptors[0], &maps, &credentials))
        return false;
    struct listeners *listeners =
        listeners_take(maps->conf, message->descriptors + 1, message->count - 1);
    if (listeners == NULL || !engine_change(worker->engine, maps, credentials)) {
        if (listeners)
            listeners_close(listeners, false);
        maps_release(maps);
        credentials_free(credentials);
        return false;
    }
    connections_change(worker->connections, maps, listeners);
    struct worker_start before = *start;
    start->maps = maps;
    start->credentials = credentials;
    start->listeners = listeners;
    bool accepting = acceptor_change(worker->acceptor);
    listeners_close(before.listeners, false);
    maps_release(before.maps);
    credentials_free(before.credentials);
    return accepting;
}

/* A worker that cannot is replaced by one that begins with the new configuration. */
static void reload(struct worker *worker, struct line_message *message)
{
    if (worker->stopping || change_over(worker, message))
        return;
    log_warning("worker %d: cannot change to the new configuration: another worker takes over",
                worker->start->number);
    stop(worker);
}

/* Without room for it the one before goes on to serve. */
static void take_snapshot(struct worker *worker, int fd)
{
    struct snapshot *snapshot = snapshot_new(fd);
    if (snapshot)
        engine_set_snapshot(worker->engine, snapshot);
    else
        log_warning("worker %d: no memory for a new snapshot", worker->start->number);
}

static void on_parent(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    struct line_message message;
    enum line_status status;
    while ((status = line_receive(fd, &message)) == LINE_GOT || status == LINE_SPOILED) {
        if (message.kind == LINE_RELOAD)
            reload(worker, &message);
        if (message.kind == LINE_SNAPSHOT && message.count == 1) {
            take_snapshot(worker, message.descriptors[0]);
            message.descriptors[0] = -1;
        }
        if (message.kind == LINE_SNAPSHOT && status == LINE_SPOILED)
            log_warning("worker %d: no descriptor is left for a new snapshot",
                        worker->start->number);
        line_discard(&message);
    }
    if (status != LINE_END)
        return;
    event_del(&worker->parent);
    log_warning("worker %d: the parent process has gone: stopping", worker->start->number);
    stop(worker);
    /* Nobody takes the clients that come now: they are to know at once, and another lookupd is to
     * have the addresses. */
    listeners_hold(worker->start->listeners);
    listeners_close(worker->start->listeners, false);
}

static bool set_up(struct worker *worker)
{
    struct worker_start *start = worker->start;
    worker->base = event_base_new();
    if (worker->base == NULL)
        return false;
    worker->engine =
        engine_new(worker->base, start->maps, start->credentials, on_engine_changed, worker);
    if (worker->engine == NULL)
        return false;
    if (start->snapshot >= 0)
        take_snapshot(worker, start->snapshot);
    worker->connections = connections_new(worker->base, worker->engine, start->maps);
    if (worker->connections == NULL)
        return false;
    worker->acceptor = acceptor_new(worker->base, start, worker->connections);
    if (worker->acceptor == NULL)
        return false;

    struct timeval beat = clock_timeval(BEAT);
    event_assign(&worker->beat, worker->base, -1, EV_PERSIST, on_beat, worker);
    event_assign(&worker->parent, worker->base, start->parent, EV_READ | EV_PERSIST, on_parent,
                 worker);
    worker->terminate = evsignal_new(worker->base, SIGTERM, on_terminate, worker);
    return event_add(&worker->beat, &beat) == 0 && event_add(&worker->parent, NULL) == 0 &&
           worker->terminate && event_add(worker->terminate, NULL) == 0;
}

static void loop(struct worker *worker)
{
    while (!worker->stopping ||
           (connections_count(worker->connections) > 0 && clock_now() < worker->give_up)) {
        event_base_loop(worker->base, EVLOOP_ONCE);
        /* The database can work on the next batch while answers of the last are written. */
        do
            engine_run(worker->engine);
        while (connections_flush(worker->connections));
        acceptor_report(worker->acceptor);
    }
}

int worker_run(struct worker_start *start)
{
    /* Ctrl-C goes to the whole process group: the parent decides. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* Long answers go back to the system when they have been sent: workers stay small. */
    mallopt(M_MMAP_THRESHOLD, 65536);
    mallopt(M_TRIM_THRESHOLD, 262144);
    struct worker worker = {.start = start};
    if (!set_up(&worker)) {
        log_fatal("worker %d: no memory, threads or descriptors to begin with", start->number);
        _exit(EX_OSERR); /* freeing half of it is not worth the code */
    }
    set_title(&worker);
    loop(&worker);

    acceptor_free(worker.acceptor);
    connections_free(worker.connections);
    bool ended = engine_free(worker.engine, clock_now() + FINISH_EXTRA);
    if (!ended)
        _exit(EX_OK); /* a thread hangs in a resolver, and uses what would be freed */
    event_free(worker.terminate);
    event_del(&worker.beat);
    event_del(&worker.parent);
    event_base_free(worker.base);
    libevent_global_shutdown();
    listeners_close(start->listeners, false);
    maps_release(start->maps);
    credentials_free(start->credentials);
    return EX_OK;
}
