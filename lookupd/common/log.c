#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

/*
 * The longest line: syslog daemons cut at 1024 octets (RFC 3164 4.1), with time and host name in
 * front of what is written here.
 */
#define LOG_LINE_MAX 960

/* Everything is on the stack: nothing here can fail for want of memory, or be in use at a fork. */
static const char *log_program = "lookupd";
static bool log_to_stderr = true;
static bool log_to_journal; /* as standard error, which systemd has connected to it */
static enum log_level log_level = LOG_LEVEL_INFO;

/* What systemd.exec(5) says under $JOURNAL_STREAM: device and inode of a stream that is the
 * journal's, to be compared, since whoever was started by a service may have another standard
 * error. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat status;
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

void log_open(const char *program, bool to_stderr, enum log_level level)
{
    log_to_journal = to_stderr && is_journal();
    log_program = program;
    log_to_stderr = to_stderr;
    log_level = level;
    closelog();
    /* LOG_NDELAY: the descriptor is taken now, not when they have run out. */
    if (!to_stderr)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_close(void)
{
    closelog();
}

bool log_is_debug(void)
{
    return log_level >= LOG_LEVEL_DEBUG;
}

/*
 * What strangers send can be part of a line: it must neither begin a second line nor speak to the
 * terminal (C1 controls too, which are C2 80 to C2 9F in UTF-8).
 */
static void replace_controls(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            p[0] = p[1] = '?';
    }
}

/* Marks a line that did not fit, without leaving half a UTF-8 character before the mark. */
static void mark_cut(char *line)
{
    size_t end = LOG_LINE_MAX - 1 - 3;
    while (end > 0 && ((unsigned char)line[end] & 0xc0) == 0x80)
        end--;
    memcpy(line + end, "...", 4);
}

static void write_stderr(int priority, const char *line)
{
    char text[LOG_LINE_MAX + 64];
    /* The journal knows by itself who writes, and takes the priority off (sd-daemon(3)). */
    int len = log_to_journal ? snprintf(text, sizeof text, "<%d>%s\n", priority, line)
                             : snprintf(text, sizeof text, "%.40s[%ld]: %s\n", log_program,
                                        (long)getpid(), line);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof text)
        len = sizeof text - 1;
    /* One write, so that lines of several processes do not mix; what the reader of a socket, or of
     * a pipe that does not block (inherited.h), has no room for is lost: waiting would stop the
     * lookups. */
    ssize_t written;
    do {
        written = send(STDERR_FILENO, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (written < 0 && errno == ENOTSOCK)
            written = write(STDERR_FILENO, text, (size_t)len);
    } while (written < 0 && errno == EINTR);
}

static void __attribute__((format(printf, 3, 0)))
log_line(int priority, const char *word, const char *format, va_list args)
{
    int saved = errno;
    char line[LOG_LINE_MAX];
    size_t start = (size_t)snprintf(line, sizeof line, "%s", word);
    errno = saved; /* for %m */
    int len = vsnprintf(line + start, sizeof line - start, format, args);
    if (len < 0)
        snprintf(line + start, sizeof line - start, "(this line could not be written)");
    else if ((size_t)len >= sizeof line - start)
        mark_cut(line);
    replace_controls(line);
    if (log_to_stderr)
        write_stderr(priority, line);
    else
        syslog(priority, "%s", line);
    errno = saved;
}

#define LOG_WITH(priority, word)                                                                   \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        log_line(priority, word, format, args);                                                    \
        va_end(args);                                                                              \
    } while (0)

void log_debug(const char *format, ...)
{
    if (log_is_debug())
        LOG_WITH(LOG_DEBUG, "");
}

void log_info(const char *format, ...)
{
    LOG_WITH(LOG_INFO, "");
}

void log_warning(const char *format, ...)
{
    LOG_WITH(LOG_WARNING, "warning: ");
}

void log_error(const char *format, ...)
{
    LOG_WITH(LOG_ERR, "error: ");
}

void log_fatal(const char *format, ...)
{
    LOG_WITH(LOG_CRIT, "fatal: ");
}

/* One octet as log_key() writes it: at most 4 octets and a NUL. */
static size_t escape_octet(unsigned char octet, char out[5])
{
    /* The escape itself is escaped, so that a key cannot pretend to be another. */
    if (octet >= 0x21 && octet <= 0x7e && octet != '\\') {
        out[0] = (char)octet;
        out[1] = '\0';
        return 1;
    }
    return (size_t)snprintf(out, 5, "\\%03u", (unsigned)octet);
}

const char *log_key(const char *key, size_t len, char *buffer, size_t size)
{
    if (size == 0)
        return buffer;
    size_t used = 0;
    size_t from = 0;
    buffer[0] = '\0';
    const char *at = len > 0 ? memrchr(key, '@', len) : NULL;
    if (at != NULL) {
        from = (size_t)(at - key);
        if (from > 0 && size > 3) {
            memcpy(buffer, "...", 4);
            used = 3;
        }
    }
    size_t cut = 0; /* where the mark of a cut still has room */
    for (size_t i = from; i < len; i++) {
        char octet[5];
        size_t n = escape_octet((unsigned char)key[i], octet);
        if (used + 3 < size)
            cut = used;
        if (used + n >= size) {
            snprintf(buffer + cut, size - cut, "...");
            break;
        }
        memcpy(buffer + used, octet, n + 1);
        used += n;
    }
    return buffer;
}

bool log_allows(struct log_limit *limit)
{
    enum { LINES_A_MINUTE = 10 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (limit->lines == 0 || now.tv_sec - limit->begun >= 60)
        *limit = (struct log_limit){.begun = now.tv_sec};
    /* Counted no further than needed, so that it never begins anew by overflow. */
    if (limit->lines > LINES_A_MINUTE)
        return false;
    return ++limit->lines <= LINES_A_MINUTE;
}
