/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 *
 * A number is a pure function of (seed, stream, step, index), so it is the same on any number of ranks or threads
 * and needs no state in a checkpoint. The kernels draw the same numbers for dropout (kernels/philox.h).
 */
#ifndef MEDTOK_BASE_RNG_H
#define MEDTOK_BASE_RNG_H

#include <stdint.h>

/* What the numbers are for. Streams never share numbers. Dropout sites add their own small number to RNG_DROPOUT. */
enum rng_stream {
    RNG_HOLDOUT = 0x010,      /* codes held out of training: index = code */
    RNG_QUERY = 0x020,        /* codes whose neighbours are looked at: index = code */
    RNG_PARTNER = 0x030,      /* + number of the measure; partner of a code: index = code */
    RNG_PROBE_QUERY = 0x098,  /* codes that probe asks about: index = code */
    RNG_PROBE_SAMPLE = 0x099, /* codes whose text gives the principal components: index = code */
    RNG_PROBE_ROWS =
        0x0a0, /* + group: codes as rows of an untrained quantiser, index = code; + 4 + group: random rows, index = value */
    RNG_PROBE_FOLD = 0x0a8,    /* categories held out from linear probes; + 1: for their strength. index = category */
    RNG_PROBE_LEARNED = 0x0aa, /* codes that linear probes learn from: index = code */
    RNG_PROBE_PAIR = 0x0ab,    /* pairs of codes of a system: step = draw, index = system and pair */
    RNG_REMOVED = 0x0b0,       /* edges that prepare removes: index = the nodes */
    RNG_BOOTSTRAP = 0x040,     /* + number of the measure; step = resample, index = unit / 4 */
    RNG_SPLIT = 0x060,         /* split of a subject of health records: index = its number */
    RNG_MAP = 0x070,           /* codes shown on a map: index = code */
    RNG_INIT = 0x100,          /* step = number of the parameter or a hash of its name, index = element */
    RNG_SAMPLER = 0x200,       /* step = epoch, index = stratum */
    RNG_DROPOUT = 0x300,       /* step = training step, index = code */
    RNG_EDGE_DROP = 0x400,     /* step = training step, index = code */
    RNG_NODE_DROP = 0x401,     /* the same: nodes that the second view loses */
    RNG_NODE_DROPOUT = 0x402,  /* the same: entries of its nodes */
    RNG_TEXT = 0x500,          /* hashed n-gram projection: index = n-gram hash */
    RNG_ORDER = 0x600,         /* random partition: index = code */
    RNG_KMEANS = 0x700,        /* first codebook; what is drawn is added: medtok/kmeans.c, medtok/first_codebook.c */
    RNG_REVIVAL = 0x780,       /* step = training step, index = region; + 1: index = element of the codebook */
    RNG_SYNTH = 0x7c0,         /* + what is drawn (synth/draws.h), which says its step; index = patient, code or node */
    /* dropout in the online text encoder, first and second view: position in the network added; step, index as above */
    RNG_TEXT_FIRST = 0x800,
    RNG_TEXT_SECOND = 0xc00,
    RNG_VECTOR_WIDTH = 0x1480,   /* map of vectors to another width: index = element */
    RNG_SHUFFLED_CODES = 0x1481, /* vectors of codes that change places: step = system */
    RNG_MASKED =
        0x1500, /* codes hidden in pre-training, + what is drawn (ehr/models/behrt.c); step = training step, index = sample and place */
    RNG_ETHOS_WINDOW =
        0x1600, /* where a window begins in pre-training: step = training step, index = sample and window */
    RNG_ETHOS_VALUE = 0x1601, /* values that deciles are fitted to: index = sample and event */
    RNG_ETHOS_UNIT = 0x1602,  /* what is generated: step = number of the unit, index = sample and repetition */
    RNG_TRANSE = 0x1540, /* MulT-EHR's pre-training: step = training step, index = subject << 20 | number of the pair */
    RNG_TRANSE_NEGATIVE = 0x1541, /* the same, number of the negative */
    RNG_KMEANS_LEVELS =
        0x1700, /* first codebook, levels of residuals behind the first, to 0x17bf: medtok/first_codebook.c */
    RNG_TEXT_MAP = 0x17c0,   /* codes whose features make the first text map: index = code */
    RNG_NEXT_TOKEN = 0x1800, /* what a language model says next: index = number of the token */
    RNG_ADAPTER = 0x2000,    /* + number of the adapter, to 0x3fff: drops of its input; step, index as in dropout */
    RNG_PREFIX = 0x1810,     /* random vectors of codes: index = row and element; vectors that change places: step 1 */
    RNG_SHOTS =
        0x1400, /* samples drawn to be learned from, + split: step = replicate, index = sample; + 8: with replacement, index =
                           number of the draw and class */
    RNG_GRAPH_MASK =
        0x1550, /* what GT-BEHRT's pre-training hides: step = training step, index = sample and place; codes, + 1: types
                              * of visits */
};

/* Four 32-bit words for one counter. */
void rng_words(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index, uint32_t block, uint32_t words[4]);

/* One double in [0, 1), with 53 random bits. */
double rng_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index);

/* One standard normal double (Box-Muller). */
double rng_normal(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index);

/* Shuffles `items[0..n)` by Fisher-Yates; the order is a function of the key alone. */
void rng_shuffle(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index, int64_t *items, int64_t n);

/* Draws at most `most` of the distinct items[0..n), those with the smallest numbers of (seed, stream, item), whatever their
 * order; they are left in front, ascending. Returns their count in *n. */
int rng_draw(uint64_t seed, uint32_t stream, int64_t most, int64_t *items, int64_t *n);

#endif
