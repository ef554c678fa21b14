/* Memory that is given back all at once: small texts and names that live as long as their owner. */
#ifndef LOOKUPD_ARENA_H
#define LOOKUPD_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
    struct arena_block *blocks; /* zeroed it is empty */
};

/* Memory for any type, not initialised, until arena_free(); NULL without memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* Copies; NULL without memory. A text gets a NUL. */
const char *arena_text(struct arena *arena, const char *text, size_t len);
const uint8_t *arena_name(struct arena *arena, const uint8_t *name);
/* The texts of a format; NULL without memory. */
const char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

#endif
