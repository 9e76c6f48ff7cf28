/* A model of health records as a learner (train/learner.h), whatever model it is: batches of samples, binary cross-entropy of a label
 * with equal weight for each sample of the batch, and average precision on the split tuning as the measure to watch. And scores of
 * any split.
 */
#ifndef MEDTOK_EHR_LEARNER_H
#define MEDTOK_EHR_LEARNER_H

#include "ehr/models.h"
#include "measure/scores.h"
#include "train/learner.h"
#include "train/sampler.h"

/* What it is made from; borrowed. */
struct ehr_learner_terms {
    const struct ehr_options *options;
    const struct ehr_data *data;
    struct embedding_source source;
    uint64_t seed;
};

struct ehr_slot {
    int64_t *drawn;   /* [n] samples of the set, owned */
    int64_t n, total; /* of this rank; of all ranks */
    struct pack pack;
    struct ehr_batch batch;
};

struct ehr_learner {
    struct learner learner; /* what train() is given */
    struct ehr_learner_terms terms;
    const struct comm *comm;
    struct device *device;
    struct parameter_set parameters;
    struct embedding embedding;
    const struct ehr_model *model;
    void *self; /* of the model */
    struct sampler sampler;
    struct ehr_slot slots[2];
    /* scoring */
    struct tape tape;
    struct pack pack;
    struct ehr_batch batch;
    int64_t most_tokens; /* of a batch that is scored, if it has more than one sample; may be changed: no score does */
};

/* How train() trains it. */
struct train_options ehr_train_options(const struct ehr_options *options);

/* Collective. Makes the model with first values; `trains` 0: for scoring alone. Free in any case; the learner must not move in
 * memory. */
int ehr_learner_make(struct ehr_learner *learner, const struct ehr_learner_terms *terms, const struct comm *comm,
                     struct device *device, int trains);
void ehr_learner_free(struct ehr_learner *learner);

/* Collective. Scores (probabilities) of all samples of a split, on every rank, as scored_samples_gather gives them. */
int ehr_learner_score(struct ehr_learner *learner, enum cohort_split split, int64_t *n, struct scored_sample **samples);

#endif
