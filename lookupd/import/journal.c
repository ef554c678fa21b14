/* BIND's journals: finding what is newer than the file, checking it, applying it. */
#include "import/journal.h"

#include "common/whole.h"
#include "import/octets.h"
#include "import/wirename.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_SIZE    16
#define HEADER_SIZE   64
#define XHEADER_SHORT 12
#define XHEADER_LONG  16
/* lib/dns/journal.c, read_one_rr(): the root, type, class, ttl, rdlen; and the largest that it
 * takes.
 */
#define RR_LENGTH_MIN 11
#define RR_LENGTH_MAX 70000

struct position {
    uint32_t serial, offset;
};

struct journal {
    int fd;
    bool old; /* transactions may have headers of older kinds */
    struct position begin, end;
    const uint8_t *apex;
    struct zone_fault *fault;
};

/* One change of one record, in the order of the journal. */
struct change {
    struct rr rr;
    uint32_t sequence;
    bool add;
};
struct changes {
    struct change *list;
    size_t count, room;
};

void journal_buffer_free(struct journal_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct journal_buffer){.data = NULL};
}

/* RFC 1982 3.2. */
static bool serial_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static enum journal_status damaged(const struct journal *journal, size_t offset, const char *what,
                                   size_t number)
{
    fault_set(journal->fault, ZONE_DAMAGED, "offset 0x%zx: %s (%zu)", offset, what, number);
    return JOURNAL_DAMAGED;
}

static enum journal_status failed(const struct journal *journal, const char *what)
{
    fault_set(journal->fault, ZONE_IO, "%s", what);
    return JOURNAL_FAILED;
}

/* JOURNAL_APPLIED stands for "all is well, go on" below. */
static enum journal_status read_at(const struct journal *journal, void *buffer, size_t size,
                                   size_t offset)
{
    ssize_t got = whole_read(journal->fd, buffer, size, (off_t)offset);
    if (got < 0)
        return failed(journal, strerror(errno));
    if ((size_t)got < size)
        return damaged(journal, offset + (size_t)got, "the file ends early, octets missing",
                       size - (size_t)got);
    return JOURNAL_APPLIED;
}

static enum journal_status read_header(struct journal *journal)
{
    static const char magic[MAGIC_SIZE] = ";BIND LOG V9.2\n";
    static const char magic_old[MAGIC_SIZE] = ";BIND LOG V9\n";
    uint8_t header[HEADER_SIZE];
    enum journal_status status = read_at(journal, header, sizeof header, 0);
    if (status != JOURNAL_APPLIED)
        return status;
    journal->old = memcmp(header, magic_old, MAGIC_SIZE) == 0;
    if (!journal->old && memcmp(header, magic, MAGIC_SIZE) != 0)
        return damaged(journal, 0, "not a BIND journal; octets of another beginning", MAGIC_SIZE);
    journal->begin = (struct position){get32(header + 16), get32(header + 20)};
    journal->end = (struct position){get32(header + 24), get32(header + 28)};
    if (journal->begin.offset > journal->end.offset)
        return damaged(journal, 20, "begins after its end, at", journal->begin.offset);
    if (journal->begin.offset < journal->end.offset && journal->begin.offset < HEADER_SIZE)
        return damaged(journal, 20, "begins within its header, at", journal->begin.offset);
    struct stat file;
    if (fstat(journal->fd, &file) != 0)
        return failed(journal, strerror(errno));
    /* Known before anything is allocated for it. */
    if ((uint64_t)file.st_size < journal->end.offset)
        return damaged(journal, 28, "ends behind the end of the file, at", journal->end.offset);
    return JOURNAL_APPLIED;
}

struct transaction {
    size_t header_size, size;
    uint32_t before, after;
};

/* What a transaction's header says, when it is one that follows the serial. */
static bool decode_transaction(const struct journal *journal, const uint8_t *header, size_t size,
                               uint32_t serial, struct transaction *transaction)
{
    bool whole = size >= XHEADER_LONG;
    *transaction = (struct transaction){.header_size = XHEADER_LONG,
                                        .size = get32(header),
                                        .before = get32(header + 8),
                                        .after = whole ? get32(header + 12) : 0};
    if (whole && transaction->before == serial && serial_after(transaction->after, serial))
        return true;
    if (!journal->old || get32(header + 4) != serial || !serial_after(get32(header + 8), serial))
        return false;
    transaction->before = serial;
    transaction->after = get32(header + 8);
    /* A record's length would not be 0: some versions wrote the count, 0, at the end. */
    if (!whole || get32(header + 12) != 0)
        transaction->header_size = XHEADER_SHORT;
    return true;
}

/* The header of the transaction at offset, of which size octets are there, up to the end. */
static enum journal_status take_transaction(const struct journal *journal, const uint8_t *header,
                                            size_t offset, size_t rest, uint32_t serial,
                                            struct transaction *transaction)
{
    if (rest < XHEADER_SHORT)
        return damaged(journal, offset, "the journal ends within a transaction's header", rest);
    if (!decode_transaction(journal, header, rest, serial, transaction))
        return damaged(journal, offset, "a transaction does not continue the serial", serial);
    if (transaction->size > rest - transaction->header_size)
        return damaged(journal, offset, "a transaction is longer than the journal",
                       transaction->size);
    return JOURNAL_APPLIED;
}

/* Walks over the transactions up to the one that begins with the serial. */
static enum journal_status find(const struct journal *journal, uint32_t serial, size_t *found)
{
    size_t offset = journal->begin.offset, end = journal->end.offset;
    uint32_t here = journal->begin.serial;
    while (here != serial && offset < end) {
        uint8_t header[XHEADER_LONG];
        struct transaction transaction;
        size_t rest = end - offset;
        enum journal_status status =
            read_at(journal, header, rest < sizeof header ? rest : sizeof header, offset);
        if (status == JOURNAL_APPLIED)
            status = take_transaction(journal, header, offset, rest, here, &transaction);
        if (status != JOURNAL_APPLIED)
            return status;
        here = transaction.after;
        offset += transaction.header_size + transaction.size;
    }
    *found = offset;
    if (here == serial && offset < end)
        return JOURNAL_APPLIED;
    fault_set(journal->fault, ZONE_OTHER_ZONE,
              "goes from serial %u to %u, and the zone file has serial %u", journal->begin.serial,
              journal->end.serial, serial);
    return JOURNAL_STRANGE;
}

static bool changes_add(struct changes *changes, const struct rr *rr, bool add)
{
    if (changes->count == changes->room) {
        size_t room = changes->room > 0 ? 2 * changes->room : 64;
        struct change *list = reallocarray(changes->list, room, sizeof *list);
        if (list == NULL)
            return false;
        changes->list = list;
        changes->room = room;
    }
    changes->list[changes->count] =
        (struct change){.rr = *rr, .sequence = (uint32_t)changes->count, .add = add};
    changes->count++;
    return true;
}

/* Takes apart the record at data[at] of a transaction that ends at end; moves *at behind it. *kept
 * says whether it is one that matters. */
static enum journal_status take_record(const struct journal *journal, uint8_t *data, size_t *at,
                                       size_t end, size_t base, struct rr *rr, bool *kept)
{
    size_t here = base + *at;
    if (end - *at < 4)
        return damaged(journal, here, "a transaction ends within a record", end - *at);
    size_t length = get32(data + *at);
    *at += 4;
    if (length < RR_LENGTH_MIN || length > RR_LENGTH_MAX || length > end - *at)
        return damaged(journal, here, "not a record's length", length);
    uint8_t *owner = data + *at;
    size_t owner_size = wirename_check(owner, length);
    *at += length;
    if (owner_size == 0 || length - owner_size < 10)
        return damaged(journal, here + 4, "not an owner name, or no room after it", length);
    uint8_t *fixed = owner + owner_size;
    size_t rdlen = get16(fixed + 8);
    if (rdlen != length - owner_size - 10)
        return damaged(journal, here + 4 + owner_size + 8, "not the length of a record's data",
                       rdlen);
    *rr = (struct rr){
        .owner = owner, .rdata = fixed + 10, .type = get16(fixed), .rdlen = (uint16_t)rdlen};
    wirename_lower(owner);
    *kept = rr_bit(rr->type) != 0 && get16(fixed + 2) == RR_CLASS_IN &&
            wirename_within(owner, journal->apex);
    if (*kept && !rr_normalize(rr->type, fixed + 10, rdlen))
        return damaged(journal, here + 4 + owner_size, "malformed data in a record of type",
                       rr->type);
    return JOURNAL_APPLIED;
}

/* The records of one transaction, between at and end. */
static enum journal_status take_records(const struct journal *journal, uint8_t *data, size_t at,
                                        size_t end, size_t base,
                                        const struct transaction *transaction,
                                        struct changes *changes)
{
    size_t begin = at;
    bool add = true; /* the first SOA turns it */
    uint32_t serial = transaction->before;
    while (at < end) {
        struct rr rr;
        bool kept;
        size_t here = base + at;
        enum journal_status status = take_record(journal, data, &at, end, base, &rr, &kept);
        if (status != JOURNAL_APPLIED)
            return status;
        if (kept && rr.type == RR_SOA) {
            add = !add;
            uint32_t said = rr_soa_serial(&rr);
            if (!wirename_equal(rr.owner, journal->apex) ||
                (add ? !serial_after(said, serial) : said != serial))
                return damaged(journal, here, "a SOA record with an unexpected serial or name",
                               said);
            serial = said;
        } else if (here == base + begin) {
            return damaged(journal, here, "a transaction does not begin with a SOA record",
                           rr.type);
        }
        if (kept && !changes_add(changes, &rr, add))
            return failed(journal, "out of memory");
    }
    if (!add || serial != transaction->after)
        return damaged(journal, base + begin, "a transaction's SOA records do not end with serial",
                       transaction->after);
    return JOURNAL_APPLIED;
}

/* All transactions from offset base on, which are in memory as a whole. */
static enum journal_status take_all(const struct journal *journal, uint8_t *data, size_t size,
                                    size_t base, uint32_t serial, struct changes *changes)
{
    for (size_t at = 0; at < size;) {
        struct transaction transaction;
        enum journal_status status =
            take_transaction(journal, data + at, base + at, size - at, serial, &transaction);
        if (status != JOURNAL_APPLIED)
            return status;
        at += transaction.header_size;
        status =
            take_records(journal, data, at, at + transaction.size, base, &transaction, changes);
        if (status != JOURNAL_APPLIED)
            return status;
        at += transaction.size;
        serial = transaction.after;
    }
    if (serial != journal->end.serial)
        return damaged(journal, 24, "the transactions do not end with the header's serial",
                       journal->end.serial);
    return JOURNAL_APPLIED;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = records_compare(&x->rr, &y->rr);
    return order != 0 ? order : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* The first record from *from on whose owner is not before (or, after, is behind) the owner. */
static size_t find_owner(const struct records *records, size_t from, const uint8_t *owner,
                         bool after)
{
    size_t to = records->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = wirename_compare(records->list[middle].owner, owner);
        if (order < 0 || (after && order == 0))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void append(struct records *to, const struct rr *list, size_t count)
{
    if (count > 0)
        memcpy(to->list + to->count, list, count * sizeof *list);
    to->count += count;
}

/*
 * The changes of one owner, merged with its records; to has room. False when a record goes that was
 * not there, or comes twice: the journal is of other data.
 */
static bool merge_owner(struct rr *list, size_t count, const struct change *changes,
                        size_t change_count, struct records *to)
{
    size_t i = 0;
    records_sort(list, count);
    for (size_t j = 0; j < change_count;) {
        const struct rr *rr = &changes[j].rr;
        while (i < count && records_compare(&list[i], rr) < 0)
            append(to, &list[i++], 1);
        bool present = false;
        while (i < count &&
               records_compare(&list[i], rr) == 0) { /* once, or repeated in the file */
            present = true;
            i++;
        }
        size_t first = j;
        for (; j < change_count && (j == first || records_compare(&changes[j].rr, rr) == 0); j++) {
            if (changes[j].add == present)
                return false;
            present = changes[j].add;
        }
        if (present)
            append(to, rr, 1);
    }
    append(to, list + i, count - i);
    return true;
}

static enum journal_status merge(const struct journal *journal, struct changes *changes,
                                 struct records *records)
{
    struct records to = {.room = records->count + changes->count};
    to.list = reallocarray(NULL, to.room, sizeof *to.list);
    if (to.list == NULL)
        return failed(journal, "out of memory");
    qsort(changes->list, changes->count, sizeof *changes->list, compare_changes);
    size_t i = 0;
    for (size_t j = 0; j < changes->count;) {
        const uint8_t *owner = changes->list[j].rr.owner;
        size_t j_end = j + 1;
        while (j_end < changes->count && wirename_equal(changes->list[j_end].rr.owner, owner))
            j_end++;
        size_t from = find_owner(records, i, owner, false);
        size_t end = find_owner(records, from, owner, true);
        append(&to, records->list + i, from - i);
        if (!merge_owner(records->list + from, end - from, changes->list + j, j_end - j, &to)) {
            records_free(&to);
            fault_set(journal->fault, ZONE_DAMAGED,
                      "the changes from serial %u to %u do not fit to the zone file",
                      journal->begin.serial, journal->end.serial);
            return JOURNAL_DAMAGED;
        }
        i = end;
        j = j_end;
    }
    append(&to, records->list + i, records->count - i);
    records_free(records);
    *records = to;
    return JOURNAL_APPLIED;
}

static enum journal_status load(const struct journal *journal, size_t from, size_t size_max,
                                struct journal_buffer *buffer)
{
    size_t size = journal->end.offset - from;
    if (size > size_max) {
        fault_set(journal->fault, ZONE_TOO_BIG, "%zu octets are newer than the zone file", size);
        return JOURNAL_FAILED;
    }
    if (size > buffer->room) {
        journal_buffer_free(buffer);
        buffer->data = malloc(size);
        if (buffer->data == NULL)
            return failed(journal, "out of memory");
        buffer->room = size;
    }
    return read_at(journal, buffer->data, size, from);
}

enum journal_status journal_apply(int fd, size_t size_max, const uint8_t *apex,
                                  struct journal_buffer *buffer, struct records *records,
                                  uint32_t *serial, struct zone_fault *fault)
{
    struct journal journal = {.fd = fd, .apex = apex, .fault = fault};
    struct changes changes = {.list = NULL};
    size_t from = 0;
    enum journal_status status = read_header(&journal);
    if (status != JOURNAL_APPLIED)
        return status;
    if (journal.begin.offset == journal.end.offset || journal.end.serial == *serial)
        return JOURNAL_CURRENT;
    status = find(&journal, *serial, &from);
    if (status == JOURNAL_APPLIED)
        status = load(&journal, from, size_max, buffer);
    if (status == JOURNAL_APPLIED)
        status =
            take_all(&journal, buffer->data, journal.end.offset - from, from, *serial, &changes);
    if (status == JOURNAL_APPLIED)
        status = merge(&journal, &changes, records);
    if (status == JOURNAL_APPLIED)
        *serial = journal.end.serial;
    free(changes.list);
    return status;
}
