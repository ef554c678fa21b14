/*
 * From zones to mail: which names this host is a backup MX for, and where their mail goes. Knows no
 * file and no database. What RFC 5321 5.1 says about MX, RFC 7505 about null MX, RFC 1034 and 6672
 * about what a zone may say at all; each rule is one enum verdict_reason, each has a test of that
 * name.
 *
 * Zones are handed in one by one, reduced to what decides, and may be freed at once; when all are
 * in, names are decided, for a name may depend on other zones: a deeper zone owns it, a CNAME leads
 * there, an MX target has its addresses there. So the order of the zones does not matter, but for
 * views: where two give a name different verdicts, the smaller zonelist_zone.order wins.
 */
#ifndef LOOKUPD_MAILRULES_H
#define LOOKUPD_MAILRULES_H

#include "import/importconf.h"
#include "import/zone.h"
#include "import/zonelist.h"

#include <stdio.h>

enum verdict_kind {
    VERDICT_RELAY,   /* a row of ours */
    VERDICT_NOT,     /* known not to be relayed: a row of ours goes, after hold */
    VERDICT_UNKNOWN, /* could not be found out: a row of ours stays as it is */
};

enum verdict_reason {
    /* relay */
    RULE_BETTER_MX, /* our MX record has better ones before it */
    RULE_CNAME,     /* a CNAME to a relayed name */
    RULE_WILDCARD,  /* "*.D" with better ones than us; the row is ".D" */
    RULE_HINT,      /* a TXT record names a relay of hint_relays */
    RULE_ALL,       /* mode "all" */
    /* not */
    RULE_NO_MX,             /* implicit MX, or no mail at all: not ours */
    RULE_NULL_MX,           /* RFC 7505: takes no mail */
    RULE_NOT_OURS,          /* no MX target is this host */
    RULE_NO_ZONE,           /* no zone of the list has the name */
    RULE_ONLY_US,           /* we are the best MX: to relay would be a loop */
    RULE_WILDCARD_IGNORED,  /* the setting wildcards is off */
    RULE_SUBDOMAIN_IGNORED, /* the setting subdomains is off */
    RULE_INVALID_NAME,      /* the labels are no mail domain */
    RULE_AT_CUT,            /* the child zone's matter, and that zone is not here */
    RULE_BELOW_CUT,
    RULE_BELOW_DNAME,
    RULE_DEEPER_ZONE, /* another zone of this server owns the name */
    RULE_EXCLUDED,    /* by include and exclude */
    RULE_HINT_NO,     /* a TXT record says relay=no */
    RULE_CNAME_OUT,   /* a CNAME to a name that is not relayed, or not in these zones */
    RULE_CNAME_LOOP,  /* or more than 8 steps */
    /* unknown */
    RULE_ZONE_UNREAD,  /* the zone, or the one that a CNAME leads to, could not be read */
    RULE_BAD_TARGETS,  /* every better MX is malformed, dangling, or has forbidden addresses */
    RULE_NO_SAFE_HOST, /* relay_form "hosts": nothing can be vouched for */
    RULE_TOO_MANY,     /* the zone has more than max_names mail names */
    RULE_COUNT
};

/* RFC 5321 5.1 knows no limit; Postfix's smtp_mx_address_limit is 5 addresses. */
#define MAILRULES_HOSTS_MAX 5
/* Of a CNAME chain, as resolvers have it. */
#define MAILRULES_CNAME_MAX 8

/* What is said about one name. Borrowed from the rules; texts live as long as they. */
struct verdict {
    const char *name; /* valid for the tables: wirename_domain(); ".example.com" for a wildcard */
    enum verdict_kind kind;
    enum verdict_reason reason;
    const char *route; /* VERDICT_RELAY: "relay:" or "relay:[a]:25, [b]:25"; RULE_HINT: NULL */
    const char *relay; /* RULE_HINT: the name of a row of table relay; else NULL */
    const struct zonelist_zone *zone; /* that decided */
    uint32_t serial;                  /* of it; 0 when it was not read */
    uint16_t own_preference;          /* of our best MX record, where there is one */
    bool behind; /* the zone's journal could not be used: it may say another route */
};

/* A warning that belongs to a name: it is relayed all the same. */
enum verdict_warning {
    WARN_TARGET_INVALID,   /* an MX target is no host name, or an address */
    WARN_TARGET_DANGLING,  /* in our zones, and has no address */
    WARN_TARGET_FORBIDDEN, /* loopback, private, link-local, multicast */
    WARN_TARGET_CNAME,     /* RFC 2181 10.3 */
    WARN_NULL_MX_MIXED,    /* "." beside others */
    WARN_VIEWS_DISAGREE,
    WARN_HINT_REFUSED, /* names a relay that is not in hint_relays */
    WARN_COUNT
};

struct mailrules *mailrules_new(const struct importconf *conf); /* NULL without memory */
void mailrules_free(struct mailrules *rules);

/* Takes what the zone says; entry must live as long as the rules, zone need not. Of one whose
 * journal could not be used, what the file has counts; what it lacks is not known. False without
 * memory. */
bool mailrules_add(struct mailrules *rules, const struct zonelist_zone *entry,
                   const struct zone *zone);
/* A zone of the list that could not be read: nothing is known of what it owns. */
bool mailrules_add_unread(struct mailrules *rules, const struct zonelist_zone *entry,
                          enum zone_fault_kind why);
/* A zone that this server is primary of: it is not read, and yet its names are no zone's above. */
bool mailrules_add_primary(struct mailrules *rules, const struct zonelist_zone *entry);
/* A zone of one view that is in another view as well (in-view), when that other one was added: what
 * is asked for in this view finds it. */
bool mailrules_add_shared(struct mailrules *rules, const struct zonelist_zone *entry,
                          const struct zonelist_zone *other);
/* A catalog that could not be read: any name that no zone owns could be of a member. Then every
 * name that is not decided otherwise is RULE_ZONE_UNREAD. */
void mailrules_add_unread_catalog(struct mailrules *rules);

/* Decides every name that owns an MX or CNAME record, every apex, and in mode "all" every zone.
 * False without memory. */
bool mailrules_decide(struct mailrules *rules);

/* The verdicts, one for each name, in the order of strcmp(). */
const struct verdict *mailrules_verdicts(const struct mailrules *rules, size_t *count);
/*
 * What is said about any name of the tables (".example.com" too), as claims of earlier runs have
 * it: one of the verdicts; else RULE_ZONE_UNREAD when the deepest zone above it could not be read,
 * or not its journal; else not relayed, RULE_NO_MX (in a zone of the list), RULE_DEEPER_ZONE (in
 * one that this server is primary of) or RULE_NO_ZONE.
 */
struct verdict mailrules_find(const struct mailrules *rules, const char *name);
size_t mailrules_count(const struct mailrules *rules, enum verdict_reason reason);
size_t mailrules_warnings(const struct mailrules *rules, enum verdict_warning warning);

/* "better-mx", as in JSON and the tests; and what it means, in a sentence for people. */
const char *verdict_reason_word(enum verdict_reason reason);
const char *verdict_reason_text(enum verdict_reason reason);
enum verdict_kind verdict_reason_kind(enum verdict_reason reason);

/* How a name was decided, in lines for people: zone, view, file, serial, its MX records with what
 * was thought of each, the rule. For --explain. */
void mailrules_explain(const struct mailrules *rules, const char *name, FILE *out);

#endif
