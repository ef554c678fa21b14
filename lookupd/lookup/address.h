/*
 * Addresses as they stand in a configuration: of listeners, of database servers, and the networks
 * that may connect. Asks no resolver and opens nothing.
 */
#ifndef LOOKUPD_ADDRESS_H
#define LOOKUPD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* sun_path of Linux has 108 octets, the last one for the NUL (unix(7)). */
#define ADDRESS_UNIX_MAX 107

#define ADDRESS_DATABASE_PORT 3306

enum address_kind { ADDRESS_UNIX, ADDRESS_INET, ADDRESS_SYSTEMD };

/* Splits "unix:/path", "inet:host:port", "inet:[v6]:port", "systemd:NAME", and a database host
 * ("unix:/path", "host:port", "host", "[v6]:port") into its parts. */
struct address {
    enum address_kind kind;
    char *host; /* the path, or name, for unix and systemd; owned: address_clear() */
    unsigned port;
};

/*
 * Both: false after an error, with a constant English text in *error, and *out cleared. A
 * listener's host is a numeric address (a name could mean another address at the next start), a
 * database's may be a name; an IPv6 address loses its brackets. A database host without port has
 * ADDRESS_DATABASE_PORT.
 */
bool address_parse_listener(const char *text, struct address *out, const char **error);
bool address_parse_database(const char *text, struct address *out, const char **error);
void address_clear(struct address *address);
/* True when both say the same, also when written differently ("[::1]" and "[0:0::1]"). */
bool address_equal(const struct address *a, const struct address *b);
/*
 * True when two different addresses of a listener cannot be listened on at the same time: one of
 * them is all addresses (0.0.0.0, [::]) of the other's port and family.
 */
bool address_overlaps(const struct address *a, const struct address *b);

/* A network of peers: "192.0.2.0/24", "2001:db8::/32"; without "/n" it is one address. */
struct network {
    int family; /* AF_INET or AF_INET6 */
    unsigned char address[16];
    unsigned prefix; /* bits */
};

/* False after an error, with a constant English text in *error. Bits beyond the prefix must be 0,
 * as Postfix wants it for mynetworks: 10.0.0.1/8 is more often a mistyped /32 than meant. */
bool network_parse(const char *text, struct network *out, const char **error);
/* True when the peer's address lies in the network; IPv4 in IPv6 (::ffff:0:0/96) counts as IPv4. */
bool network_contains(const struct network *network, const struct sockaddr *peer);

#endif
