#include "lookup/connect.h"

#include "lookup/answer.h"
#include "lookup/dberror.h"
#include "lookup/map.h"
#include "lookup/statement.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A statement ends a little before its lookups do: giving up a connection is then rare. */
#define STATEMENT_TIME_SHARE 0.9
/* The server cuts a longer GROUP_CONCAT() without an error; what is over our own limit is refused.
 */
#define GROUP_CONCAT_MAX (2 * ANSWER_VALUE_MAX)

static void set_error(struct connect_error *error, MYSQL *mysql, const char *host)
{
    error->number = mysql_errno(mysql);
    snprintf(error->text, sizeof error->text, "%s: %s (%u)", host, mysql_error(mysql),
             error->number);
}

static void set_options(MYSQL *mysql, const struct conf *conf)
{
    unsigned timeout = (unsigned)ceil(conf->database.timeout); /* Connector/C counts seconds */
    unsigned no_infile = 0;
    my_bool off = 0;
    my_bool on = 1;

    mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &off); /* it would lose prepared statements */
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_infile); /* no server reads our files */
    mysql_options(mysql, MYSQL_REPORT_DATA_TRUNCATION, &on);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "lookupd");
}

static void set_tls(MYSQL *mysql, const struct credentials *cred)
{
    my_bool on = 1;

    if (cred->ssl_ca || cred->ssl_capath || cred->ssl_cert || cred->ssl_key || cred->ssl_cipher)
        mysql_ssl_set(mysql, cred->ssl_key, cred->ssl_cert, cred->ssl_ca, cred->ssl_capath,
                      cred->ssl_cipher);
    if (cred->ssl_crl)
        mysql_options(mysql, MYSQL_OPT_SSL_CRL, cred->ssl_crl);
    if (cred->tls_version)
        mysql_options(mysql, MARIADB_OPT_TLS_VERSION, cred->tls_version);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    if (cred->ssl_verify_server_cert)
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
}

/* A node waits until it has what its cluster had when the query came; a check must not wait. */
static bool set_sync_wait(MYSQL *mysql, int what)
{
    char statement[80];
    snprintf(statement, sizeof statement, "SET SESSION wsrep_sync_wait = %d", what);
    return mysql_query(mysql, statement) == 0 || mysql_errno(mysql) == ER_UNKNOWN_SYSTEM_VARIABLE;
}

/* Nothing of a session of ours depends on what the server has as its global settings. */
static bool set_session(MYSQL *mysql, const struct conf *conf)
{
    char variables[500];
    snprintf(variables, sizeof variables,
             "SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', sql_auto_is_null = 0, "
             "sql_big_selects = 1, sql_select_limit = 18446744073709551615, "
             "in_predicate_conversion_threshold = 0, max_statement_time = %.3f, "
             "wait_timeout = 28800, group_concat_max_len = %d, system_versioning_asof = DEFAULT",
             conf->deadline * STATEMENT_TIME_SHARE, GROUP_CONCAT_MAX);
    const char *const statements[] = {
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        variables,
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        if (mysql_query(mysql, statements[i]) != 0)
            return false;
    /* Not every server knows these. The first only saves a lock; with the second a Galera node that
     * has lost its cluster would answer from old rows. */
    (void)mysql_query(mysql, "SET SESSION query_cache_type = OFF");
    (void)mysql_query(mysql, "SET SESSION wsrep_dirty_reads = OFF");
    return true;
}

static bool needs_schema(const struct conf *conf)
{
    for (size_t i = 0; i < conf->map_count; i++)
        if (conf->maps[i].uses_schema)
            return true;
    return false;
}

/* False with a text when the tables are not those that the built-in maps were written for. */
static bool check_schema(MYSQL *mysql, const char *host, struct connect_error *error)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(mysql, "SELECT MAX(version) FROM schema_version") != 0 ||
        (result = mysql_store_result(mysql)) == NULL) {
        set_error(error, mysql, host);
        return false;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    char version[24] = "none";
    if (row && row[0])
        snprintf(version, sizeof version, "%s", row[0]);
    mysql_free_result(result);
    if (strtol(version, NULL, 10) == CONNECT_SCHEMA_VERSION)
        return true;
    error->number = 0;
    snprintf(error->text, sizeof error->text,
             "%s: the tables have schema version %s, this lookupd knows version %d: see "
             "sql/upgrade",
             host, version, CONNECT_SCHEMA_VERSION);
    return false;
}

/* Connector/C says why a file could not be read, but not which: we do, when it is one of these. */
static void name_tls_file(struct connect_error *error, const struct credentials *cred,
                          const char *host)
{
    const struct {
        const char *option, *path;
    } files[] = {{"ssl-ca", cred->ssl_ca},
                 {"ssl-capath", cred->ssl_capath},
                 {"ssl-cert", cred->ssl_cert},
                 {"ssl-key", cred->ssl_key},
                 {"ssl-crl", cred->ssl_crl}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].path == NULL || access(files[i].path, R_OK) == 0)
            continue;
        error->number = 0;
        snprintf(error->text, sizeof error->text, "%s: %s: %.300s: %s", host, files[i].option,
                 files[i].path, strerror(errno));
        return;
    }
}

static MYSQL *log_in(const char *host, const struct conf *conf, const struct credentials *cred,
                     struct connect_error *error)
{
    struct address address;
    const char *fault;
    if (!address_parse_database(host, &address, &fault)) {
        error->number = 0;
        snprintf(error->text, sizeof error->text, "%s: %s", host, fault);
        return NULL;
    }
    MYSQL *mysql = mysql_init(NULL);
    if (mysql == NULL) {
        address_clear(&address);
        error->number = CR_OUT_OF_MEMORY;
        snprintf(error->text, sizeof error->text, "%s: no memory", host);
        return NULL;
    }
    set_options(mysql, conf);
    /* Nobody stands between us and a unix socket, and no certificate has a path as its name. */
    bool local = address.kind == ADDRESS_UNIX;
    bool tls = cred->ssl && !local;
    if (tls)
        set_tls(mysql, cred);
    enum mysql_protocol_type protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    const char *user = cred->user ? cred->user : conf->database.user;
    bool connected = mysql_real_connect(mysql, local ? NULL : address.host, user, cred->password,
                                        conf->database.name, local ? 0 : address.port,
                                        local ? address.host : NULL, 0) != NULL;
    address_clear(&address);
    if (connected && (!tls || mysql_get_ssl_cipher(mysql) != NULL))
        return mysql;
    if (!connected) {
        set_error(error, mysql, host);
        if (error->number == CR_SSL_CONNECTION_ERROR)
            name_tls_file(error, cred, host);
    } else {
        /* Connector/C goes on in clear text when the server has no TLS, whatever is asked of it. */
        error->number = CR_SSL_CONNECTION_ERROR;
        snprintf(error->text, sizeof error->text, "%s: the server does not offer TLS", host);
    }
    mysql_close(mysql);
    return NULL;
}

/*
 * On a quiet day one connection serves all lookups, and the others are idle for hours. A firewall
 * or NAT on the way forgets those, some after less than six minutes, without telling anybody: the
 * next lookups there would wait for their deadline. Connector/C has switched probes on, but the
 * kernel's first one comes after two hours. On a unix socket nothing happens.
 */
static void keep_alive(int fd)
{
    const int idle = 60; /* seconds, as the next */
    const int interval = 10;
    const int count = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

MYSQL *connect_open_host(const char *host, const struct conf *conf, const struct credentials *cred,
                         enum connect_purpose purpose, struct health *health,
                         struct connect_error *error)
{
    *health = (struct health){.state = HOST_DOWN};
    MYSQL *mysql = log_in(host, conf, cred, error);
    if (mysql == NULL)
        return NULL;
    bool good = false;
    if (!set_session(mysql, conf) || !set_sync_wait(mysql, 0)) {
        set_error(error, mysql, host);
    } else {
        health_check(mysql, conf->database.max_lag, health);
        /* That a host is not fit passes by itself: no fault of the settings, as those with 0. */
        error->number = health->number ? health->number : CR_UNKNOWN_ERROR;
        snprintf(error->text, sizeof error->text, "%s: %s", host, health->text);
        good =
            health->state != HOST_DOWN && (!needs_schema(conf) || check_schema(mysql, host, error));
    }
    int sync_wait = conf->database.wsrep_sync_wait;
    if (good && purpose != CONNECT_TO_CHECK && sync_wait != 0 && !set_sync_wait(mysql, sync_wait)) {
        set_error(error, mysql, host);
        good = false;
    }
    if (!good) {
        health->state = HOST_DOWN;
        mysql_close(mysql);
        return NULL;
    }
    int fd = (int)mysql_get_socket(mysql);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    keep_alive(fd);
    /* Over TLS the socket would stay blocking, and so would every "non-blocking" call. But where it
     * does not block, the other calls wait for an answer over TLS as many milliseconds as seconds
     * were asked for. */
    if (purpose == CONNECT_TO_ASK)
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return mysql;
}

bool connect_is_refusal(const struct connect_error *error)
{
    switch (error->number) {
    case 0: /* our own word: tables of another version */
    case ER_DBACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_ERROR:
    case ER_BAD_DB_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        return true;
    default:
        return false;
    }
}

MYSQL *connect_open(const struct conf *conf, const struct credentials *credentials,
                    struct connect_error *error)
{
    MYSQL *lesser = NULL;
    *error = (struct connect_error){.text = "no database host"};
    for (size_t i = 0; conf->database.hosts[i]; i++) {
        struct health health;
        struct connect_error fault;
        MYSQL *mysql = connect_open_host(conf->database.hosts[i], conf, credentials,
                                         CONNECT_TO_WAIT, &health, &fault);
        if (mysql && (health.state == HOST_GOOD || lesser == NULL)) {
            if (lesser)
                mysql_close(lesser);
            lesser = mysql;
        } else if (mysql) {
            mysql_close(mysql);
        } else if (i == 0 || !connect_is_refusal(error)) {
            *error = fault;
        }
        if (mysql && health.state == HOST_GOOD)
            break;
    }
    return lesser;
}

enum connect_switch connect_read_switch(MYSQL *mysql)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(mysql, "SELECT answering FROM service") != 0 ||
        (result = mysql_store_result(mysql)) == NULL)
        return SWITCH_UNREADABLE;
    MYSQL_ROW row = mysql_fetch_row(result);
    enum connect_switch says = row ? SWITCH_NO : SWITCH_NO_ROW;
    if (row && row[0] && strcmp(row[0], "yes") == 0)
        says = SWITCH_YES;
    mysql_free_result(result);
    return says;
}

/* What lookup/service.h makes of it, for a person: NULL when lookups are answered from here. */
static const char *service_fault(MYSQL *mysql, char *buffer, size_t size)
{
    switch (connect_read_switch(mysql)) {
    case SWITCH_YES:
        return NULL;
    case SWITCH_UNREADABLE:
        snprintf(buffer, size, "%s (%u): see sql/rights.sql", mysql_error(mysql),
                 mysql_errno(mysql));
        return buffer;
    case SWITCH_NO:
    case SWITCH_NO_ROW:
        break;
    }
    return "the table service does not say that lookups are answered from there";
}

void connect_check_hosts(const struct conf *conf, const struct credentials *credentials,
                         void (*report)(const char *line, void *context))
{
    for (size_t i = 0; conf->database.hosts[i]; i++) {
        struct health health;
        struct connect_error error;
        const char *host = conf->database.hosts[i];
        char buffer[512];
        MYSQL *mysql =
            connect_open_host(host, conf, credentials, CONNECT_TO_CHECK, &health, &error);
        const char *fault =
            mysql && needs_schema(conf) ? service_fault(mysql, buffer, sizeof buffer) : NULL;
        if (mysql)
            mysql_close(mysql);
        if (health.state == HOST_GOOD && fault == NULL)
            continue;
        if (health.state == HOST_GOOD)
            snprintf(error.text, sizeof error.text, "%s: %s", host, fault);
        char line[sizeof error.text + 32];
        snprintf(line, sizeof line, "warning: database %s", error.text);
        report(line, NULL);
    }
}

const char *connect_host(MYSQL *mysql, char *buffer, size_t size)
{
    const char *path = NULL;
    unsigned port = 0;
    const char *host = NULL;
    mariadb_get_infov(mysql, MARIADB_CONNECTION_UNIX_SOCKET, &path);
    mariadb_get_infov(mysql, MARIADB_CONNECTION_HOST, &host);
    mariadb_get_infov(mysql, MARIADB_CONNECTION_PORT, &port);
    if (path && *path)
        snprintf(buffer, size, "unix:%s", path);
    else
        snprintf(buffer, size, "%s:%u", host ? host : "?", port);
    return buffer;
}

static void report(struct settings_errors *errors, const struct map *map, const char *text)
{
    char line[700];
    snprintf(line, sizeof line, "%s: maps.%s.query: %s", map->where, map->name, text);
    errors->count++;
    errors->report(line, errors->context);
}

bool connect_check_maps(struct maps *maps, const struct credentials *credentials,
                        struct settings_errors *errors, struct connect_error *error)
{
    MYSQL *mysql = connect_open(maps->conf, credentials, error);
    if (mysql == NULL)
        return false;
    bool reached = true;
    for (size_t i = 0; i < maps->count && reached; i++) {
        char text[512];
        unsigned number = 0;
        struct statement *statement = statement_new(mysql, &maps->list[i], 0);
        if (statement == NULL)
            break;
        if (!statement_check(statement, &number, text, sizeof text)) {
            report(errors, &maps->list[i], text);
            if (number != 0 && dberror_is_passing(number)) {
                reached = false;
                char host[200];
                error->number = number;
                snprintf(error->text, sizeof error->text, "%s: %s",
                         connect_host(mysql, host, sizeof host), text);
            }
        }
        statement_free(statement);
    }
    mysql_close(mysql);
    return reached;
}
