/* What a run says to people and programs: a diff, JSON, a summary, a progress bar. */
#ifndef LOOKUPD_REPORT_H
#define LOOKUPD_REPORT_H

#include "import/plan.h"

#include <stdio.h>

/* What happened to the zones of the list, for the summary. */
struct report_zones {
    size_t listed, read, skipped, unread, behind, expired;
    size_t unread_kinds[ZONE_IO + 1];
};

/* The plan, one line a change: "+ example.com relay:", "~ …  old -> new", "- …"; then the notes. */
void report_diff(const struct plan *plan, FILE *out);
/* All of it as one JSON object; names of members stand in lookupd-import(8). */
void report_json(const struct plan *plan, const struct mailrules *rules,
                 const struct report_zones *zones, FILE *out);
/* Ten lines at most: zones, verdicts by reason, changes, what people decided otherwise, how many
 * imported domains accept any recipient. */
void report_summary(const struct plan *plan, const struct mailrules *rules,
                    const struct report_zones *zones, double seconds, FILE *out);
/* Redraws a bar on a terminal, at most ten times a second; done == total ends it. */
void report_progress(size_t done, size_t total, FILE *terminal);

#endif
