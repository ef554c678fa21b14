/*
 * BIND's raw zone files, versions 0 and 1 (lib/dns/masterdump.c, unchanged from 9.9 to 9.21): a
 * header, then one record for each RRset, up to the end of the file. Big-endian, packed. There is
 * no trailer and no count: a file that was cut between two RRsets looks whole.
 *
 *   header   u32 format 2, u32 version, u32 dump time; version 1 also u32 flags, source serial,
 *            last transfer
 *   RRset    u32 its whole length, u16 class, type, covered type, u32 ttl, u32 number of records,
 *            u16 length of the owner, owner; for each record u16 length, rdata
 *
 * Strict: any length that does not fit is a fault of the whole file, for what follows cannot be
 * trusted. Nothing is allocated by a length that stands in the file.
 */
#ifndef LOOKUPD_RAWZONE_H
#define LOOKUPD_RAWZONE_H

#include "import/records.h"
#include "import/zone.h"

/* The first octets of a file tell the format. Fewer than four are text, none are SNIFF_EMPTY. */
enum zone_sniff { SNIFF_EMPTY, SNIFF_RAW, SNIFF_MAP, SNIFF_OTHER_BINARY, SNIFF_TEXT };
enum zone_sniff rawzone_sniff(const uint8_t *data, size_t size);

/*
 * Takes a raw file apart that is in memory as a whole, header included, and appends the records of
 * kept types, class IN and within apex to records; they point into data, whose names are
 * lower-cased in place. Counts what it leaves out in zone->outside and zone->other_class. False
 * with the fault (kind, and a text of offset and reason, without the file's name) when anything is
 * malformed.
 */
bool rawzone_read(uint8_t *data, size_t size, const uint8_t *apex, struct records *records,
                  struct zone *zone, struct zone_fault *fault);

#endif
