/* The statements of named.conf that say which zones there are. */
#include "import/importconf.h"
#include "import/zonelist_memory.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_MEMORY "no memory"

struct parsing {
    struct zonelist *list;
    struct zonelist_memory *memory;
    struct conftext *text;
    struct zonelist_statements *zones;
};

void *zonelist_grow(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t more = *room > 0 ? 2 * *room : 16;
    void *grown = reallocarray(list, more, size);
    if (grown != NULL)
        *room = more;
    return grown;
}

static bool is_text(enum conftext_token token)
{
    return token == CONFTEXT_WORD || token == CONFTEXT_STRING;
}

/* Reads the text that must come next. */
static bool read_text(const struct parsing *parsing, const char **value)
{
    if (!is_text(conftext_next(parsing->text)))
        return conftext_fail(parsing->text, "a name or a value is missing");
    *value = conftext_copy(parsing->text, &parsing->memory->arena);
    return *value != NULL || conftext_fail(parsing->text, "a value has a NUL, or no memory");
}

/* Reads "WORD VALUE … ;" from the word on. */
static bool read_value(const struct parsing *parsing, const char **value)
{
    if (!read_text(parsing, value))
        return false;
    conftext_next(parsing->text);
    return conftext_skip(parsing->text, false);
}

/* After a block. */
static bool read_end(const struct parsing *parsing)
{
    return conftext_next(parsing->text) == CONFTEXT_END ||
           conftext_fail(parsing->text, "a ';' is missing");
}

/* ---- primaries ---- */

static bool read_address(const char *text, struct zonelist_address *address)
{
    char plain[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "%"); /* a zone index says nothing here */
    if (len >= sizeof plain)
        return false;
    memcpy(plain, text, len);
    plain[len] = '\0';
    address->family = strchr(plain, ':') ? AF_INET6 : AF_INET;
    return inet_pton(address->family, plain,
                     address->family == AF_INET ? (void *)&address->v4 : (void *)&address->v6) == 1;
}

/* A growing list of items while it is read. */
struct item_list {
    struct zonelist_item *items;
    size_t count, room;
};

/* Takes an item from its first token to its ';'. */
static bool read_item(const struct parsing *parsing, struct item_list *list)
{
    struct zonelist_item *grown =
        zonelist_grow(list->items, list->count, &list->room, sizeof *grown);
    if (grown == NULL)
        return conftext_fail(parsing->text, NO_MEMORY);
    list->items = grown;
    const char *name = conftext_copy(parsing->text, &parsing->memory->arena);
    if (name == NULL)
        return conftext_fail(parsing->text, "a value has a NUL, or no memory");
    struct zonelist_item *item = &list->items[list->count++];
    *item = (struct zonelist_item){.list = name};
    /* BIND prints names of lists with quotes, addresses without */
    if (parsing->text->token == CONFTEXT_WORD && read_address(name, &item->address))
        item->list = NULL;
    return conftext_skip(parsing->text, false);
}

/* Items from after the '{' to the '}'. */
static bool read_items(const struct parsing *parsing, struct zonelist_items *items)
{
    struct item_list list = {.items = NULL};
    bool good = true;
    while (good && is_text(conftext_next(parsing->text)))
        good = read_item(parsing, &list);
    good = good && (parsing->text->token == CONFTEXT_CLOSE ||
                    conftext_fail(parsing->text, "an address or the name of a list is missing"));
    *items = (struct zonelist_items){.list = NULL};
    if (good && list.count > 0) {
        size_t size = list.count * sizeof *list.items;
        struct zonelist_item *kept = arena_alloc(&parsing->memory->arena, size);
        if (kept != NULL) {
            memcpy(kept, list.items, size);
            *items = (struct zonelist_items){.list = kept, .count = list.count};
        }
        good = kept != NULL || conftext_fail(parsing->text, NO_MEMORY);
    }
    free(list.items);
    return good;
}

/* "port 53 { … }" from the first token after the keyword or name. */
static bool read_remotes(const struct parsing *parsing, struct zonelist_items *items)
{
    conftext_next(parsing->text);
    return conftext_to_block(parsing->text) && read_items(parsing, items);
}

static bool parse_remotes(const struct parsing *parsing)
{
    struct zonelist_memory *memory = parsing->memory;
    struct zonelist_remotes remotes = {.walk = 0};
    if (!read_text(parsing, &remotes.name) || !read_remotes(parsing, &remotes.items))
        return false;
    struct zonelist_remotes *grown =
        zonelist_grow(memory->remotes, memory->remote_count, &memory->remote_room, sizeof *grown);
    if (grown == NULL)
        return conftext_fail(parsing->text, NO_MEMORY);
    memory->remotes = grown;
    memory->remotes[memory->remote_count++] = remotes;
    return read_end(parsing);
}

/* ---- zones and templates ---- */

static bool parse_option(const struct parsing *parsing, struct zonelist_statement *zone)
{
    struct conftext *text = parsing->text;
    if (conftext_is(text, "type"))
        return read_value(parsing, &zone->type);
    if (conftext_is(text, "file"))
        return read_value(parsing, &zone->file);
    if (conftext_is(text, "journal"))
        return read_value(parsing, &zone->journal);
    if (conftext_is(text, "in-view"))
        return read_value(parsing, &zone->in_view);
    if (conftext_is(text, "template"))
        return read_value(parsing, &zone->template);
    if (conftext_is(text, "primaries") || conftext_is(text, "masters"))
        return read_remotes(parsing, &zone->primaries) && read_end(parsing);
    if (conftext_is(text, "include"))
        return conftext_fail(text, "include: this is not what named-checkconf prints");
    return conftext_skip(text, conftext_is(text, "plugin"));
}

/* From the word zone or template to the ';'. */
static bool parse_zone(const struct parsing *parsing, struct zonelist_statements *into,
                       unsigned view)
{
    struct conftext *text = parsing->text;
    struct zonelist_statement zone = {.view = view, .line = text->line};
    if (!read_text(parsing, &zone.name) || zone.name == NULL)
        return false;
    if (is_text(conftext_next(text)) &&
        (zone.class = conftext_copy(text, &parsing->memory->arena)) == NULL)
        return conftext_fail(text, NO_MEMORY);
    if (!conftext_to_block(text))
        return false;
    while (conftext_next(text) == CONFTEXT_WORD)
        if (!parse_option(parsing, &zone))
            return false;
    if (text->token != CONFTEXT_CLOSE)
        return conftext_fail(text, text->token == CONFTEXT_EOF ? "the text ends within a zone"
                                                               : "an option is expected");
    struct zonelist_statement *grown =
        zonelist_grow(into->list, into->count, &into->room, sizeof *grown);
    if (grown == NULL)
        return conftext_fail(text, NO_MEMORY);
    into->list = grown;
    into->list[into->count++] = zone;
    return read_end(parsing);
}

/* ---- options and views ---- */

static bool add_policy(const struct parsing *parsing, enum zonelist_scope scope, unsigned view)
{
    const char *name = NULL;
    uint8_t wire[WIRENAME_MAX];
    if (!read_text(parsing, &name) || name == NULL)
        return false;
    if (!wirename_parse(name, strlen(name), wire))
        return true; /* then no zone has this name */
    const uint8_t *kept = arena_name(&parsing->memory->arena, wire);
    uint32_t *value =
        kept ? nametable_at(&parsing->memory->policies, kept, scope == SCOPE_OPTIONS ? 0 : view + 1)
             : NULL;
    if (value == NULL)
        return conftext_fail(parsing->text, NO_MEMORY);
    *value = 0;
    return true;
}

static bool is_true(const char *text)
{
    return strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

/* From the word zone to the ';'. */
static bool parse_catalog(const struct parsing *parsing, enum zonelist_scope scope, unsigned view)
{
    struct zonelist_memory *memory = parsing->memory;
    struct conftext *text = parsing->text;
    struct zonelist_declared_catalog catalog = {.view = scope == SCOPE_OPTIONS ? -1 : (int)view};
    if (!read_text(parsing, &catalog.name) || catalog.name == NULL)
        return false;
    while (is_text(conftext_next(text))) {
        const char *value = NULL;
        if (conftext_is(text, "default-primaries") || conftext_is(text, "default-masters")) {
            if (!read_remotes(parsing, &catalog.primaries))
                return false;
        } else if (conftext_is(text, "zone-directory")) {
            if (!read_text(parsing, &catalog.directory) || catalog.directory == NULL)
                return false;
        } else if (conftext_is(text, "in-memory")) {
            if (!read_text(parsing, &value) || value == NULL)
                return false;
            catalog.in_memory = is_true(value);
        }
    }
    struct zonelist_declared_catalog *grown = zonelist_grow(memory->catalogs, memory->catalog_count,
                                                            &memory->catalog_room, sizeof *grown);
    if (grown == NULL)
        return conftext_fail(text, NO_MEMORY);
    memory->catalogs = grown;
    memory->catalogs[memory->catalog_count++] = catalog;
    return conftext_skip(text, false);
}

/* catalog-zones { zone … ; } or response-policy { zone … ; } …, to the ';'. */
static bool parse_zone_block(const struct parsing *parsing, enum zonelist_scope scope,
                             unsigned view, bool catalogs)
{
    struct conftext *text = parsing->text;
    conftext_next(text);
    if (!conftext_to_block(text))
        return false;
    while (conftext_next(text) == CONFTEXT_WORD) {
        bool good = conftext_is(text, "zone");
        if (good && catalogs)
            good = parse_catalog(parsing, scope, view);
        else if (good)
            good = add_policy(parsing, scope, view) && conftext_skip(text, false);
        if (!good)
            return conftext_fail(text, "a zone is expected");
    }
    if (text->token != CONFTEXT_CLOSE)
        return conftext_fail(text, "the text ends within a block");
    conftext_next(text);
    return conftext_skip(text, false);
}

/* Its place in the setting views, or in the text when there is none; read is false when the setting
 * does not have it. */
static unsigned order_of(const struct importconf *conf, const char *name, size_t index, bool *read)
{
    unsigned order = 0;
    *read = true;
    if (conf->views == NULL)
        return (unsigned)index;
    for (; conf->views[order] != NULL; order++)
        if (strcmp(conf->views[order], name) == 0)
            return order;
    *read = false;
    return order;
}

/* NOLINTBEGIN(misc-no-recursion): options and views stand at the top only, so one level deep */

static bool add_view(const struct parsing *parsing, struct zonelist_view *view, unsigned *index)
{
    struct zonelist_memory *memory = parsing->memory;
    struct zonelist_view *grown =
        zonelist_grow(memory->views, memory->view_count, &memory->view_room, sizeof *grown);
    if (grown == NULL)
        return conftext_fail(parsing->text, NO_MEMORY);
    memory->views = grown;
    view->order = order_of(memory->conf, view->name, memory->view_count, &view->read);
    *index = (unsigned)memory->view_count;
    memory->views[memory->view_count++] = *view;
    return true;
}

static bool parse_view(const struct parsing *parsing)
{
    struct conftext *text = parsing->text;
    struct zonelist_view view = {.read = true};
    unsigned index = 0;
    if (!read_text(parsing, &view.name) || view.name == NULL)
        return false;
    if (is_text(conftext_next(text)) &&
        (view.class = conftext_copy(text, &parsing->memory->arena)) == NULL)
        return conftext_fail(text, NO_MEMORY);
    return conftext_to_block(text) && add_view(parsing, &view, &index) &&
           zonelist_parse_statements(parsing->list, text, SCOPE_VIEW, index, parsing->zones) &&
           read_end(parsing);
}

static bool parse_options(const struct parsing *parsing)
{
    conftext_next(parsing->text);
    return conftext_to_block(parsing->text) &&
           zonelist_parse_statements(parsing->list, parsing->text, SCOPE_OPTIONS, 0,
                                     parsing->zones) &&
           read_end(parsing);
}

/* Statements that stand in views and options too. *known is false when it is another one. */
static bool parse_shared(const struct parsing *parsing, enum zonelist_scope scope, unsigned view,
                         bool *known)
{
    struct conftext *text = parsing->text;
    *known = true;
    if (scope != SCOPE_TOP && conftext_is(text, "catalog-zones")) {
        if (scope == SCOPE_VIEW)
            parsing->memory->views[view].own_catalogs = true;
        return parse_zone_block(parsing, scope, view, true);
    }
    if (scope != SCOPE_TOP && conftext_is(text, "response-policy"))
        return parse_zone_block(parsing, scope, view, false);
    if (scope == SCOPE_OPTIONS && conftext_is(text, "directory"))
        return read_value(parsing, &parsing->list->directory);
    if (scope != SCOPE_OPTIONS && conftext_is(text, "zone"))
        return parse_zone(parsing, parsing->zones, view);
    if (scope != SCOPE_OPTIONS && conftext_is(text, "template"))
        return parse_zone(parsing, &parsing->memory->templates, view);
    *known = false;
    return true;
}

static bool parse_statement(const struct parsing *parsing, enum zonelist_scope scope, unsigned view)
{
    static const char *const remotes[] = {"primaries", "masters", "remote-servers",
                                          "parental-agents"};
    struct conftext *text = parsing->text;
    bool known;
    if (!parse_shared(parsing, scope, view, &known))
        return false;
    if (known)
        return true;
    if (scope == SCOPE_TOP && conftext_is(text, "options"))
        return parse_options(parsing);
    if (scope == SCOPE_TOP && conftext_is(text, "view"))
        return parse_view(parsing);
    for (size_t i = 0; scope == SCOPE_TOP && i < sizeof remotes / sizeof remotes[0]; i++)
        if (conftext_is(text, remotes[i]))
            return parse_remotes(parsing);
    if (conftext_is(text, "include"))
        return conftext_fail(text, "include: this is not what named-checkconf prints");
    return conftext_skip(text, conftext_is(text, "plugin") || conftext_is(text, "dyndb"));
}

bool zonelist_parse_statements(struct zonelist *list, struct conftext *text,
                               enum zonelist_scope scope, unsigned view,
                               struct zonelist_statements *zones)
{
    const struct parsing parsing = {
        .list = list, .memory = list->memory, .text = text, .zones = zones};
    while (conftext_next(text) == CONFTEXT_WORD) {
        if (scope == SCOPE_ADDED && !conftext_is(text, "zone"))
            return conftext_fail(text, "a zone is expected");
        if (!parse_statement(&parsing, scope, view))
            return false;
    }
    bool block = scope == SCOPE_OPTIONS || scope == SCOPE_VIEW;
    if (text->token == (block ? CONFTEXT_CLOSE : CONFTEXT_EOF))
        return true;
    return conftext_fail(text, text->token == CONFTEXT_EOF ? "the text ends within a block"
                                                           : "a statement is expected");
}

/* NOLINTEND(misc-no-recursion) */
