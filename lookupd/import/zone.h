/*
 * One zone, read from the file that named keeps of it: whole and current, or not at all. What reads
 * it does not trust it: any user who can write in named's folder, and every primary, chooses what
 * it holds.
 *
 * The reader opens file and journal, tells the format by the first octets, has the records read by
 * rawzone.h or textzone.h and brought up to date by journal.h, sorts them, and marks what is not
 * authoritative. The zone is what came out: the names in canonical order, each with its records.
 */
#ifndef LOOKUPD_ZONE_H
#define LOOKUPD_ZONE_H

#include "import/fault.h"
#include "import/rr.h"
#include "import/wirename.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What the zone says about a name: only what is authoritative may decide about mail. */
enum zone_place {
    ZONE_AUTHORITATIVE,
    ZONE_AT_CUT,      /* has NS and is not the apex: its MX is the child's matter (RFC 2181 6.1) */
    ZONE_BELOW_CUT,   /* glue, or left over from before the delegation (RFC 1034 4.2.1) */
    ZONE_BELOW_DNAME, /* replaced by it (RFC 6672 2.4); the DNAME's own name is not */
};

/* A name that owns at least one record of a kept type. */
struct zone_node {
    const uint8_t *name;
    const struct rr *rrs; /* in no order */
    uint32_t rr_count;
    uint16_t types; /* enum rr_bit */
    uint8_t place;  /* enum zone_place */
};

enum zone_format { ZONE_RAW, ZONE_TEXT };

/* What was odd and is only worth a line of log. */
enum zone_journal {
    ZONE_JOURNAL_NONE,    /* there is none */
    ZONE_JOURNAL_CURRENT, /* the file has all of it */
    ZONE_JOURNAL_APPLIED, /* the file was behind, and was brought up to date */
    ZONE_JOURNAL_FAULT,   /* damaged, unreadable, or not of this file: the file alone was used */
};

/* All of it is borrowed from the reader until its next call. */
struct zone {
    const uint8_t *apex;
    uint32_t serial;      /* of what is here */
    uint32_t file_serial; /* of the file; another one when the journal was applied */
    uint32_t expire;      /* SOA: seconds without contact after which the zone is no longer valid */
    /* When the primary last answered named: it touches file or journal at each refresh. */
    time_t contact;
    enum zone_format format;
    enum zone_journal journal;
    uint32_t outside;              /* records left out: their owner is not in the zone */
    uint32_t other_class;          /* records left out: their class is not IN */
    const struct zone_node *nodes; /* in canonical order, the apex first */
    size_t node_count;
    size_t rr_count;
};

struct zone_limits {
    size_t file_max;    /* octets of a zone file */
    size_t journal_max; /* octets of a journal that are newer than the file */
};
/* 256 MiB each: ten million records. */
#define ZONE_LIMITS_DEFAULT                                                                        \
    {                                                                                              \
        .file_max = (size_t)256 << 20, .journal_max = (size_t)256 << 20                            \
    }

/* Names without records, which exist because something is below them (RFC 4592 2.2.2): a record of
 * 300 octets can make 120. A blacklist of 70,000 IPv6 addresses has as many. */
#define ZONE_IMPLIED_MAX 2000000

/* A reader with buffers that serve one zone after the other; NULL without memory. Not for several
 * threads at once; several readers are. */
struct zone_reader *zone_reader_new(const struct zone_limits *limits);
void zone_reader_free(struct zone_reader *reader);

/*
 * Reads the zone of this name (apex: lower-case) from its file. journal is the path of its journal;
 * NULL means file + ".jnl". A journal that cannot be used is no fault of the zone: see
 * zone.journal, and zone_reader_note() says what was wrong with it.
 *
 * A zone file is replaced by rename(2), so what is read is one version of it. When the journal does
 * not reach back to that version because the file was just replaced, both are read again.
 *
 * Returns the zone, borrowed until the next call, or NULL with *fault filled. file may be NULL:
 * ZONE_NO_FILE.
 */
const struct zone *zone_read(struct zone_reader *reader, const uint8_t *apex, const char *file,
                             const char *journal, struct zone_fault *fault);
/* After a zone_read() that returned a zone: a sentence about its journal, or "" when all was well.
 */
const char *zone_reader_note(const struct zone_reader *reader);

/* The node of a name, or NULL when it owns no kept record. Of the order of log2(node_count). */
const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name);
/* The number of the first node that is not before the name: its own, or of what is below it, or of
 * what comes then; node_count: there is none. */
size_t zone_find_from(const struct zone *zone, const uint8_t *name);
/* True when the name exists: it has a node, or one is below it (an empty non-terminal). */
bool zone_has_name(const struct zone *zone, const uint8_t *name);
/* The place of a name, also of one that has no node: what is below a cut stays so. */
enum zone_place zone_place(const struct zone *zone, const uint8_t *name);
/* The next record of a type at or after *at (begin with 0), or NULL. */
const struct rr *zone_next(const struct zone_node *node, enum rr_type type, size_t *at);

#endif
