#include "server/preflight.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check_accounts(const char *where, const char *prefix, const char *user,
                           const char *group, struct settings_errors *errors)
{
    static const char *const words[] = {"user", "owner"};
    bool found_user = user == NULL || getpwnam(user) != NULL;
    bool found_group = group == NULL || getgrnam(group) != NULL;
    if (!found_user)
        settings_error_in(errors, where, 0, "%s%s: there is no user \"%s\"", prefix,
                          words[prefix[0] != '\0'], user);
    if (!found_group)
        settings_error_in(errors, where, 0, "%sgroup: there is no group \"%s\"", prefix, group);
    return found_user && found_group;
}

/* A folder that we may not look into is no fault: the one who starts the server may. */
static void check_folder(const struct conf_listener *listener, const char *prefix, const char *path,
                         struct settings_errors *errors)
{
    struct stat status;
    char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash == NULL) {
        free(folder);
        return;
    }
    slash[slash == folder] = '\0';
    if (stat(folder, &status) != 0) {
        if (errno != EACCES)
            settings_error_in(errors, listener->where, 0, "%saddress: the folder %s: %s", prefix,
                              folder, strerror(errno));
    } else if (!S_ISDIR(status.st_mode)) {
        settings_error_in(errors, listener->where, 0, "%saddress: %s is no folder", prefix, folder);
    } else if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        settings_error_in(errors, listener->where, 0,
                          "%saddress: there is a file of that name, and it is no socket", prefix);
    }
    free(folder);
}

static void check_listener(const struct conf_listener *listener, size_t index, bool root,
                           struct settings_errors *errors)
{
    struct address address;
    const char *error;
    char prefix[40];
    if (listener->address == NULL || !address_parse_listener(listener->address, &address, &error))
        return; /* was reported */
    snprintf(prefix, sizeof prefix, "listeners[%zu].", index);
    if (address.kind == ADDRESS_UNIX) {
        check_folder(listener, prefix, address.host, errors);
        if (root)
            (void)check_accounts(listener->where, prefix, listener->owner, listener->group, errors);
    }
    address_clear(&address);
}

bool preflight_check(const struct conf *conf, struct settings_errors *errors)
{
    bool root = geteuid() == 0;
    bool known = !root || check_accounts(conf->file, "", conf->user, conf->group, errors);
    for (size_t i = 0; i < conf->listener_count; i++)
        check_listener(&conf->listeners[i], i, root, errors);
    return known;
}
