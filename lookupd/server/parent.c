#include "server/parent.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/children.h"
#include "server/copies.h"
#include "server/keeper.h"
#include "server/notify.h"
#include "server/privileges.h"
#include "server/proof.h"
#include "server/reload.h"
#include "server/scoreboard.h"
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* How often the parent looks at its children when nothing happens. */
#define WATCH (CLOCK_SECOND / 5)
/* Beyond the time that a worker takes to finish by itself, it is killed. */
#define FINISH_EXTRA (2 * CLOCK_SECOND)

/* How long a new configuration is tried on a database that keeps us waiting. */
#define PROOF_MOST (30 * CLOCK_SECOND)

struct parent {
    struct parent_start *start;
    struct scoreboard *board;
    struct children *children;
    struct child *workers[CONF_WORKERS_MAX]; /* NULL: never wanted yet */
    size_t worker_count;                     /* that are wanted */
    struct copies copies;
    struct child *prover;
    uint64_t prove_until; /* 0: no new configuration is being proved */
    bool prove_again;     /* asked for meanwhile: the file may have changed since it was read */
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
        .maps = parent->start->set.maps,
        .credentials = parent->start->set.credentials,
        .listeners = parent->start->set.listeners,
        .board = parent->board,
        .slot = child->slot,
        .snapshot = parent->copies.fd,
        .parent = child->line,
    };
    return worker_run(&start);
}

static const struct child_kind worker_kind = {
    .name = "worker", .numbered = true, .run = run_worker};

/*
 * For those that serve nobody: clients must not wait in a socket that only this process has left
 * open, nor must it keep the next lookupd from its address. Ends with the parent, whatever it waits
 * for.
 */
static void leave_clients(const struct parent *parent)
{
    listeners_close(parent->start->set.listeners, false);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static int run_keeper(const struct child_start *child)
{
    const struct parent *parent = child->context;
    struct keeper_start start = {
        .maps = parent->start->set.maps,
        .credentials = parent->start->set.credentials,
        .snapshot = parent->copies.fd,
        .slot = child->slot,
        .parent = child->line,
    };
    leave_clients(parent);
    return keeper_run(&start);
}

static const struct child_kind keeper_kind = {.name = "snapshot keeper", .run = run_keeper};

static void report_error(const char *line, void *context)
{
    log_error("%s", line);
}

/* Says at the start what is wrong with a query, once and not from every worker. */
static int run_checker(const struct child_start *child)
{
    const struct parent *parent = child->context;
    struct connect_error error;
    leave_clients(parent);
    setproctitle("checking the queries");
    /* A database that cannot be reached is reported by the workers, who go on trying. */
    (void)proof_queries(parent->start->set.maps, parent->start->set.credentials, report_error,
                        &error);
    return EX_OK;
}

/* What it found is in the log. */
static void on_checker_ended(struct child *child, int status, void *context)
{
}

static const struct child_kind checker_kind = {
    .name = "check of the queries", .run = run_checker, .ended = on_checker_ended};

static int run_prover(const struct child_start *child)
{
    const struct parent *parent = child->context;
    leave_clients(parent);
    return reload_prove(parent->start->file, &parent->start->set, child->line);
}

static void on_prover_ended(struct child *child, int status, void *context);

static const struct child_kind prover_kind = {
    .name = "check of a new configuration", .run = run_prover, .ended = on_prover_ended};

/* ---- processes ---- */

static const struct conf *conf_of(const struct parent *parent)
{
    return parent->start->set.maps->conf;
}

static bool want_child(struct parent *parent, const struct child_kind *kind, int number,
                       struct slot *slot)
{
    struct child *child = children_add(parent->children, kind, number, slot, parent);
    if (child)
        child_want(child, true, 0);
    return child != NULL;
}

/* Places for so many workers; they begin when they are wanted. */
static bool add_workers(struct parent *parent, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parent->workers[i] == NULL)
            parent->workers[i] = children_add(parent->children, &worker_kind, (int)i + 1,
                                              scoreboard_slot(parent->board, i), parent);
        if (parent->workers[i] == NULL)
            return false;
    }
    return true;
}

static uint64_t finish_time(const struct parent *parent)
{
    return clock_seconds(conf_of(parent)->deadline) + FINISH_EXTRA;
}

static void set_workers(struct parent *parent)
{
    parent->worker_count = (size_t)conf_workers(conf_of(parent));
    for (size_t i = 0; i < CONF_WORKERS_MAX && parent->workers[i]; i++)
        child_want(parent->workers[i], i < parent->worker_count, finish_time(parent));
}

static void set_title(const struct parent *parent)
{
    setproctitle("parent: %zu workers, %s", parent->worker_count, conf_of(parent)->file);
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

/* ---- reload ---- */

static void begin_reload(struct parent *parent)
{
    if (parent->stops > 0)
        return;
    if (parent->prove_until) {
        parent->prove_again = true;
        return;
    }
    char state[80];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_now() / 1000));
    notify_systemd(state);
    parent->prove_again = false;
    parent->prove_until = clock_now() + PROOF_MOST;
    child_want(parent->prover, true, 0);
}

static void end_reload(struct parent *parent)
{
    notify_systemd("READY=1");
    parent->prove_until = 0;
    if (parent->prove_again)
        begin_reload(parent);
}

/* More clients may be wanted: as many descriptors as the limit that root has left allows. */
static void raise_descriptors(const struct parent *parent)
{
    struct rlimit limit;
    privileges_raise_descriptors((unsigned long)conf_of(parent)->limits.clients +
                                 PARENT_OWN_DESCRIPTORS);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    for (size_t i = 0; i < CONF_WORKERS_MAX && parent->workers[i]; i++)
        if (child_pid(parent->workers[i]))
            (void)prlimit(child_pid(parent->workers[i]), RLIMIT_NOFILE, &limit, NULL);
}

/* A worker that cannot be told ends, and another one begins with the new configuration. */
static void tell_workers(const struct parent *parent, int configuration)
{
    const struct listeners *listeners = parent->start->set.listeners;
    struct line_message message = {.kind = LINE_RELOAD, .count = 1 + listeners->count};
    message.descriptors[0] = configuration;
    for (size_t i = 0; i < listeners->count; i++)
        message.descriptors[i + 1] = listeners->list[i].fd;
    for (size_t i = 0; i < parent->worker_count; i++) {
        struct child *worker = parent->workers[i];
        if (child_pid(worker) == 0 || child_send(worker, &message))
            continue;
        log_warning("worker %zu cannot be told of the new configuration (%s): it is replaced",
                    i + 1, strerror(errno));
        child_restart(worker, finish_time(parent));
    }
}

static bool change_over(struct parent *parent, int configuration)
{
    struct reload_set next;
    char changes[160];
    if (!reload_take(configuration, &parent->start->set, &next))
        return false;
    if (!add_workers(parent, (size_t)conf_workers(next.maps->conf))) {
        log_error("no memory for more workers");
        reload_abandon(&next);
        return false;
    }
    reload_describe(&parent->start->set, &next, changes, sizeof changes);
    bool copies_differ = reload_concerns_copies(&parent->start->set, &next);
    reload_commit(&parent->start->set, &next);
    raise_descriptors(parent);
    set_workers(parent);
    tell_workers(parent, configuration);
    if (copies_differ)
        copies_change(&parent->copies, conf_of(parent));
    set_title(parent);
    log_info("reloaded %s: %s", conf_of(parent)->file, changes);
    return true;
}

static void say_not_reloaded(const struct parent *parent)
{
    if (parent->stops == 0)
        log_warning("%s: not reloaded: the configuration before stays in force",
                    parent->start->file);
}

/* The child said what it had to say. */
static void on_prover_ended(struct child *child, int status, void *context)
{
    struct parent *parent = context;
    struct line_message message;
    bool good = false;
    bool good_end = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
    bool late = WIFSIGNALED(status) && clock_now() >= parent->prove_until;
    bool sent = line_receive(child_line(child), &message) == LINE_GOT;
    if (parent->stops == 0) {
        if (late && sent)
            log_warning("the database keeps us waiting: the queries of the new configuration were "
                        "not tried");
        else if (WIFSIGNALED(status))
            log_error("the check of the new configuration was ended by signal %d (%s)",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
        if (sent && message.kind == LINE_RELOAD && message.count == 1 && (good_end || late))
            good = change_over(parent, message.descriptors[0]);
    }
    if (sent)
        line_discard(&message);
    if (!good)
        say_not_reloaded(parent);
    end_reload(parent);
}

static void watch_reload(struct parent *parent)
{
    if (parent->prove_until == 0 || clock_now() < parent->prove_until)
        return;
    child_want(parent->prover, false, CLOCK_SECOND);
    if (child_pid(parent->prover))
        return;
    /* It could not even begin: no process was to be had. Nobody else will say that this is over. */
    say_not_reloaded(parent);
    end_reload(parent);
}

/* ---- signals ---- */

static void wait_for_signal(struct parent *parent)
{
    struct timespec most = {.tv_sec = WATCH / CLOCK_SECOND, .tv_nsec = WATCH % CLOCK_SECOND};
    switch (sigtimedwait(&parent->signals, NULL, &most)) {
    case SIGTERM:
    case SIGINT:
        stop(parent);
        break;
    case SIGHUP:
        begin_reload(parent);
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
    parent->board = scoreboard_new(CONF_WORKERS_MAX);
    parent->children = children_new();
    if (parent->board == NULL || parent->children == NULL ||
        !copies_begin(&parent->copies, conf_of(parent), parent->children, &keeper_kind, parent) ||
        !add_workers(parent, (size_t)conf_workers(conf_of(parent))))
        return false;
    set_workers(parent);
    parent->prover = children_add(parent->children, &prover_kind, 1, NULL, parent);
    return parent->prover && want_child(parent, &checker_kind, 1, NULL);
}

static void watch(struct parent *parent)
{
    children_watch(parent->children, clock_seconds(conf_of(parent)->limits.stall));
}

int parent_run(struct parent_start *start)
{
    struct parent parent = {.start = start};
    block_signals(&parent);
    if (!set_up(&parent)) {
        log_fatal("no memory");
        return EX_OSERR;
    }
    if (start->ready)
        start->ready(start->context);
    watch(&parent); /* starts them */
    set_title(&parent);
    log_info("version %s, %zu workers", LOOKUPD_VERSION, parent.worker_count);
    notify_systemd("READY=1");

    while (parent.stops == 0 || children_any(parent.children)) {
        wait_for_signal(&parent);
        children_reap(parent.children);
        watch_reload(&parent);
        copies_hand_over(&parent.copies, parent.workers, parent.worker_count);
        watch(&parent);
        if (parent.stops > 0 && clock_now() > parent.give_up)
            children_signal(parent.children, SIGKILL);
    }
    copies_end(&parent.copies);
    scoreboard_free(parent.board);
    children_free(parent.children);
    return EX_OK;
}
