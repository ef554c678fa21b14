/*
 * A route is a complete transport(5) value, transport:nexthop. A route that Postfix cannot parse is
 * not a small fault: it kills smtp(8), and master(8) then holds the mail of unrelated domains for a
 * minute. So every route is checked before it is sent.
 */
#ifndef LOOKUPD_ROUTE_H
#define LOOKUPD_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/* A nexthop list longer than this helps nobody, and would not fit a tcp_table reply of 4096. */
#define ROUTE_MAX 1000

/*
 * Returns NULL when the route may be sent to Postfix, else a constant English text that says what
 * is wrong with it. transports is a NULL-terminated list of the names of master.cf services that
 * may be used; an empty transport (":[host]", meaning the class's own) is always allowed.
 *
 * For error, retry and discard the nexthop is free printable text. For every other transport it is
 * empty, or a list of destinations separated by commas and blanks, each: host, host:port, [host],
 * [host]:port, [IPv4], [IPv6] or [ipv6:IPv6], with or without port. An address without brackets is
 * refused, so are ports out of 1-65535 and service names (an unknown one is fatal to smtp(8)). For
 * lmtp also unix:/path, unix:path (relative to Postfix's queue directory: private/dovecot-lmtp)
 * and, before the list, inet:.
 */
const char *route_check(const char *route, size_t len, const char *const *transports);

#endif
