/* How much of the codebook the tokens use: the share of rows picked, and the perplexity of the picks, per region. */
#ifndef MEDTOK_MEASURE_USAGE_H
#define MEDTOK_MEASURE_USAGE_H

#include "dist/comm.h"
#include "measure/token_groups.h"

/* Text-specific, graph-specific, and shared (both shared groups together). */
enum { N_USAGE_REGIONS = 3 };
extern const char *const USAGE_REGION_NAMES[N_USAGE_REGIONS];

struct usage {
    int64_t codebook_size;
    struct region regions[N_GROUPS]; /* of the groups */
    int64_t *counts; /* [2, codebook_size]: picks by the specific groups (whose regions are apart), and by the shared */
};

struct usage_measure {
    double share, perplexity; /* share of the region's rows picked at least once; exp of the entropy of the picks */
};

/* regions: of the four groups; the two shared groups have the same. */
int usage_make(struct usage *usage, int64_t codebook_size, const struct region regions[N_GROUPS]);
void usage_free(struct usage *usage);
void usage_clear(struct usage *usage);

/* Adds picks of a group: tokens[n] rows of the codebook. */
void usage_add(struct usage *usage, enum token_group group, const int32_t *tokens, int64_t n);

/* Collective: sums the counts of both over ranks, with one message; memory [4, codebook_size]. */
int usage_sum(struct usage *usage, struct usage *other, int64_t *memory, const struct comm *comm);

/* A bit for each row of the codebook that any group picked: bit row % 64 of picked[row / 64], of usage_words() words. */
void usage_mark(const struct usage *usage, uint64_t *picked);
static inline int64_t usage_words(const struct usage *usage) { return (usage->codebook_size + 63) / 64; }

/* Adds the counts of `from` to `usage`. */
void usage_merge(struct usage *usage, const struct usage *from);

struct usage_measure usage_measure(const struct usage *usage, int region);

#endif
