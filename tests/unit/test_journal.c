/* Journals: real ones against what BIND makes of them, and every way that they can be wrong. */
#include "import/journal.h"
#include "import/octets.h"
#include "import/rawzone.h"
#include "zone_samples.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct case_file {
    const char *zone, *file, *journal;
    uint32_t before, after;
};
static const struct case_file cases[] = {
    {"ixfr.example", "secA/slaves/ixfr.example.db", "secA/slaves/ixfr.example.db.jnl", 1, 2},
    {"jnl.example", "secA/slaves/jnl.example.db", "secA/slaves/other-name.jnl", 2024010101,
     2024010102},
    {"changes.example", "changes/changes.0.db", "changes/changes.jnl", 1, 100},
    {"changes.example", "changes/changes.0.db", "changes/changes-v9.jnl", 1, 100},
};

/* A zone file, its records as they are before a journal, and a journal in memory. */
struct setup {
    uint8_t apex[WIRENAME_MAX];
    uint8_t *file, *journal;
    size_t file_size, journal_size;
    struct records records;
    uint32_t serial;
    struct zone_fault fault;
};

static void setup(struct setup *s, const struct case_file *c)
{
    struct zone zone = {.apex = s->apex};
    memset(s, 0, sizeof *s);
    cr_assert(wirename_parse(c->zone, strlen(c->zone), s->apex));
    char *path = zone_sample_path(c->file);
    s->file = zone_sample_load(path, &s->file_size);
    free(path);
    path = zone_sample_path(c->journal);
    s->journal = zone_sample_load(path, &s->journal_size);
    free(path);
    cr_assert(rawzone_read(s->file, s->file_size, s->apex, &s->records, &zone, &s->fault));
    records_sort_owners(&s->records);
    s->serial = c->before;
}

static void setup_free(struct setup *s)
{
    records_free(&s->records);
    free(s->file);
    free(s->journal);
}

static int memory_file(const void *data, size_t size)
{
    int fd = memfd_create("journal", MFD_CLOEXEC);
    cr_assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    return fd;
}

/* Applies so many octets as a journal to a copy of the records; *after gets their number. */
static enum journal_status apply(struct setup *s, const uint8_t *data, size_t size, size_t *after)
{
    struct records copy = {.count = s->records.count, .room = s->records.count};
    struct journal_buffer buffer = {.data = NULL};
    uint32_t serial = s->serial;
    copy.list = malloc(copy.count * sizeof *copy.list);
    cr_assert_not_null(copy.list);
    memcpy(copy.list, s->records.list, copy.count * sizeof *copy.list);
    int fd = memory_file(data, size);
    s->fault.text[0] = '\0';
    enum journal_status status =
        journal_apply(fd, 1 << 20, s->apex, &buffer, &copy, &serial, &s->fault);
    close(fd);
    if (status != JOURNAL_APPLIED) {
        cr_expect_eq(serial, s->serial);
        cr_expect_eq(copy.count, s->records.count);
    }
    if (status == JOURNAL_DAMAGED || status == JOURNAL_STRANGE || status == JOURNAL_FAILED)
        cr_expect_str_not_empty(s->fault.text);
    for (size_t i = 1; status == JOURNAL_APPLIED && i < copy.count; i++)
        cr_assert_leq(wirename_compare(copy.list[i - 1].owner, copy.list[i].owner), 0);
    if (after != NULL)
        *after = copy.count;
    records_free(&copy);
    journal_buffer_free(&buffer);
    return status;
}

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        p[i] = (uint8_t)value;
}

Test(journal, real_ones)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct setup s;
        size_t after;
        setup(&s, &cases[i]);
        cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_APPLIED, "%s: %s",
                     cases[i].journal, s.fault.text);
        s.serial = cases[i].after;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_CURRENT);
        s.serial = cases[i].after + 1;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_STRANGE);
        cr_expect_not_null(strstr(s.fault.text, "serial"), "%s", s.fault.text);
        s.serial = cases[i].before - 1;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_STRANGE);
        setup_free(&s);
    }
}

/* 9.16.12 and its like: a count of 0 at the end of the header. Made of the 12-octet kind. */
Test(journal, header_with_a_zero_at_its_end)
{
    struct setup s;
    uint8_t *made = calloc(1, 20000);
    size_t after, expected;
    setup(&s, &cases[3]);
    cr_assert_eq(apply(&s, s.journal, s.journal_size, &expected), JOURNAL_APPLIED);
    memcpy(made, s.journal, 512);
    size_t at = 512, to = 512;
    while (at < s.journal_size) {
        size_t size = get32(s.journal + at);
        memcpy(made + to, s.journal + at, 12);
        memcpy(made + to + 16, s.journal + at + 12, size);
        at += 12 + size;
        to += 16 + size;
    }
    put32(made + 28, (uint32_t)to);
    cr_expect_eq(apply(&s, made, to, &after), JOURNAL_APPLIED, "%s", s.fault.text);
    cr_expect_eq(after, expected);
    /* And the new kind under the old file header, as first versions of it were. */
    struct setup new;
    setup(&new, &cases[2]);
    memcpy(new.journal, s.journal, 16);
    cr_expect_eq(apply(&new, new.journal, new.journal_size, &after), JOURNAL_APPLIED, "%s",
                 new.fault.text);
    cr_expect_eq(after, expected);
    /* But not the old kind under the new file header. */
    memcpy(s.journal, ";BIND LOG V9.2\n", 16);
    cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_DAMAGED);
    setup_free(&new);
    setup_free(&s);
    free(made);
}

Test(journal, cut_at_every_octet)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct setup s;
        setup(&s, &cases[i]);
        for (size_t cut = 0; cut < s.journal_size; cut++) {
            cr_expect_eq(apply(&s, s.journal, cut, NULL), JOURNAL_DAMAGED, "%s cut at %zu",
                         cases[i].journal, cut);
            cr_expect(strncmp(s.fault.text, "offset 0x", 9) == 0, "%s", s.fault.text);
        }
        setup_free(&s);
    }
}

Test(journal, begin_and_end)
{
    static const struct {
        size_t at;
        uint32_t value;
        enum journal_status expected;
    } wrong[] = {
        {20, 0, JOURNAL_DAMAGED},   {20, 63, JOURNAL_DAMAGED},
        {20, 64, JOURNAL_DAMAGED},  {20, 511, JOURNAL_DAMAGED},
        {20, 513, JOURNAL_DAMAGED}, {20, UINT32_MAX, JOURNAL_DAMAGED},
        {28, 0, JOURNAL_DAMAGED},   {28, 511, JOURNAL_DAMAGED},
        {28, 512, JOURNAL_CURRENT}, /* holds nothing */
        {28, 513, JOURNAL_DAMAGED}, {28, UINT32_MAX, JOURNAL_DAMAGED},
        {16, 2, JOURNAL_STRANGE},   {16, 0, JOURNAL_DAMAGED},
        {24, 1, JOURNAL_CURRENT},   {24, 3, JOURNAL_DAMAGED},
    };
    struct setup s;
    setup(&s, &cases[0]);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        uint32_t right = get32(s.journal + wrong[i].at);
        put32(s.journal + wrong[i].at, wrong[i].value);
        enum journal_status got = apply(&s, s.journal, s.journal_size, NULL);
        /* The first transaction is not of the file's serial, or does not follow the header's. */
        bool either = wrong[i].at == 16 && (got == JOURNAL_STRANGE || got == JOURNAL_DAMAGED);
        cr_expect(got == wrong[i].expected || either, "%zu = %u: %d, %s", wrong[i].at,
                  wrong[i].value, (int)got, s.fault.text);
        put32(s.journal + wrong[i].at, right);
    }
    memcpy(s.journal, ";BIND LOG V8\n\0\0", 16);
    cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED);
    setup_free(&s);
}

/* Every octet of header and transactions changed: applied, or refused as a whole. */
Test(journal, every_octet_wrong)
{
    static const uint8_t wrong[] = {0, 1, 0x40, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct setup s;
        setup(&s, &cases[i]);
        for (size_t at = 0; at < s.journal_size; at++) {
            uint8_t right = s.journal[at];
            if (at >= 64 && at < 512) /* the index is not read */
                continue;
            if (i >= 2 && at % 7 != 0) /* long ones; the fuzzer goes further */
                continue;
            for (size_t w = 0; w <= COUNT(wrong); w++) {
                s.journal[at] = w < COUNT(wrong) ? wrong[w] : (uint8_t)(right ^ 1);
                (void)apply(&s, s.journal, s.journal_size, NULL);
            }
            s.journal[at] = right;
        }
        setup_free(&s);
    }
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* The length of a record's data, in the record whose own length is at this place. */
static size_t try_data_lengths(struct setup *s, size_t record, const char *journal)
{
    size_t at = record + 4 + wirename_size(s->journal + record + 4) + 8, tried = 0;
    uint32_t right = get16(s->journal + at);
    uint32_t wrong[] = {0, 1, right - 1, right + 1, INT16_MAX, UINT16_MAX};
    for (size_t w = 0; w < COUNT(wrong); w++) {
        if ((wrong[w] & UINT16_MAX) == right)
            continue;
        put16(s->journal + at, wrong[w]);
        tried++;
        cr_expect_eq(apply(s, s->journal, s->journal_size, NULL), JOURNAL_DAMAGED,
                     "%s: %u instead of %u at %zu", journal, wrong[w], right, at);
        cr_expect(strncmp(s->fault.text, "offset 0x", 9) == 0, "%s", s->fault.text);
    }
    put16(s->journal + at, right);
    return tried;
}

/* Lengths of transactions, records and their data: no other value can be right. */
Test(journal, every_length_wrong)
{
    size_t tried = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct setup s;
        setup(&s, &cases[i]);
        size_t header = i == 3 ? 12 : 16;
        for (size_t at = 512; at < s.journal_size;) {
            size_t end = at + header + get32(s.journal + at);
            for (size_t field = at; field < end;) {
                uint32_t right = get32(s.journal + field);
                uint32_t wrong[] = {0,         1,          right - 1, right + 1,
                                    INT32_MAX, UINT32_MAX, 70000,     70001};
                for (size_t w = 0; w < COUNT(wrong); w++) {
                    put32(s.journal + field, wrong[w]);
                    tried++;
                    cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED,
                                 "%s: %u instead of %u at %zu", cases[i].journal, wrong[w], right,
                                 field);
                }
                put32(s.journal + field, right);
                if (field != at)
                    tried += try_data_lengths(&s, field, cases[i].journal);
                field = field == at ? at + header : field + 4 + right;
            }
            at = end;
        }
        setup_free(&s);
    }
    cr_expect_gt(tried, 3000);
}

/* Nothing of a journal, or a header and nothing of the rest. */
Test(journal, random_octets)
{
    struct setup s;
    uint8_t header[512];
    uint64_t random = 42;
    setup(&s, &cases[0]);
    memcpy(header, s.journal, sizeof header);
    for (int round = 0; round < 5000; round++) {
        size_t begin = round % 4 == 0 ? 0 : sizeof header, length = s.journal_size - 528;
        memcpy(s.journal, header, sizeof header);
        for (size_t i = begin; i < s.journal_size; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            s.journal[i] = (uint8_t)(random >> 56);
        }
        /* the transaction's header may be right, so that its records are looked at */
        const uint32_t first[] = {(uint32_t)length, 1, 1, 2, (uint32_t)(random >> 33) % 100};
        for (size_t i = 0; round % 4 > 1 && i < COUNT(first); i++)
            put32(s.journal + 512 + 4 * i, first[i]);
        cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED, "%d", round);
        cr_expect(strncmp(s.fault.text, "offset 0x", 9) == 0, "%s", s.fault.text);
    }
    setup_free(&s);
}

/* A journal that is sound by itself and of other data: what goes was not there. */
Test(journal, of_other_data)
{
    struct setup s;
    setup(&s, &cases[0]);
    for (size_t i = 0; i < s.records.count; i++) {
        struct rr rr = s.records.list[i];
        if (rr.type != RR_MX)
            continue;
        s.records.list[i].rdata = (const uint8_t *)"\0\1\1x"; /* another target */
        s.records.list[i].rdlen = 5;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED);
        cr_expect_not_null(strstr(s.fault.text, "do not fit"), "%s", s.fault.text);
        s.records.list[i] = rr;
        break;
    }
    cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_APPLIED);
    setup_free(&s);
}

Test(journal, limits_and_failures)
{
    struct setup s;
    struct journal_buffer buffer = {.data = NULL};
    setup(&s, &cases[0]);
    int fd = memory_file(s.journal, s.journal_size);
    size_t size = s.journal_size - 512;
    cr_expect_eq(journal_apply(fd, size - 1, s.apex, &buffer, &s.records, &s.serial, &s.fault),
                 JOURNAL_FAILED);
    cr_expect_eq(s.fault.kind, ZONE_TOO_BIG);
    cr_expect_eq(journal_apply(fd, size, s.apex, &buffer, &s.records, &s.serial, &s.fault),
                 JOURNAL_APPLIED);
    cr_expect_eq(s.serial, 2);
    close(fd);
    cr_expect_eq(journal_apply(fd, size, s.apex, &buffer, &s.records, &s.serial, &s.fault),
                 JOURNAL_FAILED);
    journal_buffer_free(&buffer);
    setup_free(&s);
}

/* named appends while we read: the new transaction first, the header when it is safe on disk. */
Test(journal, an_unfinished_transaction_is_not_seen)
{
    struct setup s;
    size_t whole, after;
    setup(&s, &cases[2]);
    /* The first transaction alone: end.serial 2, end.offset behind it. */
    size_t end = 512 + 16 + get32(s.journal + 512);
    put32(s.journal + 24, 2);
    put32(s.journal + 28, (uint32_t)end);
    cr_expect_eq(apply(&s, s.journal, end, &whole), JOURNAL_APPLIED, "%s", s.fault.text);
    memset(s.journal + end, 0xff, s.journal_size - end);
    cr_expect_eq(apply(&s, s.journal, s.journal_size, &after), JOURNAL_APPLIED, "%s", s.fault.text);
    cr_expect_eq(after, whole);
    setup_free(&s);
}

/* Header and transaction say one serial, the SOA record says another. */
Test(journal, the_soa_record_has_the_last_word)
{
    struct setup s;
    setup(&s, &cases[0]);
    put32(s.journal + 24, 3);
    put32(s.journal + 512 + 12, 3);
    cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED);
    cr_expect_not_null(strstr(s.fault.text, "SOA"), "%s", s.fault.text);
    setup_free(&s);
}

/* The last record has room for its owner and nine octets, where ten are needed. */
Test(journal, the_last_record_ends_with_the_file)
{
    static const uint8_t record[] = {0, 0, 0, 12, 1, 'a', 0, 0, 1, 0, 1, 0, 0, 0, 60, 0};
    struct setup s;
    uint8_t made[2000];
    setup(&s, &cases[0]);
    cr_assert_lt(s.journal_size + sizeof record, sizeof made);
    memcpy(made, s.journal, s.journal_size);
    memcpy(made + s.journal_size, record, sizeof record);
    put32(made + 512, get32(made + 512) + sizeof record);
    put32(made + 28, get32(made + 28) + sizeof record);
    cr_expect_eq(apply(&s, made, s.journal_size + sizeof record, NULL), JOURNAL_DAMAGED);
    cr_expect_not_null(strstr(s.fault.text, "no room"), "%s", s.fault.text);
    setup_free(&s);
}

/* RFC 1982: serials go round. */
Test(journal, serials_go_round)
{
    struct setup s;
    setup(&s, &cases[0]);
    static const uint32_t rounds[][2] = {
        {UINT32_MAX, 0}, {UINT32_MAX - 5, 3}, {0x7fffffff, 0x80000001}};
    for (size_t i = 0; i < COUNT(rounds); i++) {
        uint32_t from = rounds[i][0], to = rounds[i][1];
        size_t soa_end = 512 + 16 + 4 + get32(s.journal + 512 + 16);
        put32(s.journal + 16, from);
        put32(s.journal + 24, to);
        put32(s.journal + 512 + 8, from);
        put32(s.journal + 512 + 12, to);
        put32(s.journal + soa_end - 20, from); /* the SOA that goes */
        size_t second = 512 + 16;
        for (int n = 0; n < 3; n++)
            second += 4 + get32(s.journal + second);
        put32(s.journal + second + 4 + get32(s.journal + second) - 20, to);
        for (size_t j = 0; j < s.records.count; j++)
            if (s.records.list[j].type == RR_SOA)
                put32(s.file + (s.records.list[j].rdata - s.file) + s.records.list[j].rdlen - 20,
                      from);
        s.serial = from;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_APPLIED, "%u %u: %s", from,
                     to, s.fault.text);
        put32(s.journal + 24, from); /* backwards */
        put32(s.journal + 16, to);
        s.serial = to;
        cr_expect_eq(apply(&s, s.journal, s.journal_size, NULL), JOURNAL_DAMAGED);
    }
    setup_free(&s);
}
