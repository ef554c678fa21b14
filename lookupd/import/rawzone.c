/* BIND's raw zone files. */
#include "import/rawzone.h"

#include "import/octets.h"
#include "import/wirename.h"

#define FORMAT_RAW  2
#define FORMAT_MAP  3
#define HEADER_V0   12
#define HEADER_V1   24
#define VERSION_MAX 1
/* Up to the owner; the shortest has the root and one record without data. */
#define RRSET_FIXED 20
#define RRSET_MIN   23
/* lib/dns/master.c: more is "too many records". */
#define COUNT_MAX 65535

enum zone_sniff rawzone_sniff(const uint8_t *data, size_t size)
{
    if (size == 0)
        return SNIFF_EMPTY;
    if (size < 4)
        return SNIFF_TEXT;
    switch (get32(data)) {
    case FORMAT_RAW:
        return SNIFF_RAW;
    case FORMAT_MAP:
        return SNIFF_MAP;
    default:
        /* Text has no NUL: a number in the other order, or of a format that does not exist. */
        return data[0] == 0 || data[1] == 0 || data[2] == 0 || data[3] == 0 ? SNIFF_OTHER_BINARY
                                                                            : SNIFF_TEXT;
    }
}

/* A file that is being taken apart. */
struct raw {
    uint8_t *data;
    size_t size, at;
    const uint8_t *apex;
    struct records *records;
    struct zone *zone;
    struct zone_fault *fault;
};

static bool damaged(const struct raw *raw, size_t at, const char *what, size_t number)
{
    return fault_set(raw->fault, ZONE_DAMAGED, "offset 0x%zx: %s (%zu)", at, what, number);
}

static bool read_header(struct raw *raw)
{
    if (raw->size < HEADER_V0)
        return damaged(raw, raw->size, "the file ends within its header", raw->size);
    uint32_t version = get32(raw->data + 4);
    if (version > VERSION_MAX)
        return fault_set(raw->fault, ZONE_VERSION, "offset 0x4: raw format of unknown version %u",
                         version);
    raw->at = version == 0 ? HEADER_V0 : HEADER_V1;
    if (raw->size < raw->at)
        return damaged(raw, raw->size, "the file ends within its header", raw->size);
    return true;
}

/* Takes the count records of a set between at and end apart; those of no interest are skipped. */
static bool read_records(struct raw *raw, size_t at, size_t end, size_t count, struct rr *rr,
                         bool keep)
{
    for (size_t i = 0; i < count; i++) {
        if (end - at < 2)
            return damaged(raw, at, "the record set ends before its last record", i);
        size_t rdlen = get16(raw->data + at);
        if (rdlen > end - at - 2)
            return damaged(raw, at, "a record is longer than its set", rdlen);
        rr->rdata = raw->data + at + 2;
        rr->rdlen = (uint16_t)rdlen;
        at += 2;
        if (keep) {
            if (!rr_normalize(rr->type, raw->data + at, rdlen))
                return damaged(raw, at, "malformed data in a record of type", rr->type);
            if (!records_add(raw->records, rr))
                return fault_set(raw->fault, ZONE_IO, "out of memory");
        }
        at += rdlen;
    }
    return at == end || damaged(raw, at, "octets are left over in a record set", end - at);
}

static bool read_set(struct raw *raw)
{
    uint8_t *set = raw->data + raw->at;
    size_t rest = raw->size - raw->at;
    if (rest < RRSET_MIN)
        return damaged(raw, raw->at, "the file ends within a record set", rest);
    size_t length = get32(set), count = get32(set + 14), owner_size = get16(set + 18);
    if (length < RRSET_MIN)
        return damaged(raw, raw->at, "a record set's length is too small", length);
    if (length > rest)
        return damaged(raw, raw->at,
                       "the file ends before a record set does, which has a length of", length);
    if (count == 0 || count > COUNT_MAX)
        return damaged(raw, raw->at + 14, "not a number of records", count);
    if (owner_size > length - RRSET_FIXED ||
        wirename_check(set + RRSET_FIXED, owner_size) != owner_size || owner_size == 0)
        return damaged(raw, raw->at + 18, "not an owner name, or not of that length", owner_size);
    struct rr rr = {.owner = set + RRSET_FIXED, .type = (uint16_t)get16(set + 6)};
    bool keep = rr_bit(rr.type) != 0;
    bool in = get16(set + 4) == RR_CLASS_IN;
    wirename_lower(set + RRSET_FIXED);
    bool inside = wirename_within(rr.owner, raw->apex);
    size_t begin = raw->at;
    raw->at += length;
    if (!read_records(raw, begin + RRSET_FIXED + owner_size, raw->at, count, &rr,
                      keep && in && inside))
        return false;
    if (!in)
        raw->zone->other_class += (uint32_t)count;
    else if (!inside)
        raw->zone->outside += (uint32_t)count;
    return true;
}

/* The check does not see that data is written through raw. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
bool rawzone_read(uint8_t *data, size_t size, const uint8_t *apex, struct records *records,
                  struct zone *zone, struct zone_fault *fault)
{
    struct raw raw = {
        .data = data, .size = size, .apex = apex, .records = records, .zone = zone, .fault = fault};
    if (!read_header(&raw))
        return false;
    while (raw.at < raw.size)
        if (!read_set(&raw))
            return false;
    return true;
}
