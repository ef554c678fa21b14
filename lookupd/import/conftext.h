/*
 * The tokens of named.conf as BIND prints it: words, quoted strings and { } ;. There are no
 * comments in such a text and no include, so those are refused: a file that a person wrote would be
 * read by halves here. The first fault ends the text; who asks on gets CONFTEXT_FAULT.
 */
#ifndef LOOKUPD_CONFTEXT_H
#define LOOKUPD_CONFTEXT_H

#include "import/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum conftext_token {
    CONFTEXT_WORD,
    CONFTEXT_STRING, /* quoted */
    CONFTEXT_OPEN,   /* { */
    CONFTEXT_CLOSE,  /* } */
    CONFTEXT_END,    /* ; */
    CONFTEXT_EOF,
    CONFTEXT_FAULT,
};

struct conftext {
    const char *at, *end;
    unsigned line;
    enum conftext_token token; /* the one under way */
    const char *word;          /* of CONFTEXT_WORD and _STRING: as it stands in the text, raw */
    size_t len;
    const char *fault; /* constant text; NULL: none */
};

/* Begins before the first token of a text that lives as long as it is read. */
void conftext_begin(struct conftext *text, const char *data, size_t len, unsigned line);
enum conftext_token conftext_next(struct conftext *text);
/* Ends the text with a fault, unless it has one. Always false. */
bool conftext_fail(struct conftext *text, const char *fault);

/* True when the token is this word, in any case. */
bool conftext_is(const struct conftext *text, const char *word);
/* The token's text, with \" as a quote (every other backslash stays: BIND's lex.c); NULL without
 * memory, or when it has a NUL or is neither word nor string. */
const char *conftext_copy(const struct conftext *text, struct arena *arena);

/*
 * The token is the first of a statement or anywhere before its ';': moves to that ';', past
 * balanced blocks. raw: blocks are any text with balanced braces (plugin, dyndb).
 */
bool conftext_skip(struct conftext *text, bool raw);
/* Moves to the '{' of a statement. False when it has none. */
bool conftext_to_block(struct conftext *text);

#endif
