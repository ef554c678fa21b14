/* Memory that is given back all at once. */
#include "import/arena.h"

#include "import/wirename.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that malloc() does not matter, small enough for tests with one zone. */
#ifndef ARENA_BLOCK_SIZE
#define ARENA_BLOCK_SIZE ((size_t)128 << 10)
#endif

struct arena_block {
    struct arena_block *next;
    size_t used, room;
    alignas(max_align_t) char octets[];
};

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t block_size = ARENA_BLOCK_SIZE;
    size_t room = size > block_size ? size : block_size;
    if (room > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof *block + room);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .room = room};
    arena->blocks = block;
    return block;
}

static void *take(struct arena *arena, size_t size, size_t align)
{
    struct arena_block *block = arena->blocks;
    size_t at = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (block == NULL || at > block->room || size > block->room - at) {
        block = add_block(arena, size);
        at = 0;
    }
    if (block == NULL)
        return NULL;
    block->used = at + size;
    return block->octets + at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return take(arena, size, alignof(max_align_t));
}

const char *arena_text(struct arena *arena, const char *text, size_t len)
{
    char *copy = take(arena, len + 1, 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

const uint8_t *arena_name(struct arena *arena, const uint8_t *name)
{
    size_t size = wirename_size(name);
    uint8_t *copy = take(arena, size, 1);
    if (copy != NULL)
        memcpy(copy, name, size);
    return copy;
}

const char *arena_print(struct arena *arena, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return NULL;
    const char *copy = arena_text(arena, text, (size_t)len);
    free(text);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}
