/*
 * Journals. An input is u16 size, a raw zone file of that size, a journal. Whatever the journal
 * does, the records stay sorted, well formed and in the zone; a journal that is refused changes
 * none.
 */
#include "check.h"
#include "import/journal.h"
#include "import/octets.h"
#include "import/rawzone.h"

#include <sys/mman.h>
#include <unistd.h>

static int order(const void *a, const void *b)
{
    return records_compare(a, b);
}

static bool same_set(const struct records *a, const struct records *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (records_compare(&a->list[i], &b->list[i]) != 0)
            return false;
    return true;
}

/* A file of these octets: always the same one, for a new one costs more than the journal. */
static int file_of(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("journal", MFD_CLOEXEC);
    CHECK(fd >= 0 && (size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size));
    CHECK(ftruncate(fd, (off_t)size) == 0);
    return fd;
}

static void apply(const uint8_t *journal, size_t size, struct records *records)
{
    uint8_t apex[WIRENAME_MAX] = {0};
    struct journal_buffer buffer = {.data = NULL};
    struct zone_fault fault = {.text = ""};
    struct records before = {.list = NULL};
    uint32_t serial = 0;
    for (size_t i = 0; i < records->count; i++) {
        CHECK(records_add(&before, &records->list[i]));
        if (records->list[i].type == RR_SOA) { /* the zone is where its SOA is */
            serial = rr_soa_serial(&records->list[i]);
            memcpy(apex, records->list[i].owner, wirename_size(records->list[i].owner));
        }
    }
    uint32_t serial_before = serial;
    enum journal_status status =
        journal_apply(file_of(journal, size), 1 << 20, apex, &buffer, records, &serial, &fault);
    CHECK((status == JOURNAL_APPLIED || status == JOURNAL_CURRENT) == (fault.text[0] == '\0'));
    if (status == JOURNAL_APPLIED) {
        CHECK(serial != serial_before);
        for (size_t i = 0; i < records->count; i++) {
            const struct rr *rr = &records->list[i];
            uint8_t *copy = (uint8_t *)exact_copy(rr->rdata, rr->rdlen);
            CHECK(rr_bit(rr->type) != 0 && rr_normalize(rr->type, copy, rr->rdlen));
            CHECK(wirename_size(rr->owner) <= WIRENAME_MAX);
            CHECK(i == 0 || wirename_compare(rr[-1].owner, rr->owner) <= 0);
            free(copy);
        }
    } else {
        CHECK(serial == serial_before);
        if (before.count > 0) {
            qsort(before.list, before.count, sizeof *before.list, order);
            records_sort(records->list, records->count);
        }
        CHECK(same_set(&before, records));
    }
    records_free(&before);
    journal_buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t root[] = {0};
    struct records records = {.list = NULL};
    struct zone zone = {.apex = root};
    struct zone_fault fault;
    if (size < 2 || get16(data) > size - 2)
        return 0;
    size_t raw_size = get16(data);
    uint8_t *raw = (uint8_t *)exact_copy(data + 2, raw_size);
    if (rawzone_read(raw, raw_size, root, &records, &zone, &fault)) {
        records_sort_owners(&records);
        apply(data + 2 + raw_size, size - 2 - raw_size, &records);
    }
    records_free(&records);
    free(raw);
    return 0;
}
