/* Open addressing; the table is kept at most half full. */
#include "base/dictionary.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/status.h"

void dictionary_free(struct dictionary *d) {
    free(d->slots);
    free(d->hash);
    free(d->offsets);
    free(d->bytes);
    *d = (struct dictionary){0};
}

static void insert_slot(struct dictionary *d, int64_t number) {
    uint64_t at = d->hash[number] & (uint64_t)(d->n_slots - 1);
    while (d->slots[at]) at = (at + 1) & (uint64_t)(d->n_slots - 1);
    d->slots[at] = number + 1;
}

static int grow(struct dictionary *d, int64_t more_bytes) {
    if (d->n >= INT32_MAX) return status_set(STATUS_FAILED, "more than 2^31 - 1 different texts or words");
    TRY(mem_grow(&d->hash, &d->hash_capacity, d->n + 1, sizeof *d->hash));
    TRY(mem_grow(&d->offsets, &d->offsets_capacity, d->n + 2, sizeof *d->offsets));
    if (d->n == 0) d->offsets[0] = 0;
    TRY(mem_grow(&d->bytes, &d->bytes_capacity, d->offsets[d->n] + more_bytes + 1,
                 1)); /* an empty text has an offset too */
    if (2 * (d->n + 1) <= d->n_slots) return STATUS_OK;
    free(d->slots);
    d->n_slots = d->n_slots ? 2 * d->n_slots : 1024;
    TRY(mem_alloc(&d->slots, d->n_slots, sizeof *d->slots));
    for (int64_t i = 0; i < d->n; i++) insert_slot(d, i);
    return STATUS_OK;
}

static int32_t find(const struct dictionary *d, uint64_t hash, const void *bytes, int64_t size) {
    if (d->n_slots == 0) return -1;
    for (uint64_t at = hash & (uint64_t)(d->n_slots - 1); d->slots[at]; at = (at + 1) & (uint64_t)(d->n_slots - 1)) {
        int64_t i = d->slots[at] - 1;
        if (d->hash[i] == hash && d->offsets[i + 1] - d->offsets[i] == size &&
            memcmp(d->bytes + d->offsets[i], bytes, (size_t)size) == 0)
            return (int32_t)i;
    }
    return -1;
}

int32_t dictionary_find(const struct dictionary *d, const void *bytes, int64_t size) {
    return find(d, XXH3_64bits(bytes, (size_t)size), bytes, size);
}

int dictionary_add(struct dictionary *d, const void *bytes, int64_t size, int32_t *number) {
    uint64_t hash = XXH3_64bits(bytes, (size_t)size);
    *number = find(d, hash, bytes, size);
    if (*number >= 0) return STATUS_OK;
    TRY(grow(d, size));
    memcpy(d->bytes + d->offsets[d->n], bytes, (size_t)size);
    d->offsets[d->n + 1] = d->offsets[d->n] + size;
    d->hash[d->n] = hash;
    insert_slot(d, d->n);
    *number = (int32_t)d->n++;
    return STATUS_OK;
}
