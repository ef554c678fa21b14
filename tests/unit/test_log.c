/* The log's lines: one line each whatever stands in them, and no address in a key. */
#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was written to standard error since capture_begin(). */
static int capture_pipe[2];
static int capture_saved;

static void capture_begin(void)
{
    cr_assert_eq(pipe(capture_pipe), 0);
    capture_saved = dup(STDERR_FILENO);
    cr_assert_geq(dup2(capture_pipe[1], STDERR_FILENO), 0);
    close(capture_pipe[1]);
}

static const char *capture_end(void)
{
    static char text[8192];
    dup2(capture_saved, STDERR_FILENO);
    close(capture_saved);
    size_t len = 0;
    ssize_t n;
    while ((n = read(capture_pipe[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    close(capture_pipe[0]);
    text[len] = '\0';
    return text;
}

/* The line without "lookupd[PID]: ", which is checked. */
static const char *line_of(const char *text)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "lookupd[%ld]: ", (long)getpid());
    cr_assert_eq(strncmp(text, prefix, strlen(prefix)), 0, "%s", text);
    return text + strlen(prefix);
}

/* journalctl -p warning finds what is one. */
Test(log, journal)
{
    struct stat status;
    char stream[64];
    capture_begin();
    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("lookupd", true, LOG_LEVEL_DEBUG);
    log_debug("d");
    log_info("i");
    log_warning("w");
    log_error("e");
    log_fatal("f");
    setenv("JOURNAL_STREAM", "1:2", 1); /* inherited from a service: not our standard error */
    log_open("lookupd", true, LOG_LEVEL_INFO);
    log_info("i");
    const char *text = capture_end();
    static const char expected[] = "<7>d\n<6>i\n<4>warning: w\n<3>error: e\n<2>fatal: f\n";
    cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s", text);
    cr_expect_str_eq(line_of(text + strlen(expected)), "i\n");
}

Test(log, words)
{
    static const char *const lines[] = {"an info\n", "warning: a b\n", "error: 5\n", "fatal: x\n"};
    log_open("lookupd", true, LOG_LEVEL_INFO);
    capture_begin();
    log_info("an %s", "info");
    log_warning("a %s", "b");
    log_error("%d", 5);
    log_debug("nobody sees this");
    log_fatal("x");
    const char *text = capture_end();
    for (size_t i = 0; i < 4; i++) {
        const char *line = line_of(text);
        cr_assert_eq(strncmp(line, lines[i], strlen(lines[i])), 0, "%s", line);
        text = line + strlen(lines[i]);
    }
    cr_assert_str_empty(text);
}

Test(log, debug_only_when_asked)
{
    log_open("lookupd", true, LOG_LEVEL_INFO);
    cr_assert_not(log_is_debug());
    log_open("lookupd", true, LOG_LEVEL_DEBUG);
    cr_assert(log_is_debug());
    capture_begin();
    log_debug("d");
    cr_assert_str_eq(line_of(capture_end()), "d\n");
}

Test(log, errno_is_kept_and_can_be_said)
{
    log_open("lookupd", true, LOG_LEVEL_INFO);
    capture_begin();
    errno = ENOENT;
    log_warning("%m");
    cr_assert_eq(errno, ENOENT);
    cr_assert_str_eq(line_of(capture_end()), "warning: No such file or directory\n");
}

Test(log, controls_cannot_begin_a_line)
{
    log_open("lookupd", true, LOG_LEVEL_INFO);
    capture_begin();
    log_info("%s", "a\nlookupd[1]: b\r\t\x1b[2J\x7f|\xc2\x9b|\xc3\xbc");
    cr_assert_str_eq(line_of(capture_end()), "a?lookupd[1]: b???[2J?|??|\xc3\xbc\n");
}

Test(log, long_line_is_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    log_open("lookupd", true, LOG_LEVEL_INFO);
    capture_begin();
    log_warning("%s", text);
    const char *line = line_of(capture_end());
    size_t len = strlen(line);
    cr_assert_geq(len, 900);
    cr_assert_leq(len, 1000);
    cr_assert_str_eq(line + len - 5, "x...\n");
}

Test(log, cut_leaves_whole_characters)
{
    char text[3000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        log_open("lookupd", true, LOG_LEVEL_INFO);
        capture_begin();
        log_info("%s", text);
        const char *line = line_of(capture_end());
        size_t len = strlen(line);
        cr_assert_eq(memcmp(line + len - 7, "\xe2\x82\xac...\n", 7), 0, "%s", line);
    }
}

static void expect_key(const char *key, size_t len, size_t size, const char *expected)
{
    char buffer[256];
    memset(buffer, '#', sizeof buffer);
    cr_assert_eq(log_key(key, len, buffer, size), buffer);
    cr_expect_str_eq(buffer, expected, "size %zu: %s", size, buffer);
    cr_expect_eq(buffer[size], '#', "size %zu: written beyond", size);
}

Test(log, key)
{
    expect_key("example.com", 11, 64, "example.com");
    expect_key("secret@example.com", 18, 64, "...@example.com");
    expect_key("a@b@example.com", 15, 64, "...@example.com");
    expect_key("@example.com", 12, 64, "@example.com");
    expect_key("", 0, 64, "");
    expect_key(NULL, 0, 64, "");
    expect_key("a b\n\\\0\xc3\xbc", 8, 64, "a\\032b\\010\\092\\000\\195\\188");
}

Test(log, key_is_cut_to_the_buffer)
{
    expect_key("example.com", 11, 12, "example.com");
    expect_key("example.com", 11, 11, "example...");
    expect_key("example.com", 11, 5, "e...");
    expect_key("example.com", 11, 4, "...");
    expect_key("example.com", 11, 1, "");
    expect_key("x@example.com", 13, 8, "...@...");
    expect_key("x@example.com", 13, 4, "...");
    expect_key("\n\n\n", 3, 8, "\\010...");
    for (size_t size = 1; size < 40; size++) {
        char buffer[64];
        memset(buffer, '#', sizeof buffer);
        log_key("local@ex\001mple.example.com", 25, buffer, size);
        cr_assert_eq(buffer[size], '#');
        cr_assert_lt(strlen(buffer), size);
        cr_assert_null(strstr(buffer, "local"));
    }
}
