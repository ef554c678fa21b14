/* Domain names as labels of octets. */
#include "import/wirename.h"

#include <string.h>

_Static_assert(WIRENAME_MAX <= UINT8_MAX, "a place in a name fits into an octet");

/* Written out, because ctype.h depends on the locale. */
static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

size_t wirename_check(const uint8_t *data, size_t size)
{
    size_t limit = size < WIRENAME_MAX ? size : WIRENAME_MAX;
    for (size_t at = 0; at < limit; at += 1U + data[at]) {
        if (data[at] == 0)
            return at + 1;
        if (data[at] > WIRENAME_LABEL_MAX)
            return 0;
    }
    return 0;
}

size_t wirename_size(const uint8_t *name)
{
    size_t at = 0;
    while (name[at] != 0)
        at += 1U + name[at];
    return at + 1;
}

size_t wirename_labels(const uint8_t *name)
{
    size_t count = 0;
    for (; name[0] != 0; name += 1U + name[0])
        count++;
    return count;
}

void wirename_lower(uint8_t *name)
{
    /* Lengths are at most 63, below 'A': no need to tell them from letters. */
    size_t size = wirename_size(name);
    for (size_t i = 0; i < size; i++)
        name[i] = lower(name[i]);
}

bool wirename_equal(const uint8_t *a, const uint8_t *b)
{
    size_t size = wirename_size(a);
    return size == wirename_size(b) && memcmp(a, b, size) == 0;
}

/* Writes where each label begins, and returns how many there are. */
static size_t find_labels(const uint8_t *name, uint8_t *starts)
{
    size_t count = 0;
    for (size_t at = 0; name[at] != 0; at += 1U + name[at])
        starts[count++] = (uint8_t)at;
    return count;
}

int wirename_compare(const uint8_t *a, const uint8_t *b)
{
    uint8_t a_starts[WIRENAME_LABELS_MAX], b_starts[WIRENAME_LABELS_MAX];
    size_t a_left = find_labels(a, a_starts);
    size_t b_left = find_labels(b, b_starts);
    while (a_left > 0 && b_left > 0) {
        const uint8_t *x = a + a_starts[--a_left];
        const uint8_t *y = b + b_starts[--b_left];
        size_t common = x[0] < y[0] ? x[0] : y[0];
        int order = memcmp(x + 1, y + 1, common);
        if (order == 0)
            order = (int)x[0] - (int)y[0];
        if (order != 0)
            return order;
    }
    return (a_left > 0) - (b_left > 0);
}

bool wirename_within(const uint8_t *name, const uint8_t *ancestor)
{
    size_t size = wirename_size(name), tail = wirename_size(ancestor);
    while (size > tail) {
        size -= 1U + name[0];
        name += 1U + name[0];
    }
    return size == tail && memcmp(name, ancestor, tail) == 0;
}

bool wirename_below(const uint8_t *name, const uint8_t *ancestor)
{
    return name[0] != 0 && wirename_within(name + 1 + name[0], ancestor);
}

const uint8_t *wirename_parent(const uint8_t *name)
{
    return name[0] != 0 ? name + 1 + name[0] : NULL;
}

bool wirename_is_wildcard(const uint8_t *name)
{
    return name[0] == 1 && name[1] == '*';
}

/* FNV-1a begun with the seed, and mixed at the end as in MurmurHash3: close names differ
 * everywhere.
 */
uint64_t wirename_hash(const uint8_t *name, uint64_t seed)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);
    size_t size = wirename_size(name);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ name[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

/* Reads the octet at text[*at], which may be escaped. False when the escape is none. */
static bool read_octet(const char *text, size_t len, size_t *at, uint8_t *octet, bool *escaped)
{
    uint8_t c = (uint8_t)text[(*at)++];
    *escaped = c == '\\';
    *octet = c;
    if (!*escaped)
        return true;
    if (*at == len)
        return false;
    c = (uint8_t)text[(*at)++];
    *octet = c;
    if (!is_digit(c))
        return true;
    if (len - *at < 2 || !is_digit((uint8_t)text[*at]) || !is_digit((uint8_t)text[*at + 1]))
        return false;
    unsigned value =
        (c - '0') * 100U + (unsigned)(text[*at] - '0') * 10U + (unsigned)(text[*at + 1] - '0');
    *at += 2;
    *octet = (uint8_t)value;
    return value <= UINT8_MAX;
}

bool wirename_parse(const char *text, size_t len, uint8_t *out)
{
    size_t label = 0; /* where the length of the label under way stands */
    size_t used = 1;
    if (len == 0)
        return false;
    out[0] = 0;
    if (len == 1 && text[0] == '.')
        return true;
    for (size_t at = 0; at < len;) {
        uint8_t octet;
        bool escaped;
        size_t length = used - label - 1;
        if (!read_octet(text, len, &at, &octet, &escaped) || used == WIRENAME_MAX)
            return false;
        if (octet == '.' && !escaped) {
            if (length == 0)
                return false;
            out[label] = (uint8_t)length;
            label = used;
            out[used++] = 0;
        } else if (length == WIRENAME_LABEL_MAX) {
            return false;
        } else {
            out[used++] = lower(octet);
        }
    }
    size_t length = used - label - 1;
    if (length == 0) /* there was a final dot */
        return true;
    if (used == WIRENAME_MAX)
        return false;
    out[label] = (uint8_t)length;
    out[used] = 0;
    return true;
}

const char *wirename_print(const uint8_t *name, char *out)
{
    char *to = out;
    if (name[0] == 0)
        *to++ = '.';
    for (; name[0] != 0; name += 1U + name[0]) {
        if (to != out)
            *to++ = '.';
        for (size_t i = 1; i <= name[0]; i++) {
            uint8_t c = name[i];
            if (c < 0x21 || c > 0x7e) {
                *to++ = '\\';
                *to++ = (char)('0' + c / 100);
                *to++ = (char)('0' + c / 10 % 10);
                *to++ = (char)('0' + c % 10);
                continue;
            }
            if (strchr(".\"\\;@()$", c) != NULL)
                *to++ = '\\';
            *to++ = (char)c;
        }
    }
    *to = '\0';
    return out;
}

/* Judges one label; sets *digits when it has nothing else. */
static enum wirename_fault judge_label(const uint8_t *label, bool *digits, bool *underscore)
{
    *digits = true;
    for (size_t i = 1; i <= label[0]; i++) {
        uint8_t c = lower(label[i]);
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && !is_digit(c) && c != '-' && c != '_')
            return WIRENAME_OCTET;
        *digits = *digits && is_digit(c);
        *underscore = *underscore || c == '_';
    }
    return label[1] == '-' || label[label[0]] == '-' ? WIRENAME_HYPHEN : WIRENAME_GOOD;
}

static bool is_localhost(const uint8_t *name)
{
    static const uint8_t localhost[] = "\011localhost";
    return wirename_within(name, localhost);
}

static enum wirename_fault judge(const uint8_t *name, bool allow_underscore, char *out)
{
    bool digits = false, underscore = false;
    size_t used = 0, labels = 0;
    char text[WIRENAME_MAX];
    for (; name[0] != 0; name += 1U + name[0], labels++) {
        enum wirename_fault fault = judge_label(name, &digits, &underscore);
        if (fault != WIRENAME_GOOD)
            return fault;
        for (size_t i = 1; i <= name[0]; i++)
            text[used++] = (char)lower(name[i]);
        text[used++] = '.';
    }
    if (labels < 2)
        return WIRENAME_SINGLE;
    if (digits)
        return WIRENAME_NUMERIC;
    if (underscore && !allow_underscore)
        return WIRENAME_UNDERSCORE;
    /* 255 octets on the wire are 253 of text: all names fit. */
    memcpy(out, text, used - 1);
    out[used - 1] = '\0';
    return WIRENAME_GOOD;
}

enum wirename_fault wirename_domain(const uint8_t *name, char *out)
{
    return is_localhost(name) ? WIRENAME_LOCALHOST : judge(name, false, out);
}

enum wirename_fault wirename_target(const uint8_t *name, char *out)
{
    return is_localhost(name) ? WIRENAME_LOCALHOST : judge(name, true, out);
}

const char *wirename_fault_text(enum wirename_fault fault)
{
    switch (fault) {
    case WIRENAME_GOOD:
        return "is a good name";
    case WIRENAME_SINGLE:
        return "has less than two labels";
    case WIRENAME_OCTET:
        return "has an octet that no name in mail may have";
    case WIRENAME_HYPHEN:
        return "has a label that begins or ends with -";
    case WIRENAME_UNDERSCORE:
        return "has an underscore";
    case WIRENAME_NUMERIC:
        return "ends with a number, as addresses do";
    case WIRENAME_LOCALHOST:
        return "means each host itself";
    }
    return "is no name";
}
