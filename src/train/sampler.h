/* Which codes make up the global batch of a step, and which rank draws which of them.
 *
 * The codes, in the order of `train.partition` (block: input order; random: a seeded shuffle), are cut into as many strata
 * of equal size as the batch has codes. Each epoch shuffles every stratum; step s of the epoch takes element s of each. So
 * every epoch visits each code once, a batch is the same set for any number of ranks, and a rank whose piece is a run
 * of whole strata draws the same number of codes in every step. Codes that are neighbours in the order (siblings, with
 * `block`) seldom meet in one batch, where they would be false negatives of each other.
 *
 * Ranks get strata by cost, so that the expected work of a step is equal.
 */
#ifndef MEDTOK_TRAIN_SAMPLER_H
#define MEDTOK_TRAIN_SAMPLER_H

#include <stdint.h>

#include "config/config.h"
#include "dist/comm.h"

struct sampler {
    int64_t n_codes;                              /* codes that are drawn: all but those held out */
    int64_t n_strata, first_stratum, end_stratum; /* the strata of this rank */
    int64_t steps_per_epoch;
    uint64_t seed;
    int64_t first, n_local; /* this rank's piece in the order */
    int64_t *order;         /* [n_local] global code indices of the piece */
    int64_t *shuffled;      /* [n_local] the piece, each stratum shuffled for `epoch` */
    int64_t epoch;
};

/* Whether a code is never drawn: its random number, by (seed, code), is below `holdout`, the share of such codes. */
int sampler_holds_out(uint64_t seed, double holdout, int64_t code);

/* cost [n_codes]: expected work of each code, in any unit. A batch larger than the vocabulary is the vocabulary. Fails
 * with STATUS_USAGE if there are more ranks than codes in a batch. */
int sampler_make(struct sampler *sampler, const struct comm *comm, enum partition partition, uint64_t seed,
                 double holdout, int64_t n_codes, int64_t batch, const double *cost);
void sampler_free(struct sampler *sampler);

/* This rank's codes of a step (counted from 0): writes global code indices, ascending by stratum, to codes (room for
 * end_stratum - first_stratum) and returns how many; the last step of an epoch may lack some. */
int64_t sampler_step(struct sampler *sampler, int64_t step, int64_t *codes);

#endif
