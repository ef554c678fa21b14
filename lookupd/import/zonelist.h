/*
 * The zones of a name server: canonical output of named-checkconf -px, and lines of named-nzd2nzf,
 * taken apart. BIND's own parser is the judge of what people write in named.conf; this one reads
 * only what BIND prints, and refuses a text that it does not understand as a whole (unknown is not
 * absent: half a list would look like zones that went away).
 *
 * Tokens are words, quoted strings (\" is a quote, every other backslash stays: lib/isc/lex.c) and
 * { } ;. Warnings precede the configuration on the same stream: lines before the first one that
 * begins with a statement's keyword and '{' are handed to the caller. Statements and options that
 * are not known are skipped as balanced blocks. Words of types compare without regard to case.
 */
#ifndef LOOKUPD_ZONELIST_H
#define LOOKUPD_ZONELIST_H

#include "import/wirename.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct importconf;

/* Addresses of one zone's primaries that are kept: nobody tries more. */
#define ZONELIST_PRIMARIES_MAX 16
/* Lists of primaries in lists: as deep as anybody nests them. */
#define ZONELIST_DEPTH_MAX 8

/* Why a zone of the list is not read at all. Its names count as absent, not as unknown. */
enum zone_skip {
    ZONE_READ,          /* not skipped */
    SKIP_NOT_SECONDARY, /* primary, hint, stub, forward, mirror, in-view, … */
    SKIP_CLASS,         /* not IN */
    SKIP_NAME,          /* root, one label, reverse, arpa, localhost, local, invalid, onion, bind */
    SKIP_POLICY,        /* named in response-policy */
    SKIP_CATALOG,       /* a catalog zone: its members are read */
    SKIP_VIEW,          /* its view is not in the setting views */
    SKIP_EXCLUDED,      /* by the settings include and exclude, with all names that it could have */
    SKIP_TWICE,         /* the same zone in the same view once more (nzd beside named.conf) */
};

/* A zone that is served from a file. Texts live as long as the list. */
struct zonelist_zone {
    const uint8_t *name; /* lower-case; see wirename.h */
    const char *view;    /* "_default" without views */
    const char *file;    /* absolute, chroot included; NULL: in memory only */
    const char *journal; /* absolute, from the zone's journal option; NULL: file + ".jnl" */
    const char *catalog; /* the catalog that it is a member of; NULL */
    unsigned order;      /* of its view: the smaller decides where views disagree */
    enum zone_skip skip;
    bool primary;   /* this server is primary of it: skipped, and yet no other zone has its names */
    size_t in_view; /* where in the list the zone of another view is that this one is: 1 + number */
    /* Only where the settings want mail to go there (mode "all", relay "primaries"): addresses in
     * the order given, lists followed (at most 8 deep, loops cut); ports are DNS ports and left
     * out. */
    const struct zonelist_address *primaries;
    unsigned primary_count;
};

struct zonelist_address {
    int family; /* AF_INET, AF_INET6 */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
};

/* catalog-zones { zone "C" … }, of the options or of a view. */
struct zonelist_catalog {
    const uint8_t *name;
    const char *view;
    const char *zone_directory; /* absolute; NULL: the directory option */
    bool in_memory;             /* members have no files */
    /* default-primaries, for members that name none of their own */
    const struct zonelist_address *primaries;
    unsigned primary_count;
};

struct zonelist {
    struct zonelist_zone *zones; /* as the text has them; members and added zones at the end */
    size_t count, room;
    struct zonelist_catalog *catalogs;
    size_t catalog_count;
    const char *directory; /* of the options; NULL: none was given */
    size_t skipped[SKIP_TWICE + 1];
    struct zonelist_memory *memory; /* owns the texts */
};

/*
 * Reads a text (not changed). warn gets each skipped line before the configuration, and each oddity
 * (a zone without a valid name, a file name token of BIND 9.21 that is not expanded, a list of
 * primaries that does not exist). NULL when the text is no whole configuration: error has "line 12:
 * …", "no configuration was printed". A list without any zone is a list.
 */
struct zonelist *zonelist_parse(const char *text, size_t len, const struct importconf *conf,
                                void (*warn)(const char *line, void *context), void *context,
                                char *error, size_t error_size);
/* Adds the zones that named-nzd2nzf prints for a view, with the lists of primaries of named.conf. A
 * text that is not such a list as a whole adds none; error as above. */
bool zonelist_add_nzf(struct zonelist *list, const char *text, size_t len, const char *view,
                      char *error, size_t error_size);
void zonelist_free(struct zonelist *list);

/* "secondary zones only", "reverse zone or local name", … for reports. */
const char *zone_skip_text(enum zone_skip skip);

#endif
