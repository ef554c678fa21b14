/* Text zone files: whatever is read is well formed and within the zone; whatever is refused, the
 * fault says in which line. */
#include "check.h"
#include "import/textzone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t apex[WIRENAME_MAX];
    static struct textzone *text; /* serves many zones, as in the importer */
    struct records records = {.list = NULL};
    struct zone zone = {.apex = apex};
    struct zone_fault fault = {.text = ""};
    uint8_t *copy = (uint8_t *)exact_copy(data, size);
    if (text == NULL)
        text = textzone_new();
    CHECK(text != NULL && wirename_parse("text.example", 12, apex));
    if (textzone_read(text, copy, size, apex, &records, &zone, &fault)) {
        CHECK(size == 0 || data[size - 1] == '\n');
        for (size_t i = 0; i < records.count; i++) {
            const struct rr *rr = &records.list[i];
            uint8_t *again = (uint8_t *)exact_copy(rr->rdata, rr->rdlen);
            CHECK(rr_bit(rr->type) != 0 && rr_normalize(rr->type, again, rr->rdlen));
            CHECK(rr->rdlen == 0 || memcmp(again, rr->rdata, rr->rdlen) == 0);
            CHECK(wirename_within(rr->owner, apex));
            free(again);
        }
    } else {
        CHECK(strncmp(fault.text, "line ", 5) == 0 && fault.kind == ZONE_DAMAGED);
    }
    records_free(&records);
    textzone_clear(text);
    free(copy);
    return 0;
}
