#include "server/privileges.h"

#include "common/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool privileges_drop(const char *user, const char *group)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (geteuid() != 0)
        return true;
    const struct passwd *account = getpwnam(user);
    if (account == NULL) {
        log_fatal("user \"%s\" does not exist", user);
        return false;
    }
    uid_t uid = account->pw_uid;
    const struct group *entry = getgrnam(group);
    if (entry == NULL) {
        log_fatal("group \"%s\" does not exist", group);
        return false;
    }
    gid_t gid = entry->gr_gid;
    if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        log_fatal("cannot become user \"%s\", group \"%s\": %s", user, group, strerror(errno));
        return false;
    }
    if (uid != 0 && setuid(0) == 0) {
        log_fatal("root can be had back: refusing to run");
        return false;
    }
    return true;
}

void privileges_raise_descriptors(unsigned long wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted) {
        struct rlimit raised = {.rlim_cur = wanted, .rlim_max = wanted};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            return;
        limit.rlim_cur = limit.rlim_max;
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warning("only %lu descriptors may be open, %lu are wanted for limits.clients: fewer "
                    "clients can be served",
                    (unsigned long)limit.rlim_cur, wanted);
}
