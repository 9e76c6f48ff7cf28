/* What a model reads of a sample: its history as tokens.
 *
 *   CLS  static codes SEP  codes of the first day SEP  codes of the second day SEP ...
 *
 * A visit is a day with events; its codes stand once each, in the order of the cohort's codes, and SEP ends it. Codes
 * without time (sex) are a visit before all others. Of a history that is longer than max_length the last tokens of
 * dated visits are kept; static codes stay, up to half the length. MEDS_BIRTH is no token: it is what age counts from.
 *
 * As BEHRT makes its input (specs: ehr-models-and-tasks 1.1; Li et al., 2020), but for static codes, which it has not.
 */
#ifndef MEDTOK_EHR_TIMELINE_H
#define MEDTOK_EHR_TIMELINE_H

#include "ehr/options.h"
#include "store/cohort.h"

/* Tokens that are no codes; in a timeline a code is TOKEN_FIRST_CODE + its index. Missing: a code without a row. */
enum { TOKEN_CLS, TOKEN_SEP, TOKEN_MISSING, TOKEN_FIRST_CODE };

/* AGE_MOST years, and the last class holds all above. Class 0: unknown; else 1 + age in the unit. */
enum { AGE_MOST_YEARS = 110 };
int64_t age_classes(enum ehr_age unit);

struct timeline_token {
    int32_t token;
    int32_t age;   /* class; that of SEP is its visit's, that of CLS the token's behind it */
    int32_t visit; /* visits that have ended before, of those that are kept */
};

struct timeline {
    struct timeline_token *tokens; /* [n], owned */
    long long n, capacity;
    int64_t dropped; /* tokens that were too many */
    int32_t *codes;  /* of a visit; memory for timeline_make, as the history */
    long long codes_capacity;
    struct history history;
};

/* The tokens of a sample, whose events were read; a zeroed timeline is empty, and is reused. */
int timeline_make(struct timeline *timeline, const struct cohort *cohort, int64_t sample,
                  const struct ehr_options *options);
void timeline_free(struct timeline *timeline);

#endif
