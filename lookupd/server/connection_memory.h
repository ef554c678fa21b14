/* The parts of connection.h, for its two rooms: connection.c (one client) and connections.c (all).
 */
#ifndef LOOKUPD_CONNECTION_MEMORY_H
#define LOOKUPD_CONNECTION_MEMORY_H

#include "server/connection.h"

#include <event2/event_struct.h>
#include <sys/queue.h>

/* One read: as long as the longest request, with its netstring length and comma. */
#define READ_SIZE (CODEC_REQUEST_MAX + 16)

struct request; /* connection.c */

struct connection {
    struct connections *owner;
    const struct listener *listener;
    int fd;
    bool finished; /* nothing more is read: the client's end, an error, or our stop */
    bool broken;   /* nothing more can be sent either */
    bool dirty;
    bool paused; /* not read while too much is under way */
    bool timed;  /* slow is pending */
    struct event reading;
    struct event writing; /* only while the client does not take what it asked for */
    struct event slow;    /* while a request has begun and is not complete */
    struct event untaken; /* while owed is not 0 */
    size_t owed;          /* octets that the client must take before its time is over */
    struct evbuffer *in;  /* what is not parsed yet; NULL mostly */
    struct evbuffer *out;
    STAILQ_HEAD(, request) requests; /* the oldest first */
    size_t request_count;
    size_t pending; /* octets of requests, and of answers that wait for earlier ones */
    size_t held;    /* all octets of the client, as counted in its owner's sum */
    TAILQ_ENTRY(connection) link;
    TAILQ_ENTRY(connection) dirty_link;
};

TAILQ_HEAD(connection_list, connection);

struct connections {
    struct event_base *base;
    struct engine *engine;
    struct maps *maps;
    struct connection_list all;
    struct connection_list dirty; /* have something to send, or to close */
    size_t count;
    size_t held; /* octets of all clients */
    bool asked;  /* since the last flush began */
    char read_buffer[READ_SIZE];
    char scratch[CODEC_REQUEST_MAX];
};

/* Sends what there is to send, goes on with requests that had to wait, and closes when all is done.
 */
void connection_flush(struct connection *connection);
/* Reads what has come, and nothing more; closed when that is answered. */
void connection_finish(struct connection *connection);
/* At once; its lookups are taken back. */
void connection_close(struct connection *connection);

#endif
