/* MedTok as a learner (train/learner.h): its batches, its loss, and what moves the codebook outside the gradient.
 *
 * A batch: codes are drawn (train/sampler.h), flattened and sent (batch.h), their node vectors fetched from the ranks
 * that own them, and put through the model (model.h), whose losses look at the codes of all ranks.
 */
#ifndef MEDTOK_MEDTOK_LEARNER_H
#define MEDTOK_MEDTOK_LEARNER_H

#include "medtok/batch_parts.h"
#include "medtok/codebook.h"
#include "medtok/continuation.h"
#include "measure/usage.h"
#include "medtok/evaluation.h"
#include "medtok/first_graph.h"
#include "train/learner.h"
#include "train/sampler.h"

/* What it is made from; options and texts are borrowed. */
struct medtok_learner_options {
    struct model_settings model;
    const struct text_options *text;
    const struct train_options *train;
    const struct inspect_options *inspect;    /* of evaluations */
    const char *vocabulary, *features;        /* files */
    struct continuation_options continuation; /* its checkpoint "": a training from its beginning */
    int threads;                              /* of the host, for evaluations */
};

/* This rank's part of a batch, and how many rows all ranks have. */
struct medtok_slot {
    int64_t *codes; /* [n_codes], owned */
    int64_t n_codes;
    struct view_drop drop;
    struct batch batch;
    struct batch_builder builder;
    struct row_shares rows[N_LISTS]; /* codes with text, with a graph, with both */
    struct batch_parts parts;
    int64_t before, total; /* where the codes stand in the global batch */
};

struct medtok_learner {
    struct learner learner; /* what train() is given */
    struct medtok_learner_options options;
    const struct comm *comm;
    struct device *device;
    struct sampler sampler;
    struct text_source text;
    struct dataset dataset;
    struct row_order row_order; /* partition graph, on several ranks: of the node table; else empty */
    struct parameter_set parameters;
    struct model model;
    struct codebook codebook;
    struct node_start node_start;
    struct continuation continuation;
    struct medtok_slot slots[2];
    struct row_lists lists; /* what the losses exchange */
    /* of the last batch */
    const struct medtok_slot *slot;
    struct var *nodes;
    struct model_output output;
    int warming; /* its step is one of quantizer.warmup */
    struct usage usage,
        usage_logged; /* this rank's picks: of the last step, and of those since the last line of the log */
    struct usage_measure logged[N_USAGE_REGIONS]; /* of that line, of all ranks */
    int64_t *summed;                              /* memory for summing both */
    int32_t *tokens;                              /* memory for the picks of a batch */
    uint64_t *picked; /* a bit for each row of the codebook: whether any rank picked it in the last step */
    int64_t n_revived, revived_logged;
    struct evaluation evaluation;
};

/* Collective. Reads this rank's piece and makes first parameters. Free in any case; the learner must not move in
 * memory. */
int medtok_learner_make(struct medtok_learner *learner, const struct medtok_learner_options *options,
                        const struct comm *comm, struct device *device);
void medtok_learner_free(struct medtok_learner *learner);

#endif
