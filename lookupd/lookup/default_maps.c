#include "lookup/default_maps.h"

#include <string.h>

/*
 * Every part of every query reads by a primary key: domain.name, relay.name, recipient.address,
 * alias.address, access.(map, pattern). Each "all" is its query without the lists: the same columns
 * and rules, for every row.
 *
 * A disabled domain, relay or recipient is an answer (NULL: not found; or a route that waits),
 * since falling through to a less specific row would relay what somebody has switched off. A
 * disabled alias or access row is as if it were not there.
 */

#define RELAY_DOMAINS "SELECT name, IF(enabled, name, NULL) FROM domain"

#define TRANSPORT_RECIPIENTS      "SELECT address, route FROM recipient WHERE "
#define TRANSPORT_RECIPIENTS_THAT "enabled AND route IS NOT NULL"
/*
 * The order is the rule: a disabled domain waits whatever its route; a route wins over the relay,
 * also over a disabled one; a relay that is disabled, or whose row is gone, keeps the mail.
 */
#define TRANSPORT_DOMAINS                                                                          \
    "SELECT d.name, CASE "                                                                         \
    "WHEN NOT d.enabled THEN 'retry:4.3.0 relaying for this domain is disabled' "                  \
    "WHEN d.route IS NOT NULL THEN d.route "                                                       \
    "WHEN d.relay IS NULL THEN 'relay:' "                                                          \
    "WHEN r.enabled THEN CONCAT(r.transport, ':', r.nexthop) "                                     \
    "ELSE 'hold:' END "                                                                            \
    "FROM domain d LEFT JOIN relay r ON r.name = d.relay"

#define RECIPIENTS_LISTED "SELECT address, IF(enabled, address, NULL) FROM recipient"
#define RECIPIENTS_DOMAIN "SELECT name, IF(recipients = 'any', name, NULL) FROM domain"

#define ALIASES "SELECT address, `goto` FROM alias WHERE "
/*
 * Recipients answer themselves, so that a catch-all does not swallow them; where an alias has the
 * same address, it decides alone (both would be joined).
 */
#define ALIAS_RECIPIENTS                                                                           \
    "SELECT r.address, r.address FROM recipient r "                                                \
    "LEFT JOIN alias a ON a.address = r.address AND a.enabled WHERE "
#define ALIAS_RECIPIENTS_THAT "r.enabled AND a.address IS NULL"

#define ACCESS(name) "SELECT pattern, action FROM access WHERE map = '" name "' AND "

const struct default_map default_maps[] = {
    {
        .name = "relay_domains",
        .keys = KEYS_DOMAIN,
        .absent = ABSENT_TEMPORARY,
        .query = RELAY_DOMAINS " WHERE name IN (:domains)",
        .all = RELAY_DOMAINS,
    },
    {
        .name = "transport",
        .keys = KEYS_ADDRESS,
        .value = VALUE_ROUTE,
        .absent = ABSENT_TEMPORARY,
        .query = TRANSPORT_RECIPIENTS "address IN (:addresses) AND " TRANSPORT_RECIPIENTS_THAT
                                      " UNION ALL " TRANSPORT_DOMAINS " WHERE d.name IN (:domains)",
        .all = TRANSPORT_RECIPIENTS TRANSPORT_RECIPIENTS_THAT " UNION ALL " TRANSPORT_DOMAINS,
    },
    {
        .name = "relay_recipients",
        .keys = KEYS_ADDRESS,
        .absent = ABSENT_TEMPORARY,
        .query = RECIPIENTS_LISTED " WHERE address IN (:addresses) UNION ALL " RECIPIENTS_DOMAIN
                                   " WHERE name IN (:domains)",
        .all = RECIPIENTS_LISTED " UNION ALL " RECIPIENTS_DOMAIN,
    },
    {
        .name = "virtual_aliases",
        .keys = KEYS_ADDRESS,
        .value = VALUE_ADDRESSES,
        .join = true,
        .absent = ABSENT_NOT_FOUND,
        .query =
            ALIASES "address IN (:addresses, :at_domains) AND enabled UNION ALL " ALIAS_RECIPIENTS
                    "r.address IN (:addresses) AND " ALIAS_RECIPIENTS_THAT,
        .all = ALIASES "enabled UNION ALL " ALIAS_RECIPIENTS ALIAS_RECIPIENTS_THAT,
    },
    {
        .name = "client_access",
        .keys = KEYS_CLIENT,
        .absent = ABSENT_NOT_FOUND,
        .query = ACCESS("client") "pattern IN (:clients) AND enabled",
        .all = ACCESS("client") "enabled",
    },
    {
        .name = "sender_access",
        .keys = KEYS_ADDRESS,
        .absent = ABSENT_NOT_FOUND,
        .query = ACCESS("sender") "pattern IN (:addresses, :domains, :locals) AND enabled",
        .all = ACCESS("sender") "enabled",
    },
    {
        .name = "recipient_access",
        .keys = KEYS_ADDRESS,
        .absent = ABSENT_NOT_FOUND,
        .query = ACCESS("recipient") "pattern IN (:addresses, :domains, :locals) AND enabled",
        .all = ACCESS("recipient") "enabled",
    },
    {.name = NULL},
};

const struct default_map *default_maps_find(const char *name)
{
    for (const struct default_map *map = default_maps; map->name != NULL; map++)
        if (strcmp(map->name, name) == 0)
            return map;
    return NULL;
}
