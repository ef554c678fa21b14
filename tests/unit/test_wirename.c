/* Names as labels: what is well formed, how they compare, what text they become. */
#include "common/mailname.h"
#include "import/wirename.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* A text's wire name, in a static place; several may be used at once. */
static const uint8_t *name(const char *text)
{
    static uint8_t places[8][WIRENAME_MAX];
    static size_t next;
    uint8_t *place = places[next++ % COUNT(places)];
    cr_assert(wirename_parse(text, strlen(text), place), "%s", text);
    return place;
}

Test(wirename, check)
{
    static const struct {
        const char *data;
        size_t size, expected;
    } cases[] = {
        {"", 0, 0},
        {"\0", 1, 1},
        {"\0x", 2, 1},
        {"\1a\0", 3, 3},
        {"\1a\0\1b\0", 6, 3},
        {"\1a", 2, 0},         /* no end */
        {"\1", 1, 0},          /* ends within a label */
        {"\2a\0", 3, 0},       /* the label takes the end */
        {"\300\014", 2, 0},    /* a pointer */
        {"\1a\300\014", 4, 0}, /* a pointer later */
        {"\100a\0", 3, 0},     /* the reserved bits of RFC 1035 4.1.4 */
        {"\200a\0", 3, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *exact = malloc(cases[i].size + 1);
        memcpy(exact, cases[i].data, cases[i].size);
        uint8_t *shrunk = realloc(exact, cases[i].size > 0 ? cases[i].size : 1);
        cr_expect_eq(wirename_check(shrunk, cases[i].size), cases[i].expected, "case %zu", i);
        free(shrunk);
    }
}

Test(wirename, lengths_at_the_limit)
{
    uint8_t long_name[300] = {0};
    size_t at = 0;
    for (int i = 0; i < 3; i++, at += 64) /* 3 * 64 + 62 + 1 = 255 */
        long_name[at] = 63;
    long_name[at] = 61;
    cr_expect_eq(wirename_check(long_name, sizeof long_name), 255);
    cr_expect_eq(wirename_check(long_name, 255), 255);
    cr_expect_eq(wirename_check(long_name, 254), 0);
    cr_expect_eq(wirename_size(long_name), 255);
    cr_expect_eq(wirename_labels(long_name), 4);
    long_name[at] = 62; /* 256 octets */
    cr_expect_eq(wirename_check(long_name, sizeof long_name), 0);
    memset(long_name, 0, sizeof long_name);
    for (at = 0; at < 254; at += 2)
        long_name[at] = 1;
    cr_expect_eq(wirename_check(long_name, sizeof long_name), 255);
    cr_expect_eq(wirename_labels(long_name), WIRENAME_LABELS_MAX);
    cr_expect_eq(wirename_compare(long_name, long_name), 0);
    char text[WIRENAME_TEXT_SIZE];
    cr_expect_eq(strlen(wirename_print(long_name, text)), (size_t)127 * 4 + 126);
    uint8_t back[WIRENAME_MAX];
    cr_expect(wirename_parse(text, strlen(text), back));
    cr_expect(wirename_equal(back, long_name));
}

/* The longest text: one octet a label would be longer, 255 octets of one kind are not possible. */
Test(wirename, print_never_needs_more_room)
{
    uint8_t octets[WIRENAME_MAX];
    char *text = malloc(WIRENAME_TEXT_SIZE);
    for (size_t label = 1; label <= 63; label++) {
        size_t at = 0;
        memset(octets, 0xff, sizeof octets);
        while (at + 1 + label < WIRENAME_MAX) {
            octets[at] = (uint8_t)label;
            at += 1 + label;
        }
        octets[at] = 0;
        cr_assert_eq(wirename_check(octets, sizeof octets), at + 1);
        uint8_t back[WIRENAME_MAX];
        wirename_print(octets, text);
        cr_expect(wirename_parse(text, strlen(text), back) && wirename_equal(octets, back));
    }
    free(text);
}

Test(wirename, parse_and_print)
{
    static const struct {
        const char *text, *printed; /* NULL: no name */
    } cases[] = {
        {"", NULL},
        {".", "."},
        {"..", NULL},
        {".a", NULL},
        {"a..b", NULL},
        {"a", "a"},
        {"a.", "a"},
        {"Example.COM.", "example.com"},
        {"a\\.b.example", "a\\.b.example"},
        {"esc\\046aped.example", "esc\\.aped.example"},
        {"\\065.b", "a.b"}, /* \065 is A: folded like any letter */
        {"sp\\032ace", "sp\\032ace"},
        {"nul\\000x", "nul\\000x"},
        {"\\255\\254", "\\255\\254"},
        {"m\303\274nchen.example", "m\\195\\188nchen.example"},
        {"quote\"x", "quote\\\"x"},
        {"back\\\\slash", "back\\\\slash"},
        {"\\@at", "\\@at"},
        {"semi;colon", "semi\\;colon"},
        {"0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa"},
        {"*.b", "*.b"},
        {"a\\", NULL},
        {"a\\1", NULL},
        {"a\\12", NULL},
        {"a\\12x", NULL},
        {"a\\256", NULL},
        {"a\\999", NULL},
        {"a.b\\.", "a.b\\."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t wire[WIRENAME_MAX];
        char printed[WIRENAME_TEXT_SIZE];
        bool good = wirename_parse(cases[i].text, strlen(cases[i].text), wire);
        cr_expect_eq(good, cases[i].printed != NULL, "%s", cases[i].text);
        if (!good)
            continue;
        cr_expect_eq(wirename_check(wire, sizeof wire), wirename_size(wire));
        cr_expect_str_eq(wirename_print(wire, printed), cases[i].printed);
    }
}

Test(wirename, parse_lengths)
{
    char text[600];
    uint8_t *wire = malloc(WIRENAME_MAX);
    for (size_t n = 1; n < 70; n++) { /* one label */
        memset(text, 'a', n);
        cr_expect_eq(wirename_parse(text, n, wire), n <= 63, "%zu", n);
        text[n] = '.';
        cr_expect_eq(wirename_parse(text, n + 1, wire), n <= 63, "%zu", n);
    }
    for (size_t n = 1; n < 300; n++) { /* a.a.a... and 50.50.50... */
        for (size_t i = 0; i < n; i++)
            text[i] = i % 2 == 1 ? '.' : 'a';
        bool dot = text[n - 1] == '.';
        cr_expect_eq(wirename_parse(text, n, wire), n - dot <= 253, "%zu", n);
        for (size_t i = 0; i < n; i++)
            text[i] = i % 51 == 50 ? '.' : 'a';
        dot = text[n - 1] == '.';
        cr_expect_eq(wirename_parse(text, n, wire), n - dot <= 253, "%zu", n);
        if (n - dot <= 253)
            cr_expect_eq(wirename_size(wire), n - dot + 2, "%zu", n);
    }
    free(wire);
}

Test(wirename, canonical_order)
{
    /* RFC 4034 6.1, and what a comparison of texts gets wrong. */
    static const char *const order[] = {
        ".",           "example",         "a.example",   "b.a.example",     "yljkjljk.a.example",
        "z.a.example", "zabc.a.example",  "a-b.example", "a\\.b.example",   "ab.example",
        "z.example",   "\\001.z.example", "*.z.example", "\\200.z.example", "examplf",
    };
    for (size_t i = 0; i < COUNT(order); i++)
        for (size_t j = 0; j < COUNT(order); j++) {
            int got = wirename_compare(name(order[i]), name(order[j]));
            cr_expect_eq((got > 0) - (got < 0), (i > j) - (i < j), "%s %s", order[i], order[j]);
            cr_expect_eq(got == 0, wirename_equal(name(order[i]), name(order[j])));
        }
}

Test(wirename, ancestors)
{
    static const struct {
        const char *name, *ancestor;
        bool within, below;
    } cases[] = {
        {"example.com", "example.com", true, false},
        {"a.example.com", "example.com", true, true},
        {"b.a.example.com", "example.com", true, true},
        {"example.com", "a.example.com", false, false},
        {"xexample.com", "example.com", false, false},
        {"x\\.example.com", "example.com", false, false},   /* a dot inside a label */
        {"x\\007example.com", "example.com", false, false}, /* a length inside a label */
        {"com", ".", true, true},
        {".", ".", true, false},
        {".", "com", false, false},
        {"a.org", "a.com", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(wirename_within(name(cases[i].name), name(cases[i].ancestor)), cases[i].within,
                     "%s %s", cases[i].name, cases[i].ancestor);
        cr_expect_eq(wirename_below(name(cases[i].name), name(cases[i].ancestor)), cases[i].below,
                     "%s %s", cases[i].name, cases[i].ancestor);
    }
    cr_expect_null(wirename_parent(name(".")));
    cr_expect(wirename_equal(wirename_parent(name("a\\.b.c")), name("c")));
    cr_expect(wirename_is_wildcard(name("*.a")));
    cr_expect_not(wirename_is_wildcard(name("**.a")));
    cr_expect_not(wirename_is_wildcard(name("x*.a")));
    cr_expect_not(wirename_is_wildcard(name("a.*")));
}

Test(wirename, domains_and_targets)
{
    static const struct {
        const char *name;
        enum wirename_fault domain, target;
    } cases[] = {
        {"example.com", WIRENAME_GOOD, WIRENAME_GOOD},
        {"EXAMPLE.com", WIRENAME_GOOD, WIRENAME_GOOD},
        {"xn--mnchen-3ya.example", WIRENAME_GOOD, WIRENAME_GOOD},
        {"3com.com", WIRENAME_GOOD, WIRENAME_GOOD},
        {"1.2.3.example", WIRENAME_GOOD, WIRENAME_GOOD},
        {"a--b.c", WIRENAME_GOOD, WIRENAME_GOOD},
        {".", WIRENAME_SINGLE, WIRENAME_SINGLE},
        {"com", WIRENAME_SINGLE, WIRENAME_SINGLE},
        {"localhost", WIRENAME_LOCALHOST, WIRENAME_LOCALHOST},
        {"a.LocalHost", WIRENAME_LOCALHOST, WIRENAME_LOCALHOST},
        {"localhost.example", WIRENAME_GOOD, WIRENAME_GOOD},
        {"a_b.example", WIRENAME_UNDERSCORE, WIRENAME_GOOD},
        {"-a.example", WIRENAME_HYPHEN, WIRENAME_HYPHEN},
        {"a-.example", WIRENAME_HYPHEN, WIRENAME_HYPHEN},
        {"-.example", WIRENAME_HYPHEN, WIRENAME_HYPHEN},
        {"192.0.2.1", WIRENAME_NUMERIC, WIRENAME_NUMERIC},
        {"example.1", WIRENAME_NUMERIC, WIRENAME_NUMERIC},
        {"a\\.b.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"sp\\032ace.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"nul\\000x.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"nl\\010x.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"pipe|x.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"per%cent.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"sql'x.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"evil]:25,[127.0.0.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"*.example", WIRENAME_OCTET, WIRENAME_OCTET},
        {"\\255.example", WIRENAME_OCTET, WIRENAME_OCTET},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[WIRENAME_DOMAIN_SIZE];
        enum wirename_fault domain = wirename_domain(name(cases[i].name), out);
        cr_expect_eq(domain, cases[i].domain, "%s: %s", cases[i].name, wirename_fault_text(domain));
        if (domain == WIRENAME_GOOD)
            cr_expect(strcasecmp(out, cases[i].name) == 0 && mailname_is_host(out, strlen(out)));
        enum wirename_fault target = wirename_target(name(cases[i].name), out);
        cr_expect_eq(target, cases[i].target, "%s: %s", cases[i].name, wirename_fault_text(target));
        if (target == WIRENAME_GOOD)
            cr_expect(strcasecmp(out, cases[i].name) == 0 && mailname_is_host(out, strlen(out)));
    }
}

/* Each octet alone in a label: only those of host names pass, and what passes is a host name. */
Test(wirename, every_octet)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    for (unsigned c = 0; c < 256; c++) {
        uint8_t wire[] = {3, 'a', (uint8_t)c, 'b', 2, 'd', 'e', 0};
        char out[WIRENAME_DOMAIN_SIZE];
        bool good = wirename_domain(wire, out) == WIRENAME_GOOD;
        cr_expect_eq(good, c != 0 && strchr(allowed, (int)c) != NULL, "%u", c);
        if (good)
            cr_expect(mailname_is_host(out, strlen(out)));
        cr_expect_eq(wirename_target(wire, out) == WIRENAME_GOOD, good || c == '_', "%u", c);
    }
}

Test(wirename, the_longest_domain)
{
    char text[260], out[WIRENAME_DOMAIN_SIZE];
    for (size_t i = 0; i < 253; i++)
        text[i] = i % 50 == 49 ? '.' : 'a';
    text[253] = '\0';
    cr_expect_eq(wirename_domain(name(text), out), WIRENAME_GOOD);
    cr_expect_str_eq(out, text);
}

Test(wirename, hashes_differ)
{
    cr_expect_neq(wirename_hash(name("a.b"), 1), wirename_hash(name("a\\.b"), 1));
    cr_expect_neq(wirename_hash(name("a.b"), 1), wirename_hash(name("a.b"), 2));
    cr_expect_eq(wirename_hash(name("A.b"), 1), wirename_hash(name("a.B"), 1));
}
