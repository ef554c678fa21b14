/* Collects what settings_error() reports, for tests that compare it line by line. */
#ifndef LOOKUPD_TEST_SETTINGS_REPORT_H
#define LOOKUPD_TEST_SETTINGS_REPORT_H

#include "common/settings.h"

#include <criterion/criterion.h>
#include <string.h>

struct report {
    struct settings_errors errors;
    char text[16384]; /* lines, each with its new line */
};

static void report_add(const char *line, void *context)
{
    struct report *report = context;
    size_t used = strlen(report->text);
    snprintf(report->text + used, sizeof report->text - used, "%s\n", line);
}

static inline void report_init(struct report *report)
{
    memset(report, 0, sizeof *report);
    report->errors.report = report_add;
    report->errors.context = report;
}

static inline size_t report_lines(const struct report *report)
{
    size_t count = 0;
    for (const char *p = report->text; *p; p++)
        count += *p == '\n';
    return count;
}

#endif
