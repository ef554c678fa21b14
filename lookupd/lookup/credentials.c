#include "lookup/credentials.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names and a password: what is longer is another file. */
#define OPTION_FILE_MAX 65536

enum option_kind {
    OPTION_TEXT,
    OPTION_BOOL,
    OPTION_IGNORED,  /* harmless: the server sets it for every session */
    OPTION_ELSEWHERE /* refused: is a setting of lookupd.conf, and would be overlooked here */
};

struct option {
    const char *name; /* with '-' */
    enum option_kind kind;
    size_t offset;
    const char *advice;
};

#define AT(member) .offset = offsetof(struct credentials, member)

/*
 * All that these groups may say. An unknown option is refused, not skipped: a mistyped "ssl-ca"
 * would mean a connection that is not checked.
 */
static const struct option options[] = {
    {"user", OPTION_TEXT, AT(user), NULL},
    {"password", OPTION_TEXT, AT(password), NULL},
    {"ssl-ca", OPTION_TEXT, AT(ssl_ca), NULL},
    {"ssl-capath", OPTION_TEXT, AT(ssl_capath), NULL},
    {"ssl-cert", OPTION_TEXT, AT(ssl_cert), NULL},
    {"ssl-key", OPTION_TEXT, AT(ssl_key), NULL},
    {"ssl-cipher", OPTION_TEXT, AT(ssl_cipher), NULL},
    {"ssl-crl", OPTION_TEXT, AT(ssl_crl), NULL},
    {"tls-version", OPTION_TEXT, AT(tls_version), NULL},
    {"ssl-verify-server-cert", OPTION_BOOL, AT(ssl_verify_server_cert), NULL},
    {"ssl", OPTION_BOOL, AT(ssl), NULL},
    {"default-character-set", OPTION_IGNORED, 0, NULL},
    {"host", OPTION_ELSEWHERE, 0, "database.hosts"},
    {"port", OPTION_ELSEWHERE, 0, "database.hosts"},
    {"socket", OPTION_ELSEWHERE, 0, "database.hosts"},
    {"protocol", OPTION_ELSEWHERE, 0, "database.hosts"},
    {"database", OPTION_ELSEWHERE, 0, "database.name"},
    {"connect-timeout", OPTION_ELSEWHERE, 0, "database.timeout"},
};

/* Those that a client program of MariaDB reads, and ours; where two say something, the later one.
 */
static const char *const groups[] = {"client", "client-server", "client-mariadb", "lookupd", NULL};

struct reader {
    const char *file;
    unsigned line;
    struct settings_errors *errors;
    struct credentials *credentials;
    unsigned ssl_off_line; /* where "ssl = 0" stands; 0: nowhere */
    bool in_group;         /* the lines are for us */
    bool seen_group;       /* of any name */
};

static bool may_own(uid_t owner, const char *user)
{
    if (owner == 0 || owner == getuid() || owner == geteuid())
        return true;
    const struct passwd *account = user ? getpwnam(user) : NULL;
    return account != NULL && account->pw_uid == owner;
}

/* Reads what is safe to read into text; false after an error. */
static bool load(const char *file, const char *user, char *text, size_t size,
                 struct settings_errors *errors)
{
    /* O_NONBLOCK: a named pipe must not hold the start up. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        settings_error_in(errors, file, 0, "cannot be opened: %s", strerror(errno));
        return false;
    }
    /* The same descriptor is judged and read: the name may mean another file a moment later. */
    struct stat st;
    size_t len = 0;
    const char *fault = NULL;
    if (fstat(fd, &st) != 0)
        fault = "cannot be examined";
    else if (!S_ISREG(st.st_mode))
        fault = "is not a regular file";
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        fault = "holds a password, and others than its owner may use it: chmod 0600";
    else if (!may_own(st.st_uid, user))
        fault = user ? "must belong to root or to the user of the server"
                     : "must belong to root or to the user who reads it";
    while (fault == NULL) {
        ssize_t n = read(fd, text + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fault = "cannot be read";
        if (n <= 0)
            break;
        len += (size_t)n;
        if (len == size)
            fault = "is too long for an option file";
    }
    close(fd);
    if (fault == NULL && memchr(text, '\0', len) != NULL)
        fault = "has a NUL octet in it: this is no text";
    if (fault != NULL) {
        settings_error_in(errors, file, 0, "%s", fault);
        return false;
    }
    text[len] = '\0';
    return true;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* Cuts off a comment that ends a line: '#' outside quotes, as MariaDB's own programs see it. */
static void cut_comment(char *line)
{
    char quote = '\0';
    bool escaped = false;
    for (char *p = line; *p != '\0'; p++) {
        if ((*p == '"' || *p == '\'') && !escaped) {
            if (quote == '\0')
                quote = *p;
            else if (*p == quote)
                quote = '\0';
        }
        if (*p == '#' && quote == '\0') {
            *p = '\0';
            return;
        }
        escaped = quote != '\0' && *p == '\\' && !escaped;
    }
}

/* What MariaDB makes of the octet after a backslash; 0 where the backslash stays. */
static char unescaped(char octet)
{
    switch (octet) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 's':
        return ' ';
    case '"':
    case '\'':
    case '\\':
        return octet;
    default:
        return '\0';
    }
}

/* Takes quotes and escapes out of a value, in place. */
static char *unquote(char *value)
{
    size_t len = strlen(value);
    if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
        value[len - 1] = '\0';
        value++;
    }
    char *to = value;
    for (const char *from = value; *from != '\0'; from++) {
        char octet = *from;
        if (octet == '\\' && unescaped(from[1]) != '\0')
            octet = unescaped(*++from);
        *to++ = octet;
    }
    *to = '\0';
    return value;
}

static const struct option *find_option(char *name)
{
    for (char *p = name; *p != '\0'; p++)
        if (*p == '_')
            *p = '-';
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static void report(const struct reader *reader, const char *what, const char *text)
{
    settings_error_in(reader->errors, reader->file, reader->line, "%s: %s", what, text);
}

static bool word_is(const char *value, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(value, *words) == 0)
            return true;
    return false;
}

static void set_bool(const struct reader *reader, const struct option *option, const char *value)
{
    static const char *const yes[] = {"1", "on", "true", "yes", NULL};
    static const char *const no[] = {"0", "off", "false", "no", NULL};
    bool *place = (bool *)((char *)reader->credentials + option->offset);
    if (value == NULL || word_is(value, yes))
        *place = true;
    else if (word_is(value, no))
        *place = false;
    else
        report(reader, option->name, "must be 1 or 0");
}

static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void set_text(const struct reader *reader, const struct option *option, const char *value)
{
    char **place = (char **)((char *)reader->credentials + option->offset);
    if (value == NULL) {
        report(reader, option->name, "needs \"=\" and a value");
        return;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        report(reader, option->name, "no memory");
        return;
    }
    wipe(*place);
    *place = copy;
    /* As in MariaDB, nothing after "=" is the way to unset a value of an earlier group. */
    if (copy[0] == '\0') {
        free(copy);
        *place = NULL;
    }
}

static void read_option(struct reader *reader, char *line)
{
    char *value = strchr(line, '=');
    if (value != NULL) {
        *value = '\0';
        value = unquote(trim(value + 1));
    }
    char *name = trim(line);
    const struct option *option = find_option(name);
    if (option == NULL) {
        /* Never the whole line: it may be the rest of a password. */
        settings_error_in(reader->errors, reader->file, reader->line,
                          "unknown option \"%.40s\"; the known ones are in lookupd.conf(5)",
                          value != NULL ? name : "(without \"=\")");
        return;
    }
    switch (option->kind) {
    case OPTION_TEXT:
        set_text(reader, option, value);
        return;
    case OPTION_BOOL:
        set_bool(reader, option, value);
        if (strcmp(option->name, "ssl") == 0)
            reader->ssl_off_line = reader->credentials->ssl ? 0 : reader->line;
        return;
    case OPTION_ELSEWHERE:
        settings_error_in(reader->errors, reader->file, reader->line,
                          "%s: is not read here; it is the setting %s of lookupd.conf",
                          option->name, option->advice);
        return;
    case OPTION_IGNORED:
        return;
    }
}

static void read_line(struct reader *reader, char *line)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        return;
    if (line[0] == '!') {
        report(reader, "!include", "this file is read alone, without others");
        return;
    }
    cut_comment(line);
    line = trim(line);
    if (line[0] == '[') {
        char *end = strchr(line, ']');
        if (end == NULL || *trim(end + 1) != '\0') {
            report(reader, "group", "must look like [client]");
            return;
        }
        *end = '\0';
        reader->in_group = word_is(trim(line + 1), groups);
        reader->seen_group = true;
        return;
    }
    if (!reader->seen_group)
        report(reader, "option", "stands before the first group, such as [client]");
    else if (reader->in_group)
        read_option(reader, line);
}

/* Every option about TLS asks for it. Both, TLS and none, cannot be meant. */
static void finish_tls(const struct reader *reader)
{
    struct credentials *cred = reader->credentials;
    bool asked = cred->ssl_ca || cred->ssl_capath || cred->ssl_cert || cred->ssl_key ||
                 cred->ssl_cipher || cred->ssl_crl || cred->tls_version ||
                 cred->ssl_verify_server_cert;
    if (asked && reader->ssl_off_line > 0)
        settings_error_in(reader->errors, reader->file, reader->ssl_off_line,
                          "ssl: is off, and other options ask for TLS");
    cred->ssl = cred->ssl || asked;
}

static void read_text(struct reader *reader, char *text)
{
    while (text != NULL) {
        char *line = strsep(&text, "\n");
        reader->line++;
        read_line(reader, line);
    }
    finish_tls(reader);
}

struct credentials *credentials_read(const char *file, struct settings_errors *errors)
{
    return credentials_read_for(NULL, file, errors);
}

struct credentials *credentials_read_for(const char *user, const char *file,
                                         struct settings_errors *errors)
{
    size_t before = errors->count;
    struct credentials *credentials = calloc(1, sizeof *credentials);
    char *text = malloc(OPTION_FILE_MAX + 1);
    if (credentials == NULL || text == NULL) {
        settings_error_in(errors, file != NULL ? file : "option_file", 0, "no memory");
    } else if (file != NULL) {
        struct reader reader = {.file = file, .errors = errors, .credentials = credentials};
        if (load(file, user, text, OPTION_FILE_MAX, errors))
            read_text(&reader, text);
    }
    if (text != NULL)
        explicit_bzero(text, OPTION_FILE_MAX + 1);
    free(text);
    if (credentials != NULL)
        credentials->references = 1;
    if (errors->count == before)
        return credentials;
    credentials_free(credentials);
    return NULL;
}

void credentials_hold(struct credentials *credentials)
{
    credentials->references++;
}

char **credentials_text(struct credentials *credentials, size_t number)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].kind == OPTION_TEXT && number-- == 0)
            return (char **)((char *)credentials + options[i].offset);
    return NULL;
}

bool credentials_equal(struct credentials *a, struct credentials *b)
{
    char **text;
    for (size_t i = 0; (text = credentials_text(a, i)) != NULL; i++) {
        const char *one = *text;
        const char *other = *credentials_text(b, i);
        if ((one == NULL) != (other == NULL) || (one && strcmp(one, other) != 0))
            return false;
    }
    return a->ssl == b->ssl && a->ssl_verify_server_cert == b->ssl_verify_server_cert;
}

void credentials_free(struct credentials *credentials)
{
    if (credentials == NULL || --credentials->references > 0)
        return;
    char **text;
    for (size_t i = 0; (text = credentials_text(credentials, i)) != NULL; i++)
        wipe(*text);
    free(credentials);
}
