/* Which visits of a subject tasks ask about, and dates.
 *
 * A stay is an inpatient visit whose discharge is known and behind its admission.
 */
#ifndef MEDTOK_EHR_TASKS_STAYS_H
#define MEDTOK_EHR_TASKS_STAYS_H

#include "ehr/tasks/labeller.h"

struct stays {
    int32_t n;
    int32_t *visit; /* [n] index in the record's visits, ascending; owned, as what follows */
    long long visit_capacity;
    int32_t *n_icu, *n_kind[3]; /* [n_visits] stays in intensive care; diagnoses, procedures, drugs */
    long long n_icu_capacity, n_kind_capacity[3];
    int32_t *set; /* memory for classes of a sample */
    long long set_capacity;
};
void stays_free(struct stays *stays);

/* The stays of the subject; visits that are none are left out. */
int stays_find(const struct labelling *l);

/* The cohort of MedTok's scripts (specs 7.1): stays with intensive care and with diagnoses, procedures and drugs; none if fewer than two are
 * left. Of EHRSHOT intensive care is not asked for. most_icu: stays in intensive care in one visit, 0: any number. */
int stays_retain(const struct labelling *l, int most_icu);

/* Whether the subject is an adult at `time`; else the visit is left out. */
int stays_adult(const struct labelling *l, int64_t time, int32_t visit);

/* Whether the subject is alive and at home behind the discharge of a visit: it did not die in it or before, and no other stay holds its
 * end; else the visit is left out. */
int stays_goes_home(const struct labelling *l, int32_t visit);

/* Index in stays->visit of the first stay that begins behind `time`, or -1. */
int32_t stays_next(const struct labelling *l, int64_t time);

/* The day of a time, in days since 1970-01-01. */
int64_t day_of(int64_t time);

#endif
