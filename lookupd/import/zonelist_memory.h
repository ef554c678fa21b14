/* What the files of the list of zones and catalog.c share: the list's own memory, and statements as
 * they were read, before names of lists, templates and views are followed. */
#ifndef LOOKUPD_ZONELIST_MEMORY_H
#define LOOKUPD_ZONELIST_MEMORY_H

#include "import/conftext.h"
#include "import/namejudge.h"
#include "import/zonelist.h"

/* An item of a list of primaries: an address, or the name of another list. */
struct zonelist_item {
    const char *list; /* NULL: the address */
    struct zonelist_address address;
};
struct zonelist_items {
    const struct zonelist_item *list;
    size_t count;
};

/* primaries "NAME" { … } */
struct zonelist_remotes {
    const char *name;
    struct zonelist_items items;
    unsigned walk; /* the last one that came here */
};

/* zone "NAME" { … } or template NAME { … }; what was not given is NULL. */
struct zonelist_statement {
    const char *name, *class, *type, *file, *journal, *in_view, *template;
    struct zonelist_items primaries;
    unsigned view; /* in zonelist_memory.views */
    unsigned line;
};

struct zonelist_statements {
    struct zonelist_statement *list;
    size_t count, room;
};

struct zonelist_view {
    const char *name, *class;
    unsigned order;
    bool read; /* the setting views has it */
    bool own_catalogs;
};

/* An item of catalog-zones. */
struct zonelist_declared_catalog {
    const char *name, *directory;
    struct zonelist_items primaries;
    bool in_memory;
    int view; /* -1: of the options */
};

struct zonelist_memory {
    struct arena arena;
    const struct importconf *conf;
    struct namejudge judge;
    struct nametable zones;      /* by view: where in the list */
    struct nametable policies;   /* by view + 1, or 0 for those of the options */
    struct zonelist_view *views; /* the first is the one that zones without views are in */
    size_t view_count, view_room;
    struct zonelist_remotes *remotes;
    size_t remote_count, remote_room;
    struct zonelist_statements templates;
    struct zonelist_declared_catalog *catalogs;
    size_t catalog_count, catalog_room;
    unsigned walk;
    void (*warn)(const char *line, void *context);
    void *context;
};

/* Which statements may stand where. SCOPE_ADDED: what named-nzd2nzf prints, zones only. */
enum zonelist_scope { SCOPE_TOP, SCOPE_OPTIONS, SCOPE_VIEW, SCOPE_ADDED };

/* Reads statements into the memory and zones into *zones; false with text->fault. */
bool zonelist_parse_statements(struct zonelist *list, struct conftext *text,
                               enum zonelist_scope scope, unsigned view,
                               struct zonelist_statements *zones);

/* Makes zones of statements, with the catalogs that were declared. False without memory. */
bool zonelist_resolve(struct zonelist *list, const struct zonelist_statements *zones);
/* Makes a zone of one statement. False without memory. */
bool zonelist_add(struct zonelist *list, const struct zonelist_statement *given);

/* A line for people: one line, printable, not longer than this. */
#define ZONELIST_LINE_MAX 400
void zonelist_say(const struct zonelist *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for one more in a growing array of *room items; NULL without memory. */
void *zonelist_grow(void *list, size_t count, size_t *room, size_t size);

/* An absolute path, chroot included, of a name as it stands in named.conf. NULL without memory. */
const char *zonelist_path(struct zonelist *list, const char *file);
/* Sets the file and journal of a zone whose name and view are set; of_template: the statement's
 * file is its template's. False without memory. */
bool zonelist_set_files(struct zonelist *list, const struct zonelist_statement *statement,
                        bool of_template, struct zonelist_zone *zone);
/* The addresses of a list of primaries, other lists followed, put into the zone. */
bool zonelist_follow(struct zonelist *list, const struct zonelist_items *items,
                     const struct zonelist_address **addresses, unsigned *count);
/*
 * Appends a zone whose name, file, journal, catalog and primaries are set and whose skip says what
 * is known (SKIP_NOT_SECONDARY, SKIP_CLASS, or ZONE_READ); judges it further. view is an index.
 */
bool zonelist_append(struct zonelist *list, const struct zonelist_zone *zone, unsigned view);
/* Where the view of this name is; the first one when there is none. */
unsigned zonelist_find_view(const struct zonelist *list, const char *name);

#endif
