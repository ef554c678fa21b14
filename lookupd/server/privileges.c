#include "server/privileges.h"

#include "common/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whatever these processes execute or become, these are the capabilities that they can have. */
static void empty_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* without CAP_SETPCAP it stays */
}

/* A service manager can give an ordinary user some, for a port below 1024, say. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, none) == 0)
        return true;
    log_fatal("cannot give up capabilities: %s", strerror(errno));
    return false;
}

static bool find_account(const char *user, const char *group, uid_t *uid, gid_t *gid)
{
    const struct passwd *account = getpwnam(user);
    if (account == NULL) {
        log_fatal("user \"%s\" does not exist", user);
        return false;
    }
    *uid = account->pw_uid;
    const struct group *entry = getgrnam(group);
    if (entry == NULL) {
        log_fatal("group \"%s\" does not exist", group);
        return false;
    }
    *gid = entry->gr_gid;
    if (*uid == 0 || *gid == 0) {
        log_fatal("%s \"%s\" is root: lookupd does not serve as root", *uid == 0 ? "user" : "group",
                  *uid == 0 ? user : group);
        return false;
    }
    return true;
}

bool privileges_check(const char *user, const char *group)
{
    uid_t uid;
    gid_t gid;
    return geteuid() != 0 || find_account(user, group, &uid, &gid);
}

static bool become(const char *user, const char *group)
{
    uid_t uid;
    gid_t gid;
    if (!find_account(user, group, &uid, &gid))
        return false;
    empty_bounding_set();
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0) {
        log_fatal("cannot become user \"%s\", group \"%s\": %s", user, group, strerror(errno));
        return false;
    }
    if (setuid(0) == 0) {
        log_fatal("root can be had back: refusing to run");
        return false;
    }
    /* The password of the database is in our memory: no core file, and no look by others of the
     * account. Who started us without root may look: he could do so before. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return true;
}

bool privileges_drop(const char *user, const char *group)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_fatal("cannot give up new privileges: %s", strerror(errno));
        return false;
    }
    if (geteuid() == 0 && !become(user, group))
        return false;
    return drop_capabilities();
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
