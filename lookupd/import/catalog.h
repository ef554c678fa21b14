/*
 * Catalog zones (RFC 9432, lib/dns/catz.c): their members are secondary zones that no file of
 * named's configuration names; named makes up the names of their files.
 */
#ifndef LOOKUPD_CATALOG_H
#define LOOKUPD_CATALOG_H

#include "import/zone.h"
#include "import/zonelist.h"

/*
 * Adds the members of a catalog, as read from its own zone file, to the list. False when the
 * catalog is of no known schema version ("1" or "2" in TXT version.<catalog>), or without memory
 * (some members may then have been added): error says so, and its other members are unknown, as
 * with a catalog that could not be read.
 */
bool catalog_add_members(struct zonelist *list, const struct zonelist_catalog *catalog,
                         const struct zone *zone, char *error, size_t error_size);

/*
 * The name that named gives a member's file, without folder: __catz__VIEW_CATALOG_MEMBER.db, the
 * middle as lower-case hex SHA-256 when it is longer than 65 octets or has a '\', '/' or ':' (all
 * that is odd in a name is escaped). member is as its PTR record has it, letters not lower-cased;
 * catalog is lower-case. out has CATALOG_FILE_SIZE octets.
 */
#define CATALOG_FILE_SIZE (sizeof "__catz__.db" + 65)
void catalog_file_name(const char *view, const uint8_t *catalog, const uint8_t *member, char *out);

#endif
