/* Records on the wire: what is well formed, and what stands in them. */
#include "import/rr.h"

#include "import/octets.h"
#include "import/wirename.h"

#include <stdio.h>
#include <string.h>

#define SOA_NUMBERS 20 /* serial, refresh, retry, expire, minimum */

unsigned rr_bit(unsigned type)
{
    switch (type) {
    case RR_A:
        return RR_HAS_A;
    case RR_NS:
        return RR_HAS_NS;
    case RR_CNAME:
        return RR_HAS_CNAME;
    case RR_SOA:
        return RR_HAS_SOA;
    case RR_PTR:
        return RR_HAS_PTR;
    case RR_MX:
        return RR_HAS_MX;
    case RR_TXT:
        return RR_HAS_TXT;
    case RR_AAAA:
        return RR_HAS_AAAA;
    case RR_DNAME:
        return RR_HAS_DNAME;
    default:
        return 0;
    }
}

const char *rr_type_text(unsigned type, char *buffer)
{
    static const struct {
        enum rr_type type;
        const char *text;
    } known[] = {
        {RR_A, "A"},   {RR_NS, "NS"},   {RR_CNAME, "CNAME"}, {RR_SOA, "SOA"},     {RR_PTR, "PTR"},
        {RR_MX, "MX"}, {RR_TXT, "TXT"}, {RR_AAAA, "AAAA"},   {RR_DNAME, "DNAME"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].type == type)
            return known[i].text;
    snprintf(buffer, RR_TYPE_SIZE, "TYPE%u", type & 0xffff);
    return buffer;
}

/* Checks the name that begins at *at, lower-cases it, and moves *at behind it. */
static bool take_name(uint8_t *rdata, size_t rdlen, size_t *at)
{
    size_t size = wirename_check(rdata + *at, rdlen - *at);
    if (size == 0)
        return false;
    wirename_lower(rdata + *at);
    *at += size;
    return true;
}

static bool is_strings(const uint8_t *rdata, size_t rdlen)
{
    size_t at = 0;
    while (at < rdlen)
        at += 1U + rdata[at];
    return rdlen > 0 && at == rdlen;
}

bool rr_normalize(unsigned type, uint8_t *rdata, size_t rdlen)
{
    size_t at = 0;
    if (rdlen > UINT16_MAX)
        return false;
    switch (type) {
    case RR_A:
        return rdlen == 4;
    case RR_AAAA:
        return rdlen == 16;
    case RR_TXT:
        return is_strings(rdata, rdlen);
    case RR_MX:
        at = 2;
        return rdlen > at && take_name(rdata, rdlen, &at) && at == rdlen;
    case RR_NS:
    case RR_CNAME:
    case RR_DNAME:
        return take_name(rdata, rdlen, &at) && at == rdlen;
    case RR_PTR:
        return rdlen > 0 && wirename_check(rdata, rdlen) == rdlen;
    case RR_SOA:
        for (int names = 0; names < 2; names++)
            if (!take_name(rdata, rdlen, &at))
                return false;
        return rdlen - at == SOA_NUMBERS;
    default:
        return true;
    }
}

uint32_t rr_soa_serial(const struct rr *soa)
{
    return get32(soa->rdata + soa->rdlen - SOA_NUMBERS);
}

uint32_t rr_soa_expire(const struct rr *soa)
{
    return get32(soa->rdata + soa->rdlen - SOA_NUMBERS + 12);
}

bool rr_txt(const struct rr *txt, char *out, size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < txt->rdlen; at += 1U + txt->rdata[at]) {
        const uint8_t *string = txt->rdata + at;
        for (size_t i = 1; i <= string[0]; i++) {
            if (string[i] < 0x20 || string[i] > 0x7e || used + 1 >= size)
                return false;
            out[used++] = (char)string[i];
        }
    }
    if (used >= size)
        return false;
    out[used] = '\0';
    return true;
}
