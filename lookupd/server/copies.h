/*
 * The parent's part in the snapshot: it reads it from the disk at the start, so that a restart
 * during an outage begins with it, runs the keeper, and hands each new copy to the workers.
 */
#ifndef LOOKUPD_COPIES_H
#define LOOKUPD_COPIES_H

#include "lookup/conf.h"
#include "server/children.h"

#include <stdbool.h>
#include <stddef.h>

struct copies {
    int fd;               /* the snapshot in use, or -1 */
    uint64_t number;      /* counts them */
    struct child *keeper; /* NULL before copies_begin() */
    struct scoreboard *board;
    uint64_t sent[CONF_WORKERS_MAX]; /* the number of the copy that each worker has been sent */
};

/*
 * Reads the snapshot of the disk, where there is one and conf wants it, and adds the keeper (of
 * keeper_kind, with context), which runs when conf wants one. To be called before workers are
 * forked: they get the descriptor with them. False without memory.
 */
bool copies_begin(struct copies *copies, const struct conf *conf, struct children *children,
                  const struct child_kind *keeper_kind, void *context);
void copies_end(struct copies *copies);

/* After a reload: the keeper begins anew with it, or ends. */
void copies_change(struct copies *copies, const struct conf *conf);

/* Takes what the keeper has sent, and sends it to the workers that have not got it. */
void copies_hand_over(struct copies *copies, struct child *const *workers, size_t count);

#endif
