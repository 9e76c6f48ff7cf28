/* Chunks of host memory, merged into one when a pack begins anew, so that soon each pack is one chunk and one copy. */
#include "loader/pack.h"

#include <stdlib.h>

#include "base/device_status.h"

enum { ALIGNMENT = 64, ALIGNED_INTS = ALIGNMENT / sizeof(int32_t), FIRST_CHUNK = 1 << 14 };

void pack_make(struct pack *p, struct device *device) { *p = (struct pack){.device = device}; }

static void free_chunks(struct pack *p) {
    for (int c = 0; c < p->n_chunks; c++) free(p->chunks[c].host);
    p->n_chunks = 0;
}

void pack_free(struct pack *p) {
    if (!p->device) return;
    free_chunks(p);
    free(p->arrays);
    device_free_ints(p->device, p->on_device);
    *p = (struct pack){0};
}

static int64_t aligned(int64_t n) { return (n + ALIGNED_INTS - 1) / ALIGNED_INTS * ALIGNED_INTS; }

static int add_chunk(struct pack *p, int64_t capacity) {
    const struct pack_chunk *last = p->n_chunks ? &p->chunks[p->n_chunks - 1] : NULL;
    struct pack_chunk chunk = {.capacity = aligned(capacity), .base = last ? last->base + last->used : 0};
    if (p->n_chunks < PACK_MOST_CHUNKS)
        chunk.host = aligned_alloc(ALIGNMENT, (size_t)chunk.capacity * sizeof *chunk.host);
    if (!chunk.host)
        return status_set(STATUS_FAILED, "out of memory: %lld integers of a batch were asked for", (long long)capacity);
    p->chunks[p->n_chunks++] = chunk;
    return STATUS_OK;
}

void pack_begin(struct pack *p) {
    int64_t capacity = 0;
    p->n_arrays = 0;
    for (int c = 0; c < p->n_chunks; c++) capacity += p->chunks[c].capacity;
    if (p->n_chunks > 1) {
        free_chunks(p);
        add_chunk(p, capacity); /* if this fails, the first array asks again and reports */
    }
    if (p->n_chunks) p->chunks[0].used = 0;
}

/* Room for n integers. */
static int declare(struct pack *p, int64_t n, struct pack_array array, int32_t **host) {
    struct pack_chunk *chunk = p->n_chunks ? &p->chunks[p->n_chunks - 1] : NULL;
    n = aligned(n);
    if (!chunk || chunk->capacity - chunk->used < n) {
        int64_t wanted = chunk ? 2 * chunk->capacity : FIRST_CHUNK;
        TRY(add_chunk(p, wanted > n ? wanted : n));
        chunk = &p->chunks[p->n_chunks - 1];
    }
    TRY(mem_grow(&p->arrays, &p->arrays_capacity, p->n_arrays + 1, sizeof *p->arrays));
    array.offset = chunk->base + chunk->used;
    p->arrays[p->n_arrays++] = array;
    *host = chunk->host + chunk->used;
    chunk->used += n;
    return STATUS_OK;
}

int pack_ints(struct pack *p, int64_t n, int32_t **host, dev_int *to) {
    to->at = NULL;
    return declare(p, n, (struct pack_array){.ints = to}, host);
}

int pack_reals(struct pack *p, int64_t n, real **host, dev_real *to) {
    int32_t *ints;
    to->at = NULL;
    TRY(declare(p, n * (int64_t)(sizeof(real) / sizeof(int32_t)), (struct pack_array){.reals = to}, &ints));
    *host = (real *)(void *)ints; /* memory from malloc takes the type of what is written to it */
    return STATUS_OK;
}

void pack_trim(struct pack *p, int64_t n) {
    struct pack_chunk *chunk = &p->chunks[p->n_chunks - 1];
    chunk->used = p->arrays[p->n_arrays - 1].offset - chunk->base + aligned(n);
}

int pack_send(struct pack *p) {
    const struct pack_chunk *last = p->n_chunks ? &p->chunks[p->n_chunks - 1] : NULL;
    int64_t n = last ? last->base + last->used : 0;
    if (n > p->device_capacity) {
        device_free_ints(p->device, p->on_device);
        p->device_capacity = n + n / 4;
        p->on_device = device_alloc_ints(p->device, p->device_capacity);
    }
    for (int c = 0; c < p->n_chunks && !device_error(p->device); c++)
        device_upload_ints(p->device, dev_int_at(p->on_device, p->chunks[c].base), p->chunks[c].host,
                           p->chunks[c].used);
    TRY(device_status(p->device));
    for (int64_t a = 0; a < p->n_arrays; a++) {
        dev_int at = dev_int_at(p->on_device, p->arrays[a].offset);
        if (p->arrays[a].ints) *p->arrays[a].ints = at;
        if (p->arrays[a].reals) *p->arrays[a].reals = (dev_real){(real *)(void *)at.at};
    }
    return STATUS_OK;
}
