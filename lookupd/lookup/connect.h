/*
 * Opens a connection to the database and brings its session to a known state. Everything here
 * blocks, for at most about the configured timeout for each host (a resolver may take longer), so
 * it is called from a thread of its own, or from a program that has nothing else to do.
 */
#ifndef LOOKUPD_CONNECT_H
#define LOOKUPD_CONNECT_H

#include "lookup/conf.h"
#include "lookup/credentials.h"
#include "lookup/health.h"

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

/* The version of sql/schema.sql that the built-in maps are written for. */
#define CONNECT_SCHEMA_VERSION 2

struct connect_error {
    unsigned number; /* of MariaDB or Connector/C; 0: our own, as an unknown schema */
    char text[700];  /* names the host; no password */
};

/* What a connection is for: lookups, by the non-blocking calls; statements that are waited for; or
 * health_check() again and again. */
enum connect_purpose { CONNECT_TO_ASK, CONNECT_TO_WAIT, CONNECT_TO_CHECK };

/*
 * Connects to one host and returns the connection, for mysql_close(): the session independent of
 * the server's global settings, the host fit to answer (health says how fit), the schema's version
 * known where a map uses the schema; to ask, and only then, its socket is non-blocking. NULL with
 * an error when the host cannot be used; health->state is DOWN then.
 */
MYSQL *connect_open_host(const char *host, const struct conf *conf, const struct credentials *cred,
                         enum connect_purpose purpose, struct health *health,
                         struct connect_error *error);

/* Whether an error means that a database answers, and says no: another time it will say so again.
 */
bool connect_is_refusal(const struct connect_error *error);

/*
 * Tries the hosts in order, one after the other, and returns a connection to wait on: to the first
 * one that is good, or else to the first one that answers at all. NULL when no host can be used;
 * then error speaks of the first one that refuses, or else of the last one tried.
 */
MYSQL *connect_open(const struct conf *conf, const struct credentials *credentials,
                    struct connect_error *error);

/* Tries each host, and reports those that cannot be used now, or are switched off by the table
 * service (where a map uses the schema): "warning: database HOST: why". For -t. */
void connect_check_hosts(const struct conf *conf, const struct credentials *credentials,
                         void (*report)(const char *line, void *context));

/* What the table service says; where it cannot be read, mysql_error() says why. For a connection to
 * wait on. */
enum connect_switch { SWITCH_YES, SWITCH_NO, SWITCH_NO_ROW, SWITCH_UNREADABLE };
enum connect_switch connect_read_switch(MYSQL *mysql);

/* "unix:/run/mysqld/mysqld.sock" or "db.example.net:3306": the host that a connection goes to. */
const char *connect_host(MYSQL *mysql, char *buffer, size_t size);

/*
 * Tries every map's statement on a fresh connection and reports what is wrong with it. Returns
 * false when the database could not be reached, or when something stood in the way of a statement,
 * as a lock does (error says what; the report of that statement was the last). Used at the start,
 * at a reload and by -t.
 */
struct maps;
bool connect_check_maps(struct maps *maps, const struct credentials *credentials,
                        struct settings_errors *errors, struct connect_error *error);

#endif
