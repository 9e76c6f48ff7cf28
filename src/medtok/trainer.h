/* Training: one step of the method over all ranks, and what it keeps between steps.
 *
 * A step: draw codes (sampler), flatten them (batch), fetch their node vectors (row_owner), forward and backward (model),
 * sum gradients over ranks (reduce), clip, Adam; then what moves the codebook outside the gradient (codebook) and the
 * average of the parameters.
 */
#ifndef MEDTOK_MEDTOK_TRAINER_H
#define MEDTOK_MEDTOK_TRAINER_H

#include "base/worker.h"
#include "dist/row_owner.h"
#include "dist/stages.h"
#include "medtok/codebook.h"
#include "medtok/model.h"
#include "medtok/sampler.h"
#include "measure/usage.h"

/* Where the time of a training goes: "load" until the first step, those of a step, and those that the caller begins. */
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

/* This rank's part of a step's batch, and how many rows all ranks have. */
struct prepared_batch {
    int64_t step;   /* whose batch it is; -1: none */
    int64_t *codes; /* [n_codes], owned */
    int64_t n_codes;
    struct edge_drop drop;
    int64_t asked; /* the step whose batch is being flattened by the worker; -1: none */
    struct batch batch;
    struct batch_builder builder;
    struct row_shares text_rows, graph_rows, both_rows;
};

struct trainer {
    const struct config *config;
    const struct comm *comm;
    struct device *device;
    struct parameters parameters;
    struct codebook codebook;
    struct sampler sampler;
    struct text_source text;
    struct dataset dataset;
    struct worker *worker;           /* flattens `next` while this thread gives a GPU its work; NULL on CPU cores */
    struct prepared_batch now, next; /* `next` is made by the host while the device works on `now` */
    struct tape tape;
    struct row_plan plan;
    struct bucket codebook_bucket, dense_bucket; /* codebook: its gradient, or its picks (quantizer.update: ema) */
    struct usage usage;                          /* of the last step, all ranks */
    dev_real scalars;                            /* loss terms, then squared gradient norms, on the device */
    struct repeated clearing, norms, updating;   /* the parts of a step that are the same in every step */
    int64_t step;                                /* updates made */
    struct stages stages;                        /* enum train_stage */
    int bucket_status;
};

/* What a step reports; the same on every rank. */
struct step_report {
    double terms[N_TERMS], loss, gradient_norm;
    double length[N_GROUPS]; /* root mean square of |z|, the vectors that each group quantises */
    double rate;             /* the learning rate of this step */
    double gradient_scale;   /* what clipping multiplied the gradient by; 1: not clipped */
    int64_t n_codes;         /* in the global batch */
    int64_t n_revived;       /* rows of the codebook */
    int stop;                /* some rank asked to stop */
};

/* Collective. Reads this rank's piece and makes initial parameters. */
int trainer_make(struct trainer *trainer, const struct config *config, const struct comm *comm, struct device *device);
void trainer_free(struct trainer *trainer);

/* Collective. What a new training, one that resumes nothing, starts from: the codebook's k-means and states. */
int trainer_begin(struct trainer *trainer);

/* Collective. One update. `stop`: this rank asks all to stop after the step. A step that diverges
 * (divergence.h) is an error that leaves the parameters as they were. */
int trainer_step(struct trainer *trainer, int stop, struct step_report *report);

#endif
