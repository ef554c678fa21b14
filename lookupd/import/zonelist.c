/* The list of zones, from a text. zonelist_parse.c reads its statements, zonelist_resolve.c makes
 * zones of them. */
#include "import/importconf.h"
#include "import/zonelist_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_VIEW "_default"

/* True when the text is one of the words of a list, which has blanks around each. */
static bool is_among(const char *words, const char *text, size_t len)
{
    char word[32];
    if (len == 0 || len > sizeof word - 3)
        return false;
    snprintf(word, sizeof word, " %.*s ", (int)len, text);
    return strstr(words, word) != NULL;
}

/* True when a line begins a statement: a keyword, and '{' on the same line. Messages of
 * named-checkconf may begin with such a word too, but have a ':' before any brace; statements have
 * one there only where an IPv6 address can stand. */
static bool begins_configuration(const char *line, size_t len)
{
    static const char keywords[] = " acl controls dlz dnssec-policy dyndb http key key-store "
                                   "logging lwres managed-keys masters "
                                   "options parental-agents plugin primaries remote-servers server "
                                   "statistics-channels template "
                                   "tls trust-anchors trusted-keys view zone ";
    static const char addresses[] = " server masters primaries remote-servers parental-agents ";
    size_t word = 0;
    while (word < len && line[word] != ' ' && line[word] != '\t' && line[word] != '{')
        word++;
    if (!is_among(keywords, line, word))
        return false;
    bool address = is_among(addresses, line, word);
    bool quoted = false;
    for (size_t i = word; i < len; i++) {
        if (quoted && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            quoted = !quoted;
        else if (!quoted && line[i] == '{')
            return true;
        else if (!quoted && line[i] == ':' && !address)
            return false;
    }
    return false;
}

/* Moves to where the configuration begins; false when there is none. */
static bool skip_warnings(const struct zonelist *list, const char **text, const char *end,
                          unsigned *line)
{
    while (*text < end) {
        const char *newline = memchr(*text, '\n', (size_t)(end - *text));
        size_t len = (size_t)((newline ? newline : end) - *text);
        if (begins_configuration(*text, len))
            return true;
        if (len > 0)
            zonelist_say(list, "%.*s", (int)(len < ZONELIST_LINE_MAX ? len : ZONELIST_LINE_MAX),
                         *text);
        *text += len + (newline != NULL);
        ++*line;
    }
    return false;
}

static bool fail(char *error, size_t error_size, const char *text)
{
    snprintf(error, error_size, "%s", text);
    return false;
}

/* Reads statements and makes zones of them. */
static bool take(struct zonelist *list, struct conftext *text, enum zonelist_scope scope,
                 unsigned view, char *error, size_t error_size)
{
    struct zonelist_statements zones = {.list = NULL};
    bool good = zonelist_parse_statements(list, text, scope, view, &zones);
    if (!good)
        snprintf(error, error_size, "line %u: %s", text->line, text->fault);
    else if (!zonelist_resolve(list, &zones))
        good = fail(error, error_size, "no memory");
    free(zones.list);
    return good;
}

static struct zonelist *make_list(const struct importconf *conf)
{
    struct zonelist *list = calloc(1, sizeof *list);
    struct zonelist_memory *memory = calloc(1, sizeof *memory);
    struct zonelist_view *view = zonelist_grow(NULL, 0, &(size_t){0}, sizeof *view);
    if (list == NULL || memory == NULL || view == NULL) {
        free(list);
        free(memory);
        free(view);
        return NULL;
    }
    list->memory = memory;
    *view = (struct zonelist_view){.name = DEFAULT_VIEW};
    *memory =
        (struct zonelist_memory){.conf = conf, .views = view, .view_count = 1, .view_room = 1};
    for (char **name = conf->views; name && *name && strcmp(*name, DEFAULT_VIEW) != 0; name++)
        view->order++;
    view->read = conf->views == NULL || conf->views[view->order] != NULL;
    if (namejudge_make(&memory->judge, conf))
        return list;
    zonelist_free(list);
    return NULL;
}

struct zonelist *zonelist_parse(const char *text, size_t len, const struct importconf *conf,
                                void (*warn)(const char *line, void *context), void *context,
                                char *error, size_t error_size)
{
    struct zonelist *list = make_list(conf);
    if (list == NULL) {
        fail(error, error_size, "no memory");
        return NULL;
    }
    list->memory->warn = warn;
    list->memory->context = context;
    unsigned line = 1;
    const char *end = text + len;
    bool good = skip_warnings(list, &text, end, &line);
    if (!good)
        fail(error, error_size, "no configuration was printed");
    struct conftext tokens;
    conftext_begin(&tokens, text, (size_t)(end - text), line);
    good = good && take(list, &tokens, SCOPE_TOP, 0, error, error_size);
    list->memory->warn = NULL; /* its context may end with this call */
    if (good)
        return list;
    zonelist_free(list);
    return NULL;
}

bool zonelist_add_nzf(struct zonelist *list, const char *text, size_t len, const char *view,
                      char *error, size_t error_size)
{
    struct zonelist_memory *memory = list->memory;
    unsigned index = zonelist_find_view(list, view);
    struct zonelist_statements zones = {.list = NULL};
    struct conftext tokens;
    if (strcmp(memory->views[index].name, view) != 0) {
        snprintf(error, error_size, "there is no view \"%s\"", view);
        return false;
    }
    conftext_begin(&tokens, text, len, 1);
    bool good = zonelist_parse_statements(list, &tokens, SCOPE_ADDED, index, &zones);
    if (!good)
        snprintf(error, error_size, "line %u: %s", tokens.line, tokens.fault);
    for (size_t i = 0; good && i < zones.count; i++)
        good = zonelist_add(list, &zones.list[i]) || fail(error, error_size, "no memory");
    free(zones.list);
    return good;
}

void zonelist_free(struct zonelist *list)
{
    if (list == NULL)
        return;
    struct zonelist_memory *memory = list->memory;
    free(list->zones);
    free(list->catalogs);
    namejudge_clear(&memory->judge);
    nametable_free(&memory->zones);
    nametable_free(&memory->policies);
    arena_free(&memory->arena);
    free(memory->views);
    free(memory->remotes);
    free(memory->templates.list);
    free(memory->catalogs);
    free(memory);
    free(list);
}

const char *zone_skip_text(enum zone_skip skip)
{
    switch (skip) {
    case ZONE_READ:
        return "is read";
    case SKIP_NOT_SECONDARY:
        return "no secondary zone";
    case SKIP_CLASS:
        return "not of class IN";
    case SKIP_NAME:
        return "reverse zone or local name";
    case SKIP_POLICY:
        return "response policy";
    case SKIP_CATALOG:
        return "catalog";
    case SKIP_VIEW:
        return "in a view that is not read";
    case SKIP_EXCLUDED:
        return "excluded";
    case SKIP_TWICE:
        return "listed twice";
    }
    return "skipped";
}
