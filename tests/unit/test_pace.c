#include "lookup/pace.h"

#include "common/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define QUICK (CLOCK_SECOND / 1000)
#define LONG  (CLOCK_SECOND)

static struct maps *maps; /* of two, of which nobody has asked any */

static void set_up(void)
{
    maps = calloc(1, sizeof *maps + 2 * sizeof maps->list[0]);
    cr_assert(maps);
    maps->count = 2;
}

static void tear_down(void)
{
    free(maps);
}

static void answered(struct map *map, uint64_t took)
{
    pace_note(maps, map, took, true);
    map->database_used = clock_now();
}

TestSuite(pace, .init = set_up, .fini = tear_down);

Test(pace, a_query_that_waited_and_failed)
{
    struct map *map = &maps->list[0];
    cr_expect_not(pace_is_stuck(map));
    pace_note(maps, map, QUICK, false);
    cr_expect_not(pace_is_stuck(map), "an error that comes at once");
    pace_note(maps, map, LONG, false);
    cr_expect(pace_is_stuck(map));
    answered(map, QUICK);
    cr_expect_not(pace_is_stuck(map));
}

Test(pace, one_slow_answer_of_a_busy_moment)
{
    struct map *map = &maps->list[0];
    answered(&maps->list[1], QUICK);
    answered(map, LONG);
    answered(map, LONG);
    cr_expect_not(pace_is_stuck(map));
    answered(map, QUICK);
    answered(map, LONG);
    cr_expect_not(pace_is_stuck(map), "not in a row");
    answered(map, LONG);
    answered(map, LONG);
    cr_expect(pace_is_stuck(map));
    answered(map, QUICK);
    cr_expect_not(pace_is_stuck(map));
}

Test(pace, where_all_are_slow)
{
    for (int i = 0; i < 5; i++)
        for (size_t k = 0; k < 2; k++)
            answered(&maps->list[k], LONG);
    /* the first query of the second map came when the first map had been slow already */
    cr_expect_not(pace_is_stuck(&maps->list[0]));
    cr_expect_not(pace_is_stuck(&maps->list[1]));
}

Test(pace, under_way)
{
    struct map *map = &maps->list[0];
    pace_note_waiting(map, QUICK);
    cr_expect_not(pace_is_stuck(map));
    pace_note_waiting(map, LONG);
    cr_expect(pace_is_stuck(map));
    answered(map, LONG);
    cr_expect_not(pace_is_stuck(map), "it was answered after all");
}

Test(pace, it_is_forgotten)
{
    struct map *map = &maps->list[0];
    pace_note(maps, map, LONG, false);
    cr_expect_leq(map->stuck_until, clock_now() + 10 * CLOCK_SECOND);
    map->stuck_until = clock_now() - 1;
    cr_expect_not(pace_is_stuck(map));
}
