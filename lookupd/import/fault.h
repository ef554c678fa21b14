/* Why a zone could not be read: what happened, and where. */
#ifndef LOOKUPD_FAULT_H
#define LOOKUPD_FAULT_H

#include <stdbool.h>

/* Each of them means that nothing is known about the zone's names, never that they are gone. */
enum zone_fault_kind {
    ZONE_NO_FILE,     /* named keeps it in memory only */
    ZONE_MISSING,     /* never transferred, or being transferred anew */
    ZONE_DENIED,      /* no right to read it */
    ZONE_NOT_REGULAR, /* a folder, a device, a pipe */
    ZONE_TOO_BIG,     /* more than the limits allow */
    ZONE_EMPTY,       /* no octet in it */
    ZONE_MAP,         /* masterfile-format map: a memory image of one named, BIND 9.10 to 9.16 */
    ZONE_VERSION,     /* a raw file of a version that is not known */
    ZONE_DAMAGED,     /* cut, overwritten, not a zone file */
    ZONE_OTHER_ZONE,  /* no SOA record at the zone's name, or one elsewhere, or several */
    ZONE_IO,          /* the system failed: reading, descriptors, memory */
};
#define ZONE_FAULT_KINDS (ZONE_IO + 1)

/*
 * The text says where and what is wrong there, never what stands there: the file may be a link to
 * one that is not ours to show. Complete, it is "/var/cache/bind/a.db: offset 0x142: …" or
 * "…: line 12: …"; the readers of formats leave out the file, which they do not know.
 */
struct zone_fault {
    enum zone_fault_kind kind;
    char text[512];
};

/* Always false, for `return fault_set(…)`. */
bool fault_set(struct zone_fault *fault, enum zone_fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A file's name as people may see it: odd octets as \DDD, and its beginning left out when it is
 * long. Returns out. */
#define FAULT_FILE_SIZE 264
const char *fault_file_text(const char *file, char out[FAULT_FILE_SIZE]);
/* Puts "FILE: " before the text. */
void fault_add_file(struct zone_fault *fault, const char *file);
/* One word for reports and JSON: "missing". */
const char *zone_fault_word(enum zone_fault_kind kind);

#endif
