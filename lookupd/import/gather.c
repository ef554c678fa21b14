#include "import/gather.h"

#include "import/catalog.h"
#include "import/checkconf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What zones without views are in. */
#define DEFAULT_VIEW "_default"

/* Of the databases in which named keeps added zones. */
#define DATABASE_SUFFIX ".nzd"

struct gathering {
    const struct importconf *conf;
    const struct gather_listener *listener;
    struct gathered *gathered;
    struct zone_reader *reader;
    bool catalog_unread;
};

static void tell_detail(const char *line, void *context)
{
    const struct gather_listener *listener = context;
    if (listener->detail)
        listener->detail(line, listener->context);
}

static void tell_unread(const struct gathering *gathering, const char *text)
{
    if (gathering->listener->unread)
        gathering->listener->unread(text, gathering->listener->context);
}

static bool fail(struct gathered *gathered, const char *text)
{
    snprintf(gathered->error, sizeof gathered->error, "%s", text);
    return false;
}

static bool load_output(const struct importconf *conf, struct checkconf_output *output, char *error,
                        size_t error_size)
{
    if (conf->zones == IMPORT_ZONES_FILE)
        return checkconf_load(conf->zones_file, output, error, error_size);
    const char *const plain[] = {conf->checkconf, "-px", conf->named_conf, NULL};
    const char *const confined[] = {conf->checkconf,  "-px", "-t", conf->chroot,
                                    conf->named_conf, NULL};
    return checkconf_run(conf->chroot ? confined : plain, output, error, error_size);
}

static bool read_list(struct gathering *gathering)
{
    const struct importconf *conf = gathering->conf;
    struct gathered *gathered = gathering->gathered;
    struct checkconf_output output;
    char error[1000];
    if (!load_output(conf, &output, error, sizeof error))
        return fail(gathered, error);
    /* the listener is not written through: the type has no const for others' sake */
    struct gather_listener listener = *gathering->listener;
    gathered->list =
        zonelist_parse(output.text, output.len, conf, tell_detail, &listener, error, sizeof error);
    free(output.text);
    if (gathered->list)
        return true;
    snprintf(gathered->error, sizeof gathered->error, "%s: %s",
             conf->zones == IMPORT_ZONES_FILE ? conf->zones_file : conf->checkconf, error);
    return false;
}

/* named-nzd2nzf makes a database where there is none, and finds no zone in it. */
static bool check_database(const char *path, char *error, size_t error_size)
{
    struct stat status;
    const char *wrong = NULL;
    if (stat(path, &status) != 0)
        wrong = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        wrong = "is no regular file";
    else if (status.st_size == 0)
        wrong = "is empty";
    if (wrong)
        snprintf(error, error_size, "%s: %s", path, wrong);
    return wrong == NULL;
}

/* A database of named's, through its own program; or the text that the program prints. */
static bool load_added(const struct importconf *conf, const char *path,
                       struct checkconf_output *output, char *error, size_t error_size)
{
    size_t len = strlen(path), suffix = strlen(DATABASE_SUFFIX);
    if (len < suffix || strcmp(path + len - suffix, DATABASE_SUFFIX) != 0)
        return checkconf_load(path, output, error, error_size);
    const char *const argv[] = {conf->nzd2nzf, path, NULL};
    return check_database(path, error, error_size) &&
           checkconf_run(argv, output, error, error_size);
}

/* Zones of rndc addzone. A file of them that cannot be read fails the run: half a list would look
 * like zones that went away. */
static bool read_added(struct gathering *gathering, const char *item)
{
    const struct importconf *conf = gathering->conf;
    struct gathered *gathered = gathering->gathered;
    const char *path = item[0] == '/' ? item : strchr(item, ':') + 1;
    char view[300] = DEFAULT_VIEW;
    if (path != item)
        snprintf(view, sizeof view, "%.*s", (int)(path - item - 1), item);
    struct checkconf_output output;
    char error[1000];
    if (!load_added(conf, path, &output, error, sizeof error))
        return fail(gathered, error);
    bool good =
        zonelist_add_nzf(gathered->list, output.text, output.len, view, error, sizeof error);
    free(output.text);
    if (!good)
        snprintf(gathered->error, sizeof gathered->error, "%s: %s", path, error);
    return good;
}

static const struct zonelist_zone *find_entry(const struct zonelist *list,
                                              const struct zonelist_catalog *catalog)
{
    for (size_t i = 0; i < list->count; i++)
        if (wirename_equal(list->zones[i].name, catalog->name) &&
            strcmp(list->zones[i].view, catalog->view) == 0)
            return &list->zones[i];
    return NULL;
}

static void read_catalog(struct gathering *gathering, const struct zonelist_catalog *catalog)
{
    struct zonelist *list = gathering->gathered->list;
    const struct zonelist_zone *entry = find_entry(list, catalog);
    struct zone_fault fault = {.text = "it is no zone of this server"};
    char name[WIRENAME_TEXT_SIZE], error[600], text[sizeof name + sizeof error + 64];
    const struct zone *zone = NULL;
    if (entry)
        zone = zone_read(gathering->reader, entry->name, entry->file, entry->journal, &fault);
    const char *wrong = fault.text;
    if (zone && !catalog_add_members(list, catalog, zone, error, sizeof error))
        wrong = error;
    else if (zone && zone->journal == ZONE_JOURNAL_FAULT)
        wrong = zone_reader_note(gathering->reader);
    else if (zone)
        return;
    snprintf(text, sizeof text, "catalog %s: %s", wirename_print(catalog->name, name), wrong);
    tell_unread(gathering, text);
    gathering->gathered->zones.catalogs++;
    gathering->catalog_unread = true;
}

/* What the journal says is newer than the file, and is not known. */
static void note_journal(struct gathering *gathering, const struct zonelist_zone *entry)
{
    char name[WIRENAME_TEXT_SIZE], text[sizeof name + 1200];
    gathering->gathered->zones.journals++;
    snprintf(text, sizeof text, "%s: its rows stay as they are, for want of its journal: %s",
             wirename_print(entry->name, name), zone_reader_note(gathering->reader));
    tell_unread(gathering, text);
}

static void note_zone(struct gathering *gathering, const struct zonelist_zone *entry,
                      const struct zone *zone)
{
    struct gather_zones *zones = &gathering->gathered->zones;
    char name[WIRENAME_TEXT_SIZE], text[sizeof name + 200];
    zones->read++;
    zones->behind += zone->journal == ZONE_JOURNAL_APPLIED;
    if (zone->journal == ZONE_JOURNAL_FAULT)
        note_journal(gathering, entry);
    time_t silent = time(NULL) - zone->contact;
    if (zone->contact == 0 || silent <= (time_t)zone->expire)
        return;
    zones->expired++;
    if (gathering->listener->detail) {
        snprintf(text, sizeof text,
                 "%s: expired: its primary has been silent for %lld days; its rows are kept",
                 wirename_print(entry->name, name), (long long)silent / 86400);
        gathering->listener->detail(text, gathering->listener->context);
    }
}

static bool read_zone(struct gathering *gathering, const struct zonelist_zone *entry)
{
    struct gathered *gathered = gathering->gathered;
    struct zone_fault fault;
    const struct zone *zone =
        zone_read(gathering->reader, entry->name, entry->file, entry->journal, &fault);
    if (zone) {
        note_zone(gathering, entry, zone);
        return mailrules_add(gathered->rules, entry, zone);
    }
    char name[WIRENAME_TEXT_SIZE], text[sizeof name + sizeof fault.text + 8];
    snprintf(text, sizeof text, "%s: %s", wirename_print(entry->name, name), fault.text);
    tell_unread(gathering, text);
    gathered->zones.unread++;
    gathered->zones.unread_kinds[fault.kind]++;
    return mailrules_add_unread(gathered->rules, entry, fault.kind);
}

static bool read_zones(struct gathering *gathering)
{
    struct gathered *gathered = gathering->gathered;
    const struct zonelist *list = gathered->list;
    const struct gather_listener *listener = gathering->listener;
    size_t total = 0;
    for (size_t i = 0; i < list->count; i++)
        total += list->zones[i].skip == ZONE_READ;
    gathered->zones.listed = total;
    gathered->zones.skipped = list->count - total;
    size_t done = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *entry = &list->zones[i];
        if (entry->primary && !mailrules_add_primary(gathered->rules, entry))
            return false;
        if (entry->skip != ZONE_READ)
            continue;
        if (!read_zone(gathering, entry))
            return false;
        done++;
        if (listener->progress)
            listener->progress(done, total, listener->context);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct zonelist_zone *entry = &list->zones[i];
        if (entry->in_view > 0 &&
            !mailrules_add_shared(gathered->rules, entry, &list->zones[entry->in_view - 1]))
            return false;
    }
    return true;
}

/* Zones with more mail names than max_names: that shows only when all names are decided. */
static bool note_too_many(const struct gathering *gathering)
{
    struct gathered *gathered = gathering->gathered;
    const struct zonelist *list = gathered->list;
    struct gather_zones *zones = &gathered->zones;
    size_t count;
    const struct verdict *verdicts = mailrules_verdicts(gathered->rules, &count);
    if (mailrules_count(gathered->rules, RULE_TOO_MANY) == 0)
        return true;
    bool *noted = calloc(list->count, sizeof *noted);
    if (noted == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct zonelist_zone *entry = verdicts[i].zone;
        char name[WIRENAME_TEXT_SIZE], text[sizeof name + 100];
        if (verdicts[i].reason != RULE_TOO_MANY || entry == NULL || noted[entry - list->zones])
            continue;
        noted[entry - list->zones] = true;
        snprintf(text, sizeof text, "%s: has more mail domains than max_names = %d",
                 wirename_print(entry->name, name), gathering->conf->max_names);
        tell_unread(gathering, text);
        zones->read--;
        zones->unread++;
        zones->unread_kinds[ZONE_TOO_BIG]++;
    }
    free(noted);
    return true;
}

bool gather(const struct importconf *conf, const struct gather_listener *listener,
            struct gathered *gathered)
{
    struct gathering gathering = {.conf = conf, .listener = listener, .gathered = gathered};
    *gathered = (struct gathered){.list = NULL};
    if (!read_list(&gathering))
        return false;
    for (char **item = conf->added_zones; item && *item; item++)
        if (!read_added(&gathering, *item))
            return false;
    gathering.reader = zone_reader_new(&conf->limits);
    gathered->rules = mailrules_new(conf);
    bool good = gathering.reader && gathered->rules;
    /* members first: the list grows, and the rules borrow from it */
    for (size_t i = 0; good && i < gathered->list->catalog_count; i++)
        read_catalog(&gathering, &gathered->list->catalogs[i]);
    if (good && gathering.catalog_unread)
        mailrules_add_unread_catalog(gathered->rules);
    good = good && read_zones(&gathering) && mailrules_decide(gathered->rules) &&
           note_too_many(&gathering);
    zone_reader_free(gathering.reader);
    return good || fail(gathered, "no memory");
}

void gather_clear(struct gathered *gathered)
{
    mailrules_free(gathered->rules);
    zonelist_free(gathered->list);
    *gathered = (struct gathered){.list = NULL};
}
