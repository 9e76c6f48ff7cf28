/* What a training must know of a model. The loop, clipping, schedule, averages, checkpoints, metrics, signals and the
 * watch for divergence are train()'s (train/train.h); to train another model, write another learner.
 *
 * A step takes train.micro_batches batches one after the other; each has a number, counted from 0 over the whole
 * training. The data of a batch are made in one of two slots, batch modulo 2, while the device still works on the batch
 * in the other. Calls of a batch come in this order, on every rank:
 *   draw, send, tell, share, fetch, loss, (backward) count,   and after the last batch of a step:   set_rate, (update) move, after.
 * Callbacks that are NULL are left out; draw and loss are needed. "Collective": all ranks make the call, and the status
 * that it returns is the same on all.
 */
#ifndef MEDTOK_TRAIN_LEARNER_H
#define MEDTOK_TRAIN_LEARNER_H

#include "dist/row_order.h"
#include "train/measures.h"
#include "train/optimiser.h"
#include "train/row_exchange.h"

/* Device values of this rank that are summed over ranks while the backward pass goes on, from when the learner says so;
 * n 0: there are none. Either the first n_gradients gradients of the set (of dense parameters, in the order of adding),
 * for which values = group[PARAMETERS_DENSE].grad; or something else, and the first n_gradients gradients are not
 * summed at all. */
struct early_sum {
    dev_real values;
    int64_t n, n_gradients;
};

/* What a loss is given and fills, beside gradients. Sums over ranks make the values of the whole batch: each rank adds
 * its share. */
struct loss_sums {
    dev_real terms;   /* [n_terms] on the device, added to */
    dev_real lengths; /* [n_lengths] on the device: squared lengths of the vectors that are watched, added to */
    int64_t *vectors; /* [n_lengths] on the host: how many vectors these were, added to */
    int64_t samples;  /* in this rank's batch, added to */
    int64_t batch;    /* number of the batch */
    int first;        /* it is the first of the step: what is collected over a step begins anew */
    int status;       /* first failure of the loss's communication */
    /* To be called once, in the loss or from a record of the tape (tape_notify), when the values of early_sum are
     * complete; NULL where the learner has none, or not in this batch. */
    void (*early_ready)(void *context);
    void *context;
};

/* Vectors whose root mean square length is reported in `column`, and must not pass train.max_length; `term`, named in
 * the message, compares them. */
struct watched_length {
    const char *column, *term;
};

/* What a step reports; the same on every rank. */
struct step_report {
    const double *terms, *lengths;    /* [n_terms]; [n_lengths] root mean squares; valid until the next step */
    double loss, gradient_norm, rate; /* rate: the learning rate */
    double norm_apart;                /* of the gradients that gradient_norm leaves out: PARAMETER_APART */
    double gradient_scale;            /* what clipping multiplied the gradient by; 1: not clipped */
    int64_t samples;                  /* of all ranks */
    int stop;                         /* some rank asked to stop */
    int64_t n_writing;                /* ranks that still write a checkpoint */
    struct measures *measures;        /* what the learner adds, in `after`; valid until the next step */
};

struct learner {
    void *self;
    struct parameter_set *parameters; /* allocated with gradients and first values, cut among the ranks */
    const char *settings;             /* section of its training's settings, for messages: "train" */
    const char *samples;              /* what they are called in metrics and log: a word of small letters, "codes" */
    int64_t batch;                    /* of them in a batch, over all ranks, at most; train.rate_scale looks at it */
    const char *evaluated;            /* what `evaluate` measures, for the log, e.g. "held-out codes" */
    const char *const *terms;         /* [n_terms] names of the terms of the loss */
    int n_terms;
    const struct watched_length *lengths; /* [n_lengths] */
    int n_lengths;
    struct early_sum early;
    struct row_order *row_order; /* of the parameters that are cut by rows; NULL: their rows lie by number */

    /* Collective, before the first step of a training that resumes nothing. */
    int (*begin)(void *self, struct optimiser *optimiser);

    /* Makes this rank's part of a batch, on the host: no MPI, no device; it may run on another thread. */
    int (*draw)(void *self, int64_t batch, int slot);
    /* Starts to send it to the device; it may still run while the device works on the other slot. Not collective. */
    int (*send)(void *self, int slot);
    /* What ranks must know of each other's parts, with one message for all of it: tell writes this rank's numbers among n_shared, which
     * are zero; share is given their sums over ranks. Neither is collective. */
    void (*tell)(void *self, int slot, int64_t *numbers);
    void (*share)(void *self, int slot, const int64_t *sums);
    int64_t n_shared;
    /* Collective, when the batch's turn has come and the tape is empty: lets the device wait for what was sent, and
     * fetches rows of parameters that are cut. */
    int (*fetch)(void *self, struct row_exchange *exchange, struct tape *tape, int slot);
    /* Forward: values on the tape, gradients of the loss on its last variables, sums. Failures of this rank alone stay
     * in the tape or in sums->status; all ranks make the same collective calls. */
    void (*loss)(void *self, struct tape *tape, int slot, struct loss_sums *sums);

    /* Before the update, when the device has no work left and what the loss made is still there: what the learner
     * counts of the batch; first: it is the first of a step. */
    void (*count)(void *self, int first);
    /* Before an update of this rate: brings what `move` needs of it onto the device. */
    void (*set_rate)(void *self, double rate);
    /* Between update and averages: device work that is the same in every step (device_run_recorded). */
    void (*move)(void *self);
    /* Collective, after update number `step`. */
    int (*after)(void *self, struct optimiser *optimiser, int64_t step, struct step_report *report);

    /* Collective, with the averaged values where there are any: measures what was held out. measures->watched is
     * what train.patience looks at. */
    int (*evaluate)(void *self, struct measures *measures);

    /* For the message when a step diverged: names this rank's worst samples of the last batch, as the end of the
     * sentence "lower train.rate, or ..."; *severity: of the worst (the rank with the largest is quoted). Not
     * collective. */
    int (*accuse)(void *self, int64_t *severity, char *text, size_t size);
    /* For the log line every train.log_every steps: adds to it what is worth reading of the steps since the last one,
     * which begin anew. Called on rank 0 alone. */
    void (*describe)(void *self, char *text, size_t size);
};

#endif
