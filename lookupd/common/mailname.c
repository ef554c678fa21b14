/* Names as mail uses them: folding, domains, hosts, and where an address has its '@'. */
#include "common/mailname.h"

#include <errno.h>
#include <idn2.h>
#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

/* RFC 1035 2.3.4. */
#define LABEL_MAX 63

/*
 * A name of MAILNAME_DOMAIN_MAX octets as A-labels is shorter than four times that as UTF-8: each
 * code point of a U-label (up to four octets) costs at least one octet of its A-label.
 */
#define DOMAIN_UTF8_MAX ((size_t)4 * MAILNAME_DOMAIN_MAX)

/* Full case folding makes at most three code points of one. */
#define FOLD_ONE_MAX (3 * 4)

/* Written out, because ctype.h depends on the locale. */
static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static bool is_label_octet(unsigned char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

/*
 * Folds the one code point at s. Returns how many octets it took, 0 when it is not allowed.
 * Full folding (Unicode's C and F mappings) looks at no neighbours, so one at a time is exact, and
 * the library, given room, allocates nothing: memory cannot run short in the middle of a name.
 */
static size_t fold_one(const uint8_t *s, size_t n, uint8_t *out, size_t *out_len)
{
    ucs4_t c;
    int used = u8_mbtoucr(&c, s, n);
    if (used <= 0 || (c >= 0x80 && c < 0xa0))
        return 0;
    if (u8_casefold(s, (size_t)used, NULL, NULL, out, out_len) != out)
        return 0;
    return (size_t)used;
}

bool mailname_fold(const char *text, size_t len, char *out, size_t out_size, size_t *out_len)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        uint8_t folded[FOLD_ONE_MAX] = {lower(c)};
        size_t n = 1;
        if (c < 0x20 || c == 0x7f)
            return false;
        if (c < 0x80) {
            i++;
        } else {
            n = sizeof folded;
            size_t step = fold_one((const uint8_t *)text + i, len - i, folded, &n);
            if (step == 0)
                return false;
            i += step;
        }
        if (used + n >= out_size)
            return false;
        memcpy(out + used, folded, n);
        used += n;
    }
    if (used >= out_size)
        return false;
    out[used] = '\0';
    if (out_len != NULL)
        *out_len = used;
    return true;
}

/*
 * Replaces the dots of RFC 3490 3.1 (ideographic, full-width, half-width) by '.', in place, before
 * labels are split. Returns the new length.
 */
static size_t plain_dots(char *name, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        if (len - i >= 3 &&
            (memcmp(name + i, "\xe3\x80\x82", 3) == 0 || memcmp(name + i, "\xef\xbc\x8e", 3) == 0 ||
             memcmp(name + i, "\xef\xbd\xa1", 3) == 0)) {
            name[used++] = '.';
            i += 3;
        } else {
            name[used++] = name[i++];
        }
    }
    name[used] = '\0';
    return used;
}

/* Appends the A-label of a folded label that is not ASCII; false with errno. */
static bool append_a_label(const char *label, size_t len, char *out, size_t room, size_t *added)
{
    char one[DOMAIN_UTF8_MAX + 1];
    memcpy(one, label, len);
    one[len] = '\0';
    uint8_t *made = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)one, &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK) {
        errno = rc == IDN2_MALLOC ? ENOMEM : EINVAL;
        return false;
    }
    *added = strlen((const char *)made);
    bool fits = *added <= room;
    if (fits)
        memcpy(out, made, *added);
    idn2_free(made);
    errno = EINVAL;
    return fits;
}

static bool label_ok(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_label_octet((unsigned char)label[i]))
            return false;
    return true;
}

/* Brings a folded name to A-labels, label by label: those that are ASCII (A-labels, names that
 * IDNA would refuse, as a_b or r3---x) stay as they are. */
static bool to_a_labels(const char *name, size_t len, char *out, size_t *out_len)
{
    size_t used = 0;
    for (size_t from = 0; from <= len;) {
        const char *dot = memchr(name + from, '.', len - from);
        size_t n = dot != NULL ? (size_t)(dot - name) - from : len - from;
        size_t room = MAILNAME_DOMAIN_MAX - used;
        size_t added = n;
        if (is_ascii(name + from, n)) {
            if (n > room)
                return false;
            memcpy(out + used, name + from, n);
        } else if (!append_a_label(name + from, n, out + used, room, &added)) {
            return false;
        }
        if (!label_ok(out + used, added))
            return false;
        used += added;
        from += n + 1;
        if (from <= len) {
            if (used == MAILNAME_DOMAIN_MAX)
                return false;
            out[used++] = '.';
        }
    }
    out[used] = '\0';
    if (out_len != NULL)
        *out_len = used;
    return true;
}

bool mailname_domain(const char *text, size_t len, char *out, size_t *out_len)
{
    char folded[DOMAIN_UTF8_MAX + 2];
    size_t n;
    errno = EINVAL;
    if (!mailname_fold(text, len, folded, sizeof folded, &n))
        return false;
    if (!is_ascii(folded, n))
        n = plain_dots(folded, n);
    if (n > 0 && folded[n - 1] == '.')
        n--;
    if (n == 0 || n > DOMAIN_UTF8_MAX)
        return false;
    return to_a_labels(folded, n, out, out_len);
}

bool mailname_is_host(const char *text, size_t len)
{
    if (len == 0 || len > MAILNAME_DOMAIN_MAX)
        return false;
    bool numeric = true;
    size_t label = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = lower((unsigned char)text[i]);
        bool last = i + 1 == len || text[i + 1] == '.';
        if (c == '.') {
            if (label == 0 || i + 1 == len)
                return false;
            label = 0;
            continue;
        }
        if (!is_label_octet(c) || ++label > LABEL_MAX)
            return false;
        if (c == '-' && (label == 1 || last))
            return false;
        numeric = numeric && is_digit(c);
    }
    return !numeric;
}

size_t mailname_at(const char *text, size_t len, size_t *count)
{
    size_t at = len, found = 0;
    bool quoted = false, word_begins = true;
    for (size_t i = 0; i < len; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
            continue;
        }
        if (text[i] == '@') {
            at = i;
            found++;
        }
        quoted = text[i] == '"' && word_begins;
        word_begins = text[i] == '.';
    }
    if (count != NULL)
        *count = found;
    return at;
}
