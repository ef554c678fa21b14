/* Zone files in text, by libldns: the only file that knows it. */
#include "import/textzone.h"

#include "import/wirename.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies live in blocks that are used again for the next zone. */
#define BLOCK_SIZE ((size_t)256 * 1024)

struct block {
    struct block *next;
    size_t used;
    uint8_t data[BLOCK_SIZE];
};

struct textzone {
    struct block *first, *current;
    const uint8_t *owner; /* of the record before: the same name is copied once */
};

struct textzone *textzone_new(void)
{
    return calloc(1, sizeof(struct textzone));
}

void textzone_clear(struct textzone *text)
{
    /* The first block stays for the next zone, which is small as nearly all are. */
    struct block *block = text->first != NULL ? text->first->next : NULL;
    while (block != NULL) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    if (text->first != NULL) {
        text->first->next = NULL;
        text->first->used = 0;
    }
    text->current = text->first;
    text->owner = NULL;
}

void textzone_free(struct textzone *text)
{
    if (text == NULL)
        return;
    textzone_clear(text);
    free(text->first);
    free(text);
}

/* Room for size octets, at most a record's; NULL without memory. */
static uint8_t *take(struct textzone *text, size_t size)
{
    if (text->current == NULL || BLOCK_SIZE - text->current->used < size) {
        struct block *block = malloc(sizeof *block);
        if (block == NULL)
            return NULL;
        block->next = NULL;
        block->used = 0;
        if (text->current != NULL)
            text->current->next = block;
        else
            text->first = block;
        text->current = block;
    }
    uint8_t *room = text->current->data + text->current->used;
    text->current->used += size;
    return room;
}

static const uint8_t *copy_owner(struct textzone *text, const ldns_rdf *rdf)
{
    uint8_t name[WIRENAME_MAX];
    size_t size = wirename_check(ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    if (size == 0)
        return NULL;
    memcpy(name, ldns_rdf_data(rdf), size);
    wirename_lower(name);
    if (text->owner != NULL && wirename_equal(text->owner, name))
        return text->owner;
    uint8_t *copy = take(text, size);
    if (copy != NULL)
        text->owner = memcpy(copy, name, size);
    return copy;
}

/* The parts of a record's rdata, which libldns has in wire form already, one after the other. */
static uint8_t *copy_rdata(struct textzone *text, const ldns_rr *ldns, size_t *rdlen)
{
    size_t size = 0, used = 0;
    for (size_t i = 0; i < ldns_rr_rd_count(ldns); i++)
        size += ldns_rdf_size(ldns_rr_rdf(ldns, i));
    *rdlen = size;
    uint8_t *rdata = size <= UINT16_MAX ? take(text, size) : NULL;
    if (rdata == NULL)
        return NULL;
    for (size_t i = 0; i < ldns_rr_rd_count(ldns); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(ldns, i);
        memcpy(rdata + used, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
        used += ldns_rdf_size(rdf);
    }
    return rdata;
}

/* What reads one file. */
struct lines {
    FILE *file;
    ldns_rdf *origin, *before;
    uint32_t ttl;
    int line;
};

static bool keep(struct textzone *text, const ldns_rr *ldns, const uint8_t *apex,
                 struct records *records, struct zone *zone, struct zone_fault *fault, int line)
{
    const uint8_t *owner = copy_owner(text, ldns_rr_owner(ldns));
    if (owner == NULL)
        return fault_set(fault, ZONE_IO, "out of memory");
    bool in = ldns_rr_get_class(ldns) == LDNS_RR_CLASS_IN;
    if (!in || !wirename_within(owner, apex)) {
        (*(in ? &zone->outside : &zone->other_class))++;
        return true;
    }
    struct rr rr = {.owner = owner, .type = (uint16_t)ldns_rr_get_type(ldns)};
    if (rr_bit(rr.type) == 0)
        return true;
    size_t rdlen;
    uint8_t *rdata = copy_rdata(text, ldns, &rdlen);
    if (rdata == NULL)
        return fault_set(fault, ZONE_IO, "out of memory");
    if (!rr_normalize(rr.type, rdata, rdlen))
        return fault_set(fault, ZONE_DAMAGED, "line %d: malformed data in a record of type %u",
                         line, rr.type);
    rr.rdata = rdata;
    rr.rdlen = (uint16_t)rdlen;
    return records_add(records, &rr) || fault_set(fault, ZONE_IO, "out of memory");
}

static bool read_lines(struct textzone *text, struct lines *lines, const uint8_t *apex,
                       struct records *records, struct zone *zone, struct zone_fault *fault)
{
    while (!feof(lines->file)) {
        ldns_rr *ldns = NULL;
        int begin = lines->line;
        ldns_status status = ldns_rr_new_frm_fp_l(&ldns, lines->file, &lines->ttl, &lines->origin,
                                                  &lines->before, &lines->line);
        bool good = true;
        if (status == LDNS_STATUS_OK)
            good = keep(text, ldns, apex, records, zone, fault, begin);
        else if (status == LDNS_STATUS_MEM_ERR)
            good = fault_set(fault, ZONE_IO, "out of memory");
        else if (status != LDNS_STATUS_SYNTAX_EMPTY && status != LDNS_STATUS_SYNTAX_TTL &&
                 status != LDNS_STATUS_SYNTAX_ORIGIN)
            good = fault_set(fault, ZONE_DAMAGED, "line %d: %s", begin,
                             ldns_get_errorstr_by_id(status));
        ldns_rr_free(ldns);
        if (!good)
            return false;
    }
    return true;
}

bool textzone_read(struct textzone *text, const uint8_t *data, size_t size, const uint8_t *apex,
                   struct records *records, struct zone *zone, struct zone_fault *fault)
{
    const uint8_t *nul = memchr(data, 0, size);
    if (nul != NULL)
        return fault_set(fault, ZONE_DAMAGED, "offset 0x%zx: a NUL octet in a text file",
                         (size_t)(nul - data));
    struct lines lines = {
        .file = fmemopen((void *)(uintptr_t)data, size, "r"),
        .origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wirename_size(apex), apex),
        .line = 1,
    };
    bool good = lines.file != NULL && lines.origin != NULL
                    ? read_lines(text, &lines, apex, records, zone, fault)
                    : fault_set(fault, ZONE_IO, "out of memory");
    if (lines.file != NULL)
        (void)fclose(lines.file);
    ldns_rdf_deep_free(lines.origin);
    ldns_rdf_deep_free(lines.before);
    return good;
}
