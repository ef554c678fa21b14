/* Which database host is used, as hosts are reported good, lesser and down in the course of time.
 */
#include "common/clock.h"
#include "lookup/hosts.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MS (CLOCK_SECOND / 1000)

static struct hosts *hosts;
static uint64_t now;

static void set_up(void)
{
    hosts = hosts_new(3, false);
    now = 1000 * CLOCK_SECOND;
}

static void tear_down(void)
{
    hosts_free(hosts);
}

TestSuite(hosts, .init = set_up, .fini = tear_down);

static size_t next(void)
{
    uint64_t until;
    return hosts_next(hosts, now, &until);
}

/* Asked at once, and answered at once. */
static void answer(size_t host, enum host_state state)
{
    hosts_ask(hosts, host, now);
    hosts_report(hosts, host, state, now);
}

static void use(size_t host)
{
    answer(host, HOST_GOOD);
    hosts_use(hosts, host, now);
}

/* Answers what is asked, with the states of the hosts, for so long; returns the host in use then.
 */
static size_t pass(uint64_t time, const enum host_state states[3])
{
    for (uint64_t end = now + time; now < end; now += 50 * MS) {
        size_t host = next();
        if (host != HOSTS_NONE)
            answer(host, states[host]);
        size_t wanted = hosts_wanted(hosts, now);
        if (wanted != HOSTS_NONE)
            hosts_use(hosts, wanted, now);
    }
    return hosts_used(hosts);
}

Test(hosts, the_first_is_asked_first)
{
    cr_assert(eq(sz, hosts_wanted(hosts, now), HOSTS_NONE));
    cr_assert(eq(sz, next(), 0));
    hosts_ask(hosts, 0, now);
    cr_assert(eq(sz, next(), HOSTS_NONE), "the second one waits a moment");
    hosts_report(hosts, 0, HOST_GOOD, now);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 0));
    hosts_use(hosts, 0, now);
    cr_assert(eq(sz, next(), HOSTS_NONE), "nothing is asked while the first one is good");
}

Test(hosts, the_next_one_when_one_fails)
{
    answer(0, HOST_DOWN);
    cr_assert(eq(sz, next(), 1));
    answer(1, HOST_DOWN);
    cr_assert(not(hosts_all_down(hosts)));
    cr_assert(eq(sz, next(), 2));
    answer(2, HOST_DOWN);
    cr_assert(hosts_all_down(hosts));
    cr_assert(eq(sz, next(), HOSTS_NONE), "now there is a pause");
    now += 800 * MS;
    cr_assert(eq(sz, next(), 0));
}

Test(hosts, a_silent_host_holds_up_no_other)
{
    uint64_t until;
    hosts_ask(hosts, 0, now);
    cr_assert(eq(sz, hosts_next(hosts, now, &until), HOSTS_NONE));
    cr_assert(until - now <= CLOCK_SECOND / 2);
    now = until;
    cr_assert(eq(sz, next(), 1));
    answer(1, HOST_GOOD);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 1));
}

Test(hosts, what_was_good_is_not_wanted_while_it_is_silent)
{
    use(0);
    answer(1, HOST_GOOD);
    hosts_use(hosts, HOSTS_NONE, now);
    answer(1, HOST_GOOD);
    hosts_ask(hosts, 1, now);
    answer(0, HOST_DOWN);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 1));
    now += CLOCK_SECOND;
    answer(2, HOST_GOOD);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 2));
}

Test(hosts, back_to_the_first_when_it_has_been_good_for_a_while)
{
    static const enum host_state good[] = {HOST_GOOD, HOST_GOOD, HOST_GOOD};
    static const enum host_state bad[] = {HOST_DOWN, HOST_GOOD, HOST_GOOD};
    answer(0, HOST_DOWN);
    use(1);
    cr_assert(eq(sz, pass(60 * CLOCK_SECOND, bad), 1));
    cr_assert(eq(sz, pass(9 * CLOCK_SECOND, good), 1), "not yet");
    cr_assert(eq(sz, pass(CLOCK_SECOND, bad), 1), "and again not: it has failed");
    cr_assert(eq(sz, pass(9 * CLOCK_SECOND, good), 1), "the time begins anew");
    cr_assert(eq(sz, pass(8 * CLOCK_SECOND, good), 0));
}

Test(hosts, a_silent_probe_is_no_recovery)
{
    answer(0, HOST_DOWN);
    use(1);
    answer(0, HOST_GOOD);
    hosts_ask(hosts, 0, now + CLOCK_SECOND);
    now += 30 * CLOCK_SECOND;
    cr_assert(eq(sz, hosts_wanted(hosts, now), 1));
}

Test(hosts, who_fails_again_soon_waits_longer)
{
    static const enum host_state good[] = {HOST_GOOD, HOST_GOOD, HOST_GOOD};
    answer(0, HOST_DOWN);
    use(1);
    cr_assert(eq(sz, pass(17 * CLOCK_SECOND, good), 0));
    answer(0, HOST_DOWN);
    hosts_use(hosts, 1, now);
    cr_assert(eq(sz, pass(19 * CLOCK_SECOND, good), 1), "twice as long");
    cr_assert(eq(sz, pass(14 * CLOCK_SECOND, good), 0));
    cr_assert(eq(sz, pass(90 * CLOCK_SECOND, good), 0));
    answer(0, HOST_DOWN);
    hosts_use(hosts, 1, now);
    cr_assert(eq(sz, pass(17 * CLOCK_SECOND, good), 0), "forgiven");
}

Test(hosts, workers_do_not_come_back_together)
{
    static const enum host_state good[] = {HOST_GOOD, HOST_GOOD, HOST_GOOD};
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 40; i++) {
        struct hosts *before = hosts;
        hosts = hosts_new(3, false);
        answer(0, HOST_DOWN);
        use(1);
        uint64_t begun = now;
        while (pass(50 * MS, good) != 0)
            cr_assert(now - begun < 20 * CLOCK_SECOND);
        uint64_t took = now - begun;
        least = took < least ? took : least;
        most = took > most ? took : most;
        hosts_free(hosts);
        hosts = before;
    }
    cr_assert(most - least > CLOCK_SECOND);
}

Test(hosts, a_lesser_one_only_while_none_is_good)
{
    answer(0, HOST_DOWN);
    answer(1, HOST_LESSER);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 1), "it is better than nothing");
    hosts_use(hosts, 1, now);
    static const enum host_state lesser[] = {HOST_DOWN, HOST_LESSER, HOST_DOWN};
    static const enum host_state later[] = {HOST_DOWN, HOST_LESSER, HOST_GOOD};
    cr_assert(eq(sz, pass(5 * CLOCK_SECOND, lesser), 1));
    cr_assert(eq(sz, pass(2 * CLOCK_SECOND, later), 2), "at once");
    cr_assert(eq(sz, pass(60 * CLOCK_SECOND, later), 2));
}

Test(hosts, a_watched_host_is_checked_and_left)
{
    static const enum host_state behind[] = {HOST_DOWN, HOST_GOOD, HOST_GOOD};
    use(0);
    hosts_watch(hosts, 0);
    now += CLOCK_SECOND;
    cr_assert(eq(sz, pass(3 * CLOCK_SECOND, behind), 1));
}

Test(hosts, a_suspected_host_that_stays_silent_is_down)
{
    uint64_t until;
    use(0);
    hosts_ask(hosts, 0, now);
    now += CLOCK_SECOND;
    cr_assert(eq(sz, next(), HOSTS_NONE), "a check that takes long is no reason");
    hosts_report(hosts, 0, HOST_GOOD, now);
    hosts_ask(hosts, 0, now);
    hosts_suspect(hosts, 0);
    cr_assert(eq(sz, hosts_next(hosts, now, &until), HOSTS_NONE));
    now = until;
    cr_assert(eq(sz, next(), 1));
    cr_assert(eq(int, hosts_state(hosts, 0), HOST_DOWN));
    answer(1, HOST_GOOD);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 1));
}

Test(hosts, it_answers_after_all)
{
    use(0);
    hosts_ask(hosts, 0, now);
    hosts_suspect(hosts, 0);
    now += CLOCK_SECOND;
    cr_assert(eq(sz, next(), 1));
    hosts_ask(hosts, 1, now);
    hosts_report(hosts, 0, HOST_GOOD, now);
    hosts_report(hosts, 1, HOST_GOOD, now);
    cr_assert(eq(sz, hosts_wanted(hosts, now), 0));
}

Test(hosts, blame_goes_round_once)
{
    use(0);
    cr_assert(hosts_blame(hosts, 0, now));
    cr_assert(not(hosts_blame(hosts, 0, now)), "it is known");
    use(1);
    cr_assert(hosts_blame(hosts, 1, now));
    use(2);
    cr_assert(not(hosts_blame(hosts, 2, now)), "the others were no better");
    now += 61 * CLOCK_SECOND;
    cr_assert(hosts_blame(hosts, 2, now));
}

Test(hosts, one_host_is_never_to_blame)
{
    struct hosts *one = hosts_new(1, false);
    hosts_ask(one, 0, now);
    hosts_report(one, 0, HOST_GOOD, now);
    hosts_use(one, 0, now);
    cr_assert(not(hosts_blame(one, 0, now)));
    hosts_free(one);
}

Test(hosts, what_was_known_long_ago_is_asked_anew)
{
    answer(0, HOST_DOWN);
    answer(1, HOST_DOWN);
    use(2);
    now += 3600 * CLOCK_SECOND;
    hosts_use(hosts, HOSTS_NONE, now);
    answer(2, HOST_DOWN);
    cr_assert(not(hosts_all_down(hosts)));
    cr_assert(eq(sz, next(), 0));
}

Test(hosts, pauses_grow_until_a_query_is_answered)
{
    uint64_t longest = 0;
    for (int i = 0; i < 12; i++) {
        answer(0, HOST_GOOD);
        hosts_distrust(hosts, 0, now);
        uint64_t begun = now;
        while (next() != 0 && now - begun < CLOCK_SECOND)
            now += MS;
        longest = now - begun > longest ? now - begun : longest;
    }
    cr_assert(longest >= 400 * MS && longest <= 850 * MS);
    hosts_prove(hosts, HOSTS_NONE);
    hosts_prove(hosts, 0);
    cr_assert(eq(sz, next(), 0));
}
