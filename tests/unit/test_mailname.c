/* Names: folding, domains, hosts, the '@' of an address. */
#include "common/mailname.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct pair {
    const char *in;
    const char *want; /* NULL: refused */
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static char *repeat(const char *s, size_t times)
{
    static char room[20000];
    size_t len = strlen(s);
    cr_assert_lt(len * times, sizeof room);
    for (size_t i = 0; i < times; i++)
        memcpy(room + i * len, s, len);
    room[len * times] = '\0';
    return room;
}

Test(mailname, fold)
{
    static const struct pair table[] = {
        {"", ""},
        {"User+Ext", "user+ext"},
        {"[\\]^_`{|}~@!%'", "[\\]^_`{|}~@!%'"},
        {"STRASSE Straße", "strasse strasse"},
        {"Ü\xc3\x96", "üö"},
        {"ΣΑΣ σας", "σασ σασ"},     /* no final sigma */
        {"İI", "i\xcc\x87i"},       /* not Turkish */
        {"\xe2\x84\xaa", "k"},      /* Kelvin sign: ASCII afterwards */
        {"ﬃ", "ffi"},               /* one code point becomes three */
        {"e\xcc\x81", "e\xcc\x81"}, /* not composed, as Postfix */
        {"Å", "å"},                 /* U+212B is U+00E5 by folding alone */
        {"\x1f", NULL},
        {"a\nb", NULL},
        {"\x7f", NULL},
        {"\xc2\x80", NULL},
        {"\xc2\x9f", NULL},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xff", NULL},
        {"\xc3", NULL},             /* cut short */
        {"\xc0\xaf", NULL},         /* over-long form */
        {"\xed\xa0\x80", NULL},     /* surrogate */
        {"\xf4\x90\x80\x80", NULL}, /* beyond U+10FFFF */
        {"a\xcc", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char out[64];
        size_t n = 99;
        bool ok = mailname_fold(table[i].in, strlen(table[i].in), out, sizeof out, &n);
        cr_expect_eq(ok, table[i].want != NULL, "%s", table[i].in);
        if (ok && table[i].want != NULL) {
            cr_expect_str_eq(out, table[i].want);
            cr_expect_eq(n, strlen(table[i].want));
        }
    }
    cr_expect_not(mailname_fold("a\0b", 3, (char[8]){0}, 8, NULL));
}

Test(mailname, fold_fits_exactly)
{
    char out[4];
    cr_expect(mailname_fold("ABC", 3, out, 4, NULL));
    cr_expect_str_eq(out, "abc");
    cr_expect_not(mailname_fold("ABCD", 4, out, 4, NULL));
    cr_expect(mailname_fold("\xef\xac\x83", 3, out, 4, NULL)); /* ffi */
    cr_expect_not(mailname_fold("\xef\xac\x83", 3, out, 3, NULL));
    cr_expect_not(mailname_fold("", 0, out, 0, NULL));
    cr_expect(mailname_fold("", 0, out, 1, NULL));
    /* Reads no further than told: the octets behind would be refused. */
    cr_expect(mailname_fold("A\xff", 1, out, 4, NULL));
    cr_expect_not(mailname_fold("\xc3\xbc", 1, out, 4, NULL));
}

static void expect_domain(const char *in, size_t len, const char *want)
{
    char out[MAILNAME_DOMAIN_MAX + 1];
    size_t n = 999;
    errno = 0;
    bool ok = mailname_domain(in, len, out, &n);
    cr_expect_eq(ok, want != NULL, "%s", in);
    if (!ok)
        cr_expect_eq(errno, EINVAL, "%s", in);
    if (ok && want != NULL) {
        cr_expect_str_eq(out, want);
        cr_expect_eq(n, strlen(want));
        char again[MAILNAME_DOMAIN_MAX + 1];
        cr_expect(mailname_domain(out, n, again, NULL));
        cr_expect_str_eq(again, out);
    }
}

Test(mailname, domain)
{
    static const struct pair table[] = {
        {"Example.COM", "example.com"},
        {"example.com.", "example.com"},
        {"com", "com"},
        {"a_b._dmarc.example", "a_b._dmarc.example"},
        {"-a-.example", "-a-.example"},
        {"1.2.3.4", "1.2.3.4"},
        {"r3---sn.example", "r3---sn.example"},
        {"BÜCHER.example", "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"}, /* not composed */
        {"XN--Bcher-KVA.example", "xn--bcher-kva.example"},
        {"xn--zzzz.bücher.example", "xn--zzzz.xn--bcher-kva.example"},
        {"ab--cd.bücher.example", "ab--cd.xn--bcher-kva.example"},
        {"straße.example", "strasse.example"}, /* as Postfix folds relay_domains */
        {"STRASSE.example", "strasse.example"},
        {"ＥＸＡＭＰＬＥ.com", "example.com"},
        {"example。com", "example.com"},
        {"example．com｡", "example.com"},
        {"ΠΑΡΆΔΕΙΓΜΑ.example", "xn--hxajbheg2az3al.example"},
        {"", NULL},
        {".", NULL},
        {"*", NULL},
        {"*.example.com", NULL},
        {"<>", NULL},
        {"\"\"", NULL},
        {"[192.0.2.1]", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a..", NULL},
        {"a b", NULL},
        {"a@b", NULL},
        {"a/b", NULL},
        {"a\\b", NULL},
        {"2001:db8::1", NULL},
        {"\xff.example", NULL},
        {"a\x01.example", NULL},
        {"ü\xe2\x80\xa4"
         "a.example",
         NULL},                      /* U+2024, a dot only to some */
        {"\xc2\xad.example", NULL},  /* a soft hyphen alone is an empty label */
        {"☃.example", NULL},         /* IDNA 2008 has no such name */
        {"ü／.example", NULL},       /* full-width '/' */
        {"ｘｎ－－ü.example", NULL}, /* an A-label with a U in it */
    };
    for (size_t i = 0; i < COUNT(table); i++)
        expect_domain(table[i].in, strlen(table[i].in), table[i].want);
    expect_domain("a\0b", 3, NULL);
    expect_domain("example.com\0", 12, NULL);
}

Test(mailname, domain_limits)
{
    char label[65];
    memset(label, 'a', 63);
    label[63] = '\0';
    expect_domain(label, 63, label);
    memset(label, 'a', 64);
    expect_domain(label, 64, NULL);

    char name[256];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[253] = '\0';
    expect_domain(name, 253, name); /* 127 labels */
    name[253] = '.';
    char want[254];
    memcpy(want, name, 253);
    want[253] = '\0';
    expect_domain(name, 254, want); /* the final dot does not count */
    expect_domain(name, 255, NULL);

    /* 254 octets of ASCII, 10,000 octets of anything. */
    expect_domain(repeat("a.", 5000), 10000, NULL);
    expect_domain(repeat("\xc3\xbc.", 3000), 9000, NULL);
    /* A U-label whose A-label is too long. */
    expect_domain(repeat("ü", 60), 120, NULL);
    expect_domain(repeat("ü.", 200), 600, NULL);
}

Test(mailname, host)
{
    static const char *const yes[] = {"a",  "Mail.Example.net", "a-b.c", "a_b",
                                      "1a", "1.2.3.a",          "1-2",   "xn--bcher-kva.example"};
    static const char *const no[] = {"",     ".",    "a.",      ".a",  "a..b", "-a",     "a-",
                                     "a-.b", "a.-b", "1.2.3.4", "123", "a b",  "bücher", "[a]",
                                     "a:b",  "*",    "a/b",     "a@b", "%",    "a\xff",  "::1"};
    for (size_t i = 0; i < COUNT(yes); i++)
        cr_expect(mailname_is_host(yes[i], strlen(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        cr_expect_not(mailname_is_host(no[i], strlen(no[i])), "%s", no[i]);
    cr_expect_not(mailname_is_host("a\0", 2));
    cr_expect(mailname_is_host(repeat("a", 63), 63));
    cr_expect_not(mailname_is_host(repeat("a", 64), 64));
    char *name = repeat("abcdefg.", 32);
    cr_expect(mailname_is_host(name, 253));
    cr_expect_not(mailname_is_host(name, 254));
}

Test(mailname, at)
{
    static const struct {
        const char *in;
        size_t at, count;
    } table[] = {
        {"", 0, 0},
        {"a", 1, 0},
        {"@", 0, 1},
        {"a@b", 1, 1},
        {"a@b@c", 3, 2},
        {"\"a@b\"@c", 5, 1},
        {"\"a\\\"@b\"@c", 7, 1},
        {"\"a\\\\\"@c", 5, 1},
        {"a.\"b@c\"@d", 7, 1},
        {"a\"b@c", 3, 1},
        {"\"a@b", 4, 0},
        {"\"a\\", 3, 0},
        {"a@\"b@c\"", 4, 2},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t count = 99;
        size_t at = mailname_at(table[i].in, strlen(table[i].in), &count);
        cr_expect_eq(at, table[i].at, "%s: %zu", table[i].in, at);
        cr_expect_eq(count, table[i].count, "%s: %zu", table[i].in, count);
    }
    cr_expect_eq(mailname_at("a@b", 1, NULL), 1);
}
