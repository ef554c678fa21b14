/*
 * import.conf as lookupd-import uses it: read, checked, with every default filled in. The mechanism
 * is common/settings.h; the group "database" is lookupd.conf's (lookup/conf_table.h), without its
 * number of connections.
 */
#ifndef LOOKUPD_IMPORTCONF_H
#define LOOKUPD_IMPORTCONF_H

#include "common/settings.h"
#include "import/zone.h"
#include "import/zonelist.h"
#include "lookup/conf.h"

#define IMPORTCONF_DEFAULT_FILE "/etc/lookupd/import.conf"

enum import_zones { IMPORT_ZONES_CHECKCONF, IMPORT_ZONES_FILE }; /* "named-checkconf", "file" */
enum import_mode { IMPORT_MODE_MX, IMPORT_MODE_ALL };            /* "mx", "all" */
enum import_form { IMPORT_FORM_MX, IMPORT_FORM_HOSTS };          /* "mx", "hosts" */
enum import_recipients { IMPORT_RECIPIENTS_ANY, IMPORT_RECIPIENTS_LISTED };

/* A domain in include and exclude: "example.com" is the name itself, ".example.com" all below. */
struct importconf_name {
    uint8_t name[WIRENAME_MAX];
    bool below;
};
struct importconf_names {
    struct importconf_name *list;
    size_t count;
};

struct importconf {
    char *file; /* as given */
    /* Without connections. user NULL: the option file's, else the account that the program runs as,
     * which is what unix_socket authentication wants. */
    struct conf_database database;
    char *source; /* a row of the table source: "bind:ns2" */

    int zones;          /* enum import_zones */
    char *zones_file;   /* output of named-checkconf -px */
    char *named_conf;   /* default /etc/bind/named.conf */
    char *checkconf;    /* path of named-checkconf; default /usr/bin/named-checkconf */
    char *nzd2nzf;      /* path of named-nzd2nzf; default /usr/bin/named-nzd2nzf */
    char **added_zones; /* .nzd files of rndc addzone, "VIEW:/path" or "/path"; NULL: none */
    char *chroot;       /* of named -t: put before every path; NULL: none */
    char *directory; /* for relative paths when options has no directory; default /var/cache/bind */

    char **my_names;                      /* names by which MX records mean this host */
    struct importconf_names my_name_list; /* the same, as wire names */
    char **my_addresses;                  /* addresses by which they mean this host */
    struct zonelist_address *my_address_list;
    size_t my_address_count;

    int mode;           /* enum import_mode */
    char *relay;        /* of mode "all": "mx" (default), "primaries", "mail.%d", or a route */
    int relay_form;     /* enum import_form */
    bool subdomains;    /* names with MX below the apex too; default yes */
    bool wildcards;     /* "*.D" gives a row ".D"; default no */
    bool cname_aliases; /* a CNAME to a relayed domain is relayed too; default yes */
    bool allow_private; /* targets with private addresses; default no */
    char **allow_hosts; /* relay_form "hosts": hosts outside the imported zones to vouch for */
    char **hint_relays; /* rows of table relay that a zone's TXT may name; NULL: hints are off */
    int recipients;     /* enum import_recipients: of a new row; default "any" */

    char **views;                    /* NULL: all, in the order of named.conf */
    struct importconf_names include; /* when not empty, only these */
    struct importconf_names exclude;
    char **include_texts, **exclude_texts; /* the same, as they stand in the file */

    int hold;                  /* seconds; default 86400 */
    int max_delete_percent;    /* default 10 */
    int keep_runs;             /* days that rows of import_run are kept; default 30 */
    char *lock_file;           /* default /run/lookupd-import/lock */
    int max_zone_size;         /* MiB, of a zone file, and of what a journal adds; default 256 */
    struct zone_limits limits; /* the same in octets */
    int max_names;             /* mail names of one zone; more make it unreadable; default 10000 */
};

/*
 * Reads and checks a file. NULL when anything is wrong; then everything that is wrong was reported.
 * importconf_parse() does the same for a text in memory; file is the name for messages.
 */
struct importconf *importconf_read(const char *file, struct settings_errors *errors);
struct importconf *importconf_parse(const char *text, const char *file,
                                    struct settings_errors *errors);
void importconf_free(struct importconf *conf);
/* Prints the effective settings: a text that importconf_parse() reads back to the same. */
void importconf_print(const struct importconf *conf, FILE *out);

/* The tables of settings, for the test that each is in the manual page. */
extern const struct setting importconf_settings[];
extern const struct setting importconf_database_settings[]; /* in struct conf_database */

bool importconf_is_my_name(const struct importconf *conf, const uint8_t *name);
bool importconf_is_my_address(const struct importconf *conf,
                              const struct zonelist_address *address);

#endif
