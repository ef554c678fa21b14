/* How a name was decided, in lines for people. */
#include "import/mailrules_memory.h"

#include <inttypes.h>
#include <string.h>

static const char *target_text(enum mail_target target)
{
    switch (target) {
    case TARGET_ROOT:
        return "means that no mail is taken; ignored beside others";
    case TARGET_INVALID:
        return "cannot be a host that mail goes to; ignored";
    case TARGET_SELF:
        return "is this host";
    case TARGET_DANGLING:
        return "has no address; ignored";
    case TARGET_FORBIDDEN:
        return "has an address that mail must not go to; ignored";
    case TARGET_UNREAD:
        return "is in a zone that could not be read";
    case TARGET_OUTSIDE:
        return "is not in these zones";
    case TARGET_GOOD:
        return "is in these zones and has an address";
    }
    return "";
}

static void print_mx(struct mailrules *rules, const struct mail_name *name, FILE *out)
{
    if (!mailrules_judge_mx(rules, name))
        return;
    for (size_t i = 0; i < name->mx_count; i++) {
        const struct judged_mx *mx = &rules->judged[i];
        char text[WIRENAME_TEXT_SIZE];
        fprintf(out, "    MX %u %s: %s%s\n", mx->preference, wirename_print(mx->name, text),
                mx->cname ? "is a CNAME, which " : "", target_text(mx->target));
    }
}

/* The steps from a CNAME to the name that decides. */
static void print_chain(struct mailrules *rules, const struct mail_name *name, FILE *out)
{
    unsigned view = rules->zones[name->zone].entry->order;
    for (unsigned step = 0; step <= MAILRULES_CNAME_MAX && mailrules_cname(name); step++) {
        char text[WIRENAME_TEXT_SIZE];
        fprintf(out, "    CNAME %s\n", wirename_print(mailrules_cname(name), text));
        if (mailrules_look(rules, view, mailrules_cname(name), &name) != LOOK_NAME)
            return;
    }
    if (name->mx_count > 0)
        print_mx(rules, name, out);
}

static void print_hint(const struct mail_zone *zone, FILE *out)
{
    if (zone->hint == HINT_RELAY)
        fprintf(out, "    TXT: relay=%s\n", zone->hint_relay);
    else if (zone->hint == HINT_NO)
        fputs("    TXT: relay=no\n", out);
    else if (zone->hint == HINT_REFUSED)
        fputs("    TXT: names no relay of hint_relays, or several; ignored\n", out);
}

static void print_zone(struct mailrules *rules, const struct mail_zone *zone, const uint8_t *wire,
                       FILE *out)
{
    const struct zonelist_zone *entry = zone->entry;
    char text[WIRENAME_TEXT_SIZE], file[FAULT_FILE_SIZE];
    fprintf(out, "  zone %s, view %s", wirename_print(entry->name, text), entry->view);
    if (entry->catalog != NULL)
        fprintf(out, ", of the catalog %s", entry->catalog);
    fprintf(out, ", file %s", entry->file ? fault_file_text(entry->file, file) : "none");
    if (zone->primary) {
        fputs(": this server is its primary\n", out);
        return;
    }
    if (zone->unread && !zone->too_many) {
        fprintf(out, ": could not be read (%s)\n", zone_fault_word(zone->why));
        return;
    }
    fprintf(out, ", serial %" PRIu32 "%s\n", zone->serial,
            zone->too_many ? ": more mail names than max_names"
            : zone->behind ? ": its journal could not be used"
                           : "");
    print_hint(zone, out);
    const struct mail_name *name = zone->unread ? NULL : mailrules_name_in(rules, zone, wire);
    if (name == NULL)
        return;
    const struct mail_zone *owner = mailrules_zone_of(rules, entry->order, wire);
    struct decision decision;
    if (!mailrules_decision(rules, name, &decision))
        decision = (struct decision){.reason = RULE_NO_MX};
    if (name->mx_count > 0)
        print_mx(rules, name, out);
    else if (owner == zone)
        print_chain(rules, name, out);
    fprintf(out, "    %s: %s\n", verdict_reason_word(decision.reason),
            verdict_reason_text(decision.reason));
}

void mailrules_explain(const struct mailrules *rules, const char *name, FILE *out)
{
    static const char *const kinds[] = {
        [VERDICT_RELAY] = "relayed", [VERDICT_NOT] = "not relayed", [VERDICT_UNKNOWN] = "unknown"};
    struct verdict verdict = mailrules_find(rules, name);
    uint8_t wire[WIRENAME_MAX];
    fprintf(out, "%s: %s", name, kinds[verdict.kind]);
    if (verdict.kind == VERDICT_RELAY)
        fprintf(out, ", %s%s", verdict.relay ? "relay " : "route ",
                verdict.relay ? verdict.relay : verdict.route);
    if (verdict.kind == VERDICT_UNKNOWN)
        fputs(": a row that is there stays as it is", out);
    fprintf(out, "\n  %s: %s\n", verdict_reason_word(verdict.reason),
            verdict_reason_text(verdict.reason));
    if (!mailrules_wire(name, wire))
        return;
    /* the records of the name under way are scratch memory: nothing of the rules changes */
    struct mailrules *scratch = (struct mailrules *)(uintptr_t)rules;
    for (size_t i = 0; i < rules->view_count; i++) {
        /* parent zones too: people wonder why their records do not count */
        for (const uint8_t *at = wire; at != NULL; at = wirename_parent(at)) {
            uint32_t zone = nametable_find(&rules->zone_table, at, rules->views[i]);
            /* one that several views have is of one of them */
            if (zone != NAMETABLE_NONE && rules->zones[zone].entry->order == rules->views[i])
                print_zone(scratch, &rules->zones[zone], wire, out);
        }
    }
}
