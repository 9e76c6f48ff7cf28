/* A model of health records: what its file in src/ehr/models/ says of it. A second model is another file, and a line in EHR_MODELS
 * (ehr/options.h). Models are written for one process: they know nothing of ranks, batches of a training, labels or losses of tasks: a
 * model gives a vector a sample, and a linear map to each task's logits stands behind it (ehr/heads.h).
 */
#ifndef MEDTOK_EHR_MODELS_H
#define MEDTOK_EHR_MODELS_H

#include "ehr/batch.h"
#include "ehr/code_rows.h"
#include "train/learner.h"

/* What a batch is packed for. */
enum ehr_stage { STAGE_PRETRAIN, STAGE_TASK };

/* What a model is made from; borrowed, for as long as the model. */
struct ehr_model_terms {
    const struct comm *comm;           /* for what is estimated from train, in `make`, which is collective */
    const struct ehr_options *options; /* with sizes filled in (ehr_options_sized) */
    const struct ehr_data *data;
    uint64_t seed;
    struct code_rows *codes; /* the model adds them, with the width of its choice: code_rows_add */
    struct parameter_set *set;
};

/* What settings stand for that are left at 0 (dropout, position_scale: at -1). */
struct ehr_size {
    int64_t dim, layers, heads, inner;
    double dropout;
    double position_scale; /* of models with fixed positions */
};

struct ehr_model {
    struct ehr_size sizes[N_EHR_SIZES];
    size_t input_bytes; /* of what `pack` fills */
    /* Whether the settings (sizes filled in) make a model; STATUS_USAGE if not. NULL: they do. */
    int (*check)(const struct ehr_options *options);
    /* Adds the parameters to terms->set; *self: the model, which `free` frees; *width: of `represent`. Collective. */
    int (*make)(void **self, const struct ehr_model_terms *terms, int64_t *width);
    /* Sets what first values need more than an init; NULL: nothing. */
    int (*start)(void *self, struct device *device);
    /* Fills `input` (zeroed before the first call) for samples batch->which[n] of batch->set: on the host, without device and MPI; may run
     * beside other packs of the same model. */
    int (*pack)(const void *self, struct pack *pack, const struct ehr_batch *batch, enum ehr_stage stage, void *input);
    /* Frees what `pack` keeps in `input` on the host; NULL: nothing. */
    void (*free_input)(void *input);
    /* The samples' vectors: [n, width], dropout of the head's input included. */
    struct var *(*represent)(void *self, struct tape *tape, const struct ehr_batch *batch);
    /* Pre-training; both NULL: has none. How many targets (codes to predict) a packed batch has; and the loss: its sum over targets
     * times `weight`, added to `loss`. */
    int64_t (*targets)(const void *input);
    void (*pretrain)(void *self, struct tape *tape, const struct ehr_batch *batch, double weight, dev_real loss);
    void (*free)(void *self);
};

#define EHR_MODEL_DECLARED(number, name) extern const struct ehr_model number##_MODEL;
EHR_MODELS(EHR_MODEL_DECLARED)
#undef EHR_MODEL_DECLARED

const struct ehr_model *ehr_model(enum ehr_model_number number);

/* The settings with sizes of the model and ehr.size in place of those that were left open, and checked by the model. */
int ehr_options_sized(const struct ehr_options *options, struct ehr_options *sized);

#endif
