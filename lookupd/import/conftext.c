/* The tokens of named.conf. */
#include "import/conftext.h"

#include <string.h>
#include <strings.h>

void conftext_begin(struct conftext *text, const char *data, size_t len, unsigned line)
{
    *text = (struct conftext){.at = data, .end = data + len, .line = line};
}

bool conftext_fail(struct conftext *text, const char *fault)
{
    if (text->fault == NULL)
        text->fault = fault;
    text->token = CONFTEXT_FAULT;
    text->at = text->end;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_mark(char c)
{
    return c == '{' || c == '}' || c == ';' || c == '"';
}

static enum conftext_token read_string(struct conftext *text)
{
    const char *p = text->word = text->at + 1;
    for (; p < text->end && *p != '"'; p++) {
        bool escape = *p == '\\' && p + 1 < text->end;
        if (*p == '\n') {
            conftext_fail(text, "a quoted string does not end on its line");
            return text->token;
        }
        p += escape;
        text->line += escape && *p == '\n';
    }
    if (p >= text->end) {
        conftext_fail(text, "the text ends within a quoted string");
        return text->token;
    }
    text->len = (size_t)(p - text->word);
    text->at = p + 1;
    return CONFTEXT_STRING;
}

static bool is_comment(const struct conftext *text)
{
    const char *p = text->at;
    return *p == '#' || (*p == '/' && p + 1 < text->end && (p[1] == '/' || p[1] == '*'));
}

static enum conftext_token read_word(struct conftext *text)
{
    const char *p = text->word = text->at;
    while (p < text->end && !is_blank(*p) && !is_mark(*p) && *p != '\0')
        p++;
    if (p == text->at || is_comment(text)) {
        conftext_fail(text, p == text->at ? "there is a NUL"
                                          : "a comment: this is not what named-checkconf prints");
        return text->token;
    }
    text->len = (size_t)(p - text->word);
    text->at = p;
    return CONFTEXT_WORD;
}

enum conftext_token conftext_next(struct conftext *text)
{
    if (text->token == CONFTEXT_FAULT)
        return CONFTEXT_FAULT;
    for (; text->at < text->end && is_blank(*text->at); text->at++)
        text->line += *text->at == '\n';
    text->len = 0;
    if (text->at == text->end)
        return text->token = CONFTEXT_EOF;
    switch (*text->at) {
    case '{':
        text->at++;
        return text->token = CONFTEXT_OPEN;
    case '}':
        text->at++;
        return text->token = CONFTEXT_CLOSE;
    case ';':
        text->at++;
        return text->token = CONFTEXT_END;
    case '"':
        return text->token = read_string(text);
    default:
        return text->token = read_word(text);
    }
}

bool conftext_is(const struct conftext *text, const char *word)
{
    return (text->token == CONFTEXT_WORD || text->token == CONFTEXT_STRING) &&
           text->len == strlen(word) && strncasecmp(text->word, word, text->len) == 0;
}

const char *conftext_copy(const struct conftext *text, struct arena *arena)
{
    if ((text->token != CONFTEXT_WORD && text->token != CONFTEXT_STRING) ||
        memchr(text->word, '\0', text->len) != NULL)
        return NULL;
    char *copy = (char *)arena_alloc(arena, text->len + 1), *to = copy;
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->word[i];
        bool pair = text->token == CONFTEXT_STRING && c == '\\' && i + 1 < text->len;
        if (pair && text->word[i + 1] != '"')
            *to++ = c; /* a backslash keeps itself and what follows it */
        if (pair)
            c = text->word[++i];
        *to++ = c;
    }
    *to = '\0';
    return copy;
}

/* From after a '{' to after its '}', minding nothing but braces. */
static bool skip_raw(struct conftext *text)
{
    size_t depth = 1;
    for (; text->at < text->end; text->at++) {
        text->line += *text->at == '\n';
        if (*text->at == '\\' && text->at + 1 < text->end)
            text->at++;
        else if (*text->at == '{')
            depth++;
        else if (*text->at == '}' && --depth == 0) {
            text->at++;
            text->token = CONFTEXT_CLOSE;
            return true;
        }
    }
    return conftext_fail(text, "the text ends within a block");
}

bool conftext_skip(struct conftext *text, bool raw)
{
    size_t depth = 0;
    for (;; conftext_next(text)) {
        switch (text->token) {
        case CONFTEXT_OPEN:
            if (!raw)
                depth++;
            else if (!skip_raw(text))
                return false;
            break;
        case CONFTEXT_CLOSE:
            if (depth == 0)
                return conftext_fail(text, "a '}' too many, or a ';' is missing");
            depth--;
            break;
        case CONFTEXT_END:
            if (depth == 0)
                return true;
            break;
        case CONFTEXT_EOF:
            return conftext_fail(text, "the text ends within a statement");
        case CONFTEXT_FAULT:
            return false;
        case CONFTEXT_WORD:
        case CONFTEXT_STRING:
            break;
        }
    }
}

bool conftext_to_block(struct conftext *text)
{
    while (text->token == CONFTEXT_WORD || text->token == CONFTEXT_STRING)
        conftext_next(text);
    if (text->token == CONFTEXT_OPEN)
        return true;
    return conftext_fail(text, text->token == CONFTEXT_EOF ? "the text ends within a statement"
                                                           : "a '{' is missing");
}
