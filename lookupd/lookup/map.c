#include "lookup/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned last_id;

static void report(struct settings_errors *errors, const struct conf_map *conf, const char *text)
{
    char line[512];
    snprintf(line, sizeof line, "%s: maps.%s.query: %s", conf->where, conf->name, text);
    errors->count++;
    errors->report(line, errors->context);
}

struct maps *maps_new(struct conf *conf, struct settings_errors *errors)
{
    struct maps *maps = calloc(1, sizeof *maps + conf->map_count * sizeof maps->list[0]);
    if (maps == NULL) {
        conf_free(conf);
        return NULL;
    }
    maps->references = 1;
    maps->conf = conf;
    maps->count = conf->map_count;

    bool good = true;
    for (size_t i = 0; i < conf->map_count; i++) {
        const struct conf_map *from = &conf->maps[i];
        struct map *map = &maps->list[i];
        char error[160];
        map->id = ++last_id;
        map->name = from->name;
        map->where = from->where;
        map->keys = (enum keys_kind)from->keys;
        map->value = (enum value_kind)from->value;
        map->join = from->join;
        map->delimiter = conf->recipient_delimiter;
        map->transports = (const char *const *)conf->transports;
        map->set = maps;
        map->query = query_parse(from->query, map->keys, error, sizeof error);
        if (map->query == NULL) {
            report(errors, from, error);
            good = false;
        }
    }
    if (!good) {
        maps_release(maps);
        return NULL;
    }
    return maps;
}

void maps_hold(struct maps *maps)
{
    maps->references++;
}

void maps_release(struct maps *maps)
{
    if (maps == NULL || --maps->references > 0)
        return;
    for (size_t i = 0; i < maps->count; i++)
        query_free(maps->list[i].query);
    conf_free(maps->conf);
    free(maps);
}

struct map *maps_find(struct maps *maps, const char *name, size_t len)
{
    for (size_t i = 0; i < maps->count; i++)
        if (strlen(maps->list[i].name) == len && memcmp(maps->list[i].name, name, len) == 0)
            return &maps->list[i];
    return NULL;
}
