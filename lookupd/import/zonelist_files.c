/* Names of files as they stand in named.conf: made absolute, and tokens of BIND 9.21 expanded. */
#include "import/importconf.h"
#include "import/zonelist_memory.h"

#include <string.h>
#include <strings.h>

const char *zonelist_path(struct zonelist *list, const char *file)
{
    const struct importconf *conf = list->memory->conf;
    const char *chroot = conf->chroot ? conf->chroot : "";
    const char *base = list->directory ? list->directory : conf->directory;
    const char *root = base[0] == '/' ? "" : conf->directory;
    if (file[0] == '/')
        return arena_print(&list->memory->arena, "%s%s", chroot, file);
    return arena_print(&list->memory->arena, "%s%s%s%s/%s", chroot, root, *root ? "/" : "", base,
                       file);
}

/* A token of BIND 9.21's file names, at the beginning of text; "" when there is none. */
static const char *find_token(const char *text, bool percent, size_t *len)
{
    static const char *const tokens[] = {"$name", "$type", "$view", "$label", "$char", "%s", "%t",
                                         "%v",    "%z",    "%y",    "%x",     "%1",    "%2", "%3"};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        *len = strlen(tokens[i]);
        if ((tokens[i][0] == '$' || percent) && strncasecmp(text, tokens[i], *len) == 0)
            return tokens[i];
    }
    return "";
}

/*
 * Puts name, type and view into a file name. Before BIND 9.21 a '$' or '%' was an octet like
 * others: "%" is only looked at in what a template gives. False when there is a token that is not
 * expanded here; then the file is not known.
 */
static bool expand_file(struct zonelist *list, const struct zonelist_zone *zone, bool percent,
                        const char **file)
{
    char name[WIRENAME_TEXT_SIZE], path[4096];
    size_t used = 0;
    bool seen[3] = {false};
    wirename_print(zone->name, name);
    for (const char *p = *file; *p != '\0';) {
        size_t len = 0;
        const char *token = find_token(p, percent, &len);
        const char *value = NULL;
        int which = -1;
        if (strcmp(token, "$name") == 0 || strcmp(token, "%s") == 0) {
            which = 0;
            value = name;
        } else if (strcmp(token, "$type") == 0 || strcmp(token, "%t") == 0) {
            which = 1;
            value = "secondary";
        } else if (strcmp(token, "$view") == 0 || strcmp(token, "%v") == 0) {
            which = 2;
            value = zone->view;
        } else if (*token != '\0') {
            return false;
        }
        /* only the first of each is a token */
        bool plain = which < 0 || seen[which];
        if (which >= 0)
            seen[which] = true;
        size_t size = plain ? 1 : strlen(value);
        if (size >= sizeof path - used)
            return false;
        memcpy(path + used, plain ? p : value, size);
        used += size;
        p += plain ? 1 : len;
    }
    *file = arena_text(&list->memory->arena, path, used);
    return *file != NULL;
}

bool zonelist_set_files(struct zonelist *list, const struct zonelist_statement *statement,
                        bool of_template, struct zonelist_zone *zone)
{
    const char *file = statement->file;
    if (file != NULL && (strchr(file, '$') != NULL || (of_template && strchr(file, '%') != NULL)) &&
        !expand_file(list, zone, of_template, &file)) {
        zonelist_say(
            list, "line %u: \"%s\": the name of the zone's file has a token that is not expanded",
            statement->line, file);
        file = NULL;
    }
    if (file != NULL && (zone->file = zonelist_path(list, file)) == NULL)
        return false;
    return statement->journal == NULL ||
           (zone->journal = zonelist_path(list, statement->journal)) != NULL;
}
