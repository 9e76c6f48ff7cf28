/* Checkpoints of a running training: `checkpoint.step-000500.h5` beside the final `checkpoint.h5`, the last few kept.
 *
 * The newest whole one with the same provenance is where an interrupted run goes on, at the very next step.
 */
#ifndef MEDTOK_MEDTOK_CHECKPOINT_RING_H
#define MEDTOK_MEDTOK_CHECKPOINT_RING_H

#include "medtok/trainer.h"

struct checkpoint_ring {
    const char *final_path;              /* borrowed */
    const struct provenance *provenance; /* borrowed */
    int64_t keep;                        /* files */
};

/* Collective. Loads the newest checkpoint of this training, if there is one, and sets trainer->step. A damaged one is
 * passed over with a warning. */
int checkpoint_ring_resume(const struct checkpoint_ring *ring, struct trainer *trainer);

/* Collective. Saves the trainer's step and removes those beyond `keep`. */
int checkpoint_ring_save(const struct checkpoint_ring *ring, struct trainer *trainer);

/* Collective. Saves the final checkpoint and removes the ring. */
int checkpoint_ring_finish(const struct checkpoint_ring *ring, struct trainer *trainer);

#endif
