#include "import/importconf_check.h"

#include "common/route.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MEBI ((size_t)1 << 20)

struct check {
    struct importconf *conf;
    const config_setting_t *root;
    struct settings_errors *errors;
};

/* The setting to name in a message: the member, or its group where the default is meant. */
static const config_setting_t *at(const config_setting_t *group, const char *name)
{
    const config_setting_t *setting = config_setting_get_member(group, name);
    return setting != NULL ? setting : group;
}

static bool is_given(const struct check *check, const char *name)
{
    return config_setting_get_member(check->root, name) != NULL;
}

/* The items of a list that is a list (it was reported when it is not). */
static int items_of(const struct check *check, const char *name, const config_setting_t **list)
{
    *list = config_setting_get_member(check->root, name);
    if (*list == NULL || !(config_setting_is_list(*list) || config_setting_is_array(*list)))
        return 0;
    return config_setting_length(*list);
}

static const char *item_text(const config_setting_t *list, int i)
{
    const char *text = config_setting_get_string(config_setting_get_elem(list, (unsigned)i));
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void check_absolute(const struct check *check, const config_setting_t *group,
                           const char *name, const char *path)
{
    if (path != NULL && path[0] != '/')
        settings_error(check->errors, at(group, name),
                       "must be a path that begins with \"/\", and is \"%s\"", path);
}

static void check_paths(const struct check *check)
{
    const struct importconf *conf = check->conf;
    check_absolute(check, check->root, "zones_file", conf->zones_file);
    check_absolute(check, check->root, "named_conf", conf->named_conf);
    check_absolute(check, check->root, "named_checkconf", conf->checkconf);
    check_absolute(check, check->root, "named_nzd2nzf", conf->nzd2nzf);
    check_absolute(check, check->root, "chroot", conf->chroot);
    check_absolute(check, check->root, "directory", conf->directory);
    check_absolute(check, check->root, "lock_file", conf->lock_file);
    const config_setting_t *list;
    for (int i = 0, count = items_of(check, "added_zones", &list); i < count; i++) {
        const char *text = item_text(list, i);
        const char *colon = text ? strchr(text, ':') : NULL;
        if (text && text[0] != '/' && !(colon && colon > text && colon[1] == '/'))
            settings_error(
                check->errors, config_setting_get_elem(list, (unsigned)i),
                "\"%s\": must be \"/path/to/_default.nzd\" or \"VIEW:/path/to/file.nzd\"", text);
    }
}

static void check_database(const struct check *check)
{
    const config_setting_t *group = config_setting_get_member(check->root, "database");
    if (group == NULL || !config_setting_is_group(group))
        return;
    check_absolute(check, group, "option_file", check->conf->database.option_file);
    const config_setting_t *list = config_setting_get_member(group, "hosts");
    if (list == NULL || !(config_setting_is_list(list) || config_setting_is_array(list)))
        return;
    for (int i = 0; i < config_setting_length(list); i++) {
        const char *text = item_text(list, i);
        const char *error;
        struct address address;
        if (text == NULL)
            continue; /* was reported */
        if (!address_parse_database(text, &address, &error))
            settings_error(check->errors, config_setting_get_elem(list, (unsigned)i), "\"%s\": %s",
                           text, error);
        address_clear(&address);
    }
}

/* As the tables' CHECK constraints have it: source.name and relay.name differ by the ':'. */
static bool is_short_name(const char *text, const char *marks)
{
    if (!islower((unsigned char)text[0]) && !isdigit((unsigned char)text[0]))
        return false;
    size_t len = strlen(text);
    for (size_t i = 1; i < len; i++)
        if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) &&
            strchr(marks, text[i]) == NULL)
            return false;
    return len <= 63;
}

static void check_source(const struct check *check)
{
    const char *source = check->conf->source;
    if (!is_given(check, "source"))
        settings_error(check->errors, check->root,
                       "the setting \"source\" is missing: the name of this importer in the table "
                       "source, such as \"bind:ns2\"");
    else if (source != NULL && !is_short_name(source, ".:_-"))
        settings_error(check->errors, at(check->root, "source"),
                       "must be a short name such as \"bind:ns2\", and is \"%s\"", source);
}

static void check_zones(const struct check *check)
{
    bool from_file = check->conf->zones == IMPORT_ZONES_FILE;
    if (from_file && !is_given(check, "zones_file"))
        settings_error(check->errors, at(check->root, "zones"),
                       "\"file\" needs the setting \"zones_file\"");
    if (!from_file && is_given(check, "zones_file"))
        settings_error(check->errors, at(check->root, "zones_file"), "only with zones = \"file\"");
    if (from_file && is_given(check, "named_conf"))
        settings_error(check->errors, at(check->root, "named_conf"),
                       "is not read with zones = \"file\"");
}

/* A name for include and exclude: with a leading dot it means all names below. */
static const char *parse_name(const char *text, struct importconf_name *out)
{
    out->below = text[0] == '.' && text[1] != '\0';
    if (out->below)
        text++;
    if (strchr(text, '*') != NULL)
        return "write \".example.com\" for all names below example.com";
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            return "write the name as an A-label (idn2 prints it)";
    if (!wirename_parse(text, strlen(text), out->name) || wirename_labels(out->name) == 0)
        return "is no domain name";
    return NULL;
}

static void make_names(const struct check *check, const char *setting,
                       struct importconf_names *names)
{
    const config_setting_t *list;
    int count = items_of(check, setting, &list);
    if (count == 0)
        return;
    names->list = calloc((size_t)count, sizeof *names->list);
    if (names->list == NULL) {
        settings_error(check->errors, list, "no memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *text = item_text(list, i);
        if (text == NULL)
            continue;
        const char *fault = parse_name(text, &names->list[names->count]);
        if (fault != NULL)
            settings_error(check->errors, config_setting_get_elem(list, (unsigned)i), "\"%s\": %s",
                           text, fault);
        else
            names->count++;
    }
}

/* Names of hosts, as MX records have them. names may be NULL. */
static void check_hosts(const struct check *check, const char *setting,
                        struct importconf_names *names)
{
    const config_setting_t *list;
    int count = items_of(check, setting, &list);
    if (names != NULL && count > 0 &&
        (names->list = calloc((size_t)count, sizeof *names->list)) == NULL) {
        settings_error(check->errors, list, "no memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *text = item_text(list, i);
        struct importconf_name name = {.below = false};
        char host[WIRENAME_DOMAIN_SIZE];
        if (text == NULL)
            continue;
        const char *fault = parse_name(text, &name);
        enum wirename_fault wire = WIRENAME_GOOD;
        if (fault == NULL && name.below)
            fault = "must be the name of a host, without a leading dot";
        if (fault == NULL && (wire = wirename_target(name.name, host)) != WIRENAME_GOOD)
            fault = wirename_fault_text(wire);
        if (fault != NULL)
            settings_error(check->errors, config_setting_get_elem(list, (unsigned)i), "\"%s\": %s",
                           text, fault);
        else if (names != NULL)
            names->list[names->count++] = name;
    }
}

static void make_addresses(const struct check *check)
{
    struct importconf *conf = check->conf;
    const config_setting_t *list;
    int count = items_of(check, "my_addresses", &list);
    if (count == 0)
        return;
    conf->my_address_list = calloc((size_t)count, sizeof *conf->my_address_list);
    if (conf->my_address_list == NULL) {
        settings_error(check->errors, list, "no memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *text = item_text(list, i);
        struct zonelist_address *address = &conf->my_address_list[conf->my_address_count];
        if (text == NULL)
            continue;
        address->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
        if (inet_pton(address->family, text,
                      address->family == AF_INET ? (void *)&address->v4 : (void *)&address->v6) ==
            1)
            conf->my_address_count++;
        else
            settings_error(check->errors, config_setting_get_elem(list, (unsigned)i),
                           "\"%s\": must be an address such as 192.0.2.1 or 2001:db8::1, without "
                           "brackets or port",
                           text);
    }
}

/* A route of all domains: any service of master.cf, which is not known here, and a nexthop that
 * cannot hurt smtp(8). */
static const char *route_fault(const char *route)
{
    char transport[64] = "";
    size_t len = strcspn(route, ":");
    if (route[len] != ':' || len >= sizeof transport)
        return "must be \"mx\", \"primaries\", \"mail.%d\", or a route such as "
               "\"smtp:[10.0.0.1]:25\"";
    memcpy(transport, route, len);
    const char *const transports[] = {transport, NULL};
    return route_check(route, strlen(route), transports);
}

static void check_mode(const struct check *check)
{
    const struct importconf *conf = check->conf;
    if (conf->mode == IMPORT_MODE_MX) {
        if (is_given(check, "relay"))
            settings_error(check->errors, at(check->root, "relay"), "only with mode = \"all\"");
        if (!is_given(check, "my_names") && !is_given(check, "my_addresses"))
            settings_error(check->errors, check->root,
                           "mode \"mx\" needs the setting \"my_names\" or \"my_addresses\": how MX "
                           "records mean this host");
    } else if (conf->relay != NULL && strcmp(conf->relay, "mx") != 0 &&
               strcmp(conf->relay, "primaries") != 0 && strcmp(conf->relay, "mail.%d") != 0) {
        const char *fault = route_fault(conf->relay);
        if (fault != NULL)
            settings_error(check->errors, at(check->root, "relay"), "\"%s\": %s", conf->relay,
                           fault);
    }
    if (is_given(check, "allow_hosts") && conf->relay_form != IMPORT_FORM_HOSTS)
        settings_error(check->errors, at(check->root, "allow_hosts"),
                       "only with relay_form = \"hosts\"");
    const config_setting_t *list;
    for (int i = 0, count = items_of(check, "hint_relays", &list); i < count; i++) {
        const char *text = item_text(list, i);
        if (text && !is_short_name(text, "._-"))
            settings_error(check->errors, config_setting_get_elem(list, (unsigned)i),
                           "\"%s\" cannot be the name of a row in the table relay", text);
    }
}

void importconf_check(struct importconf *conf, const config_setting_t *root,
                      struct settings_errors *errors)
{
    const struct check check = {.conf = conf, .root = root, .errors = errors};
    check_source(&check);
    check_database(&check);
    check_zones(&check);
    check_paths(&check);
    check_hosts(&check, "my_names", &conf->my_name_list);
    make_addresses(&check);
    check_mode(&check);
    check_hosts(&check, "allow_hosts", NULL);
    make_names(&check, "include", &conf->include);
    make_names(&check, "exclude", &conf->exclude);
    conf->limits.file_max = conf->limits.journal_max = (size_t)conf->max_zone_size * MEBI;
}
