/* Which names are wanted: the settings include and exclude, and names that are nobody's domain. */
#ifndef LOOKUPD_NAMEJUDGE_H
#define LOOKUPD_NAMEJUDGE_H

#include "import/nametable.h"
#include "import/zonelist.h"

struct importconf;

struct namejudge {
    struct nametable names; /* borrows from the settings; values are marks */
    bool all;               /* nothing is asked for in include */
};

/* False without memory; namejudge_clear() in any case. conf must outlive it. */
bool namejudge_make(struct namejudge *judge, const struct importconf *conf);
void namejudge_clear(struct namejudge *judge);

/* ZONE_READ, SKIP_NAME or SKIP_EXCLUDED, of one name. */
enum zone_skip namejudge_name(const struct namejudge *judge, const uint8_t *name);
/* Of a zone: excluded only when every name that could stand in it is. */
enum zone_skip namejudge_zone(const struct namejudge *judge, const uint8_t *apex);

#endif
