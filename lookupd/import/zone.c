/* Zones: opening the files, and what is authoritative in them. */
#include "import/zone.h"

#include "import/journal.h"
#include "import/rawzone.h"
#include "import/textzone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Buffers of a large zone are given back before the next one is read. */
#define KEEP_MAX ((size_t)4 << 20)
/* A file that is replaced while its journal is looked at is read again this often. */
#define TRIES 3

struct zone_reader {
    struct zone_limits limits;
    uint8_t *data; /* the file */
    size_t room, size;
    struct textzone *text;
    struct journal_buffer journal;
    struct records records;
    struct zone_node *nodes;
    size_t node_room;
    uint8_t apex[WIRENAME_MAX];
    struct zone zone;
    struct zone_fault note;
    char journal_path[PATH_MAX];
};

struct zone_reader *zone_reader_new(const struct zone_limits *limits)
{
    struct zone_reader *reader = calloc(1, sizeof *reader);
    struct textzone *text = textzone_new();
    if (reader == NULL || text == NULL) {
        free(reader);
        textzone_free(text);
        return NULL;
    }
    reader->limits = *limits;
    reader->text = text;
    return reader;
}

static void release(struct zone_reader *reader, size_t keep_max)
{
    if (reader->room > keep_max) {
        free(reader->data);
        reader->data = NULL;
        reader->room = 0;
    }
    if (reader->journal.room > keep_max)
        journal_buffer_free(&reader->journal);
    if (reader->records.room * sizeof *reader->records.list > keep_max)
        records_free(&reader->records);
    if (reader->node_room * sizeof *reader->nodes > keep_max) {
        free(reader->nodes);
        reader->nodes = NULL;
        reader->node_room = 0;
    }
}

void zone_reader_free(struct zone_reader *reader)
{
    if (reader == NULL)
        return;
    release(reader, 0);
    textzone_free(reader->text);
    free(reader);
}

const char *zone_reader_note(const struct zone_reader *reader)
{
    return reader->note.text;
}

static bool system_fault(struct zone_fault *fault)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return fault_set(fault, ZONE_MISSING, "there is no such file");
    case EACCES:
    case EPERM:
        return fault_set(fault, ZONE_DENIED, "no right to read it");
    case ENXIO: /* a socket, or a device that is not there */
        return fault_set(fault, ZONE_NOT_REGULAR, "is no regular file");
    default:
        return fault_set(fault, ZONE_IO, "%s", strerror(errno));
    }
}

/* Opens a regular file. A pipe must not make us wait, nor a terminal become ours. */
static int open_regular(const char *path, struct stat *status, struct zone_fault *fault)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        system_fault(fault);
        return -1;
    }
    if (fstat(fd, status) != 0)
        system_fault(fault);
    else if (!S_ISREG(status->st_mode))
        fault_set(fault, ZONE_NOT_REGULAR, "is no regular file");
    else
        return fd;
    close(fd);
    return -1;
}

static bool make_room(struct zone_reader *reader, size_t room, struct zone_fault *fault)
{
    if (room <= reader->room)
        return true;
    uint8_t *data = realloc(reader->data, room);
    if (data == NULL)
        return fault_set(fault, ZONE_IO, "out of memory");
    reader->data = data;
    reader->room = room;
    return true;
}

/* read(2), not mmap(2): a file that is cut while it is read must not end the program. */
static bool load(struct zone_reader *reader, int fd, size_t expected, struct zone_fault *fault)
{
    size_t max = reader->limits.file_max;
    reader->size = 0;
    if (expected > max)
        return fault_set(fault, ZONE_TOO_BIG, "has %zu octets, more than the limit of %zu",
                         expected, max);
    size_t room = expected + 1; /* the end is seen without another call */
    for (;;) {
        if (!make_room(reader, room, fault))
            return false;
        ssize_t n = read(fd, reader->data + reader->size, room - reader->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_fault(fault);
        if (n == 0)
            return true;
        reader->size += (size_t)n;
        if (reader->size > max)
            return fault_set(fault, ZONE_TOO_BIG, "grew beyond the limit of %zu octets", max);
        if (reader->size == room)
            room *= 2;
    }
}

static bool read_records(struct zone_reader *reader, struct zone_fault *fault)
{
    struct zone *zone = &reader->zone;
    switch (rawzone_sniff(reader->data, reader->size)) {
    case SNIFF_EMPTY:
        return fault_set(fault, ZONE_EMPTY, "is empty");
    case SNIFF_RAW:
        zone->format = ZONE_RAW;
        return rawzone_read(reader->data, reader->size, zone->apex, &reader->records, zone, fault);
    case SNIFF_MAP:
        return fault_set(fault, ZONE_MAP,
                         "is in map format, which only the named that wrote it can read: set "
                         "masterfile-format raw");
    case SNIFF_OTHER_BINARY:
        return fault_set(fault, ZONE_VERSION, "offset 0x0: neither text nor a known format");
    case SNIFF_TEXT:
        zone->format = ZONE_TEXT;
        return textzone_read(reader->text, reader->data, reader->size, zone->apex, &reader->records,
                             zone, fault);
    }
    return fault_set(fault, ZONE_DAMAGED, "is no zone file");
}

/* The one SOA record, at the apex: it guards against the file of another zone. */
static const struct rr *find_soa(const struct zone_reader *reader, struct zone_fault *fault)
{
    const struct rr *soa = NULL;
    for (size_t i = 0; i < reader->records.count; i++) {
        const struct rr *rr = &reader->records.list[i];
        if (rr->type != RR_SOA)
            continue;
        if (soa != NULL || !wirename_equal(rr->owner, reader->apex)) {
            fault_set(fault, ZONE_OTHER_ZONE, "has other SOA records than the zone's one");
            return NULL;
        }
        soa = rr;
    }
    if (soa == NULL)
        fault_set(fault, ZONE_OTHER_ZONE, "has no SOA record of this zone%s",
                  reader->zone.outside > 0 ? ": it is the file of another zone" : "");
    return soa;
}

/* Reads the journal, if there is one. A fault of it is a note. */
static enum journal_status read_journal(struct zone_reader *reader, const char *path)
{
    struct zone *zone = &reader->zone;
    struct stat status;
    enum journal_status outcome = JOURNAL_FAILED;
    int fd = open_regular(path, &status, &reader->note);
    if (fd < 0 && reader->note.kind == ZONE_MISSING) {
        reader->note.text[0] = '\0';
        zone->journal = ZONE_JOURNAL_NONE;
        return JOURNAL_CURRENT;
    }
    if (fd >= 0) {
        if (status.st_mtime > zone->contact)
            zone->contact = status.st_mtime;
        outcome = journal_apply(fd, reader->limits.journal_max, zone->apex, &reader->journal,
                                &reader->records, &zone->serial, &reader->note);
        close(fd);
    }
    if (outcome == JOURNAL_CURRENT || outcome == JOURNAL_APPLIED) {
        zone->journal = outcome == JOURNAL_CURRENT ? ZONE_JOURNAL_CURRENT : ZONE_JOURNAL_APPLIED;
        reader->note.text[0] = '\0';
    } else {
        zone->journal = ZONE_JOURNAL_FAULT;
        fault_add_file(&reader->note, path);
    }
    return outcome;
}

/* How many names there are because of this one, which follows another in canonical order. */
static size_t count_implied(const uint8_t *apex, const uint8_t *last, const uint8_t *name)
{
    size_t count = 0;
    if (wirename_equal(name, apex))
        return 0;
    for (name = wirename_parent(name); !wirename_equal(name, apex) && !wirename_within(last, name);
         name = wirename_parent(name))
        count++;
    return count;
}

/* Groups the sorted records by owner. */
static bool make_nodes(struct zone_reader *reader, struct zone_fault *fault)
{
    const struct records *records = &reader->records;
    size_t count = 0, implied = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct rr *rr = &records->list[i];
        struct zone_node *node = count > 0 ? &reader->nodes[count - 1] : NULL;
        if (node == NULL || (rr->owner != node->name && !wirename_equal(rr->owner, node->name))) {
            implied += count_implied(reader->apex, node ? node->name : reader->apex, rr->owner);
            if (implied > ZONE_IMPLIED_MAX)
                return fault_set(fault, ZONE_TOO_BIG,
                                 "has more than %d names that exist only by deeper ones",
                                 ZONE_IMPLIED_MAX);
            if (count == reader->node_room) {
                size_t room = count > 0 ? 2 * count : 64;
                struct zone_node *nodes = reallocarray(reader->nodes, room, sizeof *nodes);
                if (nodes == NULL)
                    return fault_set(fault, ZONE_IO, "out of memory");
                reader->nodes = nodes;
                reader->node_room = room;
            }
            node = &reader->nodes[count++];
            *node = (struct zone_node){.name = rr->owner, .rrs = rr};
        }
        node->rr_count++;
        node->types = (uint16_t)(node->types | rr_bit(rr->type));
    }
    reader->zone.nodes = reader->nodes;
    reader->zone.node_count = count;
    reader->zone.rr_count = records->count;
    return true;
}

/* In canonical order a cut or DNAME comes right before all that is below it. */
static void mark_places(struct zone_node *nodes, size_t count)
{
    const uint8_t *above = NULL;
    enum zone_place below = ZONE_BELOW_CUT;
    for (size_t i = 0; i < count; i++) {
        struct zone_node *node = &nodes[i];
        if (above != NULL && wirename_below(node->name, above)) {
            node->place = (uint8_t)below;
            continue;
        }
        bool cut = i > 0 && (node->types & RR_HAS_NS) != 0;
        node->place = cut ? ZONE_AT_CUT : ZONE_AUTHORITATIVE;
        above = cut || (node->types & RR_HAS_DNAME) != 0 ? node->name : NULL;
        below = cut ? ZONE_BELOW_CUT : ZONE_BELOW_DNAME;
    }
}

static void begin(struct zone_reader *reader, const uint8_t *apex)
{
    release(reader, KEEP_MAX);
    textzone_clear(reader->text);
    reader->records.count = 0;
    reader->note.text[0] = '\0';
    memcpy(reader->apex, apex, wirename_size(apex));
    reader->zone = (struct zone){.apex = reader->apex};
}

/* One attempt. *again asks whether the file was replaced meanwhile, so that its journal is of the
 * new one, and says so; then there is no zone yet. */
static bool read_once(struct zone_reader *reader, const char *file, const char *journal,
                      struct zone_fault *fault, bool *again)
{
    struct stat opened, now;
    int fd = open_regular(file, &opened, fault);
    if (fd < 0)
        return false;
    bool loaded = load(reader, fd, (size_t)opened.st_size, fault);
    close(fd);
    if (!loaded || !read_records(reader, fault))
        return false;
    struct zone *zone = &reader->zone;
    const struct rr *soa = find_soa(reader, fault);
    if (soa == NULL)
        return false;
    zone->file_serial = zone->serial = rr_soa_serial(soa);
    zone->contact = opened.st_mtime;
    records_sort_owners(&reader->records);
    *again = read_journal(reader, journal) == JOURNAL_STRANGE && *again && stat(file, &now) == 0 &&
             (now.st_ino != opened.st_ino || now.st_dev != opened.st_dev ||
              now.st_size != opened.st_size || now.st_mtim.tv_sec != opened.st_mtim.tv_sec ||
              now.st_mtim.tv_nsec != opened.st_mtim.tv_nsec);
    if (*again)
        return true;
    if ((soa = find_soa(reader, fault)) == NULL || !make_nodes(reader, fault))
        return false;
    zone->expire = rr_soa_expire(soa);
    mark_places(reader->nodes, zone->node_count);
    return true;
}

const struct zone *zone_read(struct zone_reader *reader, const uint8_t *apex, const char *file,
                             const char *journal, struct zone_fault *fault)
{
    if (file == NULL) {
        fault_set(fault, ZONE_NO_FILE, "the zone has no file: named keeps it in memory only");
        return NULL;
    }
    if (journal == NULL) {
        int n = snprintf(reader->journal_path, sizeof reader->journal_path, "%s.jnl", file);
        if (n < 0 || (size_t)n >= sizeof reader->journal_path) {
            fault_set(fault, ZONE_IO, "%s", strerror(ENAMETOOLONG));
            fault_add_file(fault, file);
            return NULL;
        }
        journal = reader->journal_path;
    }
    bool again = true;
    for (int i = 1; again; i++) {
        again = i < TRIES;
        begin(reader, apex);
        if (!read_once(reader, file, journal, fault, &again)) {
            fault_add_file(fault, file);
            return NULL;
        }
    }
    return &reader->zone;
}

size_t zone_find_from(const struct zone *zone, const uint8_t *name)
{
    size_t from = 0, to = zone->node_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (wirename_compare(zone->nodes[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name)
{
    size_t at = zone_find_from(zone, name);
    if (at == zone->node_count || !wirename_equal(zone->nodes[at].name, name))
        return NULL;
    return &zone->nodes[at];
}

bool zone_has_name(const struct zone *zone, const uint8_t *name)
{
    size_t at = zone_find_from(zone, name);
    return at < zone->node_count && wirename_within(zone->nodes[at].name, name);
}

enum zone_place zone_place(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *node = zone_find(zone, name);
    if (node != NULL)
        return node->place;
    /* The nearest name above it that has records knows what is above itself. */
    for (name = wirename_parent(name); name != NULL; name = wirename_parent(name)) {
        node = zone_find(zone, name);
        if (node == NULL)
            continue;
        if (node->place == ZONE_AT_CUT)
            return ZONE_BELOW_CUT;
        if (node->place == ZONE_AUTHORITATIVE && (node->types & RR_HAS_DNAME) != 0)
            return ZONE_BELOW_DNAME;
        return node->place;
    }
    return ZONE_AUTHORITATIVE;
}

const struct rr *zone_next(const struct zone_node *node, enum rr_type type, size_t *at)
{
    while (*at < node->rr_count) {
        const struct rr *rr = &node->rrs[(*at)++];
        if (rr->type == type)
            return rr;
    }
    return NULL;
}
