/* The list, and sizes. */
#include "ehr/models.h"

#include "base/status.h"

const struct ehr_model *ehr_model(enum ehr_model_number number) {
#define ENTRY(number, name) &number##_MODEL,
    static const struct ehr_model *const MODELS[] = {EHR_MODELS(ENTRY)};
#undef ENTRY
    return MODELS[number];
}

int ehr_options_sized(const struct ehr_options *options, struct ehr_options *sized) {
    const struct ehr_model *model = ehr_model(options->model);
    const struct ehr_size *size = &model->sizes[options->size];
    static const char *const NAMES[] = {EHR_MODELS(OPTION_CHOICE_NAME)};
    *sized = *options;
    if (sized->dim == 0) sized->dim = size->dim;
    if (sized->layers == 0) sized->layers = size->layers;
    if (sized->heads == 0) sized->heads = size->heads;
    if (sized->inner == 0) sized->inner = size->inner;
    if (sized->dropout < 0) sized->dropout = size->dropout;
    if (sized->position_scale < 0) sized->position_scale = size->position_scale;
    if (options->pretrain_steps > 0 && !model->pretrain)
        return status_set(STATUS_USAGE, "ehr.model %s has no pre-training: leave ehr.pretrain_steps at 0",
                          NAMES[options->model]);
    return model->check ? model->check(sized) : STATUS_OK;
}
