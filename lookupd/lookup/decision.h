/*
 * From rows to an answer: which row decides, and whether its value may be sent to Postfix. The same
 * for rows of the database and of a snapshot.
 */
#ifndef LOOKUPD_DECISION_H
#define LOOKUPD_DECISION_H

#include "lookup/answer.h"
#include "lookup/candidates.h"
#include "lookup/map.h"

#include <stdbool.h>
#include <stddef.h>

/* What the rows seen so far say about one lookup. All zero at the beginning. */
struct decision {
    bool seen;        /* a row for the candidate below */
    bool conflict;    /* it has rows of different values, which may not be joined */
    bool no_memory;   /* so nothing can be said */
    size_t candidate; /* the most specific one that has a row */
    char *value;      /* NULL: its rows say "not found" */
    size_t len;
};

/* Takes a row for a candidate (its place in the list). value is copied; NULL decides "not found".
 */
void decision_row(struct decision *decision, const struct map *map, size_t candidate,
                  const char *value, size_t len);

/*
 * Ends a decision after the last row. The answer's text is borrowed from the decision, valid until
 * decision_clear(). A value that would harm Postfix is logged (a few a minute for each map) and
 * answered as temporary.
 */
void decision_end(struct decision *decision, const struct map *map,
                  const struct candidates *candidates, struct answer *answer);
void decision_clear(struct decision *decision);

#endif
