/*
 * What the parts of the mail rules share. Zones are reduced to names: every name that exists (empty
 * ones too, for wildcards), with what decides about mail. A view's number is zonelist_zone.order.
 */
#ifndef LOOKUPD_MAILRULES_MEMORY_H
#define LOOKUPD_MAILRULES_MEMORY_H

#include "import/arena.h"
#include "import/mailrules.h"
#include "import/namejudge.h"

/* What is known of a name's addresses. */
enum mail_address {
    MAIL_HAS_ADDRESS = 1,
    MAIL_OURS = 2,      /* one of my_addresses */
    MAIL_FORBIDDEN = 4, /* mail must not go to one of them */
};

struct mail_mx {
    const uint8_t *target;
    uint16_t preference;
};

struct mail_name {
    const uint8_t *name;
    union {
        const struct mail_mx *mx; /* when it has MX records and is authoritative */
        const uint8_t *cname;     /* else, when it has a CNAME record */
    };
    uint32_t zone;
    uint32_t decision; /* in mailrules.decisions, from 1 on; 0: none */
    uint32_t mx_count;
    uint16_t types;    /* enum rr_bit */
    uint8_t place;     /* enum zone_place */
    uint8_t addresses; /* enum mail_address */
};

/* Where its CNAME record leads; NULL: it has none (one beside MX records is not heard). */
static inline const uint8_t *mailrules_cname(const struct mail_name *name)
{
    return name->mx_count == 0 ? name->cname : NULL;
}

enum mail_hint { HINT_NONE, HINT_RELAY, HINT_NO, HINT_REFUSED };

struct mail_zone {
    const struct zonelist_zone *entry;
    uint32_t serial;
    uint32_t first, count; /* its names, in canonical order, the apex first */
    uint32_t relayed;
    bool primary;  /* this server is its primary: it has no names here */
    bool unread;   /* nor has this one */
    bool behind;   /* its journal could not be used: named may have what its file lacks */
    bool too_many; /* more mail names than max_names */
    enum zone_fault_kind why;
    enum mail_hint hint;
    const char *hint_relay;
};

struct decision {
    enum verdict_reason reason;
    uint16_t own_preference;
    uint8_t warnings;  /* one bit for each enum verdict_warning */
    bool behind;       /* a CNAME leads to a zone that is */
    const char *route; /* of a relayed name; NULL with relay */
    const char *relay;
};

/* An MX record while its name is decided. */
enum mail_target {
    TARGET_ROOT,      /* "." */
    TARGET_INVALID,   /* no name of a host */
    TARGET_SELF,      /* this host */
    TARGET_DANGLING,  /* in our zones, without an address */
    TARGET_FORBIDDEN, /* in our zones, with a forbidden one */
    TARGET_UNREAD,    /* in a zone that could not be read */
    TARGET_OUTSIDE,   /* not in our zones */
    TARGET_GOOD,      /* in our zones, with addresses */
};
struct judged_mx {
    const uint8_t *name;
    uint16_t preference;
    enum mail_target target;
    bool cname;
};

struct mailrules {
    const struct importconf *conf;
    struct arena arena;
    struct namejudge judge;
    struct nametable zone_table; /* apex, by view */
    struct mail_zone *zones;
    size_t zone_count, zone_room;
    struct mail_name *names;
    size_t name_count, name_room;
    struct decision *decisions;
    size_t decision_count, decision_room;
    struct judged_mx *judged; /* of the name under way */
    size_t judged_room;
    unsigned *views; /* ascending */
    size_t view_count, view_room;
    bool zones_unread; /* or behind */
    bool catalog_unread;
    struct verdict *verdicts;
    size_t verdict_count, verdict_room;
    size_t counts[RULE_COUNT], warnings[WARN_COUNT];
};

/* The name as the tables have it: ".example.com" for "*.example.com". False when it cannot stand
 * there. out has MAIL_TEXT_SIZE octets. */
#define MAIL_TEXT_SIZE (WIRENAME_DOMAIN_SIZE + 1)
bool mailrules_text(const uint8_t *name, char *out);
/* The other way. False when it is no name. out has WIRENAME_MAX octets. */
bool mailrules_wire(const char *text, uint8_t *out);

/* ---- mailrules_names.c ---- */

/* The deepest zone of a view that a name is in, read or not; NULL: none. */
const struct mail_zone *mailrules_zone_of(const struct mailrules *rules, unsigned view,
                                          const uint8_t *name);
/* The name in a zone; NULL: it does not exist there. */
const struct mail_name *mailrules_name_in(const struct mailrules *rules,
                                          const struct mail_zone *zone, const uint8_t *name);

enum mail_look { LOOK_NAME, LOOK_NOTHING, LOOK_OUTSIDE, LOOK_UNREAD };
/* What a question for a name finds in a view, as its name server would answer: wildcards match. */
enum mail_look mailrules_look(const struct mailrules *rules, unsigned view, const uint8_t *name,
                              const struct mail_name **found);
/* What an MX target is. *cname is set when it is a CNAME. */
enum mail_target mailrules_target(const struct mailrules *rules, unsigned view,
                                  const uint8_t *target, bool *cname);

/* ---- mailrules_address.c ---- */

/* The bits of enum mail_address for one address. */
unsigned mailrules_address(const struct importconf *conf, const struct zonelist_address *address);

/* ---- mailrules_decide.c ---- */

/* Decides a name with MX records, or an apex; false without memory. */
bool mailrules_decide_mx(struct mailrules *rules, const struct mail_name *name,
                         struct decision *decision);
/* Decides a name with a CNAME record, when all others are. */
struct decision mailrules_decide_cname(const struct mailrules *rules, const struct mail_name *name);
/* Finds what was decided of a name, when all are. False when it has neither MX records nor a CNAME
 * record, and is no apex: then nothing was. */
bool mailrules_decision(const struct mailrules *rules, const struct mail_name *name,
                        struct decision *decision);

/* Judges the MX records of a name into rules->judged: those that exist, best first, equal ones by
 * name. False without memory. */
bool mailrules_judge_mx(struct mailrules *rules, const struct mail_name *name);

#endif
