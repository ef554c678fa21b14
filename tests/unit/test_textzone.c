/* Text zones: what named writes, what people write, what is refused. */
#include "import/textzone.h"
#include "zone_samples.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SOA      "$TTL 60\n@ SOA ns h 7 2 3 4 5\n"

static struct zone_fault fault;
static struct zone zone;

/* Reads a text as zone z.example, and returns the number of records, or -1. */
static int read_text(const void *data, size_t size, struct records *records)
{
    static uint8_t apex[WIRENAME_MAX];
    struct textzone *text = textzone_new();
    struct records own = {.list = NULL};
    struct records *list = records != NULL ? records : &own;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    cr_assert(text != NULL && exact != NULL && wirename_parse("z.example", 9, apex));
    memcpy(exact, data, size);
    list->count = 0;
    fault.text[0] = '\0';
    zone = (struct zone){.apex = apex};
    bool good = textzone_read(text, exact, size, apex, list, &zone, &fault);
    int count = (int)list->count;
    records_free(&own);
    free(exact);
    textzone_free(text);
    return good ? count : -1;
}

static int read_string(const char *text)
{
    return read_text(text, strlen(text), NULL);
}

Test(textzone, what_is_read)
{
    static const struct {
        const char *text;
        int count;
    } cases[] = {
        {"; nothing\n", 0},
        {"\n\n \t\n", 0},
        {SOA, 1},
        {"$TTL 60\r\n@ SOA ns h 7 2 3 4 5\r\n", 1},
        {"$TTL 1h\n@ SOA ns h ( 7 2h 3 ; c\n 4 5 )\n", 1},
        {SOA "a MX 10 b ; comment\n", 2},
        {SOA "a 1 IN MX 10 b\na 1 IN MX 10 c\na IN MX 10 d\na 1 MX 10 e\n", 5},
        {SOA "a MX 10 b\n MX 20 c\n\tMX 30 d\n", 4},
        {SOA "$ORIGIN sub.z.example.\na MX 10 b\n", 2},
        {SOA "$ORIGIN .\nz.example MX 10 b\n", 2},
        {SOA "a TYPE15 \\# 5 000a016200\n", 2},
        {SOA "a TYPE65400 \\# 4 01020304\n", 1}, /* not kept */
        {SOA "a TXT \"a;b\" c \"d e\"\n", 2},
        {SOA "a TXT ( \"a\"\n\"b\" )\n", 2},
        {SOA "a AAAA 2001:db8::1\na A 192.0.2.1\n", 3},
        {SOA "a\\.b MX 10 c\n\\255 MX 10 c\nnul\\000x MX 10 c\n", 4},
        {SOA "* MX 10 c\n", 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int count = read_string(cases[i].text);
        cr_expect_eq(count, cases[i].count, "%s: %d %s", cases[i].text, count, fault.text);
    }
}

Test(textzone, what_is_refused)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"root:x:0:0:root:/root:/bin/bash\n", "line 1: "},
        {SOA "$INCLUDE other\n", "line 3: "},
        {SOA "$GENERATE 1-9 a$ A 192.0.2.$\n", "line 3: "},
        {SOA "a MX b\n", "line 3: "},
        {SOA "a MX 10\n", "line 3: "},
        {SOA "$ORIGIN sub\n", "line 3: a relative"},
        {SOA "$ORIGIN sub\\.\n", "line 3: a relative"},
        {SOA "a MX 10 b..c\n", "line 3: "},
        {SOA "\n\na A 192.0.2.256\n", "line 5: "},
        {SOA "a A 192.0.2.1 192.0.2.2\n", "line 3: "},
        {SOA "a AAAA 192.0.2.1\n", "line 3: "},
        {SOA "a TYPE15 \\# 5 000a0162\n", "line 3: "},
        {SOA "a MX 10 b (\n\n\n", "line 3: "},
        {SOA "a MX 10 b )\n", "line 3: "},
        {SOA "a MX 10 b", "line 3: the last line was cut"},
        {SOA "a MX 10 mail.examp", "line 3: the last line was cut"},
        {SOA "a MX 10 b\\", "line 3: "},
        {SOA "a MX 10 b\\\nb MX 10 c\n", "line 3: "},
        {SOA "a TXT \"b\nc MX 1 d\n", "line 3: a quote"},
        {SOA "a x\n", "line 3: "},
        {SOA "$ORIGINAL MX 1 b\n", "line 3: a directive"},
        {SOA "$ORIGIN a b\n", "line 3: a directive"},
        {SOA "$TTL\n", "line 3: a directive"},
        {SOA "a MX 10 b (\n", "line 3: "},
        {SOA "a TXT \"b\n", "line 3: "},
        {SOA "a NOSUCH b\n", "line 3: "},
        {SOA "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg MX 10 b\n",
         "line 3: "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(read_string(cases[i].text), -1, "%s", cases[i].text);
        cr_expect_eq(fault.kind, ZONE_DAMAGED);
        cr_expect(strncmp(fault.text, cases[i].where, strlen(cases[i].where)) == 0, "%s: %s",
                  cases[i].text, fault.text);
    }
    cr_expect_eq(read_text(SOA "\0", sizeof SOA, NULL), -1);
    cr_expect_not_null(strstr(fault.text, "NUL"));
}

Test(textzone, names_are_lowered_and_owners_shared)
{
    struct records records = {.list = NULL};
    static char text[] = SOA "A MX 10 MAIL\nA MX 20 x\na A 192.0.2.65\n";
    uint8_t apex[WIRENAME_MAX];
    struct textzone *reader = textzone_new();
    cr_assert(wirename_parse("z.example", 9, apex));
    cr_assert(textzone_read(reader, (uint8_t *)text, strlen(text), apex, &records, &zone, &fault));
    cr_assert_eq(records.count, 4);
    cr_expect_eq(records.list[1].owner, records.list[2].owner);
    cr_expect_eq(records.list[1].owner, records.list[3].owner);
    cr_expect_arr_eq(records.list[1].owner, "\1a\1z\7example", 12);
    cr_expect_arr_eq(records.list[1].rdata, "\0\12\4mail\1z\7example", 17);
    cr_expect_arr_eq(records.list[3].rdata, "\300\0\2A", 4);
    textzone_free(reader);
    records_free(&records);
}

/* A label that is "@" and no origin: see mask_at_sign(). */
Test(textzone, escaped_at_signs)
{
    static const struct {
        const char *text;
        const char *rdata; /* of the record after the SOA */
        size_t size;
    } cases[] = {
        {SOA "a MX 10 \\@.b.\n", "\0\12\1@\1b", 7},
        {SOA "a MX 10 \\064.b.\n", "\0\12\1@\1b", 7},
        {SOA "a MX 10 \\@\n", "\0\12\1@\1z\7example", 15},
        {SOA "a MX 10 @\n", "\0\12\1z\7example", 13},
        {SOA "a MX 10 \\@b.\n", "\0\12\2@b", 6},
        {SOA "a MX 10 \\?.b.\n", "\0\12\1?\1b", 7},
        {SOA "a MX 10 ( \\@.b. )\n", "\0\12\1@\1b", 7},
        {SOA "a NS \\@.b.\n", "\1@\1b", 5},
        {SOA "a CNAME \\@.b. ; c\n", "\1@\1b", 5},
        {SOA "a DNAME \\@.\n", "\1@", 3},
        {SOA "a PTR \\@.b.\n", "\1@\1b", 5},
        {SOA "\\@.b MX 10 c.\n", "\0\12\1c", 5},
        {SOA "a TXT \"\\@\" \"\\@.x\"\n", "\1@\3@.x", 6},
        {SOA "a SRV 1 2 3 \\@.b.\na MX 10 \\?.b.\n", "\0\12\1?\1b", 7},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct records records = {.list = NULL};
        uint8_t apex[WIRENAME_MAX];
        struct textzone *reader = textzone_new();
        char *text = strdup(cases[i].text);
        cr_assert(wirename_parse("z.example", 9, apex));
        cr_assert(
            textzone_read(reader, (uint8_t *)text, strlen(text), apex, &records, &zone, &fault),
            "%s: %s", cases[i].text, fault.text);
        cr_assert_eq(records.count, 2, "%s", cases[i].text);
        cr_expect_eq(records.list[1].rdlen, cases[i].size, "%s: %u", cases[i].text,
                     records.list[1].rdlen);
        cr_expect(memcmp(records.list[1].rdata, cases[i].rdata, cases[i].size) == 0, "%s",
                  cases[i].text);
        textzone_free(reader);
        records_free(&records);
        free(text);
    }
}

/* More than one block of copies, and lines longer than any buffer. */
Test(textzone, large)
{
    size_t room = 8000000, used = 0;
    char *text = malloc(room);
    used += (size_t)sprintf(text + used, SOA);
    for (int i = 0; i < 20000; i++)
        used += (size_t)sprintf(text + used, "name-%d MX %d target-of-that-name-%d\n", i, i, i);
    used += (size_t)sprintf(text + used, "long TXT");
    for (int i = 0; i < 230; i++)
        used += (size_t)sprintf(text + used, " \"%0200d\"", i);
    used += (size_t)sprintf(text + used, "\n");
    cr_expect_eq(read_text(text, used, NULL), 20002, "%s", fault.text);
    free(text);
}

Test(textzone, samples_cut_at_every_octet)
{
    static const char *const files[] = {"secA/slaves/text/text.example",
                                        "secA/slaves/text/textfull.example"};
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t size;
        char *path = zone_sample_path(files[i]);
        uint8_t *data = zone_sample_load(path, &size);
        for (size_t cut = 0; cut <= size; cut++) {
            bool whole = cut == 0 || data[cut - 1] == '\n';
            int count = read_text(data, cut, NULL);
            cr_expect(whole || count < 0, "%s cut at %zu", files[i], cut);
            if (count < 0)
                cr_expect(strncmp(fault.text, "line ", 5) == 0, "%s", fault.text);
        }
        for (size_t at = 0; at < size; at++) {
            static const char wrong[] = "\0\n\"(\\;$@\377";
            uint8_t right = data[at];
            for (size_t w = 0; w < sizeof wrong - 1; w++) {
                data[at] = (uint8_t)wrong[w];
                (void)read_text(data, size, NULL);
            }
            data[at] = right;
        }
        free(data);
        free(path);
    }
}

/* Octets as they come, and pieces of master files in any order. */
Test(textzone, random_octets)
{
    static const char *const pieces[] = {
        "@ ",          "a ",     "MX ",       "1 ",        "SOA ",
        "( ",          ") ",     "\n",        "\n",        "\"",
        "; ",          "\\",     "\\300",     "TXT ",      "A ",
        "192.0.2.1 ",  "$TTL ",  "$ORIGIN ",  "$INCLUDE ", "$GENERATE 1-9 ",
        ". ",          "b.c. ",  "\\# 3 ",    "IN ",       "CH ",
        "NS ",         "CNAME ", "AAAA ::1 ", "\t",        "\r\n",
        "4294967296 ", "*",      "-1 ",       "TYPE65535 "};
    uint64_t random = 42;
    for (int round = 0; round < 20000; round++) {
        char data[600];
        size_t used = round % 2 == 0 ? (size_t)sprintf(data, SOA) : 0;
        size_t end = used + (size_t)(random >> 33) % 200;
        while (used < end) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            if (round % 8 == 7)
                data[used++] = (char)(random >> 56);
            else
                used += (size_t)sprintf(data + used, "%s", pieces[(random >> 40) % COUNT(pieces)]);
        }
        random++;
        if (read_text(data, used, NULL) < 0)
            cr_expect(strncmp(fault.text, "line ", 5) == 0, "%.*s: %s", (int)used, data,
                      fault.text);
    }
}
