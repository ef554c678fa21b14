#include "server/parent.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/connect.h"
#include "server/children.h"
#include "server/notify.h"
#include "server/scoreboard.h"
#include "server/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

/* How often the parent looks at its children when nothing happens. */
#define WATCH (CLOCK_SECOND / 5)
/* Beyond the time that a worker takes to finish by itself, it is killed. */
#define FINISH_EXTRA (2 * CLOCK_SECOND)

struct parent {
    const struct parent_start *start;
    struct scoreboard *board;
    struct children *children;
    size_t worker_count;
    sigset_t signals;
    int stops; /* signals to stop that have come */
    uint64_t give_up;
};

/* ---- in a child ---- */

static int run_worker(const struct child_start *child)
{
    const struct parent *parent = child->context;
    struct worker_start start = {
        .number = child->number,
        .maps = parent->start->maps,
        .credentials = parent->start->credentials,
        .listeners = parent->start->listeners,
        .board = parent->board,
        .slot = child->slot,
        .parent = child->line,
    };
    return worker_run(&start);
}

static const struct child_kind worker_kind = {
    .name = "worker", .numbered = true, .run = run_worker};

static void report_error(const char *line, void *context)
{
    log_error("%s", line);
}

/* Says at the start what is wrong with a query, once and not from every worker. */
static int run_checker(const struct child_start *child)
{
    const struct parent *parent = child->context;
    signal(SIGTERM, SIG_DFL);
    setproctitle("checking the queries");
    struct settings_errors errors = {.report = report_error};
    struct connect_error error;
    /* A database that cannot be reached is reported by the workers, who go on trying. */
    (void)connect_check_maps(parent->start->maps, parent->start->credentials, &errors, &error);
    return errors.count ? EX_CONFIG : EX_OK;
}

/* What it found is in the log. */
static void on_checker_ended(struct child *child, int status, void *context)
{
}

static const struct child_kind checker_kind = {
    .name = "check of the queries", .run = run_checker, .ended = on_checker_ended};

/* ---- processes ---- */

static bool want_child(struct parent *parent, const struct child_kind *kind, int number,
                       struct slot *slot)
{
    struct child *child = children_add(parent->children, kind, number, slot, parent);
    if (child)
        child_want(child, true, 0);
    return child != NULL;
}

static uint64_t finish_time(const struct parent *parent)
{
    return clock_seconds(parent->start->maps->conf->deadline) + FINISH_EXTRA;
}

static void stop(struct parent *parent)
{
    if (parent->stops++ == 0) {
        log_info("stopping");
        notify_systemd("STOPPING=1");
        setproctitle("parent: stopping");
        parent->give_up = clock_now() + finish_time(parent);
        children_stop(parent->children);
        children_signal(parent->children, SIGTERM);
    } else {
        children_signal(parent->children, SIGKILL);
    }
}

static void wait_for_signal(struct parent *parent)
{
    struct timespec most = {.tv_sec = WATCH / CLOCK_SECOND, .tv_nsec = WATCH % CLOCK_SECOND};
    switch (sigtimedwait(&parent->signals, NULL, &most)) {
    case SIGTERM:
    case SIGINT:
        stop(parent);
        break;
    case SIGHUP:
        log_warning("SIGHUP: this version reads its configuration only at the start");
        break;
    default: /* SIGCHLD, or the time is over */
        break;
    }
}

static void block_signals(struct parent *parent)
{
    sigemptyset(&parent->signals);
    sigaddset(&parent->signals, SIGTERM);
    sigaddset(&parent->signals, SIGINT);
    sigaddset(&parent->signals, SIGHUP);
    sigaddset(&parent->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &parent->signals, NULL);
    signal(SIGCHLD,
           SIG_DFL); /* whoever starts us may ignore it: then no child could be waited for */
}

static bool set_up(struct parent *parent)
{
    parent->worker_count = (size_t)conf_workers(parent->start->maps->conf);
    parent->board = scoreboard_new(parent->worker_count);
    parent->children = children_new();
    if (parent->board == NULL || parent->children == NULL)
        return false;
    for (size_t i = 0; i < parent->worker_count; i++)
        if (!want_child(parent, &worker_kind, (int)i + 1, scoreboard_slot(parent->board, i)))
            return false;
    return want_child(parent, &checker_kind, 1, NULL);
}

int parent_run(const struct parent_start *start)
{
    struct parent parent = {.start = start};
    uint64_t stall = clock_seconds(start->maps->conf->limits.stall);
    block_signals(&parent);
    if (!set_up(&parent)) {
        log_fatal("no memory");
        return EX_OSERR;
    }
    children_watch(parent.children, stall); /* starts them */
    setproctitle("parent: %zu workers, %s", parent.worker_count, start->maps->conf->file);
    log_info("version %s, %zu workers", LOOKUPD_VERSION, parent.worker_count);
    notify_systemd("READY=1");
    if (start->ready)
        start->ready(start->context);

    while (parent.stops == 0 || children_any(parent.children)) {
        wait_for_signal(&parent);
        children_reap(parent.children);
        children_watch(parent.children, stall);
        if (parent.stops > 0 && clock_now() > parent.give_up)
            children_signal(parent.children, SIGKILL);
    }
    scoreboard_free(parent.board);
    children_free(parent.children);
    return EX_OK;
}
