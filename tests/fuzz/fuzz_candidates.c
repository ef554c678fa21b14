/*
 * Candidates. The input's first line is a letter (d domain, a address, c client, x exact) and the
 * delimiters; the rest is the key.
 */
#include "check.h"
#include "common/mailname.h"
#include "lookup/candidates.h"

/* Room for any candidate and its fold. */
#define TEXT_MAX 8192

static enum keys_kind kind_of(char letter)
{
    switch (letter) {
    case 'd':
        return KEYS_DOMAIN;
    case 'a':
        return KEYS_ADDRESS;
    case 'c':
        return KEYS_CLIENT;
    default:
        return KEYS_EXACT;
    }
}

static void check_one(enum keys_kind kind, const struct candidates *c, const struct candidate *one)
{
    char folded[TEXT_MAX];
    size_t n;
    CHECK(one->len > 0 && one->text[one->len] == '\0' && strlen(one->text) == one->len);
    CHECK(one->list < LIST_COUNT && one->hash == candidates_hash(one->text, one->len));
    /* A row that is the candidate, octet for octet, is recognised. */
    CHECK(candidates_fold_row(kind, one->text, one->len, folded, sizeof folded, &n));
    CHECK(n == one->len && memcmp(folded, one->text, n) == 0);
    if (one->list == LIST_DOMAINS || one->list == LIST_AT_DOMAINS)
        CHECK(one->text[strspn(one->text, "@abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0');
    if (c->ascii)
        for (size_t i = 0; i < one->len; i++)
            CHECK((unsigned char)one->text[i] < 0x80);
    if (one->without_extension)
        CHECK(c->extension != NULL);
}

static void check_list(enum keys_kind kind, const struct candidates *c)
{
    static const unsigned allowed[] = {
        [KEYS_DOMAIN] = 1U << LIST_DOMAINS,
        [KEYS_ADDRESS] =
            1U << LIST_ADDRESSES | 1U << LIST_AT_DOMAINS | 1U << LIST_DOMAINS | 1U << LIST_LOCALS,
        [KEYS_CLIENT] = 1U << LIST_CLIENTS,
        [KEYS_EXACT] = 1U << LIST_KEY,
    };
    size_t last[LIST_COUNT];
    for (size_t i = 0; i < LIST_COUNT; i++)
        last[i] = TEXT_MAX;
    CHECK(c->count > 0 && c->count <= CANDIDATES_MAX);
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *one = &c->list[i];
        check_one(kind, c, one);
        CHECK((allowed[kind] >> one->list & 1) != 0);
        /* The more specific is the longer; so no two of a list are equal. */
        CHECK(one->len < last[one->list]);
        last[one->list] = one->len;
    }
}

/* Whatever stands for the same name has the same candidates. */
static void check_same(enum keys_kind kind, const struct candidates *c, const char *key, size_t len,
                       const char *delimiter)
{
    struct candidates *other;
    CHECK(candidates_make(kind, key, len, delimiter, &other) == CANDIDATES_OK);
    CHECK(other->count == c->count && other->ascii == c->ascii);
    for (size_t i = 0; i < c->count; i++) {
        CHECK(strcmp(other->list[i].text, c->list[i].text) == 0);
        CHECK(other->list[i].list == c->list[i].list);
        CHECK(other->list[i].without_extension == c->list[i].without_extension);
    }
    CHECK((other->extension == NULL) == (c->extension == NULL));
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size < 16 ? size : 16);
    if (newline == NULL || newline == data)
        return 0;
    char delimiter[16] = "";
    memcpy(delimiter, data + 1, (size_t)(newline - data) - 1);
    /* Letters as delimiters depend on case, and no name has them. */
    if (strpbrk(delimiter, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != NULL)
        return 0;
    enum keys_kind kind = kind_of((char)data[0]);
    size_t len = size - (size_t)(newline - data) - 1;
    char *key = exact_copy(newline + 1, len);
    struct candidates *c;
    enum candidates_status status = candidates_make(kind, key, len, delimiter, &c);
    CHECK(status != CANDIDATES_NO_MEMORY && (c != NULL) == (status == CANDIDATES_OK));
    if (c != NULL) {
        char folded[3 * TEXT_MAX];
        size_t n;
        check_list(kind, c);
        if (c->extension != NULL) {
            CHECK(c->extension_len > 0 && strlen(c->extension) == c->extension_len);
            CHECK(strchr(delimiter, c->extension[0]) != NULL);
        }
        CHECK(mailname_fold(key, len, folded, sizeof folded, &n));
        check_same(kind, c, folded, n, delimiter);
        check_same(kind, c, c->list[0].text, c->list[0].len, delimiter);
        free(c);
    } else {
        char row[TEXT_MAX];
        size_t n;
        (void)candidates_fold_row(KEYS_ADDRESS, key, len, row, sizeof row, &n);
    }
    free(key);
    return 0;
}
