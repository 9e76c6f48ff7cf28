/* What stops a training that has gone wrong: a loss term or gradient that is not finite, a term beyond train.max_loss,
 * or vectors beyond train.max_length: where losses compare directions alone, they stay small however far the weights run. */
#ifndef MEDTOK_TRAIN_DIVERGENCE_H
#define MEDTOK_TRAIN_DIVERGENCE_H

#include "train/step.h"

/* Collective, after forward and backward pass of a step and before its update. The error names step, term, value, and the
 * codes of the batch whose vectors before the quantiser are largest (those with NaN first), from the rank that has
 * the largest. */
int divergence_check(const struct trainer *trainer, const struct step_report *report, const struct batch *batch,
                     const struct model_output *output);

#endif
