/* Lanes and batches: who travels with whom, in which order, and in which statement. */
#include "lookup/batch.h"
#include "lookup/lanes.h"

#include "common/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct maps set = {.references = 1000};
static struct map domains = {.id = 1, .name = "domains", .keys = KEYS_DOMAIN, .set = &set};
static struct map addresses = {
    .id = 2, .name = "addresses", .keys = KEYS_ADDRESS, .delimiter = "+", .set = &set};
static uint64_t last_deadline;

static struct lookup *ask(struct map *map, const char *key)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    char error[160];
    if (map->query == NULL)
        map->query = query_parse(map->keys == KEYS_DOMAIN    ? "IN (:domains)"
                                 : map->keys == KEYS_ADDRESS ? "IN (:addresses, :domains)"
                                                             : "IN (:clients)",
                                 map->keys, error, sizeof error);
    cr_assert(map->query);
    lookup->map = map;
    lookup->deadline = ++last_deadline;
    cr_assert_eq(candidates_make(map->keys, key, strlen(key), map->delimiter ? map->delimiter : "",
                                 &lookup->candidates),
                 CANDIDATES_OK, "%s", key);
    return lookup;
}

static void forget(struct lookup *lookup)
{
    free(lookup->candidates);
    free(lookup);
}

static void forget_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        forget(batch->lookups[i]);
    batch_clear(batch);
}

static void wait_in(struct lanes *lanes, struct lookup *lookup)
{
    cr_assert(lanes_push(lanes, lookup, lanes_kind(lookup)));
}

static bool fill(struct lanes *lanes, struct batch *batch, uint64_t connected, int step)
{
    return lanes_fill(lanes, batch, &(struct lanes_choice){.connected = connected, .step = step});
}

Test(batch, statement_fits_its_lookups)
{
    static const struct {
        size_t count;
        int step;
    } table[] = {{1, 0}, {2, 1}, {3, 1}, {4, 2}, {5, 2}, {17, 4}, {33, 5}, {64, 6}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct batch batch = {0};
        for (size_t k = 0; k < table[i].count; k++) {
            char key[60];
            snprintf(key, sizeof key, "a%zu.example%zu", k, k); /* two keys of its own */
            cr_assert(batch_add(&batch, ask(&domains, key), STATEMENT_STEP_MAX));
        }
        cr_assert_eq(batch_step(&batch), table[i].step, "%zu lookups", table[i].count);
        forget_batch(&batch);
    }
}

Test(batch, common_keys_are_asked_once)
{
    static const char *const keys[] = {"a.example", "b.example", "a.example", "x.a.example"};
    struct batch batch = {0};
    struct statement_keys collected;
    for (int i = 0; i < 4; i++)
        cr_assert(batch_add(&batch, ask(&domains, keys[i]), STATEMENT_STEP_MAX));
    batch_collect(&batch, &collected);
    /* a.example .example b.example x.a.example .a.example */
    cr_assert_eq(collected.count[LIST_DOMAINS], 5);
    cr_assert_eq(batch_step(&batch), 1);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = i + 1; k < 5; k++)
            cr_assert_str_neq(collected.keys[LIST_DOMAINS][i]->text,
                              collected.keys[LIST_DOMAINS][k]->text);
    /* those who have given up no longer bring theirs */
    forget(batch.lookups[3]);
    batch.lookups[3] = NULL;
    forget(batch.lookups[0]);
    batch.lookups[0] = NULL;
    batch_collect(&batch, &collected);
    cr_assert_eq(collected.count[LIST_DOMAINS], 3);
    forget(batch.lookups[1]);
    forget(batch.lookups[2]);
}

Test(batch, lists_that_the_query_does_not_name_take_no_room)
{
    struct batch batch = {0};
    struct statement_keys collected;
    cr_assert(batch_add(&batch, ask(&addresses, "u+x@a.example"), STATEMENT_STEP_MAX));
    batch_collect(&batch, &collected);
    cr_assert_eq(collected.count[LIST_ADDRESSES], 2);
    cr_assert_eq(collected.count[LIST_DOMAINS], 2);
    cr_assert_eq(collected.count[LIST_AT_DOMAINS], 0);
    cr_assert_eq(collected.count[LIST_LOCALS], 0);
    forget_batch(&batch);
}

Test(batch, rows_may_come_for_keys_of_other_lists)
{
    /* The query names :addresses and :domains; a row may well have "@a.example" as its key. */
    struct batch batch = {0};
    cr_assert(batch_add(&batch, ask(&addresses, "u@a.example"), STATEMENT_STEP_MAX));
    cr_assert_eq(batch.entry_count, batch.lookups[0]->candidates->count);
    forget_batch(&batch);
}

Test(batch, is_full_at_64)
{
    struct batch batch = {0};
    struct lookup *extra = ask(&domains, "a.example");
    for (int i = 0; i < BATCH_LOOKUPS; i++)
        cr_assert(batch_add(&batch, ask(&domains, "a.example"), STATEMENT_STEP_MAX));
    cr_assert_not(batch_add(&batch, extra, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.count, BATCH_LOOKUPS);
    forget(extra);
    forget_batch(&batch);
}

/* The longest name there is: 127 labels of this letter. */
static const char *longest_name(char letter)
{
    static char name[254];
    for (int i = 0; i < 253; i++)
        name[i] = (char)(i % 2 ? '.' : letter);
    return name;
}

Test(batch, long_names_take_the_room_of_many)
{
    struct batch batch = {0};
    struct lookup *extra = ask(&domains, longest_name('a'));
    cr_assert_eq(extra->candidates->count, 127);
    cr_assert(batch_add(&batch, ask(&domains, longest_name('a')), STATEMENT_STEP_MAX));
    cr_assert_leq(127, statement_capacity(LIST_DOMAINS, batch_step(&batch)));
    forget(extra);
    extra = ask(&domains, longest_name('b'));
    cr_assert_not(batch_add(&batch, extra, STATEMENT_STEP_MAX));
    cr_assert_eq(batch_step(&batch), STATEMENT_STEP_MAX);
    cr_assert(batch_add(&batch, ask(&domains, "b.example"), STATEMENT_STEP_MAX));
    cr_assert_eq(batch.count, 2);
    forget(extra);
    forget_batch(&batch);
}

Test(batch, every_key_fits_alone_into_the_largest)
{
    char address[400];
    snprintf(address, sizeof address, "user+ext@%s", longest_name('a'));
    struct lookup *lookup = ask(&addresses, address);
    struct batch batch = {0};
    cr_assert(batch_add(&batch, lookup, STATEMENT_STEP_MAX));
    forget_batch(&batch);
    static struct map clients = {.id = 3, .name = "clients", .keys = KEYS_CLIENT, .set = &set};
    cr_assert(batch_add(&batch, ask(&clients, longest_name('a')), STATEMENT_STEP_MAX));
    forget_batch(&batch);
}

Test(lanes, oldest_lane_goes_first_and_in_order)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *a = ask(&domains, "a.example");
    struct lookup *b = ask(&addresses, "u@b.example");
    struct lookup *c = ask(&domains, "c.example");
    wait_in(&lanes, b);
    wait_in(&lanes, a);
    wait_in(&lanes, c);
    cr_assert_eq(lanes.waiting, 3);
    struct batch batch = {0};
    cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.count, 2);
    cr_assert_eq(batch.lookups[0], a);
    cr_assert_eq(batch.lookups[1], c);
    cr_assert_eq(c->place, 1);
    batch_clear(&batch);
    cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.count, 1);
    cr_assert_eq(batch.lookups[0], b);
    batch_clear(&batch);
    cr_assert_not(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
    cr_assert_eq(lanes.waiting, 0);
    forget(a);
    forget(b);
    forget(c);
}

Test(lanes, keys_that_are_not_ascii_travel_apart)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *plain = ask(&addresses, "u@b.example");
    struct lookup *other = ask(&addresses, "\xc3\xbc@b.example");
    wait_in(&lanes, plain);
    wait_in(&lanes, other);
    for (int i = 0; i < 2; i++) {
        struct batch batch = {0};
        cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
        cr_assert_eq(batch.count, 1);
    }
    /* also when both are retried */
    plain->retry_after = other->retry_after = 0;
    cr_assert(lanes_push(&lanes, plain, LANE_RETRY));
    cr_assert(lanes_push(&lanes, other, LANE_RETRY));
    for (int i = 0; i < 2; i++) {
        struct batch batch = {0};
        cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
        cr_assert_eq(batch.count, 1);
    }
    forget(plain);
    forget(other);
}

Test(lanes, alone_means_alone)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *lookups[3];
    for (int i = 0; i < 3; i++) {
        lookups[i] = ask(&domains, "a.example");
        cr_assert(lanes_push(&lanes, lookups[i], LANE_ALONE));
    }
    for (int i = 0; i < 3; i++) {
        struct batch batch = {0};
        cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
        cr_assert_eq(batch.count, 1);
        cr_assert_eq(batch.lookups[0], lookups[i]);
        forget_batch(&batch);
    }
}

Test(lanes, retries_wait_for_a_newer_connection)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *retried = ask(&domains, "a.example");
    struct lookup *fresh = ask(&domains, "b.example");
    retried->retry_after = 100;
    cr_assert(lanes_push_front(&lanes, retried, LANE_RETRY));
    wait_in(&lanes, fresh);
    struct batch batch = {0};
    cr_assert(fill(&lanes, &batch, 100, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.lookups[0], fresh);
    cr_assert_eq(batch.count, 1);
    batch_clear(&batch);
    cr_assert_not(fill(&lanes, &batch, 100, STATEMENT_STEP_MAX));
    cr_assert(fill(&lanes, &batch, 101, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.lookups[0], retried);
    batch_clear(&batch);
    cr_assert(lanes_push(&lanes, retried, LANE_RETRY));
    lanes_release_retries(&lanes);
    cr_assert(fill(&lanes, &batch, 50, STATEMENT_STEP_MAX));
    forget(retried);
    forget(fresh);
}

Test(lanes, excepted_maps_wait)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *slow = ask(&domains, "a.example");
    struct lookup *other = ask(&addresses, "u@b.example");
    wait_in(&lanes, slow);
    wait_in(&lanes, other);
    const struct map *busy[] = {&domains, NULL};
    struct lanes_choice choice = {.connected = 1, .step = STATEMENT_STEP_MAX, .never = busy};
    struct batch batch = {0};
    cr_assert(lanes_fill(&lanes, &batch, &choice));
    cr_assert_eq(batch.lookups[0], other);
    batch_clear(&batch);
    cr_assert_not(lanes_fill(&lanes, &batch, &choice));
    choice.never = NULL;
    choice.only_full = busy;
    cr_assert_not(lanes_fill(&lanes, &batch, &choice));
    choice.only_full = NULL;
    cr_assert(lanes_fill(&lanes, &batch, &choice));
    cr_assert_eq(batch.lookups[0], slow);
    forget(slow);
    forget(other);
}

Test(lanes, a_full_batch_may_go)
{
    struct lanes lanes;
    lanes_init(&lanes);
    const struct map *busy[] = {&domains, NULL};
    struct lanes_choice choice = {.connected = 1, .step = STATEMENT_STEP_MAX, .only_full = busy};
    struct batch batch = {0};
    for (int i = 0; i < BATCH_LOOKUPS; i++) {
        cr_assert_not(lanes_fill(&lanes, &batch, &choice));
        wait_in(&lanes, ask(&domains, "a.example"));
    }
    cr_assert(lanes_fill(&lanes, &batch, &choice));
    cr_assert_eq(batch.count, BATCH_LOOKUPS);
    forget_batch(&batch);
}

Test(lanes, small_statements_when_asked)
{
    struct lanes lanes;
    lanes_init(&lanes);
    static const char *const keys[] = {"a.b", "c.d", "e.f", "g.h", "i.j"};
    for (int i = 0; i < 5; i++)
        wait_in(&lanes, ask(&domains, keys[i]));
    wait_in(&lanes, ask(&domains, longest_name('a')));
    size_t sizes[3] = {3, 2, 1};
    for (int i = 0; i < 3; i++) {
        struct batch batch = {0};
        cr_assert(fill(&lanes, &batch, 1, 1));
        cr_assert_eq(batch.count, sizes[i], "batch %d has %zu", i, batch.count);
        forget_batch(&batch);
    }
    cr_assert_eq(lanes.waiting, 0);
}

Test(lanes, taken_back)
{
    struct lanes lanes;
    lanes_init(&lanes);
    struct lookup *a = ask(&domains, "a.example");
    struct lookup *b = ask(&domains, "b.example");
    wait_in(&lanes, a);
    wait_in(&lanes, b);
    lanes_remove(&lanes, a);
    struct batch batch = {0};
    cr_assert(fill(&lanes, &batch, 1, STATEMENT_STEP_MAX));
    cr_assert_eq(batch.count, 1);
    cr_assert_eq(batch.lookups[0], b);
    forget(a);
    forget(b);
}
