/* The visits and events of a cohort, whole: for those who make one or label one (src/ingest, src/ehr/tasks), for tests, and for cohort.c. Whoever
 * trains or evaluates a model gets them from cohort_history, which ends at the prediction time. tests/system/cohort.sh looks who
 * includes this file. */
#ifndef MEDTOK_STORE_COHORT_EVENTS_H
#define MEDTOK_STORE_COHORT_EVENTS_H

#include "store/cohort.h"

struct cohort_events {
    int64_t first, n_subjects; /* of subjects first .. first + n_subjects - 1 */
    int64_t *death;            /* [n_subjects] */
    int64_t *offsets;          /* [n_subjects + 1] from 0 */
    int64_t *time;
    int32_t *code;
    float *value;
    int32_t *visit;
    int64_t *visit_offsets; /* [n_subjects + 1] from 0 */
    struct cohort_visit *visits;
};

/* All of one subject, by its index; its events were read. Borrowed from the cohort. */
struct subject_record cohort_subject(const struct cohort *cohort, int64_t subject);

#endif
