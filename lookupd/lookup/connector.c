#include "lookup/connector.h"

#include "common/clock.h"
#include "lookup/dberror.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct question {
    enum connect_purpose purpose;
    const char *host;
    const struct conf *conf;
    const struct credentials *credentials;
};

struct result {
    MYSQL *mysql;
    struct health health;
    struct connect_error error;
};

struct connector {
    connector_done *done;
    void *context;
    struct event *event;
    int wake; /* eventfd: the thread has an answer */
    pthread_t thread;
    bool busy; /* the loop's view */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    struct question question;
    bool asked;
    bool answered;
    struct result result;
    bool forget;
    bool stop;
};

/* Checks the host, on the connection of the last check if that still lives. */
static void check(MYSQL **kept, const struct question *question, struct result *result)
{
    const struct conf *conf = question->conf;
    if (*kept) {
        health_check(*kept, conf->database.max_lag, &result->health);
        unsigned number = result->health.number;
        if (number == 0 || dberror_kind(number) != DBERROR_CONNECTION) {
            result->error.number = number;
            snprintf(result->error.text, sizeof result->error.text, "%s: %s", question->host,
                     result->health.text);
            return;
        }
        mysql_close(*kept);
    }
    *kept = connect_open_host(question->host, conf, question->credentials, CONNECT_TO_CHECK,
                              &result->health, &result->error);
}

static void answer(MYSQL **kept, const struct question *question, struct result *result)
{
    *result = (struct result){.mysql = NULL};
    if (question->purpose == CONNECT_TO_CHECK)
        check(kept, question, result);
    else
        result->mysql = connect_open_host(question->host, question->conf, question->credentials,
                                          CONNECT_TO_ASK, &result->health, &result->error);
}

static void *run(void *context)
{
    struct connector *connector = context;
    MYSQL *kept = NULL;
    mysql_thread_init();
    pthread_mutex_lock(&connector->lock);
    while (!connector->stop) {
        bool forget = connector->forget;
        connector->forget = false;
        if (!connector->asked && !forget) {
            pthread_cond_wait(&connector->changed, &connector->lock);
            continue;
        }
        bool asked = connector->asked;
        struct question question = connector->question;
        pthread_mutex_unlock(&connector->lock);

        if (forget && kept) {
            mysql_close(kept); /* may wait for the server: not under the lock */
            kept = NULL;
        }
        struct result result;
        if (asked)
            answer(&kept, &question, &result);

        pthread_mutex_lock(&connector->lock);
        if (!asked)
            continue;
        connector->asked = false;
        connector->result = result;
        connector->answered = true;
        (void)eventfd_write(connector->wake, 1);
    }
    pthread_mutex_unlock(&connector->lock);
    if (kept)
        mysql_close(kept);
    mysql_thread_end();
    return NULL;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct connector *connector = context;
    eventfd_t count;
    (void)eventfd_read(connector->wake, &count);
    pthread_mutex_lock(&connector->lock);
    bool answered = connector->answered;
    struct result result = connector->result;
    connector->answered = false;
    connector->result.mysql = NULL;
    pthread_mutex_unlock(&connector->lock);
    if (!answered)
        return;
    connector->busy = false;
    connector->done(result.mysql, &result.health, &result.error, connector->context);
}

/* The thread takes no signal: they are the event loop's. */
static bool start_thread(struct connector *connector)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&connector->thread, NULL, run, connector) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

struct connector *connector_new(struct event_base *base, connector_done *done, void *context)
{
    struct connector *connector = calloc(1, sizeof *connector);
    if (connector == NULL)
        return NULL;
    connector->done = done;
    connector->context = context;
    pthread_mutex_init(&connector->lock, NULL);
    pthread_cond_init(&connector->changed, NULL);
    connector->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connector->wake >= 0)
        connector->event =
            event_new(base, connector->wake, EV_READ | EV_PERSIST, on_wake, connector);
    if (connector->event && event_add(connector->event, NULL) == 0 && start_thread(connector))
        return connector;
    if (connector->event)
        event_free(connector->event);
    if (connector->wake >= 0)
        close(connector->wake);
    free(connector);
    return NULL;
}

bool connector_ask(struct connector *connector, enum connect_purpose purpose, const char *host,
                   const struct conf *conf, const struct credentials *credentials)
{
    if (connector->busy)
        return false;
    connector->busy = true;
    pthread_mutex_lock(&connector->lock);
    connector->question = (struct question){
        .purpose = purpose, .host = host, .conf = conf, .credentials = credentials};
    connector->asked = true;
    pthread_cond_signal(&connector->changed);
    pthread_mutex_unlock(&connector->lock);
    return true;
}

bool connector_is_busy(const struct connector *connector)
{
    return connector->busy;
}

void connector_forget(struct connector *connector)
{
    pthread_mutex_lock(&connector->lock);
    connector->forget = true;
    pthread_cond_signal(&connector->changed);
    pthread_mutex_unlock(&connector->lock);
}

void connector_stop(struct connector *connector)
{
    pthread_mutex_lock(&connector->lock);
    connector->stop = true;
    pthread_cond_signal(&connector->changed);
    pthread_mutex_unlock(&connector->lock);
}

bool connector_free(struct connector *connector, uint64_t deadline)
{
    connector_stop(connector);
    struct timespec until = {.tv_sec = (time_t)(deadline / CLOCK_SECOND),
                             .tv_nsec = (long)(deadline % CLOCK_SECOND)};
    if (pthread_clockjoin_np(connector->thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        return false;
    event_free(connector->event);
    close(connector->wake);
    if (connector->result.mysql)
        mysql_close(connector->result.mysql);
    pthread_mutex_destroy(&connector->lock);
    pthread_cond_destroy(&connector->changed);
    free(connector);
    return true;
}
