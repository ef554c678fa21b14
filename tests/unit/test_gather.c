/* From the list of zones to verdicts, as the program goes: real zones, and what becomes of each. */
#include "import/gather.h"

#include "mail_site.h"
#include "zone_samples.h"

static char unread[8000]; /* sentences about zones that could not be read */

static void note_unread(const char *text, void *context)
{
    size_t used = strlen(unread);
    snprintf(unread + used, sizeof unread - used, "%s\n", text);
}

static char *read_text(const char *file)
{
    char *path = zone_sample_path(file);
    size_t size;
    uint8_t *data = zone_sample_load(path, &size);
    char *text = strndup((const char *)data, size);
    cr_assert_not_null(text);
    free(data);
    free(path);
    return text;
}

/* Writes what named-checkconf printed, with the folder of the samples put in. */
static void write_list(const char *to)
{
    char *text = read_text("tools/secA.checkconf-px.txt");
    FILE *f = fopen(to, "w");
    cr_assert_not_null(f);
    for (const char *p = text, *mark; *p != '\0'; p = mark) {
        mark = strstr(p, "@SAMPLES@");
        mark = mark ? mark : p + strlen(p);
        cr_assert(fwrite(p, 1, (size_t)(mark - p), f) == (size_t)(mark - p));
        if (*mark != '\0')
            cr_assert(fputs(ZONES, f) >= 0);
        mark += *mark != '\0' ? strlen("@SAMPLES@") : 0;
    }
    cr_assert(fclose(f) == 0);
    free(text);
}

static struct importconf *settings(const char *list, const char *form)
{
    char text[2000];
    snprintf(text, sizeof text,
             "my_names = ( \"backup.mx-host.net\" ); zones = \"file\"; zones_file = \"%s\";\n"
             "added_zones = ( \"%s/tools/secA.nzd2nzf.txt\" );\n"
             "directory = \"%s/secA\"; wildcards = true; relay_form = \"%s\";\n",
             list, ZONES, ZONES, form);
    return mail_site_conf(text);
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : "-";
}

/* The lines of the table, without what is there for the eye. */
static void add_line(struct zone_lines *lines, const char *text)
{
    char line[1000], *to = line;
    for (const char *p = text; *p != '\0' && to < line + sizeof line - 1; p++)
        if (*p != ' ' || (to > line && to[-1] != ' '))
            *to++ = *p;
    while (to > line && to[-1] == ' ')
        to--;
    *to = '\0';
    if (line[0] != '#' && line[0] != '\0')
        zone_lines_add(lines, line);
}

static struct zone_lines read_table(void)
{
    struct zone_lines lines = {.list = NULL};
    char *text = read_text("expected.txt"), *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        add_line(&lines, line);
    zone_lines_sort(&lines);
    free(text);
    return lines;
}

static void print_verdict(const struct verdict *mx, const struct verdict *hosts,
                          struct zone_lines *lines)
{
    char line[1000];
    snprintf(line, sizeof line, "%s %s %u %s %s | %s %s", mx->name, base_name(mx->zone->file),
             (unsigned)mx->serial, verdict_reason_word(mx->reason), mx->route ? mx->route : "-",
             verdict_reason_word(hosts->reason), hosts->route ? hosts->route : "-");
    add_line(lines, line);
}

static void print_all(const struct gathered *mx, const struct gathered *hosts,
                      struct zone_lines *lines)
{
    size_t count, other;
    const struct verdict *list = mailrules_verdicts(mx->rules, &count);
    const struct verdict *others = mailrules_verdicts(hosts->rules, &other);
    cr_assert_eq(count, other);
    for (size_t i = 0; i < count; i++)
        print_verdict(&list[i], &others[i], lines);
    for (size_t i = 0; i < mx->list->count; i++) {
        const struct zonelist_zone *zone = &mx->list->zones[i];
        char name[WIRENAME_TEXT_SIZE], line[1200];
        if (zone->skip == ZONE_READ)
            continue;
        snprintf(line, sizeof line, "%s skipped: %s", wirename_print(zone->name, name),
                 zone_skip_text(zone->skip));
        add_line(lines, line);
    }
    for (int reason = 0; reason < RULE_COUNT; reason++) {
        char line[100];
        snprintf(line, sizeof line, "= %s %zu", verdict_reason_word((enum verdict_reason)reason),
                 mailrules_count(mx->rules, (enum verdict_reason)reason));
        if (mailrules_count(mx->rules, (enum verdict_reason)reason) > 0)
            add_line(lines, line);
    }
    zone_lines_sort(lines);
}

/* tests/zones/expected.txt has each name and each zone of the samples, and no other. */
Test(gather, every_real_zone_has_its_row_and_reason)
{
    char list[] = "/tmp/lookupd-gather.XXXXXX";
    int fd = mkstemp(list);
    cr_assert(fd >= 0 && close(fd) == 0);
    write_list(list);
    struct importconf *confs[] = {settings(list, "mx"), settings(list, "hosts")};
    const struct gather_listener listener = {.unread = note_unread};
    struct gathered gathered[2];
    for (size_t i = 0; i < 2; i++) {
        unread[0] = '\0';
        cr_assert(gather(confs[i], &listener, &gathered[i]), "%s", gathered[i].error);
    }
    (void)unlink(list);
    struct zone_lines lines = {.list = NULL}, expected = read_table();
    print_all(&gathered[0], &gathered[1], &lines);
    for (size_t i = 0, j = 0; i < lines.count || j < expected.count;) {
        int order = i == lines.count      ? 1
                    : j == expected.count ? -1
                                          : strcmp(lines.list[i], expected.list[j]);
        cr_expect(order >= 0, "not in the table: %s", order < 0 ? lines.list[i] : "");
        cr_expect(order <= 0, "only in the table: %s", order > 0 ? expected.list[j] : "");
        i += order <= 0;
        j += order >= 0;
    }
    /* what cannot be read is told with its file */
    cr_expect_not_null(strstr(unread, "never.example: " ZONES "/secA/slaves/never.example.db: "),
                       "%s", unread);
    cr_expect_not_null(strstr(unread, "nofile.example: "), "%s", unread);
    zone_lines_free(&lines);
    zone_lines_free(&expected);
    for (size_t i = 0; i < 2; i++) {
        gather_clear(&gathered[i]);
        importconf_free(confs[i]);
    }
}
