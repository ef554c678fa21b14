/*
 * The form of a snapshot: a cdb file (tinycdb) of all maps' rows, and a trailer with its time and a
 * digest of everything, so that what is cut, damaged or of another version is not used.
 *
 * Nobody maps the file on disk, which anybody's "> snapshot.cdb" would cut under the mapping and so
 * kill the process (SIGBUS). What is used is a copy in memory (memfd_create(2)) that is sealed: it
 * can be neither changed nor cut.
 */
#ifndef LOOKUPD_SNAPSHOT_FILE_H
#define LOOKUPD_SNAPSHOT_FILE_H

#include "lookup/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the directory; the second is a copy that is being written. */
#define SNAPSHOT_FILE    "snapshot.cdb"
#define SNAPSHOT_PARTIAL "snapshot.cdb.new"

#define SNAPSHOT_VERSION 2
/* A cdb file counts octets in 32 bits. */
#define SNAPSHOT_SIZE_MAX UINT32_MAX

/*
 * Keys: of a row, the map's name, NUL, and the row's key, folded; several records for several rows.
 * With no row's key: the record that says that the map is complete in this copy.
 */
#define SNAPSHOT_NAME_MAX 255 /* octets of a map's name */
#define SNAPSHOT_KEY_MAX  (SNAPSHOT_NAME_MAX + 1 + CANDIDATE_LEN_MAX)

/*
 * The first octet of a row's record: its value follows; or it is NULL; or the row's key is not
 * folded in the table, and whether a lookup would find it there is for the column's collation to
 * say, which the snapshot does not know.
 */
#define SNAPSHOT_VALUE  'v'
#define SNAPSHOT_NULL   'n'
#define SNAPSHOT_UNSURE 'u'

struct snapshot_map_record {
    unsigned char fingerprint[MAP_FINGERPRINT];
    uint64_t rows;   /* that can be asked for; little-endian in the file, as all numbers */
    uint64_t values; /* of them those that are not NULL */
};

/* Puts the key of a record together; its length, 0 when the map's name is too long. */
size_t snapshot_key(const struct map *map, const char *row, size_t row_len,
                    char key[SNAPSHOT_KEY_MAX]);

/* What a file that is too long, cut or damaged is refused with. */
struct snapshot_error {
    char text[300];
};

/* An empty file in memory, for a cdb; -1 with errno. */
int snapshot_memory(void);

/* Ends a cdb with the trailer, and seals it. taken: wall clock, nanoseconds since 1970. */
bool snapshot_seal(int fd, int64_t taken, struct snapshot_error *error);

/* The time in the trailer of a file that snapshot_seal() has made; -1 when it has none. */
int64_t snapshot_taken_of(int fd);

/*
 * Reads a folder's snapshot into memory, sealed, after looking at every octet of it. -1 with an
 * error; an empty text: there is none.
 */
int snapshot_load(const char *directory, struct snapshot_error *error);

/*
 * Makes the folder ours alone until this process ends or closes *lock, which is -1 at first: two
 * servers would put their copies in each other's place. False with an error: it is another's, or
 * cannot be opened.
 */
bool snapshot_lock(const char *directory, int *lock, struct snapshot_error *error);

/* Puts a sealed copy in the place of the folder's, or leaves that as it is. */
bool snapshot_save(const char *directory, int fd, struct snapshot_error *error);

/* Whether this process can keep a snapshot there: the folder is ours alone to write. */
bool snapshot_check_folder(const char *directory, struct snapshot_error *error);

#endif
