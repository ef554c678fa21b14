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

/* What the rules say: those of mailrules.h in the program, a table in tests. */
struct plan_verdicts {
    const struct verdict *list; /* one for each name, in strcmp() order */
    size_t count;
    /* About any other name: see mailrules_find(). */
    struct verdict (*find)(const void *context, const char *name);
    const void *context;
};

/* A name with this source's claim and the row, as they are in the database. */
struct plan_claim {
    const char *name;
    bool claimed;              /* false: no claim of this source, only a row of the name */
    bool kept;                 /* the claim keeps what people had set on a row that was deleted */
    bool kept_since;           /* and the row was deleted after the claim was gone */
    const char *route, *relay; /* of the claim; NULL: none */
    time_t gone_since;         /* 0: still there */
    /* The row; row false: there is none. */
    bool row;
    bool row_enabled, row_any; /* row_any: recipients = 'any' */
    const char *row_source;    /* NULL: of people */
    const char *row_route, *row_relay;
    const char *heir; /* another source that claims a row of ours and is not gone; NULL: none */
};
struct plan_state {
    struct plan_claim *list; /* in strcmp() order, each name once */
    size_t count;
    /* Disabled rows of people that begin with a dot: names below them are not imported. In
     * strcmp() order. */
    const char **fenced;
    size_t fenced_count;
    /* Rows of the table relay, where zones may ask for one. In strcmp() order. */
    const char **relays;
    size_t relay_count;
    time_t now;               /* of the database's clock, which gone_since is of too */
    time_t last_run;          /* when the last accepted run began; 0: there was none */
    struct plan_text *memory; /* owns the texts */
};
/* Copies a text for a state, which owns it. NULL without memory, or for NULL. */
const char *plan_state_text(struct plan_state *state, const char *text, size_t len);
void plan_state_clear(struct plan_state *state);

enum plan_action {
    PLAN_CLAIM,        /* a claim that is new, or is back: its gone_since goes */
    PLAN_CLAIM_ROUTE,  /* the claim's route changes */
    PLAN_CLAIM_GONE,   /* gone_since is set */
    PLAN_CLAIM_DELETE, /* gone for longer than hold, and there is nothing that it keeps */
    PLAN_INSERT,       /* a row of ours */
    PLAN_UPDATE,       /* its route or relay */
    PLAN_DELETE,       /* gone for longer than hold, and nobody else claims it */
    PLAN_PASS,         /* gone, and claimed by an heir: to him, without waiting for hold */
    PLAN_ACTIONS
};
struct plan_change {
    enum plan_action action;
    const char *name;
    const char *old_route, *new_route; /* of the claim, or of the row; NULL: none */
    const char *old_relay, *new_relay; /* the same */
    const char *heir;                  /* PLAN_PASS */
    bool claimed;                      /* the claim is there already */
    bool beside;                       /* PLAN_CLAIM: the row is there, of another source */
    struct verdict verdict;            /* why; its name may be NULL when no zone is known for it */
};

/* What a person or another source decided otherwise, and what will not work: said, not touched. */
enum plan_disagreement {
    PLAN_ROW_OF_PEOPLE,   /* with another route */
    PLAN_ROW_OF_OTHER,    /* of another source, with another route */
    PLAN_ROW_FENCED,      /* a person's disabled .parent keeps it out; a row that is there stays */
    PLAN_ROW_NOT_LISTED,  /* a row of people whose zone is here, and whose MX does not list us */
    PLAN_ROW_WE_ARE_BEST, /* a row where we are the best MX */
    PLAN_ROW_MISSING,     /* its MX lists us, and it is not in the tables: nowhere to relay to */
    PLAN_RELAY_MISSING,   /* its zone asks for a relay that is not there: the row stays as it is */
    PLAN_DISAGREEMENTS
};
struct plan_note {
    enum plan_disagreement kind;
    const char *name;
    const char *row_route, *row_relay, *row_source;
    const char *our_route, *our_relay;
    const char *fence; /* PLAN_ROW_FENCED */
    enum verdict_reason reason;
};

enum plan_valve { PLAN_OPEN, PLAN_NO_ZONES, PLAN_TOO_MANY_GONE, PLAN_TOO_MANY_ROUTES };

struct plan {
    struct plan_change *changes; /* by name (deadlocks need two orders), then action */
    size_t change_count, change_room;
    struct plan_note *notes;
    size_t note_count, note_room;
    size_t counts[PLAN_ACTIONS];
    size_t note_counts[PLAN_DISAGREEMENTS];
    size_t claims_before; /* of the last accepted run: not gone */
    size_t newly_gone;    /* claims that would be marked as gone */
    size_t rerouted;      /* names whose claim's or row's route or relay would change */
    size_t accept_any;    /* imported domains whose row accepts any recipient, after this run */
    size_t imported;      /* rows of this source, after this run */
    enum plan_valve valve;
};

/* So few may always go: a small site changes a few at a time, and they are many percent. */
#define PLAN_VALVE_FREE 5

/*
 * Compares. zones is the number of zones in the list (0 shuts the valve). The valve adds what would
 * newly be marked as gone and what would be rerouted: more than PLAN_VALVE_FREE, and more than
 * max_delete_percent of claims_before, shuts it. NULL without memory. Texts are borrowed from
 * verdicts and state.
 */
struct plan *plan_make(const struct importconf *conf, const struct plan_verdicts *verdicts,
                       size_t zones, const struct plan_state *state);
void plan_free(struct plan *plan);

/* "insert", "claim-gone": as in JSON. And of a note: "row-of-people". */
const char *plan_action_word(enum plan_action action);
const char *plan_note_word(enum plan_disagreement kind);

#endif
