#include "synth/format.h"

#define DECLARE(constant, name) extern const struct synth_format SYNTH_##constant##_FORMAT;
SYNTH_FORMATS(DECLARE)
#undef DECLARE

#define ADDRESS(constant, name) &SYNTH_##constant##_FORMAT,
const struct synth_format *const SYNTH_FORMAT_LIST[N_SYNTH_FORMATS] = {SYNTH_FORMATS(ADDRESS)};
#undef ADDRESS

const char *const SYNTH_RACES[5] = {"WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC OR LATINO", "ASIAN", "UNKNOWN"};
const char *const SYNTH_ADMISSION_TYPES[5] = {"EW EMER.", "OBSERVATION ADMIT", "URGENT", "ELECTIVE",
                                              "SURGICAL SAME DAY ADMISSION"};
const char *const SYNTH_UNITS[6] = {"Medical Intensive Care Unit (MICU)",
                                    "Cardiac Vascular Intensive Care Unit (CVICU)",
                                    "Medical/Surgical Intensive Care Unit (MICU/SICU)",
                                    "Surgical Intensive Care Unit (SICU)",
                                    "Trauma SICU (TSICU)",
                                    "Coronary Care Unit (CCU)"};
