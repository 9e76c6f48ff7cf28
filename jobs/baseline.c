/* baseline: cohort.h5 in, count features with a logistic regression or gradient-boosted trees, fitted to its split train, chosen by tuning and
 * scored on held_out; scores and predictions out. The way: rows of columns (src/ehr/baselines/features.c), training sets (few_shot.c), fits
 * (fitted.c), scores (experiment.c). */
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "ehr/baselines/report.h"
#include "jobs.h"
#include "paths.h"
#include "store/h5file.h"

struct baseline {
    const struct comm *comm;
    const struct config *config;
    struct baseline_terms terms;
    struct features features;
    struct experiment experiment;
    char *cohort_id;
};

static int prepare(struct baseline *x) {
    const struct config *c = x->config;
    struct h5file *file;
    if (x->comm->rank > 0) return STATUS_OK;
    TRY(atomic_file_check(c->files.scores));
    TRY(h5file_open(&file, c->files.cohort, KIND_COHORT));
    int status = h5file_get_text(file, "content_id", &x->cohort_id);
    h5file_close(file);
    return status;
}

static void log_features(const struct features *f) {
    const int64_t *first = f->columns.first;
    if (f->form == LABEL_BINARY)
        log_info("%s: %lld samples of train (%lld true), %lld of tuning (%lld), %lld of held_out (%lld)", f->task,
                 (long long)f->n_split[SPLIT_TRAIN], (long long)f->n_positive[SPLIT_TRAIN],
                 (long long)f->n_split[SPLIT_TUNING], (long long)f->n_positive[SPLIT_TUNING],
                 (long long)f->n_split[SPLIT_HELD_OUT], (long long)f->n_positive[SPLIT_HELD_OUT]);
    else
        log_info("%s: %s of %lld classes; %lld samples of train, %lld of tuning, %lld of held_out", f->task,
                 f->form == LABEL_CLASS ? "one" : "any", (long long)f->n_classes, (long long)f->n_split[SPLIT_TRAIN],
                 (long long)f->n_split[SPLIT_TUNING], (long long)f->n_split[SPLIT_HELD_OUT]);
    log_info("columns: %lld of age, %lld of sex, %lld codes, %lld of the hierarchy, %lld words",
             (long long)(first[FEATURE_AGE + 1] - first[FEATURE_AGE]),
             (long long)(first[FEATURE_SEX + 1] - first[FEATURE_SEX]),
             (long long)(first[FEATURE_CODES + 1] - first[FEATURE_CODES]),
             (long long)(first[FEATURE_HIERARCHY + 1] - first[FEATURE_HIERARCHY]),
             (long long)(first[FEATURE_WORDS + 1] - first[FEATURE_WORDS]));
}

static int write_results(struct baseline *x) {
    const struct config *c = x->config;
    const struct baseline_report report = {x->cohort_id, &x->terms, &x->experiment};
    char path[PATH_MAX];
    config_predictions_path(c, path);
    TRY(baseline_predictions_write(&report, path, c->files.cohort));
    TRY(baseline_report_write(&report, c->files.scores));
    baseline_report_print(&report);
    TRY(output_flush());
    log_info("wrote %s and %s", c->files.scores, path);
    return STATUS_OK;
}

static int make(struct baseline *x) {
    const struct config *c = x->config;
    struct bootstrap bootstrap = {.comm = x->comm,
                                  .seed = x->terms.seed, /* of all fits the same resamples */
                                  .resamples = c->baseline.resamples,
                                  .threads = x->terms.threads,
                                  .poll = interrupt_poll};
    TRY(comm_agree(x->comm, prepare(x)));
    TRY(comm_agree(x->comm, baseline_terms_make(&x->terms)));
    TRY(features_make(&x->features, x->comm, c->files.cohort, &c->baseline));
    log_features(&x->features);
    if (c->baseline.matrix[0]) TRY(baseline_matrix_write(&x->features, x->comm, c->baseline.matrix));
    TRY(experiment_run(&x->experiment, &x->terms, &bootstrap));
    return comm_agree(x->comm, x->comm->rank == 0 ? write_results(x) : STATUS_OK);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct baseline x = {.comm = comm, .config = config};
    x.terms = (struct baseline_terms){.comm = comm,
                                      .options = &config->baseline,
                                      .features = &x.features,
                                      .threads = comm_threads(comm, (int)config->run.threads),
                                      .seed = (uint64_t)config->run.seed,
                                      .poll = interrupt_poll};
    int status = make(&x);
    experiment_free(&x.experiment);
    features_free(&x.features);
    baseline_terms_free(&x.terms);
    free(x.cohort_id);
    return status;
}

static int check(const struct config *config) { return baseline_options_check(&config->baseline); }

const struct job_entry BASELINE_JOB = {
    .job = JOB_BASELINE,
    .name = "baseline",
    .arguments = "",
    .summary = "cohort.h5 into scores of a logistic regression, or of boosted trees, on counts of codes",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
