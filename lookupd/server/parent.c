#include "server/parent.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/connect.h"
#include "server/line.h"
#include "server/notify.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* How often the parent looks at its workers when nothing happens. */
#define WATCH (CLOCK_SECOND / 5)
/*
 * A worker that lived shorter than this died at once. The first is replaced at once too; when it
 * happens again, pauses grow: a fault at the start must not keep the machine busy forking.
 */
#define AT_ONCE     CLOCK_SECOND
#define PAUSE_FIRST (CLOCK_SECOND / 4)
#define PAUSE_MOST  (8 * CLOCK_SECOND)
/* Beyond the time that a worker takes to finish by itself, it is killed. */
#define FINISH_EXTRA (2 * CLOCK_SECOND)

struct child {
    pid_t pid; /* 0: none */
    struct slot *slot;
    int line; /* the worker sees EOF on its end when this process has gone */
    uint64_t started;
    uint64_t start_at; /* not before this */
    uint64_t pause;
};

struct parent {
    const struct parent_start *start;
    struct scoreboard *board;
    size_t count;
    struct child *children;
    pid_t checker; /* tries all queries once; 0: none */
    sigset_t signals;
    uint64_t watched; /* when the workers were last looked at */
    int stops;        /* signals to stop that have come */
    uint64_t give_up;
};

/* ---- in a child ---- */

/* What belongs to the parent only. A line kept open would hide its end from the worker. */
static void leave_parent(struct parent *parent)
{
    for (size_t i = 0; i < parent->count; i++)
        if (parent->children[i].line >= 0)
            close(parent->children[i].line);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void report_error(const char *line, void *context)
{
    log_error("%s", line);
}

/* Says at the start what is wrong with a query, once and not from every worker. */
static int check_queries(const struct parent_start *start)
{
    signal(SIGTERM, SIG_DFL);
    setproctitle("checking the queries");
    struct settings_errors errors = {.report = report_error};
    struct connect_error error;
    /* A database that cannot be reached is reported by the workers, who go on trying. */
    (void)connect_check_maps(start->maps, start->credentials, &errors, &error);
    return errors.count ? EX_CONFIG : EX_OK;
}

/* ---- processes ---- */

static pid_t fork_quietly(void)
{
    fflush(NULL); /* or both would write what is buffered */
    pid_t pid = fork();
    if (pid < 0)
        log_error("cannot fork: %s", strerror(errno));
    return pid;
}

static void pause_child(struct child *child, uint64_t now)
{
    child->start_at = now + child->pause;
    child->pause = child->pause == 0               ? PAUSE_FIRST
                   : child->pause < PAUSE_MOST / 2 ? child->pause * 2
                                                   : PAUSE_MOST;
}

static void start_worker(struct parent *parent, size_t index)
{
    struct child *child = &parent->children[index];
    int line[2];
    uint64_t now = clock_now();
    child->started = now;
    if (!line_open(line)) {
        log_error("cannot make a socket pair: %s", strerror(errno));
        pause_child(child, now);
        return;
    }
    scoreboard_reset(child->slot, now);
    pid_t pid = fork_quietly();
    if (pid == 0) {
        leave_parent(parent);
        close(line[0]);
        struct worker_start start = {
            .number = (int)index + 1,
            .maps = parent->start->maps,
            .credentials = parent->start->credentials,
            .listeners = parent->start->listeners,
            .board = parent->board,
            .slot = child->slot,
            .parent = line[1],
        };
        exit(worker_run(&start));
    }
    close(line[1]);
    if (pid < 0) {
        close(line[0]);
        pause_child(child, now);
        return;
    }
    child->pid = pid;
    child->line = line[0];
}

static void start_checker(struct parent *parent)
{
    parent->checker = fork_quietly();
    if (parent->checker == 0) {
        leave_parent(parent);
        exit(check_queries(parent->start));
    }
    if (parent->checker < 0)
        parent->checker = 0;
}

static void log_end(const struct parent *parent, size_t index, int status)
{
    pid_t pid = parent->children[index].pid;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && parent->stops > 0)
        log_debug("worker %zu (process %d) was stopped before it had begun", index + 1, (int)pid);
    else if (WIFSIGNALED(status))
        log_warning("worker %zu (process %d) was ended by signal %d (%s)", index + 1, (int)pid,
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0 || parent->stops == 0)
        log_warning("worker %zu (process %d) ended with exit code %d", index + 1, (int)pid,
                    WEXITSTATUS(status));
}

static void reap(struct parent *parent)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == parent->checker)
            parent->checker = 0;
        for (size_t i = 0; i < parent->count; i++) {
            struct child *child = &parent->children[i];
            if (child->pid != pid)
                continue;
            log_end(parent, i, status);
            uint64_t now = clock_now();
            child->pid = 0;
            close(child->line);
            child->line = -1;
            scoreboard_reset(child->slot, 0);
            if (now - child->started >= AT_ONCE) {
                child->pause = 0;
                child->start_at = now;
            } else {
                pause_child(child, now);
            }
        }
    }
}

/* Kills workers whose loop stands still, and starts those that are missing. */
static void watch(struct parent *parent)
{
    uint64_t stall = clock_seconds(parent->start->maps->conf->limits.stall);
    /* When this process itself has not run for a while, the workers may not have either. */
    uint64_t now = clock_now();
    bool paused = parent->watched && now - parent->watched > 5 * WATCH;
    parent->watched = now;
    for (size_t i = 0; i < parent->count; i++) {
        struct child *child = &parent->children[i];
        if (child->pid == 0) {
            if (parent->stops == 0 && now >= child->start_at)
                start_worker(parent, i);
            continue;
        }
        if (paused)
            atomic_store(&child->slot->beat, now);
        uint64_t beat = atomic_load(&child->slot->beat);
        if (now > beat && now - beat > stall) {
            log_warning("worker %zu (process %d) has not moved for %.1f seconds: killing it", i + 1,
                        (int)child->pid, (double)(now - beat) / (double)CLOCK_SECOND);
            kill(child->pid, SIGKILL);
            atomic_store(&child->slot->beat, now); /* its end is on the way: say it once */
        }
    }
}

static void signal_all(const struct parent *parent, int number)
{
    for (size_t i = 0; i < parent->count; i++)
        if (parent->children[i].pid)
            kill(parent->children[i].pid, number);
    if (parent->checker)
        kill(parent->checker, number);
}

static bool any_alive(const struct parent *parent)
{
    for (size_t i = 0; i < parent->count; i++)
        if (parent->children[i].pid)
            return true;
    return parent->checker != 0;
}

static void stop(struct parent *parent)
{
    if (parent->stops++ == 0) {
        log_info("stopping");
        notify_systemd("STOPPING=1");
        setproctitle("parent: stopping");
        parent->give_up =
            clock_now() + clock_seconds(parent->start->maps->conf->deadline) + FINISH_EXTRA;
        signal_all(parent, SIGTERM);
    } else {
        signal_all(parent, SIGKILL);
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

static bool set_up(struct parent *parent)
{
    parent->count = (size_t)conf_workers(parent->start->maps->conf);
    parent->board = scoreboard_new(parent->count);
    parent->children = calloc(parent->count, sizeof *parent->children);
    if (parent->board == NULL || parent->children == NULL) {
        free(parent->children);
        return false;
    }
    for (size_t i = 0; i < parent->count; i++) {
        parent->children[i].slot = scoreboard_slot(parent->board, i);
        parent->children[i].line = -1;
    }
    sigemptyset(&parent->signals);
    sigaddset(&parent->signals, SIGTERM);
    sigaddset(&parent->signals, SIGINT);
    sigaddset(&parent->signals, SIGHUP);
    sigaddset(&parent->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &parent->signals, NULL);
    signal(SIGCHLD,
           SIG_DFL); /* whoever starts us may ignore it: then no child could be waited for */
    return true;
}

int parent_run(const struct parent_start *start)
{
    struct parent parent = {.start = start};
    if (!set_up(&parent)) {
        log_fatal("no memory");
        return EX_OSERR;
    }
    watch(&parent); /* starts the workers */
    start_checker(&parent);
    setproctitle("parent: %zu workers, %s", parent.count, start->maps->conf->file);
    log_info("version %s, %zu workers", LOOKUPD_VERSION, parent.count);
    notify_systemd("READY=1");
    if (start->ready)
        start->ready(start->context);

    while (parent.stops == 0 || any_alive(&parent)) {
        wait_for_signal(&parent);
        reap(&parent);
        watch(&parent);
        if (parent.stops > 0 && clock_now() > parent.give_up)
            signal_all(&parent, SIGKILL);
    }
    scoreboard_free(parent.board);
    free(parent.children);
    return EX_OK;
}
