/*
 * Memory that the parent and its workers share: one slot for each worker, written by that worker
 * only, read by all.
 */
#ifndef LOOKUPD_SCOREBOARD_H
#define LOOKUPD_SCOREBOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct slot {
    /* Monotonic nanoseconds of the last sign of life of the worker's loop; 0: no worker. */
    _Atomic uint64_t beat;
    _Atomic uint32_t clients;
    _Atomic uint32_t accepting; /* it takes new clients */
} __attribute__((aligned(64))); /* a cache line each: workers write without disturbing others */

struct scoreboard;

struct scoreboard *scoreboard_new(size_t slots);
void scoreboard_free(struct scoreboard *board);
struct slot *scoreboard_slot(struct scoreboard *board, size_t index);
size_t scoreboard_count(const struct scoreboard *board);
/* For a worker that is about to begin, or has ended. */
void scoreboard_reset(struct slot *slot, uint64_t beat);
/* The fewest clients that any accepting worker has. */
uint32_t scoreboard_least_clients(const struct scoreboard *board);

#endif
