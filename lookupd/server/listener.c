#include "server/listener.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* sd_listen_fds(3): the first descriptor that systemd passes. */
#define SYSTEMD_FIRST_FD 3

static bool fault(const struct conf_listener *conf, const char *what)
{
    log_fatal("%s: listener %s: %s: %s", conf->where, conf->address, what, strerror(errno));
    return false;
}

static bool fault_text(const struct conf_listener *conf, const char *text)
{
    log_fatal("%s: listener %s: %s", conf->where, conf->address, text);
    return false;
}

/*
 * Makes room for a socket file. One that refuses connections was left by a process that died; any
 * other answer means that somebody listens there.
 */
static bool clear_path(const struct conf_listener *conf, const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) != 0)
        return errno == ENOENT || fault(conf, "cannot look at it");
    if (!S_ISSOCK(status.st_mode))
        return fault_text(conf, "there is a file of that name, and it is no socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault(conf, "socket");
    int error = connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 ? errno : 0;
    bool refused = error == ECONNREFUSED || error == ENOENT;
    close(fd);
    if (error == EACCES)
        return fault_text(conf,
                          "a socket of somebody else's is there, which we may not connect to");
    if (!refused)
        return fault_text(conf, "another process answers on it already");
    if (unlink(name->sun_path) != 0 && errno != ENOENT)
        return fault(conf, "cannot remove the old socket");
    return true;
}

/* Who may connect. Only root can give a socket away; others keep it, and its group if they must. */
static bool set_access(const struct conf_listener *conf, const struct conf *all, const char *path)
{
    const char *owner = conf->owner ? conf->owner : all->user;
    const char *group = conf->group ? conf->group : all->group;
    const struct passwd *user = getpwnam(owner);
    uid_t uid = user ? user->pw_uid : (uid_t)-1;
    const struct group *entry = getgrnam(group);
    gid_t gid = entry ? entry->gr_gid : (gid_t)-1;
    if (geteuid() == 0) {
        char text[160];
        if (user == NULL || entry == NULL) {
            snprintf(text, sizeof text, "no %s of the name \"%s\"", user ? "group" : "user",
                     user ? group : owner);
            return fault_text(conf, text);
        }
        /* Not chown(): whoever may write to the folder could have put a link there by now. */
        if (lchown(path, uid, gid) != 0)
            return fault(conf, "chown");
    } else if (entry && lchown(path, (uid_t)-1, gid) != 0) {
        log_debug("listener %s: not in group %s: the socket keeps ours", conf->address, group);
    }
    return true;
}

static bool open_unix(struct listener *listener, const struct conf_listener *conf,
                      const struct conf *all, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path)
        return fault_text(conf, "the path is too long for a socket");
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (!clear_path(conf, &name))
        return false;
    listener->local = true;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fault(conf, "socket");
    /* The mode by umask, since chmod() follows links. Nobody connects before listen(). */
    mode_t before = umask(~conf->mode & 0777);
    int bound = bind(listener->fd, (const struct sockaddr *)&name, sizeof name);
    umask(before);
    if (bound != 0)
        return fault(conf, "bind");
    struct stat status;
    if (lstat(path, &status) != 0)
        return fault(conf, "cannot look at it");
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    listener->path = strdup(path);
    return set_access(conf, all, path) &&
           (listen(listener->fd, LISTENER_BACKLOG) == 0 || fault(conf, "listen"));
}

/*
 * Accepted sockets inherit these. Replies must not wait for acknowledgements, and a peer that lost
 * its power must not keep its connection for ever.
 */
static void set_tcp_options(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static bool open_inet(struct listener *listener, const struct conf_listener *conf,
                      const struct address *address)
{
    char port[16];
    snprintf(port, sizeof port, "%u", address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address->host, port, &hints, &found) != 0)
        return fault_text(conf, "not an address");
    int on = 1;
    listener->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = listener->fd >= 0 || fault(conf, "socket");
    if (good) {
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        set_tcp_options(listener->fd);
        if (found->ai_family == AF_INET6)
            setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        good = bind(listener->fd, found->ai_addr, found->ai_addrlen) == 0 || fault(conf, "bind");
    }
    freeaddrinfo(found);
    return good && (listen(listener->fd, LISTENER_BACKLOG) == 0 || fault(conf, "listen"));
}

/* A socket that systemd has passed under a name (FileDescriptorName=). */
static bool open_systemd(struct listener *listener, const struct conf_listener *conf,
                         const char *name)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    if (!pid || !count || !names || strtol(pid, NULL, 10) != getpid())
        return fault_text(conf, "systemd has passed no sockets");
    long most = strtol(count, NULL, 10);
    for (int fd = SYSTEMD_FIRST_FD; fd - SYSTEMD_FIRST_FD < most && *names; fd++) {
        size_t len = strcspn(names, ":");
        if (len == strlen(name) && memcmp(names, name, len) == 0) {
            struct sockaddr_storage bound = {0};
            socklen_t size = sizeof bound;
            if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
                return fault(conf, "not a socket");
            listener->local = bound.ss_family == AF_UNIX;
            if (!listener->local)
                set_tcp_options(fd);
            /* A copy: at a reload the same descriptor may be asked for again. */
            listener->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
            return (listener->fd >= 0 &&
                    fcntl(listener->fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) ||
                   fault(conf, "the socket of systemd");
        }
        names += len + (names[len] == ':');
    }
    return fault_text(conf, "systemd has passed no socket of that name");
}

static bool set_allow(struct listener *listener, const struct conf_listener *conf)
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1", NULL};
    const char *const *networks = conf->allow ? (const char *const *)conf->allow : loopback;
    size_t count = 0;
    while (networks[count])
        count++;
    listener->allow = calloc(count + 1, sizeof *listener->allow);
    if (listener->allow == NULL)
        return fault(conf, "allow");
    for (; listener->allow_count < count; listener->allow_count++) {
        const char *error;
        if (!network_parse(networks[listener->allow_count], &listener->allow[listener->allow_count],
                           &error))
            return fault_text(conf, error);
    }
    return true;
}

static bool open_one(struct listener *listener, const struct conf_listener *conf,
                     const struct conf *all)
{
    static const struct codec *const codecs[] = {&codec_socketmap, &codec_tcp_table};
    listener->address = conf->address;
    listener->codec = codecs[conf->protocol];
    listener->map = conf->map;
    struct address address;
    const char *error;
    if (!address_parse_listener(conf->address, &address, &error))
        return fault_text(conf, error);
    bool good = false;
    switch (address.kind) {
    case ADDRESS_UNIX:
        good = open_unix(listener, conf, all, address.host);
        break;
    case ADDRESS_INET:
        good = open_inet(listener, conf, &address);
        break;
    case ADDRESS_SYSTEMD:
        good = open_systemd(listener, conf, address.host);
        break;
    }
    address_clear(&address);
    return good && set_allow(listener, conf);
}

struct listeners *listeners_open(const struct conf *conf)
{
    struct listeners *listeners =
        calloc(1, sizeof *listeners + conf->listener_count * sizeof listeners->list[0]);
    if (listeners == NULL) {
        log_fatal("no memory");
        return NULL;
    }
    for (size_t i = 0; i < conf->listener_count; i++) {
        listeners->list[i].fd = -1;
        listeners->count++;
        if (!open_one(&listeners->list[i], &conf->listeners[i], conf)) {
            listeners_close(listeners, true);
            return NULL;
        }
    }
    return listeners;
}

void listeners_close(struct listeners *listeners, bool remove)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->list[i];
        struct stat status;
        /* Another lookupd may have put its own there. The folder may be root's: then it stays. */
        if (remove && listener->path && lstat(listener->path, &status) == 0 &&
            status.st_dev == listener->device && status.st_ino == listener->inode)
            (void)unlink(listener->path);
        if (listener->fd >= 0)
            close(listener->fd);
        free(listener->path);
        free(listener->allow);
    }
    free(listeners);
}

bool listener_allows(const struct listener *listener, const struct sockaddr *peer)
{
    if (listener->local)
        return true;
    for (size_t i = 0; i < listener->allow_count; i++)
        if (network_contains(&listener->allow[i], peer))
            return true;
    return false;
}
