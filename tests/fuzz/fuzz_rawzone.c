/*
 * Raw zone files: whatever is read, each record lies within the file, is well formed and within the
 * zone; whatever is refused, the fault says at which offset.
 */
#include "check.h"
#include "import/rawzone.h"

static void check_record(const struct rr *rr, const uint8_t *data, size_t size, const uint8_t *apex)
{
    CHECK(rr->owner > data && rr->owner < data + size);
    CHECK(rr->rdata > rr->owner && rr->rdata <= data + size);
    CHECK((size_t)(data + size - rr->rdata) >= rr->rdlen && rr_bit(rr->type) != 0);
    size_t owner_size = wirename_check(rr->owner, (size_t)(data + size - rr->owner));
    CHECK(owner_size > 0 && owner_size == wirename_size(rr->owner));
    CHECK(wirename_within(rr->owner, apex));
    for (size_t i = 0; i < owner_size; i++)
        CHECK(rr->owner[i] < 'A' || rr->owner[i] > 'Z');
    uint8_t *copy = (uint8_t *)exact_copy(rr->rdata, rr->rdlen);
    CHECK(rr_normalize(rr->type, copy, rr->rdlen));
    CHECK(rr->rdlen == 0 || memcmp(copy, rr->rdata, rr->rdlen) == 0);
    free(copy);
    char text[WIRENAME_TEXT_SIZE], domain[WIRENAME_DOMAIN_SIZE];
    uint8_t back[WIRENAME_MAX];
    wirename_print(rr->owner, text);
    CHECK(wirename_parse(text, strlen(text), back) && wirename_equal(back, rr->owner));
    if (wirename_target(rr->owner, domain) == WIRENAME_GOOD)
        CHECK(wirename_parse(domain, strlen(domain), back) && wirename_equal(back, rr->owner));
}

static void read_with(const uint8_t *data, size_t size, const char *apex_text)
{
    uint8_t apex[WIRENAME_MAX];
    struct records records = {.list = NULL};
    struct zone zone = {.apex = apex};
    struct zone_fault fault = {.text = ""};
    uint8_t *copy = (uint8_t *)exact_copy(data, size);
    CHECK(wirename_parse(apex_text, strlen(apex_text), apex));
    if (rawzone_read(copy, size, apex, &records, &zone, &fault)) {
        CHECK(fault.text[0] == '\0');
        for (size_t i = 0; i < records.count; i++)
            check_record(&records.list[i], copy, size, apex);
        records_sort_owners(&records);
        for (size_t i = 1; i < records.count; i++)
            CHECK(wirename_compare(records.list[i - 1].owner, records.list[i].owner) <= 0);
    } else {
        CHECK(strncmp(fault.text, "offset 0x", 9) == 0);
        CHECK(fault.kind == ZONE_DAMAGED || fault.kind == ZONE_VERSION);
    }
    records_free(&records);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)rawzone_sniff(data, size);
    read_with(data, size, ".");
    read_with(data, size, "example");
    return 0;
}
