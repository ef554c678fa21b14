#include "server/children.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/obituary.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A child that lived shorter than this died at once. The first is replaced at once too; when it
 * happens again, pauses grow: a fault at the start must not keep the machine busy forking.
 */
#define AT_ONCE     CLOCK_SECOND
#define PAUSE_FIRST (CLOCK_SECOND / 4)
#define PAUSE_MOST  (8 * CLOCK_SECOND)
/* When the parent has not looked for so long, it did not run itself. */
#define PAUSED CLOCK_SECOND

struct child {
    struct children *owner;
    const struct child_kind *kind;
    int number;
    struct slot *slot;
    void *context;
    char name[40];
    bool wanted;
    pid_t pid; /* 0: none */
    int line;  /* the child sees EOF on its end when this process has gone */
    uint64_t started;
    uint64_t start_at; /* not before this */
    uint64_t pause;
    bool killed;      /* by us */
    uint64_t kill_at; /* it was told to end, and is killed then; 0: it was not */
    TAILQ_ENTRY(child) link;
};

struct children {
    TAILQ_HEAD(, child) all;
    bool stopping;
    uint64_t watched; /* when they were last looked at */
};

struct children *children_new(void)
{
    struct children *children = calloc(1, sizeof *children);
    if (children)
        TAILQ_INIT(&children->all);
    obituary_begin();
    return children;
}

void children_free(struct children *children)
{
    struct child *child;
    while (children && (child = TAILQ_FIRST(&children->all)) != NULL) {
        TAILQ_REMOVE(&children->all, child, link);
        free(child);
    }
    free(children);
}

struct child *children_add(struct children *children, const struct child_kind *kind, int number,
                           struct slot *slot, void *context)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL)
        return NULL;
    child->owner = children;
    child->kind = kind;
    child->number = number;
    child->slot = slot;
    child->context = context;
    child->line = -1;
    if (kind->numbered)
        snprintf(child->name, sizeof child->name, "%s %d", kind->name, number);
    else
        snprintf(child->name, sizeof child->name, "%s", kind->name);
    TAILQ_INSERT_TAIL(&children->all, child, link);
    return child;
}

/* ---- one of them ---- */

static void tell_to_end(struct child *child, uint64_t grace)
{
    if (child->pid == 0 || child->kill_at)
        return;
    kill(child->pid, SIGTERM);
    child->kill_at = clock_now() + grace;
}

void child_want(struct child *child, bool wanted, uint64_t grace)
{
    if (wanted && !child->wanted)
        child->start_at = child->pause = 0;
    child->wanted = wanted;
    if (!wanted)
        tell_to_end(child, grace);
}

void child_restart(struct child *child, uint64_t grace)
{
    child->start_at = child->pause = 0;
    tell_to_end(child, grace);
}

bool child_is_wanted(const struct child *child)
{
    return child->wanted;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

bool child_send(const struct child *child, const struct line_message *message)
{
    if (child->pid == 0) {
        errno = ESRCH;
        return false;
    }
    return line_send(child->line, message);
}

int child_line(const struct child *child)
{
    return child->line;
}

/* ---- beginning ---- */

static void pause_child(struct child *child, uint64_t now)
{
    child->start_at = now + child->pause;
    child->pause = child->pause == 0               ? PAUSE_FIRST
                   : child->pause < PAUSE_MOST / 2 ? child->pause * 2
                                                   : PAUSE_MOST;
}

/* What belongs to the parent only. A line kept open would hide its end from its child. */
static void leave_parent(const struct children *children)
{
    const struct child *child;
    TAILQ_FOREACH(child, &children->all, link)
    if (child->line >= 0)
        close(child->line);
    sigset_t none;
    setsid(); /* a terminal that the parent may have is not for its children */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start(struct child *child)
{
    int line[2];
    uint64_t now = clock_now();
    child->started = now;
    child->kill_at = 0;
    child->killed = false;
    if (!line_open(line)) {
        log_error("cannot make a socket pair: %s", strerror(errno));
        pause_child(child, now);
        return;
    }
    if (child->slot)
        scoreboard_reset(child->slot, now);
    fflush(NULL); /* or both would write what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        leave_parent(child->owner);
        close(line[0]);
        struct child_start begin = {.number = child->number,
                                    .slot = child->slot,
                                    .line = line[1],
                                    .context = child->context};
        exit(child->kind->run(&begin));
    }
    int error = errno;
    close(line[1]);
    if (pid < 0) {
        log_error("cannot fork: %s", strerror(error));
        close(line[0]);
        pause_child(child, now);
        return;
    }
    child->pid = pid;
    child->line = line[0];
}

/* ---- ending ---- */

static void log_end(const struct child *child, int status)
{
    char text[200];
    bool asked = child->kill_at || child->owner->stopping;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && asked)
        log_debug("%s (process %d) was stopped before it had begun", child->name, (int)child->pid);
    else if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0 || !asked)
        log_warning("%s (process %d) %s", child->name, (int)child->pid,
                    obituary_write(status, child->killed, text, sizeof text));
}

static void ended(struct child *child, int status)
{
    uint64_t now = clock_now();
    int line = child->line;
    if (child->kind->ended == NULL)
        log_end(child, status);
    child->pid = 0;
    if (child->slot)
        scoreboard_reset(child->slot, 0);
    if (child->kill_at || now - child->started >= AT_ONCE) {
        child->pause = 0;
        child->start_at = now;
    } else {
        pause_child(child, now);
    }
    child->kill_at = 0;
    if (child->kind->ended) {
        child->wanted = false;
        child->kind->ended(child, status, child->context);
    }
    close(line);
    child->line = -1;
}

void children_reap(struct children *children)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child;
        TAILQ_FOREACH(child, &children->all, link)
        {
            if (child->pid != pid)
                continue;
            ended(child, status);
            break;
        }
    }
}

/* ---- watching ---- */

static void watch_beat(struct child *child, uint64_t now, uint64_t stall)
{
    uint64_t beat = atomic_load(&child->slot->beat);
    if (now <= beat || now - beat <= stall)
        return;
    log_warning("%s (process %d) has not moved for %.1f seconds: killing it", child->name,
                (int)child->pid, (double)(now - beat) / (double)CLOCK_SECOND);
    kill(child->pid, SIGKILL);
    child->killed = true;
    atomic_store(&child->slot->beat, now); /* its end is on the way: say it once */
}

void children_watch(struct children *children, uint64_t stall)
{
    /* When this process itself has not run for a while, the others may not have either. */
    uint64_t now = clock_now();
    uint64_t away = children->watched ? now - children->watched : 0;
    bool paused = away > PAUSED;
    children->watched = now;
    struct child *child;
    TAILQ_FOREACH(child, &children->all, link)
    {
        if (child->pid == 0) {
            if (child->wanted && !children->stopping && now >= child->start_at)
                start(child);
            continue;
        }
        if (paused && child->slot)
            atomic_store(&child->slot->beat, now);
        if (paused && child->kill_at)
            child->kill_at += away;
        if (child->kill_at && now >= child->kill_at) {
            kill(child->pid, SIGKILL);
            child->killed = true;
            child->kill_at = now + CLOCK_SECOND;
        }
        if (child->slot)
            watch_beat(child, now, stall);
    }
}

void children_stop(struct children *children)
{
    children->stopping = true;
}

void children_signal(const struct children *children, int number)
{
    struct child *child;
    TAILQ_FOREACH(child, &children->all, link)
    if (child->pid) {
        kill(child->pid, number);
        child->killed = child->killed || number == SIGKILL;
    }
}

bool children_any(const struct children *children)
{
    const struct child *child;
    TAILQ_FOREACH(child, &children->all, link)
    if (child->pid)
        return true;
    return false;
}
