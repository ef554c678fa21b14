/*
 * Routes: what passes is taken apart once more, the way smtp(8) does it (split at commas and
 * blanks, then host and port), and must hold nothing that ends the process.
 */
#include "check.h"
#include "common/route.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const char *const transports[] = {"relay", "smtp",  "smtps",   "lmtp", "hold",
                                         "retry", "error", "discard", NULL};

static void check_port(const char *port)
{
    size_t n = strlen(port);
    CHECK(n > 0 && n <= 5 && strspn(port, "0123456789") == n);
    CHECK(strtol(port, NULL, 10) > 0 && strtol(port, NULL, 10) < 65536);
}

static void check_host(const char *host)
{
    size_t n = strlen(host), label = 0;
    CHECK(n > 0 && n <= 253 && strspn(host, "0123456789.") < n);
    for (size_t i = 0; i < n; i++) {
        if (host[i] == '.') {
            CHECK(label > 0 && host[i - 1] != '-' && i + 1 < n);
            label = 0;
            continue;
        }
        CHECK(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", host[i]));
        CHECK(label > 0 || host[i] != '-');
        CHECK(++label <= 63);
    }
    CHECK(host[n - 1] != '-');
}

static void check_inside(const char *inside)
{
    struct in6_addr binary;
    if (strchr(inside, ':') != NULL) {
        size_t colons = 0;
        inside += strncasecmp(inside, "ipv6:", 5) == 0 ? 5 : 0;
        for (const char *p = inside; *p != '\0'; p++)
            colons += *p == ':';
        CHECK(colons >= 2 && colons <= 7 && inet_pton(AF_INET6, inside, &binary) == 1);
    } else if (strspn(inside, "0123456789.") == strlen(inside)) {
        CHECK(inet_pton(AF_INET, inside, &binary) == 1 && inside[0] != '0');
    } else {
        check_host(inside);
    }
}

static void check_member(char *member)
{
    char *port;
    if (member[0] == '[') {
        char *end = strchr(member, ']');
        CHECK(end != NULL && (end[1] == '\0' || end[1] == ':'));
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        check_inside(member + 1);
    } else {
        port = strrchr(member, ':');
        if (port != NULL)
            *port++ = '\0';
        check_host(member);
    }
    if (port != NULL)
        check_port(port);
}

static void check_passed(const char *route, size_t len)
{
    char copy[ROUTE_MAX + 1];
    CHECK(len > 0 && len <= ROUTE_MAX);
    memcpy(copy, route, len);
    copy[len] = '\0';
    CHECK(strlen(copy) == len && copy[0] != ' ' && copy[len - 1] != ' ');
    for (size_t i = 0; i < len; i++)
        CHECK(copy[i] >= 0x20 && copy[i] < 0x7f);
    char *nexthop = strchr(copy, ':');
    CHECK(nexthop != NULL);
    *nexthop++ = '\0';
    bool known = copy[0] == '\0';
    for (size_t i = 0; transports[i] != NULL; i++)
        known = known || strcmp(copy, transports[i]) == 0;
    CHECK(known);
    if (strcmp(copy, "error") == 0 || strcmp(copy, "retry") == 0 || strcmp(copy, "discard") == 0)
        return;
    if (strcmp(copy, "lmtp") == 0 && strncmp(nexthop, "unix:", 5) == 0) {
        CHECK(strlen(nexthop + 5) > 0 && strlen(nexthop + 5) < 108);
        return;
    }
    if (strcmp(copy, "lmtp") == 0 && strncmp(nexthop, "inet:", 5) == 0) {
        nexthop += 5;
        CHECK(*nexthop != '\0');
    }
    if (*nexthop == '\0')
        return;
    size_t members = 0;
    char *rest = nexthop;
    for (char *member; (member = strsep(&rest, ", \t\r\n")) != NULL;)
        if (*member != '\0') {
            check_member(member);
            members++;
        }
    CHECK(members > 0); /* else smtp(8) panics */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *route = exact_copy(data, size);
    const char *error = route_check(route, size, transports);
    if (error == NULL)
        check_passed(route, size);
    else
        CHECK(error[0] != '\0');
    free(route);
    return 0;
}
