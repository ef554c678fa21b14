/*
 * What a run would change: verdicts compared with this source's claims and with the rows that there
 * are. A pure function of the two and the time; it asks no database (apply.h reads for it, and
 * writes what it says). Unknown is never absent: a claim without a known verdict is left as it is.
 */
#ifndef LOOKUPD_PLAN_H
#define LOOKUPD_PLAN_H

#include "import/mailrules.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* A claim of this source with the row of that name, as they are in the database. In strcmp() order.
 */
struct plan_claim {
    char *name;
    char *route;       /* NULL: none */
    time_t gone_since; /* 0: still there */
    bool claimed;      /* false: no claim of this source, only a row of the name */
    /* The row; row false: there is none. */
    bool row;
    char *row_source; /* NULL: of people */
    char *row_route, *row_relay;
    bool row_enabled;
    char *heir; /* another source that claims it now and is not gone; NULL: none. Smallest name. */
};
struct plan_state {
    struct plan_claim *list;
    size_t count;
    /* Disabled rows of people that begin with a dot: names below them are not imported. */
    char **fenced;
    size_t fenced_count;
};
void plan_state_clear(struct plan_state *state);

enum plan_action {
    PLAN_CLAIM,        /* a claim that is new, or is back: its gone_since goes */
    PLAN_CLAIM_ROUTE,  /* the claim's route changes */
    PLAN_CLAIM_GONE,   /* gone_since is set */
    PLAN_CLAIM_DELETE, /* gone for longer than hold; stays when it keeps what people had set */
    PLAN_INSERT,       /* a row of ours */
    PLAN_UPDATE,       /* its route or relay */
    PLAN_DELETE,       /* gone for longer than hold, and nobody else claims it */
    PLAN_PASS,         /* gone for longer than hold: to the heir, at once when he is there */
    PLAN_ACTIONS
};
struct plan_change {
    enum plan_action action;
    const char *name;
    const char *old_route, *new_route; /* where they matter; NULL: none */
    const char *new_relay;             /* of a hint */
    const char *heir;                  /* PLAN_PASS */
    const struct verdict *verdict;     /* NULL: none is known any more */
};

/* What a person or another source decided otherwise: said, not touched. */
enum plan_disagreement {
    PLAN_ROW_OF_PEOPLE,  /* with another route */
    PLAN_ROW_OF_OTHER,   /* of another source, with another route */
    PLAN_ROW_FENCED,     /* a person's disabled .parent keeps it out */
    PLAN_ROW_NOT_LISTED, /* a row of people whose zone is here, and whose MX does not list us */
    PLAN_ROW_WE_ARE_BEST /* a row where we are the best MX */
};
struct plan_note {
    enum plan_disagreement kind;
    const char *name;
    const char *row_route, *our_route, *row_source;
};

enum plan_valve { PLAN_OPEN, PLAN_NO_ZONES, PLAN_TOO_MANY_GONE, PLAN_TOO_MANY_ROUTES };

struct plan {
    struct plan_change *changes; /* by name (deadlocks need two orders), then action */
    size_t change_count;
    struct plan_note *notes;
    size_t note_count;
    size_t counts[PLAN_ACTIONS];
    size_t claims_before; /* of the last accepted run: not gone */
    size_t accept_any;    /* imported domains whose row accepts any recipient, after this run */
    enum plan_valve valve;
};

/*
 * Compares. zones is the number of zones in the list (0 shuts the valve). The valve counts claims
 * that this run would newly mark as gone, and routes that it would change, against claims_before:
 * more than max_delete_percent and more than 5 shuts it. NULL without memory. Texts are borrowed
 * from rules and state.
 */
struct plan *plan_make(const struct importconf *conf, const struct mailrules *rules, size_t zones,
                       const struct plan_state *state, time_t now);
void plan_free(struct plan *plan);

#endif
