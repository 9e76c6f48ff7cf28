/* A sample's history as visits: the unit that models read.
 *
 * A visit is an admission (ehr.visits admissions: the cohort's visits, and a day of events outside any of them), or a day with events
 * (ehr.visits days, as BEHRT has it). Its codes stand once each, in the order of the cohort's codes. Codes without time (sex) are a
 * visit of their own before all others, with start and end COHORT_NO_TIME. MEDS_BIRTH is no code: it is what age counts from.
 */
#ifndef MEDTOK_EHR_VISITS_H
#define MEDTOK_EHR_VISITS_H

#include "ehr/options.h"
#include "store/cohort.h"

/* Tokens that are no codes. Of what is known of a cohort's code before rows are dealt, the token is TOKEN_FIRST_CODE + its index; then
 * it is a row (ehr/data.h). Missing: a code without a row. */
enum { TOKEN_CLS, TOKEN_SEP, TOKEN_MASK, TOKEN_VISIT, TOKEN_MISSING, TOKEN_FIRST_CODE };

/* AGE_MOST years, and the last class holds all above. Class 0: unknown; else 1 + age in the unit. */
enum { AGE_MOST_YEARS = 110 };
int64_t age_classes(enum ehr_age unit);

/* An event of a history, with its code as a token. */
struct sample_event {
    int64_t time;  /* COHORT_NO_TIME: static; these come first, then by time */
    int32_t code;  /* index in the cohort's codes */
    int32_t token; /* its row */
    int32_t visit; /* index in sample_history.visits, or -1 */
    float value;   /* NaN: none */
};

/* What is known of a subject at a time; borrowed. */
struct sample_history {
    int64_t n, n_static, n_visits;
    const struct sample_event *events; /* [n] */
    const struct cohort_visit
        *visits;              /* [n_visits] the cohort's, that had begun; a start is known, an end if it is past */
    int64_t birth_code;       /* of MEDS_BIRTH; -1: the cohort has it not */
    int64_t birth, time;      /* COHORT_NO_TIME: not known; the prediction time */
    const uint8_t *code_kind; /* [codes of the cohort] enum code_kind */
};

struct visit_code {
    int32_t token, code;
    uint8_t kind; /* enum code_kind */
};

struct visit {
    int64_t start, end; /* of an admission as known at the prediction time; of a day its first event and its last */
    int64_t first, n;   /* its codes */
    int32_t age;        /* class, at start */
    uint8_t kind;       /* enum visit_kind; VISIT_OTHER: a day, or static codes */
    uint8_t is_static;
};

/* Memory that is reused; zeroed it is empty. */
struct visits {
    struct visit *visits; /* [n] by start; owned */
    long long n, capacity;
    struct visit_code *codes; /* [n_codes]; owned */
    long long n_codes, codes_capacity;
    struct place *places; /* memory for visits_make; owned */
    long long places_capacity;
};

/* The visits of a history, those without codes left out. */
int visits_make(struct visits *visits, const struct sample_history *history, const struct ehr_options *options);
void visits_free(struct visits *visits);

#endif
