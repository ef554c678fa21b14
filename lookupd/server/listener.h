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
#include <sys/types.h>

/* Postfix opens a connection for each process at once; a full unix backlog is 451
 * (net.core.somaxconn caps this). */
#define LISTENER_BACKLOG 1024

struct listener {
    struct listeners *set; /* that it belongs to */
    int fd;
    char *address; /* as in the configuration */
    const struct codec *codec;
    char *map;    /* of tcp_table */
    bool local;   /* a unix socket */
    bool kept;    /* of the configuration before: not made for this set */
    char *path;   /* of a unix socket that we made, to be removed at the end */
    dev_t device; /* and which file it is */
    ino_t inode;
    mode_t mode;           /* who may use it */
    char *owner, *group;   /* NULL where the address is no path */
    struct network *allow; /* of TCP: who may connect */
    size_t allow_count;
};

struct listeners {
    unsigned references;
    size_t count;
    struct listener list[];
};

/*
 * Opens all listeners of a configuration. On a fault, logs it and returns NULL, with everything
 * closed again. A unix socket file that nobody answers on is replaced; one that somebody answers on
 * is a fault.
 *
 * before: NULL at the start. At a reload, those in force: a socket that both name is kept, with the
 * clients that wait on it, and what it would take to change its access is tried, but not done.
 */
struct listeners *listeners_open(const struct conf *conf, const struct listeners *before);

/*
 * Warns of each socket that systemd has passed and no listener names. systemd takes connects to it
 * whatever we do.
 */
void listeners_warn_of_unused(const struct conf *conf);

/*
 * The second act of a reload: now is in force, and before is closed, with the files of sockets that
 * only it had. Owner, group and mode that have changed are set.
 */
void listeners_replace(struct listeners *before, struct listeners *now);

/* The other second act: closes now, and leaves before as it was. */
void listeners_abandon(struct listeners *now);

/*
 * The listeners of a configuration on descriptors that another process has opened, in the order of
 * conf; they are taken (-1 is put in their place). NULL after logging why not.
 */
struct listeners *listeners_take(const struct conf *conf, int *descriptors, size_t count);

/* Closes the sockets. remove: also removes the unix socket files that they made. Then releases. */
void listeners_close(struct listeners *listeners, bool remove);

/* Connections know their listener for longer than it is open. */
void listeners_hold(struct listeners *listeners);
void listeners_release(struct listeners *listeners);

/* The listener of this address (written in whatever way) and protocol, or NULL. */
const struct listener *listeners_find(const struct listeners *listeners,
                                      const struct listener *like);

/* Whether it listens there, in whatever way the address is written. */
bool listener_has_address(const struct listener *listener, const struct address *address);

/* Whether the file of a unix socket that we made is still the one that we made. */
bool listener_is_there(const struct listener *listener);

/* Whether a peer may use the listener: always on unix sockets, whose mode and group decide. */
bool listener_allows(const struct listener *listener, const struct sockaddr *peer);

#endif
