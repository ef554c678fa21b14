#include "lookup/session.h"

#include "common/clock.h"
#include "lookup/connect.h"

#include <errmsg.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <mysqld_error.h>
#include <openssl/err.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long session_linger() stays: a lookup by primary key over a unix socket, and some more. */
#define LINGER (CLOCK_SECOND / 20000)

enum state { IDLE, PREPARING, EXECUTING, STORING };

struct session {
    struct session_owner owner;
    MYSQL *mysql;
    struct event reading; /* always there: an idle server must not say anything */
    struct event writing; /* only while Connector/C waits to write */
    enum state state;
    bool proven;
    bool local; /* the database is on this machine */
    uint64_t started, connected;
    struct batch batch;
    struct row_reader reader;
    struct statement *statement; /* that runs */
    struct statement **statements;
    size_t statement_count;
    const struct maps *set; /* whose statements are kept; NULL: all */
    bool swept;             /* there are no others */
    char host[160];
};

static void go_on(struct session *session, int ready);

static void on_read(evutil_socket_t fd, short what, void *context)
{
    struct session *session = context;
    if (session->state == IDLE)
        session->owner.lost(session, session->owner.context);
    else
        go_on(session, MYSQL_WAIT_READ);
}

static void on_write(evutil_socket_t fd, short what, void *context)
{
    go_on(context, MYSQL_WAIT_WRITE);
}

struct session *session_new(struct event_base *base, MYSQL *mysql,
                            const struct session_owner *owner)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        mysql_close(mysql);
        return NULL;
    }
    session->owner = *owner;
    session->mysql = mysql;
    session->connected = clock_now();
    connect_host(mysql, session->host, sizeof session->host);
    session->local = strncmp(session->host, "unix:", 5) == 0;
    evutil_socket_t fd = (evutil_socket_t)mysql_get_socket(mysql);
    event_assign(&session->reading, base, fd, EV_READ | EV_PERSIST, on_read, session);
    event_assign(&session->writing, base, fd, EV_WRITE, on_write, session);
    if (event_add(&session->reading, NULL) != 0) {
        session_close(session);
        return NULL;
    }
    return session;
}

void session_close(struct session *session)
{
    event_del(&session->reading);
    event_del(&session->writing);
    /* mysql_close() says goodbye: to a server that no longer reads it would wait. */
    if (session->state != IDLE)
        shutdown((int)mysql_get_socket(session->mysql), SHUT_RDWR);
    /* This order gives up a call that is under way. */
    mysql_close(session->mysql);
    for (size_t i = 0; i < session->statement_count; i++)
        statement_free(session->statements[i]);
    free(session->statements);
    row_reader_clear(&session->reader);
    free(session);
}

bool session_is_idle(const struct session *session)
{
    return session->state == IDLE;
}

struct batch *session_batch(struct session *session)
{
    return &session->batch;
}

uint64_t session_started(const struct session *session)
{
    return session->started;
}

uint64_t session_connected(const struct session *session)
{
    return session->connected;
}

bool session_is_proven(const struct session *session)
{
    return session->proven;
}

const char *session_host(const struct session *session)
{
    return session->host;
}

static void drop_statement(struct session *session, const struct statement *statement)
{
    for (size_t i = 0; i < session->statement_count; i++) {
        if (session->statements[i] != statement)
            continue;
        statement_free(session->statements[i]);
        session->statements[i] = session->statements[--session->statement_count];
        return;
    }
}

/* Only between two statements: in the midst of one, the server understands nothing else. */
static void sweep_statements(struct session *session)
{
    for (size_t i = session->statement_count; session->set && i-- > 0;)
        if (session->statements[i]->map->set != session->set)
            drop_statement(session, session->statements[i]);
    session->swept = true;
}

void session_keep_only(struct session *session, const struct maps *set)
{
    session->set = set;
    session->swept = false;
    if (session->state == IDLE)
        sweep_statements(session);
}

/* The query was ended from outside; its statement is as good as before. */
static bool is_interruption(unsigned number)
{
    return number == ER_LOCK_WAIT_TIMEOUT || number == ER_LOCK_DEADLOCK ||
           number == ER_QUERY_INTERRUPTED || number == ER_STATEMENT_TIMEOUT;
}

/* The statement for a map and step, new when there is none; NULL without memory. */
static struct statement *find_statement(struct session *session, struct map *map, int step)
{
    for (size_t i = 0; i < session->statement_count; i++)
        if (session->statements[i]->map->id == map->id && session->statements[i]->step == step)
            return session->statements[i];
    struct statement **room =
        realloc(session->statements, (session->statement_count + 1) * sizeof(struct statement *));
    if (room == NULL)
        return NULL;
    session->statements = room;
    struct statement *statement = statement_new(session->mysql, map, step);
    if (statement)
        session->statements[session->statement_count++] = statement;
    return statement;
}

/* A statement of the same map that is prepared and larger than needed, or NULL. */
static struct statement *find_larger(const struct session *session, const struct statement *than)
{
    struct statement *found = NULL;
    for (size_t i = 0; i < session->statement_count; i++) {
        struct statement *statement = session->statements[i];
        if (statement->prepared && statement->map->id == than->map->id &&
            statement->step > than->step && (found == NULL || statement->step < found->step))
            found = statement;
    }
    return found;
}

static void end(struct session *session, const struct session_end *how)
{
    struct maps *set = session->batch.map->set;
    maps_hold(set); /* the statement may be the last to hold it, and the owner looks at the batch */
    session->state = IDLE;
    event_del(&session->writing);
    if (how->good) {
        session->proven = true;
    } else if (how->kind != DBERROR_CONNECTION && !is_interruption(how->number)) {
        /* Whatever it was, the next one begins with a statement that is surely whole. */
        drop_statement(session, session->statement);
    }
    session->statement = NULL;
    bool connected = how->good || how->kind != DBERROR_CONNECTION;
    if (connected && (!session->swept || set != session->set))
        sweep_statements(session);
    session->owner.ended(session, how, session->owner.context);
    maps_release(set);
}

static void end_with_error(struct session *session, unsigned number, const char *error)
{
    char text[400]; /* the error belongs to a statement that end() drops */
    strncpy(text, error, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    end(session, &(struct session_end){
                     .good = false, .kind = dberror_kind(number), .number = number, .text = text});
}

static void fail(struct session *session)
{
    MYSQL_STMT *stmt = session->statement->stmt;
    end_with_error(session, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

static int start_execute(struct session *session, int *result)
{
    struct statement *statement = session->statement;
    session->state = EXECUTING;
    struct statement_keys keys;
    batch_collect(&session->batch, &keys);
    if (!statement_bind(statement, &keys)) {
        *result = 1;
        return 0;
    }
    return mysql_stmt_execute_start(result, statement->stmt);
}

static void read_rows(struct session *session)
{
    struct statement *statement = session->statement;
    if (!batch_read(&session->batch, statement, &session->reader)) {
        /* What a fetch that failed has left behind is not known: nothing of it is used. */
        end_with_error(session, CR_SERVER_LOST, "the result could not be read to its end");
        return;
    }
    mysql_stmt_free_result(statement->stmt);
    end(session, &(struct session_end){.good = true});
}

/*
 * Goes from step to step for as long as Connector/C need not wait. waiting is what it waits for; 0
 * when the step is complete, with its result.
 */
static void advance(struct session *session, int waiting, int result)
{
    for (;;) {
        if (waiting) {
            if (waiting & MYSQL_WAIT_WRITE)
                event_add(&session->writing, NULL);
            return;
        }
        if (result != 0) {
            struct statement *larger = find_larger(session, session->statement);
            if (session->state != PREPARING || larger == NULL ||
                mysql_stmt_errno(session->statement->stmt) != ER_MAX_PREPARED_STMT_COUNT_REACHED) {
                fail(session);
                return;
            }
            /* No room for another: one that is there serves as well, with more padding. */
            drop_statement(session, session->statement);
            session->statement = larger;
            waiting = start_execute(session, &result);
            continue;
        }
        switch (session->state) {
        case PREPARING: {
            const char *fault = statement_fault(session->statement);
            if (fault) {
                end(session,
                    &(struct session_end){.good = false, .kind = DBERROR_QUERY, .text = fault});
                return;
            }
            session->statement->prepared = true;
            waiting = start_execute(session, &result);
            break;
        }
        case EXECUTING:
            session->state = STORING;
            waiting = mysql_stmt_store_result_start(&result, session->statement->stmt);
            break;
        case STORING:
            read_rows(session);
            return;
        case IDLE:
            return;
        }
    }
}

/*
 * OpenSSL keeps errors in a queue of the thread, and Connector/C (3.3, secure/openssl.c) takes what
 * stands there for the error of its next call: one connection that breaks would break all others.
 */
static void forget_tls_errors(void)
{
    ERR_clear_error();
}

static void go_on(struct session *session, int ready)
{
    if (session->state == IDLE)
        return;
    MYSQL_STMT *stmt = session->statement->stmt;
    int result = 0;
    forget_tls_errors();
    int waiting = 0;
    switch (session->state) {
    case PREPARING:
        waiting = mysql_stmt_prepare_cont(&result, stmt, ready);
        break;
    case EXECUTING:
        waiting = mysql_stmt_execute_cont(&result, stmt, ready);
        break;
    case STORING:
        waiting = mysql_stmt_store_result_cont(&result, stmt, ready);
        break;
    case IDLE:
        return;
    }
    advance(session, waiting, result);
}

void session_run(struct session *session, int step)
{
    forget_tls_errors();
    session->started = clock_now();
    session->statement = find_statement(session, session->batch.map, step);
    if (session->statement == NULL) {
        end(session,
            &(struct session_end){.good = false, .kind = DBERROR_QUERY, .text = "no memory"});
        return;
    }
    struct statement *statement = session->statement;
    int result = 0;
    int waiting;
    if (statement->prepared) {
        waiting = start_execute(session, &result);
    } else {
        session->state = PREPARING;
        waiting = mysql_stmt_prepare_start(&result, statement->stmt, statement->sql,
                                           strlen(statement->sql));
    }
    advance(session, waiting, result);
}

void session_linger(struct session *session)
{
    if (!session->local || session->state != EXECUTING)
        return;
    int fd = (int)mysql_get_socket(session->mysql);
    uint64_t end = clock_now() + LINGER;
    do {
        char octet;
        if (recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) != -1) {
            go_on(session, MYSQL_WAIT_READ);
            return;
        }
        sched_yield(); /* whoever has work for this processor goes first: the database, perhaps */
    } while (clock_now() < end);
}
