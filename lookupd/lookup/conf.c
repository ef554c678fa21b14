#include "lookup/conf.h"

#include "lookup/conf_check.h"
#include "lookup/conf_table.h"
#include "lookup/default_maps.h"
#include "lookup/query.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_BY_DEFAULT 4 /* more make smaller batches, and no more lookups */

static void read_group(const config_setting_t *root, const char *name, const struct setting *table,
                       void *target, struct settings_errors *errors)
{
    const config_setting_t *group = config_setting_get_member(root, name);
    if (group != NULL)
        settings_read(group, table, NULL, target, errors);
}

static void read_groups(struct conf *conf, const config_setting_t *root,
                        struct settings_errors *errors)
{
    settings_read(root, conf_top_settings, conf_groups, conf, errors);
    read_group(root, "database", conf_database_settings, &conf->database, errors);
    read_group(root, "limits", conf_limits_settings, &conf->limits, errors);
    read_group(root, "snapshot", conf_snapshot_settings, &conf->snapshot, errors);
    read_group(root, "status", conf_status_settings, conf, errors);
}

/* Defaults come the way of all settings, so that they are what they look like. */
static void read_defaults(struct conf *conf, const char *text, struct settings_errors *errors)
{
    config_t config;
    config_init(&config);
    if (settings_parse(&config, text, "(defaults)", errors))
        read_groups(conf, config_root_setting(&config), errors);
    config_destroy(&config);
}

static char *where_of(const config_setting_t *setting)
{
    char *where;
    if (asprintf(&where, "%s:%u", settings_file(setting), settings_line(setting)) < 0)
        return NULL;
    return where;
}

static void read_listeners(struct conf *conf, const config_setting_t *root,
                           struct settings_errors *errors)
{
    const config_setting_t *list = config_setting_get_member(root, "listeners");
    if (list == NULL)
        return;
    if (!config_setting_is_list(list)) {
        settings_error(errors, list, "must be a list of groups: ( { protocol = …; }, { … } )");
        return;
    }
    size_t count = (size_t)config_setting_length(list);
    conf->listeners = calloc(count + 1, sizeof *conf->listeners);
    if (conf->listeners == NULL) {
        settings_error(errors, list, "no memory");
        return;
    }
    conf->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        struct conf_listener *listener = &conf->listeners[i];
        listener->mode = CONF_DEFAULT_MODE;
        listener->where = where_of(group);
        if (listener->where == NULL)
            settings_error(errors, group, "no memory");
        settings_read(group, conf_listener_settings, NULL, listener, errors);
    }
}

/* A map with the built-in settings of this name, or those that every other map begins with. */
static bool map_begin(struct conf_map *map, const char *name, const struct default_map *from)
{
    *map = (struct conf_map){.absent = ABSENT_TEMPORARY};
    map->name = strdup(name);
    if (map->name == NULL)
        return false;
    if (from == NULL)
        return true;
    map->keys = from->keys;
    map->value = from->value;
    map->join = from->join;
    map->absent = from->absent;
    map->query = strdup(from->query);
    map->all = strdup(from->all);
    return map->query != NULL && map->all != NULL;
}

static void map_finish(struct conf_map *map, const struct default_map *from)
{
    map->uses_schema = from != NULL && map->query != NULL && strcmp(map->query, from->query) == 0;
}

static void read_map(struct conf_map *map, const config_setting_t *group,
                     struct settings_errors *errors)
{
    const struct default_map *from = default_maps_find(config_setting_name(group));
    if (!map_begin(map, config_setting_name(group), from) ||
        (map->where = where_of(group)) == NULL) {
        settings_error(errors, group, "no memory");
        return;
    }
    /* The two belong together: a query of one's own with the built-in "all" would fill the snapshot
     * from other tables than lookups ask. */
    if (config_setting_is_group(group) && config_setting_get_member(group, "query") != NULL) {
        free(map->all);
        map->all = NULL;
    }
    settings_read(group, conf_map_settings, NULL, map, errors);
    map_finish(map, from);
}

static void read_maps(struct conf *conf, const config_setting_t *root,
                      struct settings_errors *errors)
{
    const config_setting_t *group = config_setting_get_member(root, "maps");
    if (group != NULL && !config_setting_is_group(group)) {
        settings_error(errors, group, "must be a group of maps: { NAME = { keys = …; }; }");
        group = NULL;
    }
    size_t most = group != NULL ? (size_t)config_setting_length(group) : 0;
    for (const struct default_map *map = default_maps; map->name != NULL; map++)
        most++;
    conf->maps = calloc(most + 1, sizeof *conf->maps);
    if (conf->maps == NULL) {
        settings_error(errors, root, "no memory");
        return;
    }
    for (const struct default_map *from = default_maps; from->name != NULL; from++) {
        if (!conf->default_maps ||
            (group != NULL && config_setting_get_member(group, from->name) != NULL))
            continue;
        struct conf_map *map = &conf->maps[conf->map_count++];
        if (!map_begin(map, from->name, from) || (map->where = strdup("built-in")) == NULL)
            settings_error(errors, root, "no memory");
        map_finish(map, from);
    }
    for (int i = 0; group != NULL && i < config_setting_length(group); i++)
        read_map(&conf->maps[conf->map_count++], config_setting_get_elem(group, (unsigned)i),
                 errors);
}

/* What can be read, whatever is wrong with the rest. NULL: nothing at all. */
static struct conf *parse(const char *text, const char *file, struct settings_errors *errors)
{
    bool read = false;
    struct conf *conf = calloc(1, sizeof *conf);
    if (conf == NULL || (conf->file = strdup(file)) == NULL) {
        settings_error_in(errors, file, 0, "no memory");
        free(conf);
        return NULL;
    }
    config_t config;
    config_init(&config);
    if (settings_parse(&config, text, file, errors)) {
        const config_setting_t *root = config_root_setting(&config);
        read_defaults(conf, conf_defaults, errors);
        if (config_setting_get_member(root, "snapshot") != NULL)
            read_defaults(conf, conf_snapshot_defaults, errors);
        if (config_setting_get_member(root, "status") != NULL)
            read_defaults(conf, conf_status_defaults, errors);
        read_groups(conf, root, errors);
        read_listeners(conf, root, errors);
        read_maps(conf, root, errors);
        conf_check(conf, root, errors);
        read = true;
    }
    config_destroy(&config);
    if (read)
        return conf;
    conf_free(conf);
    return NULL;
}

struct conf *conf_parse(const char *text, const char *file, struct settings_errors *errors)
{
    size_t before = errors->count;
    struct conf *conf = parse(text, file, errors);
    if (errors->count == before)
        return conf;
    conf_free(conf);
    return NULL;
}

struct conf *conf_read(const char *file, struct settings_errors *errors)
{
    char *text = settings_load(file, errors);
    if (text == NULL)
        return NULL;
    struct conf *conf = conf_parse(text, file, errors);
    free(text);
    return conf;
}

static void free_map(struct conf_map *map)
{
    settings_free(conf_map_settings, map);
    free(map->name);
    free(map->where);
}

static bool is_usable(const struct conf_map *map)
{
    char error[256];
    if (map->name == NULL || map->where == NULL || map->query == NULL)
        return false;
    struct query *query = query_parse(map->query, (enum keys_kind)map->keys, error, sizeof error);
    query_free(query);
    return query != NULL;
}

struct conf *conf_read_faulty(const char *file, struct settings_errors *errors)
{
    char *text = settings_load(file, errors);
    struct conf *conf = text ? parse(text, file, errors) : NULL;
    free(text);
    if (conf == NULL)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < conf->map_count; i++) {
        if (is_usable(&conf->maps[i]))
            conf->maps[kept++] = conf->maps[i];
        else
            free_map(&conf->maps[i]);
    }
    conf->map_count = kept;
    return conf;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    for (size_t i = 0; i < conf->listener_count; i++) {
        settings_free(conf_listener_settings, &conf->listeners[i]);
        free(conf->listeners[i].where);
    }
    free(conf->listeners);
    for (size_t i = 0; i < conf->map_count; i++)
        free_map(&conf->maps[i]);
    free(conf->maps);
    settings_free(conf_top_settings, conf);
    settings_free(conf_database_settings, &conf->database);
    settings_free(conf_snapshot_settings, &conf->snapshot);
    settings_free(conf_status_settings, conf);
    free(conf->file);
    free(conf);
}

int conf_workers(const struct conf *conf)
{
    if (conf->workers > 0)
        return conf->workers;
    cpu_set_t cpus; /* those that this process may use, which may be fewer than there are */
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (count < 1)
        return 1;
    return count < WORKERS_BY_DEFAULT ? count : WORKERS_BY_DEFAULT;
}

const struct conf_map *conf_find_map(const struct conf *conf, const char *name, size_t len)
{
    for (size_t i = 0; i < conf->map_count; i++)
        if (strlen(conf->maps[i].name) == len && memcmp(conf->maps[i].name, name, len) == 0)
            return &conf->maps[i];
    return NULL;
}
