/* The built-in maps: what lookupd serves from the tables of sql/schema.sql without configuration.
 */
#ifndef LOOKUPD_DEFAULT_MAPS_H
#define LOOKUPD_DEFAULT_MAPS_H

#include "lookup/conf.h"

/* All that a map's settings say, without its name's and texts' ownership; ended by name == NULL. */
struct default_map {
    const char *name;
    enum keys_kind keys;
    enum value_kind value;
    bool join;
    enum absent_kind absent;
    const char *query;
    const char *all;
};

extern const struct default_map default_maps[];

/* The built-in map of this name, or NULL. */
const struct default_map *default_maps_find(const char *name);

#endif
