#include "lookup/conf_table.h"

#include <stdlib.h>
#include <string.h>

static void print_group(const char *name, const struct setting *table, const void *target,
                        FILE *out)
{
    fprintf(out, "\n%s = {\n", name);
    settings_print(table, target, 4, true, out);
    fputs("};\n", out);
}

/* What a listener does not have is left out, since it would be refused. */
static void print_listener(const struct conf_listener *listener, bool help, FILE *out)
{
    bool is_unix = listener->address[0] == 'u';
    for (const struct setting *entry = conf_listener_settings; entry->name != NULL; entry++) {
        if (!is_unix && entry->type == SETTING_MODE)
            continue;
        const struct setting one[] = {*entry, {.name = NULL}};
        settings_print(one, listener, 8, help, out);
    }
}

static void print_listeners(const struct conf *conf, FILE *out)
{
    fputs("\nlisteners = (\n", out);
    for (size_t i = 0; i < conf->listener_count; i++) {
        fputs("    {\n", out);
        print_listener(&conf->listeners[i], i == 0, out);
        fprintf(out, "    }%s\n", i + 1 < conf->listener_count ? "," : "");
    }
    fputs(");\n", out);
}

static void print_maps(const struct conf *conf, FILE *out)
{
    fputs("\nmaps = {\n", out);
    /* The help once, with the first: seven times it would hide what differs. */
    for (size_t i = 0; i < conf->map_count; i++) {
        const struct conf_map *map = &conf->maps[i];
        fprintf(out, "%s    %s = {%s\n", i > 0 ? "\n" : "", map->name,
                map->uses_schema ? " # asks the tables of sql/schema.sql" : "");
        settings_print(conf_map_settings, map, 8, i == 0, out);
        fputs("    };\n", out);
    }
    fputs("};\n", out);
}

static void print_part(const struct conf *conf, enum conf_part part, FILE *out)
{
    switch (part) {
    case CONF_GENERAL:
        settings_print(conf_top_settings, conf, 0, true, out);
        break;
    case CONF_DATABASE:
        print_group("database", conf_database_settings, &conf->database, out);
        break;
    case CONF_LISTENERS:
        print_listeners(conf, out);
        break;
    case CONF_MAPS:
        print_maps(conf, out);
        break;
    case CONF_LIMITS:
        print_group("limits", conf_limits_settings, &conf->limits, out);
        break;
    case CONF_SNAPSHOT:
        if (conf->snapshot.directory != NULL)
            print_group("snapshot", conf_snapshot_settings, &conf->snapshot, out);
        break;
    case CONF_STATUS:
        if (conf->status_address != NULL)
            print_group("status", conf_status_settings, conf, out);
        break;
    }
}

void conf_print(const struct conf *conf, FILE *out)
{
    fprintf(out, "# The effective configuration of lookupd %s: %s\n", LOOKUPD_VERSION,
            "the file with every default filled in.");
    for (int part = 0; part < CONF_PARTS; part++)
        print_part(conf, (enum conf_part)part, out);
}

static char *part_text(const struct conf *conf, enum conf_part part)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    print_part(conf, part, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

bool conf_part_differs(enum conf_part part, const struct conf *a, const struct conf *b)
{
    char *one = part_text(a, part);
    char *other = part_text(b, part);
    /* Without memory nobody knows: then what depends on it is made anew. */
    bool same = one && other && strcmp(one, other) == 0;
    free(one);
    free(other);
    return !same;
}
