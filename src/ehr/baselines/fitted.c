#include "ehr/baselines/fitted.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/baselines/fit.h"

void fitted_forget(struct fitted *m) {
    for (int k = 0; k < m->n_models && m->model; k++) free(m->model[k]);
    free(m->model);
    free(m->model_size);
    free(m->weights);
    free(m->column_in);
    m->model = NULL;
    m->model_size = NULL;
    m->weights = NULL;
    m->column_in = NULL;
    m->n_models = 0;
}

void fitted_free(struct fitted *m) {
    fitted_forget(m);
    *m = (struct fitted){0};
}

/* ---- scores ---- */
/* Those of rows[n] that are this rank's: first .. end - 1. */
static void own_rows(const struct features *f, int64_t n, const struct chosen_row *rows, int64_t *first, int64_t *end) {
    for (*first = 0; *first < n && rows[*first].sample < f->first;) ++*first;
    for (*end = *first; *end < n && rows[*end].sample < f->first + f->rows.n;) ++*end;
}

int fitted_score(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                 struct sample_scores *scores) {
    const struct features *f = t->features;
    struct sample_scores own;
    int64_t first, end;
    own_rows(f, n, rows, &first, &end);
    *scores = (struct sample_scores){0};
    int status = sample_scores_make(&own, end - first, m->n_outputs);
    if (status == STATUS_OK)
        status = t->options->model == BASELINE_LOGISTIC ? score_logistic(m, t, end - first, rows + first, own.score)
                                                        : score_trees(m, t, end - first, rows + first, own.score);
    for (int64_t i = 0; i < end - first && status == STATUS_OK; i++) {
        own.sample[i] = rows[first + i].sample;
        own.subject[i] = f->subject[own.sample[i] - f->first];
    }
    status = comm_agree(t->comm, status);
    if (status == STATUS_OK) status = sample_scores_gather(t->comm, &own, scores);
    sample_scores_free(&own);
    return status;
}

/* all: each sample as often as its row was drawn. */
static int repeat(const struct sample_scores *once, const struct chosen_row *rows, struct sample_scores *all) {
    int64_t n = 0, width = once->n_outputs;
    for (int64_t i = 0; i < once->n; i++) n += (int64_t)rows[i].weight;
    TRY(sample_scores_make(all, n, once->n_outputs));
    n = 0;
    for (int64_t i = 0; i < once->n; i++)
        for (int64_t k = 0; k < (int64_t)rows[i].weight; k++, n++) {
            all->sample[n] = once->sample[i];
            all->subject[n] = once->subject[i];
            memcpy(all->score + n * width, once->score + i * width, (size_t)width * sizeof *all->score);
        }
    return STATUS_OK;
}

int fitted_tuning(const struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                  double *tuning) {
    struct sample_scores once, all = {0};
    int status = fitted_score(m, t, set->n[SPLIT_TUNING], set->rows[SPLIT_TUNING], &once);
    *tuning = NAN;
    if (status == STATUS_OK) {
        status = repeat(&once, set->rows[SPLIT_TUNING], &all);
        if (status == STATUS_OK) status = sample_scores_measure(t->features, &all, t->options->choose, tuning);
        status = comm_agree(t->comm, status);
    }
    sample_scores_free(&once);
    sample_scores_free(&all);
    return status;
}

int is_better(int is_first, double tuning, double best) {
    return is_first || tuning > best || (isnan(best) && !isnan(tuning));
}

/* ---- the fit ---- */
void design_label_class(struct design *d, const struct features *f, const struct training_set *set, int32_t class) {
    for (int64_t k = 0; k < d->n_rows; k++)
        d->label[k] = features_has_class(f, set->rows[SPLIT_TRAIN][k].sample, class);
}

int fitted_make(struct fitted *m, const struct baseline_terms *t, const struct training_set *set) {
    const struct features *f = t->features;
    struct design_source source = {
        .rows = &f->rows, .first = f->first, .n_columns = features_n_columns(f), .label = f->label};
    struct design d;
    *m = (struct fitted){.form = f->form, .n_outputs = n_outputs_of(f)};
    int status = design_make(&d, t->comm, t->threads, &source, set->n[SPLIT_TRAIN], set->rows[SPLIT_TRAIN],
                             t->options->min_count);
    m->n_columns = d.n_columns;
    if (status == STATUS_OK)
        status = t->options->model == BASELINE_LOGISTIC ? fit_logistic(m, t, set, &d) : fit_trees(m, t, set, &d);
    design_free(&d);
    return status;
}
