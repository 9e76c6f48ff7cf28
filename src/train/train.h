/* A training from its first step, or the one that an interrupted run reached, to its last: for every model the same
 * loop.
 */
#ifndef MEDTOK_TRAIN_TRAIN_H
#define MEDTOK_TRAIN_TRAIN_H

#include "train/checkpoint_ring.h"
#include "train/step.h"

/* Collective. Trains the learner's parameters (borrowed) over options->steps steps: resumes from the ring
 * (options->resume) or begins anew, checks that the disk has room, and on the way evaluates, saves, and writes metrics
 * to `metrics_path`. At the end the ring's final checkpoint stands: of the last step, or with options->patience of the
 * step with the best measure. STATUS_INTERRUPTED: a signal asked to stop (base/interrupt.h); all is saved, and the same
 * call in a new process goes on. `training` comes from training_open; the caller calls training_free in any case. */
int train(struct training *training, const struct learner *learner, const struct checkpoint_ring *ring,
          const char *metrics_path);

#endif
