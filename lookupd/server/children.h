/*
 * Child processes of several kinds: forked, watched, ended, and started again when they have ended
 * by themselves. Knows nothing of what they do.
 */
#ifndef LOOKUPD_CHILDREN_H
#define LOOKUPD_CHILDREN_H

#include "server/line.h"
#include "server/scoreboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a new child process is given. */
struct child_start {
    int number;        /* 1, 2, … of its kind */
    struct slot *slot; /* where its loop beats; NULL where none was given */
    int line;          /* its end of the line; the other is the parent's */
    void *context;
};

struct child;
struct children;

struct child_kind {
    const char *name; /* in the log: "worker" */
    bool numbered;    /* there are several: "worker 1" */
    /* Runs in the new process, with no signal blocked; returns its exit code. */
    int (*run)(const struct child_start *start);
    /*
     * In the parent, when the process has ended, with its status as of waitpid(2); what it sent
     * can still be received. NULL: a child that is always wanted, whose end is logged. Otherwise
     * the callee decides what its end means; it is not started again unless child_want() says so.
     */
    void (*ended)(struct child *child, int status, void *context);
};

struct children *children_new(void);
void children_free(struct children *children);

/*
 * A child that does not run yet: child_want() says so, children_watch() starts it. slot: it must
 * beat there, and is killed when it stands still; may be NULL. NULL without memory.
 */
struct child *children_add(struct children *children, const struct child_kind *kind, int number,
                           struct slot *slot, void *context);

/*
 * Whether it shall run. One that is no longer wanted gets SIGTERM, and is killed when it has not
 * ended after grace nanoseconds; wanted again, a new process is started when the old one has ended.
 */
void child_want(struct child *child, bool wanted, uint64_t grace);
/* Ends the process, if there is one, in the same way; a new one follows. */
void child_restart(struct child *child, uint64_t grace);
bool child_is_wanted(const struct child *child);
/* 0: none */
pid_t child_pid(const struct child *child);
/* Sends a message to the process. False with errno; ESRCH: there is none. */
bool child_send(const struct child *child, const struct line_message *message);
/* The parent's end of its line, for line_receive(); -1: there is no process. */
int child_line(const struct child *child);

/* Takes note of those that have ended. */
void children_reap(struct children *children);

/* Starts those that are missing, and kills those that stand still for longer than stall. */
void children_watch(struct children *children, uint64_t stall);

/* From now on none is started, and none of the ends is a surprise. */
void children_stop(struct children *children);
void children_signal(const struct children *children, int number);
bool children_any(const struct children *children);

#endif
