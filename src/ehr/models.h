/* A model of health records: what its file in src/ehr/models/ says of it. A second model is another file, and a line in EHR_MODELS
 * (ehr/options.h). Models are written for one process: they know nothing of ranks, batches or training.
 */
#ifndef MEDTOK_EHR_MODELS_H
#define MEDTOK_EHR_MODELS_H

#include "ehr/embedding.h"

/* What a model is made from; borrowed. */
struct ehr_model_terms {
    const struct ehr_options *options;
    uint64_t seed;
    double prior; /* share of samples with the label: where an untrained model's score should be */
};

struct ehr_model {
    /* Whether the settings make a model; STATUS_USAGE if not. */
    int (*check)(const struct ehr_options *options);
    /* Adds the parameters to the set; *self: the model, which `free` frees. */
    int (*make)(void **self, struct parameter_set *set, const struct embedding *embedding,
                const struct ehr_model_terms *terms);
    /* Sets what first values need more than an init; NULL: nothing. */
    int (*start)(void *self, struct device *device);
    /* The logits of a batch: [n, 1] */
    struct var *(*logits)(void *self, struct tape *tape, const struct ehr_batch *batch);
    void (*free)(void *self);
};

#define EHR_MODEL_DECLARED(number, name) extern const struct ehr_model number##_MODEL;
EHR_MODELS(EHR_MODEL_DECLARED)
#undef EHR_MODEL_DECLARED

const struct ehr_model *ehr_model(enum ehr_model_number number);

#endif
