#include "server/listener.h"

#include "common/log.h"
#include "server/inherited.h"
#include "server/socketfile.h"

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

/* What the kernel keeps of a TCP client that is not read (it doubles this). */
#define RECEIVE_BUFFER 32768

/* What one listener is opened by. */
struct opening {
    const struct conf_listener *conf;
    const struct conf *all;
    const struct listeners *before; /* NULL: at the start, when root may still be there */
};

static bool fault_text(const struct opening *opening, const char *text)
{
    if (opening->before)
        log_error("%s: listener %s: %s", opening->conf->where, opening->conf->address, text);
    else
        log_fatal("%s: listener %s: %s", opening->conf->where, opening->conf->address, text);
    return false;
}

static bool fault(const struct opening *opening, const char *what)
{
    char text[160];
    bool rights = opening->before && (errno == EACCES || errno == EPERM);
    snprintf(text, sizeof text, "%s: %s%s", what, strerror(errno),
             rights ? " (only a restart has root's rights)" : "");
    return fault_text(opening, text);
}

/*
 * Makes room for a socket file. One that refuses connections was left by a process that died; any
 * other answer means that somebody listens there.
 */
static bool clear_path(const struct opening *opening, const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) != 0)
        return errno == ENOENT || fault(opening, "cannot look at it");
    if (!S_ISSOCK(status.st_mode))
        return fault_text(opening, "there is a file of that name, and it is no socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault(opening, "socket");
    int error = connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 ? errno : 0;
    bool refused = error == ECONNREFUSED || error == ENOENT;
    close(fd);
    if (error == EACCES)
        return fault_text(opening,
                          "a socket of somebody else's is there, which we may not connect to");
    if (!refused)
        return fault_text(opening, "another process answers on it already");
    if (unlink(name->sun_path) != 0 && errno != ENOENT)
        return fault(opening, "cannot remove the old socket");
    return true;
}

/* The account and group that a socket shall belong to. False after a fault: there are none. */
static bool find_access(const struct opening *opening, const struct listener *listener, uid_t *uid,
                        gid_t *gid)
{
    char text[160];
    const struct passwd *user = getpwnam(listener->owner);
    *uid = user ? user->pw_uid : (uid_t)-1;
    const struct group *entry = getgrnam(listener->group);
    *gid = entry ? entry->gr_gid : (gid_t)-1;
    if (user && entry)
        return true;
    snprintf(text, sizeof text, "no %s of the name \"%s\"", user ? "group" : "user",
             user ? listener->group : listener->owner);
    return fault_text(opening, text);
}

/* Somebody who tries us out, and whose sockets keep what they get; else root has started us. */
static bool is_started_by_user(const struct conf *all)
{
    const struct passwd *user = getpwnam(all->user);
    return geteuid() != 0 && (user == NULL || user->pw_uid != geteuid());
}

static bool has_group(gid_t gid)
{
    gid_t groups[256];
    int count = getgroups(sizeof groups / sizeof groups[0], groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == gid)
            return true;
    return getegid() == gid;
}

/* Whether a socket file may be given this owner and group, by whom we are now. */
static bool check_access(const struct opening *opening, const struct listener *listener,
                         const struct stat *status)
{
    uid_t uid;
    gid_t gid;
    if (!find_access(opening, listener, &uid, &gid))
        return false;
    if (geteuid() == 0)
        return true;
    if (status->st_uid != geteuid() || uid != status->st_uid)
        return fault_text(opening, "its owner can only be changed by a restart");
    if (gid != status->st_gid && !has_group(gid))
        return fault_text(opening, "its group can only be changed by a restart, or given by its "
                                   "folder (chmod g+s): the server's user is no member of it");
    return true;
}

/*
 * Who may connect. Only root can give a socket away. Who is not root has its group right only where
 * he is a member, or where the folder gives it to all that is in it (chmod g+s).
 */
static bool set_access(const struct opening *opening, const struct listener *listener, int file)
{
    uid_t uid;
    gid_t gid;
    struct stat status;
    if (is_started_by_user(opening->all) || (geteuid() != 0 && opening->before == NULL)) {
        const struct group *entry = getgrnam(listener->group);
        if ((entry == NULL || !socketfile_give(file, (uid_t)-1, entry->gr_gid)) &&
            opening->conf->group)
            log_warning("listener %s: not a member of group %s: the socket keeps ours",
                        listener->address, listener->group);
        return true;
    }
    if (fstat(file, &status) != 0)
        return fault(opening, "cannot look at it");
    if (!check_access(opening, listener, &status) || !find_access(opening, listener, &uid, &gid))
        return false;
    return (uid == status.st_uid && gid == status.st_gid) || socketfile_give(file, uid, gid) ||
           fault(opening, "chown");
}

/* Which file it is, and who may use it. */
static bool settle_file(const struct opening *opening, struct listener *listener)
{
    struct stat status;
    int file = socketfile_open(listener->fd, listener->path);
    if (file < 0)
        return fault(opening,
                     errno == ESTALE ? "something else was put in its place" : "cannot look at it");
    bool good = fstat(file, &status) == 0 || fault(opening, "cannot look at it");
    if (good) {
        listener->device = status.st_dev;
        listener->inode = status.st_ino;
        good = set_access(opening, listener, file);
    }
    close(file);
    return good;
}

static bool open_unix(struct listener *listener, const struct opening *opening, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path)
        return fault_text(opening, "the path is too long for a socket");
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (!clear_path(opening, &name))
        return false;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fault(opening, "socket");
    /* The mode by umask, since chmod() follows links. Nobody connects before listen(). */
    mode_t before = umask(~listener->mode & 0777);
    int bound = bind(listener->fd, (const struct sockaddr *)&name, sizeof name);
    umask(before);
    if (bound != 0)
        return fault(opening, "bind");
    listener->path = strdup(path);
    if (listener->path == NULL)
        return fault(opening, "path");
    return settle_file(opening, listener) &&
           (listen(listener->fd, LISTENER_BACKLOG) == 0 || fault(opening, "listen"));
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
    int size = RECEIVE_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* The sockets in force are given up last: until then 0.0.0.0 has no room beside 127.0.0.1. */
static bool bind_fault(const struct opening *opening, const struct address *address)
{
    struct address other;
    const char *error;
    bool ours = false;
    if (errno != EADDRINUSE || opening->before == NULL)
        return fault(opening, "bind");
    for (size_t i = 0; i < opening->before->count; i++) {
        if (!address_parse_listener(opening->before->list[i].address, &other, &error))
            continue;
        ours = ours || address_overlaps(address, &other);
        address_clear(&other);
    }
    errno = EADDRINUSE;
    return fault(opening,
                 ours ? "a listener in force has this port: restart lookupd: bind" : "bind");
}

static bool open_inet(struct listener *listener, const struct opening *opening,
                      const struct address *address)
{
    char port[16];
    snprintf(port, sizeof port, "%u", address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address->host, port, &hints, &found) != 0)
        return fault_text(opening, "not an address");
    int on = 1;
    listener->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = listener->fd >= 0 || fault(opening, "socket");
    if (good) {
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        set_tcp_options(listener->fd);
        if (found->ai_family == AF_INET6)
            setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        good = bind(listener->fd, found->ai_addr, found->ai_addrlen) == 0 ||
               bind_fault(opening, address);
    }
    freeaddrinfo(found);
    return good && (listen(listener->fd, LISTENER_BACKLOG) == 0 || fault(opening, "listen"));
}

/* Not so where a socket unit says Accept=yes or ListenDatagram=: accept() would fail for ever. */
static bool takes_connections(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* A socket that systemd has passed under a name (FileDescriptorName=). */
static bool open_systemd(struct listener *listener, const struct opening *opening, const char *name)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    int count;
    int fd = inherited_find(name, &count);
    if (inherited_sockets() == 0)
        return fault_text(opening, "systemd has passed no sockets");
    if (fd < 0)
        return fault_text(opening, "systemd has passed no socket of that name");
    if (count > 1)
        return fault_text(opening,
                          "systemd has passed several sockets of that name, and clients of "
                          "the others would wait for ever: each wants a unit of its own");
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return fault(opening, "not a socket");
    if (!takes_connections(fd))
        return fault_text(opening, "the socket of systemd does not listen: its unit needs "
                                   "ListenStream= and Accept=no");
    if (bound.ss_family != AF_UNIX)
        set_tcp_options(fd);
    /* A copy: at a reload the same descriptor may be asked for again. */
    listener->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return (listener->fd >= 0 &&
            fcntl(listener->fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) ||
           fault(opening, "the socket of systemd");
}

static bool set_allow(struct listener *listener, const struct opening *opening)
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1", NULL};
    const char *const *networks =
        opening->conf->allow ? (const char *const *)opening->conf->allow : loopback;
    size_t count = 0;
    while (networks[count])
        count++;
    listener->allow = calloc(count + 1, sizeof *listener->allow);
    if (listener->allow == NULL)
        return fault(opening, "allow");
    for (; listener->allow_count < count; listener->allow_count++) {
        const char *error;
        if (!network_parse(networks[listener->allow_count], &listener->allow[listener->allow_count],
                           &error))
            return fault_text(opening, error);
    }
    return true;
}

static bool access_differs(const struct listener *a, const struct listener *b)
{
    return a->mode != b->mode || strcmp(a->owner, b->owner) != 0 || strcmp(a->group, b->group) != 0;
}

/* The socket that is open for this address. One whose file somebody has removed is of no use. */
static const struct listener *find_open(const struct listeners *before,
                                        const struct address *address)
{
    if (before == NULL || address->kind == ADDRESS_SYSTEMD)
        return NULL;
    for (size_t i = 0; i < before->count; i++)
        if (listener_has_address(&before->list[i], address))
            return before->list[i].path == NULL || listener_is_there(&before->list[i])
                       ? &before->list[i]
                       : NULL;
    return NULL;
}

static bool keep_open(struct listener *listener, const struct opening *opening,
                      const struct listener *open)
{
    listener->kept = true;
    listener->fd = fcntl(open->fd, F_DUPFD_CLOEXEC, 0);
    if (listener->fd < 0)
        return fault(opening, "the socket that is open");
    if (open->path == NULL)
        return true;
    listener->device = open->device;
    listener->inode = open->inode;
    listener->path = strdup(open->path);
    if (listener->path == NULL)
        return fault(opening, "path");
    struct stat status;
    return !access_differs(open, listener) ||
           (lstat(open->path, &status) == 0 ? check_access(opening, listener, &status)
                                            : fault(opening, "cannot look at it"));
}

static bool is_local(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    return getsockname(fd, (struct sockaddr *)&bound, &size) == 0 && bound.ss_family == AF_UNIX;
}

/* What the configuration says; the socket is opened by others. */
static bool begin_one(struct listener *listener, const struct opening *opening)
{
    static const struct codec *const codecs[] = {&codec_socketmap, &codec_tcp_table};
    const struct conf_listener *conf = opening->conf;
    listener->address = strdup(conf->address);
    listener->codec = codecs[conf->protocol];
    listener->map = conf->map ? strdup(conf->map) : NULL;
    listener->mode = conf->mode;
    listener->owner = strdup(conf->owner ? conf->owner : opening->all->user);
    listener->group = strdup(conf->group ? conf->group : opening->all->group);
    if (!listener->address || !listener->owner || !listener->group || (conf->map && !listener->map))
        return fault_text(opening, "no memory");
    return set_allow(listener, opening);
}

static bool open_one(struct listener *listener, const struct opening *opening)
{
    struct address address;
    const char *error;
    if (!address_parse_listener(opening->conf->address, &address, &error))
        return fault_text(opening, error);
    const struct listener *open = find_open(opening->before, &address);
    bool good = false;
    if (open)
        good = keep_open(listener, opening, open);
    else if (address.kind == ADDRESS_UNIX)
        good = open_unix(listener, opening, address.host);
    else if (address.kind == ADDRESS_INET)
        good = open_inet(listener, opening, &address);
    else
        good = open_systemd(listener, opening, address.host);
    address_clear(&address);
    listener->local = good && is_local(listener->fd);
    return good;
}

static struct listeners *new_listeners(const struct conf *conf)
{
    struct listeners *listeners =
        calloc(1, sizeof *listeners + conf->listener_count * sizeof listeners->list[0]);
    if (listeners == NULL) {
        log_fatal("no memory");
        return NULL;
    }
    listeners->references = 1;
    listeners->count = conf->listener_count;
    for (size_t i = 0; i < listeners->count; i++) {
        listeners->list[i].set = listeners;
        listeners->list[i].fd = -1;
    }
    return listeners;
}

struct listeners *listeners_open(const struct conf *conf, const struct listeners *before)
{
    struct listeners *listeners = new_listeners(conf);
    for (size_t i = 0; listeners && i < listeners->count; i++) {
        struct opening opening = {.conf = &conf->listeners[i], .all = conf, .before = before};
        if (begin_one(&listeners->list[i], &opening) && open_one(&listeners->list[i], &opening))
            continue;
        listeners_abandon(listeners);
        return NULL;
    }
    listeners_warn_of_unused(conf);
    return listeners;
}

struct listeners *listeners_take(const struct conf *conf, int *descriptors, size_t count)
{
    struct listeners *listeners = count == conf->listener_count ? new_listeners(conf) : NULL;
    for (size_t i = 0; listeners && i < count; i++) {
        struct opening opening = {.conf = &conf->listeners[i], .all = conf};
        struct listener *listener = &listeners->list[i];
        listener->fd = descriptors[i];
        descriptors[i] = -1;
        if (!begin_one(listener, &opening)) {
            listeners_close(listeners, false);
            return NULL;
        }
        listener->local = is_local(listener->fd);
    }
    return listeners;
}

/* Somebody may have changed it by hand: whoever reloads wants what the configuration says. */
static bool mode_differs(const struct listener *listener)
{
    struct stat status;
    return lstat(listener->path, &status) == 0 && (status.st_mode & 07777) != listener->mode;
}

static bool give_file(const struct listener *listener, int file)
{
    const struct passwd *user = getpwnam(listener->owner);
    const struct group *entry = getgrnam(listener->group);
    return socketfile_give(file, geteuid() == 0 && user ? user->pw_uid : (uid_t)-1,
                           entry ? entry->gr_gid : (gid_t)-1);
}

static void change_access(const struct listener *listener, bool give)
{
    struct stat status;
    int file = socketfile_open(listener->fd, listener->path);
    /* The group first: a mode may be meant for it alone. A change of the group can clear bits. */
    if (file < 0 || fstat(file, &status) != 0 || status.st_ino != listener->inode ||
        status.st_dev != listener->device || (give && !give_file(listener, file)) ||
        !socketfile_set_mode(file, listener->mode))
        log_warning("listener %s: cannot change who may use it: %s", listener->address,
                    strerror(errno));
    if (file >= 0)
        close(file);
}

void listeners_replace(struct listeners *before, struct listeners *now)
{
    for (size_t i = 0; i < now->count; i++) {
        struct listener *listener = &now->list[i];
        for (size_t k = 0; listener->kept && listener->path && k < before->count; k++) {
            struct listener *old = &before->list[k];
            if (old->path == NULL || old->inode != listener->inode ||
                old->device != listener->device)
                continue;
            bool differs = access_differs(old, listener);
            if (differs || mode_differs(listener))
                change_access(listener, differs);
            free(old->path); /* the file is the new one's */
            old->path = NULL;
        }
        listener->kept = false;
    }
    listeners_close(before, true);
}

void listeners_abandon(struct listeners *now)
{
    for (size_t i = 0; i < now->count; i++) {
        if (!now->list[i].kept)
            continue;
        free(now->list[i].path);
        now->list[i].path = NULL;
    }
    listeners_close(now, true);
}
