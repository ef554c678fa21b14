#include "lookup/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 253

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool take_host(const char *text, size_t len, struct address *out, const char **error)
{
    out->host = strndup(text, len);
    if (out->host == NULL)
        *error = "no memory";
    return out->host != NULL;
}

/* A number of 1 to 5 digits in 1..65535, and nothing after it; 0 when it is none. */
static unsigned parse_port(const char *text)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] != '\0')
        return 0;
    unsigned long port = strtoul(text, NULL, 10);
    return port <= 65535 ? (unsigned)port : 0;
}

static bool parse_unix(const char *path, struct address *out, const char **error)
{
    size_t len = strlen(path);
    out->kind = ADDRESS_UNIX;
    if (path[0] != '/') {
        *error = "the path of a unix socket must begin with \"/\"";
        return false;
    }
    if (path[len - 1] == '/') {
        *error = "the path of a unix socket must not end with \"/\"";
        return false;
    }
    if (len > ADDRESS_UNIX_MAX) {
        *error = "the path of a unix socket may have at most 107 octets";
        return false;
    }
    return take_host(path, len, out, error);
}

/* Names of descriptors: systemd.socket(5), FileDescriptorName=. */
static bool parse_systemd(const char *name, struct address *out, const char **error)
{
    size_t len = strlen(name);
    out->kind = ADDRESS_SYSTEMD;
    bool good = len >= 1 && len <= 255;
    for (size_t i = 0; i < len; i++)
        good = good && name[i] > 0x20 && name[i] < 0x7f && name[i] != ':';
    if (!good) {
        *error = "\"systemd:\" needs the FileDescriptorName= of a socket unit";
        return false;
    }
    return take_host(name, len, out, error);
}

/* The host in brackets at the beginning of text; *rest gets what follows the closing one. */
static bool parse_brackets(const char *text, struct address *out, const char **rest,
                           const char **error)
{
    struct in6_addr ipv6;
    const char *end = strchr(text, ']');
    if (end == NULL) {
        *error = "a \"[\" without \"]\"";
        return false;
    }
    if (!take_host(text + 1, (size_t)(end - text - 1), out, error))
        return false;
    if (inet_pton(AF_INET6, out->host, &ipv6) != 1) {
        *error = "only an IPv6 address stands in brackets, such as [2001:db8::1]";
        return false;
    }
    *rest = end + 1;
    return true;
}

static bool is_host_name(const char *host, size_t len)
{
    if (len == 0 || len > HOST_MAX || host[0] == '.' || host[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && strchr("-._", host[i]) == NULL)
            return false;
    return memmem(host, len, "..", 2) == NULL;
}

/* Digits and dots only: an address that was mistyped, not a name. */
static bool looks_numeric(const char *host, size_t len)
{
    return strspn(host, "0123456789.") >= len;
}

static bool parse_inet(const char *text, bool listener, struct address *out, const char **error)
{
    struct in_addr ipv4;
    const char *rest;
    out->kind = ADDRESS_INET;
    if (text[0] == '[') {
        if (!parse_brackets(text, out, &rest, error))
            return false;
    } else {
        const char *colon = strchr(text, ':');
        if (colon != NULL && strchr(colon + 1, ':') != NULL) {
            *error = "an IPv6 address must stand in brackets, such as [2001:db8::1]";
            return false;
        }
        size_t len = colon ? (size_t)(colon - text) : strlen(text);
        if (!take_host(text, len, out, error))
            return false;
        if (inet_pton(AF_INET, out->host, &ipv4) != 1) {
            if (listener) {
                *error = "must be inet:ADDRESS:PORT with a numeric address, such as "
                         "inet:127.0.0.1:2501 (0.0.0.0 or [::] stand for all addresses)";
                return false;
            }
            if (!is_host_name(out->host, len) || looks_numeric(out->host, len)) {
                *error = "neither a host name nor an address";
                return false;
            }
        }
        rest = text + len;
    }
    if (rest[0] == '\0' && !listener) {
        out->port = ADDRESS_DATABASE_PORT;
        return true;
    }
    out->port = rest[0] == ':' ? parse_port(rest + 1) : 0;
    if (out->port == 0) {
        *error = listener ? "needs a port of 1 to 65535 after the host, such as \":2501\""
                          : "needs a port of 1 to 65535 after the \":\", or neither";
        return false;
    }
    return true;
}

static bool finish(bool good, struct address *out)
{
    if (!good)
        address_clear(out);
    return good;
}

bool address_parse_listener(const char *text, struct address *out, const char **error)
{
    *out = (struct address){.host = NULL};
    if (starts_with(text, "unix:"))
        return finish(parse_unix(text + 5, out, error), out);
    if (starts_with(text, "inet:"))
        return finish(parse_inet(text + 5, true, out, error), out);
    if (starts_with(text, "systemd:"))
        return finish(parse_systemd(text + 8, out, error), out);
    *error = "must begin with \"unix:\", \"inet:\" or \"systemd:\"";
    return false;
}

bool address_parse_database(const char *text, struct address *out, const char **error)
{
    *out = (struct address){.host = NULL};
    if (starts_with(text, "unix:"))
        return finish(parse_unix(text + 5, out, error), out);
    if (text[0] == '/') {
        *error = "a path needs \"unix:\" before it";
        return false;
    }
    if (starts_with(text, "inet:")) {
        *error = "a host stands here without \"inet:\", such as db.example.net:3306";
        return false;
    }
    return finish(parse_inet(text, false, out, error), out);
}

void address_clear(struct address *address)
{
    free(address->host);
    *address = (struct address){.host = NULL};
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->kind != b->kind || a->port != b->port)
        return false;
    struct in6_addr a6, b6;
    if (a->kind == ADDRESS_INET && inet_pton(AF_INET6, a->host, &a6) == 1 &&
        inet_pton(AF_INET6, b->host, &b6) == 1)
        return memcmp(&a6, &b6, sizeof a6) == 0;
    return strcmp(a->host, b->host) == 0;
}

static bool is_any(const char *host)
{
    struct in6_addr ipv6;
    return strcmp(host, "0.0.0.0") == 0 ||
           (inet_pton(AF_INET6, host, &ipv6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&ipv6));
}

bool address_overlaps(const struct address *a, const struct address *b)
{
    return a->kind == ADDRESS_INET && b->kind == ADDRESS_INET && a->port == b->port &&
           (strchr(a->host, ':') != NULL) == (strchr(b->host, ':') != NULL) &&
           is_any(a->host) != is_any(b->host);
}

static bool bits_beyond(const unsigned char *address, unsigned prefix, unsigned bits)
{
    for (unsigned bit = prefix; bit < bits; bit++)
        if (address[bit / 8] & (0x80u >> (bit % 8)))
            return true;
    return false;
}

bool network_parse(const char *text, struct network *out, const char **error)
{
    char host[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    memset(out, 0, sizeof *out);
    if (len >= sizeof host) {
        *error = "not a network, such as 192.0.2.0/24 or 2001:db8::/32";
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, out->address) == 1) {
        out->family = AF_INET;
    } else if (inet_pton(AF_INET6, host, out->address) == 1) {
        out->family = AF_INET6;
    } else {
        *error = "not a network, such as 192.0.2.0/24 or 2001:db8::/32";
        return false;
    }
    unsigned bits = out->family == AF_INET ? 32 : 128;
    out->prefix = bits;
    if (text[len] == '/') {
        const char *digits = text + len + 1;
        size_t count = strspn(digits, "0123456789");
        if (count == 0 || count > 3 || digits[count] != '\0' || strtoul(digits, NULL, 10) > bits) {
            *error = out->family == AF_INET ? "needs a length of 0 to 32 after the \"/\""
                                            : "needs a length of 0 to 128 after the \"/\"";
            return false;
        }
        out->prefix = (unsigned)strtoul(digits, NULL, 10);
    }
    if (bits_beyond(out->address, out->prefix, bits)) {
        *error = "has bits set beyond the length of the network";
        return false;
    }
    return true;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned count)
{
    if (memcmp(a, b, count / 8) != 0)
        return false;
    return count % 8 == 0 || ((a[count / 8] ^ b[count / 8]) >> (8 - count % 8)) == 0;
}

bool network_contains(const struct network *network, const struct sockaddr *peer)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    if (peer->sa_family == AF_INET) {
        memcpy(&ipv4, peer, sizeof ipv4);
        return network->family == AF_INET &&
               same_bits(network->address, (const unsigned char *)&ipv4.sin_addr, network->prefix);
    }
    if (peer->sa_family != AF_INET6)
        return false;
    memcpy(&ipv6, peer, sizeof ipv6);
    const unsigned char *octets = ipv6.sin6_addr.s6_addr;
    if (network->family == AF_INET)
        return memcmp(octets, mapped, sizeof mapped) == 0 &&
               same_bits(network->address, octets + 12, network->prefix);
    return same_bits(network->address, octets, network->prefix);
}
