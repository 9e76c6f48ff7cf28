/* The names of what subject_record.h numbers. */
#include "store/subject_record.h"

const char *const SPLIT_NAMES[N_SPLITS] = {"train", "tuning", "held_out"};

#define CODE_KIND_NAME(constant, name) name,
const char *const CODE_KIND_NAMES[N_CODE_KINDS] = {CODE_KINDS(CODE_KIND_NAME)};

const char *const VISIT_KIND_NAMES[N_VISIT_KINDS] = {"other", "outpatient", "emergency", "inpatient"};
