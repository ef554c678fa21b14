#include "import/report.h"

#include "common/clock.h"

#include <string.h>

#define BAR_WIDTH 40

/* "relay:[a]:25", "relay hq", or what neither means. */
static const char *way(const char *route, const char *relay, char *buffer, size_t size)
{
    if (route)
        return route;
    if (relay == NULL)
        return "relay:";
    snprintf(buffer, size, "relay %s", relay);
    return buffer;
}

static bool is_claim_only(enum plan_action action)
{
    return action == PLAN_CLAIM || action == PLAN_CLAIM_ROUTE || action == PLAN_CLAIM_GONE ||
           action == PLAN_CLAIM_DELETE;
}

static void print_why(const struct verdict *verdict, FILE *out)
{
    char zone[WIRENAME_TEXT_SIZE];
    fprintf(out, "  (%s", verdict_reason_word(verdict->reason));
    if (verdict->zone) {
        fprintf(out, ", zone %s", wirename_print(verdict->zone->name, zone));
        if (strcmp(verdict->zone->view, "_default") != 0)
            fprintf(out, " in view %s", verdict->zone->view);
        if (verdict->serial)
            fprintf(out, ", serial %u", (unsigned)verdict->serial);
    }
    fputs(")\n", out);
}

static void print_change(const struct plan_change *change, int hold, FILE *out)
{
    char one[80], other[80];
    const char *old = way(change->old_route, change->old_relay, one, sizeof one);
    const char *new = way(change->new_route, change->new_relay, other, sizeof other);
    switch (change->action) {
    case PLAN_INSERT:
        fprintf(out, "+ %s  %s", change->name, new);
        break;
    case PLAN_UPDATE:
        fprintf(out, "~ %s  %s -> %s", change->name, old, new);
        break;
    case PLAN_DELETE:
        fprintf(out, "- %s  %s", change->name, old);
        break;
    case PLAN_PASS:
        fprintf(out, "> %s  passes to %s", change->name, change->heir);
        break;
    case PLAN_CLAIM:
        fprintf(out, ". %s  claimed, with %s", change->name, new);
        break;
    case PLAN_CLAIM_ROUTE:
        fprintf(out, ". %s  claimed with %s, before with %s", change->name, new, old);
        break;
    case PLAN_CLAIM_GONE:
        fprintf(out, "! %s  gone; its row is deleted after %d seconds", change->name, hold);
        break;
    case PLAN_CLAIM_DELETE:
        fprintf(out, ". %s  claimed no more", change->name);
        break;
    case PLAN_ACTIONS:
        break;
    }
    print_why(&change->verdict, out);
}

static void print_note(const struct plan_note *note, FILE *out)
{
    char one[80], other[80];
    const char *row = way(note->row_route, note->row_relay, one, sizeof one);
    const char *ours = way(note->our_route, note->our_relay, other, sizeof other);
    switch (note->kind) {
    case PLAN_ROW_OF_PEOPLE:
        fprintf(out, "# %s  belongs to people, with %s; DNS says %s\n", note->name, row, ours);
        break;
    case PLAN_ROW_OF_OTHER:
        fprintf(out, "# %s  belongs to %s, with %s; DNS here says %s\n", note->name,
                note->row_source, row, ours);
        break;
    case PLAN_ROW_FENCED:
        fprintf(out, "# %s  is below %s, which people disabled: %s\n", note->name, note->fence,
                note->row_source ? "its row, which was there before, stays" : "not imported");
        break;
    case PLAN_ROW_NOT_LISTED:
        fprintf(out, "# %s  belongs to people, and its MX records do not name this host (%s)\n",
                note->name, verdict_reason_word(note->reason));
        break;
    case PLAN_ROW_WE_ARE_BEST:
        fprintf(out, "# %s  is in the tables, and this host is its best MX: mail would loop\n",
                note->name);
        break;
    case PLAN_ROW_MISSING:
        fprintf(out, "# %s  names this host as MX, and has no better one to relay to (%s)\n",
                note->name, verdict_reason_word(note->reason));
        break;
    case PLAN_RELAY_MISSING:
        fprintf(out, "# %s  asks for the relay %s, which the table relay does not have: %s\n",
                note->name, note->our_relay,
                note->row_source ? "its row stays as it is" : "not imported");
        break;
    case PLAN_DISAGREEMENTS:
        break;
    }
}

void report_diff(const struct report *report, FILE *out)
{
    const struct plan *plan = report->plan;
    for (size_t i = 0; i < plan->change_count; i++) {
        const struct plan_change *change = &plan->changes[i];
        /* a claim goes without saying where its row says it too */
        bool row_follows =
            i + 1 < plan->change_count && strcmp(plan->changes[i + 1].name, change->name) == 0;
        if (!is_claim_only(change->action) || !row_follows)
            print_change(change, report->conf->hold, out);
    }
    for (size_t i = 0; i < plan->note_count; i++)
        print_note(&plan->notes[i], out);
}

void report_valve(const struct report *report, char *text, size_t size)
{
    const struct plan *plan = report->plan;
    if (plan->valve == PLAN_NO_ZONES)
        snprintf(text, size,
                 "refused: the list has no secondary zone that is to be read; nothing was changed. "
                 "When that is right: lookupd-import --force");
    else
        snprintf(text, size,
                 "refused: of %zu domains, %zu would be marked as gone and %zu get another route, "
                 "more than max_delete_percent = %d; nothing was changed. lookupd-import --dry-run "
                 "shows them; when that is right: lookupd-import --force",
                 plan->claims_before, plan->newly_gone, plan->rerouted,
                 report->conf->max_delete_percent);
}

/* ---- the summary ---- */

static void print_reasons(const struct report *report, enum verdict_kind kind, const char *title,
                          FILE *out)
{
    const char *between = "";
    fprintf(out, "%-11s", title);
    for (int reason = 0; reason < RULE_COUNT; reason++) {
        size_t count = mailrules_count(report->gathered->rules, (enum verdict_reason)reason);
        if (count == 0 || verdict_reason_kind((enum verdict_reason)reason) != kind)
            continue;
        fprintf(out, "%s%zu %s", between, count, verdict_reason_word((enum verdict_reason)reason));
        between = ", ";
    }
    fputs(*between ? "\n" : "none\n", out);
}

static void print_zones(const struct gather_zones *zones, FILE *out)
{
    fprintf(out, "%-11s%zu read, %zu not read", "zones", zones->read, zones->unread);
    const char *between = " (";
    for (size_t i = 0; i <= ZONE_IO; i++) {
        if (zones->unread_kinds[i] == 0)
            continue;
        fprintf(out, "%s%zu %s", between, zones->unread_kinds[i],
                zone_fault_word((enum zone_fault_kind)i));
        between = ", ";
    }
    fprintf(out, "%s, %zu skipped, %zu with a journal ahead of the file, %zu expired\n",
            zones->unread ? ")" : "", zones->skipped, zones->behind, zones->expired);
    if (zones->journals)
        fprintf(out, "%-11s%zu not read: rows of their zones stay as they are\n", "journals",
                zones->journals);
    if (zones->catalogs)
        fprintf(out, "%-11s%zu not read: their members are not known\n", "catalogs",
                zones->catalogs);
}

static void print_counts(const struct report *report, FILE *out)
{
    const struct plan *plan = report->plan;
    const struct apply_run *run = report->run;
    size_t inserted = run ? run->inserted : plan->counts[PLAN_INSERT];
    size_t updated = run ? run->updated : plan->counts[PLAN_UPDATE];
    size_t deleted = run ? run->deleted : plan->counts[PLAN_DELETE];
    size_t passed = run ? run->passed : plan->counts[PLAN_PASS];
    fprintf(out,
            "%-11s%zu new, %zu changed, %zu deleted, %zu passed to another source; %zu newly gone "
            "(deleted after %d seconds)\n",
            "domains", inserted, updated, deleted, passed, plan->newly_gone, report->conf->hold);
    if (run && run->passed_over)
        fprintf(out, "%-11s%zu changed by others meanwhile, or without their relay: next run\n", "",
                run->passed_over);
}

void report_summary(const struct report *report, FILE *out)
{
    const struct plan *plan = report->plan;
    print_zones(&report->gathered->zones, out);
    print_reasons(report, VERDICT_RELAY, "relayed", out);
    print_reasons(report, VERDICT_NOT, "not", out);
    print_reasons(report, VERDICT_UNKNOWN, "unknown", out);
    print_counts(report, out);
    if (plan->note_count)
        fprintf(out,
                "%-11s%zu rows of people and %zu of other sources differ, %zu fenced off; MX: %zu "
                "not naming us, %zu naming us best, %zu without target\n",
                "notes", plan->note_counts[PLAN_ROW_OF_PEOPLE],
                plan->note_counts[PLAN_ROW_OF_OTHER], plan->note_counts[PLAN_ROW_FENCED],
                plan->note_counts[PLAN_ROW_NOT_LISTED], plan->note_counts[PLAN_ROW_WE_ARE_BEST],
                plan->note_counts[PLAN_ROW_MISSING]);
    if (plan->note_counts[PLAN_RELAY_MISSING])
        fprintf(out, "%-11s%zu ask for a relay that is not in the table relay\n", "",
                plan->note_counts[PLAN_RELAY_MISSING]);
    fprintf(out, "%-11s%zu of %zu imported domains accept any recipient\n", "recipients",
            plan->accept_any, plan->imported);
    fprintf(out, "%-11s%s, in %.2f s\n", "run", report->outcome, report->seconds);
}

/* ---- JSON ---- */

static void json_text(const char *name, const char *text, const char *end, FILE *out)
{
    fprintf(out, "\"%s\": ", name);
    if (text == NULL) {
        fprintf(out, "null%s", end);
        return;
    }
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f)
            fprintf(out, "\\u%04x", *p); /* names and routes are ASCII: no octet gets lost */
        else
            fputc(*p, out);
    }
    fprintf(out, "\"%s", end);
}

static void json_number(const char *name, size_t number, const char *end, FILE *out)
{
    fprintf(out, "\"%s\": %zu%s", name, number, end);
}

static void json_zones(const struct gather_zones *zones, FILE *out)
{
    fputs("  \"zones\": {", out);
    json_number("listed", zones->listed, ", ", out);
    json_number("read", zones->read, ", ", out);
    json_number("unread", zones->unread, ", ", out);
    json_number("skipped", zones->skipped, ", ", out);
    json_number("behind", zones->behind, ", ", out);
    json_number("expired", zones->expired, ", ", out);
    json_number("journals_unread", zones->journals, ", ", out);
    json_number("catalogs_unread", zones->catalogs, ", ", out);
    fputs("\"unread_why\": {", out);
    const char *between = "";
    for (size_t i = 0; i <= ZONE_IO; i++) {
        if (zones->unread_kinds[i] == 0)
            continue;
        fputs(between, out);
        json_number(zone_fault_word((enum zone_fault_kind)i), zones->unread_kinds[i], "", out);
        between = ", ";
    }
    fputs("}},\n  \"verdicts\": {", out);
}

static void json_change(const struct plan_change *change, FILE *out)
{
    char zone[WIRENAME_TEXT_SIZE];
    const struct verdict *verdict = &change->verdict;
    fputs("    {", out);
    json_text("action", plan_action_word(change->action), ", ", out);
    json_text("name", change->name, ", ", out);
    json_text("old_route", change->old_route, ", ", out);
    json_text("new_route", change->new_route, ", ", out);
    json_text("old_relay", change->old_relay, ", ", out);
    json_text("new_relay", change->new_relay, ", ", out);
    json_text("heir", change->heir, ", ", out);
    json_text("reason", verdict_reason_word(verdict->reason), ", ", out);
    json_text("zone", verdict->zone ? wirename_print(verdict->zone->name, zone) : NULL, ", ", out);
    json_text("view", verdict->zone ? verdict->zone->view : NULL, ", ", out);
    json_number("serial", verdict->serial, "}", out);
}

static void json_note(const struct plan_note *note, FILE *out)
{
    fputs("    {", out);
    json_text("kind", plan_note_word(note->kind), ", ", out);
    json_text("name", note->name, ", ", out);
    json_text("row_route", note->row_route, ", ", out);
    json_text("row_relay", note->row_relay, ", ", out);
    json_text("row_source", note->row_source, ", ", out);
    json_text("our_route", note->our_route, ", ", out);
    json_text("our_relay", note->our_relay, ", ", out);
    json_text("fence", note->fence, ", ", out);
    json_text("reason", verdict_reason_word(note->reason), "}", out);
}

void report_json(const struct report *report, FILE *out)
{
    static const char *const valves[] = {[PLAN_OPEN] = "open",
                                         [PLAN_NO_ZONES] = "no-zones",
                                         [PLAN_TOO_MANY_GONE] = "too-many-gone",
                                         [PLAN_TOO_MANY_ROUTES] = "too-many-routes"};
    const struct plan *plan = report->plan;
    fputs("{\n  ", out);
    json_text("source", report->conf->source, ", ", out);
    json_text("outcome", report->outcome, ", ", out);
    json_text("valve", valves[plan->valve], ",\n  ", out);
    json_number("claims_before", plan->claims_before, ", ", out);
    json_number("newly_gone", plan->newly_gone, ", ", out);
    json_number("rerouted", plan->rerouted, ", ", out);
    json_number("imported", plan->imported, ", ", out);
    json_number("accept_any", plan->accept_any, ",\n  ", out);
    if (report->run) {
        json_number("run", (size_t)report->run->id, ", ", out);
        json_number("inserted", report->run->inserted, ", ", out);
        json_number("updated", report->run->updated, ", ", out);
        json_number("passed", report->run->passed, ", ", out);
        json_number("deleted", report->run->deleted, ", ", out);
        json_number("passed_over", report->run->passed_over, ",\n", out);
    }
    json_zones(&report->gathered->zones, out);
    for (int reason = 0; reason < RULE_COUNT; reason++)
        json_number(verdict_reason_word((enum verdict_reason)reason),
                    mailrules_count(report->gathered->rules, (enum verdict_reason)reason),
                    reason + 1 < RULE_COUNT ? ", " : "", out);
    fputs("},\n  \"changes\": [", out);
    for (size_t i = 0; i < plan->change_count; i++) {
        fputs(i ? ",\n" : "\n", out);
        json_change(&plan->changes[i], out);
    }
    fputs("],\n  \"notes\": [", out);
    for (size_t i = 0; i < plan->note_count; i++) {
        fputs(i ? ",\n" : "\n", out);
        json_note(&plan->notes[i], out);
    }
    fputs("]\n}\n", out);
}

/* ---- the bar ---- */

void report_progress(size_t done, size_t total, FILE *terminal)
{
    static uint64_t drawn;
    uint64_t now = clock_now();
    if (done < total && now - drawn < CLOCK_SECOND / 10)
        return;
    drawn = now;
    int filled = (int)(done * BAR_WIDTH / (total ? total : 1));
    fprintf(terminal, "\r[%.*s%*s] %zu of %zu zones", filled,
            "########################################", BAR_WIDTH - filled, "", done, total);
    if (done == total)
        fprintf(terminal, "\r%*s\r", BAR_WIDTH + 60, "");
    (void)fflush(terminal);
}
