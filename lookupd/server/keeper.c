#include "server/keeper.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/snapshot_file.h"
#include "server/keeper_copy.h"
#include "server/line.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define BEAT (CLOCK_SECOND / 4)
/* A copy that failed is tried again after so many seconds, or snapshot.interval if that is less. */
#define RETRY 10
/* The same trouble is logged again this often. */
#define SAY_AGAIN (600 * CLOCK_SECOND)

struct keeper {
    const struct keeper_start *start;
    const struct conf_snapshot *conf;
    struct snapshot *last;    /* the one in use; NULL: none */
    int lock;                 /* of the folder; -1: it is not ours */
    bool unsaved;             /* the disk has not got the last one, and never had another */
    char said[COPY_TEXT_MAX]; /* the trouble that was logged; empty: none since the last copy */
    uint64_t said_at;
};

/* ---- words ---- */

static void set_title(const struct keeper *keeper)
{
    char time[SNAPSHOT_TIME_MAX];
    if (keeper->last)
        setproctitle("snapshot keeper: snapshot of %s%s", snapshot_time(keeper->last, time),
                     keeper->said[0] ? ", the last copy failed" : "");
    else
        setproctitle("snapshot keeper: no snapshot yet");
}

/* A warning, once for each trouble, and again when it lasts. */
static void warn(struct keeper *keeper, const char *text)
{
    char time[SNAPSHOT_TIME_MAX];
    uint64_t now = clock_now();
    if (strcmp(keeper->said, text) == 0 && now - keeper->said_at < SAY_AGAIN)
        return;
    keeper->said_at = now;
    snprintf(keeper->said, sizeof keeper->said, "%s", text);
    if (keeper->last)
        log_warning("snapshot: %s: the one of %s is kept", text, snapshot_time(keeper->last, time));
    else
        log_warning("snapshot: %s: there is none", text);
}

/* ---- a copy that is complete ---- */

static bool is_file_gone(const struct keeper *keeper)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" SNAPSHOT_FILE, keeper->conf->directory);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Somebody has taken the file away: what he sees in the tables is right. */
static bool is_accepted(const struct keeper *keeper)
{
    return !keeper->unsaved && is_file_gone(keeper) &&
           access(keeper->conf->directory, R_OK | W_OK | X_OK) == 0;
}

/* Whether a map has lost so many of its rows that nobody can have meant it. */
static bool is_guarded(struct keeper *keeper, const struct snapshot *next)
{
    const struct maps *maps = keeper->start->maps;
    uint64_t percent = (uint64_t)keeper->conf->guard_percent;
    for (size_t i = 0; i < maps->count; i++) {
        uint64_t before;
        uint64_t now;
        if (!snapshot_has(keeper->last, &maps->list[i], NULL, &before) ||
            !snapshot_has(next, &maps->list[i], NULL, &now) ||
            now * 100 >= before * (100 - percent))
            continue;
        char text[COPY_TEXT_MAX];
        char accept[COPY_TEXT_MAX / 2] = "restart lookupd";
        if (!is_file_gone(keeper))
            snprintf(accept, sizeof accept, "remove %s/" SNAPSHOT_FILE, keeper->conf->directory);
        /* Without the new number, which changes and would make it another trouble. */
        snprintf(text, sizeof text,
                 "map %s had %llu rows with a value and has lost more than %llu percent of them; "
                 "if that is right, %s and the next copy is taken as it is",
                 maps->list[i].name, (unsigned long long)before, (unsigned long long)percent,
                 accept);
        warn(keeper, text);
        return true;
    }
    return false;
}

static bool hand_over(const struct keeper *keeper, int fd)
{
    struct line_message message = {.kind = LINE_SNAPSHOT, .count = 1, .descriptors = {fd}};
    if (line_send(keeper->start->parent, &message))
        return true;
    log_debug("snapshot: the parent does not take it: %s", strerror(errno));
    return false;
}

/* False when the disk has it not: then a restart would begin with an older one. */
static bool save(struct keeper *keeper, int fd)
{
    struct snapshot_error error;
    sigset_t terminate;
    sigset_t before;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    /* So that an orderly end leaves no half a file. */
    pthread_sigmask(SIG_BLOCK, &terminate, &before);
    bool good = snapshot_lock(keeper->conf->directory, &keeper->lock, &error) &&
                snapshot_save(keeper->conf->directory, fd, &error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keeper->unsaved = !good && is_file_gone(keeper);
    uint64_t now = clock_now();
    if (good || (strcmp(keeper->said, error.text) == 0 && now - keeper->said_at < SAY_AGAIN))
        return good;
    keeper->said_at = now;
    snprintf(keeper->said, sizeof keeper->said, "%s", error.text);
    log_warning("snapshot: %s/" SNAPSHOT_FILE
                ": %s: the new copy is in use, but after a restart the one on disk would be",
                keeper->conf->directory, error.text);
    return false;
}

/* Takes fd: what was copied becomes the snapshot, unless the guard says no. */
static void use(struct keeper *keeper, int fd)
{
    struct snapshot *next = snapshot_new(fd);
    if (next == NULL) {
        warn(keeper, "no memory for the copy");
        return;
    }
    if (keeper->last && !is_accepted(keeper) && is_guarded(keeper, next)) {
        snapshot_free(next);
        return;
    }
    bool saved = save(keeper, fd);
    (void)hand_over(keeper, fd);
    if (saved && (keeper->said[0] || keeper->last == NULL)) {
        char time[SNAPSHOT_TIME_MAX];
        log_info("snapshot: copied at %s", snapshot_time(next, time));
    }
    if (saved)
        keeper->said[0] = '\0';
    snapshot_free(keeper->last);
    keeper->last = next;
}

/* ---- time ---- */

/* One copy. Returns how long to wait for the next: nanoseconds. */
static uint64_t copy(struct keeper *keeper)
{
    int fd;
    char text[COPY_TEXT_MAX];
    uint64_t interval = (uint64_t)keeper->conf->interval * CLOCK_SECOND;
    uint64_t retry = interval < RETRY * CLOCK_SECOND ? interval : RETRY * CLOCK_SECOND;
    uint64_t begun = clock_now();
    const struct snapshot *before = is_accepted(keeper) ? NULL : keeper->last;
    switch (keeper_copy(keeper->start->maps, keeper->start->credentials, before, &fd, text)) {
    case COPY_DONE:
        use(keeper, fd);
        break;
    case COPY_OFF:
    case COPY_FAILED:
        warn(keeper, text);
        return retry;
    }
    /* A database that needs longer for a copy than the interval has a rest in between. */
    uint64_t took = clock_now() - begun;
    return took < interval / 2 ? interval - took : interval / 2;
}

/* False when the parent has gone. */
static bool wait_for_next(const struct keeper *keeper, uint64_t pause)
{
    uint64_t until = clock_now() + pause;
    for (;;) {
        uint64_t now = clock_now();
        if (now >= until)
            return true;
        struct pollfd line = {.fd = keeper->start->parent, .events = POLLIN};
        struct line_message message;
        int ready = poll(&line, 1, (int)((until - now) / (CLOCK_SECOND / 1000)) + 1);
        if (ready <= 0)
            continue;
        if (line_receive(keeper->start->parent, &message) == LINE_END)
            return false;
        line_discard(&message);
    }
}

/* Beats while the database or the disk keeps the process waiting, and not when it is stopped. */
static void *beat(void *context)
{
    struct slot *slot = context;
    const struct timespec pause = {.tv_nsec = BEAT};
    for (;;) {
        atomic_store_explicit(&slot->beat, clock_now(), memory_order_relaxed);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Without signals: one that the main thread blocks would end the process by way of this one. */
static bool start_beating(struct slot *slot)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&thread, NULL, beat, slot) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good)
        pthread_detach(thread);
    return good;
}

int keeper_run(const struct keeper_start *start)
{
    struct keeper keeper = {.start = start, .conf = &start->maps->conf->snapshot, .lock = -1};
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to all: the parent decides */
    signal(SIGHUP, SIG_IGN);
    if (!start_beating(start->slot)) {
        log_error("snapshot keeper: cannot start a thread");
        return EX_OSERR;
    }
    if (start->snapshot >= 0)
        keeper.last = snapshot_new(start->snapshot);
    uint64_t pause = 0;
    do {
        set_title(&keeper);
        pause = copy(&keeper);
        set_title(&keeper);
    } while (wait_for_next(&keeper, pause));
    _exit(EX_OK); /* the thread uses what would be freed */
}
