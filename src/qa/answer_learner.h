/* Learning to answer: the cross-entropy of the right letter, over all tokens, where the reply begins. The learner of train(). */
#ifndef MEDTOK_QA_ANSWER_LEARNER_H
#define MEDTOK_QA_ANSWER_LEARNER_H

#include "qa/answer_model.h"
#include "train/learner.h"
#include "train/options.h"
#include "train/sampler.h"

struct answer_learner {
    struct learner learner; /* for train() */
    struct answer_model *model;
    struct sampler sampler;
    uint64_t seed;
    struct answer_slot {
        struct answer_batch batch;
        int64_t *drawn, total; /* total: questions of all ranks in the batch */
        struct asked *asked;
        uint32_t step;
    } slots[2];
};

/* Trains the model, which is borrowed, on its questions. Collective. */
int answer_learner_make(struct answer_learner *learner, const struct comm *comm, struct answer_model *model,
                        uint64_t seed);
void answer_learner_free(struct answer_learner *learner);

/* Of the settings qa.*. */
struct train_options answer_train_options(const struct qa_options *options);

#endif
