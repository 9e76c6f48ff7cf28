/* Checkpoints of a running training: `checkpoint.step-000500.h5` beside the final `checkpoint.h5`, the last few kept.
 *
 * The newest whole one with the same provenance is where an interrupted run goes on, at the very next step.
 */
#ifndef MEDTOK_TRAIN_CHECKPOINT_RING_H
#define MEDTOK_TRAIN_CHECKPOINT_RING_H

#include "train/saving.h"

struct checkpoint_ring {
    const char *final_path;              /* borrowed; where it leads is where the ring's files lie */
    const struct provenance *provenance; /* borrowed */
    int64_t keep;                        /* files */
    const char *setting;                 /* that says where they lie, for messages: "files.checkpoint" */
};

/* Collective, before a training begins. Fails if it would replace what another training made: a finished checkpoint
 * with another provenance, or the checkpoints of an unfinished one (without `resume`, this training's own too); the
 * message says what differs. With `force` the unfinished one's are removed, and the finished one is replaced when the
 * new one is whole. Removes what interrupted saves left. */
int checkpoint_ring_guard(const struct checkpoint_ring *ring, const struct comm *comm, int force, int resume);

/* Collective, before the first step. Fails if the disk has not the room for all checkpoints that there will be at a
 * time (steps: of the whole training; every: steps between checkpoints, 0: none on the way; with_best: the best weights
 * beside them) and metrics of `metrics_bytes`. */
int checkpoint_ring_check_room(const struct checkpoint_ring *ring, const struct comm *comm,
                               const struct training_state *state, int64_t steps, int64_t every, int with_best,
                               int64_t metrics_bytes);

/* Collective. Loads the newest checkpoint of this training, if there is one, and sets state->step. A damaged one is
 * passed over with a warning. */
int checkpoint_ring_resume(const struct checkpoint_ring *ring, const struct comm *comm, struct training_state *state);

/* Collective. Begins to save the state of its step, unless `status` of rank 0, what must be there before, is a failure, which becomes
 * every rank's; for which checkpoint_ring_advance is then called after each step:
 * when all of it is there, those beyond `keep` are removed, and those of later steps (which were damaged). One
 * that is still under way is waited for first. */
int checkpoint_ring_save(const struct checkpoint_ring *ring, struct saver *saver, int status);

/* Goes on with a file under way, without waiting; n_writing: ranks of which saver_is_busy was true, the same on all ranks. What fails may fail
 * on one rank alone: it is to be agreed on. */
int checkpoint_ring_advance(const struct checkpoint_ring *ring, struct saver *saver, int64_t n_writing);

/* Collective. Waits until nothing is under way. */
int checkpoint_ring_wait(const struct checkpoint_ring *ring, struct saver *saver);

/* Collective. The best weights so far (train.patience) lie beside the ring as `checkpoint.best.h5`, from the evaluation
 * that they won to the end of the training. Load: *found says whether there are any, of this training and up to step
 * state->step; only then `state` changes, its step with it. */
int checkpoint_ring_save_best(const struct checkpoint_ring *ring, struct saver *saver);
int checkpoint_ring_load_best(const struct checkpoint_ring *ring, const struct comm *comm, struct training_state *state,
                              int *found);

/* Collective. Saves the final checkpoint and removes the ring and the best weights. */
int checkpoint_ring_finish(const struct checkpoint_ring *ring, struct saver *saver);

#endif
