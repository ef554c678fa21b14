/*
 * One zone, read from the file that named keeps of it: whole and current, or not at all. What reads
 * it does not trust it: any user who can write in named's folder, and every primary, chooses what
 * it holds.
 *
 *   zone_reader  opens the file and the journal, tells the format by the first octets, has them
 * read by rawzone.h or textzone.h, brings them up to date by journal.h, sorts what they gave, and
 * marks what is not authoritative zone         what came out: the names in canonical order, each
 * with its records
 */
#ifndef LOOKUPD_ZONE_H
#define LOOKUPD_ZONE_H

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
    const struct rr *rrs; /* in no order of types; records of one type in the file's order */
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

/* Why a zone could not be read. Each of them means that nothing is known about its names. */
enum zone_fault_kind {
    ZONE_NO_FILE,     /* named keeps it in memory only */
    ZONE_MISSING,     /* never transferred, or being transferred anew */
    ZONE_DENIED,      /* no right to read it */
    ZONE_NOT_REGULAR, /* a folder, a device, a pipe */
    ZONE_TOO_BIG,     /* more than the limits allow */
    ZONE_EMPTY,
    ZONE_MAP,        /* masterfile-format map: a memory image of one named, BIND 9.10 to 9.16 */
    ZONE_VERSION,    /* a raw file of a version that is not known */
    ZONE_DAMAGED,    /* cut, overwritten, not a zone file */
    ZONE_OTHER_ZONE, /* no SOA record at the zone's name, or one elsewhere, or several */
    ZONE_IO,         /* the system failed: reading, descriptors, memory */
};

/*
 * What is told about a fault: where, and what is wrong there, never what stands there (the file may
 * be a link to one that is not ours to show).
 */
struct zone_fault {
    enum zone_fault_kind kind;
    /* A whole sentence with file and place: "/var/cache/bind/a.db: offset 0x142: the record set's
     * length 7 is less than 23"; "...: line 12: ...". File names are printed with \DDD. */
    char text[512];
};

/* One word for a report or JSON: "missing". */
const char *zone_fault_word(enum zone_fault_kind kind);

struct zone_limits {
    size_t file_max;    /* octets of a zone file */
    size_t journal_max; /* octets of a journal that are newer than the file */
};
/* 256 MiB each: ten million records. */
#define ZONE_LIMITS_DEFAULT                                                                        \
    {                                                                                              \
        .file_max = (size_t)256 << 20, .journal_max = (size_t)256 << 20                            \
    }

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
/* True when the name exists: it has a node, or one is below it (an empty non-terminal). */
bool zone_has_name(const struct zone *zone, const uint8_t *name);
/* The place of a name, also of one that has no node: what is below a cut stays so. */
enum zone_place zone_place(const struct zone *zone, const uint8_t *name);
/* The next record of a type at or after *at (begin with 0), or NULL. */
const struct rr *zone_next(const struct zone_node *node, enum rr_type type, size_t *at);

#endif
