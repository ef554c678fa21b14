/* The raw format: every real file damaged in every way that a length can be wrong. */
#include "import/octets.h"
#include "import/rawzone.h"
#include "zone_samples.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What came of reading octets as a zone; of the records only their number is kept. */
static size_t record_count;

static bool read_octets(const uint8_t *data, size_t size, const uint8_t *apex,
                        struct zone_fault *fault, struct zone *zone)
{
    struct records records = {.list = NULL};
    uint8_t *exact = malloc(size > 0 ? size : 1); /* a sanitizer sees the octet after it */
    cr_assert_not_null(exact);
    memcpy(exact, data, size);
    *zone = (struct zone){.apex = apex};
    fault->text[0] = '\0';
    bool good = rawzone_read(exact, size, apex, &records, zone, fault);
    record_count = records.count;
    records_free(&records);
    free(exact);
    return good;
}

static void expect_told(const struct zone_fault *fault, const char *file)
{
    cr_expect(fault->kind == ZONE_DAMAGED || fault->kind == ZONE_VERSION, "%s: kind %d", file,
              (int)fault->kind);
    cr_expect(strncmp(fault->text, "offset 0x", 9) == 0, "%s: \"%s\"", file, fault->text);
}

/* Where each set of a well-formed file begins, then its end. */
static size_t find_sets(const uint8_t *data, size_t size, size_t *sets, size_t room)
{
    size_t count = 0;
    for (size_t at = get32(data + 4) == 0 ? 12 : 24; at < size; at += get32(data + at)) {
        cr_assert(count + 1 < room);
        sets[count++] = at;
    }
    sets[count] = size;
    return count;
}

static bool is_set(const size_t *sets, size_t count, size_t at)
{
    for (size_t i = 0; i <= count; i++)
        if (sets[i] == at)
            return true;
    return false;
}

static bool is_raw(const struct zone_sample *sample)
{
    return strstr(sample->file, "/text/") == NULL && sample->journal == NULL;
}

Test(rawzone, cut_at_every_octet)
{
    for (size_t i = 0; i < ZONE_SAMPLE_COUNT; i++) {
        const struct zone_sample *sample = &zone_samples[i];
        struct zone_fault fault;
        struct zone zone;
        uint8_t apex[WIRENAME_MAX];
        size_t size, sets[1000];
        if (!is_raw(sample))
            continue;
        char *path = zone_sample_path(sample->file);
        uint8_t *data = zone_sample_load(path, &size);
        size_t count = find_sets(data, size, sets, COUNT(sets));
        zone_sample_apex(sample, apex);
        for (size_t cut = 0; cut <= size; cut++) {
            bool good = read_octets(data, cut, apex, &fault, &zone);
            /* A file that ends between two sets looks whole, and one that ends after its header. */
            bool whole = is_set(sets, count, cut);
            cr_expect_eq(good, whole, "%s cut at %zu: %s", sample->file, cut, fault.text);
            if (!good)
                expect_told(&fault, sample->file);
        }
        free(data);
        free(path);
    }
}

/* Samples that no text of BIND's stands beside: members of the catalog, and a zone with large sets.
 */
Test(rawzone, more_samples_cut)
{
    static const struct {
        const char *zone, *file;
    } samples[] = {
        {"cat1.example", "secA/catz/__catz___default_catalog.example_cat1.example.db"},
        {"cat2.example", "secA/catz/__catz___default_catalog.example_cat2.example.db"},
        {"a-very-long-member-zone-name-to-force-hashing-of-the-file-name.subdomain.cat3.example",
         "secA/catz/__catz__29bb977904ad7beb4fe0d80a64bedf72eed460a0b865da3cc64d606eb88363ec.db"},
        {"0/25.2.0.192.in-addr.arpa",
         "secA/catz/__catz__eb624701fb8c359e4d5c3ee8ca804bf964af6f843dbd957f5f774172f6736ba2.db"},
        {"bigset.example", "secA/slaves/bigset.example.db"},
    };
    for (size_t i = 0; i < COUNT(samples); i++) {
        struct zone_fault fault;
        struct zone zone;
        uint8_t apex[WIRENAME_MAX];
        size_t size, sets[1000];
        char *path = zone_sample_path(samples[i].file);
        uint8_t *data = zone_sample_load(path, &size);
        size_t count = find_sets(data, size, sets, COUNT(sets));
        cr_assert(wirename_parse(samples[i].zone, strlen(samples[i].zone), apex));
        for (size_t cut = 0; cut < size; cut++) {
            bool good = read_octets(data, cut, apex, &fault, &zone);
            cr_expect_eq(good, is_set(sets, count, cut), "%s cut at %zu: %s", samples[i].file, cut,
                         fault.text);
            if (!good)
                expect_told(&fault, samples[i].file);
        }
        cr_expect(read_octets(data, size, apex, &fault, &zone), "%s: %s", samples[i].file,
                  fault.text);
        free(data);
        free(path);
    }
}

struct field {
    size_t at, size; /* of 2 or 4 octets */
    bool exact;      /* no other value can be right */
};

/* The length fields of a set: its own, the number of records, the owner's, the records'. */
static size_t find_fields(const uint8_t *data, size_t set, struct field *fields, size_t room)
{
    size_t count = 3, records = get32(data + set + 14);
    size_t at = set + 20 + get16(data + set + 18);
    fields[0] = (struct field){set, 4, true};
    fields[1] = (struct field){set + 14, 4, true};
    fields[2] = (struct field){set + 18, 2, true};
    for (size_t i = 0; i < records && count < room; i++) {
        fields[count++] = (struct field){at, 2, true};
        at += 2U + get16(data + at);
    }
    return count;
}

static uint32_t get_field(const uint8_t *data, const struct field *field)
{
    return field->size == 4 ? get32(data + field->at) : get16(data + field->at);
}

static void put_field(uint8_t *data, const struct field *field, uint32_t value)
{
    for (size_t i = 0; i < field->size; i++)
        data[field->at + i] = (uint8_t)(value >> (8 * (field->size - 1 - i)));
}

Test(rawzone, every_length_wrong)
{
    size_t tried = 0;
    for (size_t i = 0; i < ZONE_SAMPLE_COUNT; i++) {
        const struct zone_sample *sample = &zone_samples[i];
        struct zone_fault fault;
        struct zone zone;
        uint8_t apex[WIRENAME_MAX];
        size_t size, sets[1000];
        if (!is_raw(sample))
            continue;
        char *path = zone_sample_path(sample->file);
        uint8_t *data = zone_sample_load(path, &size);
        size_t count = find_sets(data, size, sets, COUNT(sets));
        zone_sample_apex(sample, apex);
        for (size_t set = 0; set < count; set++) {
            struct field fields[64];
            size_t field_count = find_fields(data, sets[set], fields, COUNT(fields));
            for (size_t f = 0; f < field_count; f++) {
                uint32_t right = get_field(data, &fields[f]);
                uint32_t wrong[] = {0, 1, right - 1, right + 1, UINT16_MAX, INT32_MAX, UINT32_MAX};
                for (size_t w = 0; w < COUNT(wrong); w++) {
                    uint32_t value = fields[f].size == 4 ? wrong[w] : wrong[w] & UINT16_MAX;
                    if (value == right)
                        continue;
                    put_field(data, &fields[f], value);
                    tried++;
                    cr_expect_not(read_octets(data, size, apex, &fault, &zone),
                                  "%s: %u instead of %u at %zu", sample->file, value, right,
                                  fields[f].at);
                    expect_told(&fault, sample->file);
                }
                put_field(data, &fields[f], right);
            }
        }
        cr_expect(read_octets(data, size, apex, &fault, &zone), "%s: %s", sample->file, fault.text);
        free(data);
        free(path);
    }
    cr_expect_gt(tried, 5000);
}

/* Any octet changed in any way: read or refused, and what is read is well formed. */
Test(rawzone, every_octet_wrong)
{
    static const uint8_t wrong[] = {0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff};
    for (size_t i = 0; i < ZONE_SAMPLE_COUNT; i++) {
        const struct zone_sample *sample = &zone_samples[i];
        struct zone_fault fault;
        struct zone zone;
        uint8_t apex[WIRENAME_MAX];
        size_t size;
        if (!is_raw(sample))
            continue;
        char *path = zone_sample_path(sample->file);
        uint8_t *data = zone_sample_load(path, &size);
        zone_sample_apex(sample, apex);
        for (size_t at = 0; at < size && at < 2000; at++) {
            uint8_t right = data[at];
            for (size_t w = 0; w < COUNT(wrong); w++) {
                data[at] = wrong[w];
                if (!read_octets(data, size, apex, &fault, &zone))
                    expect_told(&fault, sample->file);
            }
            data[at] = right;
        }
        free(data);
        free(path);
    }
}

Test(rawzone, random_octets)
{
    uint8_t data[400], apex[WIRENAME_MAX];
    struct zone_fault fault;
    struct zone zone;
    uint64_t random = 42;
    cr_assert(wirename_parse("example.com", 11, apex));
    for (int round = 0; round < 200000; round++) {
        size_t size = (size_t)(random >> 33) % sizeof data;
        for (size_t i = 0; i < size; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            data[i] = (uint8_t)(random >> 56);
        }
        random++;
        if (size >= 8) /* else nearly all would end at the header */
            memcpy(data, "\0\0\0\2\0\0\0\1", 8);
        if (size >= 44)
            memcpy(data + 24, "\0\0\0\100\0\1\0\17\0\0\0\0\16\20\0\0\0\1\0\15", 20);
        if (!read_octets(data, size, apex, &fault, &zone))
            expect_told(&fault, "random");
    }
}

Test(rawzone, sniff)
{
    static const struct {
        const char *data;
        size_t size;
        enum zone_sniff expected;
    } cases[] = {
        {"", 0, SNIFF_EMPTY},
        {"\0\0\0\2", 4, SNIFF_RAW},
        {"\0\0\0\3", 4, SNIFF_MAP},
        {"\0\0\0\1", 4, SNIFF_OTHER_BINARY},
        {"\2\0\0\0", 4, SNIFF_OTHER_BINARY},
        {"$TTL", 4, SNIFF_TEXT},
        {"; a", 3, SNIFF_TEXT},
        {"\0\0\0", 3, SNIFF_TEXT}, /* which refuses a NUL */
        {"\303\274ab", 4, SNIFF_TEXT},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        cr_expect_eq(rawzone_sniff((const uint8_t *)cases[i].data, cases[i].size),
                     cases[i].expected, "%zu", i);
}

/* One set after a version 1 header; returns the size. */
static size_t make_set(uint8_t *data, const char *class, const char *owner, size_t owner_size,
                       const char *rdata, size_t rdlen)
{
    memset(data, 0, 24);
    memcpy(data, "\0\0\0\2\0\0\0\1", 8);
    uint8_t *set = data + 24;
    memcpy(set + 4, class, 2);
    memcpy(set + 6, "\0\17\0\0\0\0\16\20\0\0\0\1\0", 13);
    set[19] = (uint8_t)owner_size;
    memcpy(set + 20, owner, owner_size);
    set[20 + owner_size] = 0;
    set[21 + owner_size] = (uint8_t)rdlen;
    memcpy(set + 22 + owner_size, rdata, rdlen);
    size_t size = 22 + owner_size + rdlen;
    memcpy(set, (uint8_t[]){0, 0, 0, (uint8_t)size}, 4);
    return 24 + size;
}

Test(rawzone, class_and_owner)
{
    static const struct {
        const char *class, *owner;
        size_t owner_size;
        const char *rdata;
        size_t rdlen;
        bool good;
        uint32_t outside, other_class;
    } cases[] = {
        {"\0\1", "\1A\1z\0", 5, "\0\12\1m\0", 5, true, 0, 0},
        {"\0\1", "\1z\0", 3, "\0\12\1m\0", 5, true, 0, 0},
        {"\0\1", "\1y\0", 3, "\0\12\1m\0", 5, true, 1, 0},
        {"\0\1", "\0", 1, "\0\12\1m\0", 5, true, 1, 0},
        {"\0\3", "\1z\0", 3, "\0\12\1m\0", 5, true, 0, 1},
        {"\0\1", "\1z\0", 3, "\0\12\1m", 4, false, 0, 0},     /* the target has no end */
        {"\0\1", "\1z\0", 3, "\0\12\300\14", 4, false, 0, 0}, /* a pointer */
        {"\0\1", "\1z\0", 3, "\0\12\1m\0x", 6, false, 0, 0},
        {"\0\1", "\1z\0x", 4, "\0\12\1m\0", 5, false, 0, 0}, /* longer than its name */
        {"\0\1", "\300\14", 2, "\0\12\1m\0", 5, false, 0, 0},
        {"\0\1", "", 0, "\0\12\1m\0", 5, false, 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t data[100];
        struct zone_fault fault;
        struct zone zone;
        size_t size = make_set(data, cases[i].class, cases[i].owner, cases[i].owner_size,
                               cases[i].rdata, cases[i].rdlen);
        bool good = read_octets(data, size, (const uint8_t *)"\1z", &fault, &zone);
        cr_expect_eq(good, cases[i].good, "case %zu: %s", i, fault.text);
        if (!good)
            continue;
        cr_expect_eq(zone.outside, cases[i].outside, "case %zu", i);
        cr_expect_eq(zone.other_class, cases[i].other_class, "case %zu", i);
        cr_expect_eq(record_count, 1 - cases[i].outside - cases[i].other_class, "case %zu", i);
    }
}

/* Nothing follows in memory: a length that is one too large must be seen before it is used. */
Test(rawzone, the_last_record_ends_with_the_file)
{
    uint8_t data[100];
    struct zone_fault fault;
    struct zone zone;
    size_t size = make_set(data, "\0\1", "\1z\0", 3, "\3abc", 4);
    data[31] = RR_TXT;
    cr_assert(read_octets(data, size, (const uint8_t *)"\1z", &fault, &zone), "%s", fault.text);
    for (int more = 1; more < 4; more++) {
        data[size - 5]++;
        cr_expect_not(read_octets(data, size, (const uint8_t *)"\1z", &fault, &zone));
        expect_told(&fault, "txt");
    }
}

Test(rawzone, a_set_without_records)
{
    uint8_t data[100];
    struct zone_fault fault;
    struct zone zone;
    size_t size = make_set(data, "\0\1", "\1z\0", 3, "", 0) - 2; /* nor the last one's length */
    data[27] = (uint8_t)(size - 24);
    data[41] = 0;
    cr_expect_not(read_octets(data, size, (const uint8_t *)"\1z", &fault, &zone));
    cr_expect_not_null(strstr(fault.text, "number of records"), "%s", fault.text);
}
