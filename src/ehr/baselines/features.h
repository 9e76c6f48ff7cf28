/* The samples of a task as rows of columns, each rank with a run of them.
 *
 * A row is made from the sample's history alone (store/cohort.h), so what happened after the prediction time changes no row and no
 * column; columns come from the codes in the histories of train (ehr/baselines/code_columns.h).
 */
#ifndef MEDTOK_EHR_BASELINES_FEATURES_H
#define MEDTOK_EHR_BASELINES_FEATURES_H

#include "ehr/baselines/code_columns.h"
#include "ehr/baselines/options.h"
#include "fit/sparse_rows.h"

struct features {
    char *task; /* its name, owned */
    /* all samples of the task, on every rank: [n_samples] by subject and time */
    int64_t n_samples;
    uint8_t *split;
    int64_t *time;  /* prediction times */
    int32_t *label; /* 0 or 1, or the class; of sets how many classes */
    int64_t
        *set_offsets; /* LABEL_SET: [n_samples + 1] where the classes of a sample begin in set, ascending; else NULL */
    int32_t *set;
    enum label_form form;
    int32_t n_classes;                               /* 2 of a binary task */
    struct string_list class_names;                  /* [n_classes]; empty of a binary task */
    int64_t n_split[N_SPLITS], n_positive[N_SPLITS]; /* positive: of a binary task */
    /* this rank's: samples first .. first + rows.n - 1 */
    int64_t first;
    int64_t *subject; /* [rows.n] their numbers */
    struct sparse_rows rows;
    struct sparse_rows medical; /* [rows.n] the medical codes (by the cohort's number) of each history, values 1 */
    struct code_columns columns;
};

/* Collective. Free in any case. */
int features_make(struct features *features, const struct comm *comm, const char *cohort,
                  const struct baseline_options *options);
void features_free(struct features *features);

/* Whether a sample has a class; of a binary task whether its label is it. */
int features_has_class(const struct features *features, int64_t sample, int32_t class);

static inline int64_t features_n_columns(const struct features *f) { return f->columns.first[N_FEATURE_GROUPS]; }

#endif
