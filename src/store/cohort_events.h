/* The events of a cohort, for those who make one (src/ingest) and for cohort.c. Whoever trains or evaluates a model
 * gets them from cohort_history, which ends at the prediction time. tests/system/cohort.sh looks who includes this
 * file. */
#ifndef MEDTOK_STORE_COHORT_EVENTS_H
#define MEDTOK_STORE_COHORT_EVENTS_H

#include <stdint.h>

struct cohort_events {
    int64_t first, n_subjects; /* of subjects first .. first + n_subjects - 1 */
    int64_t *offsets;          /* [n_subjects + 1] from 0 */
    int64_t *time;
    int32_t *code;
    float *value;
};

#endif
