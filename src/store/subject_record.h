/* What is known of one subject (a patient): the words that readers of health records (src/ingest), cohort.h5 (store/cohort.h) and
 * tasks (src/ehr/tasks) share.
 *
 * Times are microseconds since 1970-01-01, as the source gives them, without a time zone.
 */
#ifndef MEDTOK_STORE_SUBJECT_RECORD_H
#define MEDTOK_STORE_SUBJECT_RECORD_H

#include <stdint.h>

#define COHORT_NO_TIME  INT64_MIN /* of a static fact; of a birth, death or end that is not known */
#define COHORT_NO_VISIT INT64_MIN /* an event outside any visit */

enum cohort_split { SPLIT_TRAIN, SPLIT_TUNING, SPLIT_HELD_OUT, N_SPLITS };
extern const char *const SPLIT_NAMES[N_SPLITS];

/* What an event is about: from the table that it stands in, or from the system of its code. */
#define CODE_KINDS(KIND)                                                                                               \
    KIND(OTHER, "other")                                                                                               \
    KIND(DIAGNOSIS, "diagnosis")                                                                                       \
    KIND(PROCEDURE, "procedure")                                                                                       \
    KIND(DRUG, "drug")                                                                                                 \
    KIND(MEASUREMENT, "measurement") /* laboratory and vital signs */                                                  \
    KIND(VISIT, "visit")             /* admissions, discharges, transfers, stays in intensive care */                  \
    KIND(FACT, "fact")               /* sex, race, birth, death */
#define CODE_KIND_NUMBER(constant, name) CODE_KIND_##constant,
enum code_kind { CODE_KINDS(CODE_KIND_NUMBER) N_CODE_KINDS };
#undef CODE_KIND_NUMBER
extern const char *const CODE_KIND_NAMES[N_CODE_KINDS];

enum visit_kind { VISIT_OTHER, VISIT_OUTPATIENT, VISIT_EMERGENCY, VISIT_INPATIENT, N_VISIT_KINDS };
extern const char *const VISIT_KIND_NAMES[N_VISIT_KINDS];

struct cohort_visit {
    int64_t id;         /* as in the source (hadm_id, visit_occurrence_id), or COHORT_NO_VISIT */
    int64_t start, end; /* admission, discharge; end COHORT_NO_TIME: not known */
    uint8_t kind;       /* enum visit_kind */
    uint8_t died;       /* whether the subject died in it, by the source */
};

/* All of one subject; for labellers alone: whoever makes inputs gets a history, which ends at a prediction time. Borrowed. */
struct subject_record {
    int64_t index;   /* of the subject in the cohort */
    int64_t subject; /* its number in the source */
    int64_t birth, death;
    enum cohort_split split;
    int64_t n_visits;
    const struct cohort_visit *visits; /* [n_visits] by start, end, id */
    int64_t n_events;                  /* [n_events] by time (static ones first), then in the order of the source */
    const int64_t *time;
    const int32_t *code;  /* index in the cohort's codes */
    const float *value;   /* NaN: none */
    const int32_t *visit; /* index in visits, or -1 */
};

#endif
