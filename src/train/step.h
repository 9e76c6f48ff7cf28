/* One step of a training over all ranks: draw a batch, fetch rows that are cut, forward and backward, sum gradients
 * over ranks, clip, Adam, averages. It knows of the model what its learner tells (train/learner.h).
 */
#ifndef MEDTOK_TRAIN_STEP_H
#define MEDTOK_TRAIN_STEP_H

#include "base/status.h"
#include "base/worker.h"
#include "dist/reduce.h"
#include "dist/stages.h"
#include "train/learner.h"
#include "train/saving.h"

/* Where the time of a training goes: "load" until the first step, those of a step, and those that train() begins. */
enum train_stage {
    STAGE_LOAD,
    STAGE_BATCH,
    STAGE_FETCH,
    STAGE_FORWARD,
    STAGE_BACKWARD,
    STAGE_REDUCE,
    STAGE_UPDATE,
    STAGE_EVALUATE,
    STAGE_SAVE,
    N_STAGES
};

struct training {
    const struct comm *comm;
    struct device *device;
    const struct train_options *options;
    const struct learner *learner;
    struct training_state state; /* the learner's parameters, the optimiser, updates made */
    struct tape tape;
    struct row_exchange rows;
    struct worker *worker; /* draws the next batch while this thread gives a GPU its work; NULL on CPU cores */
    struct slot {
        struct training *training;
        int64_t ready, asked; /* batch that is sent and shared; that the worker is drawing; -1: none */
    } slots[2];
    struct bucket early, dense; /* sums over ranks: of learner->early, and of the other dense gradients */
    int early_status;           /* of starting the early sum */
    int divided;             /* the ranks of a node divide the update of dense parameters, as their sums are divided */
    dev_real scalars;        /* of a step: loss terms, two squared gradient norms, squared lengths */
    int64_t *shared;         /* what ranks tell each other of a batch: whether one failed, and learner->n_shared */
    int is_writing;          /* this rank still writes a checkpoint: of how many that is so, the step reports */
    struct kept_status held; /* a failure of this rank since the last step, which the next one makes every rank's */
    int64_t *vectors;        /* [n_lengths] of this rank's part of the step */
    int64_t samples;         /* likewise */
    real *host;              /* the scalars */
    double *sums;            /* memory for one sum over ranks, and what the report points to */
    struct recorded_work clearing, norms, updating; /* the parts of a step that are the same in every step */
    struct measures measures;                       /* of the step's report */
    struct stages stages;                           /* enum train_stage */
};

/* Begins the stage "load". All arguments are borrowed. */
void training_open(struct training *training, const struct comm *comm, struct device *device,
                   const struct train_options *options);

/* Collective. Memory for training the learner's parameters, as they are now. */
int training_make(struct training *training, const struct learner *learner);
void training_free(struct training *training);

/* Collective. What a new training, one that resumes nothing, starts from. */
int training_begin(struct training *training);

/* For what may fail on one rank between steps: the next step, or training_agree, makes it every rank's. */
void training_hold(struct training *training, int status);

/* Collective: as comm_agree, of `status` and of what is held. */
int training_agree(struct training *training, int status);

/* Collective. One update. `stop`: this rank asks all to stop after the step. A step that diverges (divergence.h) is an
 * error that leaves the parameters as they were. */
int training_step(struct training *training, int stop, struct step_report *report);

#endif
