#include "server/socketfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/un.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int socketfile_open_by_name(const char *path)
{
    struct stat status;
    int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_uid == geteuid() &&
        status.st_nlink == 1)
        return file;
    close(file);
    errno = ESTALE;
    return -1;
}

int socketfile_open(int socket, const char *path)
{
    int file = ioctl(socket, SIOCUNIXFILE);
    return file >= 0 ? file : socketfile_open_by_name(path);
}

bool socketfile_give(int file, uid_t uid, gid_t gid)
{
    return fchownat(file, "", uid, gid, AT_EMPTY_PATH) == 0;
}

bool socketfile_set_mode(int file, mode_t mode)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file); /* fchmod() refuses such descriptors */
    return chmod(name, mode) == 0;
}
