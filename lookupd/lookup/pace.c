#include "lookup/pace.h"

#include "common/clock.h"

/* A query that takes longer is waiting for something, or reads what it should not. */
#define SLOW (CLOCK_SECOND / 10)
/* So many slow ones in a row, though answered, are the map's way. */
#define SLOW_IN_A_ROW 3
/* Maps that were asked so lately are served. */
#define RECENT (10 * CLOCK_SECOND)
/*
 * For so long counts what was found: longer than maps that wait for a lock, and share a connection,
 * have to wait for their turn; and not for ever, or a map that nobody asks would stay stuck, and
 * begin behind all others.
 */
#define WAITED_FOR (10 * CLOCK_SECOND)
#define SLOW_FOR   (3 * CLOCK_SECOND)

static bool is_another_quick(const struct maps *maps, const struct map *than, uint64_t now)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct map *map = &maps->list[i];
        if (map != than && map->slow == 0 && map->database_used &&
            now - map->database_used < RECENT)
            return true;
    }
    return false;
}

/*
 * Slow queries that are answered hold up those of other maps like ones that wait. Where all are
 * slow it is the database, and nobody is to be protected from anybody.
 */
void pace_note(const struct maps *maps, struct map *map, uint64_t took, bool good)
{
    uint64_t now = clock_now();
    map->slow = took > SLOW ? map->slow + 1 : 0;
    map->stuck_until = 0;
    if (map->slow > 0 && !good)
        map->stuck_until = now + WAITED_FOR;
    else if (map->slow >= SLOW_IN_A_ROW && is_another_quick(maps, map, now))
        map->stuck_until = now + SLOW_FOR;
}

void pace_note_waiting(struct map *map, uint64_t age)
{
    if (age > SLOW)
        map->stuck_until = clock_now() + WAITED_FOR;
}

bool pace_is_stuck(const struct map *map)
{
    return map->stuck_until != 0 && clock_now() < map->stuck_until;
}
