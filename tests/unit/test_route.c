/* Routes: what smtp(8) survives passes, everything else does not. */
#include "common/route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const transports[] = {"relay", "smtp",  "smtps",   "lmtp", "hold",
                                         "retry", "error", "discard", NULL};

static const char *check(const char *route)
{
    return route_check(route, strlen(route), transports);
}

Test(route, good)
{
    static const char *const good[] = {
        "relay:",
        ":",
        "hold:",
        ":[mail.example.net]",
        ":example.com",
        "smtp:example.com",
        "smtp:example.com:25",
        "smtp:[mail.example.net]",
        "smtp:[Mail.Example.Net]:2525",
        "smtp:[10.0.0.1]:65535",
        "smtp:[10.0.0.1]:1",
        "smtp:[255.255.255.255]",
        "smtps:[mail.example.net]:465",
        "smtp:[2001:db8::1]",
        "smtp:[2001:db8::1]:25",
        "smtp:[ipv6:2001:db8::1]",
        "smtp:[IPv6:2001:DB8::1]:25",
        "smtp:[1:2:3:4:5:6:7:8]",
        "smtp:[::1]",
        "relay:[a]:25,[b]:25",
        "relay:[a]:25, [b]:25",
        "relay:[a]:25 ,  [b]:25",
        "relay:[a]:25 [b]:25 c",
        "relay:a_b.example",
        "relay:localhost",
        "lmtp:unix:/run/dovecot/lmtp",
        "lmtp:unix:private/dovecot-lmtp",
        "lmtp:inet:[10.0.0.7]:24",
        "lmtp:inet:host:24",
        "lmtp:host:24",
        "lmtp:inet:[10.0.0.7]:24, [10.0.0.8]:24",
        "error:",
        "error:5.1.1 no such user",
        "error: 5.1.1 no such user",
        "retry:4.3.0 wait, please: [soon",
        "discard:silently",
        "discard:",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        cr_expect_null(check(good[i]), "%s: %s", good[i], check(good[i]));
}

Test(route, bad)
{
    static const struct {
        const char *route, *word; /* a word of the complaint */
    } bad[] = {
        {"", "empty"},
        {"relay", "transport:nexthop"},
        {"mail.example.net", "transport:nexthop"},
        {"[mail.example.net]", "transport:nexthop"},
        {"[127.0.0.1]:25", "transports"},
        {"garbage:[a]", "transports"},
        {"SMTP:[a]", "transports"},
        {"smt:[a]", "transports"},
        {"smtpx:[a]", "transports"},
        {" smtp:[a]", "beginning or end"},
        {"smtp:[a] ", "beginning or end"},
        {"error:text ", "beginning or end"},
        {"smtp: [a]", "after the transport"},
        {"smtp:[a]\n", "printable"},
        {"smtp:[a],\t[b]", "printable"},
        {"error:n\xc3\xb6", "printable"},
        {"error:a\x7f", "printable"},
        {"smtp::host:25", "more than one ':'"},
        {"smtp::25", "host is missing"},
        {"smtp:host:", "port is missing"},
        {"smtp:[host]:", "port is missing"},
        {"smtp:[host", "']' is missing"},
        {"smtp:[sp ace.example]:25", "']' is missing"},
        {"smtp:host]", "not a host name"},
        {"smtp:[host]25", "may follow ']'"},
        {"smtp:[[host]]", "between '[' and ']'"},
        {"smtp:[]", "between '[' and ']'"},
        {"smtp:[]:25", "between '[' and ']'"},
        {"smtp:[host:25]", "no IPv6 address"},
        {"smtp:[10.0.0.256]", "between '[' and ']'"},
        {"smtp:[10.0.0]", "between '[' and ']'"},
        {"smtp:[010.0.0.1]", "between '[' and ']'"},
        {"smtp:[0.1.2.3]", "between '[' and ']'"},
        {"smtp:[0.0.0.0]", "between '[' and ']'"},
        {"smtp:[12345]", "between '[' and ']'"},
        {"smtp:[1:2:3:4:5:6:7::]", "no IPv6 address"},
        {"smtp:[::2:3:4:5:6:7:8]", "no IPv6 address"},
        {"smtp:[2001:db8::1::2]", "no IPv6 address"},
        {"smtp:[fe80::1%eth0]", "no IPv6 address"},
        {"smtp:[::ffff:10.0.0.1]", "no IPv6 address"},
        {"smtp:[ipv6:]", "no IPv6 address"},
        {"smtp:[ipv6:10.0.0.1]", "no IPv6 address"},
        {"smtp:[ipv6:ipv6:::1]", "no IPv6 address"},
        {"smtp:[:]", "no IPv6 address"},
        {"smtp:10.0.0.1", "needs brackets"},
        {"smtp:10.0.0.1:25", "needs brackets"},
        {"smtp:2001:db8::1", "needs brackets"},
        {"smtp:::1", "needs brackets"},
        {"smtp:host:0", "1 to 65535"},
        {"smtp:host:65536", "1 to 65535"},
        {"smtp:host:025", "1 to 65535"},
        {"smtp:host:99999999999999999999", "1 to 65535"},
        {"smtp:host:smtp", "number"},
        {"smtp:host:25x", "number"},
        {"smtp:host:+25", "number"},
        {"smtp:[host]:submission", "number"},
        {"smtp:host.", "not a host name"},
        {"smtp:.host", "not a host name"},
        {"smtp:-host", "not a host name"},
        {"smtp:ho/st", "not a host name"},
        {"smtp:*", "not a host name"},
        {"smtp:user@host", "not a host name"},
        {"smtp:,", "missing beside"},
        {"smtp:,[a]", "missing beside"},
        {"smtp:[a],", "missing beside"},
        {"smtp:[a],,[b]", "missing beside"},
        {"smtp:[a], ,[b]", "missing beside"},
        {"smtp:[a],[b", "']' is missing"},
        {"smtp:[a];[b]", "may follow ']'"},
        {"smtp:unix:/run/x", "port must be a number"},
        {"smtp:inet:host:25", "more than one ':'"},
        {"lmtp:inet:", "after 'inet:'"},
        {"lmtp:[a]:24,inet:[b]:24", "more than one ':'"},
        {"lmtp:inet:unix:/x", "number"},
        {"lmtp:unix:", "path is missing"},
        {"lmtp:unix:/a b", "blank or comma"},
        {"lmtp:unix:/a,/b", "blank or comma"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *error = check(bad[i].route);
        cr_expect_not_null(error, "%s passed", bad[i].route);
        if (error != NULL)
            cr_expect_not_null(strstr(error, bad[i].word), "%s: %s", bad[i].route, error);
    }
    cr_expect_not_null(route_check("smtp:[a]\0", 9, transports));
    cr_expect_not_null(route_check("error:a\0b", 9, transports));
}

Test(route, only_listed_transports)
{
    static const char *const none[] = {NULL};
    cr_expect_not_null(route_check("smtp:[a]", 8, none));
    cr_expect_not_null(route_check("error:x", 7, none));
    cr_expect_null(route_check(":[a]", 4, none));
    cr_expect_null(route_check(":", 1, none));
}

Test(route, lengths)
{
    char route[ROUTE_MAX + 8] = "error:";
    memset(route + 6, 'x', sizeof route - 6);
    cr_expect_null(route_check(route, ROUTE_MAX, transports));
    cr_expect_not_null(route_check(route, ROUTE_MAX + 1, transports));
    /* sun_path has 108 octets with its NUL; one more is fatal to smtp(8). */
    memcpy(route, "lmtp:unix:/", 11);
    cr_expect_null(route_check(route, 10 + 107, transports));
    cr_expect_not_null(route_check(route, 10 + 108, transports));
    /* Reads no further than told. */
    cr_expect_null(route_check("smtp:[a]garbage", 8, transports));
    cr_expect_not_null(route_check("smtp:[a]", 7, transports));
}

/* The tables check routes too: what they take must be what lookupd sends. */
Test(route, same_as_the_tables)
{
    FILE *file = fopen(ROUTES, "r");
    cr_assert(file, "%s", ROUTES);
    char line[4096];
    unsigned good = 0;
    unsigned bad = 0;
    while (fgets(line, sizeof line, file)) {
        char *save;
        const char *verdict = strtok_r(line, "\t\n", &save);
        if (verdict == NULL || *verdict == '#')
            continue;
        char *rest = line + strlen(verdict) + 1;
        const char *route = strsep(&rest, "\t\n");
        if (strcmp(verdict, "good") == 0) {
            cr_expect_null(check(route), "%s: %s", route, check(route));
            good++;
        } else if (strcmp(verdict, "bad") == 0) {
            cr_expect(check(route), "%s is taken", route);
            bad++;
        }
    }
    (void)fclose(file);
    cr_assert(good > 20 && bad > 40, "only %u good and %u bad routes", good, bad);
}
