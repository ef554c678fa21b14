/* What a run says to people and programs: a diff, JSON, a summary, a progress bar. */
#ifndef LOOKUPD_REPORT_H
#define LOOKUPD_REPORT_H

#include "import/apply.h"
#include "import/gather.h"
#include "import/plan.h"

#include <stdio.h>

struct report {
    const struct importconf *conf;
    const struct plan *plan;
    const struct gathered *gathered;
    const struct apply_run *run; /* what was written; NULL: nothing */
    const char *outcome;         /* "done", "partial", "refused", "dry-run" */
    double seconds;
};

/* The plan, one line a change: "+ example.com relay:", "~ …  old -> new", "- …"; then the notes. */
void report_diff(const struct report *report, FILE *out);
/* All of it as one JSON object; names of members stand in lookupd-import(8). */
void report_json(const struct report *report, FILE *out);
/* Ten lines at most: zones, verdicts by reason, changes, what people decided otherwise, how many
 * imported domains accept any recipient. */
void report_summary(const struct report *report, FILE *out);
/* What was refused, why, and what to do. */
void report_valve(const struct report *report, char *text, size_t size);
/* Redraws a bar on a terminal, at most ten times a second; done == total ends it. */
void report_progress(size_t done, size_t total, FILE *terminal);

#endif
