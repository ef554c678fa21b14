/*
 * The listening sockets. They are opened by the parent before root is given up, and stay open while
 * workers come and go: a refused connect would be a temporary error at once.
 */
#ifndef LOOKUPD_LISTENER_H
#define LOOKUPD_LISTENER_H

#include "lookup/address.h"
#include "lookup/conf.h"
#include "server/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Postfix opens a connection for each process at once; a full unix backlog is 451
 * (net.core.somaxconn caps this). */
#define LISTENER_BACKLOG 1024

struct listener {
    int fd;
    const char *address; /* borrowed from the configuration */
    const struct codec *codec;
    const char *map; /* of tcp_table, borrowed */
    bool local;      /* a unix socket */
    char *path;      /* of a unix socket that we made, to be removed at the end */
    dev_t device;    /* and which file it is */
    ino_t inode;
    struct network *allow; /* of TCP: who may connect */
    size_t allow_count;
};

struct listeners {
    size_t count;
    struct listener list[];
};

/*
 * Opens all listeners of a configuration, which must outlive them. On a fault, logs it and returns
 * NULL, with everything closed again. A unix socket file that nobody answers on is replaced; one
 * that somebody answers on is a fault.
 */
struct listeners *listeners_open(const struct conf *conf);

/* Closes them. remove: also removes the unix socket files that they made. */
void listeners_close(struct listeners *listeners, bool remove);

/* Whether a peer may use the listener: always on unix sockets, whose mode and group decide. */
bool listener_allows(const struct listener *listener, const struct sockaddr *peer);

#endif
