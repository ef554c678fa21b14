/* Copies the rows of all maps from the database, by one consistent read, into a snapshot. */
#ifndef LOOKUPD_KEEPER_COPY_H
#define LOOKUPD_KEEPER_COPY_H

#include "lookup/connect.h"
#include "lookup/credentials.h"
#include "lookup/map.h"
#include "lookup/snapshot.h"

#include <stddef.h>

enum copy_status {
    COPY_DONE,
    COPY_OFF,   /* the table service says that the tables are being worked on, or is not there */
    COPY_FAILED /* the copy is not complete, and nothing of it is used */
};

#define COPY_TEXT_MAX 800

/*
 * Takes a copy; blocks for as long as that takes, at most some minutes. before: the snapshot in
 * use, or NULL: there is none, or it need not be kept. A map whose `all` fails is left out, which
 * is logged; but one that is in `before` makes the copy fail, since the old rows are worth more
 * than none. Gives a descriptor as of snapshot_make_finish(), or a text that says what is wrong.
 */
enum copy_status keeper_copy(struct maps *maps, const struct credentials *credentials,
                             const struct snapshot *before, int *fd, char text[COPY_TEXT_MAX]);

/*
 * Prepares the `all` of every map and reports what is wrong with it, for -t and a reload. False
 * when the database could not be reached (error says why).
 */
bool keeper_copy_check(struct maps *maps, const struct credentials *credentials,
                       struct settings_errors *errors, struct connect_error *error);

#endif
