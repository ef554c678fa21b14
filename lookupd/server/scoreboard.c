#include "server/scoreboard.h"

#include <sys/mman.h>

struct scoreboard {
    size_t count;
    struct slot slots[];
};

struct scoreboard *scoreboard_new(size_t slots)
{
    struct scoreboard *board = mmap(NULL, sizeof *board + slots * sizeof board->slots[0],
                                    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return NULL;
    board->count = slots;
    return board;
}

void scoreboard_free(struct scoreboard *board)
{
    munmap(board, sizeof *board + board->count * sizeof board->slots[0]);
}

struct slot *scoreboard_slot(struct scoreboard *board, size_t index)
{
    return &board->slots[index];
}

size_t scoreboard_count(const struct scoreboard *board)
{
    return board->count;
}

void scoreboard_reset(struct slot *slot, uint64_t beat)
{
    atomic_store(&slot->accepting, 0);
    atomic_store(&slot->clients, 0);
    atomic_store(&slot->beat, beat);
}

uint32_t scoreboard_least_clients(const struct scoreboard *board)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < board->count; i++) {
        const struct slot *slot = &board->slots[i];
        uint32_t clients = atomic_load_explicit(&slot->clients, memory_order_relaxed);
        if (atomic_load_explicit(&slot->accepting, memory_order_relaxed) && clients < least)
            least = clients;
    }
    return least;
}
