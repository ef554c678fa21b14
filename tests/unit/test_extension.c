/* Extensions of the addresses of an alias. The expected texts were compared with what Postfix's
 * mail_addr_crunch() makes of the same lists. */
#include "lookup/extension.h"

#include "lookup/answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct row {
    const char *list, *want; /* want NULL: unchanged */
};

static void check(const struct row *rows, size_t count, const char *extension)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        char *got =
            extension_add(rows[i].list, strlen(rows[i].list), extension, strlen(extension), &n);
        const char *want = rows[i].want != NULL ? rows[i].want : rows[i].list;
        cr_assert_not_null(got);
        cr_expect_str_eq(got, want, "%s: got %s", rows[i].list, got);
        cr_expect_eq(n, strlen(want));
        free(got);
    }
}

Test(extension, forms)
{
    static const struct row rows[] = {
        {"user@d", "user+Ext@d"},
        {"user", "user+Ext"},
        {"a@d,b@e", "a+Ext@d,b+Ext@e"},
        {"a@d, b@e", "a+Ext@d, b+Ext@e"},
        {"a@d b@e", "a+Ext@d b+Ext@e"},
        {" a@d ,\tb ", " a+Ext@d ,\tb+Ext "},
        {"a@d,,b", "a+Ext@d,,b+Ext"},
        {"a@d,", "a+Ext@d,"},
        {"a+x@d", "a+x+Ext@d"},
        {"\"a b\"@d", "\"a b+Ext\"@d"},
        {"\"a,b\"@d,c", "\"a,b+Ext\"@d,c+Ext"},
        {"\"a\\\"b\"@d", "\"a\\\"b+Ext\"@d"},
        {"\"a b\"", "\"a b+Ext\""},
        {"<user@d>", "<user+Ext@d>"},
        {"Name <user@d>", "Name <user+Ext@d>"},
        {"\"A, B\" <user@d>, c@e", "\"A, B\" <user+Ext@d>, c+Ext@e"},
        {"a=b@d", "a=b+Ext@d"},
        {"o'x@d", "o'x+Ext@d"},
        {"user@[192.0.2.1]", "user+Ext@[192.0.2.1]"},
        {"user@[IPv6:2001:db8::1], b", "user+Ext@[IPv6:2001:db8::1], b+Ext"},
        {"ü@bücher.example", "ü+Ext@bücher.example"},
        {"@d", NULL},
        {"@d,a@e", "@d,a+Ext@e"},
        {"<@d>", NULL},
        {"<>", NULL},
        {"\"\"", NULL},
        {"\"\"@d", NULL},
        {"", NULL},
        {" ", NULL},
        {",", NULL},
    };
    check(rows, COUNT(rows), "+Ext");
}

Test(extension, left_alone)
{
    static const struct row rows[] = {
        {"x%y@d", NULL},
        {"x%y", NULL},
        {"host!user", NULL},
        {"|program", NULL},
        {"/file", NULL},
        {":include:/x", NULL},
        {"\"a@b\"@d", NULL},
        {"\"a%b\"@d", NULL},
        {"a@b@c", NULL},
        {"user@", NULL},
        {".a@d", NULL},
        {"a.@d", NULL},
        {"a..b@d", NULL},
        {"a\"b\"@d", NULL},
        {"\"a\"b@d", NULL},
        {"\"a\"\"b\"@d", NULL},
        {"a\\ b@d", NULL},
        {"[192.0.2.1]", NULL},
        {"user @ d", NULL},
        {"user @d", NULL},
        {"user@ d", NULL},
        {"a . b@d", NULL},
        {"x % y", NULL},
        {"a@d <b@e> c@f", NULL},
        {"a@d (comment), b@e", NULL},
        {"a (c,d), b", NULL},
        {"group: a@d, b@e;", NULL},
        {"<@route:user@d>", NULL},
        {"a, b@d>", NULL},
        {"a, <b@d", NULL},
        {"a, \"b@d", NULL},
        {"a, b@[1.2.3.4", NULL},
        {"a, \"b\\", NULL},
        {"a, (b", NULL},
        {"a@d\"x\"", NULL},
    };
    check(rows, COUNT(rows), "+Ext");
}

Test(extension, odd_extensions)
{
    static const struct row blank[] = {
        {"user@d", "\"user+a b\"@d"}, {"user", "\"user+a b\""}, {"\"x y\"@d", "\"x y+a b\"@d"}};
    check(blank, COUNT(blank), "+a b");
    static const struct row quote[] = {{"user@d", "\"user+\\\"\\\\\"@d"}};
    check(quote, COUNT(quote), "+\"\\");
    static const struct row dots[] = {{"user@d", "\"user+a..b\"@d"}};
    check(dots, COUNT(dots), "+a..b");
    static const struct row dot[] = {{"user@d", "\"user+a.\"@d"}};
    check(dot, COUNT(dot), "+a.");
    static const struct row first[] = {{"user@d", "user.a@d"}};
    check(first, COUNT(first), ".a");
    static const struct row comma[] = {{"user@d", "\"user+a,b\"@d"}};
    check(comma, COUNT(comma), "+a,b");
    static const struct row utf8[] = {{"user@d", "user+ü@d"}};
    check(utf8, COUNT(utf8), "+ü");
    static const struct row same[] = {{"user@d, b", NULL}};
    check(same, COUNT(same), "");
    check(same, COUNT(same), "+a@b");
    check(same, COUNT(same), "+a%b");
    check(same, COUNT(same), "+a!b");
    check(same, COUNT(same), "+|a");
}

Test(extension, bounded)
{
    static char list[ANSWER_VALUE_MAX];
    char extension[500];
    size_t n;
    for (size_t i = 0; i < sizeof list; i++)
        list[i] = i % 2 == 0 ? 'a' : ',';
    memset(extension, 'x', sizeof extension);
    extension[0] = '+';
    char *got = extension_add(list, sizeof list, extension, sizeof extension, &n);
    cr_assert_not_null(got);
    cr_expect_gt(n, ANSWER_VALUE_MAX);
    cr_expect_lt(n, ANSWER_VALUE_MAX + 2 * sizeof extension);
    free(got);
    memset(list, '(', sizeof list);
    got = extension_add(list, sizeof list, "+x", 2, &n);
    cr_assert_not_null(got);
    cr_expect_eq(n, sizeof list);
    free(got);
    memset(list, '"', sizeof list);
    got = extension_add(list, sizeof list, "+x", 2, &n);
    cr_assert_not_null(got);
    cr_expect_eq(n, sizeof list);
    free(got);
}
