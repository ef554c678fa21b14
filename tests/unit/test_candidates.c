/*
 * Candidates: for each kind of key a table of keys and the exact list of what stands for them. A
 * list is written A:address @:@domain D:domain L:user@ C:client K:key, '-' where the extension is
 * taken off, with " | " between.
 */
#include "lookup/candidates.h"

#include "common/mailname.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char letters[LIST_COUNT] = {
    [LIST_ADDRESSES] = 'A', [LIST_AT_DOMAINS] = '@', [LIST_DOMAINS] = 'D',
    [LIST_LOCALS] = 'L',    [LIST_CLIENTS] = 'C',    [LIST_KEY] = 'K'};

static char *render(const struct candidates *c)
{
    static char room[65536];
    size_t n = 0;
    room[0] = '\0';
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *one = &c->list[i];
        cr_assert_eq(one->len, strlen(one->text));
        cr_assert_eq(one->hash, candidates_hash(one->text, one->len));
        bool whole = one->list == LIST_AT_DOMAINS || one->list == LIST_DOMAINS;
        if (whole) /* has no extension whenever the key has one */
            cr_assert_eq(one->without_extension, c->extension != NULL, "%s", one->text);
        n += (size_t)snprintf(room + n, sizeof room - n, "%s%c%s:%s", i > 0 ? " | " : "",
                              letters[one->list], one->without_extension && !whole ? "-" : "",
                              one->text);
    }
    return room;
}

struct row {
    const char *key;
    const char *want; /* NULL: not a name */
    const char *extension;
};

static void check(enum keys_kind kind, const char *delimiter, const struct row *row, size_t len)
{
    struct candidates *c;
    enum candidates_status status = candidates_make(kind, row->key, len, delimiter, &c);
    if (row->want == NULL) {
        cr_expect_eq(status, CANDIDATES_NOT_A_NAME, "%s", row->key);
        cr_expect_null(c);
        return;
    }
    cr_assert_eq(status, CANDIDATES_OK, "%s: %d", row->key, (int)status);
    cr_assert_leq(c->count, CANDIDATES_MAX);
    cr_expect_str_eq(render(c), row->want, "%s:\n got %s\nwant %s", row->key, render(c), row->want);
    if (row->extension == NULL) {
        cr_expect_null(c->extension, "%s", row->key);
    } else {
        cr_assert_not_null(c->extension, "%s", row->key);
        cr_expect_str_eq(c->extension, row->extension);
        cr_expect_eq(c->extension_len, strlen(row->extension));
    }
    free(c);
}

static void check_table(enum keys_kind kind, const char *delimiter, const struct row *rows,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(kind, delimiter, &rows[i], strlen(rows[i].key));
}

Test(candidates, domain)
{
    static const struct row rows[] = {
        {"Mail.Sub.Example.COM",
         "D:mail.sub.example.com | D:.sub.example.com | D:.example.com | D:.com", NULL},
        {"example.com.", "D:example.com | D:.com", NULL},
        {"com", "D:com", NULL},
        {"bücher.example", "D:xn--bcher-kva.example | D:.example", NULL},
        {"BÜCHER.EXAMPLE", "D:xn--bcher-kva.example | D:.example", NULL},
        {"xn--bcher-kva.example", "D:xn--bcher-kva.example | D:.example", NULL},
        {"Xn--Bcher-Kva.Example.", "D:xn--bcher-kva.example | D:.example", NULL},
        {"a_b.example", "D:a_b.example | D:.example", NULL},
        {"strasse.example", "D:strasse.example | D:.example", NULL},
        {"STRASSE.example", "D:strasse.example | D:.example", NULL},
        {"straße.example", "D:strasse.example | D:.example", NULL},
        {"", NULL, NULL},
        {"*", NULL, NULL},
        {"<>", NULL, NULL},
        {"\"\"", NULL, NULL},
        {"@", NULL, NULL},
        {".", NULL, NULL},
        {".example.com", NULL, NULL},
        {"example.com..", NULL, NULL},
        {"a..b", NULL, NULL},
        {"[192.0.2.1]", NULL, NULL},
        {"[ipv6:2001:db8::1]", NULL, NULL},
        {"user@example.com", NULL, NULL},
        {"exa mple.com", NULL, NULL},
        {"exam%ple.com", NULL, NULL},
        {"exam'ple.com", NULL, NULL},
        {"exam\\ple.com", NULL, NULL},
        {"example.com\n", NULL, NULL},
        {"\xff\xfe.example", NULL, NULL},
    };
    check_table(KEYS_DOMAIN, "+", rows, COUNT(rows));
    check(KEYS_DOMAIN, "+", &(struct row){"example.com\0x", NULL, NULL}, 13);
    check(KEYS_DOMAIN, "+", &(struct row){"\0", NULL, NULL}, 1);
}

#define AT_D "@:@d.example | D:d.example | @:@.example | D:.example"

Test(candidates, address)
{
    static const struct row rows[] = {
        {"User+Ext@Mail.Sub.Example.COM",
         "A:user+ext@mail.sub.example.com | A-:user@mail.sub.example.com | "
         "@:@mail.sub.example.com | D:mail.sub.example.com | "
         "@:@.sub.example.com | D:.sub.example.com | @:@.example.com | D:.example.com | "
         "@:@.com | D:.com | L:user+ext@ | L-:user@",
         "+Ext"},
        {"user@d.example", "A:user@d.example | " AT_D " | L:user@", NULL},
        {"user@d.example.", "A:user@d.example | " AT_D " | L:user@", NULL},
        {"user@com", "A:user@com | @:@com | D:com | L:user@", NULL},
        /* no '@': a domain, and only that */
        {"D.example", "D:d.example | D:.example", NULL},
        {"postmaster", "D:postmaster", NULL},
        /* U-label and A-label, either case */
        {"Ü@BÜCHER.example",
         "A:ü@xn--bcher-kva.example | @:@xn--bcher-kva.example | D:xn--bcher-kva.example | "
         "@:@.example | D:.example | L:ü@",
         NULL},
        {"ü@xn--BCHER-kva.example",
         "A:ü@xn--bcher-kva.example | @:@xn--bcher-kva.example | D:xn--bcher-kva.example | "
         "@:@.example | D:.example | L:ü@",
         NULL},
        {"Straße+Ü@d.example",
         "A:strasse+ü@d.example | A-:strasse@d.example | " AT_D " | L:strasse+ü@ | L-:strasse@",
         "+Ü"},
        /* characters that mean something elsewhere */
        {"a%b_c'd\\e!f@d.example", "A:a%b_c'd\\e!f@d.example | " AT_D " | L:a%b_c'd\\e!f@", NULL},
        {"x%y@d.example", "A:x%y@d.example | " AT_D " | L:x%y@", NULL},
        {"a b@d.example", "A:a b@d.example | " AT_D " | L:a b@", NULL},
        {"a b+X@d.example", "A:a b+x@d.example | A-:a b@d.example | " AT_D " | L:a b+x@ | L-:a b@",
         "+X"},
        {"a\"b@d.example", "A:a\"b@d.example | " AT_D " | L:a\"b@", NULL},
        {"a\"b+c@d.example", "A:a\"b+c@d.example | " AT_D " | L:a\"b+c@", NULL},
        /* quoted local parts */
        {"\"A b\"@d.example", "A:\"a b\"@d.example | " AT_D " | L:\"a b\"@", NULL},
        {"\"a b+Ext\"@d.example",
         "A:\"a b+ext\"@d.example | A-:\"a b\"@d.example | " AT_D " | L:\"a b+ext\"@ | L-:\"a b\"@",
         "+Ext"},
        {"\"plain+x y\"@d.example",
         "A:\"plain+x y\"@d.example | A-:plain@d.example | " AT_D " | L:\"plain+x y\"@ | L-:plain@",
         "+x y"},
        {"\"a\\\"b+x\"@d.example",
         "A:\"a\\\"b+x\"@d.example | A-:\"a\\\"b\"@d.example | " AT_D
         " | L:\"a\\\"b+x\"@ | L-:\"a\\\"b\"@",
         "+x"},
        {"\"a\\\\+x\"@d.example",
         "A:\"a\\\\+x\"@d.example | A-:\"a\\\\\"@d.example | " AT_D
         " | L:\"a\\\\+x\"@ | L-:\"a\\\\\"@",
         "+x"},
        {"\"a\\b+x\"@d.example",
         "A:\"a\\b+x\"@d.example | A-:ab@d.example | " AT_D " | L:\"a\\b+x\"@ | L-:ab@", "+x"},
        {"\"a.+x\"@d.example",
         "A:\"a.+x\"@d.example | A-:\"a.\"@d.example | " AT_D " | L:\"a.+x\"@ | L-:\"a.\"@", "+x"},
        {"\"a..b+x\"@d.example",
         "A:\"a..b+x\"@d.example | A-:\"a..b\"@d.example | " AT_D " | L:\"a..b+x\"@ | L-:\"a..b\"@",
         "+x"},
        {"\"x@y\"@d.example", "A:\"x@y\"@d.example | " AT_D " | L:\"x@y\"@", NULL},
        {"\"x@y+z\"@d.example",
         "A:\"x@y+z\"@d.example | A-:\"x@y\"@d.example | " AT_D " | L:\"x@y+z\"@ | L-:\"x@y\"@",
         "+z"},
        {"\"+x\"@d.example", "A:\"+x\"@d.example | " AT_D " | L:\"+x\"@", NULL},
        {"\"\"@d.example", "A:\"\"@d.example | " AT_D " | L:\"\"@", NULL},
        {"\"a\"+x@d.example", "A:\"a\"+x@d.example | " AT_D " | L:\"a\"+x@", NULL},
        {"a.\"b+c\"@d.example", "A:a.\"b+c\"@d.example | " AT_D " | L:a.\"b+c\"@", NULL},
        /* no extension */
        {"+x@d.example", "A:+x@d.example | " AT_D " | L:+x@", NULL},
        {"user@d+x.example", NULL, NULL},
        {"a+@d.example", "A:a+@d.example | A-:a@d.example | " AT_D " | L:a+@ | L-:a@", "+"},
        {"a++b@d.example", "A:a++b@d.example | A-:a@d.example | " AT_D " | L:a++b@ | L-:a@", "++b"},
        {"PostMaster@d.example", "A:postmaster@d.example | " AT_D " | L:postmaster@", NULL},
        {"a@b@d.example", NULL, NULL},
        {"@d.example", NULL, NULL},
        {"@", NULL, NULL},
        {"user@", NULL, NULL},
        {"user@.", NULL, NULL},
        {"user@d..", NULL, NULL},
        {"user@[192.0.2.1]", NULL, NULL},
        {"user@[IPv6:2001:db8::1]", NULL, NULL},
        {"[192.0.2.1]", NULL, NULL},
        {"", NULL, NULL},
        {"*", NULL, NULL},
        {"<>", NULL, NULL},
        {"\"<>\"", NULL, NULL},
        {"\"\"", NULL, NULL},
        {"\"a@d.example", NULL, NULL},
        {"us\ner@d.example", NULL, NULL},
        {"us\x7f"
         "er@d.example",
         NULL, NULL},
        {"us\xc2\x85"
         "er@d.example",
         NULL, NULL},
        {"\xff@d.example", NULL, NULL},
        {"user@\xff.example", NULL, NULL},
        {"\xc3@d.example", NULL, NULL},
        {"user@*", NULL, NULL},
        {"user@d example", NULL, NULL},
    };
    check_table(KEYS_ADDRESS, "+", rows, COUNT(rows));
    check(KEYS_ADDRESS, "+", &(struct row){"us\0er@d.example", NULL, NULL}, 15);
    check(KEYS_ADDRESS, "+", &(struct row){"user@d.exa\0mple", NULL, NULL}, 15);
}

Test(candidates, delimiters)
{
    static const struct row rows[] = {
        {"a-b+c@d.example", "A:a-b+c@d.example | A-:a@d.example | " AT_D " | L:a-b+c@ | L-:a@",
         "-b+c"},
        {"a+b-c@d.example", "A:a+b-c@d.example | A-:a@d.example | " AT_D " | L:a+b-c@ | L-:a@",
         "+b-c"},
        {"Owner-List@d.example", "A:owner-list@d.example | " AT_D " | L:owner-list@", NULL},
        {"owner-a+b@d.example", "A:owner-a+b@d.example | " AT_D " | L:owner-a+b@", NULL},
        {"list-Request@d.example", "A:list-request@d.example | " AT_D " | L:list-request@", NULL},
        {"MAILER-daemon@d.example", "A:mailer-daemon@d.example | " AT_D " | L:mailer-daemon@",
         NULL},
        {"double-BOUNCE@d.example", "A:double-bounce@d.example | " AT_D " | L:double-bounce@",
         NULL},
        {"postmaster-x@d.example",
         "A:postmaster-x@d.example | A-:postmaster@d.example | " AT_D
         " | L:postmaster-x@ | L-:postmaster@",
         "-x"},
        {"-request@d.example", "A:-request@d.example | " AT_D " | L:-request@", NULL},
        {"owner@d.example", "A:owner@d.example | " AT_D " | L:owner@", NULL},
    };
    check_table(KEYS_ADDRESS, "-+", rows, COUNT(rows));
    static const struct row none[] = {
        {"a-b+c@d.example", "A:a-b+c@d.example | " AT_D " | L:a-b+c@", NULL},
    };
    check_table(KEYS_ADDRESS, "", none, COUNT(none));
    static const struct row plus[] = {
        {"owner-x+y@d.example",
         "A:owner-x+y@d.example | A-:owner-x@d.example | " AT_D " | L:owner-x+y@ | L-:owner-x@",
         "+y"},
        {"list-request+y@d.example",
         "A:list-request+y@d.example | A-:list-request@d.example | " AT_D
         " | L:list-request+y@ | L-:list-request@",
         "+y"},
    };
    check_table(KEYS_ADDRESS, "+", plus, COUNT(plus));
    /* Octets of a delimiter that is not ASCII must not cut a character. */
    static const struct row half[] = {
        {"aü@d.example", "A:aü@d.example | " AT_D " | L:aü@", NULL},
    };
    check_table(KEYS_ADDRESS, "\xc3\xbc", half, COUNT(half));
}

Test(candidates, client)
{
    static const struct row rows[] = {
        {"Mail.Example.COM", "C:mail.example.com | C:.example.com | C:.com", NULL},
        {"unknown", "C:unknown", NULL},
        {"192.0.2.17", "C:192.0.2.17 | C:192.0.2 | C:192.0 | C:192", NULL},
        {"2001:db8:1::5", "C:2001:db8:1::5 | C:2001:db8:1: | C:2001:db8:1 | C:2001:db8 | C:2001",
         NULL},
        {"2001:DB8::1", "C:2001:db8::1 | C:2001:db8: | C:2001:db8 | C:2001", NULL},
        {"::1", "C:::1 | C::", NULL},
        {"::", "C::: | C::", NULL},
        {"1:2:3:4:5:6:7:8",
         "C:1:2:3:4:5:6:7:8 | C:1:2:3:4:5:6:7 | C:1:2:3:4:5:6 | C:1:2:3:4:5 | C:1:2:3:4 | "
         "C:1:2:3 | C:1:2 | C:1",
         NULL},
        {"1:2:3:4:5:6:7::",
         "C:1:2:3:4:5:6:7:: | C:1:2:3:4:5:6:7: | C:1:2:3:4:5:6:7 | C:1:2:3:4:5:6 | C:1:2:3:4:5 | "
         "C:1:2:3:4 | C:1:2:3 | C:1:2 | C:1",
         NULL},
        {"::ffff:192.0.2.1", "C:::ffff:192.0.2.1 | C:::ffff | C::", NULL},
        {"192.0.2.17.", "C:192.0.2.17 | C:192.0.2 | C:192.0 | C:192", NULL},
        {"１９２.0.2.17", "C:192.0.2.17 | C:192.0.2 | C:192.0 | C:192", NULL},
        /* not addresses */
        {"192.0.2", "C:192.0.2 | C:.0.2 | C:.2", NULL},
        {"192.0.2.256", "C:192.0.2.256 | C:.0.2.256 | C:.2.256 | C:.256", NULL},
        {"2001:db8", NULL, NULL},
        {"1:2:3:4:5:6:7:8:9", NULL, NULL},
        {"fe80::1%eth0", NULL, NULL},
        {"[192.0.2.1]", NULL, NULL},
        {"[::1]", NULL, NULL},
        {"", NULL, NULL},
        {"*", NULL, NULL},
        {"a@b", NULL, NULL},
        {"192.0.2.1 ", NULL, NULL},
    };
    check_table(KEYS_CLIENT, "+", rows, COUNT(rows));
    check(KEYS_CLIENT, "+", &(struct row){"192.0.2.1\0", NULL, NULL}, 10);
}

Test(candidates, exact)
{
    static const struct row rows[] = {
        {"[127.0.0.1]:2526", "K:[127.0.0.1]:2526", NULL},
        {"A B", "K:a b", NULL},
        {"Straße", "K:strasse", NULL},
        {"*", "K:*", NULL},
        {"<>", "K:<>", NULL},
        {"a@b@c", "K:a@b@c", NULL},
        {"User+Ext@d", "K:user+ext@d", NULL},
        {"foo.", "K:foo", NULL},
        {"foo..", "K:foo..", NULL},
        {".", "K:.", NULL},
        {"", NULL, NULL},
        {"a\tb", NULL, NULL},
        {"\xff", NULL, NULL},
    };
    check_table(KEYS_EXACT, "+", rows, COUNT(rows));
    check(KEYS_EXACT, "+", &(struct row){"a\0", NULL, NULL}, 2);
    char key[10001];
    memset(key, 'K', sizeof key);
    struct candidates *c;
    cr_expect_eq(candidates_make(KEYS_EXACT, key, 3072, "", &c), CANDIDATES_OK);
    cr_expect_eq(c->list[0].len, 3072);
    free(c);
    cr_expect_eq(candidates_make(KEYS_EXACT, key, 3073, "", &c), CANDIDATES_NOT_A_NAME);
    cr_expect_eq(candidates_make(KEYS_EXACT, key, 10000, "", &c), CANDIDATES_NOT_A_NAME);
}

Test(candidates, long_keys)
{
    static char key[65600];
    struct candidates *c;
    memset(key, 'a', sizeof key);
    memcpy(key + MAILNAME_LOCAL_MAX, "@d.example", 10);
    cr_assert_eq(candidates_make(KEYS_ADDRESS, key, MAILNAME_LOCAL_MAX + 10, "+", &c),
                 CANDIDATES_OK);
    cr_expect_eq(c->list[0].len, MAILNAME_LOCAL_MAX + 10);
    free(c);
    memset(key, 'a', sizeof key);
    memcpy(key + MAILNAME_LOCAL_MAX + 1, "@d.example", 10);
    cr_expect_eq(candidates_make(KEYS_ADDRESS, key, MAILNAME_LOCAL_MAX + 11, "+", &c),
                 CANDIDATES_NOT_A_NAME);
    for (int kind = KEYS_DOMAIN; kind <= KEYS_EXACT; kind++) {
        for (size_t len = 10000; len <= 65536; len += 55536) {
            memset(key, 'a', sizeof key);
            cr_expect_eq(candidates_make(kind, key, len, "+", &c), CANDIDATES_NOT_A_NAME);
            memset(key, '"', sizeof key);
            cr_expect_eq(candidates_make(kind, key, len, "+", &c), CANDIDATES_NOT_A_NAME);
            memset(key, '@', sizeof key);
            cr_expect_eq(candidates_make(kind, key, len, "+", &c), CANDIDATES_NOT_A_NAME);
        }
    }
    /* One that folding would make short enough (Kelvin signs, three octets to one). */
    for (size_t i = 0; i < 600; i += 3)
        memcpy(key + i, "\xe2\x84\xaa", 3);
    memcpy(key + 600, "@d.example", 10);
    cr_expect_eq(candidates_make(KEYS_ADDRESS, key, 610, "+", &c), CANDIDATES_NOT_A_NAME);
    /* A local part that only folding makes too long. */
    memset(key, 'a', sizeof key);
    for (size_t i = 0; i < 510; i += 2)
        memcpy(key + i, "\xc7\xb0", 2); /* U+01F0 folds to three octets */
    memcpy(key + 510, "@d.example", 10);
    cr_expect_eq(candidates_make(KEYS_ADDRESS, key, 520, "+", &c), CANDIDATES_NOT_A_NAME);
}

Test(candidates, most_labels)
{
    char key[260] = "u+x@";
    for (size_t i = 0; i < 253; i++)
        key[4 + i] = i % 2 == 0 ? 'A' : '.';
    struct candidates *c;
    cr_assert_eq(candidates_make(KEYS_ADDRESS, key, 257, "+", &c), CANDIDATES_OK);
    cr_expect_eq(c->count, 2 * 127 + 4);
    cr_assert_leq(c->count, CANDIDATES_MAX);
    cr_expect_str_eq(c->list[c->count - 3].text, ".a");
    cr_expect_str_eq(c->list[c->count - 4].text, "@.a");
    cr_expect_str_eq(c->list[c->count - 1].text, "u@");
    for (size_t i = 0; i < c->count; i++)
        cr_expect_eq(c->list[i].len, strlen(c->list[i].text));
    free(c);
}

Test(candidates, ascii_is_of_what_is_asked)
{
    static const struct {
        const char *key;
        bool ascii;
    } rows[] = {
        {"user@d.example", true},    {"ü@d.example", false},     {"user@bücher.example", true},
        {"user+ü@d.example", false}, {"Straße@d.example", true}, {"\xe2\x84\xaa@d.example", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct candidates *c;
        cr_assert_eq(candidates_make(KEYS_ADDRESS, rows[i].key, strlen(rows[i].key), "+", &c),
                     CANDIDATES_OK);
        cr_expect_eq(c->ascii, rows[i].ascii, "%s", rows[i].key);
        free(c);
    }
}

Test(candidates, fold_row)
{
    static const struct {
        const char *row, *want;
    } rows[] = {
        {"Example.COM", "example.com"},
        {"example.com.", "example.com"},
        {"User@D.", "user@d"},
        {".example.com", ".example.com"},
        {"@D", "@d"},
        {"2001:db8:", "2001:db8:"},
        {"Straße", "strasse"},
        {"a b", "a b"},
        {"a.example  ", "a.example"},
        {"  ", NULL},
        {"a..", "a.."},
        {".", "."},
        {"", NULL},
        {"a\n", NULL},
        {"\xff", NULL},
        {"12345678901234567890123456789012", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[32];
        size_t n;
        bool ok = candidates_fold_row(KEYS_ADDRESS, rows[i].row, strlen(rows[i].row), out,
                                      sizeof out, &n);
        cr_expect_eq(ok, rows[i].want != NULL, "%s", rows[i].row);
        if (ok && rows[i].want != NULL) {
            cr_expect_str_eq(out, rows[i].want);
            cr_expect_eq(n, strlen(rows[i].want));
        }
    }
    char out[32];
    size_t n;
    cr_expect(candidates_fold_row(KEYS_EXACT, "A b ", 4, out, sizeof out, &n));
    cr_expect_str_eq(out, "a b ");
}

Test(candidates, hash_differs)
{
    cr_expect_neq(candidates_hash("a", 1), candidates_hash("b", 1));
    cr_expect_neq(candidates_hash("ab", 2), candidates_hash("ba", 2));
    cr_expect_neq(candidates_hash("", 0), candidates_hash("\0", 1));
    cr_expect_eq(candidates_hash("ab", 1), candidates_hash("a", 1));
    /* Names that differ in their last octet only spread over a small table. */
    unsigned used = 0;
    for (int i = 0; i < 16; i++) {
        char name[] = "example.co?";
        name[10] = (char)('a' + i);
        used |= 1U << (candidates_hash(name, 11) & 15);
    }
    cr_expect_geq(__builtin_popcount(used), 7);
}
