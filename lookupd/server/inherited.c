#include "server/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More sockets than any configuration has listeners: a larger number is a mistake. */
#define SOCKETS_MAX 1000

static int sockets; /* that systemd has passed */

static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", O_RDWR); /* takes the lowest that is free: this one */
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        /* Handlers of our own process, such as a sanitizer's, stay; and so does what nohup(1) is
         * for: until SIGHUP means something here, the end of a terminal must not. */
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN &&
            number != SIGHUP)
            signal(number, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN); /* a client that is gone, or a log that nobody reads */
}

static void count_sockets(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != getpid())
        return;
    long number = strtol(count, NULL, 10);
    if (number < 0 || number > SOCKETS_MAX)
        return;
    sockets = (int)number;
    for (int i = 0; i < sockets; i++)
        (void)fcntl(INHERITED_FIRST_SOCKET + i, F_SETFD, FD_CLOEXEC);
}

void inherited_settle(void)
{
    fill_standard_descriptors();
    reset_signals();
    umask(S_IWGRP | S_IRWXO);
    count_sockets();
}

/*
 * A pipe that its reader has stopped to read would stop us at the next line of the log. It is
 * opened anew, since not to block would else be a property of what others write to as well. Where
 * we may not (a pipe of another account), it stays as it is.
 */
static void unblock_standard_error(void)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode))
        return;
    int file = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return;
    (void)dup2(file, STDERR_FILENO);
    close(file);
}

void inherited_close(void)
{
    closefrom(INHERITED_FIRST_SOCKET + sockets);
    unblock_standard_error();
}

int inherited_sockets(void)
{
    return sockets;
}

const char *inherited_name(int index, size_t *len)
{
    const char *name = getenv("LISTEN_FDNAMES");
    for (; name && index > 0; index--) {
        name = strchr(name, ':');
        if (name)
            name++;
    }
    *len = name ? strcspn(name, ":") : 0;
    return name;
}

int inherited_find(const char *name, int *count)
{
    int found = -1;
    *count = 0;
    for (int i = sockets - 1; i >= 0; i--) {
        size_t len;
        const char *other = inherited_name(i, &len);
        if (other == NULL || len != strlen(name) || memcmp(other, name, len) != 0)
            continue;
        found = INHERITED_FIRST_SOCKET + i;
        (*count)++;
    }
    return found;
}
