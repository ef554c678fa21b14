/*
 * Routes. What is refused here is what Postfix 3.7 does not survive: host_port(),
 * smtp_parse_destination() and unix_connect() end the process on a text that they cannot parse.
 */
#include "common/route.h"

#include "common/mailname.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define PORT_MAX 65535

struct span {
    const char *text;
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.text, word, s.len) == 0;
}

/* Drops a prefix; false when s does not begin with it. */
static bool skip_prefix(struct span *s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (s->len < n || memcmp(s->text, prefix, n) != 0)
        return false;
    s->text += n;
    s->len -= n;
    return true;
}

static const char *check_port(struct span s)
{
    unsigned port = 0;
    if (s.len == 0)
        return "a port is missing after ':'";
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.text[i]))
            return "a port must be a number (names of services are not taken)";
        port = port * 10 + (unsigned)(s.text[i] - '0');
        if (port == 0 || port > PORT_MAX)
            return "a port must be from 1 to 65535, without leading zeros";
    }
    return NULL;
}

/* An IPv4 address that Postfix's valid_ipv4_hostaddr() takes too: 0.x.x.x it refuses. */
static bool is_ipv4(const char *text)
{
    struct in_addr a;
    return inet_pton(AF_INET, text, &a) == 1 && (ntohl(a.s_addr) >> 24) != 0;
}

/*
 * An IPv6 address that Postfix's valid_ipv6_hostaddr() takes too: it refuses an eighth colon, which
 * inet_pton() lets pass in 1:2:3:4:5:6:7::. Forms with a dotted tail are left out: what they stand
 * for is an IPv4 address.
 */
static bool is_ipv6(const char *text)
{
    struct in6_addr a;
    size_t colons = 0;
    for (const char *p = text; *p != '\0'; p++)
        colons += *p == ':';
    return colons <= 7 && strchr(text, '.') == NULL && inet_pton(AF_INET6, text, &a) == 1;
}

/* What stands between brackets: Postfix takes an IPv6 address with and without "ipv6:". */
static const char *check_bracketed(struct span s)
{
    char address[sizeof "ipv6:" + INET6_ADDRSTRLEN];
    if (memchr(s.text, ':', s.len) == NULL) {
        if (mailname_is_host(s.text, s.len))
            return NULL;
        if (s.len < sizeof address) {
            memcpy(address, s.text, s.len);
            address[s.len] = '\0';
            if (is_ipv4(address))
                return NULL;
        }
        return "no host name and no address between '[' and ']'";
    }
    if (s.len < sizeof address) {
        memcpy(address, s.text, s.len);
        address[s.len] = '\0';
        if (is_ipv6(strncasecmp(address, "ipv6:", 5) == 0 ? address + 5 : address))
            return NULL;
    }
    return "no IPv6 address between '[' and ']'";
}

static const char *check_destination(struct span s)
{
    if (s.text[0] == '[') {
        const char *end = memchr(s.text, ']', s.len);
        if (end == NULL)
            return "']' is missing";
        struct span inside = {s.text + 1, (size_t)(end - s.text) - 1};
        struct span rest = {end + 1, s.len - inside.len - 2};
        const char *error = check_bracketed(inside);
        if (error != NULL || rest.len == 0)
            return error;
        if (!skip_prefix(&rest, ":"))
            return "only ':' and a port may follow ']'";
        return check_port(rest);
    }
    const char *colon = memchr(s.text, ':', s.len);
    struct span host = {s.text, colon != NULL ? (size_t)(colon - s.text) : s.len};
    if (colon != NULL && memchr(colon + 1, ':', s.len - host.len - 1) != NULL)
        return "more than one ':' (an IPv6 address needs brackets)";
    if (host.len == 0)
        return "a host is missing before ':'";
    if (!mailname_is_host(host.text, host.len))
        return "not a host name (an address needs brackets)";
    if (colon == NULL)
        return NULL;
    return check_port((struct span){colon + 1, s.len - host.len - 1});
}

/*
 * Destinations are separated by blanks, with at most one comma among them. Postfix would skip
 * several; where somebody left a gap, a host is probably missing.
 */
static const char *check_list(struct span s)
{
    size_t i = 0;
    for (;;) {
        size_t from = i;
        while (i < s.len && s.text[i] != ',' && s.text[i] != ' ')
            i++;
        if (i == from)
            return "a destination is missing beside ','";
        const char *error = check_destination((struct span){s.text + from, i - from});
        if (error != NULL)
            return error;
        if (i == s.len)
            return NULL;
        while (i < s.len && s.text[i] == ' ')
            i++;
        if (i < s.len && s.text[i] == ',')
            i++;
        while (i < s.len && s.text[i] == ' ')
            i++;
    }
}

/* A path, absolute or (as in Debian, where lmtp is in a chroot) relative to the queue directory. */
static const char *check_unix(struct span path)
{
    if (path.len == 0)
        return "a path is missing after 'unix:'";
    if (path.len >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return "the path of the unix socket is too long";
    if (memchr(path.text, ' ', path.len) != NULL || memchr(path.text, ',', path.len) != NULL)
        return "a blank or comma in the path of a unix socket";
    return NULL;
}

static bool is_listed(struct span name, const char *const *transports)
{
    for (; *transports != NULL; transports++)
        if (span_is(name, *transports))
            return true;
    return false;
}

const char *route_check(const char *route, size_t len, const char *const *transports)
{
    if (len == 0)
        return "the route is empty";
    if (len > ROUTE_MAX)
        return "the route is too long";
    for (size_t i = 0; i < len; i++)
        if (route[i] < 0x20 || route[i] > 0x7e)
            return "a character that is not printable ASCII";
    if (route[0] == ' ' || route[len - 1] == ' ')
        return "a blank at the beginning or end";
    const char *colon = memchr(route, ':', len);
    if (colon == NULL)
        return "not of the form transport:nexthop";
    struct span transport = {route, (size_t)(colon - route)};
    struct span nexthop = {colon + 1, len - transport.len - 1};
    if (transport.len > 0 && !is_listed(transport, transports))
        return "the transport is not among the setting 'transports'";
    if (nexthop.len == 0 || span_is(transport, "error") || span_is(transport, "retry") ||
        span_is(transport, "discard"))
        return NULL;
    if (nexthop.text[0] == ' ')
        return "a blank after the transport";
    if (span_is(transport, "lmtp")) {
        if (skip_prefix(&nexthop, "unix:"))
            return check_unix(nexthop);
        if (skip_prefix(&nexthop, "inet:") && nexthop.len == 0)
            return "a host is missing after 'inet:'";
    }
    return check_list(nexthop);
}
