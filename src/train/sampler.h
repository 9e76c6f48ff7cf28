/* Which samples make up a global batch, and which rank draws which of them.
 *
 * The samples, in the order of `train.partition` (block: input order; random: a seeded shuffle; graph: one
 * that the caller has made), are cut into as many
 * strata of equal size, give or take one, as the batch has samples. Each epoch shuffles every stratum and has as many batches as
 * the longest strata have samples; each batch takes the next one of each stratum. A stratum that is one short passes over one
 * batch: the j-th such stratum passes over batch j, counted round the epoch. So every epoch visits each sample once, its batches
 * have equal sizes, give or take one (losses that compare the samples of a batch, or sum over them, depend on its size), a batch
 * is the same set for any number of ranks, and a rank whose piece is a run of whole strata draws the same number of samples, give
 * or take one, in every batch. Samples that are neighbours in the order (of codes: siblings, with `block`) seldom meet in one
 * batch, where they would be false negatives of each other.
 *
 * Ranks get strata by cost, so that the expected work of a batch is equal.
 */
#ifndef MEDTOK_TRAIN_SAMPLER_H
#define MEDTOK_TRAIN_SAMPLER_H

#include <stdint.h>

#include "train/options.h"
#include "dist/comm.h"

struct sampler {
    int64_t n_samples;                            /* samples that are drawn: all but those held out */
    int64_t n_strata, first_stratum, end_stratum; /* the strata of this rank */
    int64_t batches_per_epoch;
    uint64_t seed;
    int64_t first, n_local; /* this rank's piece in the order */
    int64_t *order;         /* [n_local] samples of the piece, by their numbers among all */
    int64_t *shuffled;      /* [n_local] the piece, each stratum shuffled for `epoch` */
    int64_t epoch;
};

/* Whether a sample is never drawn: its random number, by (seed, sample), is below `holdout`, the share of such
 * samples. */
int sampler_holds_out(uint64_t seed, double holdout, int64_t sample);

/* n: samples in all, of which those held out are left out; cost [n]: expected work of each, in any unit. A batch larger
 * than all samples is all samples. Fails with STATUS_USAGE if there are more ranks than samples in a batch. `what`
 * names samples in the message, e.g. "codes". graph_order [n], of PARTITION_GRAPH: all samples; else NULL. */
int sampler_make(struct sampler *sampler, const struct comm *comm, enum partition partition, const int64_t *graph_order,
                 uint64_t seed, double holdout, const char *what, int64_t n, int64_t batch, const double *cost);
void sampler_free(struct sampler *sampler);

/* This rank's samples of a batch (counted from 0): writes their numbers, ascending by stratum, to samples (room for
 * end_stratum - first_stratum) and returns how many; strata that pass over the batch are missing. */
int64_t sampler_draw(struct sampler *sampler, int64_t batch, int64_t *samples);

/* Where this rank's samples stand in a batch: how many other ranks have before them, and the size of the batch. Every rank can tell. */
void sampler_position(const struct sampler *sampler, int64_t batch, int64_t *before, int64_t *total);

#endif
