/* Candidates: one walk over the key, one allocation, no recursion; everything is bounded by the
 * limits of names. */
#include "lookup/candidates.h"

#include "common/mailname.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* '@' of an address that Postfix puts before a domain, NUL. */
#define AT_AND_NUL ((size_t)2)

/* Octets into groups of an IPv6 address, each with its NUL: at most 8 groups, "::" twice a ':'. */
#define NETWORKS_MAX 10

/* The parts of an address, folded, and its extension. */
struct address {
    char local[MAILNAME_LOCAL_MAX + 1]; /* as in the key, quoted where it was quoted */
    size_t local_len;
    char user[2 * MAILNAME_LOCAL_MAX + 3]; /* without the extension; user_len 0: there is none */
    size_t user_len;
    char extension[MAILNAME_LOCAL_MAX + 1]; /* not quoted, in the client's case */
    size_t extension_len;
};

uint32_t candidates_hash(const char *text, size_t len)
{
    /* FNV-1a, then mixed so that the low bits, which a small table uses, depend on all. */
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619U;
    h ^= h >> 16;
    h *= 0x85ebca6bU;
    h ^= h >> 13;
    return h;
}

/* One trailing dot means nothing; of several the last one means a text that is no name. */
static size_t drop_dot(char *text, size_t len)
{
    if (len > 1 && text[len - 1] == '.' && text[len - 2] != '.')
        text[--len] = '\0';
    return len;
}

bool candidates_fold_row(enum keys_kind kind, const char *key, size_t len, char *out,
                         size_t out_size, size_t *out_len)
{
    size_t n;
    while (kind != KEYS_EXACT && len > 0 && key[len - 1] == ' ')
        len--;
    if (len == 0 || !mailname_fold(key, len, out, out_size, &n))
        return false;
    n = drop_dot(out, n);
    if (out_len != NULL)
        *out_len = n;
    return true;
}

/* Room for count candidates and octets of text; *text is where the text goes. */
static struct candidates *start(size_t count, size_t octets, char **text)
{
    struct candidates *c = malloc(sizeof *c + count * sizeof c->list[0] + octets);
    if (c == NULL)
        return NULL;
    *c = (struct candidates){.ascii = true};
    *text = (char *)&c->list[count];
    return c;
}

static void add(struct candidates *c, enum key_list list, const char *text, size_t len)
{
    for (size_t i = 0; c->ascii && i < len; i++)
        c->ascii = (unsigned char)text[i] < 0x80;
    c->list[c->count++] = (struct candidate){.text = text,
                                             .len = (uint16_t)len,
                                             .list = (uint8_t)list,
                                             .hash = candidates_hash(text, len)};
}

/* Copies a text and its NUL to *to and moves *to behind it. */
static char *put(char **to, const char *text, size_t len)
{
    char *copy = *to;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *to += len + 1;
    return copy;
}

/* A name and its parents in one list; all share the octets of the name. */
static void add_domains(struct candidates *c, enum key_list list, const char *domain, size_t len)
{
    const char *end = domain + len;
    for (const char *x = domain; x != NULL; x = strchr(x + 1, '.'))
        add(c, list, x, (size_t)(end - x));
}

static size_t count_labels(const char *domain)
{
    size_t n = 1;
    for (; *domain != '\0'; domain++)
        n += *domain == '.';
    return n;
}

static enum candidates_status not_a_name(void)
{
    return errno == ENOMEM ? CANDIDATES_NO_MEMORY : CANDIDATES_NOT_A_NAME;
}

static enum candidates_status join_domains(enum key_list list, const char *domain, size_t n,
                                           struct candidates **out)
{
    char *text;
    *out = start(count_labels(domain), n + 1, &text);
    if (*out == NULL)
        return CANDIDATES_NO_MEMORY;
    add_domains(*out, list, put(&text, domain, n), n);
    return CANDIDATES_OK;
}

static enum candidates_status make_domain(const char *key, size_t len, struct candidates **out)
{
    char domain[MAILNAME_DOMAIN_MAX + 1];
    size_t n;
    if (!mailname_domain(key, len, domain, &n))
        return not_a_name();
    return join_domains(LIST_DOMAINS, domain, n, out);
}

/*
 * Takes the quotes and backslashes off. False when the local part is not one quoted string: then
 * nothing is known about its inside.
 */
static bool unquote(const char *local, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;
    if (len < 2 || local[0] != '"' || local[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++) {
        if (local[i] == '"')
            return false;
        if (local[i] == '\\' && ++i == len - 1)
            return false;
        out[n++] = local[i];
    }
    *out_len = n;
    return true;
}

/* Where a local part must be quoted: Postfix's is_822_dot_string(), which is RFC 5321's. */
static bool needs_quotes(const char *user, size_t len)
{
    if (len == 0 || user[0] == '.' || user[len - 1] == '.')
        return true;
    for (size_t i = 0; i < len; i++)
        if (strchr("()<>@,;:\\\"[] ", user[i]) != NULL || (user[i] == '.' && user[i + 1] == '.'))
            return true;
    return false;
}

/* Writes a local part that was quoted in the shortest form that means the same. */
static size_t requote(const char *user, size_t len, char *out)
{
    if (!needs_quotes(user, len)) {
        memcpy(out, user, len);
        return len;
    }
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < len; i++) {
        if (user[i] == '"' || user[i] == '\\')
            out[n++] = '\\';
        out[n++] = user[i];
    }
    out[n++] = '"';
    return n;
}

static bool equals_any_case(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/*
 * Where the extension of an unquoted local part begins, 0 when there is none: Postfix's
 * split_addr() with its default settings. Delimiters that are not ASCII would cut a character.
 */
static size_t find_extension(const char *local, size_t len, const char *delimiter)
{
    if (equals_any_case(local, len, "postmaster") || equals_any_case(local, len, "mailer-daemon") ||
        equals_any_case(local, len, "double-bounce"))
        return 0;
    if (strchr(delimiter, '-') != NULL) {
        if (len >= 6 && strncasecmp(local, "owner-", 6) == 0)
            return 0;
        if (len > 8 && strncasecmp(local + len - 8, "-request", 8) == 0)
            return 0;
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)local[i] < 0x80 && strchr(delimiter, local[i]) != NULL)
            return i;
    return 0;
}

/*
 * Splits the local part of a key. The delimiter is looked for in the key as it came; folding goes
 * code point by code point, so the fold of what stands before it is the beginning of the fold of
 * the whole, whatever its length.
 */
static void split_extension(const char *local, size_t len, const char *delimiter, struct address *a)
{
    char plain[MAILNAME_LOCAL_MAX];
    size_t n = len;
    bool quoted = unquote(local, len, plain, &n);
    if (!quoted) {
        if (memchr(local, '"', len) != NULL)
            return;
        memcpy(plain, local, len);
    }
    size_t at = find_extension(plain, n, delimiter);
    if (at == 0)
        return;
    char user[MAILNAME_LOCAL_MAX + 1];
    size_t user_len;
    if (!mailname_fold(plain, at, user, sizeof user, &user_len))
        return;
    a->extension_len = n - at;
    memcpy(a->extension, plain + at, a->extension_len);
    if (quoted) {
        a->user_len = requote(user, user_len, a->user);
    } else {
        memcpy(a->user, user, user_len);
        a->user_len = user_len;
    }
}

/* Octets for "@d" and for "@.parent" of each parent, with their NULs. */
static size_t at_octets(const char *domain, size_t len)
{
    size_t sum = 0;
    for (const char *x = domain; x != NULL; x = strchr(x + 1, '.'))
        sum += AT_AND_NUL + len - (size_t)(x - domain);
    return sum;
}

/* user@domain, or user@ with an empty domain. */
static void add_address(struct candidates *c, enum key_list list, char **to, const char *user,
                        size_t user_len, const char *domain, size_t domain_len)
{
    char *text = *to;
    memcpy(text, user, user_len);
    text[user_len] = '@';
    memcpy(text + user_len + 1, domain, domain_len);
    size_t len = user_len + 1 + domain_len;
    text[len] = '\0';
    *to += len + 1;
    add(c, list, text, len);
}

static struct candidates *join_address(const struct address *a, const char *domain, size_t n)
{
    size_t labels = count_labels(domain);
    size_t octets = a->local_len + a->user_len + 2 * (n + AT_AND_NUL); /* user@d */
    octets += a->local_len + a->user_len + 2 * AT_AND_NUL;             /* user@ */
    octets += at_octets(domain, n) + a->extension_len + 1;
    char *text;
    struct candidates *c = start(2 * labels + 4, octets, &text);
    if (c == NULL)
        return NULL;
    if (a->user_len > 0) {
        c->extension = put(&text, a->extension, a->extension_len);
        c->extension_len = a->extension_len;
    }
    add_address(c, LIST_ADDRESSES, &text, a->local, a->local_len, domain, n);
    if (a->user_len > 0) {
        add_address(c, LIST_ADDRESSES, &text, a->user, a->user_len, domain, n);
        c->list[c->count - 1].without_extension = true;
    }
    for (const char *x = domain; x != NULL; x = strchr(x + 1, '.')) {
        size_t len = n - (size_t)(x - domain);
        const char *at = text;
        add_address(c, LIST_AT_DOMAINS, &text, "", 0, x, len);
        add(c, LIST_DOMAINS, at + 1, len);
        c->list[c->count - 2].without_extension = a->user_len > 0;
        c->list[c->count - 1].without_extension = a->user_len > 0;
    }
    add_address(c, LIST_LOCALS, &text, a->local, a->local_len, "", 0);
    if (a->user_len > 0) {
        add_address(c, LIST_LOCALS, &text, a->user, a->user_len, "", 0);
        c->list[c->count - 1].without_extension = true;
    }
    return c;
}

static enum candidates_status make_address(const char *key, size_t len, const char *delimiter,
                                           struct candidates **out)
{
    size_t count;
    size_t at = mailname_at(key, len, &count);
    if (count == 0)
        return make_domain(key, len, out);
    struct address a = {.user_len = 0};
    char domain[MAILNAME_DOMAIN_MAX + 1];
    size_t n;
    if (count > 1 || at == 0 || at > MAILNAME_LOCAL_MAX ||
        !mailname_fold(key, at, a.local, sizeof a.local, &a.local_len))
        return CANDIDATES_NOT_A_NAME;
    if (!mailname_domain(key + at + 1, len - at - 1, domain, &n))
        return not_a_name();
    split_extension(key, at, delimiter, &a);
    *out = join_address(&a, domain, n);
    return *out != NULL ? CANDIDATES_OK : CANDIDATES_NO_MEMORY;
}

/*
 * An address and its networks, cut as Postfix's check_addr_access() does: at the last separator,
 * again and again. 2001:db8::5 so becomes "2001:db8:" before 2001:db8.
 */
static enum candidates_status make_networks(const char *address, char separator,
                                            struct candidates **out)
{
    size_t len = strlen(address);
    char *text;
    *out = start(NETWORKS_MAX, NETWORKS_MAX * (len + 1), &text);
    if (*out == NULL)
        return CANDIDATES_NO_MEMORY;
    while (len > 0) {
        add(*out, LIST_CLIENTS, put(&text, address, len), len);
        const char *cut = memrchr(address, separator, len);
        len = cut != NULL ? (size_t)(cut - address) : 0;
    }
    return CANDIDATES_OK;
}

/* An IPv4 address has the letters of a name, so it is looked for in what the key is as a name:
 * "192.0.2.1." is an address too. */
static enum candidates_status make_client(const char *key, size_t len, struct candidates **out)
{
    char domain[MAILNAME_DOMAIN_MAX + 1];
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    size_t n;
    if (mailname_domain(key, len, domain, &n)) {
        if (inet_pton(AF_INET, domain, &binary) == 1)
            return make_networks(domain, '.', out);
        return join_domains(LIST_CLIENTS, domain, n, out);
    }
    if (not_a_name() == CANDIDATES_NO_MEMORY)
        return CANDIDATES_NO_MEMORY;
    if (mailname_fold(key, len, address, sizeof address, NULL) &&
        inet_pton(AF_INET6, address, &binary) == 1)
        return make_networks(address, ':', out);
    return CANDIDATES_NOT_A_NAME;
}

static enum candidates_status make_exact(const char *key, size_t len, struct candidates **out)
{
    char folded[CANDIDATE_LEN_MAX + 1];
    size_t n;
    char *text;
    if (!candidates_fold_row(KEYS_EXACT, key, len, folded, sizeof folded, &n))
        return CANDIDATES_NOT_A_NAME;
    *out = start(1, n + 1, &text);
    if (*out == NULL)
        return CANDIDATES_NO_MEMORY;
    add(*out, LIST_KEY, put(&text, folded, n), n);
    return CANDIDATES_OK;
}

enum candidates_status candidates_make(enum keys_kind kind, const char *key, size_t len,
                                       const char *delimiter, struct candidates **out)
{
    *out = NULL;
    switch (kind) {
    case KEYS_DOMAIN:
        return make_domain(key, len, out);
    case KEYS_ADDRESS:
        return make_address(key, len, delimiter, out);
    case KEYS_CLIENT:
        return make_client(key, len, out);
    case KEYS_EXACT:
        return make_exact(key, len, out);
    }
    return CANDIDATES_NOT_A_NAME;
}
