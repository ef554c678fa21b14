/* The plan: ownership, hold, the safety valve, as a table of what is there and what must come. */
#include "import/plan.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define DAY  ((time_t)86400)
#define NOW  ((time_t)1700000000)
#define OURS "bind:ns2"

static struct importconf conf;
static struct plan_claim claims[400];
static const char *fences[4];
static const char *relays[] = {"hq", "lab"};
static struct plan_state state;
static struct verdict verdicts[400];
static struct verdict unlisted; /* what find() says */
static struct plan_verdicts rules;
static struct plan *plan;

static struct verdict find(const void *context, const char *name)
{
    return unlisted;
}

static void begin(void)
{
    conf = (struct importconf){.source = strdup(OURS),
                               .hold = (int)DAY,
                               .max_delete_percent = 10,
                               .recipients = IMPORT_RECIPIENTS_ANY};
    state = (struct plan_state){
        .list = claims, .fenced = fences, .relays = relays, .relay_count = 2, .now = NOW};
    rules = (struct plan_verdicts){.list = verdicts, .find = find};
    unlisted = (struct verdict){.kind = VERDICT_NOT, .reason = RULE_NOT_OURS};
}

static void end(void)
{
    plan_free(plan);
    plan = NULL;
    free(conf.source);
}

/* A claim of ours with a row of ours, as an import leaves them. */
static struct plan_claim *add_claim(const char *name, const char *route)
{
    claims[state.count] = (struct plan_claim){.name = name,
                                              .claimed = true,
                                              .route = route,
                                              .row = true,
                                              .row_enabled = true,
                                              .row_any = true,
                                              .row_source = OURS,
                                              .row_route = route};
    return &claims[state.count++];
}

static struct verdict *add_verdict(const char *name, const char *route)
{
    verdicts[rules.count] = (struct verdict){
        .name = name, .kind = VERDICT_RELAY, .reason = RULE_BETTER_MX, .route = route};
    return &verdicts[rules.count++];
}

static struct verdict *add_not(const char *name, enum verdict_kind kind, enum verdict_reason reason)
{
    static const struct zonelist_zone zone;
    verdicts[rules.count] =
        (struct verdict){.name = name, .kind = kind, .reason = reason, .zone = &zone};
    return &verdicts[rules.count++];
}

/* "insert a.example; claim b.example": all changes in one text, and all notes after a "|". */
static const char *made_of(size_t zones)
{
    static char text[40000]; /* 400 names, each with two changes */
    plan_free(plan);
    plan = plan_make(&conf, &rules, zones, &state);
    cr_assert_not_null(plan);
    text[0] = '\0';
    for (size_t i = 0; i < plan->change_count; i++)
        sprintf(text + strlen(text), "%s%s %s", i ? "; " : "",
                plan_action_word(plan->changes[i].action), plan->changes[i].name);
    for (size_t i = 0; i < plan->note_count; i++)
        sprintf(text + strlen(text), " | %s %s", plan_note_word(plan->notes[i].kind),
                plan->notes[i].name);
    return text;
}

static void expect(const char *expected)
{
    const char *made = made_of(1);
    cr_expect_str_eq(made, expected, "made: %s", made);
}

TestSuite(plan, .init = begin, .fini = end);

Test(plan, a_new_domain)
{
    add_verdict("a.example", "relay:");
    expect("claim a.example; insert a.example");
    cr_expect_str_eq(plan->changes[1].new_route, "relay:");
    cr_expect_eq(plan->accept_any, 1);
    cr_expect_eq(plan->imported, 1);
    conf.recipients = IMPORT_RECIPIENTS_LISTED;
    made_of(1);
    cr_expect_eq(plan->accept_any, 0);
    cr_expect_eq(plan->imported, 1);
}

Test(plan, nothing_differs)
{
    add_verdict("a.example", "relay:");
    add_claim("a.example", "relay:");
    expect("");
    cr_expect_eq(plan->claims_before, 1);
    cr_expect_eq(plan->accept_any, 1);
}

Test(plan, another_route)
{
    add_verdict("a.example", "relay:[b.example]:25");
    add_claim("a.example", "relay:");
    expect("claim-route a.example; update a.example");
    cr_expect_str_eq(plan->changes[1].old_route, "relay:");
    cr_expect_str_eq(plan->changes[1].new_route, "relay:[b.example]:25");
    cr_expect_eq(plan->rerouted, 1);
}

Test(plan, a_hint_has_a_relay_and_no_route)
{
    struct verdict *verdict = add_verdict("a.example", NULL);
    verdict->relay = "hq";
    struct plan_claim *claim = add_claim("a.example", NULL);
    claim->relay = claim->row_relay = "hq";
    expect("");
    claim->row_relay = "lab";
    expect("update a.example");
    cr_expect_str_eq(plan->changes[0].new_relay, "hq");
    cr_expect_str_eq(plan->changes[0].old_relay, "lab");
    /* the claim has it too: whoever passes the row on has only that to go by */
    claim->row_relay = "hq";
    claim->relay = NULL;
    expect("claim-route a.example");
    cr_expect_str_eq(plan->changes[0].new_relay, "hq");
    cr_expect_eq(plan->rerouted, 1);
}

/* The row stays, and does not count for the valve at each run from then on. */
Test(plan, a_hint_for_a_relay_that_nobody_made)
{
    struct verdict *verdict = add_verdict("a.example", NULL);
    verdict->relay = "later";
    expect("claim a.example | no-such-relay a.example");
    struct plan_claim *claim = add_claim("a.example", NULL);
    claim->relay = "later";
    claim->row_route = "relay:";
    expect(" | no-such-relay a.example");
    cr_expect_eq(plan->rerouted, 0);
    cr_expect_eq(plan->imported, 1);
    claim->row_source = NULL;
    expect(" | row-of-people a.example");
}

Test(plan, a_zone_without_its_journal_changes_no_route)
{
    struct verdict *verdict = add_verdict("a.example", "relay:[b.example]:25");
    verdict->behind = true;
    expect("claim a.example; insert a.example");
    struct plan_claim *claim = add_claim("a.example", "relay:");
    expect("");
    cr_expect_eq(plan->imported, 1);
    claim->gone_since = NOW - 1;
    expect("claim a.example");
    verdict->behind = false;
    expect("claim a.example; update a.example");
}

Test(plan, gone_is_marked_and_held)
{
    struct plan_claim *claim = add_claim("a.example", "relay:");
    expect("claim-gone a.example");
    cr_expect_str_eq(plan->changes[0].new_route, "relay:", "a claim keeps its route");
    cr_expect_eq(plan->accept_any, 1, "its row is still there");
    claim->gone_since = NOW - DAY + 1;
    expect("");
    claim->gone_since = NOW - DAY;
    expect("delete a.example");
    cr_expect_eq(plan->accept_any, 0);
    conf.hold = 0;
    claim->gone_since = 0;
    expect("claim-gone a.example; delete a.example");
}

Test(plan, back_again)
{
    add_verdict("a.example", "relay:");
    struct plan_claim *claim = add_claim("a.example", "relay:");
    claim->gone_since = NOW - DAY - 1;
    expect("claim a.example");
    claim->row = false;
    claim->kept = true;
    expect("claim a.example; insert a.example");
}

/* Its claim is gone for long, and so is what the valve would have counted. */
Test(plan, brought_back_by_a_person_it_is_held_anew)
{
    struct plan_claim *claim = add_claim("a.example", "relay:");
    claim->gone_since = NOW - 10 * DAY;
    claim->kept = claim->kept_since = true;
    expect("claim-gone a.example");
    cr_expect_eq(plan->newly_gone, 1);
    claim->row = false;
    expect("");
    claim->row = true;
    claim->row_source = "bind:ns1";
    expect("");
    claim->row_source = OURS;
    conf.hold = 0;
    expect("claim-gone a.example; delete a.example");
}

Test(plan, a_claim_without_a_row_of_ours_is_forgotten_after_hold)
{
    struct plan_claim *claim = add_claim("a.example", "relay:");
    claim->row_source = NULL;
    expect("claim-gone a.example");
    claim->gone_since = NOW - DAY;
    expect("claim-delete a.example");
    claim->kept = true;
    expect("");
}

Test(plan, unknown_is_not_absent)
{
    struct plan_claim *claim = add_claim("a.example", "relay:");
    unlisted = (struct verdict){.kind = VERDICT_UNKNOWN, .reason = RULE_ZONE_UNREAD};
    expect("");
    cr_expect_eq(plan->accept_any, 1);
    claim->gone_since = NOW - 10 * DAY;
    expect("");
    /* the same when the name is among the verdicts */
    add_not("a.example", VERDICT_UNKNOWN, RULE_ZONE_UNREAD);
    claim->gone_since = 0;
    expect("");
}

Test(plan, unknown_makes_no_row)
{
    add_not("a.example", VERDICT_UNKNOWN, RULE_BAD_TARGETS);
    expect(" | no-usable-target a.example");
}

Test(plan, a_row_of_people_stays)
{
    add_verdict("a.example", "relay:");
    struct plan_claim *claim = add_claim("a.example", "relay:");
    claim->row_source = NULL;
    expect("");
    claim->row_route = "smtp:[10.0.0.1]:25";
    expect(" | row-of-people a.example");
    claim->row_route = NULL; /* means relay: */
    expect("");
    claim->row_relay = "hq";
    expect(" | row-of-people a.example");
    claim->claimed = false;
    expect("claim a.example | row-of-people a.example");
    cr_expect_eq(plan->imported, 0);
}

Test(plan, a_row_of_another_source_stays)
{
    add_verdict("a.example", "relay:");
    struct plan_claim *claim = add_claim("a.example", NULL);
    claim->claimed = false;
    claim->row_source = "bind:ns1";
    claim->row_route = "relay:[b.example]:25";
    expect("claim a.example | row-of-other-source a.example");
    cr_expect(plan->changes[0].beside, "its source may be deleting it");
    fences[0] = ".example";
    state.fenced_count = 1;
    expect("claim a.example | row-of-other-source a.example");
    cr_expect_not(plan->changes[0].beside);
    unlisted.kind = VERDICT_NOT;
    rules.count = 0;
    expect("");
}

Test(plan, a_row_given_back_is_ours)
{
    add_verdict("a.example", "relay:");
    struct plan_claim *claim = add_claim("a.example", NULL);
    claim->claimed = false;
    claim->row_route = "smtp:[10.0.0.1]:25";
    expect("claim a.example; update a.example");
    rules.count = 0;
    expect("claim-gone a.example");
    cr_expect_str_eq(plan->changes[0].new_route, "smtp:[10.0.0.1]:25");
}

Test(plan, passes_to_the_heir_at_once)
{
    struct plan_claim *claim = add_claim("a.example", "relay:");
    claim->heir = "bind:ns1";
    expect("claim-gone a.example; pass a.example");
    cr_expect_str_eq(plan->changes[1].heir, "bind:ns1");
    claim->gone_since = NOW - 1;
    expect("pass a.example");
    claim->gone_since = NOW - DAY;
    expect("pass a.example");
    unlisted = (struct verdict){.kind = VERDICT_UNKNOWN, .reason = RULE_ZONE_UNREAD};
    expect("");
}

Test(plan, a_disabled_parent_keeps_names_out)
{
    fences[0] = ".b.example";
    state.fenced_count = 1;
    add_verdict(".b.example", "relay:");
    add_verdict("a.b.example", "relay:");
    add_verdict("ab.example", "relay:");
    add_verdict("b.example", "relay:");
    add_verdict("x.a.b.example", "relay:");
    expect("claim .b.example; insert .b.example; claim a.b.example; claim ab.example; "
           "insert ab.example; claim b.example; insert b.example; claim x.a.b.example"
           " | fenced a.b.example | fenced x.a.b.example");
    cr_expect_str_eq(plan->notes[0].fence, ".b.example");
}

Test(plan, a_row_that_is_there_outlives_a_fence)
{
    fences[0] = ".example";
    state.fenced_count = 1;
    add_verdict("a.b.example", "relay:");
    add_claim("a.b.example", "relay:");
    expect(" | fenced a.b.example");
}

Test(plan, mx_sanity)
{
    add_not("a.example", VERDICT_NOT, RULE_NOT_OURS);
    add_not("b.example", VERDICT_NOT, RULE_ONLY_US);
    struct plan_claim *of_people = add_claim("a.example", NULL);
    of_people->claimed = false;
    of_people->row_source = NULL;
    struct plan_claim *best = add_claim("b.example", "relay:");
    best->gone_since = NOW;
    expect(" | mx-does-not-list-us a.example | we-are-best-mx b.example");
    of_people->row_enabled = best->row_enabled = false;
    expect("");
}

static char names[400][24];

/* count domains that are there; the first gone of them vanish, the last of them get another route
 */
static void fill(size_t count, size_t gone, size_t changed)
{
    state.count = rules.count = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "d%04u.example", (unsigned)i % 10000);
        add_claim(names[i], "relay:");
        if (i >= gone)
            add_verdict(names[i], i >= count - changed ? "relay:[b.example]:25" : "relay:");
    }
}

static enum plan_valve valve(size_t count, size_t gone, size_t changed)
{
    fill(count, gone, changed);
    made_of(1);
    return plan->valve;
}

Test(plan, valve)
{
    cr_expect_eq(valve(5, 5, 0), PLAN_OPEN, "five may always go");
    cr_expect_eq(valve(6, 6, 0), PLAN_TOO_MANY_GONE);
    cr_expect_eq(valve(59, 6, 0), PLAN_TOO_MANY_GONE);
    cr_expect_eq(valve(60, 6, 0), PLAN_OPEN, "10 percent is not more than 10 percent");
    cr_expect_eq(valve(60, 7, 0), PLAN_TOO_MANY_GONE);
    cr_expect_eq(valve(60, 0, 6), PLAN_OPEN);
    cr_expect_eq(valve(60, 0, 7), PLAN_TOO_MANY_ROUTES);
    cr_expect_eq(valve(60, 3, 3), PLAN_OPEN);
    cr_expect_eq(valve(60, 3, 4), PLAN_TOO_MANY_ROUTES, "both together");
    cr_expect_eq(valve(60, 4, 3), PLAN_TOO_MANY_GONE);
    cr_expect_eq(plan->newly_gone, 4);
    cr_expect_eq(plan->rerouted, 3, "a claim and its row are one");
    cr_expect_eq(plan->claims_before, 60);
    conf.max_delete_percent = 100;
    cr_expect_eq(valve(60, 60, 0), PLAN_OPEN);
    conf.max_delete_percent = 0;
    cr_expect_eq(valve(60, 6, 0), PLAN_TOO_MANY_GONE);
    cr_expect_eq(valve(60, 5, 0), PLAN_OPEN);
}

Test(plan, valve_does_not_count_what_was_counted)
{
    fill(60, 50, 0);
    for (size_t i = 0; i < 50; i++)
        claims[i].gone_since = NOW - 2 * DAY;
    made_of(1);
    cr_expect_eq(plan->valve, PLAN_OPEN, "they were accepted by an earlier run");
    cr_expect_eq(plan->counts[PLAN_DELETE], 50);
    cr_expect_eq(plan->claims_before, 10);
}

Test(plan, no_zones_at_all)
{
    add_verdict("a.example", "relay:");
    made_of(0);
    cr_expect_eq(plan->valve, PLAN_NO_ZONES);
}

Test(plan, texts_of_a_state)
{
    struct plan_state own = {.list = NULL};
    static char big[100000];
    memset(big, 'x', sizeof big - 1);
    const char *first = plan_state_text(&own, "a.example", 9);
    for (int i = 0; i < 20000; i++)
        cr_assert_str_eq(plan_state_text(&own, "b.example-and-more", 9), "b.example");
    cr_expect_str_eq(plan_state_text(&own, big, sizeof big - 1), big);
    cr_expect_str_eq(first, "a.example");
    cr_expect_null(plan_state_text(&own, NULL, 0));
    plan_state_clear(&own);
}
