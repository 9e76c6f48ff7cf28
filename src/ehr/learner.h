/* A model of health records as a learner (train/learner.h), whatever model it is.
 *
 *   STAGE_TASK      batches of samples of train; the losses of their tasks (ehr/heads.h); average precision of the scored task on
 *                   the split tuning is the measure to watch (of classes and sets its macro mean)
 *   STAGE_PRETRAIN  batches of subjects of train; the model's own loss, the mean over its targets
 *
 * And scores of any split.
 */
#ifndef MEDTOK_EHR_LEARNER_H
#define MEDTOK_EHR_LEARNER_H

#include "ehr/heads.h"
#include "ehr/models.h"
#include "measure/class_scores.h"
#include "measure/scores.h"
#include "train/sampler.h"

/* What it is made from; borrowed. */
struct ehr_learner_terms {
    const struct ehr_options *options; /* with sizes filled in */
    const struct ehr_data *data;
    struct code_rows_source source;
    uint64_t seed;
};

struct ehr_slot {
    int64_t *drawn; /* [n] samples of the set, owned */
    int64_t
        *total; /* [n_tasks] samples of each task in the batch, of all ranks; in pre-training [1] its targets; owned */
    struct pack pack;
    struct ehr_batch batch;
};

struct ehr_learner {
    struct learner learner; /* what train() is given */
    struct ehr_learner_terms terms;
    enum ehr_stage stage;
    const struct comm *comm;
    struct device *device;
    struct parameter_set parameters;
    struct code_rows codes;
    struct ehr_heads heads;
    const struct ehr_model *model;
    void *self; /* of the model */
    struct sampler sampler;
    struct ehr_slot slots[2];
    /* scoring */
    struct tape tape;
    struct ehr_slot scored;
    int64_t
        most_tokens; /* events of a batch that is scored, if it has more than one sample; may be changed: no score does */
};

/* How train() trains it in a stage. */
struct train_options ehr_train_options(const struct ehr_options *options, enum ehr_stage stage);

/* Collective. Makes the model with first values; `trains` 0: for scoring alone. Free in any case; the learner must not move in
 * memory. */
int ehr_learner_make(struct ehr_learner *learner, const struct ehr_learner_terms *terms, enum ehr_stage stage,
                     const struct comm *comm, struct device *device, int trains);
void ehr_learner_free(struct ehr_learner *learner);

/* Packs samples which[n] of a set into a slot. */
int ehr_learner_pack(struct ehr_learner *learner, struct ehr_slot *slot, const struct sample_set *set, int64_t n,
                     const int64_t *which);

/* Takes the values of all parameters but the heads' from another learner of the same terms. */
int ehr_learner_start_from(struct ehr_learner *learner, const struct ehr_learner *pretrained);

/* Collective. Probabilities of the scored task for this rank's samples of a split, [set.n, ehr_task_outputs], in *scores, which the caller
 * frees. */
int ehr_learner_predict(struct ehr_learner *learner, enum cohort_split split, double **scores);

/* Collective. Of a binary task: all samples of a split, on every rank, as scored_samples_gather gives them. */
int ehr_learner_score(struct ehr_learner *learner, enum cohort_split split, int64_t *n, struct scored_sample **samples);

/* Of a task of classes or sets: all samples of a split, in the order of the cohort. */
struct ehr_class_scores {
    struct class_predictions predictions; /* borrows what follows */
    int64_t *sample, *subject;            /* [n] number in the task; the cohort's number of it */
    float *scores;
    int32_t *label;
    int64_t *set_offsets;
    int32_t *set;
};

/* Collective, on every rank. Free in any case. */
int ehr_learner_score_classes(struct ehr_learner *learner, enum cohort_split split, struct ehr_class_scores *scores);
void ehr_class_scores_free(struct ehr_class_scores *scores);

#endif
