/* Records: what is well formed, and what stands in them. */
#include "import/records.h"
#include "import/rr.h"
#include "import/wirename.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SOA_DATA "\2NS\1a\0\1h\1a\0\0\0\0\1\0\0\0\2\0\0\0\3\1\2\3\4\0\0\0\5"

/* Data of each kept type, well formed; every shorter and longer form of it is not. */
static const struct {
    enum rr_type type;
    const char *data;
    size_t size;
} good[] = {
    {RR_A, "\300\0\2\1", 4},
    {RR_AAAA, "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1", 16},
    {RR_MX, "\0\12\4MAIL\1b\0", 10},
    {RR_MX, "\0\0\0", 3},
    {RR_NS, "\1A\0", 3},
    {RR_CNAME, "\1A\0", 3},
    {RR_DNAME, "\0", 1},
    {RR_PTR, "\1A\0", 3},
    {RR_SOA, SOA_DATA, sizeof SOA_DATA - 1},
};

static bool accepts(unsigned type, const void *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, data, size);
    bool accepted = rr_normalize(type, exact, size);
    free(exact);
    return accepted;
}

Test(rr, every_length_but_one_is_malformed)
{
    char longer[80];
    for (size_t i = 0; i < COUNT(good); i++) {
        memset(longer, 0, sizeof longer);
        memcpy(longer, good[i].data, good[i].size);
        for (size_t size = 0; size < good[i].size + 20; size++)
            cr_expect_eq(accepts(good[i].type, longer, size), size == good[i].size,
                         "case %zu, %zu octets", i, size);
    }
}

/* The letters of a PTR's target stay as they are; records that differ in nothing else are equal. */
Test(rr, letters)
{
    uint8_t ptr[2][4] = {"\1Z", "\1z"}, ns[] = "\1Z", other[] = "\1a";
    struct rr a = {.owner = (const uint8_t *)"\1x", .rdata = ptr[0], .type = RR_PTR, .rdlen = 3};
    struct rr b = a, c = a;
    b.rdata = ptr[1];
    c.rdata = other;
    cr_assert(rr_normalize(RR_PTR, ptr[0], 3) && rr_normalize(RR_NS, ns, 3));
    cr_expect_eq(ptr[0][1], 'Z');
    cr_expect_eq(ns[1], 'z');
    cr_expect_eq(records_compare(&a, &b), 0);
    cr_expect_gt(records_compare(&a, &c), 0);
    cr_expect_lt(records_compare(&c, &a), 0);
    a.type = b.type = RR_TXT;
    cr_expect_neq(records_compare(&a, &b), 0);
}

Test(rr, txt)
{
    static const struct {
        const char *data;
        size_t size;
        bool well_formed;
        const char *text; /* NULL: not printable */
    } cases[] = {
        {"", 0, false, NULL},
        {"\0", 1, true, ""},
        {"\3abc", 4, true, "abc"},
        {"\3ab", 3, false, NULL},
        {"\1a\2bc\0\1d", 8, true, "abcd"},
        {"\1a\2b", 4, false, NULL},
        {"\3a\0b", 4, true, NULL},
        {"\3a\nb", 4, true, NULL},
        {"\2\303\274", 3, true, NULL},
        {"\3a\177b", 4, true, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[16];
        cr_expect_eq(accepts(RR_TXT, cases[i].data, cases[i].size), cases[i].well_formed, "%zu", i);
        if (!cases[i].well_formed)
            continue;
        struct rr rr = {.type = RR_TXT,
                        .rdata = (const uint8_t *)cases[i].data,
                        .rdlen = (uint16_t)cases[i].size};
        cr_expect_eq(rr_txt(&rr, text, sizeof text), cases[i].text != NULL, "%zu", i);
        if (cases[i].text != NULL)
            cr_expect_str_eq(text, cases[i].text);
    }
    struct rr rr = {.type = RR_TXT, .rdata = (const uint8_t *)"\4abcd", .rdlen = 5};
    char text[5];
    cr_expect(rr_txt(&rr, text, 5));
    cr_expect_not(rr_txt(&rr, text, 4));
}

Test(rr, names_are_lowered_and_numbers_are_not)
{
    uint8_t mx[] = "\101\102\4MAIL\1B"; /* preference 0x4142: letters, but a number */
    uint8_t soa[sizeof SOA_DATA];
    struct rr rr = {.type = RR_MX, .rdata = mx, .rdlen = sizeof mx};
    cr_assert(rr_normalize(RR_MX, mx, sizeof mx));
    cr_expect_eq(rr_mx_preference(&rr), 0x4142);
    cr_expect_arr_eq(rr_target(&rr), "\4mail\1b", 8);
    memcpy(soa, SOA_DATA, sizeof soa);
    memcpy(soa + sizeof soa - 21, "AAAABBBBCCCCDDDDEEEE", 20);
    rr = (struct rr){.type = RR_SOA, .rdata = soa, .rdlen = sizeof soa - 1};
    cr_assert(rr_normalize(RR_SOA, soa, sizeof soa - 1));
    cr_expect_eq(rr_soa_serial(&rr), 0x41414141);
    cr_expect_eq(rr_soa_expire(&rr), 0x44444444);
    cr_expect_arr_eq(soa, "\2ns\1a", 6);
}

Test(rr, types)
{
    char buffer[RR_TYPE_SIZE];
    unsigned all = 0;
    for (unsigned type = 0; type < 65536; type++) {
        unsigned bit = rr_bit(type);
        cr_expect_eq(all & bit, 0U, "%u", type);
        all |= bit;
        if (bit == 0)
            cr_expect(rr_normalize(type, NULL, 0), "%u", type);
    }
    cr_expect_eq(all, 0x1ffU);
    cr_expect_str_eq(rr_type_text(15, buffer), "MX");
    cr_expect_str_eq(rr_type_text(65535, buffer), "TYPE65535");
}
