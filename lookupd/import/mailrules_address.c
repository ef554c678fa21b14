/* Addresses that mail must not go to, and our own. */
#include "import/mailrules_memory.h"

#include <string.h>

struct address_block {
    uint8_t octets[4];
    unsigned bits;
    bool private; /* the setting allow_private lets mail through */
};

static bool is_within(const uint8_t *address, const uint8_t *network, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0);
}

/* RFC 6890's registry: what is no address of another host, or is one of this site's only. */
static bool is_forbidden_v4(const uint8_t *address, bool allow_private)
{
    static const struct address_block networks[] = {
        {{0, 0, 0, 0}, 8, false},    {{224, 0, 0, 0}, 3, false},   {{10, 0, 0, 0}, 8, true},
        {{100, 64, 0, 0}, 10, true}, {{127, 0, 0, 0}, 8, true},    {{169, 254, 0, 0}, 16, true},
        {{172, 16, 0, 0}, 12, true}, {{192, 168, 0, 0}, 16, true},
    };
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if (is_within(address, networks[i].octets, networks[i].bits))
            return !(networks[i].private && allow_private);
    return false;
}

static bool is_forbidden_v6(const struct in6_addr *address, bool allow_private)
{
    const uint8_t *octets = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address))
        return is_forbidden_v4(octets + 12, allow_private);
    if (IN6_IS_ADDR_UNSPECIFIED(address) || IN6_IS_ADDR_MULTICAST(address))
        return true;
    bool private = IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_LINKLOCAL(address) ||
                   IN6_IS_ADDR_SITELOCAL(address) || (octets[0] & 0xfe) == 0xfc;
    return private && !allow_private;
}

unsigned mailrules_address(const struct importconf *conf, const struct zonelist_address *address)
{
    unsigned bits = MAIL_HAS_ADDRESS;
    bool forbidden = address->family == AF_INET
                         ? is_forbidden_v4((const uint8_t *)&address->v4, conf->allow_private)
                         : is_forbidden_v6(&address->v6, conf->allow_private);
    if (forbidden)
        bits |= MAIL_FORBIDDEN;
    if (importconf_is_my_address(conf, address))
        bits |= MAIL_OURS;
    return bits;
}
