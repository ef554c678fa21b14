#include "lookup/query.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A place after a piece of plain text; the last piece has none. */
struct piece {
    const char *text;
    size_t len;
    int list; /* enum key_list, or -1 at the end */
};

struct query {
    char *sql;
    size_t count; /* of pieces; places are one less */
    struct piece pieces[];
};

static const char *const list_names[LIST_COUNT] = {
    [LIST_ADDRESSES] = "addresses", [LIST_AT_DOMAINS] = "at_domains", [LIST_DOMAINS] = "domains",
    [LIST_LOCALS] = "locals",       [LIST_CLIENTS] = "clients",       [LIST_KEY] = "key",
};

static bool kind_has_list(enum keys_kind keys, int list)
{
    switch (keys) {
    case KEYS_DOMAIN:
        return list == LIST_DOMAINS;
    case KEYS_ADDRESS:
        return list == LIST_ADDRESSES || list == LIST_AT_DOMAINS || list == LIST_DOMAINS ||
               list == LIST_LOCALS;
    case KEYS_CLIENT:
        return list == LIST_CLIENTS;
    case KEYS_EXACT:
        return list == LIST_KEY;
    }
    return false;
}

/* The end of a quoted text, an identifier or a comment that begins at p, or NULL when none does. */
static const char *skip_quoted(const char *p)
{
    if (*p == '\'' || *p == '"' || *p == '`') {
        char quote = *p++;
        while (*p && *p != quote) {
            if (*p == '\\' && quote != '`' && p[1])
                p++;
            p++;
        }
        return *p ? p + 1 : p;
    }
    if (p[0] == '/' && p[1] == '*') {
        const char *end = strstr(p + 2, "*/");
        return end ? end + 2 : p + strlen(p);
    }
    if (*p == '#' || (p[0] == '-' && p[1] == '-' && (p[2] == '\0' || isspace((unsigned char)p[2]))))
        return p + strcspn(p, "\n");
    return NULL;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Also what no list's name has: a name of SQL that ends like a keyword is none. */
static bool is_sql_word(char c)
{
    return is_word(c) || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_keyword(const char *word, size_t len, const char *keyword)
{
    return len == strlen(keyword) && strncasecmp(word, keyword, len) == 0;
}

/*
 * What stands around a place. The keys of many lookups come there, with commas between them: right
 * in IN (...), but elsewhere only for a single one ("k = :key"), or not even an error for several
 * ("k LIKE CONCAT('%', :key)"), and then they are not found. So is a key whose row a LIMIT cuts.
 */
struct around {
    char before;   /* the last character that means something; any letter: a word or a text */
    bool after_in; /* and that was the word IN */
    bool outside;  /* and a parenthesis here would be that of a part of a UNION, or of all */
    bool after_list;
    /* A bit for each open parenthesis, the innermost lowest: it is that of an IN; it is neither of
     * a part of a UNION nor of all. */
    uint64_t lists, inner;
};

static bool is_set_word(const char *word, size_t len)
{
    return is_keyword(word, len, "UNION") || is_keyword(word, len, "ALL") ||
           is_keyword(word, len, "EXCEPT") || is_keyword(word, len, "INTERSECT");
}

/* Takes what is no list and no comment. NULL, or what is wrong. */
static const char *take_token(struct around *around, const char *token, size_t len)
{
    char c = *token;
    bool list = around->after_list;
    bool is_name = around->before == '.' || around->before == '@';
    if (c == '(') {
        around->lists = around->lists << 1 | around->after_in;
        around->inner = around->inner << 1 | !around->outside;
    } else if (c == ')') {
        around->lists >>= 1;
        around->inner >>= 1;
    }
    around->after_in = !is_name && is_keyword(token, len, "IN");
    around->outside = around->inner == 0 && !is_name && (c == '(' || is_set_word(token, len));
    around->after_list = false;
    around->before = c;
    if (is_sql_word(c))
        around->before = 'a';
    if (list && c != ',' && c != ')')
        return "a list of keys stands alone between \"(\" or \",\" and \",\" or \")\"";
    if (around->inner == 0 && !is_name &&
        (is_keyword(token, len, "LIMIT") || is_keyword(token, len, "FETCH")))
        return "one query is for the keys of many lookups, and LIMIT would cut some of them off";
    return NULL;
}

static bool is_in_list(const struct around *around)
{
    return (around->before == '(' || around->before == ',') && (around->lists & 1) != 0;
}

/* The length of a word, a quoted text or a single character. */
static size_t token_length(const char *p)
{
    const char *after = skip_quoted(p);
    if (after)
        return (size_t)(after - p);
    size_t len = 0;
    while (is_sql_word(p[len]))
        len++;
    return len > 0 ? len : 1;
}

static bool is_comment(const char *p)
{
    return skip_quoted(p) && *p != '\'' && *p != '"' && *p != '`';
}

static int list_by_name(const char *name, size_t len)
{
    for (int i = 0; i < LIST_COUNT; i++)
        if (strlen(list_names[i]) == len && memcmp(list_names[i], name, len) == 0)
            return i;
    return -1;
}

struct query *query_parse(const char *sql, enum keys_kind keys, char *error, size_t error_size)
{
    size_t most = 1;
    for (const char *p = sql; *p; p++)
        most += *p == ':';
    struct query *query = calloc(1, sizeof *query + most * sizeof query->pieces[0]);
    if (query == NULL || (query->sql = strdup(sql)) == NULL) {
        free(query);
        snprintf(error, error_size, "no memory");
        return NULL;
    }

    const char *begin = query->sql;
    const char *p = begin;
    struct around around = {.outside = true};
    while (*p) {
        if (isspace((unsigned char)*p) || is_comment(p)) {
            p += token_length(p);
            continue;
        }
        if (*p == '?') {
            snprintf(error, error_size,
                     "a \"?\" in a query: name a list of keys instead, such as :%s",
                     keys == KEYS_ADDRESS ? "addresses" : "domains");
            goto fail;
        }
        if (*p != ':' || !(isalpha((unsigned char)p[1]) || p[1] == '_')) {
            size_t token = token_length(p);
            const char *fault = take_token(&around, p, token);
            if (fault) {
                snprintf(error, error_size, "%s", fault);
                goto fail;
            }
            p += token;
            continue;
        }
        const char *name = p + 1;
        size_t len = 0;
        while (is_word(name[len]))
            len++;
        int list = list_by_name(name, len);
        if (list < 0 || !kind_has_list(keys, list)) {
            snprintf(error, error_size,
                     list < 0 ? "unknown list \":%.*s\""
                              : "keys of this kind have no list \":%.*s\"",
                     (int)(len > 40 ? 40 : len), name);
            goto fail;
        }
        if (!is_in_list(&around)) {
            snprintf(error, error_size,
                     "\":%s\" becomes the keys of many lookups: it must stand in IN (...)",
                     list_names[list]);
            goto fail;
        }
        query->pieces[query->count++] =
            (struct piece){.text = begin, .len = (size_t)(p - begin), .list = list};
        begin = p = name + len;
        around.after_list = true;
        around.before = 'a';
    }
    if (query->count == 0) {
        snprintf(error, error_size, "the query names no list of keys, such as :%s",
                 keys == KEYS_CLIENT  ? "clients"
                 : keys == KEYS_EXACT ? "key"
                                      : "domains");
        goto fail;
    }
    query->pieces[query->count++] =
        (struct piece){.text = begin, .len = (size_t)(p - begin), .list = -1};
    return query;

fail:
    query_free(query);
    return NULL;
}

void query_free(struct query *query)
{
    if (query == NULL)
        return;
    free(query->sql);
    free(query);
}

size_t query_place_count(const struct query *query)
{
    return query->count - 1;
}

enum key_list query_place(const struct query *query, size_t place)
{
    return (enum key_list)query->pieces[place].list;
}

bool query_names(const struct query *query, enum key_list list)
{
    for (size_t i = 0; i < query->count; i++)
        if (query->pieces[i].list == (int)list)
            return true;
    return false;
}

char *query_expand(const struct query *query, const size_t capacity[LIST_COUNT], size_t *parameters)
{
    size_t size = 1;
    *parameters = 0;
    for (size_t i = 0; i < query->count; i++) {
        size += query->pieces[i].len;
        if (query->pieces[i].list >= 0) {
            *parameters += capacity[query->pieces[i].list];
            size += 2 * capacity[query->pieces[i].list];
        }
    }
    char *sql = malloc(size);
    if (sql == NULL)
        return NULL;
    char *out = sql;
    for (size_t i = 0; i < query->count; i++) {
        const struct piece *piece = &query->pieces[i];
        out = mempcpy(out, piece->text, piece->len);
        for (size_t n = piece->list >= 0 ? capacity[piece->list] : 0; n > 0; n--) {
            *out++ = '?';
            if (n > 1)
                *out++ = ',';
        }
    }
    *out = '\0';
    return sql;
}
