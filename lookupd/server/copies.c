#include "server/copies.h"

#include "common/clock.h"
#include "common/log.h"
#include "lookup/snapshot.h"
#include "lookup/snapshot_file.h"

#include <errno.h>
#include <unistd.h>

/* How long a keeper that is told to end may go on, saving a copy. */
#define GRACE (5 * CLOCK_SECOND)

static bool is_wanted(const struct conf *conf)
{
    return conf->snapshot.directory && conf->snapshot.interval > 0;
}

static void load(struct copies *copies, const struct conf *conf)
{
    struct snapshot_error error;
    copies->fd = snapshot_load(conf->snapshot.directory, &error);
    if (copies->fd < 0 && error.text[0])
        log_warning("snapshot: %s/" SNAPSHOT_FILE " %s: it is not used", conf->snapshot.directory,
                    error.text);
    if (copies->fd < 0)
        return;
    copies->number++;
    struct snapshot *snapshot = snapshot_new(dup(copies->fd));
    char time[SNAPSHOT_TIME_MAX];
    if (snapshot)
        log_info("snapshot: that of %s is there", snapshot_time(snapshot, time));
    snapshot_free(snapshot);
}

bool copies_begin(struct copies *copies, const struct conf *conf, struct children *children,
                  const struct child_kind *keeper_kind, void *context)
{
    *copies = (struct copies){.fd = -1};
    copies->board = scoreboard_new(1);
    if (copies->board == NULL)
        return false;
    if (is_wanted(conf))
        load(copies, conf);
    copies->keeper =
        children_add(children, keeper_kind, 1, scoreboard_slot(copies->board, 0), context);
    if (copies->keeper)
        child_want(copies->keeper, is_wanted(conf), 0);
    return copies->keeper != NULL;
}

void copies_end(struct copies *copies)
{
    if (copies->fd >= 0)
        close(copies->fd);
    copies->fd = -1;
    if (copies->board)
        scoreboard_free(copies->board);
}

void copies_change(struct copies *copies, const struct conf *conf)
{
    /* What is on the disk is what the guard holds the first copy against. */
    if (is_wanted(conf) && copies->fd < 0)
        load(copies, conf);
    if (is_wanted(conf) && child_is_wanted(copies->keeper))
        child_restart(copies->keeper, GRACE);
    else
        child_want(copies->keeper, is_wanted(conf), GRACE);
}

static void receive(struct copies *copies)
{
    struct line_message message;
    enum line_status status;
    if (child_pid(copies->keeper) == 0)
        return;
    while ((status = line_receive(child_line(copies->keeper), &message)) == LINE_GOT ||
           status == LINE_SPOILED) {
        if (status == LINE_SPOILED) {
            log_warning("snapshot: no descriptor is left for a new copy");
            continue;
        }
        if (message.kind == LINE_SNAPSHOT && message.count == 1) {
            if (copies->fd >= 0)
                close(copies->fd);
            copies->fd = message.descriptors[0];
            copies->number++;
            message.descriptors[0] = -1;
        }
        line_discard(&message);
    }
}

void copies_hand_over(struct copies *copies, struct child *const *workers, size_t count)
{
    receive(copies);
    if (copies->fd < 0)
        return;
    struct line_message message = {.kind = LINE_SNAPSHOT, .count = 1, .descriptors = {copies->fd}};
    for (size_t i = 0; i < count; i++) {
        if (copies->sent[i] == copies->number)
            continue;
        /* One that is being started gets it with its birth. One that does not read is asked to
         * take it again. */
        if (child_send(workers[i], &message) || errno == ESRCH)
            copies->sent[i] = copies->number;
    }
}
