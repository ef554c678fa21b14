/*
 * Zone files in text, as named writes them for masterfile-format text, in both styles: RFC 1035
 * master files without $INCLUDE and $GENERATE, each line with its end. libldns reads the lines; it
 * lets much pass that is wrong, so quotes, parentheses, directives and the last line's end are
 * looked at before, and what it gives is checked as if it came from a raw file. Like a raw file,
 * one that was cut between two records looks whole.
 */
#ifndef LOOKUPD_TEXTZONE_H
#define LOOKUPD_TEXTZONE_H

#include "import/records.h"
#include "import/zone.h"

/* Where copies of names and rdata live; they stay valid until textzone_clear(). */
struct textzone;
struct textzone *textzone_new(void); /* NULL without memory */
void textzone_clear(struct textzone *text);
void textzone_free(struct textzone *text);

/*
 * Reads a file that is in memory as a whole (and may be changed) and appends the records of kept
 * types, class IN and within apex to records. Counts what it leaves out in zone. False with the
 * fault (kind, and a text of line and reason, without the file's name) when any line is not
 * understood.
 */
bool textzone_read(struct textzone *text, uint8_t *data, size_t size, const uint8_t *apex,
                   struct records *records, struct zone *zone, struct zone_fault *fault);

#endif
