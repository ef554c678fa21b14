/*
 * BIND's journals (lib/dns/journal.c): what IXFR brought since the file was written, up to 15
 * minutes of it. Read while named appends to them: the header is read first, and only what it calls
 * complete is used; named syncs the data before it writes the header.
 *
 *   0   char[16] ";BIND LOG V9.2\n" (9.16.13 and later) or ";BIND LOG V9\n", NUL-padded
 *   16  u32 serial, u32 offset of the first transaction; 24 the same of the end
 *   32  u32 number of index entries; u32 source serial; u8 flags; zeros up to 64; index
 *   then transactions: u32 size, u32 count, u32 serial before, u32 serial after (older ones lack
 * the count), and size octets of records: u32 length, owner, u16 type, class, u32 ttl, u16 rdlen,
 * rdata in the order of an IXFR: SOA before, what goes, SOA after, what comes.
 */
#ifndef LOOKUPD_JOURNAL_H
#define LOOKUPD_JOURNAL_H

#include "import/records.h"
#include "import/zone.h"

enum journal_status {
    JOURNAL_EMPTY,   /* holds nothing, or ends where the file stands: the file is current */
    JOURNAL_APPLIED, /* records are now those of *serial */
    JOURNAL_STRANGE, /* is not of this version of the file: it begins later, or ends before it */
    JOURNAL_DAMAGED,
    JOURNAL_FAILED, /* the system failed */
};

/* Octets of a journal that are kept while its records are used; reused for the next. */
struct journal_buffer {
    uint8_t *data;
    size_t room;
};
void journal_buffer_free(struct journal_buffer *buffer);

/*
 * Reads from an open file what is newer than the serial, and applies it to the sorted records of
 * the zone. All of it is checked before anything is applied: that each transaction begins with the
 * serial where the one before ended, that its two SOA records say the same, that what goes was
 * there. With JOURNAL_APPLIED *serial is the new one, and records point into the buffer too;
 * otherwise both are as they were, and fault->text (not for JOURNAL_EMPTY) has offset and reason,
 * without the file's name.
 */
enum journal_status journal_apply(int fd, size_t size_max, const uint8_t *apex,
                                  struct journal_buffer *buffer, struct records *records,
                                  uint32_t *serial, struct zone_fault *fault);

#endif
