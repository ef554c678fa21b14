/* The monotonic clock in nanoseconds: for deadlines, never for dates. */
#ifndef LOOKUPD_CLOCK_H
#define LOOKUPD_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define CLOCK_SECOND UINT64_C(1000000000)

static inline uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_seconds(double seconds)
{
    return (uint64_t)(seconds * (double)CLOCK_SECOND);
}

static inline struct timeval clock_timeval(uint64_t nanoseconds)
{
    return (struct timeval){.tv_sec = (time_t)(nanoseconds / CLOCK_SECOND),
                            .tv_usec = (suseconds_t)(nanoseconds % CLOCK_SECOND / 1000)};
}

#endif
