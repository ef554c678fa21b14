/*
 * What a run knows before it asks the database: the list of zones, each zone read once, and the
 * rules decided. All that it reads is BIND's.
 */
#ifndef LOOKUPD_GATHER_H
#define LOOKUPD_GATHER_H

#include "import/importconf.h"
#include "import/mailrules.h"
#include "import/zonelist.h"

#include <stdbool.h>
#include <stddef.h>

/* What happened to the zones of the list. */
struct gather_zones {
    size_t listed;  /* secondary zones that are to be read: read and unread */
    size_t skipped; /* others, as zonelist.skipped has them */
    size_t read, unread;
    size_t behind;   /* whose journal was ahead of the file */
    size_t expired;  /* whose primary has been silent for longer than SOA's expire: kept */
    size_t journals; /* of zones that were read, and that could not be used */
    size_t catalogs; /* that could not be read as a whole: their members are not known */
    size_t unread_kinds[ZONE_IO + 1];
};

struct gathered {
    struct zonelist *list;
    struct mailrules *rules;
    struct gather_zones zones;
    char error[1200]; /* when gather() failed */
};

/* Who hears of it: any may be NULL. */
struct gather_listener {
    /* A zone, journal or catalog that could not be read: a whole sentence. */
    void (*unread)(const char *text, void *context);
    /* What is only of interest: warnings of named-checkconf, journals, expired zones. */
    void (*detail)(const char *text, void *context);
    void (*progress)(size_t done, size_t total, void *context);
    void *context;
};

/* False with gathered->error when nothing may be concluded: no list of zones, or no memory.
 * gather_clear() in any case. */
bool gather(const struct importconf *conf, const struct gather_listener *listener,
            struct gathered *gathered);
void gather_clear(struct gathered *gathered);

#endif
