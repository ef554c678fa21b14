/* From rows to an answer: the most specific row, NULL, several rows, values that must not be sent.
 */
#include "lookup/decision.h"

#include "common/log.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct row_in {
    size_t candidate;
    const char *value;
};

static const char *const transports[] = {"relay", "smtp", "hold", NULL};

static const struct map plain = {.name = "plain"};
static const struct map joining = {.name = "joining", .join = true};
static const struct map routes = {.name = "routes", .value = VALUE_ROUTE, .transports = transports};
static const struct map aliases = {.name = "aliases", .value = VALUE_ADDRESSES, .join = true};

/* Decides rows for the candidates of user+Ext@sub.example.com. */
static struct answer decide(const struct map *map, const struct row_in *rows, size_t count,
                            char *text, size_t size)
{
    struct candidates *candidates;
    log_open("test_decision", true, LOG_LEVEL_INFO);
    cr_assert_eq(candidates_make(KEYS_ADDRESS, "user+Ext@sub.example.com", 24, "+", &candidates),
                 CANDIDATES_OK);
    struct decision decision = {0};
    for (size_t i = 0; i < count; i++)
        decision_row(&decision, map, rows[i].candidate, rows[i].value,
                     rows[i].value ? strlen(rows[i].value) : 0);
    struct answer answer;
    decision_end(&decision, map, candidates, &answer);
    cr_assert(answer.len < size);
    if (answer.len)
        memcpy(text, answer.text, answer.len);
    text[answer.len] = '\0';
    decision_clear(&decision);
    free(candidates);
    return answer;
}

#define ROWS(...)                                                                                  \
    (const struct row_in[]){__VA_ARGS__},                                                          \
        sizeof((struct row_in[]){__VA_ARGS__}) / sizeof(struct row_in)

static void found(const struct map *map, const char *expected, const struct row_in *rows,
                  size_t count)
{
    char text[300];
    struct answer answer = decide(map, rows, count, text, sizeof text);
    cr_assert_eq(answer.result, LOOKUP_FOUND, "%s: result %d, %s", expected, answer.result, text);
    cr_assert_str_eq(text, expected);
}

static void ends(const struct map *map, enum lookup_result expected, const struct row_in *rows,
                 size_t count)
{
    char text[300];
    struct answer answer = decide(map, rows, count, text, sizeof text);
    cr_assert_eq(answer.result, expected, "result %d, %s", answer.result, text);
}

Test(decision, no_row_is_not_found)
{
    ends(&plain, LOOKUP_NOT_FOUND, NULL, 0);
}

Test(decision, most_specific_row_decides)
{
    found(&plain, "a", ROWS({0, "a"}, {1, "b"}, {3, "c"}));
    found(&plain, "a", ROWS({3, "c"}, {1, "b"}, {0, "a"}));
    found(&plain, "b", ROWS({3, NULL}, {1, "b"}));
    ends(&plain, LOOKUP_NOT_FOUND, ROWS({3, "c"}, {1, NULL}));
    ends(&plain, LOOKUP_NOT_FOUND, ROWS({1, NULL}, {3, "c"}));
}

Test(decision, several_rows_for_one_candidate)
{
    found(&plain, "v", ROWS({1, NULL}, {1, "v"}));
    found(&plain, "v", ROWS({1, "v"}, {1, NULL}));
    found(&plain, "v", ROWS({1, "v"}, {1, "v"}));
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, "v"}, {1, "w"}));
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, "v"}, {1, "v"}, {1, ""}));
    found(&plain, "x", ROWS({1, "v"}, {1, "w"}, {0, "x"}));
    found(&plain, "x", ROWS({0, "x"}, {1, "v"}, {1, "w"}));
    found(&joining, "v, w", ROWS({1, "v"}, {1, "w"}));
    found(&joining, "v, w, vw", ROWS({1, "v"}, {1, "w"}, {1, "v"}, {1, "w"}, {1, "vw"}));
    found(&joining, "ab, b", ROWS({1, "ab"}, {1, "b"}));
    found(&joining, "x", ROWS({1, "v"}, {1, "w"}, {0, "x"}));
    ends(&joining, LOOKUP_TEMPORARY, ROWS({1, "v"}, {1, ""}));
    ends(&joining, LOOKUP_TEMPORARY, ROWS({1, ""}, {1, "v"}));
}

Test(decision, values_that_would_harm)
{
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, ""}));
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, "a\nb"}));
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, "a\x7f"}));
    ends(&plain, LOOKUP_TEMPORARY, ROWS({1, "a\xff"}));
    found(&plain, "ä ö", ROWS({1, "ä ö"}));
    found(&routes, "smtp:[192.0.2.1]:25", ROWS({1, "smtp:[192.0.2.1]:25"}));
    ends(&routes, LOOKUP_TEMPORARY, ROWS({1, "lmtp:[192.0.2.1]:25"}));
    ends(&routes, LOOKUP_TEMPORARY, ROWS({1, "smtp:[192.0.2.1"}));
    ends(&routes, LOOKUP_TEMPORARY, ROWS({1, "smtp"}));
    /* a less specific row does not stand in for a harmful one */
    ends(&routes, LOOKUP_TEMPORARY, ROWS({3, "smtp:[192.0.2.1]:25"}, {1, "smtp"}));
}

Test(decision, long_values)
{
    static char longest[ANSWER_VALUE_MAX + 2];
    struct candidates *candidates;
    cr_assert_eq(candidates_make(KEYS_EXACT, "k", 1, "", &candidates), CANDIDATES_OK);
    memset(longest, 'l', sizeof longest);
    for (size_t len = ANSWER_VALUE_MAX; len <= ANSWER_VALUE_MAX + 1; len++) {
        struct decision decision = {0};
        struct answer answer;
        decision_row(&decision, &plain, 0, longest, len);
        decision_end(&decision, &plain, candidates, &answer);
        cr_assert_eq(answer.result, len > ANSWER_VALUE_MAX ? LOOKUP_TEMPORARY : LOOKUP_FOUND);
        decision_clear(&decision);
    }
    /* joined over the limit: refused, and it does not grow without end */
    struct decision decision = {0};
    struct answer answer;
    decision_row(&decision, &joining, 0, longest, ANSWER_VALUE_MAX);
    for (int i = 0; i < 1000; i++) {
        longest[0] = (char)('a' + i % 26);
        decision_row(&decision, &joining, 0, longest, ANSWER_VALUE_MAX - 1);
    }
    cr_assert_lt(decision.len, sizeof longest * 4);
    decision_end(&decision, &joining, candidates, &answer);
    cr_assert_eq(answer.result, LOOKUP_TEMPORARY);
    decision_clear(&decision);
    free(candidates);
}

Test(decision, extension_is_carried_over)
{
    found(&aliases, "a@x", ROWS({0, "a@x"}));
    found(&aliases, "a+Ext@x", ROWS({1, "a@x"}));
    found(&aliases, "a+Ext@x, b+Ext@y", ROWS({1, "a@x"}, {1, "b@y"}));
    /* candidate 2 is @sub.example.com: the row has no extension either */
    found(&aliases, "a+Ext@x", ROWS({2, "a@x"}));
    found(&plain, "a@x", ROWS({1, "a@x"}));
}

/* Postfix 3.7 made the right recipients of the good ones, and of the bad ones some that nobody
 * knows. */
Test(decision, a_domain_stands_alone)
{
    static const char *const good[] = {
        "@d.example",    "@d.example ",       "@d.example,",      "a@b, c@d",        "a@b c@d",
        "\"a, @b\"@c",   "\"a\\\", @b\"@c",   "user @ d.example", "user @d.example", "user",
        "<a@b.example>", "A B <a@b.example>", "a@b,,c@d",         "\"@\"@d.example",
    };
    static const char *const bad[] = {
        "@",           "@d.example, x@d", "@d.example x@d", "@d.example@e", "@d.example\"a\"@e",
        " @d.example", ",@d.example",     "x@d, @d",        "x@d,@d",       "x@d @d",
        "x,  @d",      "\"x\"@d, @e",     "@d, @e",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        found(&aliases, good[i], ROWS({0, good[i]}));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ends(&aliases, LOOKUP_TEMPORARY, ROWS({0, bad[i]}));
        found(&plain, bad[i], ROWS({0, bad[i]}));
    }
    ends(&aliases, LOOKUP_TEMPORARY, ROWS({2, "@d.example"}, {2, "x@d.example"}));
}
