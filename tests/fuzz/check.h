/* What the fuzzers share: an assertion that stays when NDEBUG is set, and copies of exact length.
 */
#ifndef LOOKUPD_FUZZ_CHECK_H
#define LOOKUPD_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where the text ends, so that a sanitizer sees one octet too many being read. */
static inline char *exact_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
