#include "ehr/baselines/fitted.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ehr/baselines/logistic.h"

void fitted_free(struct fitted *f) {
    free(f->weights);
    free(f->model);
    free(f->column_in);
    *f = (struct fitted){0};
}

/* ---- scores ---- */
/* Those of rows[n] that are this rank's: first .. end - 1. */
static void own_rows(const struct features *f, int64_t n, const struct chosen_row *rows, int64_t *first, int64_t *end) {
    for (*first = 0; *first < n && rows[*first].sample < f->first;) ++*first;
    for (*end = *first; *end < n && rows[*end].sample < f->first + f->rows.n;) ++*end;
}

static void score_logistic(const struct fitted *m, const struct baseline_terms *t, int64_t n,
                           const struct chosen_row *rows, double *score) {
    const struct features *f = t->features;
    const struct sparse_rows *r = &f->rows;
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, DESIGN_CHUNK)
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows[i].sample - f->first, at = r->offsets[row];
        double p[2];
        logistic_score(m->weights, features_n_columns(f), 2, r->offsets[row + 1] - at, r->column + at, r->value + at,
                       p);
        score[i] = p[1];
    }
}

/* The rows as the model's columns. */
static int list_columns(const struct fitted *m, const struct features *f, int64_t n, const struct chosen_row *rows,
                        struct sparse_rows *out) {
    int32_t *column = NULL;
    float *value = NULL;
    int status = mem_alloc(&column, m->n_columns, sizeof *column);
    if (status == STATUS_OK) status = mem_alloc(&value, m->n_columns, sizeof *value);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        int64_t row = rows[i].sample - f->first, count = 0;
        for (int64_t e = f->rows.offsets[row]; e < f->rows.offsets[row + 1]; e++) {
            if (m->column_in[f->rows.column[e]] < 0) continue;
            column[count] = m->column_in[f->rows.column[e]];
            value[count++] = f->rows.value[e];
        }
        status = sparse_rows_add(out, count, column, value);
    }
    free(column);
    free(value);
    return status;
}

static int score_trees(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                       double *score) {
    struct sparse_rows own = {0};
    float *p = NULL;
    int status = list_columns(m, t->features, n, rows, &own);
    if (status == STATUS_OK) status = mem_alloc(&p, n, sizeof *p);
    if (status == STATUS_OK)
        status = xgboost_predict(t->library, m->model_size, m->model, m->rounds, t->threads, &own, m->n_columns, 1, p);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) score[i] = p[i];
    sparse_rows_free(&own);
    free(p);
    return status;
}

static int score_own(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                     struct scored_sample *samples) {
    const struct features *f = t->features;
    double *score;
    int status = STATUS_OK;
    TRY(mem_alloc(&score, n, sizeof *score));
    if (t->options->model == BASELINE_LOGISTIC)
        score_logistic(m, t, n, rows, score);
    else
        status = score_trees(m, t, n, rows, score);
    for (int64_t i = 0; i < n; i++) {
        int64_t sample = rows[i].sample;
        samples[i] = (struct scored_sample){
            .sample = sample, .subject = f->subject[sample - f->first], .label = f->label[sample], .score = score[i]};
    }
    free(score);
    return status;
}

int fitted_score(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                 int64_t *n_all, struct scored_sample **samples) {
    struct scored_sample *own = NULL;
    int64_t first, end;
    own_rows(t->features, n, rows, &first, &end);
    int status = mem_alloc(&own, end - first, sizeof *own);
    if (status == STATUS_OK) status = score_own(m, t, end - first, rows + first, own);
    status = comm_agree(t->comm, status);
    if (status == STATUS_OK) status = scored_samples_gather(t->comm, end - first, own, n_all, samples);
    free(own);
    return status;
}

/* Collective. The score by which settings are chosen; a row that was drawn several times counts as often. */
static int score_tuning(const struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                        double *tuning) {
    const struct chosen_row *rows = set->rows[SPLIT_TUNING];
    struct scored_sample *samples = NULL, *all = NULL;
    struct scores scores;
    int64_t n, n_all = 0;
    int status;
    TRY(fitted_score(m, t, set->n[SPLIT_TUNING], rows, &n, &samples));
    for (int64_t i = 0; i < n; i++) n_all += (int64_t)rows[i].weight;
    TRY_DONE(mem_alloc(&all, n_all, sizeof *all));
    n_all = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < (int64_t)rows[i].weight; k++) all[n_all++] = samples[i];
    TRY_DONE(scores_compute(n_all, all, &scores));
    *tuning = t->options->choose == CHOOSE_AUROC ? scores.auroc : scores.average_precision;
done:
    free(samples);
    free(all);
    return comm_agree(t->comm, status);
}

/* ---- logistic regression ---- */
/* Collective. From the strongest penalty on, each fit from the weights of the one before; the first of the best is taken. */
static int fit_logistic(struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                        const struct design *d) {
    int64_t n = features_n_columns(t->features) + 1;
    struct fitted now = {0};
    struct logistic l;
    int status = logistic_make(&l, d->n_columns, 2);
    if (status == STATUS_OK) status = mem_alloc(&now.weights, n, sizeof *now.weights);
    if (status == STATUS_OK) status = mem_alloc(&m->weights, n, sizeof *m->weights);
    TRY_DONE(comm_agree(t->comm, status));
    for (int i = 0; i < t->strengths.n; i++) {
        struct logistic_options o = {t->strengths.items[i], t->options->tolerance, t->options->iterations, t->poll};
        TRY_DONE(logistic_fit(&l, d, &o));
        logistic_spread(&l, d, n - 1, now.weights);
        TRY_DONE(score_tuning(&now, t, set, &now.tuning));
        if (i > 0 && !(now.tuning > m->tuning)) continue;
        m->tuning = now.tuning;
        m->strength = o.strength;
        m->iterations = l.n_iterations;
        m->converged = l.converged;
        memcpy(m->weights, now.weights, (size_t)n * sizeof *now.weights);
    }
done:
    logistic_free(&l);
    free(now.weights);
    return status;
}

/* ---- trees ---- */
/* All rows of a design, on every rank. */
struct whole {
    struct sparse_rows rows;
    float *label, *weight; /* [rows.n] */
};

static void whole_free(struct whole *w) {
    sparse_rows_free(&w->rows);
    free(w->label);
    free(w->weight);
}

/* Collective. */
static int whole_make(struct whole *w, const struct design *d) {
    const struct sparse_rows *own = &d->by_row;
    int64_t n_own = own->offsets[own->n], n, *lengths = NULL, *all = NULL;
    int status = mem_alloc(&lengths, own->n, sizeof *lengths);
    for (int64_t i = 0; i < own->n && status == STATUS_OK; i++) lengths[i] = own->offsets[i + 1] - own->offsets[i];
    TRY_DONE(comm_agree(d->comm, status));
    TRY_DONE(comm_gather_rows(d->comm, own->n, sizeof *lengths, lengths, &w->rows.n, &all));
    TRY_DONE(comm_gather_rows(d->comm, n_own, sizeof *own->column, own->column, &n, &w->rows.column));
    TRY_DONE(comm_gather_rows(d->comm, n_own, sizeof *own->value, own->value, &n, &w->rows.value));
    status = mem_alloc(&w->rows.offsets, w->rows.n + 1, sizeof *w->rows.offsets);
    if (status == STATUS_OK) status = mem_alloc(&w->label, w->rows.n, sizeof *w->label);
    if (status == STATUS_OK) status = mem_alloc(&w->weight, w->rows.n, sizeof *w->weight);
    TRY_DONE(comm_agree(d->comm, status));
    for (int64_t i = 0; i < w->rows.n; i++) {
        w->rows.offsets[i + 1] = w->rows.offsets[i] + all[i];
        w->label[i] = (float)d->label[i];
        w->weight[i] = (float)d->weight[i];
    }
done:
    free(lengths);
    free(all);
    return status;
}

static int64_t most_rounds(const struct baseline_terms *t) { return (int64_t)t->rounds.items[t->rounds.n - 1]; }

/* Settings number `point` of the grid. */
static struct xgboost_settings settings_of(const struct baseline_terms *t, int point) {
    return (struct xgboost_settings){.depth = (int64_t)t->depths.items[point / t->rates.n],
                                     .rate = t->rates.items[point % t->rates.n],
                                     .rounds = most_rounds(t),
                                     .n_classes = 2,
                                     .threads = t->threads};
}

/* Collective. The model of one rank's settings `point`, on every rank, and its best number of rounds; *m if it is the best so far. */
static int choose_rounds(struct fitted *m, struct fitted *now, const struct baseline_terms *t,
                         const struct training_set *set, int point) {
    struct xgboost_settings settings = settings_of(t, point);
    for (int k = 0; k < t->rounds.n; k++) {
        now->rounds = (int64_t)t->rounds.items[k];
        TRY(score_tuning(now, t, set, &now->tuning));
        if (m->model && !(now->tuning > m->tuning)) continue;
        m->tuning = now->tuning;
        m->depth = settings.depth;
        m->rate = settings.rate;
        m->rounds = now->rounds;
        free(m->model);
        m->model_size = now->model_size;
        TRY(mem_alloc(&m->model, now->model_size, 1));
        memcpy(m->model, now->model, (size_t)now->model_size);
    }
    return STATUS_OK;
}

/* Collective. Each rank fits settings of its own, and then all score each of them on their own rows. */
static int fit_grid(struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                    const struct whole *whole) {
    int n_points = t->depths.n * t->rates.n, size = t->comm->size, rank = t->comm->rank;
    for (int first = 0; first < n_points; first += size) {
        struct fitted now = {.n_columns = m->n_columns, .column_in = m->column_in};
        char *own = NULL;
        int64_t own_size = 0;
        int status = t->poll ? t->poll() : STATUS_OK;
        if (status == STATUS_OK && first + rank < n_points) {
            struct xgboost_settings settings = settings_of(t, first + rank);
            status = xgboost_fit(t->library, &settings, &whole->rows, m->n_columns, whole->label, whole->weight,
                                 &own_size, &own);
        }
        status = comm_agree(t->comm, status);
        for (int r = 0; r < size && first + r < n_points && status == STATUS_OK; r++) {
            status = comm_gather_rows(t->comm, r == rank ? own_size : 0, 1, own, &now.model_size, &now.model);
            if (status == STATUS_OK) status = choose_rounds(m, &now, t, set, first + r);
            free(now.model);
            now.model = NULL;
        }
        free(own);
        TRY(status);
    }
    return STATUS_OK;
}

static int fit_trees(struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                     const struct design *d) {
    struct whole whole = {0};
    int64_t n = features_n_columns(t->features);
    TRY(comm_agree(t->comm, mem_alloc(&m->column_in, n, sizeof *m->column_in)));
    for (int64_t c = 0; c < n; c++) m->column_in[c] = -1;
    for (int64_t c = 0; c < d->n_columns; c++) m->column_in[d->column_of[c]] = (int32_t)c;
    int status = whole_make(&whole, d);
    if (status == STATUS_OK) status = fit_grid(m, t, set, &whole);
    whole_free(&whole);
    return status;
}

/* ---- the fit ---- */
int fitted_make(struct fitted *m, const struct baseline_terms *t, const struct training_set *set) {
    const struct features *f = t->features;
    struct design_source source = {&f->rows, f->first, features_n_columns(f), f->label};
    struct design d;
    *m = (struct fitted){0};
    int status = design_make(&d, t->comm, t->threads, &source, set->n[SPLIT_TRAIN], set->rows[SPLIT_TRAIN],
                             t->options->min_count);
    m->n_columns = d.n_columns;
    if (status == STATUS_OK)
        status = t->options->model == BASELINE_LOGISTIC ? fit_logistic(m, t, set, &d) : fit_trees(m, t, set, &d);
    design_free(&d);
    return status;
}
