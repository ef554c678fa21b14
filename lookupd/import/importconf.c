#include "import/importconf.h"

#include "import/importconf_check.h"

#include <stdlib.h>
#include <string.h>

static const char *const zones_words[] = {
    [IMPORT_ZONES_CHECKCONF] = "named-checkconf",
    [IMPORT_ZONES_FILE] = "file",
    [IMPORT_ZONES_FILE + 1] = NULL,
};
static const char *const mode_words[] = {
    [IMPORT_MODE_MX] = "mx", [IMPORT_MODE_ALL] = "all", [IMPORT_MODE_ALL + 1] = NULL};
static const char *const form_words[] = {
    [IMPORT_FORM_MX] = "mx", [IMPORT_FORM_HOSTS] = "hosts", [IMPORT_FORM_HOSTS + 1] = NULL};
static const char *const recipients_words[] = {
    [IMPORT_RECIPIENTS_ANY] = "any",
    [IMPORT_RECIPIENTS_LISTED] = "listed",
    [IMPORT_RECIPIENTS_LISTED + 1] = NULL,
};

static const char *const groups[] = {"database", NULL};

/* Defaults come the way of all settings, so that they are what they look like. A statement may have
 * to wait for a person's transaction: the time-out is longer than the daemon's. */
static const char defaults[] =
    "database = { hosts = ( \"unix:/run/mysqld/mysqld.sock\" ); name = \"lookupd\";\n"
    "             timeout = 30.0; };\n"
    "zones = \"named-checkconf\"; named_conf = \"/etc/bind/named.conf\";\n"
    "named_checkconf = \"/usr/bin/named-checkconf\"; named_nzd2nzf = \"/usr/bin/named-nzd2nzf\";\n"
    "directory = \"/var/cache/bind\"; mode = \"mx\"; relay = \"mx\"; relay_form = \"mx\";\n"
    "subdomains = true; wildcards = false; cname_aliases = true; allow_private = false;\n"
    "recipients = \"any\"; hold = 86400; max_delete_percent = 10; keep_runs = 30;\n"
    "lock_file = \"/run/lookupd-import/lock\"; max_zone_size = 256; max_names = 10000;\n";

#define AT(type, member) .offset = offsetof(struct type, member)
#define ITEMS            .min = 1, .max = 100000

const struct setting importconf_settings[] = {
    {"source", SETTING_STRING, AT(importconf, source), .min = 1,
     .help = "this importer's row in the table source"},
    {"zones", SETTING_CHOICE, AT(importconf, zones), .choices = zones_words,
     .help = "where the list of zones is from: named-checkconf, or a file of its output"},
    {"zones_file", SETTING_STRING, AT(importconf, zones_file), .min = 1,
     .help = "what named-checkconf -px has printed"},
    {"named_conf", SETTING_STRING, AT(importconf, named_conf), .min = 1,
     .help = "the configuration of named"},
    {"named_checkconf", SETTING_STRING, AT(importconf, checkconf), .min = 1,
     .help = "the program that reads it"},
    {"named_nzd2nzf", SETTING_STRING, AT(importconf, nzd2nzf), .min = 1,
     .help = "the program that reads added_zones"},
    {"added_zones", SETTING_LIST, AT(importconf, added_zones), ITEMS,
     .help = "zones of rndc addzone: /path/to/_default.nzd or VIEW:/path"},
    {"chroot", SETTING_STRING, AT(importconf, chroot), .min = 1,
     .help = "the folder that named is confined to (named -t)"},
    {"directory", SETTING_STRING, AT(importconf, directory), .min = 1,
     .help = "for relative names of files where named.conf has no directory"},
    {"my_names", SETTING_LIST, AT(importconf, my_names), ITEMS,
     .help = "names by which MX records mean this host"},
    {"my_addresses", SETTING_LIST, AT(importconf, my_addresses), ITEMS,
     .help = "addresses by which they mean this host"},
    {"mode", SETTING_CHOICE, AT(importconf, mode), .choices = mode_words,
     .help = "mx: what has this host as a backup MX; all: every zone"},
    {"relay", SETTING_STRING, AT(importconf, relay), .min = 1,
     .help = "of mode all: mx, primaries, mail.%d, or a route"},
    {"relay_form", SETTING_CHOICE, AT(importconf, relay_form), .choices = form_words,
     .help = "mx: Postfix asks DNS for the better MX; hosts: they stand in the row"},
    {"subdomains", SETTING_BOOL, AT(importconf, subdomains),
     .help = "names with MX records below a zone's own name too"},
    {"wildcards", SETTING_BOOL, AT(importconf, wildcards),
     .help = "*.example.com gives a row .example.com"},
    {"cname_aliases", SETTING_BOOL, AT(importconf, cname_aliases),
     .help = "a CNAME to a relayed domain is relayed too"},
    {"allow_private", SETTING_BOOL, AT(importconf, allow_private),
     .help = "hosts with private addresses may be relayed to"},
    {"allow_hosts", SETTING_LIST, AT(importconf, allow_hosts), ITEMS,
     .help = "of relay_form hosts: hosts outside of these zones that are there"},
    {"hint_relays", SETTING_LIST, AT(importconf, hint_relays), ITEMS,
     .help = "rows of the table relay that a zone's TXT record may name"},
    {"recipients", SETTING_CHOICE, AT(importconf, recipients), .choices = recipients_words,
     .help = "of a new domain: any, or only listed ones"},
    {"views", SETTING_LIST, AT(importconf, views), ITEMS,
     .help = "the views to read; the first that has a name decides"},
    {"include", SETTING_LIST, AT(importconf, include_texts), ITEMS,
     .help = "only these: example.com, .example.com (all names below it)"},
    {"exclude", SETTING_LIST, AT(importconf, exclude_texts), ITEMS, .help = "none of these"},
    {"hold", SETTING_INT, AT(importconf, hold), .min = 0, .max = 31536000,
     .help = "seconds before the row of a domain that vanished is deleted"},
    {"max_delete_percent", SETTING_INT, AT(importconf, max_delete_percent), .min = 0, .max = 100,
     .help = "a run that would lose or change more of its domains is refused"},
    {"keep_runs", SETTING_INT, AT(importconf, keep_runs), .min = 1, .max = 36500,
     .help = "days that rows of import_run are kept"},
    {"lock_file", SETTING_STRING, AT(importconf, lock_file), .min = 1,
     .help = "keeps two runs from working at the same time"},
    {"max_zone_size", SETTING_INT, AT(importconf, max_zone_size), .min = 1, .max = 4095,
     .help = "MiB; a larger zone file is not read"},
    {"max_names", SETTING_INT, AT(importconf, max_names), .min = 1, .max = 10000000,
     .help = "mail domains of one zone; one with more is not read"},
    {.name = NULL},
};

const struct setting importconf_database_settings[] = {
    {"hosts", SETTING_LIST, AT(conf_database, hosts), .min = 1, .max = 16,
     .help = "servers, in the order in which they are tried"},
    {"name", SETTING_STRING, AT(conf_database, name), .min = 1, .help = "the database"},
    {"user", SETTING_STRING, AT(conf_database, user), .min = 1,
     .help = "the importer's account; not set: the option file's, or who runs the program"},
    {"option_file", SETTING_STRING, AT(conf_database, option_file), .min = 1,
     .help = "with password and TLS; not set: no password"},
    {"timeout", SETTING_NUMBER, AT(conf_database, timeout), .min = 1, .max = 600,
     .help = "seconds for connecting, and for each statement"},
    {.name = NULL},
};

static void read_groups(struct importconf *conf, const config_setting_t *root,
                        struct settings_errors *errors)
{
    settings_read(root, importconf_settings, groups, conf, errors);
    const config_setting_t *database = config_setting_get_member(root, "database");
    if (database != NULL)
        settings_read(database, importconf_database_settings, NULL, &conf->database, errors);
}

static void read_defaults(struct importconf *conf, struct settings_errors *errors)
{
    config_t config;
    config_init(&config);
    if (settings_parse(&config, defaults, "(defaults)", errors))
        read_groups(conf, config_root_setting(&config), errors);
    config_destroy(&config);
}

struct importconf *importconf_parse(const char *text, const char *file,
                                    struct settings_errors *errors)
{
    size_t before = errors->count;
    struct importconf *conf = calloc(1, sizeof *conf);
    if (conf == NULL || (conf->file = strdup(file)) == NULL) {
        settings_error_in(errors, file, 0, "no memory");
        free(conf);
        return NULL;
    }
    config_t config;
    config_init(&config);
    if (settings_parse(&config, text, file, errors)) {
        const config_setting_t *root = config_root_setting(&config);
        read_defaults(conf, errors);
        read_groups(conf, root, errors);
        importconf_check(conf, root, errors);
    }
    config_destroy(&config);
    if (errors->count == before)
        return conf;
    importconf_free(conf);
    return NULL;
}

struct importconf *importconf_read(const char *file, struct settings_errors *errors)
{
    char *text = settings_load(file, errors);
    if (text == NULL)
        return NULL;
    struct importconf *conf = importconf_parse(text, file, errors);
    free(text);
    return conf;
}

void importconf_free(struct importconf *conf)
{
    if (conf == NULL)
        return;
    settings_free(importconf_settings, conf);
    settings_free(importconf_database_settings, &conf->database);
    free(conf->my_name_list.list);
    free(conf->my_address_list);
    free(conf->include.list);
    free(conf->exclude.list);
    free(conf->file);
    free(conf);
}

/* What would be refused beside the other settings is left out. */
static bool is_printed(const struct importconf *conf, const char *name)
{
    if (strcmp(name, "relay") == 0)
        return conf->mode == IMPORT_MODE_ALL;
    if (strcmp(name, "named_conf") == 0)
        return conf->zones == IMPORT_ZONES_CHECKCONF;
    return true;
}

void importconf_print(const struct importconf *conf, FILE *out)
{
    fprintf(out,
            "# The effective configuration of lookupd-import %s: the file with every default "
            "filled in.\n",
            LOOKUPD_VERSION);
    for (const struct setting *entry = importconf_settings; entry->name != NULL; entry++) {
        const struct setting one[] = {*entry, {.name = NULL}};
        if (is_printed(conf, entry->name))
            settings_print(one, conf, 0, true, out);
    }
    fputs("\ndatabase = {\n", out);
    settings_print(importconf_database_settings, &conf->database, 4, true, out);
    fputs("};\n", out);
}

bool importconf_is_my_name(const struct importconf *conf, const uint8_t *name)
{
    for (size_t i = 0; i < conf->my_name_list.count; i++)
        if (wirename_equal(conf->my_name_list.list[i].name, name))
            return true;
    return false;
}

bool importconf_is_my_address(const struct importconf *conf, const struct zonelist_address *address)
{
    for (size_t i = 0; i < conf->my_address_count; i++) {
        const struct zonelist_address *mine = &conf->my_address_list[i];
        if (mine->family != address->family)
            continue;
        if (address->family == AF_INET ? mine->v4.s_addr == address->v4.s_addr
                                       : IN6_ARE_ADDR_EQUAL(&mine->v6, &address->v6))
            return true;
    }
    return false;
}
