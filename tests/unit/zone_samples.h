/* Real zone files for tests: tests/zones, where README.md says how each was made. */
#ifndef LOOKUPD_ZONE_SAMPLES_H
#define LOOKUPD_ZONE_SAMPLES_H

#include "import/zone.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zone_sample {
    const char *zone, *file, *journal; /* the journal's path, when it is not file + ".jnl" */
    const char *judge;                 /* what named-compilezone said of it */
};

static const struct zone_sample zone_samples[] = {
    {"example.com", "secA/slaves/example.com.db", NULL, "example.com"},
    {"nullmx.example", "secA/slaves/nullmx.example.db", NULL, "nullmx"},
    {"nomx.example", "secA/slaves/nomx.example.db", NULL, "nomx"},
    {"onlyus.example.", "secA/slaves/onlyus.example.db", NULL, "onlyus"},
    {"equal.example", "secA/slaves/equal.example.db", NULL, "equal"},
    {"three.example", "secA/slaves/three.example.db", NULL, "three"},
    {"notours.example", "secA/slaves/notours.example.db", NULL, "notours"},
    {"mxip.example", "secA/slaves/mxip.example.db", NULL, "mxip"},
    {"mxcname.example", "secA/slaves/mxcname.example.db", NULL, "mxcname"},
    {"xn--mnchen-3ya.example", "secA/slaves/xn--mnchen-3ya.example.db", NULL, "xn--mnchen-3ya"},
    {"weird.example", "secA/slaves/weird.example.db", NULL, "weird"},
    {"ixfr.example", "secA/slaves/ixfr.example.db", NULL, "ixfr"},
    {"ixfr.example", "secA/slaves/ixfr.example.db", "none", "ixfr-file"},
    {"jnl.example", "secA/slaves/jnl.example.db", "secA/slaves/other-name.jnl", "jnl"},
    {"signed.example", "secA/slaves/signed.example.db", NULL, "signed"},
    {"UPPER.Example", "secA/slaves/Upper Example with space.db", NULL, "upper"},
    {"old.example", "secA/slaves/old.example.db", NULL, "old"},
    {"old.example", "secA/slaves/raw0.example.v0.db", NULL, "raw0"},
    {"text.example", "secA/slaves/text/text.example", NULL, "text"},
    {"textfull.example", "secA/slaves/text/textfull.example", NULL, "textfull"},
    {"catalog.example", "secA/slaves/catalog.example.db", NULL, "catalog"},
    {"added.example", "secA/slaves/added.example.db", NULL, "added"},
    {"2.0.192.in-addr.arpa", "secA/slaves/2.0.192.in-addr.arpa.db", NULL, "reverse"},
    {"0/25.1.0.192.in-addr.arpa", "secA/slaves/0_25.1.0.192.in-addr.arpa.db", NULL, "rfc2317"},
    {"8.b.d.0.1.0.0.2.ip6.arpa", "secA/slaves/ip6.db", NULL, "ip6"},
    {"changes.example", "changes/changes.0.db", NULL, "changes.0"},
    {"changes.example", "changes/changes.4.db", NULL, "changes.4"},
    {"changes.example", "changes/changes.0.db", "changes/changes.jnl", "changes.4"},
    {"changes.example", "changes/changes.1.db", "changes/changes.jnl", "changes.4"},
    {"changes.example", "changes/changes.2.db", "changes/changes.jnl", "changes.4"},
    {"changes.example", "changes/changes.3.db", "changes/changes.jnl", "changes.4"},
    {"changes.example", "changes/changes.4.db", "changes/changes.jnl", "changes.4"},
    {"changes.example", "changes/changes.0.db", "changes/changes-v9.jnl", "changes.4"},
    {"changes.example", "changes/changes.2.db", "changes/changes-v9.jnl", "changes.4"},
};
#define ZONE_SAMPLE_COUNT (sizeof zone_samples / sizeof zone_samples[0])

/* The path of a file below tests/zones, for free(). */
static inline char *zone_sample_path(const char *file)
{
    char *path = NULL;
    cr_assert(file == NULL || asprintf(&path, "%s/%s", ZONES, file) > 0);
    return path;
}

/* The octets of a file, in a block of just that size, for free(). */
static inline uint8_t *zone_sample_load(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    cr_assert(fseek(f, 0, SEEK_END) == 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size > 0 ? *size : 1);
    cr_assert(data != NULL && fread(data, 1, *size, f) == *size);
    (void)fclose(f);
    return data;
}

static inline void zone_sample_apex(const struct zone_sample *sample, uint8_t *apex)
{
    cr_assert(wirename_parse(sample->zone, strlen(sample->zone), apex), "%s", sample->zone);
}

/* Lines "OWNER TYPE DATA", sorted: what a zone holds, or what BIND says of it. */
struct zone_lines {
    char **list;
    size_t count;
};

static inline void zone_lines_add(struct zone_lines *lines, const char *line)
{
    lines->list = realloc(lines->list, (lines->count + 1) * sizeof *lines->list);
    cr_assert(lines->list != NULL);
    lines->list[lines->count] = strdup(line);
    cr_assert(lines->list[lines->count++] != NULL);
}

static inline int zone_lines_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void zone_lines_sort(struct zone_lines *lines)
{
    if (lines->count > 0)
        qsort(lines->list, lines->count, sizeof *lines->list, zone_lines_order);
}

static inline void zone_lines_free(struct zone_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->list[i]);
    free(lines->list);
    *lines = (struct zone_lines){.list = NULL};
}

/* Character strings as BIND prints them. */
static inline void zone_print_txt(const struct rr *rr, char *out)
{
    for (size_t at = 0; at < rr->rdlen; at += 1U + rr->rdata[at]) {
        out += sprintf(out, at > 0 ? " \"" : "\"");
        for (size_t i = 1; i <= rr->rdata[at]; i++) {
            unsigned char c = rr->rdata[at + i];
            if (c < 0x20 || c > 0x7e)
                out += sprintf(out, "\\%03u", c);
            else
                out += sprintf(out, strchr("\"\\", c) != NULL ? "\\%c" : "%c", c);
        }
        out += sprintf(out, "\"");
    }
}

/* With the final dot, and what comes before it. */
static inline int zone_print_name(const char *before, const uint8_t *wire, char *out)
{
    char name[WIRENAME_TEXT_SIZE];
    return sprintf(out, "%s%s%s", before, wirename_print(wire, name), wire[0] != 0 ? "." : "");
}

static inline void zone_print_data(const struct rr *rr, char *out)
{
    if (rr->type == RR_A || rr->type == RR_AAAA) {
        inet_ntop(rr->type == RR_A ? AF_INET : AF_INET6, rr->rdata, out, INET6_ADDRSTRLEN);
        return;
    }
    if (rr->type == RR_TXT) {
        zone_print_txt(rr, out);
        return;
    }
    if (rr->type == RR_MX)
        out += sprintf(out, "%u ", rr_mx_preference(rr));
    out += zone_print_name("", rr_target(rr), out);
    if (rr->type != RR_SOA)
        return;
    out += zone_print_name(" ", rr->rdata + wirename_size(rr->rdata), out);
    for (const uint8_t *p = rr->rdata + rr->rdlen - 20; p < rr->rdata + rr->rdlen; p += 4)
        out += sprintf(out, " %u",
                       (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3]);
}

static inline struct zone_lines zone_lines_of(const struct zone *zone)
{
    struct zone_lines lines = {.list = NULL};
    static char line[400000];
    char name[WIRENAME_TEXT_SIZE], type[RR_TYPE_SIZE];
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        for (size_t j = 0; j < node->rr_count; j++) {
            const struct rr *rr = &node->rrs[j];
            int n = sprintf(line, "%s. %s ", wirename_print(node->name, name),
                            rr_type_text(rr->type, type));
            zone_print_data(rr, line + n);
            zone_lines_add(&lines, line);
        }
    }
    zone_lines_sort(&lines);
    return lines;
}

/* Of the types that are kept; texts in lower case but for TXT. */
static inline struct zone_lines zone_lines_judge(const char *judge)
{
    static const char kept[] = " A AAAA CNAME DNAME MX NS PTR SOA TXT ";
    struct zone_lines lines = {.list = NULL};
    char path[4096], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/judge/%s.txt", ZONES, judge);
    FILE *f = fopen(path, "r");
    cr_assert(f != NULL, "%s", path);
    while (getline(&line, &room, f) > 0) {
        char *rest = line, *save = NULL, *made = NULL, word[16];
        if (line[0] == ';')
            continue;
        const char *owner = strtok_r(rest, " \t\n", &save);
        const char *ttl = strtok_r(NULL, " \t\n", &save);
        const char *class = strtok_r(NULL, " \t\n", &save);
        const char *type = strtok_r(NULL, " \t\n", &save);
        cr_assert(ttl != NULL && class != NULL && type != NULL && strcmp(class, "IN") == 0);
        snprintf(word, sizeof word, " %s ", type);
        if (strstr(kept, word) == NULL)
            continue;
        char *data = save + strspn(save, " \t");
        data[strcspn(data, "\n")] = '\0';
        cr_assert(asprintf(&made, "%s %s %s", owner, type, data) > 0);
        size_t fold = strcmp(type, "TXT") == 0 ? strlen(owner) : strlen(made);
        for (size_t i = 0; i < fold; i++)
            if (i < strlen(owner) || i > strlen(owner) + strlen(type))
                made[i] = (char)tolower((unsigned char)made[i]);
        zone_lines_add(&lines, made);
        free(made);
    }
    free(line);
    (void)fclose(f);
    zone_lines_sort(&lines);
    return lines;
}

static inline void zone_lines_expect_equal(const struct zone_lines *a, const struct zone_lines *b,
                                           const char *what)
{
    cr_expect_eq(a->count, b->count, "%s: %zu records read, BIND has %zu", what, a->count,
                 b->count);
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        cr_expect_str_eq(a->list[i], b->list[i], "%s: read %s, BIND has %s", what, a->list[i],
                         b->list[i]);
        if (strcmp(a->list[i], b->list[i]) != 0)
            return;
    }
}

#endif
