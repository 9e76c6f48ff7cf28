/* Random numbers on the host, on the same Philox core as the kernels' dropout. */
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "philox.h"

void rng_words(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index, uint32_t block, uint32_t words[4]) {
    philox4x32(seed, stream, step, index, block, words);
}

static double unit_interval(uint32_t high, uint32_t low) {
    return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

double rng_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index) {
    uint32_t w[4];
    philox4x32(seed, stream, step, index, 0, w);
    return unit_interval(w[0], w[1]);
}

double rng_normal(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index) {
    uint32_t w[4];
    philox4x32(seed, stream, step, index, 0, w);
    double u = 1.0 - unit_interval(w[0], w[1]); /* in (0, 1], so that the logarithm is finite */
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * unit_interval(w[2], w[3]));
}

void rng_shuffle(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index, int64_t *items, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t w[4];
        philox4x32(seed, stream, step, index, (uint32_t)i, w);
        int64_t j = (int64_t)(unit_interval(w[0], w[1]) * (double)(i + 1));
        int64_t swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
}

struct drawn {
    double key;
    int64_t item;
};

static int by_key(const void *a, const void *b) {
    const struct drawn *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int rng_draw(uint64_t seed, uint32_t stream, int64_t most, int64_t *items, int64_t *n) {
    struct drawn *drawn;
    TRY(mem_alloc(&drawn, *n, sizeof *drawn));
    for (int64_t i = 0; i < *n; i++)
        drawn[i] = (struct drawn){rng_uniform(seed, stream, 0, (uint64_t)items[i]), items[i]};
    qsort(drawn, (size_t)*n, sizeof *drawn, by_key);
    if (*n > most) *n = most;
    for (int64_t i = 0; i < *n; i++) items[i] = drawn[i].item;
    qsort(items, (size_t)*n, sizeof *items, ascending);
    free(drawn);
    return STATUS_OK;
}
