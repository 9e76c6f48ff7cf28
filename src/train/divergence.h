/* What stops a training that has gone wrong: a loss term or gradient that is not finite, a term beyond train.max_loss,
 * or vectors beyond train.max_length: where losses compare directions alone, they stay small however far the weights
 * run. */
#ifndef MEDTOK_TRAIN_DIVERGENCE_H
#define MEDTOK_TRAIN_DIVERGENCE_H

#include "train/step.h"

/* Collective, after forward and backward pass of a step and before its update. The error names step, term and value,
 * and the samples that the learner accuses, from the rank that has the worst. */
int divergence_check(const struct training *training, const struct step_report *report);

#endif
