/* Blocks are chained while a step grows and merged into one at reset. */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ALIGNMENT = 64, FIRST_BLOCK = 1 << 16 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    char *bytes; /* aligned */
};

static struct arena_block *add_block(struct arena *arena, size_t size) {
    struct arena_block *block = malloc(sizeof *block);
    if (block) block->bytes = aligned_alloc(ALIGNMENT, size);
    if (!block || !block->bytes) {
        free(block);
        status_set(STATUS_FAILED, "out of memory: a block of %zu bytes for one step was asked for", size);
        return NULL;
    }
    block->next = arena->first;
    block->size = size;
    arena->first = block;
    arena->used = 0;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = arena->first;
    if (!block || block->size - arena->used < size) {
        size_t wanted = block ? block->size * 2 : FIRST_BLOCK;
        block = add_block(arena, wanted > size ? wanted : size);
        if (!block) return NULL;
    }
    void *p = block->bytes + arena->used;
    arena->used += size;
    arena->total += size;
    memset(p, 0, size);
    return p;
}

void arena_reset(struct arena *arena) {
    if (arena->first && arena->first->next) {
        size_t total = 0;
        for (struct arena_block *b = arena->first; b; b = b->next) total += b->size;
        arena_free(arena);
        add_block(arena, total); /* if this fails, the next arena_alloc asks again and reports */
    }
    arena->used = arena->total = 0;
}

void arena_free(struct arena *arena) {
    while (arena->first) {
        struct arena_block *next = arena->first->next;
        free(arena->first->bytes);
        free(arena->first);
        arena->first = next;
    }
    arena->used = arena->total = 0;
}
