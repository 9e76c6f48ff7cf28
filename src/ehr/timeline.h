/* What a sequence model reads of a sample: its visits as one row of tokens.
 *
 *   CLS  static codes SEP  codes of the first visit SEP  codes of the second visit SEP ...
 *
 * Of a history that is longer than max_length the last tokens of dated visits are kept; static codes stay, up to half the length.
 *
 * As BEHRT makes its input (specs: ehr-models-and-tasks 1.1; Li et al., 2020), but for static codes, which it has not.
 */
#ifndef MEDTOK_EHR_TIMELINE_H
#define MEDTOK_EHR_TIMELINE_H

#include "ehr/visits.h"

struct timeline_token {
    int32_t token; /* a row, TOKEN_CLS or TOKEN_SEP */
    int32_t age;   /* class; that of SEP is its visit's, that of CLS the token's behind it */
    int32_t visit; /* visits that have ended before, of those that are kept */
    int32_t of;    /* index in visits.visits; of CLS that of the token behind it, -1 if there is none */
};

struct timeline {
    struct timeline_token *tokens; /* [n], owned */
    long long n, capacity;
    int64_t dropped; /* tokens that were too many */
};

/* Zeroed it is empty; it is reused. */
int timeline_make(struct timeline *timeline, const struct visits *visits, int64_t max_length);
void timeline_free(struct timeline *timeline);

#endif
