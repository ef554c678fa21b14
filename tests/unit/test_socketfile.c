/* The file of a unix socket, and what somebody may have put in its place. */
#include "server/socketfile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/socketfile-XXXXXX";
static char path[80], other[80];
static struct stat made;

static int bind_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    int fd = bind_at(path);
    cr_assert_eq(lstat(path, &made), 0);
    return fd;
}

static void end(int fd)
{
    close(fd);
    unlink(path);
    unlink(other);
    rmdir(folder);
}

/* The file that was made, or none: never what has its name now. */
static void expect_made_or_none(int file)
{
    struct stat status;
    if (file < 0) {
        cr_expect(errno == ESTALE || errno == ENOENT, "%s", strerror(errno));
        return;
    }
    cr_expect_eq(fstat(file, &status), 0);
    cr_expect_eq(status.st_ino, made.st_ino);
    close(file);
}

static void expect_untouched(int fd)
{
    expect_made_or_none(socketfile_open(fd, path));
    cr_expect_eq(socketfile_open_by_name(path), -1);
    cr_expect(errno == ESTALE || errno == ENOENT, "%s", strerror(errno));
}

Test(socketfile, found_and_given)
{
    int fd = begin();
    for (int way = 0; way < 2; way++) {
        int file = way == 0 ? socketfile_open(fd, path) : socketfile_open_by_name(path);
        cr_assert_geq(file, 0, "%s", strerror(errno));
        cr_expect(fcntl(file, F_GETFD) & FD_CLOEXEC);
        mode_t mode = way == 0 ? 0640 : 0606;
        cr_expect(socketfile_set_mode(file, mode));
        cr_expect(socketfile_give(file, (uid_t)-1, getegid()), "%s", strerror(errno));
        struct stat status;
        cr_assert_eq(lstat(path, &status), 0);
        cr_expect_eq(status.st_ino, made.st_ino);
        cr_expect_eq(status.st_mode & 07777, mode);
        close(file);
    }
    end(fd);
}

Test(socketfile, link_in_its_place)
{
    int fd = begin();
    int target = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    cr_assert_geq(target, 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink(other, path), 0);
    expect_untouched(fd);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(link(other, path), 0);
    expect_untouched(fd);
    close(target);
    end(fd);
}

Test(socketfile, socket_of_others_in_its_place)
{
    int fd = begin();
    int stranger = bind_at(other);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(link(other, path), 0); /* it has another name, too */
    expect_untouched(fd);
    if (geteuid() == 0) {
        cr_assert_eq(unlink(other), 0);
        cr_assert_eq(lchown(path, 65534, 65534), 0);
        expect_untouched(fd);
    }
    close(stranger);
    end(fd);
}

Test(socketfile, gone)
{
    int fd = begin();
    cr_assert_eq(unlink(path), 0);
    expect_untouched(fd);
    end(fd);
}
