/* The resource records that the mail rules need, as they are on the wire. */
#ifndef LOOKUPD_RR_H
#define LOOKUPD_RR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 1035 3.2.2, 3596 2.1, 6672 2.1, 4034 3. */
enum rr_type {
    RR_A = 1,
    RR_NS = 2,
    RR_CNAME = 5,
    RR_SOA = 6,
    RR_PTR = 12,
    RR_MX = 15,
    RR_TXT = 16,
    RR_AAAA = 28,
    RR_DNAME = 39,
};

#define RR_CLASS_IN 1

/* One bit for each type that is kept, to say which a name has. */
enum rr_bit {
    RR_HAS_A = 1 << 0,
    RR_HAS_NS = 1 << 1,
    RR_HAS_CNAME = 1 << 2,
    RR_HAS_SOA = 1 << 3,
    RR_HAS_PTR = 1 << 4,
    RR_HAS_MX = 1 << 5,
    RR_HAS_TXT = 1 << 6,
    RR_HAS_AAAA = 1 << 7,
    RR_HAS_DNAME = 1 << 8,
};

/* A record of a zone. Its names are lower-case, but for a PTR's target; both pointers are borrowed
 * from the zone. */
struct rr {
    const uint8_t *owner; /* a name: see wirename.h */
    const uint8_t *rdata; /* rr_normalize() has accepted it */
    uint16_t type;        /* enum rr_type */
    uint16_t rdlen;
};

/* The bit of a type; 0 for a type that is not kept. */
unsigned rr_bit(unsigned type);
/* "MX", "A"; "TYPE65" for others, in a buffer of RR_TYPE_SIZE octets. Returns a text to print. */
#define RR_TYPE_SIZE 12
const char *rr_type_text(unsigned type, char *buffer);

/*
 * Checks that the rdata of a kept type is well formed: lengths exact, names whole and uncompressed;
 * and lower-cases the names in it, in place, so that records compare by octet; but for PTR, whose
 * letters decide about file names of a catalog's members. False when it is not (then it may be half
 * lower-cased). Types that are not kept are not looked into: true.
 */
bool rr_normalize(unsigned type, uint8_t *rdata, size_t rdlen);

/* What stands in the rdata of a record that rr_normalize() has accepted. */
static inline unsigned rr_mx_preference(const struct rr *mx)
{
    return (unsigned)mx->rdata[0] << 8 | mx->rdata[1];
}
/* Of MX, NS, CNAME, DNAME and PTR: the name that it points to. */
static inline const uint8_t *rr_target(const struct rr *rr)
{
    return rr->type == RR_MX ? rr->rdata + 2 : rr->rdata;
}
/* RFC 1035 3.3.13. */
uint32_t rr_soa_serial(const struct rr *soa);
uint32_t rr_soa_expire(const struct rr *soa);
/*
 * The strings of a TXT record joined, when all octets are printable ASCII and they fit into size
 * octets with the NUL; else false.
 */
bool rr_txt(const struct rr *txt, char *out, size_t size);

#endif
