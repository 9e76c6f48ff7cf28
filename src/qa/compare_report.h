/* The report of the job qa-compare. */
#ifndef MEDTOK_QA_COMPARE_REPORT_H
#define MEDTOK_QA_COMPARE_REPORT_H

#include <stdio.h>

#include "base/json.h"
#include "qa/arm_gains.h"

/* All that was computed: gains [orders][groups, arms]. Borrowed. */
struct compare_report {
    const struct compared_answers *answers;
    int over; /* the arm whose gains are told */
    int64_t resamples;
    int n_groups;
    const struct question_group *groups;
    const struct arm_gain *gains[N_ANSWER_ORDERS];
};

/* As Markdown: for each way of asking a table of accuracies, and what the arm gains in plain sentences. */
void compare_report_print(const struct compare_report *report, FILE *out);

/* As JSON, an object with a member a line down to each group. */
void compare_report_write(const struct compare_report *report, FILE *out);

#endif
