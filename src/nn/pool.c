/* First fit in the order of addresses: what is free at the lower end is used first, so that the upper end stays whole. */
#include "nn/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks double up to MOST: a step takes at most that much more than it needs. */
enum { FIRST_BLOCK_REALS = 1 << 18, MOST_BLOCK_REALS = 1 << 26, ALIGN_REALS = 16 };

struct range {
    int64_t offset, count;
};

struct pool_block {
    struct pool_block *next;
    dev_real values;
    int64_t count;
    int64_t extent;     /* values up to the end of the highest range that was ever handed out */
    struct range *free; /* in the order of offsets, no two of them adjacent */
    int64_t n_free, free_capacity;
};

void pool_init(struct pool *pool, struct device *device) { *pool = (struct pool){.device = device}; }

static int64_t rounded(int64_t count) {
    return count > 0 ? (count + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS : ALIGN_REALS;
}

static void free_blocks(struct pool *pool) {
    while (pool->blocks) {
        struct pool_block *next = pool->blocks->next;
        device_free_reals(pool->device, pool->blocks->values);
        free(pool->blocks->free);
        free(pool->blocks);
        pool->blocks = next;
    }
    pool->held = 0;
}

void pool_free(struct pool *pool) {
    if (pool->device) free_blocks(pool);
    pool->used = 0;
}

/* Room for one more free range. */
static int grow_list(struct pool_block *block) {
    if (block->n_free < block->free_capacity) return 1;
    int64_t capacity = block->free_capacity ? 2 * block->free_capacity : 64;
    struct range *list = realloc(block->free, (size_t)capacity * sizeof *list);
    if (!list) return 0;
    block->free = list;
    block->free_capacity = capacity;
    return 1;
}

/* A block of `count` values behind the others; NULL: memory is out. */
static struct pool_block *add_block(struct pool *pool, int64_t count) {
    struct pool_block **end = &pool->blocks, *block = calloc(1, sizeof *block);
    if (!block || !grow_list(block)) {
        free(block);
        snprintf(pool->device->error, sizeof pool->device->error, "out of memory for the lists of a pool");
        return NULL;
    }
    block->values = device_alloc_reals(pool->device, count);
    if (!block->values.at) {
        free(block->free);
        free(block);
        return NULL;
    }
    block->count = count;
    block->free[block->n_free++] = (struct range){0, count};
    while (*end) end = &(*end)->next;
    *end = block;
    pool->held += count;
    return block;
}

/* Cuts `count` values from the first free range that has them; -1: none has. */
static int64_t cut(struct pool_block *block, int64_t count) {
    int64_t i = 0;
    while (i < block->n_free && block->free[i].count < count) i++;
    if (i == block->n_free) return -1;
    struct range *range = &block->free[i];
    int64_t offset = range->offset;
    range->offset += count;
    range->count -= count;
    if (range->count == 0) {
        block->n_free--;
        memmove(range, range + 1, (size_t)(block->n_free - i) * sizeof *range);
    }
    if (offset + count > block->extent) block->extent = offset + count;
    return offset;
}

dev_real pool_take(struct pool *pool, int64_t count) {
    struct pool_block *block = pool->blocks;
    int64_t offset = -1, newest = 0;
    count = rounded(count);
    for (; block; block = block->next) {
        offset = cut(block, count);
        if (offset >= 0) break;
        newest = block->count;
    }
    if (!block) {
        int64_t wanted = newest ? 2 * newest : FIRST_BLOCK_REALS;
        if (wanted > MOST_BLOCK_REALS) wanted = MOST_BLOCK_REALS;
        block = add_block(pool, wanted > count ? wanted : count);
        if (!block) return (dev_real){NULL};
        offset = cut(block, count);
    }
    pool->used += count;
    if (pool->used > pool->most_used) pool->most_used = pool->used;
    return dev_real_at(block->values, offset);
}

void pool_give(struct pool *pool, dev_real values, int64_t count) {
    struct pool_block *block = pool->blocks;
    if (!values.at) return;
    while (values.at < block->values.at || values.at >= block->values.at + block->count) block = block->next;
    int64_t offset = values.at - block->values.at, i = 0;
    count = rounded(count);
    pool->used -= count;
    while (i < block->n_free && block->free[i].offset < offset) i++;
    struct range *before = i > 0 ? &block->free[i - 1] : NULL, *after = i < block->n_free ? &block->free[i] : NULL;
    int joins_before = before && before->offset + before->count == offset;
    int joins_after = after && offset + count == after->offset;
    if (joins_before && joins_after) {
        before->count += count + after->count;
        block->n_free--;
        memmove(after, after + 1, (size_t)(block->n_free - i) * sizeof *after);
    } else if (joins_before) {
        before->count += count;
    } else if (joins_after) {
        after->offset = offset;
        after->count += count;
    } else if (grow_list(block)) { /* else it is out of use until the next reset */
        memmove(&block->free[i + 1], &block->free[i], (size_t)(block->n_free - i) * sizeof *block->free);
        block->free[i] = (struct range){offset, count};
        block->n_free++;
    }
}

void pool_reset(struct pool *pool) {
    if (pool->blocks && pool->blocks->next) {
        int64_t count = 0;
        for (const struct pool_block *b = pool->blocks; b; b = b->next) count += b->extent;
        free_blocks(pool);
        add_block(pool, count); /* if this fails, the next pool_take asks again and reports */
    }
    if (pool->blocks) {
        pool->blocks->free[0] = (struct range){0, pool->blocks->count};
        pool->blocks->n_free = 1;
    }
    pool->used = 0;
}
