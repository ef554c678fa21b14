#include "server/connection.h"
#include "server/connection_memory.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client that has so many questions open is read no further. */
#define PIPELINE_MAX 32
/*
 * What each client has when all of them together have used up limits.buffers: enough for one
 * question and its answer, so that those who take theirs are served whatever others do. A key of
 * SMTP has less than 1100 octets, and a reply of tcp_table at most 4096.
 */
#define SHARE 4096
/* Answers as short as this pass any bound: they may be what says that it is reached. */
#define SHORT_ANSWER 256
/* What the kernel keeps for a client that does not read (it doubles this), so that the memory of
 * ten thousand of them is bounded too. */
#define SEND_BUFFER 16384

struct request {
    struct lookup lookup;
    struct connection *connection;
    bool answered; /* while an earlier one is not: the answer is kept here */
    struct answer answer;
    char *text;
    size_t size; /* octets of memory, as counted in pending */
    STAILQ_ENTRY(request) link;
};

static void mark_dirty(struct connection *connection)
{
    if (connection->dirty)
        return;
    connection->dirty = true;
    TAILQ_INSERT_TAIL(&connection->owner->dirty, connection, dirty_link);
}

/* ---- bounds ---- */

static bool is_full(const struct connections *connections)
{
    return connections->held >= (size_t)connections->maps->conf->limits.buffers;
}

/* How many octets a client may have now. */
static size_t bound(const struct connection *connection)
{
    const struct connections *owner = connection->owner;
    return is_full(owner) ? SHARE : (size_t)owner->maps->conf->limits.outstanding;
}

static size_t outstanding(const struct connection *connection)
{
    return evbuffer_get_length(connection->out) + connection->pending;
}

/* To be called when anything that the client has here may have changed. */
static void count_octets(struct connection *connection)
{
    size_t held = outstanding(connection);
    if (connection->in)
        held += evbuffer_get_length(connection->in);
    connection->owner->held += held - connection->held;
    connection->held = held;
}

static struct timeval request_timeout(const struct connection *connection)
{
    return clock_timeval(clock_seconds(connection->owner->maps->conf->limits.request_timeout));
}

static void stop_timing(struct connection *connection)
{
    event_del(&connection->slow);
    connection->timed = false;
}

static void stop_reading(struct connection *connection)
{
    connection->finished = true;
    event_del(&connection->reading);
    event_del(&connection->slow);
    mark_dirty(connection);
}

static void break_off(struct connection *connection)
{
    connection->broken = true;
    stop_reading(connection);
}

static void free_first_request(struct connection *connection)
{
    struct request *request = STAILQ_FIRST(&connection->requests);
    STAILQ_REMOVE_HEAD(&connection->requests, link);
    connection->request_count--;
    connection->pending -= request->size;
    free(request->text);
    free(request);
}

void connection_close(struct connection *connection)
{
    struct connections *owner = connection->owner;
    struct request *request;
    while ((request = STAILQ_FIRST(&connection->requests)) != NULL) {
        if (!request->answered)
            engine_cancel(owner->engine, &request->lookup);
        free_first_request(connection);
    }
    event_del(&connection->reading);
    event_del(&connection->writing);
    event_del(&connection->slow);
    event_del(&connection->untaken);
    close(connection->fd);
    owner->held -= connection->held;
    if (connection->in)
        evbuffer_free(connection->in);
    evbuffer_free(connection->out);
    if (connection->dirty)
        TAILQ_REMOVE(&owner->dirty, connection, dirty_link);
    TAILQ_REMOVE(&owner->all, connection, link);
    owner->count--;
    listeners_release(connection->listener->set);
    free(connection);
}

/* ---- answers ---- */

static const struct answer too_much = {.result = LOOKUP_TEMPORARY,
                                       .text = "too many octets wait to be read by clients",
                                       .len =
                                           sizeof "too many octets wait to be read by clients" - 1};

static void send_answer(struct connection *connection, const struct answer *answer)
{
    if (!connection->listener->codec->reply(connection->out, answer))
        break_off(connection); /* without memory: better no answer than a missing one */
    mark_dirty(connection);
}

/* Keeps an answer until those before it are there. */
static void keep_answer(struct request *request, const struct answer *answer)
{
    request->answered = true;
    request->answer = *answer;
    if (answer->len == 0)
        return;
    request->text = malloc(answer->len);
    if (request->text == NULL) {
        static const char reason[] = "no memory";
        request->answer =
            (struct answer){.result = LOOKUP_TEMPORARY, .text = reason, .len = sizeof reason - 1};
        return;
    }
    memcpy(request->text, answer->text, answer->len);
    request->size += answer->len;
    request->connection->pending += answer->len;
    request->answer.text = request->text;
}

static void give_answer(struct request *request, const struct answer *answer)
{
    struct connection *connection = request->connection;
    if (answer->len > SHORT_ANSWER && outstanding(connection) + answer->len > bound(connection))
        answer = &too_much;
    if (request != STAILQ_FIRST(&connection->requests)) {
        keep_answer(request, answer);
        count_octets(connection);
        return;
    }
    send_answer(connection, answer);
    free_first_request(connection);
    while ((request = STAILQ_FIRST(&connection->requests)) != NULL && request->answered) {
        send_answer(connection, &request->answer);
        free_first_request(connection);
    }
    count_octets(connection);
}

static void on_answer(struct lookup *lookup, const struct answer *answer)
{
    give_answer((struct request *)((char *)lookup - offsetof(struct request, lookup)), answer);
}

/* ---- requests ---- */

/* octets: of the request as it came, whose parts may be copied. */
static struct request *new_request(struct connection *connection, size_t octets)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        break_off(connection);
        return NULL;
    }
    request->connection = connection;
    request->size = sizeof *request + octets;
    connection->pending += request->size;
    STAILQ_INSERT_TAIL(&connection->requests, request, link);
    connection->request_count++;
    return request;
}

static void refuse(struct connection *connection, const char *reason)
{
    struct request *request = new_request(connection, 0);
    if (request)
        give_answer(
            request,
            &(struct answer){.result = LOOKUP_TEMPORARY, .text = reason, .len = strlen(reason)});
}

static void take_request(struct connection *connection, const struct codec_request *asked)
{
    struct connections *owner = connection->owner;
    const char *name = asked->map;
    size_t len = asked->map_len;
    if (!connection->listener->codec->names_map) {
        name = connection->listener->map;
        len = strlen(name);
    }
    struct map *map = maps_find(owner->maps, name, len);
    if (map == NULL) {
        refuse(connection, "no map of that name is configured");
        return;
    }
    struct request *request = new_request(connection, asked->consumed);
    if (request == NULL)
        return;
    owner->asked = true;
    engine_ask(owner->engine, &request->lookup, map, asked->key, asked->key_len, on_answer);
}

static bool may_parse(const struct connection *connection)
{
    return !connection->broken && connection->request_count < PIPELINE_MAX &&
           outstanding(connection) < bound(connection);
}

/* Takes the requests out of data; returns how many octets they were. */
static size_t parse(struct connection *connection, const char *data, size_t len)
{
    size_t taken = 0;
    while (taken < len && may_parse(connection)) {
        struct codec_request request = {0};
        enum codec_status status = connection->listener->codec->parse(
            data + taken, len - taken, connection->owner->scratch, &request);
        if (status == CODEC_MORE)
            break;
        if (status == CODEC_BAD) {
            log_debug("listener %s: %s", connection->listener->address, request.error);
            refuse(connection, request.error);
            stop_reading(connection);
            return len;
        }
        taken += request.consumed;
        if (connection->timed)
            stop_timing(connection); /* each request has the whole time */
        take_request(connection, &request);
    }
    return taken;
}

/* Goes on with what was read earlier and not parsed yet. */
static void parse_rest(struct connection *connection)
{
    struct evbuffer *in = connection->in;
    size_t len = in ? evbuffer_get_length(in) : 0;
    if (len == 0)
        return;
    const char *data = (const char *)evbuffer_pullup(in, -1);
    if (data == NULL) {
        break_off(connection);
        return;
    }
    evbuffer_drain(in, parse(connection, data, len));
}

static void keep_rest(struct connection *connection, const char *data, size_t len)
{
    if (connection->in == NULL)
        connection->in = evbuffer_new();
    if (connection->in == NULL || evbuffer_add(connection->in, data, len) != 0)
        break_off(connection);
}

/*
 * After parsing: what the connection waits for. A request that is complete waits for us, not the
 * client, so only one that has begun is timed.
 */
static void set_waiting(struct connection *connection)
{
    count_octets(connection);
    if (connection->finished)
        return;
    size_t begun = connection->in ? evbuffer_get_length(connection->in) : 0;
    bool pause = !may_parse(connection);
    if (begun > bound(connection) && !pause) {
        refuse(connection, too_much.text);
        stop_reading(connection);
        return;
    }
    if (pause != connection->paused) {
        connection->paused = pause;
        if (pause)
            event_del(&connection->reading);
        else if (event_add(&connection->reading, NULL) != 0)
            break_off(connection);
    }
    if (begun && !pause && !connection->timed) {
        struct timeval most = request_timeout(connection);
        connection->timed = event_add(&connection->slow, &most) == 0;
    } else if (connection->timed && (!begun || pause)) {
        stop_timing(connection);
    }
}

static void read_some(struct connection *connection)
{
    struct connections *owner = connection->owner;
    size_t most = is_full(owner) ? SHARE : sizeof owner->read_buffer;
    ssize_t got = recv(connection->fd, owner->read_buffer, most, 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            break_off(connection);
        return;
    }
    if (got == 0) {
        stop_reading(connection); /* what it asked is still answered: it may only have shut down */
        return;
    }
    size_t len = (size_t)got;
    if (connection->in && evbuffer_get_length(connection->in) > 0) {
        keep_rest(connection, owner->read_buffer, len);
        parse_rest(connection);
    } else {
        size_t taken = parse(connection, owner->read_buffer, len);
        if (taken < len)
            keep_rest(connection, owner->read_buffer + taken, len - taken);
    }
    set_waiting(connection);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    read_some(context);
}

static void on_slow(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    log_debug("listener %s: a request was not completed in time", connection->listener->address);
    refuse(connection, "the request was not completed in time");
    stop_reading(connection);
}

/* ---- sending ---- */

/*
 * Every answer has its time: one who takes an octet now and then must not keep what he asked for
 * here for hours. So the time is for all that waits when it begins, and begins anew after that.
 */
static void set_untaken(struct connection *connection, size_t taken)
{
    if (taken < connection->owed) {
        connection->owed -= taken;
        return;
    }
    if (connection->owed > 0)
        event_del(&connection->untaken);
    connection->owed = 0;
}

static void wait_until_taken(struct connection *connection)
{
    if (!event_pending(&connection->writing, EV_WRITE, NULL) &&
        event_add(&connection->writing, NULL) != 0)
        break_off(connection);
    if (connection->owed > 0)
        return;
    struct timeval most = request_timeout(connection);
    connection->owed = evbuffer_get_length(connection->out);
    if (event_add(&connection->untaken, &most) != 0)
        break_off(connection);
}

/* Sends what there is to send; false when the client has to take some of it first. */
static bool send_some(struct connection *connection)
{
    while (!connection->broken && evbuffer_get_length(connection->out) > 0) {
        int sent = evbuffer_write(connection->out, connection->fd);
        if (sent >= 0) {
            set_untaken(connection, (size_t)sent);
        } else if (errno == EAGAIN) {
            wait_until_taken(connection);
            return connection->broken;
        } else if (errno != EINTR) {
            break_off(connection);
        }
    }
    return true;
}

void connection_flush(struct connection *connection)
{
    bool all = send_some(connection);
    count_octets(connection);
    if (!all)
        return;
    /* There may be room again for requests that had to wait. */
    if (!connection->broken) {
        parse_rest(connection);
        set_waiting(connection);
    }
    if (connection->broken || (connection->finished && connection->request_count == 0 &&
                               evbuffer_get_length(connection->out) == 0))
        connection_close(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    mark_dirty(context);
}

static void on_untaken(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    log_debug("listener %s: answers were not taken in time", connection->listener->address);
    break_off(connection);
}

/* ---- beginning and end ---- */

void connections_add(struct connections *connections, int fd, const struct listener *listener)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL || (connection->out = evbuffer_new()) == NULL) {
        free(connection);
        close(fd);
        return;
    }
    connection->owner = connections;
    connection->listener = listener;
    listeners_hold(listener->set);
    connection->fd = fd;
    STAILQ_INIT(&connection->requests);
    event_assign(&connection->reading, connections->base, fd, EV_READ | EV_PERSIST, on_readable,
                 connection);
    event_assign(&connection->writing, connections->base, fd, EV_WRITE, on_writable, connection);
    evtimer_assign(&connection->slow, connections->base, on_slow, connection);
    evtimer_assign(&connection->untaken, connections->base, on_untaken, connection);
    int size = SEND_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    TAILQ_INSERT_TAIL(&connections->all, connection, link);
    connections->count++;
    if (event_add(&connection->reading, NULL) != 0)
        connection_close(connection);
}

void connection_finish(struct connection *connection)
{
    if (connection->finished)
        return;
    read_some(connection);
    stop_reading(connection);
}
