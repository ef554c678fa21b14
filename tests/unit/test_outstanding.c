/* Lookups from the question to the answer: each is answered once, whatever becomes of it. Without a
 * snapshot, what the database does not answer is temporary. */
#include "lookup/outstanding.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct conf conf;
static struct maps set = {.conf = &conf, .references = 1};
static struct map domains = {
    .id = 1, .name = "domains", .keys = KEYS_DOMAIN, .delimiter = "", .set = &set};
static struct fallback fallback;
static struct outstanding outstanding;

/* A lookup that notes its answers. */
struct asked {
    struct lookup lookup;
    unsigned answers;
    enum lookup_result result;
    char text[80];
};

static void on_done(struct lookup *lookup, const struct answer *answer)
{
    struct asked *asked = (struct asked *)lookup;
    asked->answers++;
    asked->result = answer->result;
    snprintf(asked->text, sizeof asked->text, "%.*s", (int)answer->len,
             answer->text ? answer->text : "");
}

static void set_up(void)
{
    char error[160];
    domains.query = query_parse("IN (:domains)", KEYS_DOMAIN, error, sizeof error);
    cr_assert(domains.query);
    fallback_init(&fallback, &set);
    outstanding_init(&outstanding, &fallback);
}

static void tear_down(void)
{
    query_free(domains.query);
}

/* The end of each test (what fails in tear_down() counts for nothing): nobody is remembered, and no
 * reference to the maps is left. */
static void all_have_ended(void)
{
    cr_expect_eq(outstanding.count, 0);
    cr_expect_eq(outstanding.lanes.waiting, 0);
    cr_expect_eq(set.references, 1);
}

static bool begin(struct asked *asked, const char *key, uint64_t deadline)
{
    return outstanding_begin(&outstanding, &asked->lookup, &domains, key, strlen(key), on_done,
                             deadline);
}

static void begin_waiting(struct asked *asked, const char *key, uint64_t deadline)
{
    cr_assert(begin(asked, key, deadline));
    outstanding_queue(&outstanding, &asked->lookup);
    cr_assert(asked->lookup.lane);
}

static void fill(struct batch *batch)
{
    cr_assert(
        lanes_fill(&outstanding.lanes, batch,
                   &(struct lanes_choice){.connected = UINT64_MAX, .step = STATEMENT_STEP_MAX}));
    for (size_t i = 0; i < batch->count; i++)
        batch->lookups[i]->batch = batch;
}

static void is_temporary(const struct asked *asked, const char *text)
{
    cr_expect_eq(asked->answers, 1);
    cr_expect_eq(asked->result, LOOKUP_TEMPORARY);
    cr_expect_str_eq(asked->text, text);
}

TestSuite(outstanding, .init = set_up, .fini = tear_down);

Test(outstanding, what_is_no_name_is_answered_at_once)
{
    struct asked asked = {0};
    cr_expect_not(begin(&asked, "a..example", 1));
    cr_expect_eq(asked.answers, 1);
    cr_expect_eq(asked.result, LOOKUP_NOT_FOUND);
    all_have_ended();
}

/* Also where a reload has shortened the deadline between two of them. */
Test(outstanding, each_ends_at_its_deadline)
{
    static const uint64_t deadlines[] = {30, 40, 20, 40, 10};
    struct asked asked[5] = {0};
    for (size_t i = 0; i < 5; i++)
        begin_waiting(&asked[i], "a.example", deadlines[i]);
    for (uint64_t now = 9; now < 42; now++) {
        outstanding_expire(&outstanding, now);
        for (size_t i = 0; i < 5; i++)
            cr_expect_eq(asked[i].answers, deadlines[i] <= now, "%zu at %d", i, (int)now);
    }
    is_temporary(&asked[2], "the database did not answer in time");
    all_have_ended();
}

Test(outstanding, a_complete_result_decides)
{
    struct asked asked[2] = {0};
    struct batch batch = {0};
    begin_waiting(&asked[0], "a.example", 1);
    begin_waiting(&asked[1], "b.example", 1);
    fill(&batch);
    outstanding_decide(&outstanding, &batch);
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(asked[i].answers, 1);
        cr_expect_eq(asked[i].result, LOOKUP_NOT_FOUND);
    }
    cr_expect_eq(batch.count, 0);
    all_have_ended();
}

/* Its asker has gone, or its deadline has come, while it waits or while it is asked. */
Test(outstanding, nobody_is_answered_twice)
{
    struct asked asked[4] = {0};
    struct batch batch = {0};
    begin_waiting(&asked[0], "a.example", 9);
    begin_waiting(&asked[1], "b.example", 1);
    begin_waiting(&asked[2], "c.example", 9);
    fill(&batch);
    cr_assert_eq(batch.count, 3);
    begin_waiting(&asked[3], "d.example", 9);
    outstanding_drop(&outstanding, &asked[0].lookup);
    outstanding_drop(&outstanding, &asked[3].lookup);
    outstanding_expire(&outstanding, 1);
    outstanding_decide(&outstanding, &batch);
    cr_expect_eq(asked[0].answers, 0);
    is_temporary(&asked[1], "the database did not answer in time");
    cr_expect_eq(asked[2].answers, 1);
    cr_expect_eq(asked[2].result, LOOKUP_NOT_FOUND);
    cr_expect_eq(asked[3].answers, 0);
    all_have_ended();
}

Test(outstanding, those_that_wait_fail_together)
{
    struct asked asked[3] = {0};
    struct batch batch = {0};
    begin_waiting(&asked[0], "a.example", 9);
    fill(&batch);
    begin_waiting(&asked[1], "b.example", 9);
    begin_waiting(&asked[2], "c.example", 9);
    outstanding_fail_waiting(&outstanding, "why");
    cr_expect_eq(asked[0].answers, 0);
    is_temporary(&asked[1], "why");
    is_temporary(&asked[2], "why");
    outstanding_decide(&outstanding, &batch);
    cr_expect_eq(asked[0].answers, 1);
    all_have_ended();
}

/* In its order, before those that came meanwhile. */
Test(outstanding, a_batch_is_asked_again)
{
    struct asked asked[3] = {0};
    struct lookup *taken[BATCH_LOOKUPS];
    struct batch batch = {0};
    begin_waiting(&asked[0], "a.example", 9);
    begin_waiting(&asked[1], "b.example", 9);
    fill(&batch);
    begin_waiting(&asked[2], "c.example", 9);
    cr_assert_eq(outstanding_take(&batch, taken), 2);
    cr_expect_eq(batch.count, 0);
    outstanding_ask_again(&outstanding, taken, 2, LANE_ASCII);
    fill(&batch);
    cr_assert_eq(batch.count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(batch.lookups[i], &asked[i].lookup);
    outstanding_decide(&outstanding, &batch);
    all_have_ended();
}

Test(outstanding, a_lost_connection_is_forgiven_once)
{
    struct asked asked = {0};
    struct lookup *taken[BATCH_LOOKUPS];
    struct batch batch = {0};
    begin_waiting(&asked, "a.example", 9);
    fill(&batch);
    cr_assert_eq(outstanding_take(&batch, taken), 1);
    outstanding_retry(&outstanding, taken, 1, 100);
    cr_expect_eq(asked.answers, 0);
    cr_expect_eq(asked.lookup.retry_after, 100);
    struct lanes_choice older = {.connected = 100, .step = STATEMENT_STEP_MAX};
    cr_expect_not(lanes_fill(&outstanding.lanes, &batch, &older));
    fill(&batch);
    cr_assert_eq(outstanding_take(&batch, taken), 1);
    outstanding_retry(&outstanding, taken, 1, 200);
    is_temporary(&asked, "the connection to the database was lost");
    all_have_ended();
}

Test(outstanding, who_wants_a_newer_connection_holds_up_nobody)
{
    struct asked given_up = {0};
    struct asked lost = {0};
    struct lookup *taken[BATCH_LOOKUPS];
    struct batch batches[2] = {{0}};
    begin_waiting(&given_up, "a.example", 9);
    fill(&batches[0]);
    begin_waiting(&lost, "b.example", 9);
    fill(&batches[1]);
    cr_assert_eq(outstanding_take(&batches[0], taken), 1);
    outstanding_retry(&outstanding, taken, 1, 0);
    cr_assert_eq(outstanding_take(&batches[1], taken), 1);
    outstanding_retry(&outstanding, taken, 1, 100);
    struct lanes_choice older = {.connected = 50, .step = STATEMENT_STEP_MAX};
    cr_assert(lanes_fill(&outstanding.lanes, &batches[0], &older));
    cr_expect_eq(batches[0].count, 1);
    cr_expect_eq(batches[0].lookups[0], &given_up.lookup);
    given_up.lookup.batch = &batches[0];
    outstanding_decide(&outstanding, &batches[0]);
    cr_expect_eq(given_up.answers, 1);
    outstanding_fail_waiting(&outstanding, "x");
    is_temporary(&lost, "x");
    all_have_ended();
}
