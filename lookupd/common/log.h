/*
 * The log of every program: to syslog (facility mail), or to standard error in the foreground, with
 * priorities where that is systemd's journal.
 *
 * The words are Postfix's, which administrators grep for: a line of log_warning() begins with
 * "warning: ", of log_error() with "error: ", of log_fatal() with "fatal: "; others with nothing.
 * No line above debug level may hold a mail address or a password: see log_key().
 */
#ifndef LOOKUPD_LOG_H
#define LOOKUPD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Opens the log of this process. The name is not copied. May be called again, e.g. after a fork. */
void log_open(const char *program, bool to_stderr, enum log_level level);
void log_close(void);
/* True when log_debug() writes anything: for callers whose text is costly to make. */
bool log_is_debug(void);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only says it: the caller ends the program with a sysexits code of its choice. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * For lines that strangers or a broken database can cause: true for the first ten in a minute. Zero
 * at the beginning; one for each kind of line.
 */
struct log_limit {
    time_t begun;
    unsigned lines;
};
bool log_allows(struct log_limit *limit);

/*
 * A key as it may stand in a log: what is before the last '@' becomes "...", octets outside
 * 0x21-0x7e become \DDD, and a long one is cut. Writes at most size octets with the final NUL to
 * buffer, and returns buffer.
 */
const char *log_key(const char *key, size_t len, char *buffer, size_t size);

#endif
