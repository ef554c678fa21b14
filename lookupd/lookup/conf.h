/*
 * lookupd.conf as the programs use it: read, checked, with every default filled in. Read by lookupd
 * and lookupctl. Nothing here opens a socket or asks a database.
 */
#ifndef LOOKUPD_CONF_H
#define LOOKUPD_CONF_H

#include "common/settings.h"
#include "lookup/address.h"
#include "lookup/candidates.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define CONF_DEFAULT_FILE "/etc/lookupd/lookupd.conf"

/* The largest number of workers, and of listeners (each is a descriptor in a message). */
#define CONF_WORKERS_MAX   64
#define CONF_LISTENERS_MAX 64

/* The largest database.connections. */
#define CONF_CONNECTIONS_MAX 64

enum value_kind {
    VALUE_TEXT,     /* any non-empty text */
    VALUE_ROUTE,    /* a transport(5) value, checked by route_check() */
    VALUE_ADDRESSES /* addresses, which get the extension of the key */
};

enum absent_kind { ABSENT_TEMPORARY, ABSENT_NOT_FOUND };

struct conf_map {
    char *name;
    char *where; /* "lookupd.conf:12", or "built-in" */
    int keys;    /* enum keys_kind */
    int value;   /* enum value_kind */
    bool join;   /* different values for one candidate are joined; else they are an error */
    char *query;
    char *all;        /* NULL: not in the snapshot */
    int absent;       /* enum absent_kind: the answer for a key that the snapshot lacks */
    bool uses_schema; /* the query is the built-in one: the tables of sql/schema.sql are needed */
};

struct conf_listener {
    char *where;
    int protocol;  /* index in conf_protocols */
    char *address; /* "unix:/path", "inet:127.0.0.1:2501", "inet:[::1]:2501", "systemd:NAME" */
    char *map;     /* tcp_table only */
    char *owner;   /* unix sockets; NULL: the user setting */
    char *group;
    mode_t mode;
    char **allow; /* TCP: networks of peers, see network_parse(); NULL: loopback only */
};

struct conf_database {
    char **hosts; /* "unix:/path", "host:port", "[v6]:port", in the order to try */
    char *name;
    char *user;
    char *option_file;   /* NULL: no password */
    int connections;     /* of each worker */
    double timeout;      /* seconds, for connecting, and for each read and write */
    int max_lag;         /* seconds that a replica may be behind; 0: not asked */
    int wsrep_sync_wait; /* of each session, for a Galera cluster */
};

struct conf_limits {
    int clients;            /* of a worker */
    int waiting;            /* lookups of a worker that wait for the database */
    int outstanding;        /* octets of a client: requests under way and answers not taken */
    int buffers;            /* octets of all clients of a worker; see server/connection.c */
    double request_timeout; /* seconds that a request may take to arrive once begun, and an answer
                               to be taken */
    double stall;           /* seconds after which a worker whose loop stands still is killed */
};

/* Without the group "snapshot" the directory is NULL, and there is none; so with "status". */
struct conf_snapshot {
    char *directory;
    int interval; /* seconds; 0: none */
    int max_age;
    int guard_percent; /* a map that loses more of its rows with a value is not believed */
};

struct conf {
    char *file;  /* as given */
    int workers; /* 0: one per CPU, at most 4; see conf_workers() */
    char *user, *group;
    double deadline;
    char *recipient_delimiter;
    char **transports;
    bool default_maps; /* serve the built-in maps too, not only those of the file */
    struct conf_database database;
    struct conf_limits limits;
    struct conf_snapshot snapshot;
    char *status_address; /* NULL: none */
    struct conf_listener *listeners;
    size_t listener_count;
    struct conf_map *maps;
    size_t map_count;
};

extern const char *const conf_protocols[]; /* "socketmap", "tcp_table", NULL */

/*
 * Reads and checks a file. NULL when anything is wrong; then everything that is wrong was reported.
 * conf_parse() does the same for a text already in memory; file is the name for messages.
 */
struct conf *conf_read(const char *file, struct settings_errors *errors);
struct conf *conf_parse(const char *text, const char *file, struct settings_errors *errors);
/*
 * For a test of a file, which goes on when something is wrong (errors->count tells): what could be
 * read, with defaults for the rest and without maps that cannot be asked; listeners may lack an
 * address. NULL when the text has no settings to read.
 */
struct conf *conf_read_faulty(const char *file, struct settings_errors *errors);

void conf_free(struct conf *conf);

/* The number of workers that the setting means on this machine. */
int conf_workers(const struct conf *conf);

/* Prints the effective configuration: a text that conf_parse() reads back to the same. */
void conf_print(const struct conf *conf, FILE *out);

/* The parts of a configuration, in the order in which they are printed. */
enum conf_part {
    CONF_GENERAL, /* the settings outside groups */
    CONF_DATABASE,
    CONF_LISTENERS,
    CONF_MAPS,
    CONF_LIMITS,
    CONF_SNAPSHOT,
    CONF_STATUS
};
#define CONF_PARTS (CONF_STATUS + 1)

/* Whether two configurations say different things there; true without memory. */
bool conf_part_differs(enum conf_part part, const struct conf *a, const struct conf *b);

/* The map of this name (not NUL-terminated), or NULL. */
const struct conf_map *conf_find_map(const struct conf *conf, const char *name, size_t len);

#endif
