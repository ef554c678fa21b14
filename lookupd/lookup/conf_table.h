/* The tables of lookupd.conf's settings: the one place that says which there are. */
#ifndef LOOKUPD_CONF_TABLE_H
#define LOOKUPD_CONF_TABLE_H

#include "lookup/conf.h"

struct conf_table {
    const char *path; /* "", "database", "listeners[]", "maps.NAME" */
    const struct setting *settings;
};

/* All of them, ended by path == NULL: for the test that each is in the manual page. */
extern const struct conf_table conf_tables[];

extern const struct setting conf_top_settings[];      /* in struct conf */
extern const struct setting conf_database_settings[]; /* in struct conf_database */
extern const struct setting conf_limits_settings[];   /* in struct conf_limits */
extern const struct setting conf_snapshot_settings[]; /* in struct conf_snapshot */
extern const struct setting conf_status_settings[];   /* in struct conf */
extern const struct setting conf_listener_settings[]; /* in struct conf_listener */
extern const struct setting conf_map_settings[];      /* in struct conf_map */

/* The groups and lists of the top level. */
extern const char *const conf_groups[];

/* The defaults of what conf_map_settings and conf_listener_settings do not cover, as libconfig
 * text. */
extern const char conf_defaults[];
extern const char conf_snapshot_defaults[]; /* of the group, when it is there */
extern const char conf_status_defaults[];
#define CONF_DEFAULT_MODE 0660

#endif
