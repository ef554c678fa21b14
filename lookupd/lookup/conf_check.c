#include "lookup/conf_check.h"

#include "lookup/conf_table.h"
#include "lookup/default_maps.h"
#include "lookup/query.h"

#include <ctype.h>
#include <string.h>

struct check {
    const struct conf *conf;
    const config_setting_t *root;
    struct settings_errors *errors;
};

/* The setting to name in a message: the member, or its group where the default is meant. */
static const config_setting_t *at(const config_setting_t *group, const char *name)
{
    const config_setting_t *setting = config_setting_get_member(group, name);
    return setting != NULL ? setting : group;
}

static bool list_has(char *const *list, const char *word)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static void check_absolute(const struct check *check, const char *group, const char *name,
                           const char *path)
{
    if (path != NULL && path[0] != '/')
        settings_error(check->errors, at(config_setting_get_member(check->root, group), name),
                       "must be a path that begins with \"/\", and is \"%s\"", path);
}

/* A copy that is too old before the next one comes is no help, and nobody notices until it is
 * needed. */
static void check_ages(const struct check *check)
{
    const struct conf_snapshot *snapshot = &check->conf->snapshot;
    if (snapshot->directory && snapshot->interval > 0 && snapshot->max_age <= snapshot->interval)
        settings_error(
            check->errors, at(config_setting_get_member(check->root, "snapshot"), "max_age"),
            "must be more than interval, and is %d to %d", snapshot->max_age, snapshot->interval);
}

static void check_delimiter(const struct check *check)
{
    for (const char *p = check->conf->recipient_delimiter; p != NULL && *p != '\0'; p++) {
        if (*p > 0x20 && *p < 0x7f && strchr("@\"\\", *p) == NULL)
            continue;
        settings_error(check->errors, at(check->root, "recipient_delimiter"),
                       "may hold visible ASCII characters other than @, \" and \\");
        return;
    }
}

static bool is_transport_name(const char *name)
{
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("-_.", *name) == NULL)
            return false;
    return true;
}

/* The built-in transport map answers with these whatever stands in the tables. */
static const char *const needed_transports[] = {"relay", "hold", "retry"};

static void check_transports(const struct check *check)
{
    const struct conf *conf = check->conf;
    const config_setting_t *list = config_setting_get_member(check->root, "transports");
    if (list == NULL || conf->transports == NULL)
        return;
    bool read = config_setting_is_list(list) || config_setting_is_array(list);
    for (int i = 0; read && i < config_setting_length(list); i++) {
        const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
        const char *name = config_setting_get_string(item);
        if (name != NULL && !is_transport_name(name))
            settings_error(check->errors, item,
                           "\"%s\" cannot be the name of a service in master.cf", name);
    }
    const struct conf_map *map = conf_find_map(conf, "transport", strlen("transport"));
    if (!read || map == NULL || !map->uses_schema)
        return;
    for (size_t i = 0; i < sizeof needed_transports / sizeof needed_transports[0]; i++)
        if (!list_has(conf->transports, needed_transports[i]))
            settings_error(check->errors, list,
                           "\"%s\" is missing, and the built-in map transport answers with it "
                           "(the setting takes the place of the whole list)",
                           needed_transports[i]);
}

static void check_hosts(const struct check *check)
{
    const config_setting_t *group = config_setting_get_member(check->root, "database");
    if (group == NULL)
        return;
    const config_setting_t *list = config_setting_get_member(group, "hosts");
    if (list == NULL || !(config_setting_is_list(list) || config_setting_is_array(list)))
        return;
    for (int i = 0; i < config_setting_length(list); i++) {
        const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
        const char *text = config_setting_get_string(item);
        const char *error;
        struct address address;
        if (text == NULL || text[0] == '\0')
            continue; /* was reported */
        if (!address_parse_database(text, &address, &error))
            settings_error(check->errors, item, "\"%s\": %s", text, error);
        address_clear(&address);
    }
}

static void check_protocol(const struct check *check, const struct conf_listener *listener,
                           const config_setting_t *group)
{
    const char *protocol = config_setting_get_member(group, "protocol") != NULL
                               ? conf_protocols[listener->protocol]
                               : "";
    if (strcmp(protocol, "socketmap") == 0 && listener->map != NULL)
        settings_error(check->errors, at(group, "map"),
                       "only for tcp_table: socketmap requests name their map");
    if (strcmp(protocol, "tcp_table") == 0 && config_setting_get_member(group, "map") == NULL)
        settings_error(check->errors, group,
                       "tcp_table needs the setting \"map\": its requests do not name one");
    if (listener->map != NULL && check->conf->maps != NULL &&
        conf_find_map(check->conf, listener->map, strlen(listener->map)) == NULL)
        settings_error(check->errors, at(group, "map"), "there is no map \"%s\"", listener->map);
}

static void check_networks(const struct check *check, const config_setting_t *list)
{
    if (!config_setting_is_list(list) && !config_setting_is_array(list))
        return;
    for (int i = 0; i < config_setting_length(list); i++) {
        const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
        const char *text = config_setting_get_string(item);
        struct network network;
        const char *error;
        if (text != NULL && text[0] != '\0' && !network_parse(text, &network, &error))
            settings_error(check->errors, item, "\"%s\": %s", text, error);
    }
}

/* Settings that mean nothing with this kind of address: somebody believes that they protect. */
static void check_kind(const struct check *check, enum address_kind kind,
                       const config_setting_t *group)
{
    static const char *const of_unix[] = {"owner", "group", "mode"};
    for (size_t i = 0; kind != ADDRESS_UNIX && i < sizeof of_unix / sizeof of_unix[0]; i++)
        if (config_setting_get_member(group, of_unix[i]) != NULL)
            settings_error(check->errors, at(group, of_unix[i]),
                           kind == ADDRESS_INET ? "only for unix sockets"
                                                : "is set by the socket unit");
    const config_setting_t *allow = config_setting_get_member(group, "allow");
    if (allow != NULL && kind == ADDRESS_UNIX)
        settings_error(check->errors, allow,
                       "only for TCP: owner, group and mode say who may use a unix socket");
    else if (allow != NULL)
        check_networks(check, allow);
}

/* An address beside those of the listeners before it. */
static void check_others(const struct check *check, const struct address *address, size_t index,
                         const config_setting_t *group)
{
    const struct conf_listener *listeners = check->conf->listeners;
    for (size_t i = 0; i < index; i++) {
        struct address other;
        const char *error;
        if (listeners[i].address == NULL ||
            !address_parse_listener(listeners[i].address, &other, &error))
            continue;
        bool same = address_equal(address, &other);
        bool overlap = address_overlaps(address, &other);
        address_clear(&other);
        if (same)
            settings_error(check->errors, at(group, "address"),
                           "\"%s\" is the address of listeners[%zu] too", listeners[index].address,
                           i);
        else if (overlap)
            settings_error(check->errors, at(group, "address"),
                           "\"%s\" cannot be beside listeners[%zu]: one of them is all addresses "
                           "of this port",
                           listeners[index].address, i);
        if (same || overlap)
            return;
    }
}

static void check_listeners(const struct check *check)
{
    const struct conf *conf = check->conf;
    const config_setting_t *list = config_setting_get_member(check->root, "listeners");
    if (list == NULL) {
        settings_error(check->errors, check->root, "the setting \"listeners\" is missing");
        return;
    }
    if (!config_setting_is_list(list))
        return;
    if (conf->listener_count == 0)
        settings_error(check->errors, list, "must have at least one listener");
    if (conf->listener_count > CONF_LISTENERS_MAX)
        settings_error(check->errors, list, "must have at most %d listeners", CONF_LISTENERS_MAX);
    for (size_t i = 0; i < conf->listener_count; i++) {
        const struct conf_listener *listener = &conf->listeners[i];
        const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        struct address address;
        const char *error;
        if (!config_setting_is_group(group))
            continue;
        check_protocol(check, listener, group);
        if (listener->address == NULL)
            continue;
        if (!address_parse_listener(listener->address, &address, &error)) {
            settings_error(check->errors, at(group, "address"), "\"%s\": %s", listener->address,
                           error);
            continue;
        }
        check_kind(check, address.kind, group);
        check_others(check, &address, i, group);
        address_clear(&address);
    }
}

static void check_map(const struct check *check, const struct conf_map *map,
                      const config_setting_t *group)
{
    struct settings_errors *errors = check->errors;
    bool builtin = default_maps_find(map->name) != NULL;
    bool has_query = config_setting_get_member(group, "query") != NULL;
    if (!builtin && config_setting_get_member(group, "keys") == NULL)
        settings_error(errors, group, "the setting \"keys\" is missing");
    if (!builtin && !has_query)
        settings_error(errors, group, "the setting \"query\" is missing");
    if (builtin && !has_query && config_setting_get_member(group, "all") != NULL)
        settings_error(errors, at(group, "all"),
                       "needs the setting \"query\" beside it: the built-in one asks other rows");
    char error[256];
    if (map->query != NULL) {
        struct query *query =
            query_parse(map->query, (enum keys_kind)map->keys, error, sizeof error);
        if (query == NULL)
            settings_error(errors, at(group, has_query ? "query" : "keys"), "%s", error);
        query_free(query);
    }
    if (map->all != NULL) {
        struct query *query = query_parse(map->all, (enum keys_kind)map->keys, error, sizeof error);
        if (query != NULL)
            settings_error(errors, at(group, "all"),
                           "returns every row, and must name no list of keys");
        query_free(query);
    }
}

static void check_maps(const struct check *check)
{
    const config_setting_t *maps = config_setting_get_member(check->root, "maps");
    if (maps != NULL && !config_setting_is_group(maps))
        return;
    for (int i = 0; maps != NULL && i < config_setting_length(maps); i++) {
        const config_setting_t *group = config_setting_get_elem(maps, (unsigned)i);
        const char *name = config_setting_name(group);
        const struct conf_map *map = conf_find_map(check->conf, name, strlen(name));
        if (map != NULL && config_setting_is_group(group))
            check_map(check, map, group);
    }
    if (check->conf->maps != NULL && check->conf->map_count == 0)
        settings_error(check->errors, at(check->root, "default_maps"),
                       "without the built-in maps, and with none in \"maps\", nothing is served");
}

static void check_status(const struct check *check)
{
    struct address address, other;
    const char *error;
    const char *text = check->conf->status_address;
    if (text == NULL)
        return;
    const config_setting_t *setting =
        at(config_setting_get_member(check->root, "status"), "address");
    if (!address_parse_listener(text, &address, &error)) {
        settings_error(check->errors, setting, "\"%s\": %s", text, error);
        return;
    }
    for (size_t i = 0; i < check->conf->listener_count; i++) {
        const char *listener = check->conf->listeners[i].address;
        if (listener == NULL || !address_parse_listener(listener, &other, &error))
            continue;
        if (address_equal(&address, &other))
            settings_error(check->errors, setting, "\"%s\" is the address of listeners[%zu] too",
                           text, i);
        address_clear(&other);
    }
    address_clear(&address);
}

void conf_check(const struct conf *conf, const config_setting_t *root,
                struct settings_errors *errors)
{
    const struct check check = {.conf = conf, .root = root, .errors = errors};
    check_delimiter(&check);
    check_transports(&check);
    check_hosts(&check);
    check_absolute(&check, "database", "option_file", conf->database.option_file);
    check_listeners(&check);
    check_maps(&check);
    check_absolute(&check, "snapshot", "directory", conf->snapshot.directory);
    check_ages(&check);
    check_status(&check);
}
