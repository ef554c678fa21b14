/* The listeners as a set: what it takes to look at them, and to give them up. */
#include "server/listener.h"

#include "common/log.h"
#include "server/inherited.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void listeners_warn_of_unused(const struct conf *conf)
{
    static const char kind[] = "systemd:";
    for (int i = 0; i < inherited_sockets(); i++) {
        size_t len;
        bool used = false;
        const char *name = inherited_name(i, &len);
        for (size_t k = 0; name && k < conf->listener_count && !used; k++) {
            const char *address = conf->listeners[k].address;
            used = strlen(address) == sizeof kind - 1 + len &&
                   memcmp(address, kind, sizeof kind - 1) == 0 &&
                   memcmp(address + sizeof kind - 1, name, len) == 0;
        }
        if (!used)
            log_warning("systemd has passed a socket \"%.*s\" that no listener names: its clients "
                        "wait for ever",
                        (int)len, name ? name : "");
    }
}

bool listener_is_there(const struct listener *listener)
{
    struct stat status;
    return lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
           status.st_ino == listener->inode;
}

bool listener_has_address(const struct listener *listener, const struct address *address)
{
    struct address other;
    const char *error;
    if (!address_parse_listener(listener->address, &other, &error))
        return false;
    bool same = address_equal(address, &other);
    address_clear(&other);
    return same;
}

void listeners_close(struct listeners *listeners, bool remove)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->list[i];
        /* Another lookupd may have put its own there. The folder may be root's: then it stays. */
        if (remove && listener->path && listener_is_there(listener))
            (void)unlink(listener->path);
        if (listener->fd >= 0)
            close(listener->fd);
        listener->fd = -1;
    }
    listeners_release(listeners);
}

void listeners_hold(struct listeners *listeners)
{
    listeners->references++;
}

void listeners_release(struct listeners *listeners)
{
    if (--listeners->references > 0)
        return;
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->list[i];
        free(listener->address);
        free(listener->map);
        free(listener->path);
        free(listener->owner);
        free(listener->group);
        free(listener->allow);
    }
    free(listeners);
}

const struct listener *listeners_find(const struct listeners *listeners,
                                      const struct listener *like)
{
    struct address address;
    const char *error;
    const struct listener *found = NULL;
    if (!address_parse_listener(like->address, &address, &error))
        return NULL;
    for (size_t i = 0; i < listeners->count && found == NULL; i++)
        if (listeners->list[i].codec == like->codec &&
            listener_has_address(&listeners->list[i], &address))
            found = &listeners->list[i];
    address_clear(&address);
    return found;
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
