/* Zones of tests about mail: settings, and zones in a short form of master files. */
#ifndef LOOKUPD_TEST_MAIL_SITE_H
#define LOOKUPD_TEST_MAIL_SITE_H

#include "import/mailrules.h"

#include "settings_report.h"

#include <stdlib.h>
#include <unistd.h>

#define MAIL_SITE_ZONES 64

struct mail_site {
    struct importconf *conf;
    struct mailrules *rules;
    struct zone_reader *reader;
    struct zonelist_zone zones[MAIL_SITE_ZONES];
    uint8_t names[MAIL_SITE_ZONES][WIRENAME_MAX];
    size_t count;
    struct zonelist_address primaries[3];
};

static inline struct importconf *mail_site_conf(const char *settings)
{
    struct report report;
    char *text = NULL;
    report_init(&report);
    cr_assert(asprintf(&text, "source = \"bind:ns2\";\n%s%s",
                       strstr(settings, "my_names") || strstr(settings, "my_addresses")
                           ? ""
                           : "my_names = ( \"us.net.test\" );\n",
                       settings) > 0);
    struct importconf *conf = importconf_parse(text, "import.conf", &report.errors);
    cr_assert_not_null(conf, "%s\n%s", text, report.text);
    free(text);
    return conf;
}

/* Reads records from a file, as the program does. */
static inline void mail_site_add(struct mail_site *site, struct zonelist_zone *entry,
                                 const char *origin, const char *records, bool behind)
{
    char file[] = "/tmp/lookupd-mail.XXXXXX";
    struct zone_fault fault = {.text = ""};
    int fd = mkstemp(file);
    cr_assert(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fprintf(f, "$ORIGIN %s.\n$TTL 60\n@ SOA ns.net.test. h.net.test. 7 2 3 4 5\n%s", origin,
            records);
    cr_assert(fclose(f) == 0);
    const struct zone *zone = zone_read(site->reader, entry->name, file, NULL, &fault);
    (void)unlink(file);
    cr_assert_not_null(zone, "%s\n%s", fault.text, records);
    struct zone said = *zone;
    if (behind)
        said.journal = ZONE_JOURNAL_FAULT;
    cr_assert(mailrules_add(site->rules, entry, &said));
}

/*
 * Zones, each begun by a line "= ORIGIN [view N] [unread|primary|behind|in-view N]", its records
 * after it. "= catalog unread" is a catalog that could not be read.
 */
static inline void mail_site_begin(struct mail_site *site, const char *settings, const char *zones)
{
    memset(site, 0, sizeof *site);
    site->conf = mail_site_conf(settings);
    site->rules = mailrules_new(site->conf);
    site->reader = zone_reader_new(&site->conf->limits);
    cr_assert(site->rules != NULL && site->reader != NULL);
    site->primaries[0] = (struct zonelist_address){.family = AF_INET};
    site->primaries[0].v4.s_addr = htonl(0x0a000001); /* private */
    site->primaries[1] = (struct zonelist_address){.family = AF_INET6};
    site->primaries[1].v6.s6_addr[0] = 0x20;
    site->primaries[1].v6.s6_addr[1] = 0x01;
    site->primaries[1].v6.s6_addr[15] = 0x07;
    while (*zones != '\0') {
        char origin[300], more[100] = "", *records = NULL;
        unsigned view = 0;
        cr_assert(sscanf(zones, "= %299s%99[^\n]", origin, more) >= 1, "%s", zones);
        const char *begin = zones + strcspn(zones, "\n") + 1;
        const char *end = strstr(begin - 1, "\n= ");
        zones = end ? end + 1 : begin + strlen(begin);
        if (strcmp(origin, "catalog") == 0) {
            mailrules_add_unread_catalog(site->rules);
            continue;
        }
        if (strstr(more, "view "))
            view = (unsigned)strtoul(strstr(more, "view ") + 5, NULL, 10);
        uint8_t *name = site->names[site->count];
        struct zonelist_zone *entry = &site->zones[site->count++];
        cr_assert(wirename_parse(origin, strlen(origin), name));
        *entry = (struct zonelist_zone){.name = name,
                                        .view = view ? "other" : "_default",
                                        .file = "/zones/file",
                                        .order = view,
                                        .primaries = site->primaries,
                                        .primary_count = 2};
        if (strstr(more, "in-view ")) {
            unsigned other = (unsigned)strtoul(strstr(more, "in-view ") + 8, NULL, 10);
            for (size_t i = 0; i + 1 < site->count; i++)
                if (wirename_equal(site->zones[i].name, name) && site->zones[i].order == other)
                    cr_assert(mailrules_add_shared(site->rules, entry, &site->zones[i]));
            continue;
        }
        if (strstr(more, "unread")) {
            cr_assert(mailrules_add_unread(site->rules, entry, ZONE_MISSING));
            continue;
        }
        if (strstr(more, "primary")) {
            cr_assert(mailrules_add_primary(site->rules, entry));
            continue;
        }
        records = strndup(begin, (size_t)(zones - begin));
        cr_assert_not_null(records);
        mail_site_add(site, entry, origin, records, strstr(more, "behind") != NULL);
        free(records);
    }
    cr_assert(mailrules_decide(site->rules));
}

static inline void mail_site_end(struct mail_site *site)
{
    mailrules_free(site->rules);
    zone_reader_free(site->reader);
    importconf_free(site->conf);
}

/* A verdict as a line: "NAME REASON [ROUTE]"; a relay of a hint as "@NAME". */
static inline void mail_site_print(const struct verdict *verdict, char *out, size_t size)
{
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%s %s%s%s%s\n", verdict->name,
             verdict_reason_word(verdict->reason), verdict->route ? " " : "",
             verdict->route ? verdict->route : "", verdict->relay ? " @" : "");
    used = strlen(out);
    if (verdict->relay)
        snprintf(out + used - 1, size - used + 1, "%s\n", verdict->relay);
}

#endif
