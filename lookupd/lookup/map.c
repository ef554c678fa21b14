#include "lookup/map.h"

#include <endian.h>
#include <openssl/evp.h>
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

static bool digest_text(EVP_MD_CTX *digest, const char *text)
{
    /* With its length before it, so that no two lists of texts look the same. */
    uint64_t len = htole64(text ? strlen(text) : UINT64_MAX);
    return EVP_DigestUpdate(digest, &len, sizeof len) == 1 &&
           (text == NULL || EVP_DigestUpdate(digest, text, strlen(text)) == 1);
}

/* False without memory. */
static bool take_fingerprint(struct map *map, const struct conf *conf, const struct conf_map *from)
{
    const unsigned char kinds[] = {(unsigned char)from->keys, (unsigned char)from->value,
                                   from->join};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, kinds, sizeof kinds) == 1 &&
                digest_text(digest, conf->database.name) && digest_text(digest, from->query) &&
                digest_text(digest, from->all) &&
                EVP_DigestFinal_ex(digest, map->fingerprint, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return good;
}

static bool add_map(struct maps *maps, struct map *map, const struct conf_map *from,
                    struct settings_errors *errors)
{
    const struct conf *conf = maps->conf;
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
    map->has_all = from->all != NULL;
    map->absent = (enum absent_kind)from->absent;
    map->uses_schema = from->uses_schema;
    map->query = query_parse(from->query, map->keys, error, sizeof error);
    if (map->query == NULL)
        report(errors, from, error);
    else if (!take_fingerprint(map, conf, from))
        report(errors, from, "no memory");
    else
        return true;
    return false;
}

/* Asked as a map is, so that deadlines, connections and what a fault means are those of lookups. */
static bool add_service(struct maps *maps, struct map *map, struct settings_errors *errors)
{
    static char name[] = "service";
    static char where[] = "built-in";
    static char query[] = "SELECT '" MAPS_SERVICE_KEY "', answering FROM service "
                          "WHERE '" MAPS_SERVICE_KEY "' IN (:key)";
    const struct conf_map from = {
        .name = name, .where = where, .keys = KEYS_EXACT, .query = query, .uses_schema = true};
    maps->service = map;
    return add_map(maps, map, &from, errors);
}

struct maps *maps_new(struct conf *conf, struct settings_errors *errors)
{
    struct maps *maps = calloc(1, sizeof *maps + (conf->map_count + 1) * sizeof maps->list[0]);
    if (maps == NULL) {
        conf_free(conf);
        return NULL;
    }
    maps->references = 1;
    maps->conf = conf;
    maps->count = conf->map_count;

    bool good = true;
    bool uses_schema = false;
    for (size_t i = 0; i < conf->map_count; i++) {
        good = add_map(maps, &maps->list[i], &conf->maps[i], errors) && good;
        uses_schema = uses_schema || conf->maps[i].uses_schema;
    }
    if (uses_schema)
        good = add_service(maps, &maps->list[maps->count], errors) && good;
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
    if (maps->service)
        query_free(maps->service->query);
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
