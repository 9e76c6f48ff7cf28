/* Random numbers of one patient (of a made-up vocabulary: of one code or node) in their order, all from base/rng.h: the n-th number of (seed,
 * what, step, patient) is the same wherever it is drawn, so that any rank can make any patient. */
#ifndef MEDTOK_SYNTH_DRAWS_H
#define MEDTOK_SYNTH_DRAWS_H

#include <stdint.h>

#include "base/rng.h"

/* What is drawn; added to RNG_SYNTH. Of a patient: step = admission. Of a code or node of a vocabulary: step = its terminology, kind or relation. */
enum {
    DRAW_PERSON,
    DRAW_COURSE,
    DRAW_DETAILS,
    DRAW_CALIBRATION,
    DRAW_MODEL,
    DRAW_CODES,
    DRAW_CHILDREN,
    DRAW_CONCEPTS,
    DRAW_LISTED,
    DRAW_HUBS,
    DRAW_EDGES
};

struct draws {
    uint64_t seed, index;
    uint32_t stream, step, block, words[4];
    int left; /* of words */
};

static inline struct draws draws_begin(uint64_t seed, int what, uint32_t step, int64_t index) {
    return (struct draws){.seed = seed, .index = (uint64_t)index, .stream = RNG_SYNTH + (uint32_t)what, .step = step};
}

static inline uint32_t draw_word(struct draws *d) {
    if (d->left == 0) {
        rng_words(d->seed, d->stream, d->step, d->index, d->block++, d->words);
        d->left = 4;
    }
    return d->words[--d->left];
}

/* In (0, 1): never 0 nor 1. */
static inline double draw_uniform(struct draws *d) { return ((double)draw_word(d) + 0.5) * 0x1p-32; }

static inline int draw_is(struct draws *d, double probability) { return draw_uniform(d) < probability; }

/* 0 .. n - 1, n > 0. */
static inline int64_t draw_below(struct draws *d, int64_t n) { return (int64_t)(draw_uniform(d) * (double)n); }

double draw_normal(struct draws *d);      /* standard normal, by Box and Muller */
double draw_exponential(struct draws *d); /* of mean 1 */
int draw_poisson(struct draws *d, double mean);

/* 0 .. n - 1 by P(j) = log((j + 2) / (j + 1)) / log(n + 1): near Zipf's law, 1 / (j + 1), with an inverse that has a formula. */
int64_t draw_zipf(struct draws *d, int64_t n);

#endif
