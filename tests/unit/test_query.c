/* The SQL of a map: which lists it names, what is no list, and the statements made from it. */
#include "lookup/query.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const size_t two_each[LIST_COUNT] = {2, 2, 2, 2, 2, 2};

static void expand(const char *sql, enum keys_kind keys, const char *expected, size_t parameters)
{
    char error[160] = "";
    struct query *query = query_parse(sql, keys, error, sizeof error);
    cr_assert(query, "%s: %s", sql, error);
    size_t count;
    char *text = query_expand(query, two_each, &count);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(count, parameters);
    free(text);
    query_free(query);
}

static void refuse(const char *sql, enum keys_kind keys, const char *expected)
{
    char error[160] = "";
    cr_assert_null(query_parse(sql, keys, error, sizeof error), "%s was taken", sql);
    cr_assert(strstr(error, expected), "%s: \"%s\" does not say \"%s\"", sql, error, expected);
}

Test(query, lists_become_parameters)
{
    expand("SELECT a, b FROM t WHERE a IN (:domains)", KEYS_DOMAIN,
           "SELECT a, b FROM t WHERE a IN (?,?)", 2);
    expand("SELECT a, b FROM t WHERE a IN (:addresses, :at_domains)", KEYS_ADDRESS,
           "SELECT a, b FROM t WHERE a IN (?,?, ?,?)", 4);
    expand("x IN (:domains) y IN (:domains)", KEYS_ADDRESS, "x IN (?,?) y IN (?,?)", 4);
    expand("IN (:key)", KEYS_EXACT, "IN (?,?)", 2);
    expand("SELECT a := 1, b FROM t WHERE a IN (:clients)", KEYS_CLIENT,
           "SELECT a := 1, b FROM t WHERE a IN (?,?)", 2);
}

Test(query, quotes_and_comments_are_left_alone)
{
    expand("SELECT ':domains?', \":x\", `a:b?` FROM t -- :y ?\n WHERE a IN (:domains)", KEYS_DOMAIN,
           "SELECT ':domains?', \":x\", `a:b?` FROM t -- :y ?\n WHERE a IN (?,?)", 2);
    expand("SELECT 'it''s :x', 'a\\':y?' /* :z ? */ # :w\n, b WHERE a IN (:key)", KEYS_EXACT,
           "SELECT 'it''s :x', 'a\\':y?' /* :z ? */ # :w\n, b WHERE a IN (?,?)", 2);
    expand("SELECT 5--1 IN (:key)", KEYS_EXACT, "SELECT 5--1 IN (?,?)", 2);
}

Test(query, what_is_wrong_is_said)
{
    refuse("SELECT a, b FROM t WHERE a IN (:domain)", KEYS_DOMAIN, "unknown list \":domain\"");
    refuse("SELECT a, b FROM t WHERE a IN (:addresses)", KEYS_DOMAIN, "have no list");
    refuse("SELECT a, b FROM t WHERE a = ?", KEYS_DOMAIN, "\"?\"");
    refuse("SELECT a, b FROM t", KEYS_CLIENT, ":clients");
    refuse("SELECT ':domains'", KEYS_DOMAIN, "names no list");
    refuse("SELECT ' :domains", KEYS_DOMAIN, "names no list");
    refuse("SELECT /* :domains", KEYS_DOMAIN, "names no list");
    refuse("", KEYS_EXACT, ":key");
}

Test(query, what_is_right_for_one_key_only_is_refused)
{
    static const char *const wrong[] = {
        "SELECT k, v FROM t WHERE k = :key",
        "SELECT k, v FROM t WHERE (k = :key)",
        "SELECT k, v FROM t WHERE k LIKE CONCAT('%', :key)",
        "SELECT k, v FROM t WHERE k IN (CONCAT(:key, '.'))",
        "SELECT k, v FROM t WHERE k IN (CONCAT('.', :key))",
        "SELECT k, v FROM t WHERE k IN ('a', LOWER(:key))",
        "SELECT k, v FROM t WHERE k IN (SELECT :key)",
        "SELECT k, v FROM t WHERE k IN :key",
        "SELECT k, v FROM t WHERE t.in (:key)",
        "SELECT k, v FROM t WHERE begin (:key)",
        "SELECT :key, v FROM t",
        "SELECT k, v FROM t WHERE (k, v) IN ((:key, 1))",
        ":key",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refuse(wrong[i], KEYS_EXACT, "\":key\" becomes the keys of many lookups");
    refuse("SELECT k, v FROM t WHERE k IN (:key || '.')", KEYS_EXACT, "stands alone");
    refuse("SELECT k, v FROM t WHERE k IN (:key COLLATE utf8mb4_bin)", KEYS_EXACT, "stands alone");
    refuse("SELECT k, v FROM t WHERE k IN (:key) LIMIT 1", KEYS_EXACT, "LIMIT");
    refuse("SELECT k, v FROM t WHERE k IN (:key)/**/limit 1", KEYS_EXACT, "LIMIT");
    refuse("SELECT k, v FROM t WHERE k IN (:key) FETCH FIRST 1 ROWS ONLY", KEYS_EXACT, "LIMIT");
    refuse("((SELECT k, v FROM t WHERE k IN (:key) LIMIT 1))", KEYS_EXACT, "LIMIT");
    refuse("SELECT k, v FROM t WHERE k IN (:key) UNION ALL (SELECT k, v FROM u LIMIT 1)",
           KEYS_EXACT, "LIMIT");

    static const char *const right[] = {
        "SELECT k, v FROM t WHERE k in(:key)",
        "SELECT k, v FROM t WHERE k IN /* :x */ ( -- :y\n :key )",
        "SELECT k, v FROM t WHERE k IN ('limit', :key, F('a', (1)), :key) AND `limit` AND t.limit",
        "SELECT k, (SELECT h FROM x WHERE x.k = t.k LIMIT 1) FROM t WHERE (1 AND (k IN (:key)))",
        "(SELECT k, ((SELECT h FROM x LIMIT 1)) FROM t WHERE k IN (:key)) UNION (SELECT 1, 2)",
        "SELECT DISTINCT (SELECT h FROM x LIMIT 1), v FROM t WHERE k IN (:key)",
        "SELECT k, no_limit FROM \xc3\xbclimit WHERE k IN (:key) AND @limit <> limits",
        "SELECT k, v FROM t WHERE k IN (((((((((((((1)))))))))))), :key)",
    };
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        char error[160] = "";
        struct query *query = query_parse(right[i], KEYS_EXACT, error, sizeof error);
        cr_expect(query, "%s: %s", right[i], error);
        query_free(query);
    }
}

Test(query, places_are_in_order)
{
    char error[160];
    struct query *query =
        query_parse("IN (:domains, :addresses) IN (:domains)", KEYS_ADDRESS, error, 160);
    cr_assert_eq(query_place_count(query), 3);
    cr_assert_eq(query_place(query, 0), LIST_DOMAINS);
    cr_assert_eq(query_place(query, 1), LIST_ADDRESSES);
    cr_assert_eq(query_place(query, 2), LIST_DOMAINS);
    size_t capacity[LIST_COUNT] = {[LIST_DOMAINS] = 3, [LIST_ADDRESSES] = 1};
    size_t count;
    char *text = query_expand(query, capacity, &count);
    cr_assert_str_eq(text, "IN (?,?,?, ?) IN (?,?,?)");
    cr_assert_eq(count, 7);
    free(text);
    query_free(query);
}
