/* What evaluate prints and writes: scores of a task, for each seed. */
#ifndef MEDTOK_EHR_REPORT_H
#define MEDTOK_EHR_REPORT_H

#include "ehr/evaluation.h"

struct ehr_report {
    const char *cohort_id, *table_id; /* table_id NULL: no table was read */
    const struct ehr_options *options;
    const struct ehr_data *data;
    const struct trial *trials; /* [n] */
    int64_t n;
};

/* A table on standard output. */
void ehr_report_print(const struct ehr_report *report);
/* Replaced when whole. */
int ehr_report_write(const struct ehr_report *report, const char *path);

#endif
