#include "lookup/connector.h"

#include "common/clock.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
    const struct conf *conf; /* not NULL: a question */
    const struct credentials *credentials;
    bool answered;
    MYSQL *mysql;
    struct connect_error error;
    bool stop;
};

static void *run(void *context)
{
    struct connector *connector = context;
    mysql_thread_init();
    pthread_mutex_lock(&connector->lock);
    while (!connector->stop) {
        if (connector->conf == NULL) {
            pthread_cond_wait(&connector->changed, &connector->lock);
            continue;
        }
        const struct conf *conf = connector->conf;
        const struct credentials *credentials = connector->credentials;
        pthread_mutex_unlock(&connector->lock);

        struct connect_error error;
        MYSQL *mysql = connect_open(conf, credentials, &error);

        pthread_mutex_lock(&connector->lock);
        connector->conf = NULL;
        connector->mysql = mysql;
        connector->error = error;
        connector->answered = true;
        (void)eventfd_write(connector->wake, 1);
    }
    pthread_mutex_unlock(&connector->lock);
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
    MYSQL *mysql = connector->mysql;
    struct connect_error error = connector->error;
    connector->answered = false;
    connector->mysql = NULL;
    pthread_mutex_unlock(&connector->lock);
    if (!answered)
        return;
    connector->busy = false;
    connector->done(mysql, &error, connector->context);
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

bool connector_ask(struct connector *connector, const struct conf *conf,
                   const struct credentials *credentials)
{
    if (connector->busy)
        return false;
    connector->busy = true;
    pthread_mutex_lock(&connector->lock);
    connector->conf = conf;
    connector->credentials = credentials;
    pthread_cond_signal(&connector->changed);
    pthread_mutex_unlock(&connector->lock);
    return true;
}

bool connector_is_busy(const struct connector *connector)
{
    return connector->busy;
}

bool connector_free(struct connector *connector, uint64_t deadline)
{
    pthread_mutex_lock(&connector->lock);
    connector->stop = true;
    pthread_cond_signal(&connector->changed);
    pthread_mutex_unlock(&connector->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t now = clock_now();
    uint64_t rest = deadline > now ? deadline - now : 0;
    until.tv_sec += (time_t)(rest / CLOCK_SECOND);
    until.tv_nsec += (long)(rest % CLOCK_SECOND);
    if (until.tv_nsec >= (long)CLOCK_SECOND) {
        until.tv_sec++;
        until.tv_nsec -= (long)CLOCK_SECOND;
    }
    if (pthread_timedjoin_np(connector->thread, NULL, &until) != 0)
        return false;
    event_free(connector->event);
    close(connector->wake);
    if (connector->mysql)
        mysql_close(connector->mysql);
    pthread_mutex_destroy(&connector->lock);
    pthread_cond_destroy(&connector->changed);
    free(connector);
    return true;
}
