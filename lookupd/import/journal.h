/*
 * BIND's journals (lib/dns/journal.c): what IXFR brought since the file was written, up to 15
 * minutes of it. Read while named appends to them: the header is read first, and only what it calls
 * complete is used; named syncs the data before it writes the header.
 *
 *   0   char[16] ";BIND LOG V9.2\n" (9.16.13 and later) or ";BIND LOG V9\n", NUL-padded
 *   16  u32 serial, u32 offset of the first transaction; 24 the same of the end
 *   32  u32 number of index entries; u32 source serial; u8 flags; zeros up to 64; index
 *
 * Then transactions: u32 size, u32 count, u32 serial before, u32 serial after (older ones lack the
 * count, or have a 0 at the end instead), and size octets of records: u32 length, owner, u16 type,
 * class, u32 ttl, u16 rdlen, rdata; in the order of an IXFR: SOA before, what goes, SOA after, what
 * comes.
 */
#ifndef LOOKUPD_JOURNAL_H
#define LOOKUPD_JOURNAL_H

#include "import/fault.h"
#include "import/records.h"

#include <stdint.h>

enum journal_status {
    JOURNAL_CURRENT, /* holds nothing that is newer than the file */
    JOURNAL_APPLIED, /* records are now those of *serial */
    JOURNAL_STRANGE, /* is not of this version of the file: the file's serial is not in it */
    JOURNAL_DAMAGED,
    JOURNAL_FAILED, /* the system failed, or a limit was passed */
};

/* Octets of a journal that records point to; used again for the next. Zeroed it is empty. */
struct journal_buffer {
    uint8_t *data;
    size_t room;
};
void journal_buffer_free(struct journal_buffer *buffer);

/*
 * Reads from an open file what is newer than the serial, and applies it to the records of the zone,
 * whose owners are sorted. All of it is checked before anything is applied: that each transaction
 * begins with the serial where the one before ended, that its SOA records say the same, that what
 * goes was there and what comes was not. With JOURNAL_APPLIED *serial is the new one, the owners
 * are still sorted, and some records point into the buffer; otherwise serial and records are as
 * they were, but for the order within an owner, and fault (not for JOURNAL_CURRENT) has offset and
 * reason, without the file's name.
 */
enum journal_status journal_apply(int fd, size_t size_max, const uint8_t *apex,
                                  struct journal_buffer *buffer, struct records *records,
                                  uint32_t *serial, struct zone_fault *fault);

#endif
