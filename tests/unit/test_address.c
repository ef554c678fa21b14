/* Addresses of listeners and database hosts, and networks of peers. */
#include "lookup/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* 107 octets with the slash, and one more. */
#define P10           "0123456789"
#define P50           P10 P10 P10 P10 P10
#define PATH_FITS     "/" P50 P50 "123456"
#define PATH_TOO_LONG PATH_FITS "7"

struct good {
    const char *text;
    enum address_kind kind;
    const char *host;
    unsigned port;
};

static void expect_good(bool (*parse)(const char *, struct address *, const char **),
                        const struct good *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct address address;
        const char *error = "";
        cr_assert(parse(list[i].text, &address, &error), "%s: %s", list[i].text, error);
        cr_expect_eq(address.kind, list[i].kind, "%s", list[i].text);
        cr_expect_str_eq(address.host, list[i].host, "%s: %s", list[i].text, address.host);
        cr_expect_eq(address.port, list[i].port, "%s: %u", list[i].text, address.port);
        address_clear(&address);
        cr_expect_null(address.host);
    }
}

static void expect_bad(bool (*parse)(const char *, struct address *, const char **),
                       const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct address address;
        const char *error = NULL;
        cr_expect_not(parse(list[i], &address, &error), "%s was taken", list[i]);
        cr_expect_not_null(error, "%s", list[i]);
        cr_expect_null(address.host, "%s", list[i]);
        address_clear(&address);
    }
}

Test(address, listener_good)
{
    static const struct good list[] = {
        {"unix:/run/s", ADDRESS_UNIX, "/run/s", 0},
        {"unix:" PATH_FITS, ADDRESS_UNIX, PATH_FITS, 0},
        {"inet:127.0.0.1:2501", ADDRESS_INET, "127.0.0.1", 2501},
        {"inet:0.0.0.0:1", ADDRESS_INET, "0.0.0.0", 1},
        {"inet:[::1]:65535", ADDRESS_INET, "::1", 65535},
        {"inet:[2001:db8::10]:25", ADDRESS_INET, "2001:db8::10", 25},
        {"systemd:socketmap", ADDRESS_SYSTEMD, "socketmap", 0},
    };
    expect_good(address_parse_listener, list, COUNT(list));
}

Test(address, listener_bad)
{
    static const char *const list[] = {
        "",
        "unix:",
        "unix:relative",
        "unix:/",
        "unix:/run/",
        "unix:" PATH_TOO_LONG,
        "/run/s",
        "127.0.0.1:2501",
        "inet:",
        "inet:2501",
        "inet::2501",
        "inet:127.0.0.1",
        "inet:127.0.0.1:",
        "inet:127.0.0.1:0",
        "inet:127.0.0.1:65536",
        "inet:127.0.0.1:999999999999",
        "inet:127.0.0.1:-1",
        "inet:127.0.0.1:+1",
        "inet:127.0.0.1: 1",
        "inet:127.0.0.1:1 ",
        "inet:127.0.0.1:0x10",
        "inet:127.1:2501",
        "inet:127.0.0.256:2501",
        "inet:localhost:2501",
        "inet:*:2501",
        "inet:::1:2501",
        "inet:[::1]",
        "inet:[::1]2501",
        "inet:[::1:2501",
        "inet:[127.0.0.1]:2501",
        "inet:[]:2501",
        "inet:[fe80::1%eth0]:2501",
        "systemd:",
        "systemd:a:b",
        "systemd:a b",
        "tcp:127.0.0.1:1",
    };
    expect_bad(address_parse_listener, list, COUNT(list));
}

Test(address, database_good)
{
    static const struct good list[] = {
        {"unix:/run/mysqld/mysqld.sock", ADDRESS_UNIX, "/run/mysqld/mysqld.sock", 0},
        {"db2.example.net:3307", ADDRESS_INET, "db2.example.net", 3307},
        {"db2", ADDRESS_INET, "db2", 3306},
        {"192.0.2.1", ADDRESS_INET, "192.0.2.1", 3306},
        {"192.0.2.1:33", ADDRESS_INET, "192.0.2.1", 33},
        {"[2001:db8::1]:3306", ADDRESS_INET, "2001:db8::1", 3306},
        {"[2001:db8::1]", ADDRESS_INET, "2001:db8::1", 3306},
    };
    expect_good(address_parse_database, list, COUNT(list));
}

Test(address, database_bad)
{
    static const char *const list[] = {
        "",          "unix:",    "unix:s",    "/run/mysqld/mysqld.sock",
        "inet:db:1", "db:",      "db:0",      "db:65536",
        "db:mysql",  ":3306",    "a b",       "a..b",
        ".a",        "-a",       "192.0.2",   "192.0.2.256",
        "::1",       "[::1",     "[::1]x",    "[db]:3306",
        "a,b",       "db:3306,", "db:3306\n", "db%",
    };
    expect_bad(address_parse_database, list, COUNT(list));
}

static bool compare(bool (*how)(const struct address *a, const struct address *b), const char *a,
                    const char *b)
{
    struct address first, second;
    const char *error;
    cr_assert(address_parse_listener(a, &first, &error), "%s", a);
    cr_assert(address_parse_listener(b, &second, &error), "%s", b);
    bool result = how(&first, &second);
    cr_expect_eq(how(&second, &first), result, "%s, %s", a, b);
    address_clear(&first);
    address_clear(&second);
    return result;
}

static bool equal(const char *a, const char *b)
{
    return compare(address_equal, a, b);
}

static bool overlap(const char *a, const char *b)
{
    return compare(address_overlaps, a, b);
}

Test(address, equal)
{
    cr_expect(equal("unix:/a", "unix:/a"));
    cr_expect_not(equal("unix:/a", "unix:/b"));
    cr_expect_not(equal("unix:/a", "systemd:a"));
    cr_expect(equal("inet:127.0.0.1:1", "inet:127.0.0.1:1"));
    cr_expect_not(equal("inet:127.0.0.1:1", "inet:127.0.0.1:2"));
    cr_expect_not(equal("inet:127.0.0.1:1", "inet:127.0.0.2:1"));
    cr_expect(equal("inet:[::1]:1", "inet:[0:0::1]:1"));
    cr_expect(equal("inet:[2001:DB8::a]:1", "inet:[2001:db8::A]:1"));
    cr_expect_not(equal("inet:[::1]:1", "inet:[::2]:1"));
}

Test(address, overlaps)
{
    cr_expect(overlap("inet:127.0.0.1:1", "inet:0.0.0.0:1"));
    cr_expect(overlap("inet:[::1]:1", "inet:[::]:1"));
    cr_expect(overlap("inet:[::1]:1", "inet:[0::0]:1"));
    cr_expect_not(overlap("inet:0.0.0.0:1", "inet:0.0.0.0:1")); /* the same */
    cr_expect_not(overlap("inet:127.0.0.1:1", "inet:127.0.0.2:1"));
    cr_expect_not(overlap("inet:127.0.0.1:1", "inet:0.0.0.0:2"));
    cr_expect_not(overlap("inet:127.0.0.1:1", "inet:[::]:1")); /* only of IPv6 */
    cr_expect_not(overlap("inet:0.0.0.0:1", "inet:[::]:1"));
    cr_expect_not(overlap("inet:0.0.0.0:1", "unix:/a"));
    cr_expect_not(overlap("systemd:a", "unix:/a"));
}

Test(address, network_bad)
{
    static const char *const list[] = {
        "",
        "x",
        "10",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0.1/8",
        "10.0.0.0/ 8",
        "10.0.0/8",
        "::/129",
        "2001:db8::1/32",
        "[::1]/128",
        "::1/",
        "10.0.0.0/8/8",
        "localhost/8",
        "10.0.0.0/0000000008",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        struct network network;
        const char *error = NULL;
        cr_expect_not(network_parse(list[i], &network, &error), "%s was taken", list[i]);
        cr_expect_not_null(error);
    }
}

static bool contains(const char *text, const char *peer)
{
    struct network network;
    const char *error = "";
    cr_assert(network_parse(text, &network, &error), "%s: %s", text, error);
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, peer, &ipv4.sin_addr) == 1)
        return network_contains(&network, (const struct sockaddr *)&ipv4);
    cr_assert_eq(inet_pton(AF_INET6, peer, &ipv6.sin6_addr), 1);
    return network_contains(&network, (const struct sockaddr *)&ipv6);
}

Test(address, network_contains)
{
    cr_expect(contains("127.0.0.0/8", "127.255.255.255"));
    cr_expect_not(contains("127.0.0.0/8", "128.0.0.0"));
    cr_expect(contains("192.0.2.1", "192.0.2.1"));
    cr_expect_not(contains("192.0.2.1", "192.0.2.2"));
    cr_expect(contains("192.0.2.128/25", "192.0.2.128"));
    cr_expect_not(contains("192.0.2.128/25", "192.0.2.127"));
    cr_expect(contains("0.0.0.0/0", "203.0.113.9"));
    cr_expect_not(contains("0.0.0.0/0", "2001:db8::1"));
    cr_expect(contains("2001:db8::/33", "2001:db8:7fff::1"));
    cr_expect_not(contains("2001:db8::/33", "2001:db8:8000::1"));
    cr_expect(contains("::1", "::1"));
    cr_expect_not(contains("::/0", "192.0.2.1"));
    cr_expect(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    cr_expect_not(contains("10.0.0.0/8", "::ffff:11.1.2.3"));
    cr_expect_not(contains("10.0.0.0/8", "::10.1.2.3"));
    struct network network;
    const char *error;
    cr_assert(network_parse("0.0.0.0/0", &network, &error));
    cr_expect_not(network_contains(&network, &(struct sockaddr){.sa_family = AF_UNIX}));
}
