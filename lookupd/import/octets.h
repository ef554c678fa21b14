/* Big-endian numbers in octets, as the network and BIND's files have them. */
#ifndef LOOKUPD_OCTETS_H
#define LOOKUPD_OCTETS_H

#include <stdint.h>

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

#endif
