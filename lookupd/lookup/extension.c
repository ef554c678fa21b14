/*
 * Extensions of addresses. Postfix takes a list apart with a complete RFC 822 parser
 * (mail_addr_crunch()); here only forms that cannot be misread get an extension, and everything
 * else passes as it is: without its extension mail still reaches the mailbox that was named.
 */
#include "lookup/extension.h"

#include "common/mailname.h"
#include "lookup/answer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * The result is cut somewhere beyond this: it cannot be sent, and thousands of one-letter names
 * with a long extension would only take memory.
 */
#define RESULT_MAX (ANSWER_VALUE_MAX + 1)

struct span {
    const char *text;
    size_t len;
};

/* A growing text. */
struct text {
    char *at;
    size_t len, size;
    bool failed;
};

/* One part of the list, up to a comma, and what was seen in it outside quotes. */
struct part {
    struct span whole;
    struct span angle; /* what stands in <>; text NULL without */
    bool odd;          /* comments, groups, stray specials */
};

static void text_add(struct text *t, const char *s, size_t len)
{
    if (t->failed || t->len >= RESULT_MAX)
        return;
    if (t->size - t->len <= len) {
        size_t size = 2 * t->size + len + 1;
        char *grown = realloc(t->at, size);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->at = grown;
        t->size = size;
    }
    memcpy(t->at + t->len, s, len);
    t->len += len;
    t->at[t->len] = '\0';
}

static void text_add_span(struct text *t, struct span s)
{
    text_add(t, s.text, s.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool has_any(struct span s, const char *set)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.text[i] == '\0' || strchr(set, s.text[i]) != NULL)
            return true;
    return false;
}

/* What a local part may hold only in quotes (Postfix's is_822_dot_string()), ends apart. */
static bool has_specials(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.text[i];
        if (c <= 0x20 || c == 0x7f || strchr("()<>@,;:\\\"[]", c) != NULL)
            return true;
        if (c == '.' && i + 1 < s.len && s.text[i + 1] == '.')
            return true;
    }
    return false;
}

/*
 * True for a dot-string that Postfix's rewriting leaves alone: user%host and host!user would become
 * other addresses, with the extension on the host.
 */
static bool is_plain(struct span local)
{
    return local.len > 0 && local.text[0] != '.' && local.text[local.len - 1] != '.' &&
           local.text[0] != '/' && !has_specials(local) && !has_any(local, "%!|");
}

/* True for exactly one quoted string that is not empty, with nothing beside it. */
static bool is_quoted(struct span local)
{
    if (local.len < 3 || local.text[0] != '"' || local.text[local.len - 1] != '"')
        return false;
    for (size_t i = 1; i < local.len - 1; i++)
        if (local.text[i] == '"' || (local.text[i] == '\\' && ++i == local.len - 1))
            return false;
    return !has_any((struct span){local.text + 1, local.len - 2}, "@%!|");
}

static void add_quoted(struct text *t, struct span inside, struct span extension)
{
    text_add(t, "\"", 1);
    text_add_span(t, inside);
    for (size_t i = 0; i < extension.len; i++) {
        if (extension.text[i] == '"' || extension.text[i] == '\\')
            text_add(t, "\\", 1);
        text_add(t, extension.text + i, 1);
    }
    text_add(t, "\"", 1);
}

/* Adds one address with the extension, or as it is when its form is not a safe one. */
static void add_address(struct text *t, struct span address, struct span extension)
{
    size_t count;
    size_t at = mailname_at(address.text, address.len, &count);
    struct span local = {address.text, at};
    struct span rest = {address.text + at, address.len - at};
    bool domain_ok = count == 0 || (count == 1 && rest.len > 1 && !has_any(rest, "\"%!|"));
    bool quotes_needed = has_specials(extension) || extension.text[extension.len - 1] == '.';
    if (!domain_ok || (!is_plain(local) && !is_quoted(local))) {
        text_add_span(t, address);
        return;
    }
    if (is_quoted(local)) {
        add_quoted(t, (struct span){local.text + 1, local.len - 2}, extension);
    } else if (quotes_needed) {
        add_quoted(t, local, extension);
    } else {
        text_add_span(t, local);
        text_add_span(t, extension);
    }
    text_add_span(t, rest);
}

/* The length of the quoted string, comment or domain literal at the beginning of s, 0 when it does
 * not end. Comments nest. */
static size_t skip_enclosed(struct span s)
{
    char open = s.text[0];
    char close = '"';
    if (open == '(' || open == '[')
        close = open == '(' ? ')' : ']';
    size_t depth = 1;
    for (size_t i = 1; i < s.len; i++) {
        if (s.text[i] == '\\')
            i++;
        else if (s.text[i] == close && --depth == 0)
            return i + 1;
        else if (s.text[i] == open && open == '(')
            depth++;
    }
    return 0;
}

/* Takes the part at the beginning of s, up to the next comma outside all quoting. */
static struct part next_part(struct span s)
{
    struct part part = {.angle = {NULL, 0}};
    bool open = false, closed = false;
    size_t i = 0;
    while (i < s.len && (open || s.text[i] != ',')) {
        char c = s.text[i];
        if (c == '"' || c == '[' || c == '(') {
            size_t n = skip_enclosed((struct span){s.text + i, s.len - i});
            part.odd = part.odd || c == '(' || n == 0 || closed;
            i = n == 0 ? s.len : i + n;
            continue;
        }
        if (c == '<' && !open && !closed) {
            open = true;
            part.angle.text = s.text + i + 1;
        } else if (c == '>' && open) {
            open = false;
            closed = true;
            part.angle.len = (size_t)(s.text + i - part.angle.text);
        } else if (strchr("<>)]\\;:", c) != NULL || (closed && !is_blank(c))) {
            part.odd = true;
        }
        i++;
    }
    part.odd = part.odd || open;
    part.whole = (struct span){s.text, i};
    return part;
}

/* The blanks (or the word, which may have blanks in quotes) at the beginning of s. */
static struct span next_run(struct span s, bool blanks)
{
    size_t i = 0;
    while (i < s.len && is_blank(s.text[i]) == blanks) {
        size_t n = s.text[i] == '"' || s.text[i] == '['
                       ? skip_enclosed((struct span){s.text + i, s.len - i})
                       : 1;
        i = n == 0 ? s.len : i + n;
    }
    return (struct span){s.text, i};
}

static struct span behind(struct span s, struct span taken)
{
    return (struct span){s.text + taken.len, s.len - taken.len};
}

/*
 * Whether words separated by blanks are addresses of their own. Postfix puts a missing comma
 * between two words, but "user @ d" is one address to it.
 */
static bool words_stand_alone(struct span s)
{
    size_t words = 0;
    bool joined = false;
    while (s.len > 0) {
        s = behind(s, next_run(s, true));
        struct span word = next_run(s, false);
        if (word.len > 0) {
            words++;
            joined = joined || strchr("@.%!|", word.text[0]) != NULL ||
                     strchr("@.%!|", word.text[word.len - 1]) != NULL;
        }
        s = behind(s, word);
    }
    return words < 2 || !joined;
}

static void add_words(struct text *t, struct span s, struct span extension)
{
    while (s.len > 0) {
        struct span blanks = next_run(s, true);
        text_add_span(t, blanks);
        s = behind(s, blanks);
        struct span word = next_run(s, false);
        if (word.len > 0)
            add_address(t, word, extension);
        s = behind(s, word);
    }
}

static void add_part(struct text *t, const struct part *part, struct span extension)
{
    struct span whole = part->whole;
    if (part->angle.text != NULL) {
        const char *end = part->angle.text + part->angle.len;
        text_add(t, whole.text, (size_t)(part->angle.text - whole.text));
        if (part->angle.len > 0)
            add_address(t, part->angle, extension);
        text_add(t, end, (size_t)(whole.text + whole.len - end));
    } else if (words_stand_alone(whole)) {
        add_words(t, whole, extension);
    } else {
        text_add_span(t, whole);
    }
}

/* Takes the comma (or nothing, at the end) that follows a part. */
static struct span next_comma(struct span s)
{
    return (struct span){s.text, s.len > 0};
}

/* Postfix reads a list from its end, and a stray '>' or ';' there changes what stands before it. So
 * one odd part makes the whole list one that cannot be extended. */
static bool is_odd(struct span list)
{
    while (list.len > 0) {
        struct part part = next_part(list);
        if (part.odd)
            return true;
        list = behind(list, part.whole);
        list = behind(list, next_comma(list));
    }
    return false;
}

char *extension_add(const char *addresses, size_t len, const char *extension, size_t extension_len,
                    size_t *out_len)
{
    struct text t = {.size = len + extension_len + 1};
    struct span rest = {addresses, len};
    struct span ext = {extension, extension_len};
    t.at = malloc(t.size);
    if (t.at == NULL)
        return NULL;
    t.at[0] = '\0';
    /* Of such extensions Postfix's resolver makes other addresses, in quotes too. */
    if (extension_len == 0 || has_any(ext, "@%!|") || is_odd(rest))
        text_add_span(&t, rest);
    else
        while (rest.len > 0) {
            struct part part = next_part(rest);
            add_part(&t, &part, ext);
            rest = behind(rest, part.whole);
            text_add_span(&t, next_comma(rest));
            rest = behind(rest, next_comma(rest));
        }
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    *out_len = t.len;
    return t.at;
}
