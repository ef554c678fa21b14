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
    size_t *masked;       /* numbers of entries in which mask_at_sign() did something, ascending */
    size_t masked_count, masked_room, masked_next;
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
    text->masked_count = text->masked_next = 0;
}

void textzone_free(struct textzone *text)
{
    if (text == NULL)
        return;
    textzone_clear(text);
    free(text->first);
    free(text->masked);
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

/*
 * libldns takes much that is wrong for something else: a parenthesis or quote that nothing closes,
 * a last line that was cut. named does not write such, so this is looked at before; and counted is
 * how many records there must be.
 */
struct scan {
    struct textzone *text;
    uint8_t *data;
    size_t size, at;
    unsigned line;  /* the one under way */
    unsigned begin; /* where its entry begins: parentheses hold lines together */
    unsigned depth, words;
    bool directive, origin, in_word;
    uint8_t last; /* octet of a word */
    size_t entries;
    struct zone_fault *fault;
};

static bool wrong_line(const struct scan *scan, const char *what)
{
    return fault_set(scan->fault, ZONE_DAMAGED, "line %u: %s", scan->begin, what);
}

static bool is_directive(const struct scan *scan, const char *word)
{
    size_t len = strlen(word);
    return scan->size - scan->at > len && memcmp(scan->data + scan->at, word, len) == 0;
}

static bool begin_word(struct scan *scan)
{
    bool first_column = scan->at == 0 || scan->data[scan->at - 1] == '\n';
    scan->last = scan->data[scan->at];
    if (scan->in_word)
        return true;
    scan->in_word = true;
    scan->words++;
    if (scan->depth > 0 || !first_column || scan->data[scan->at] != '$')
        return true;
    scan->directive = true;
    scan->origin = is_directive(scan, "$ORIGIN ");
    return scan->origin || is_directive(scan, "$TTL ") ||
           wrong_line(scan, "a directive other than $ORIGIN and $TTL");
}

/* libldns takes a relative origin for an absolute one. */
static bool end_directive(const struct scan *scan)
{
    if (scan->words != 2)
        return wrong_line(scan, "a directive has one value");
    return !scan->origin || scan->last == '.' || wrong_line(scan, "a relative $ORIGIN");
}

static bool end_line(struct scan *scan)
{
    scan->line++;
    scan->in_word = false;
    if (scan->depth > 0)
        return true;
    if (scan->directive && !end_directive(scan))
        return false;
    if (!scan->directive && scan->words > 0)
        scan->entries++;
    scan->words = 0;
    scan->directive = false;
    scan->begin = scan->line;
    return true;
}

/*
 * libldns takes a name in a record's data whose first label is an escaped "@" for the origin, which
 * would make an MX of what is none. So it gets "?" instead, of the same length, and keep() puts the
 * "@" back. (Texts are in quotes, where named writes them.)
 */
static bool mask_at_sign(struct scan *scan)
{
    static const char ends[] = ". \t\r\n;()";
    const uint8_t *word = scan->data + scan->at;
    size_t rest = scan->size - scan->at;
    size_t len = rest > 2 && memcmp(word, "\\@", 2) == 0 ? 2 : 4;
    bool owner = scan->words == 0 && (scan->at == 0 || word[-1] == '\n');
    if (owner || rest <= len || (len == 4 && memcmp(word, "\\064", 4) != 0) ||
        strchr(ends, word[len]) == NULL)
        return true;
    struct textzone *text = scan->text;
    if (text->masked_count == text->masked_room) {
        size_t room = text->masked_room > 0 ? 2 * text->masked_room : 16;
        size_t *masked = reallocarray(text->masked, room, sizeof *masked);
        if (masked == NULL)
            return fault_set(scan->fault, ZONE_IO, "out of memory");
        text->masked = masked;
        text->masked_room = room;
    }
    text->masked[text->masked_count++] = scan->entries;
    scan->data[scan->at + len - 1] = len == 2 ? '?' : '3';
    return true;
}

/* From one quote to the next one, on the same line. */
static bool skip_quoted(struct scan *scan)
{
    if (!begin_word(scan))
        return false;
    for (scan->at++; scan->at < scan->size; scan->at++) {
        uint8_t c = scan->data[scan->at];
        if (c == '\n')
            break;
        if (c == '"')
            return true;
        if (c == '\\' && scan->at + 1 < scan->size && scan->data[scan->at + 1] != '\n')
            scan->at++;
    }
    return wrong_line(scan, "a quote is not closed");
}

static bool scan_octet(struct scan *scan)
{
    uint8_t next = scan->at + 1 < scan->size ? scan->data[scan->at + 1] : '\n';
    switch (scan->data[scan->at]) {
    case '\n':
        return end_line(scan);
    case ' ':
    case '\t':
    case '\r':
        scan->in_word = false;
        return true;
    case ';': /* up to the end of the line, which is looked at next */
        while (scan->at + 1 < scan->size && scan->data[scan->at + 1] != '\n')
            scan->at++;
        return true;
    case '(':
        scan->depth++;
        return true;
    case ')':
        return scan->depth-- > 0 || wrong_line(scan, "a parenthesis was not opened");
    case '"':
        return skip_quoted(scan);
    case '\\':
        if (next == '\n')
            return wrong_line(scan, "the line ends within an escape");
        if (!scan->in_word && !mask_at_sign(scan))
            return false;
        if (!begin_word(scan))
            return false;
        scan->at++;
        return true;
    case '\0':
        return wrong_line(scan, "a NUL octet");
    default:
        return begin_word(scan);
    }
}

static bool scan_lines(struct scan *scan)
{
    for (; scan->at < scan->size; scan->at++)
        if (!scan_octet(scan))
            return false;
    if (scan->depth > 0)
        return wrong_line(scan, "a parenthesis is not closed");
    return scan->size == 0 || scan->data[scan->size - 1] == '\n' ||
           wrong_line(scan, "the last line was cut");
}

/* What reads one file. */
struct lines {
    FILE *file;
    ldns_rdf *origin, *before;
    uint32_t ttl;
    int line;
    size_t entries;
};

/* Undoes mask_at_sign() for the record that is the entry of this number. */
static void unmask(struct textzone *text, size_t entry, unsigned type, uint8_t *rdata, size_t rdlen)
{
    size_t at = type == RR_MX ? 2 : 0;
    while (text->masked_next < text->masked_count && text->masked[text->masked_next] < entry)
        text->masked_next++;
    if (text->masked_next == text->masked_count || text->masked[text->masked_next] != entry)
        return;
    bool named = type == RR_MX || type == RR_NS || type == RR_CNAME || type == RR_DNAME ||
                 type == RR_PTR || type == RR_SOA;
    if (named && rdlen > at + 1 && rdata[at] == 1 && rdata[at + 1] == '?')
        rdata[at + 1] = '@';
}

static bool keep(struct textzone *text, size_t entry, const ldns_rr *ldns, const uint8_t *apex,
                 struct records *records, struct zone *zone, struct zone_fault *fault, int line)
{
    struct rr rr = {.type = (uint16_t)ldns_rr_get_type(ldns)};
    if (rr.type == 0)
        return fault_set(fault, ZONE_DAMAGED, "line %d: not a type of records", line);
    rr.owner = copy_owner(text, ldns_rr_owner(ldns));
    if (rr.owner == NULL)
        return fault_set(fault, ZONE_IO, "out of memory");
    bool in = ldns_rr_get_class(ldns) == LDNS_RR_CLASS_IN;
    if (!in || !wirename_within(rr.owner, apex)) {
        (*(in ? &zone->outside : &zone->other_class))++;
        return true;
    }
    if (rr_bit(rr.type) == 0)
        return true;
    size_t rdlen;
    uint8_t *rdata = copy_rdata(text, ldns, &rdlen);
    if (rdata == NULL)
        return fault_set(fault, ZONE_IO, "out of memory");
    unmask(text, entry, rr.type, rdata, rdlen);
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
        if (status == LDNS_STATUS_OK) {
            good = keep(text, lines->entries, ldns, apex, records, zone, fault, begin);
            lines->entries++;
        } else if (status == LDNS_STATUS_MEM_ERR) {
            good = fault_set(fault, ZONE_IO, "out of memory");
        } else if (status != LDNS_STATUS_SYNTAX_EMPTY && status != LDNS_STATUS_SYNTAX_TTL &&
                   status != LDNS_STATUS_SYNTAX_ORIGIN) {
            good = fault_set(fault, ZONE_DAMAGED, "line %d: %s", begin,
                             ldns_get_errorstr_by_id(status));
        }
        ldns_rr_free(ldns);
        if (!good)
            return false;
    }
    return true;
}

bool textzone_read(struct textzone *text, uint8_t *data, size_t size, const uint8_t *apex,
                   struct records *records, struct zone *zone, struct zone_fault *fault)
{
    struct scan scan = {
        .text = text, .data = data, .size = size, .line = 1, .begin = 1, .fault = fault};
    if (!scan_lines(&scan))
        return false;
    if (size == 0)
        return true;
    struct lines lines = {
        .file = fmemopen(data, size, "r"),
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
    if (good && lines.entries != scan.entries)
        return fault_set(fault, ZONE_DAMAGED, "line %u: %zu entries up to here, and %zu were read",
                         scan.line, scan.entries, lines.entries);
    return good;
}
