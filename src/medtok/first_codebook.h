/* The first code vectors by k-means (quantizer.init: kmeans): a sample of codes goes through the model at its first
 * weights, and each third of the codebook becomes the k-means centres of its kind of vectors z / |z|: the first third
 * of the text-specific ones, the last of the graph-specific ones, the rest of the shared ones of both sides together.
 * That holds under quantizer.shared_region: all too, where shared tokens may pick any row: each third still has one
 * source. Under quantizer.assign: residual each level of a third becomes the centres of what the levels before it leave.
 */
#ifndef MEDTOK_MEDTOK_FIRST_CODEBOOK_H
#define MEDTOK_MEDTOK_FIRST_CODEBOOK_H

#include "medtok/model.h"
#include "train/optimiser.h"

/* Collective. Sets the codebook's rows (and their average), of length sqrt(dim). The sample is drawn by (seed) from the
 * codes of `vocabulary` that are not held out (holdout: train.holdout), and worked through in blocks of codes that do
 * not depend on the number of ranks. A third without any vectors keeps its rows. */
int first_codebook_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        struct text_source *text, const char *vocabulary, double holdout);

#endif
