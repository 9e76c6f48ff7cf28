#include "ehr/baselines/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"

struct runner {
    struct experiment *experiment;
    const struct baseline_terms *terms;
    const struct bootstrap *bootstrap;
    struct sample_list list;
    int64_t n_scored;
    struct chosen_row *scored; /* [n_scored] the split that is scored */
    int64_t *seen;             /* [codes] whether the training set has the code */
};

static void runner_free(struct runner *r) {
    free(r->scored);
    free(r->seen);
}

static int prepare(struct runner *r) {
    const struct baseline_options *o = r->terms->options;
    const struct features *f = r->terms->features;
    r->list = (struct sample_list){.n = f->n_samples, .n_classes = f->n_classes, .split = f->split, .label = f->label};
    if (f->form == LABEL_SET && r->terms->shots.n)
        return status_set(STATUS_USAGE,
                          "baseline.shots: %s has sets of classes, and few-shot draws need one class a sample",
                          f->task);
    TRY(mem_alloc(&r->experiment->trials, (r->terms->shots.n + r->terms->sizes.n) * o->replicates + 1,
                  sizeof *r->experiment->trials));
    TRY(mem_alloc(&r->seen, f->columns.n_codes, sizeof *r->seen));
    return split_rows(&r->list, baseline_scored_split(o), &r->n_scored, &r->scored);
}

/* ---- codes that training has not ---- */
/* Collective. Flags the medical codes of the training set. */
static int look_at_training(struct runner *r, const struct training_set *set) {
    const struct features *f = r->terms->features;
    const struct chosen_row *rows = set->rows[SPLIT_TRAIN];
    for (int64_t c = 0; c < f->columns.n_codes; c++) r->seen[c] = 0;
    for (int64_t i = 0; i < set->n[SPLIT_TRAIN]; i++) {
        int64_t row = rows[i].sample - f->first;
        if (row < 0 || row >= f->medical.n) continue;
        for (int64_t e = f->medical.offsets[row]; e < f->medical.offsets[row + 1]; e++)
            r->seen[f->medical.column[e]] = 1;
    }
    return comm_max_int64(r->terms->comm, r->seen, f->columns.n_codes);
}

/* Whether training has none of the sample's codes, or lacks some. */
static void look_at_row(const struct runner *r, int64_t row, int *none, int *some) {
    const struct sparse_rows *medical = &r->terms->features->medical;
    int64_t n = 0, n_seen = 0;
    for (int64_t e = medical->offsets[row]; e < medical->offsets[row + 1]; e++, n++)
        n_seen += r->seen[medical->column[e]];
    *none = n > 0 && n_seen == 0;
    *some = n_seen < n;
}

/* Collective. Scores of the samples that training knows no code of, on every rank. */
static int list_unseen(struct runner *r, struct baseline_trial *trial, const struct sample_scores *samples,
                       struct sample_scores *unseen) {
    const struct features *f = r->terms->features;
    struct sample_scores own;
    int64_t width = samples->n_outputs, n = 0;
    int status = sample_scores_make(&own, f->rows.n, samples->n_outputs);
    for (int64_t i = 0; i < samples->n && status == STATUS_OK; i++) {
        int64_t row = samples->sample[i] - f->first;
        int none, some;
        if (row < 0 || row >= f->rows.n) continue;
        look_at_row(r, row, &none, &some);
        trial->n_some_unseen += some;
        if (!none) continue;
        own.sample[n] = samples->sample[i];
        own.subject[n] = samples->subject[i];
        memcpy(own.score + n * width, samples->score + i * width, (size_t)width * sizeof *own.score);
        n++;
    }
    own.n = n;
    *unseen = (struct sample_scores){0};
    status = comm_agree(r->terms->comm, status);
    if (status == STATUS_OK) status = comm_sum_int64(r->terms->comm, &trial->n_some_unseen, 1);
    if (status == STATUS_OK) status = sample_scores_gather(r->terms->comm, &own, unseen);
    sample_scores_free(&own);
    return status;
}

/* ---- one training set ---- */
/* Collective. */
static int score_trial(struct runner *r, struct baseline_trial *trial) {
    struct experiment *x = r->experiment;
    const struct features *f = r->terms->features;
    struct sample_scores unseen = {0};
    sample_scores_free(&x->samples);
    TRY(fitted_score(&trial->fitted, r->terms, r->n_scored, r->scored, &x->samples));
    TRY(sample_scores_estimate(r->bootstrap, f, &x->samples, &trial->whole));
    int status = list_unseen(r, trial, &x->samples, &unseen);
    if (status == STATUS_OK) status = sample_scores_estimate(r->bootstrap, f, &unseen, &trial->unseen);
    sample_scores_free(&unseen);
    return status;
}

/* seconds: of the fits. */
static void log_trial(const struct baseline_terms *t, const struct baseline_trial *trial, double seconds) {
    static const char *const KINDS[] = {"all of train", "of each class", "of train"};
    const struct fitted *m = &trial->fitted;
    char settings[96], size[32] = "";
    if (t->options->model == BASELINE_LOGISTIC)
        snprintf(settings, sizeof settings, "C %g, %lld iterations%s", m->strength, (long long)m->iterations,
                 m->converged ? "" : " (not converged)");
    else
        snprintf(settings, sizeof settings, "depth %lld, rate %g, %lld trees", (long long)m->depth, m->rate,
                 (long long)m->rounds);
    if (trial->kind != TRAINING_ALL) snprintf(size, sizeof size, "%lld ", (long long)trial->size);
    log_info("%s%s, draw %lld: %lld samples, %lld columns, %s: tuning %.4f; fitted in %.2f s", size, KINDS[trial->kind],
             (long long)trial->replicate, (long long)trial->n_rows, (long long)m->n_columns, settings, m->tuning,
             seconds);
}

/* Collective. */
static int run_trial(struct runner *r, enum training_kind kind, int64_t size, int64_t replicate) {
    struct baseline_trial *trial = &r->experiment->trials[r->experiment->n++];
    struct training_set set;
    *trial = (struct baseline_trial){.kind = kind, .size = size, .replicate = replicate};
    int status = training_set_draw(&set, &r->list, kind, size, r->terms->seed, replicate);
    if (status == STATUS_OK && r->terms->poll) status = r->terms->poll();
    status = comm_agree(r->terms->comm, status);
    trial->n_rows = set.n[SPLIT_TRAIN];
    if (status == STATUS_OK) status = look_at_training(r, &set);
    double begun = clock_seconds();
    if (status == STATUS_OK) status = fitted_make(&trial->fitted, r->terms, &set);
    double seconds = clock_seconds() - begun;
    if (status == STATUS_OK) status = score_trial(r, trial);
    training_set_free(&set);
    if (status == STATUS_OK) log_trial(r->terms, trial, seconds);
    if (kind != TRAINING_ALL) fitted_forget(&trial->fitted);
    return status;
}

/* ---- the whole ---- */
/* Collective. */
static int run_draws(struct runner *r, enum training_kind kind, const struct number_list *sizes) {
    for (int i = 0; i < sizes->n; i++)
        for (int64_t k = 0; k < r->terms->options->replicates; k++)
            TRY(run_trial(r, kind, (int64_t)sizes->items[i], k));
    return STATUS_OK;
}

static int run(struct runner *r) {
    TRY(comm_agree(r->terms->comm, prepare(r)));
    TRY(run_draws(r, TRAINING_SHOTS, &r->terms->shots));
    TRY(run_draws(r, TRAINING_ROWS, &r->terms->sizes));
    return run_trial(r, TRAINING_ALL, r->terms->features->n_split[SPLIT_TRAIN], 0);
}

int experiment_run(struct experiment *x, const struct baseline_terms *terms, const struct bootstrap *bootstrap) {
    struct runner r = {.experiment = x, .terms = terms, .bootstrap = bootstrap};
    *x = (struct experiment){0};
    int status = run(&r);
    runner_free(&r);
    return status;
}

void experiment_free(struct experiment *x) {
    for (int64_t i = 0; i < x->n; i++) fitted_free(&x->trials[i].fitted);
    free(x->trials);
    sample_scores_free(&x->samples);
    *x = (struct experiment){0};
}
