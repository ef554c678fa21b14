/* Running named-checkconf within limits. */
#include "import/checkconf.h"

#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)
/* Of standard error: enough for the loader's complaint or a line of named-checkconf. */
#define COMPLAINT_MAX     ((size_t)4 << 10)
#define CLOCK_MILLISECOND (CLOCK_SECOND / 1000)
/* Between looks at a program that has closed its output and has not ended. */
#define REAP_INTERVAL_NS 5000000L

struct stream {
    int fd; /* -1: ended */
    struct checkconf_output got;
    size_t room, max;
    bool passed; /* it had more than max */
};

struct run {
    const char *const *argv;
    pid_t pid;
    int exec_errno;
    struct stream out, err;
    uint64_t deadline;
};

/* ---- a growing text ---- */

static bool make_room(struct stream *stream)
{
    if (stream->room - stream->got.len > CHUNK)
        return true;
    size_t room = stream->room > 0 ? 2 * stream->room : 4 * CHUNK;
    char *text = realloc(stream->got.text, room);
    if (text == NULL)
        return false;
    stream->got.text = text;
    stream->room = room;
    return true;
}

/* Reads once. False without memory or when reading fails, with errno. What is beyond max is
 * dropped. */
static bool read_some(struct stream *stream)
{
    if (!make_room(stream))
        return false;
    ssize_t n = read(stream->fd, stream->got.text + stream->got.len, CHUNK);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0) {
        close(stream->fd);
        stream->fd = -1;
    }
    stream->got.len += (size_t)n;
    if (stream->got.len > stream->max) {
        stream->got.len = stream->max;
        stream->passed = true;
    }
    stream->got.text[stream->got.len] = '\0';
    return true;
}

/* ---- what is said when it fails ---- */

static bool is_warning(const char *line, size_t len)
{
    static const char *const words[] = {"deprecated", "obsolete", "warning", "not implemented"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (memmem(line, len, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

/* The first line that is not empty and, when strict, no warning; its length goes to *len. */
static const char *pick_line(const struct checkconf_output *output, bool strict, size_t *len)
{
    const char *line = output->text, *end = line ? line + output->len : NULL;
    for (; line < end; line += *len + 1) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        *len = (size_t)((newline ? newline : end) - line);
        if (*len > 0 && !(strict && is_warning(line, *len)))
            return line;
    }
    return NULL;
}

/* ": " and what the program complained of, if it did. */
static void append_complaint(const struct run *run, char *error, size_t error_size)
{
    size_t len = 0;
    const char *line = pick_line(&run->err.got, true, &len);
    if (line == NULL)
        line = pick_line(&run->out.got, true, &len);
    if (line == NULL)
        line = pick_line(&run->out.got, false, &len);
    size_t at = strlen(error);
    if (line == NULL || error_size - at < 8)
        return;
    error[at++] = ':';
    error[at++] = ' ';
    for (size_t i = 0; i < len && at + 1 < error_size; i++)
        error[at++] = (char)(line[i] < 0x20 || line[i] > 0x7e ? '?' : line[i]);
    error[at] = '\0';
}

static bool fail(const struct run *run, char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "%s: %s", run->argv[0], what);
    return false;
}

/* ---- the child ---- */

/* Never returns. status gets errno when the program cannot be executed. */
_Noreturn static void become(const char *const *argv, pid_t parent, int null, int out, int err,
                             int status)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it ended before it was asked for */
        _exit(126);
    /* the five are above 2, and dup2() leaves out close-on-exec */
    if (setpgid(0, 0) == 0 && chdir("/") == 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0 && status > 2) {
        if (status != 3 && dup3(status, 3, O_CLOEXEC) == 3)
            status = 3;
        if (status == 3) {
            closefrom(4);
            execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
        }
    }
    int number = errno;
    if (write(status, &number, sizeof number) < 0)
        _exit(126);
    _exit(127);
}

/* A pipe whose ends are above 2, so that no dup2() of the child takes one away. */
static bool make_pipe(int *ends)
{
    int low[2];
    ends[0] = ends[1] = -1;
    if (pipe2(low, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
        close(low[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

static void close_pipe(const int *ends)
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* Waits until the program is executed, or cannot be. */
static void read_status(struct run *run, int fd)
{
    ssize_t n;
    do
        n = read(fd, &run->exec_errno, sizeof run->exec_errno);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof run->exec_errno)
        run->exec_errno = 0;
}

static bool start(struct run *run)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, status[2] = {-1, -1};
    int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int null = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, 3) : -1;
    const pid_t parent = getpid();
    bool good = null >= 0 && make_pipe(out) && make_pipe(err) && make_pipe(status);
    if (good)
        run->pid = fork();
    if (good && run->pid == 0)
        become(run->argv, parent, null, out[1], err[1], status[1]);
    int number = errno;
    if (good && run->pid > 0) {
        close(status[1]);
        status[1] = -1;
        read_status(run, status[0]);
        run->out.fd = out[0];
        run->err.fd = err[0];
        out[0] = err[0] = -1;
    }
    close_pipe(out);
    close_pipe(err);
    close_pipe(status);
    if (low >= 0)
        close(low);
    if (null >= 0)
        close(null);
    errno = number;
    return good && run->pid > 0;
}

/* ---- the parent ---- */

static int left_ms(const struct run *run)
{
    uint64_t now = clock_now();
    return now < run->deadline ? (int)((run->deadline - now) / CLOCK_MILLISECOND) + 1 : 0;
}

/* Reads both streams until they end. NULL, or what went wrong. */
static const char *read_all(struct run *run)
{
    while (run->out.fd >= 0 || run->err.fd >= 0) {
        struct pollfd fds[] = {{.fd = run->out.fd, .events = POLLIN},
                               {.fd = run->err.fd, .events = POLLIN}};
        int left = left_ms(run);
        if (left == 0)
            return "was not done in time and was killed";
        if (poll(fds, 2, left) < 0 && errno != EINTR)
            return strerror(errno);
        if (fds[0].revents != 0 && !read_some(&run->out))
            return strerror(errno);
        if (fds[1].revents != 0 && !read_some(&run->err))
            return strerror(errno);
        if (run->out.passed)
            return "printed more than is believed and was killed";
    }
    return NULL;
}

/* Waits until the program has ended; it stays a zombie, so that its group's number is not reused.
 * False when the time is over. */
static bool wait_end(const struct run *run)
{
    siginfo_t info = {.si_pid = 0};
    const struct timespec pause = {.tv_nsec = REAP_INTERVAL_NS};
    while (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0) {
        if (left_ms(run) == 0)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Kills what is left of the group, and takes the exit status; -1 when there is none to be had. */
static int reap(const struct run *run)
{
    int status = -1;
    (void)kill(-run->pid, SIGKILL);
    (void)kill(run->pid, SIGKILL);
    while (waitpid(run->pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static bool judge_status(const struct run *run, int status, char *error, size_t error_size)
{
    char what[80];
    if (run->exec_errno != 0)
        return fail(run, error, error_size, strerror(run->exec_errno));
    if (status == 0)
        return true;
    if (WIFEXITED(status))
        snprintf(what, sizeof what, "ended with exit code %d", WEXITSTATUS(status));
    else
        snprintf(what, sizeof what, "was killed by signal %d", WTERMSIG(status));
    fail(run, error, error_size, status == -1 ? "nobody knows how it ended" : what);
    append_complaint(run, error, error_size);
    return false;
}

static bool run_and_read(struct run *run, char *error, size_t error_size)
{
    if (!start(run))
        return fail(run, error, error_size, strerror(errno));
    const char *fault = read_all(run);
    if (fault == NULL && !wait_end(run))
        fault = "was not done in time and was killed";
    int status = reap(run);
    if (fault != NULL)
        return fail(run, error, error_size, fault);
    return judge_status(run, status, error, error_size);
}

bool checkconf_run_within(const char *const *argv, size_t size_max, int milliseconds,
                          struct checkconf_output *output, char *error, size_t error_size)
{
    struct run run = {.argv = argv,
                      .out = {.fd = -1, .max = size_max},
                      .err = {.fd = -1, .max = COMPLAINT_MAX},
                      .deadline = clock_now() + (unsigned)milliseconds * CLOCK_MILLISECOND};
    /* cron may have left SIGCHLD ignored: then no exit status would be kept */
    struct sigaction inherited;
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &plain, &inherited);
    bool good = run_and_read(&run, error, error_size);
    sigaction(SIGCHLD, &inherited, NULL);
    if (run.out.fd >= 0)
        close(run.out.fd);
    if (run.err.fd >= 0)
        close(run.err.fd);
    free(run.err.got.text);
    if (good)
        *output = run.out.got;
    else
        free(run.out.got.text);
    return good;
}

bool checkconf_run(const char *const *argv, struct checkconf_output *output, char *error,
                   size_t error_size)
{
    return checkconf_run_within(argv, CHECKCONF_OUTPUT_MAX, CHECKCONF_SECONDS * 1000, output, error,
                                error_size);
}

/* ---- a file ---- */

static bool load(int fd, struct stream *stream)
{
    struct stat status;
    stream->fd = fd;
    if (fstat(fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    while (stream->fd >= 0) {
        if (!read_some(stream))
            return false;
        if (stream->passed) {
            errno = EFBIG;
            return false;
        }
    }
    return true;
}

bool checkconf_load(const char *file, struct checkconf_output *output, char *error,
                    size_t error_size)
{
    struct stream stream = {.max = CHECKCONF_OUTPUT_MAX};
    /* O_NONBLOCK: a pipe must not be waited for */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool good = fd >= 0 && load(fd, &stream);
    if (good) {
        *output = stream.got;
        return true;
    }
    snprintf(error, error_size, "%s: %s", file,
             errno == EINVAL ? "is no regular file" : strerror(errno));
    free(stream.got.text);
    if (fd >= 0 && stream.fd >= 0)
        close(fd);
    return false;
}
