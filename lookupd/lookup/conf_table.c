#include "lookup/conf_table.h"

const char *const conf_protocols[] = {"socketmap", "tcp_table", NULL};

static const char *const keys_words[] = {
    [KEYS_DOMAIN] = "domain", [KEYS_ADDRESS] = "address", [KEYS_CLIENT] = "client",
    [KEYS_EXACT] = "exact",   [KEYS_EXACT + 1] = NULL,
};

static const char *const value_words[] = {
    [VALUE_TEXT] = "text",
    [VALUE_ROUTE] = "route",
    [VALUE_ADDRESSES] = "addresses",
    [VALUE_ADDRESSES + 1] = NULL,
};

static const char *const absent_words[] = {
    [ABSENT_TEMPORARY] = "temporary",
    [ABSENT_NOT_FOUND] = "notfound",
    [ABSENT_NOT_FOUND + 1] = NULL,
};

const char *const conf_groups[] = {"database", "listeners", "maps", "limits",
                                   "snapshot", "status",    NULL};

const char conf_defaults[] =
    "workers = 0; user = \"lookupd\"; group = \"lookupd\"; deadline = 2.0;\n"
    "recipient_delimiter = \"+\"; default_maps = true;\n"
    "transports = ( \"relay\", \"smtp\", \"smtps\", \"lmtp\", \"hold\", \"retry\", \"error\",\n"
    "               \"discard\" );\n"
    "database = { hosts = ( \"unix:/run/mysqld/mysqld.sock\" ); name = \"lookupd\";\n"
    "             user = \"lookupd\"; connections = 2; timeout = 2.0;\n"
    "             max_lag = 0; wsrep_sync_wait = 0; };\n"
    "limits = { clients = 10000; waiting = 10000; outstanding = 262144; buffers = 67108864;\n"
    "           request_timeout = 10.0; stall = 5.0; };\n";

const char conf_snapshot_defaults[] =
    "snapshot = { directory = \"/var/lib/lookupd\"; interval = 60; max_age = 86400;\n"
    "             guard_percent = 50; };\n";

const char conf_status_defaults[] = "status = { address = \"inet:127.0.0.1:9275\"; };\n";

#define AT(type, member) .offset = offsetof(struct type, member)

const struct setting conf_top_settings[] = {
    {"workers", SETTING_INT, AT(conf, workers), .min = 0, .max = CONF_WORKERS_MAX,
     .help = "processes that answer; 0: one per CPU, at most 4"},
    {"user", SETTING_STRING, AT(conf, user), .min = 1,
     .help = "the account that the server runs as when root starts it"},
    {"group", SETTING_STRING, AT(conf, group), .min = 1, .help = "and its group"},
    {"deadline", SETTING_NUMBER, AT(conf, deadline), .min = 0.1, .max = 30,
     .help = "seconds for one lookup; then the answer is temporary"},
    {"recipient_delimiter", SETTING_STRING, AT(conf, recipient_delimiter), .min = 0,
     .help = "as in main.cf; \"\": addresses have no extensions"},
    {"transports", SETTING_LIST, AT(conf, transports), .min = 1, .max = 256,
     .help = "services of master.cf that a route may name"},
    {"default_maps", SETTING_BOOL, AT(conf, default_maps),
     .help = "serve the built-in maps, not only those in maps"},
    {.name = NULL},
};

const struct setting conf_database_settings[] = {
    {"hosts", SETTING_LIST, AT(conf_database, hosts), .min = 1, .max = 16,
     .help = "servers, in the order in which they are tried"},
    {"name", SETTING_STRING, AT(conf_database, name), .min = 1, .help = "the database"},
    {"user", SETTING_STRING, AT(conf_database, user), .min = 1,
     .help = "the account, unless the option file names one"},
    {"option_file", SETTING_STRING, AT(conf_database, option_file), .min = 1,
     .help = "with password and TLS; not set: no password"},
    {"connections", SETTING_INT, AT(conf_database, connections), .min = 1,
     .max = CONF_CONNECTIONS_MAX, .help = "of each worker"},
    {"timeout", SETTING_NUMBER, AT(conf_database, timeout), .min = 0.1, .max = 30,
     .help = "seconds for connecting, and for each read and write"},
    {"max_lag", SETTING_INT, AT(conf_database, max_lag), .min = 0, .max = 31536000,
     .help = "seconds that a replica may be behind its primary; 0: not asked"},
    {"wsrep_sync_wait", SETTING_INT, AT(conf_database, wsrep_sync_wait), .min = 0, .max = 15,
     .help = "for Galera: 1: a node first waits for what its cluster has"},
    {.name = NULL},
};

const struct setting conf_limits_settings[] = {
    {"clients", SETTING_INT, AT(conf_limits, clients), .min = 1, .max = 1000000,
     .help = "connections that a worker serves"},
    {"waiting", SETTING_INT, AT(conf_limits, waiting), .min = 1, .max = 1000000,
     .help = "lookups of a worker that wait for the database"},
    /* At least one answer of any size (ANSWER_VALUE_MAX) beside a request of any size. */
    {"outstanding", SETTING_INT, AT(conf_limits, outstanding), .min = 200000, .max = 1073741824,
     .help = "octets of a client: requests under way and answers not taken"},
    {"buffers", SETTING_INT, AT(conf_limits, buffers), .min = 1048576, .max = 2147483647,
     .help = "the same of all clients of a worker"},
    {"request_timeout", SETTING_NUMBER, AT(conf_limits, request_timeout), .min = 0.1, .max = 3600,
     .help = "seconds that a request may take to arrive once begun, and an answer to be taken"},
    {"stall", SETTING_NUMBER, AT(conf_limits, stall), .min = 1, .max = 300,
     .help = "seconds after which a worker that does nothing more is killed"},
    {.name = NULL},
};

const struct setting conf_snapshot_settings[] = {
    {"directory", SETTING_STRING, AT(conf_snapshot, directory), .min = 1,
     .help = "where the last complete copy of the maps is kept"},
    {"interval", SETTING_INT, AT(conf_snapshot, interval), .min = 0, .max = 86400,
     .help = "seconds between two copies; 0: none"},
    {"max_age", SETTING_INT, AT(conf_snapshot, max_age), .min = 1, .max = 31536000,
     .help = "seconds after which a copy is no longer answered from"},
    {"guard_percent", SETTING_INT, AT(conf_snapshot, guard_percent), .min = 0, .max = 100,
     .help = "rows that a map may lose from one copy to the next; 100: all"},
    {.name = NULL},
};

const struct setting conf_status_settings[] = {
    {"address", SETTING_STRING, AT(conf, status_address), .min = 1,
     .help = "where the status server listens"},
    {.name = NULL},
};

const struct setting conf_listener_settings[] = {
    {"protocol", SETTING_CHOICE, AT(conf_listener, protocol), .choices = conf_protocols,
     .required = true, .help = "\"socketmap\" (many maps) or \"tcp_table\" (one)"},
    {"address", SETTING_STRING, AT(conf_listener, address), .min = 1, .required = true,
     .help = "unix:/path, inet:ADDRESS:PORT, inet:[IPV6]:PORT or systemd:NAME"},
    {"map", SETTING_STRING, AT(conf_listener, map), .min = 1,
     .help = "tcp_table only: the map, since its requests do not name one"},
    {"owner", SETTING_STRING, AT(conf_listener, owner), .min = 1,
     .help = "of a unix socket; not set: user"},
    {"group", SETTING_STRING, AT(conf_listener, group), .min = 1,
     .help = "of a unix socket; not set: group"},
    {"mode", SETTING_MODE, AT(conf_listener, mode), .help = "of a unix socket"},
    {"allow", SETTING_LIST, AT(conf_listener, allow), .min = 1, .max = 1000,
     .help = "networks that may connect over TCP; not set: this machine only"},
    {.name = NULL},
};

const struct setting conf_map_settings[] = {
    {"keys", SETTING_CHOICE, AT(conf_map, keys), .choices = keys_words,
     .help = "what the keys are, and so which rows stand for one"},
    {"value", SETTING_CHOICE, AT(conf_map, value), .choices = value_words,
     .help = "what the values are"},
    {"join", SETTING_BOOL, AT(conf_map, join),
     .help = "several values for one key are joined; else they are an error"},
    {"query", SETTING_STRING, AT(conf_map, query), .min = 1,
     .help = "two columns, key and value, of the rows in the lists"},
    {"all", SETTING_STRING, AT(conf_map, all), .min = 1, .help = "the same for every row"},
    {"absent", SETTING_CHOICE, AT(conf_map, absent), .choices = absent_words,
     .help = "the answer for a key that the snapshot lacks"},
    {.name = NULL},
};

const struct conf_table conf_tables[] = {
    {"", conf_top_settings},
    {"database", conf_database_settings},
    {"listeners[]", conf_listener_settings},
    {"maps.NAME", conf_map_settings},
    {"limits", conf_limits_settings},
    {"snapshot", conf_snapshot_settings},
    {"status", conf_status_settings},
    {.path = NULL},
};
