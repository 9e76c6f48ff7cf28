/* What evaluate prints and writes: arms beside each other, for each task, model and number of samples that they learned from, on all
 * samples of the split, on those whose codes training never saw, and by how many samples of training have their codes.
 *
 * Base is the arm of that name. Arms whose names begin with "medtok" are what is to be judged; the others are controls, and the best one is
 * the one with the highest mean average precision on tuning. Differences are of means over seeds, in the same resamples of subjects.
 */
#ifndef MEDTOK_EHR_REPORT_H
#define MEDTOK_EHR_REPORT_H

#include <stdio.h>

#include "ehr/grid_rates.h"
#include "ehr/options.h"
#include "ehr/results.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

enum report_part {
    PART_ALL,
    PART_SOME_UNSEEN, /* with a code that training never saw, or more */
    PART_ALL_UNSEEN,  /* with codes, and all of them such */
    PART_BANDS, /* by the median, over a sample's codes, of the samples of training that have the code: less than 1, 10, 100, 1,000; more */
    N_PARTS = PART_BANDS + 5
};
extern const char *const PART_NAMES[N_PARTS];

enum { REFERENCE_BASE, REFERENCE_CONTROL };

struct report_arm {
    const char *name;
    int64_t n;                    /* seeds */
    const struct result **trials; /* [n] owned */
    double tuning,
        spread
            [N_ARMS_MEASURES]; /* mean average precision on tuning; standard deviation over seeds on the split, NaN of one */
};

/* Arms of one task and model that learned from as many samples. */
struct report_cell {
    const struct result *first;             /* any of them */
    int n_arms, reference[MOST_REFERENCES]; /* arms, or -1 */
    struct report_arm arms[MOST_COMPARED_ARMS];
    struct report_part_scores {
        int64_t n, n_positive; /* means over seeds, where these learned from other samples */
        double prevalence;
        struct arm_estimates arms[MOST_COMPARED_ARMS];
    } parts[N_PARTS];
};

/* What one training came to; the estimates of a run without a grid have intervals. */
struct report_trial {
    const struct result *result;
    struct scores scores[N_WEIGHTINGS]; /* of a binary task */
    struct estimate estimates[N_SCORES_ESTIMATES], class_estimates[N_CLASS_SCORES_ESTIMATES];
};

struct ehr_report {
    /* ---- set by the caller, borrowed ---- */
    const char *cohort_id, *table_id; /* table_id NULL: no table was read */
    const struct ehr_options *options;
    const struct results *results;
    const struct grid_rates *rates; /* that trainings have; NULL, or n is 0: none were chosen */
    /* ---- made ---- */
    int64_t n_trials, n_cells;
    struct report_trial *trials; /* [n_trials] those that did not fail */
    struct report_cell *cells;   /* [n_cells] */
};

/* Collective; every rank passes the same. Each rank has the scores of one cell in memory at a time, whatever the grid. Free in any case. */
int ehr_report_make(struct ehr_report *report, const struct bootstrap *bootstrap);
void ehr_report_free(struct ehr_report *report);

/* As Markdown. */
void ehr_report_print(const struct ehr_report *report, FILE *out);
/* Replaced when whole: the same, and as JSON. */
int ehr_report_write(const struct ehr_report *report, const char *path);
int ehr_report_write_json(const struct ehr_report *report, const char *path);

/* The split that is scored, as results have it. */
static inline enum result_split report_split(const struct ehr_report *report) {
    return report->options->score == SCORED_TUNING ? RESULT_TUNING : RESULT_HELD_OUT;
}

/* A training of cell c of rates: results have as many of each. */
static inline const struct result *report_of_cell(const struct ehr_report *report, int64_t c) {
    return &report->results->trials[c * (report->results->n / report->rates->n)];
}

#endif
