/* The text of a configuration file before it is settings: reading it, and the scan that refuses
 * what libconfig 1.5 would misread. */
#include "common/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unistr.h>

char *settings_load(const char *file, struct settings_errors *errors)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        settings_error_in(errors, file, 0, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        settings_error_in(errors, file, 0, "is a folder, not a file");
        close(fd);
        return NULL;
    }
    char *text = malloc(SETTINGS_FILE_MAX + 2);
    size_t len = 0;
    ssize_t n = text ? 1 : -1;
    while (text != NULL && len <= SETTINGS_FILE_MAX) {
        n = read(fd, text + len, SETTINGS_FILE_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    int saved = text ? errno : ENOMEM;
    close(fd);
    if (n < 0)
        settings_error_in(errors, file, 0, "cannot be read: %s", strerror(saved));
    else if (len > SETTINGS_FILE_MAX)
        settings_error_in(errors, file, 0, "is longer than %zu octets", SETTINGS_FILE_MAX);
    else if (memchr(text, '\0', len) != NULL)
        settings_error_in(errors, file, 0, "has a NUL octet in it: this is no text");
    else {
        text[len] = '\0';
        char *fitting = realloc(text, len + 1);
        return fitting ? fitting : text;
    }
    free(text);
    return NULL;
}

struct scan {
    const char *p;
    unsigned line;
    const char *file;
    struct settings_errors *errors;
    bool unreadable; /* libconfig must not see this text */
};

static void scan_octet(struct scan *scan)
{
    if (*scan->p == '\n')
        scan->line++;
    scan->p++;
}

/* Skips a comment; false when none begins here. */
static bool scan_comment(struct scan *scan)
{
    const char *p = scan->p;
    if (*p == '#' || (p[0] == '/' && p[1] == '/')) {
        while (*scan->p != '\0' && *scan->p != '\n')
            scan->p++;
        return true;
    }
    if (p[0] != '/' || p[1] != '*')
        return false;
    scan->p += 2;
    while (*scan->p != '\0' && !(scan->p[0] == '*' && scan->p[1] == '/'))
        scan_octet(scan);
    if (*scan->p != '\0')
        scan->p += 2;
    return true;
}

static void scan_string(struct scan *scan)
{
    unsigned begin = scan->line;
    scan->p++;
    while (*scan->p != '\0' && *scan->p != '"') {
        if (*scan->p == '\\' && strncmp(scan->p, "\\x00", 4) == 0) {
            settings_error_in(scan->errors, scan->file, scan->line,
                              "\"\\x00\" in a text would end it there");
            scan->unreadable = true;
        }
        if (*scan->p == '\\' && scan->p[1] != '\0')
            scan_octet(scan);
        scan_octet(scan);
    }
    if (*scan->p == '"') {
        scan->p++;
        return;
    }
    settings_error_in(scan->errors, scan->file, begin, "the text that begins here has no end");
    scan->unreadable = true;
}

static bool is_name_octet(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

static void scan_number(struct scan *scan)
{
    const char *begin = scan->p;
    bool hex = begin[0] == '0' && (begin[1] == 'x' || begin[1] == 'X');
    char *end;
    errno = 0;
    long long value = strtoll(begin, &end, hex ? 16 : 10);
    bool fits = errno == 0;
    if (!hex && (*end == '.' || *end == 'e' || *end == 'E')) {
        (void)strtod(begin, &end);
        fits = true; /* its range is looked at where it is used */
    } else if (*end == 'L') {
        end += strspn(end, "L");
    } else {
        fits = fits && value >= INT_MIN && value <= INT_MAX;
    }
    if (!fits)
        settings_error_in(scan->errors, scan->file, scan->line, "the number %.*s is too large",
                          (int)(end - begin > 40 ? 40 : end - begin), begin);
    scan->p = end > begin ? end : begin + 1;
}

/*
 * libconfig 1.5 reads integers with atoi(): 4294967297 becomes 1, which must not pass for a valid
 * value. It opens what @include names, and its scanner ends the program when that is a folder: a
 * reload must not do that, and with one file every message names the right one.
 */
static bool scan_text(const char *text, const char *file, struct settings_errors *errors)
{
    struct scan scan = {.p = text, .line = 1, .file = file, .errors = errors};
    while (*scan.p != '\0') {
        char c = *scan.p;
        if (scan_comment(&scan))
            continue;
        if (c == '"') {
            scan_string(&scan);
        } else if (isalpha((unsigned char)c) || c == '*') {
            while (is_name_octet(*scan.p))
                scan.p++;
        } else if (isdigit((unsigned char)c) ||
                   ((c == '-' || c == '+') && isdigit((unsigned char)scan.p[1]))) {
            scan_number(&scan);
        } else if (c == '@') {
            settings_error_in(errors, file, scan.line,
                              "\"@include\" is not supported: write the settings here");
            scan.unreadable = true;
            scan.p++;
        } else {
            scan_octet(&scan);
        }
    }
    return !scan.unreadable;
}

/* The line of a position in a text. */
static unsigned line_at(const char *text, const char *position)
{
    unsigned line = 1;
    for (; text < position; text++)
        line += *text == '\n';
    return line;
}

static bool check_characters(const char *text, const char *file, struct settings_errors *errors)
{
    const uint8_t *bad = u8_check((const uint8_t *)text, strlen(text));
    if (bad != NULL) {
        settings_error_in(errors, file, line_at(text, (const char *)bad),
                          "a character that is not UTF-8");
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x20 || strchr("\t\n\r\f", *p) != NULL)
            continue;
        settings_error_in(errors, file, line_at(text, p), "a control character (0x%02x)",
                          (unsigned)*p);
        return false;
    }
    return true;
}

bool settings_parse(config_t *config, const char *text, const char *file,
                    struct settings_errors *errors)
{
    /* What editors of other systems write in front of UTF-8. */
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    if (strlen(text) > SETTINGS_FILE_MAX) {
        settings_error_in(errors, file, 0, "is longer than %zu octets", SETTINGS_FILE_MAX);
        return false;
    }
    if (!check_characters(text, file, errors) || !scan_text(text, file, errors))
        return false;
    if (config_read_string(config, text) != CONFIG_TRUE) {
        settings_error_in(errors, file, (unsigned)config_error_line(config), "%s",
                          config_error_text(config));
        return false;
    }
    /* The only place for it: settings that come from a text have no file of their own. */
    config_setting_set_hook(config_root_setting(config), (void *)(uintptr_t)file);
    return true;
}
