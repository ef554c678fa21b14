/* Zones as a whole: files of real transfers against what named-compilezone says of them, faults,
 * places, and files that change while they are read. */
#include "zone_samples.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utime.h>

static const struct zone_limits limits = ZONE_LIMITS_DEFAULT;

static const struct zone *read_sample(struct zone_reader *reader, const struct zone_sample *sample,
                                      struct zone_fault *fault)
{
    uint8_t apex[WIRENAME_MAX];
    char *file = zone_sample_path(sample->file), *journal = zone_sample_path(sample->journal);
    zone_sample_apex(sample, apex);
    const struct zone *zone = zone_read(reader, apex, file, journal, fault);
    free(file);
    free(journal);
    return zone;
}

Test(zone, samples_as_bind_reads_them)
{
    struct zone_reader *reader = zone_reader_new(&limits);
    cr_assert_not_null(reader);
    for (size_t i = 0; i < ZONE_SAMPLE_COUNT; i++) {
        struct zone_fault fault;
        const struct zone *zone = read_sample(reader, &zone_samples[i], &fault);
        cr_assert_not_null(zone, "%s", fault.text);
        cr_expect_str_empty(zone_reader_note(reader), "%s", zone_reader_note(reader));
        struct zone_lines read = zone_lines_of(zone);
        struct zone_lines judge = zone_lines_judge(zone_samples[i].judge);
        cr_expect_gt(read.count, 0);
        cr_expect_eq(read.count, zone->rr_count);
        zone_lines_expect_equal(&read, &judge, zone_samples[i].file);
        zone_lines_free(&read);
        zone_lines_free(&judge);
    }
    zone_reader_free(reader);
}

Test(zone, a_large_set)
{
    static const struct zone_sample big = {"bigset.example", "secA/slaves/bigset.example.db", NULL,
                                           NULL};
    struct zone_reader *reader = zone_reader_new(&limits);
    struct zone_fault fault;
    uint8_t name[WIRENAME_MAX];
    const struct zone *zone = read_sample(reader, &big, &fault);
    cr_assert_not_null(zone, "%s", fault.text);
    cr_expect_eq(zone->rr_count, 1500 + 802 + 2 + 1);
    cr_assert(wirename_parse("bigmx.bigset.example", 20, name));
    const struct zone_node *node = zone_find(zone, name);
    cr_assert_not_null(node);
    cr_expect_eq(node->rr_count, 800);
    cr_expect_eq(node->types, RR_HAS_MX);
    size_t at = 0, found = 0;
    while (zone_next(node, RR_MX, &at) != NULL)
        found++;
    cr_expect_eq(found, 800);
    zone_reader_free(reader);
}

Test(zone, what_it_says_of_itself)
{
    static const struct {
        size_t sample;
        uint32_t serial, file_serial;
        enum zone_journal journal;
    } expected[] = {
        {0, 2024010101, 2024010101, ZONE_JOURNAL_NONE},
        {11, 2, 1, ZONE_JOURNAL_APPLIED},
        {12, 1, 1, ZONE_JOURNAL_NONE},
        {27, 100, 1, ZONE_JOURNAL_APPLIED},
        {31, 100, 100, ZONE_JOURNAL_CURRENT},
    };
    struct zone_reader *reader = zone_reader_new(&limits);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct zone_fault fault;
        const struct zone_sample *sample = &zone_samples[expected[i].sample];
        const struct zone *zone = read_sample(reader, sample, &fault);
        cr_assert_not_null(zone, "%s", fault.text);
        cr_expect_eq(zone->serial, expected[i].serial, "%s: %u", sample->file, zone->serial);
        cr_expect_eq(zone->file_serial, expected[i].file_serial, "%s", sample->file);
        cr_expect_eq(zone->journal, expected[i].journal, "%s", sample->file);
        cr_expect_eq(zone->expire, 604800);
        cr_expect_gt(zone->contact, 0);
        cr_expect_eq(zone->outside + zone->other_class, 0);
    }
    zone_reader_free(reader);
}

/* One file of a zone z.example in text, made for a test. */
struct made {
    char folder[64], file[96], journal[96];
    uint8_t apex[WIRENAME_MAX];
    struct zone_reader *reader;
    struct zone_fault fault;
};

static struct made make(const void *content, size_t size)
{
    struct made made = {.folder = "/tmp/lookupd-zone.XXXXXX"};
    cr_assert_not_null(mkdtemp(made.folder));
    snprintf(made.file, sizeof made.file, "%s/z.db", made.folder);
    snprintf(made.journal, sizeof made.journal, "%s/z.db.jnl", made.folder);
    cr_assert(wirename_parse("z.example", 9, made.apex));
    made.reader = zone_reader_new(&limits);
    cr_assert_not_null(made.reader);
    if (content != NULL) {
        FILE *f = fopen(made.file, "wb");
        cr_assert(f != NULL && fwrite(content, 1, size, f) == size && fclose(f) == 0);
    }
    return made;
}

static struct made make_text(const char *text)
{
    return make(text, strlen(text));
}

static const struct zone *read_made(struct made *made)
{
    return zone_read(made->reader, made->apex, made->file, NULL, &made->fault);
}

static void made_free(struct made *made)
{
    zone_reader_free(made->reader);
    (void)unlink(made->file);
    (void)unlink(made->journal);
    (void)rmdir(made->folder);
}

#define SOA "$TTL 60\n@ SOA ns.z.example. h.z.example. 7 2 3 4 5\n@ NS ns.z.example.\n"

Test(zone, places)
{
    static const struct {
        const char *name;
        enum zone_place place;
        bool node, exists;
    } expected[] = {
        {"z.example", ZONE_AUTHORITATIVE, true, true},
        {"a.z.example", ZONE_AUTHORITATIVE, true, true},
        {"none.z.example", ZONE_AUTHORITATIVE, false, false},
        {"cut.z.example", ZONE_AT_CUT, true, true},
        {"x.cut.z.example", ZONE_BELOW_CUT, true, true},
        {"y.x.cut.z.example", ZONE_BELOW_CUT, false, false},
        {"none.cut.z.example", ZONE_BELOW_CUT, false, true},
        {"deep.none.cut.z.example", ZONE_BELOW_CUT, true, true},
        {"cut2.z.example", ZONE_AUTHORITATIVE, true, true}, /* a label longer, not below */
        {"dn.z.example", ZONE_AUTHORITATIVE, true, true},
        {"x.dn.z.example", ZONE_BELOW_DNAME, true, true},
        {"none.dn.z.example", ZONE_BELOW_DNAME, false, false},
        {"inner.dn.z.example", ZONE_BELOW_DNAME, true, true}, /* NS below a DNAME is no cut */
        {"w.inner.dn.z.example", ZONE_BELOW_DNAME, true, true},
        {"both.z.example", ZONE_AT_CUT, true, true},
        {"x.both.z.example", ZONE_BELOW_CUT, true, true},
        {"ent.z.example", ZONE_AUTHORITATIVE, false, true}, /* an empty non-terminal */
        {"b.ent.z.example", ZONE_AUTHORITATIVE, true, true},
    };
    struct made made = make_text(SOA "a MX 1 a\ncut NS x.cut\ncut MX 1 a\nx.cut A 192.0.2.1\n"
                                     "deep.none.cut MX 1 a\ncut2 MX 1 a\ndn DNAME example.com.\n"
                                     "dn MX 1 a\nx.dn MX 1 a\ninner.dn NS a\nw.inner.dn MX 1 a\n"
                                     "both NS a\nboth DNAME example.com.\nx.both MX 1 a\n"
                                     "b.ent MX 1 a\n");
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone, "%s", made.fault.text);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *text = expected[i].name;
        uint8_t name[WIRENAME_MAX];
        cr_assert(wirename_parse(text, strlen(text), name));
        const struct zone_node *node = zone_find(zone, name);
        cr_expect_eq(node != NULL, expected[i].node, "%s", text);
        cr_expect_eq(zone_has_name(zone, name), expected[i].exists, "%s", text);
        cr_expect_eq(zone_place(zone, name), expected[i].place, "%s: %d", text,
                     (int)zone_place(zone, name));
        if (node != NULL)
            cr_expect_eq(node->place, expected[i].place, "%s", text);
    }
    made_free(&made);
}

Test(zone, dname_at_the_apex_hides_all_below)
{
    struct made made = make_text(SOA "@ DNAME example.com.\n@ MX 1 a\nx MX 1 a\n");
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone, "%s", made.fault.text);
    cr_assert_eq(zone->node_count, 2);
    cr_expect_eq(zone->nodes[0].place, ZONE_AUTHORITATIVE);
    cr_expect_eq(zone->nodes[1].place, ZONE_BELOW_DNAME);
    made_free(&made);
}

Test(zone, nodes_in_canonical_order)
{
    /* The example of RFC 4034 6.1. */
    static const char *const order[] = {
        "z.example",         "a.z.example",      "yljkjljk.a.z.example",
        "z.a.z.example",     "zabc.a.z.example", "z.z.example",
        "\\001.z.z.example", "*.z.z.example",    "\\200.z.z.example"};
    struct made made =
        make_text(SOA "zABC.a MX 1 a\nz.a MX 1 a\n\\200.z MX 1 a\nyljkjljk.a MX 1 a\n"
                      "*.z MX 1 a\nZ MX 1 a\na MX 1 a\n\\001.z MX 1 a\n");
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone, "%s", made.fault.text);
    cr_assert_eq(zone->node_count, sizeof order / sizeof order[0]);
    for (size_t i = 0; i < zone->node_count; i++) {
        char text[WIRENAME_TEXT_SIZE];
        cr_expect_str_eq(wirename_print(zone->nodes[i].name, text), order[i]);
        cr_expect_eq(zone->nodes[i].rr_count, i == 0 ? 2 : 1);
    }
    made_free(&made);
}

static void expect_fault(struct made *made, enum zone_fault_kind kind, const char *word)
{
    cr_expect_null(read_made(made));
    cr_expect_eq(made->fault.kind, kind, "%s: %s", zone_fault_word(kind), made->fault.text);
    cr_expect(strncmp(made->fault.text, made->file, strlen(made->file)) == 0, "%s",
              made->fault.text);
    cr_expect_not_null(strstr(made->fault.text, word), "%s", made->fault.text);
    made_free(made);
}

Test(zone, faults)
{
    static const uint8_t map[8] = {0, 0, 0, 3}, other[8] = {2, 0, 0, 0},
                         version[24] = {0, 0, 0, 2, 0, 0, 0, 2};
    static const uint8_t raw_header[24] = {0, 0, 0, 2, 0, 0, 0, 1};
    struct made made;
    made = make(NULL, 0);
    expect_fault(&made, ZONE_MISSING, "no such file");
    made = make("", 0);
    expect_fault(&made, ZONE_EMPTY, "empty");
    made = make(map, sizeof map);
    expect_fault(&made, ZONE_MAP, "masterfile-format raw");
    made = make(other, sizeof other);
    expect_fault(&made, ZONE_VERSION, "offset 0x0");
    made = make(version, sizeof version);
    expect_fault(&made, ZONE_VERSION, "unknown version 2");
    made = make(raw_header, sizeof raw_header);
    expect_fault(&made, ZONE_OTHER_ZONE, "no SOA");
    made = make_text("; nothing\n");
    expect_fault(&made, ZONE_OTHER_ZONE, "no SOA");
    made = make_text("other.example. 60 IN SOA a. b. 1 2 3 4 5\n");
    expect_fault(&made, ZONE_OTHER_ZONE, "file of another zone");
    made = make_text(SOA "x SOA ns.z.example. h.z.example. 7 2 3 4 5\n");
    expect_fault(&made, ZONE_OTHER_ZONE, "other SOA");
    made = make_text("x.z.example. 60 IN SOA a. b. 1 2 3 4 5\n");
    expect_fault(&made, ZONE_OTHER_ZONE, "other SOA");
    made = make_text(SOA "@ SOA ns.z.example. h.z.example. 8 2 3 4 5\n");
    expect_fault(&made, ZONE_OTHER_ZONE, "other SOA");
    made = make_text("root:$6$secret:19000:0:99999:7:::\n");
    expect_fault(&made, ZONE_DAMAGED, "line 1: ");
    made = make_text(SOA "x MX secret mail\n");
    expect_fault(&made, ZONE_DAMAGED, "line 4: ");
    made = make(SOA "\0", sizeof SOA);
    expect_fault(&made, ZONE_DAMAGED, "NUL");
    made = make(NULL, 0);
    cr_assert_null(zone_read(made.reader, made.apex, NULL, NULL, &made.fault));
    cr_expect_eq(made.fault.kind, ZONE_NO_FILE);
    made_free(&made);
}

Test(zone, no_fault_shows_what_the_file_holds)
{
    static const char *const secrets[] = {
        "root:$6$hunter2:19000:0:99999:7:::\n",
        "$INCLUDE /etc/hunter2\n",
        SOA "hunter2 hunter2 hunter2\n",
        SOA "x A hunter2\n",
        "hunter2. 60 IN SOA hunter2. hunter2. 1 2 3 4 5\n",
        SOA "x TYPE65400 \\# 4 hunter2\n",
    };
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct made made = make_text(secrets[i]);
        cr_expect_null(read_made(&made), "%s", secrets[i]);
        cr_expect_null(strstr(made.fault.text, "hunter2"), "%s", made.fault.text);
        made_free(&made);
    }
}

Test(zone, not_regular)
{
    struct made made = make(NULL, 0);
    cr_assert(mkdir(made.file, 0700) == 0);
    cr_expect_null(read_made(&made));
    cr_expect_eq(made.fault.kind, ZONE_NOT_REGULAR, "%s", made.fault.text);
    cr_assert(rmdir(made.file) == 0 && mkfifo(made.file, 0600) == 0);
    cr_expect_null(read_made(&made)); /* and does not wait for a writer */
    cr_expect_eq(made.fault.kind, ZONE_NOT_REGULAR, "%s", made.fault.text);
    cr_assert(unlink(made.file) == 0 && symlink("/dev/zero", made.file) == 0);
    cr_expect_null(read_made(&made));
    cr_expect_eq(made.fault.kind, ZONE_NOT_REGULAR, "%s", made.fault.text);
    cr_assert(unlink(made.file) == 0 && symlink("z.db", made.file) == 0);
    cr_expect_null(read_made(&made)); /* a link to itself */
    cr_expect_eq(made.fault.kind, ZONE_IO, "%s", made.fault.text);
    cr_assert(unlink(made.file) == 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", made.file);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    cr_expect_null(read_made(&made));
    cr_expect_eq(made.fault.kind, ZONE_NOT_REGULAR, "%s", made.fault.text);
    close(fd);
    made_free(&made);
}

Test(zone, denied)
{
    struct made made = make_text(SOA);
    cr_assert(chmod(made.file, 0) == 0);
    if (geteuid() == 0) /* root may read all */
        cr_assert(chmod(made.folder, 0755) == 0 && seteuid(65534) == 0);
    cr_expect_null(read_made(&made));
    cr_expect_eq(made.fault.kind, ZONE_DENIED, "%s", made.fault.text);
    cr_assert(geteuid() != 65534 || seteuid(0) == 0);
    made_free(&made);
}

Test(zone, limits)
{
    struct made made = make_text(SOA);
    zone_reader_free(made.reader);
    made.reader = zone_reader_new(&(struct zone_limits){.file_max = strlen(SOA)});
    cr_expect_not_null(read_made(&made), "%s", made.fault.text);
    zone_reader_free(made.reader);
    made.reader = zone_reader_new(&(struct zone_limits){.file_max = strlen(SOA) - 1});
    expect_fault(&made, ZONE_TOO_BIG, "limit");
}

static uint8_t *put(uint8_t *at, size_t octets, uint64_t value)
{
    for (size_t i = 0; i < octets; i++)
        at[i] = (uint8_t)(value >> 8 * (octets - 1 - i));
    return at + octets;
}

/* A raw record set of one record. */
static uint8_t *put_set(uint8_t *at, const uint8_t *owner, unsigned type, const void *rdata,
                        size_t rdlen)
{
    size_t size = wirename_size(owner);
    at = put(at, 4, 22 + size + rdlen);
    at = put(put(put(put(put(put(at, 2, 1), 2, type), 2, 0), 4, 60), 4, 1), 2, size);
    at = mempcpy(at, owner, size);
    return mempcpy(put(at, 2, rdlen), rdata, rdlen);
}

/* Names 115 labels below another one each: a small file, and a great many names. */
Test(zone, names_that_deeper_ones_make)
{
    enum { DEPTH = 115, ENOUGH = ZONE_IMPLIED_MAX / DEPTH };
    static const uint8_t soa[22] = {[5] = 7}, address[4] = {192, 0, 2, 1};
    uint8_t *data = malloc((size_t)(ENOUGH + 2) * 300), apex[] = "\001z\007example";
    cr_assert_not_null(data);
    for (unsigned over = 0; over < 2; over++) {
        uint8_t *end = put(put(put(data, 8, (uint64_t)2 << 32 | 1), 8, 0), 8, 0);
        end = put_set(end, apex, RR_SOA, soa, sizeof soa);
        for (unsigned i = 0; i < ENOUGH + over; i++) {
            uint8_t name[WIRENAME_MAX], *label = name;
            for (int depth = 0; depth < DEPTH; depth++)
                label = mempcpy(label, "\001a", 2);
            label += sprintf((char *)label, "\006%06x", i);
            memcpy(label, apex, sizeof apex);
            end = put_set(end, name, RR_A, address, sizeof address);
        }
        struct made made = make(data, (size_t)(end - data));
        if (over) {
            expect_fault(&made, ZONE_TOO_BIG, "names");
        } else {
            const struct zone *zone = read_made(&made);
            cr_expect(zone && zone->node_count == ENOUGH + 1, "%s", made.fault.text);
            made_free(&made);
        }
    }
    free(data);
}

Test(zone, long_and_odd_paths)
{
    struct made made = make(NULL, 0);
    char path[5000];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    cr_expect_null(zone_read(made.reader, made.apex, path, NULL, &made.fault));
    cr_expect_eq(made.fault.kind, ZONE_IO, "%s", made.fault.text);
    cr_expect_null(zone_read(made.reader, made.apex, path, path, &made.fault));
    cr_expect_eq(made.fault.kind, ZONE_IO, "%s", made.fault.text);
    cr_expect_null(zone_read(made.reader, made.apex, "/no\nsuch\033[31m\377", NULL, &made.fault));
    cr_expect_str_eq(made.fault.text, "/no\\010such\\027[31m\\255: there is no such file");
    made_free(&made);
}

Test(zone, what_is_not_the_zones_is_left_out)
{
    struct made made =
        make_text(SOA "a.other.example. MX 1 a\nexample. MX 1 a\nxz.example. MX 1 a\n"
                      "c 60 CH TXT a\nd MX 1 a\n");
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone, "%s", made.fault.text);
    cr_expect_eq(zone->outside, 3, "%u", zone->outside);
    cr_expect_eq(zone->other_class, 1, "%u", zone->other_class);
    cr_expect_eq(zone->node_count, 2);
    made_free(&made);
}

/* named's way: a new file under another name, then rename(2), the journal gone or begun anew. */
Test(zone, a_journal_of_another_version_is_no_fault)
{
    struct made made = make_text(SOA "a MX 1 a\n");
    size_t size;
    char *path = zone_sample_path("changes/changes.jnl");
    uint8_t *journal = zone_sample_load(path, &size);
    FILE *f = fopen(made.journal, "wb");
    cr_assert(f != NULL && fwrite(journal, 1, size, f) == size && fclose(f) == 0);
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone, "%s", made.fault.text);
    cr_expect_eq(zone->journal, ZONE_JOURNAL_FAULT);
    cr_expect_eq(zone->serial, 7);
    cr_expect_eq(zone->node_count, 2);
    cr_expect(strncmp(zone_reader_note(made.reader), made.journal, strlen(made.journal)) == 0);
    cr_expect_not_null(strstr(zone_reader_note(made.reader), "from serial 1 to 100"));
    free(journal);
    free(path);
    made_free(&made);
}

Test(zone, contact_is_the_later_of_the_two)
{
    struct made made = make_text(SOA);
    struct utimbuf file = {1000, 1000}, journal = {2000, 2000};
    cr_assert(utime(made.file, &file) == 0);
    const struct zone *zone = read_made(&made);
    cr_assert_not_null(zone);
    cr_expect_eq(zone->contact, 1000);
    FILE *f = fopen(made.journal, "wb");
    cr_assert(f != NULL && fclose(f) == 0 && utime(made.journal, &journal) == 0);
    zone = read_made(&made);
    cr_assert_not_null(zone);
    cr_expect_eq(zone->contact, 2000);
    cr_expect_eq(zone->journal, ZONE_JOURNAL_FAULT); /* an empty file is no journal */
    made_free(&made);
}

/* A reader serves one zone after the other: nothing of the one before is left. */
Test(zone, readers_are_used_again)
{
    struct zone_reader *shared = zone_reader_new(&limits);
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < ZONE_SAMPLE_COUNT; i++) {
            size_t pick = (i * 7 + round * 5) % ZONE_SAMPLE_COUNT;
            struct zone_reader *fresh = zone_reader_new(&limits);
            struct zone_fault fault;
            const struct zone *a = read_sample(shared, &zone_samples[pick], &fault);
            const struct zone *b = read_sample(fresh, &zone_samples[pick], &fault);
            cr_assert(a != NULL && b != NULL, "%s", fault.text);
            struct zone_lines x = zone_lines_of(a), y = zone_lines_of(b);
            zone_lines_expect_equal(&x, &y, zone_samples[pick].file);
            cr_expect_eq(a->journal, b->journal);
            cr_expect_eq(a->serial, b->serial);
            zone_lines_free(&x);
            zone_lines_free(&y);
            zone_reader_free(fresh);
        }
    zone_reader_free(shared);
}

/*
 * named replaces the file by rename(2), writes a journal beside it, removes it, while we read: what
 * is read is one of the versions that there were, as a whole.
 */
struct replacing {
    struct made made;
    atomic_bool stop;
};

static void put_file(const char *sample, const char *folder, const char *path)
{
    char *from = zone_sample_path(sample), beside[128];
    size_t size;
    uint8_t *data = zone_sample_load(from, &size);
    snprintf(beside, sizeof beside, "%s/tmp-1234567890", folder);
    FILE *f = fopen(beside, "wb");
    cr_assert(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    cr_assert(rename(beside, path) == 0);
    free(data);
    free(from);
}

static void *replace(void *context)
{
    struct replacing *replacing = context;
    const struct made *made = &replacing->made;
    while (!atomic_load(&replacing->stop)) {
        put_file("changes/changes.0.db", made->folder, made->file);
        put_file("changes/changes.jnl", made->folder, made->journal);
        put_file("changes/changes.4.db", made->folder, made->file); /* the dump after an IXFR */
        (void)unlink(made->journal);                                /* an AXFR */
    }
    return NULL;
}

Test(zone, files_that_are_replaced_while_they_are_read)
{
    static struct replacing replacing;
    struct made *made = &replacing.made;
    pthread_t thread;
    struct zone_lines judges[2] = {zone_lines_judge("changes.0"), zone_lines_judge("changes.4")};
    size_t seen[2] = {0}, applied = 0;
    *made = make(NULL, 0);
    cr_assert(wirename_parse("changes.example", 15, made->apex));
    put_file("changes/changes.0.db", made->folder, made->file);
    cr_assert(pthread_create(&thread, NULL, replace, &replacing) == 0);
    for (int i = 0; i < 100000 && (i < 2000 || seen[0] == 0 || seen[1] == 0 || applied == 0); i++) {
        const struct zone *zone = read_made(made);
        cr_assert_not_null(zone, "%s", made->fault.text);
        cr_assert(zone->serial == 1 || zone->serial == 100, "%u", zone->serial);
        seen[zone->serial == 100]++;
        applied += zone->journal == ZONE_JOURNAL_APPLIED;
        cr_assert_neq(zone->journal, ZONE_JOURNAL_FAULT, "%s", zone_reader_note(made->reader));
        struct zone_lines lines = zone_lines_of(zone);
        zone_lines_expect_equal(&lines, &judges[zone->serial == 100], "replaced");
        zone_lines_free(&lines);
    }
    atomic_store(&replacing.stop, true);
    cr_assert(pthread_join(thread, NULL) == 0);
    cr_expect(seen[0] > 0 && seen[1] > 0 && applied > 0);
    zone_lines_free(&judges[0]);
    zone_lines_free(&judges[1]);
    made_free(made);
}

/* A journal of another version makes the reader look again when the file is another by now; not for
 * ever. */
static void *replace_once(void *context)
{
    struct replacing *replacing = context;
    const struct made *made = &replacing->made;
    while (!atomic_load(&replacing->stop))
        put_file("changes/changes.2.db", made->folder, made->file);
    return NULL;
}

Test(zone, a_file_that_is_always_replaced_is_read_all_the_same)
{
    static struct replacing replacing;
    struct made *made = &replacing.made;
    pthread_t thread;
    *made = make(NULL, 0);
    cr_assert(wirename_parse("changes.example", 15, made->apex));
    put_file("changes/changes.2.db", made->folder, made->file);
    put_file("secA/slaves/other-name.jnl", made->folder, made->journal); /* never of this file */
    cr_assert(pthread_create(&thread, NULL, replace_once, &replacing) == 0);
    for (int i = 0; i < 2000; i++) {
        const struct zone *zone = read_made(made);
        cr_assert_not_null(zone, "%s", made->fault.text);
        cr_expect_eq(zone->serial, 3);
        cr_expect_eq(zone->journal, ZONE_JOURNAL_FAULT);
        cr_expect_gt(zone->node_count, 10);
    }
    atomic_store(&replacing.stop, true);
    cr_assert(pthread_join(thread, NULL) == 0);
    made_free(made);
}
