#include "lookup/conf_table.h"

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

void conf_print(const struct conf *conf, FILE *out)
{
    fprintf(out, "# The effective configuration of lookupd %s: %s\n", LOOKUPD_VERSION,
            "the file with every default filled in.");
    settings_print(conf_top_settings, conf, 0, true, out);
    print_group("database", conf_database_settings, &conf->database, out);
    fputs("\nlisteners = (\n", out);
    for (size_t i = 0; i < conf->listener_count; i++) {
        fputs("    {\n", out);
        print_listener(&conf->listeners[i], i == 0, out);
        fprintf(out, "    }%s\n", i + 1 < conf->listener_count ? "," : "");
    }
    fputs(");\n\nmaps = {\n", out);
    /* The help once, with the first: seven times it would hide what differs. */
    for (size_t i = 0; i < conf->map_count; i++) {
        const struct conf_map *map = &conf->maps[i];
        fprintf(out, "%s    %s = {%s\n", i > 0 ? "\n" : "", map->name,
                map->uses_schema ? " # asks the tables of sql/schema.sql" : "");
        settings_print(conf_map_settings, map, 8, i == 0, out);
        fputs("    };\n", out);
    }
    fputs("};\n", out);
    print_group("limits", conf_limits_settings, &conf->limits, out);
    if (conf->snapshot.directory != NULL)
        print_group("snapshot", conf_snapshot_settings, &conf->snapshot, out);
    if (conf->status_address != NULL)
        print_group("status", conf_status_settings, conf, out);
}
