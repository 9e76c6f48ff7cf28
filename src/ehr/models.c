/* The list. */
#include "ehr/models.h"

const struct ehr_model *ehr_model(enum ehr_model_number number) {
#define ENTRY(number, name) &number##_MODEL,
    static const struct ehr_model *const MODELS[] = {EHR_MODELS(ENTRY)};
#undef ENTRY
    return MODELS[number];
}
