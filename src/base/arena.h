/* A bump allocator for what lives as long as one training step: allocate freely, reset all at once.
 *
 * After the first steps the arena is one block as large as the largest step, so a running loop allocates nothing.
 */
#ifndef MEDTOK_BASE_ARENA_H
#define MEDTOK_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *first; /* newest block first; older ones are full */
    size_t used, total;        /* bytes used in the newest block; bytes handed out since the last reset */
};

/* Returns `size` zeroed bytes, 64-byte aligned, valid until the next reset; NULL (with the status set) if memory is out.
 * A zeroed struct arena is ready for use. */
void *arena_alloc(struct arena *arena, size_t size);

/* Forgets everything handed out; merges several blocks into one of their total size. */
void arena_reset(struct arena *arena);

void arena_free(struct arena *arena);

#endif
