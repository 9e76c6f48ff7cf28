/* A grid of logistic regressions, from the strongest penalty on, each fit from the weights of the one before. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/baselines/fit.h"
#include "fit/logistic.h"

/* What a grid is fitted with: one regression, or for sets one a class. */
struct grid {
    int n;
    struct logistic *fits; /* [n] */
    double *spread;        /* [features' columns + 1, outputs of a fit] */
    struct fitted now;
};

static int grid_make(struct grid *g, const struct fitted *m, const struct design *d, int64_t n_columns) {
    int outputs = m->form == LABEL_CLASS ? m->n_outputs : 1;
    *g = (struct grid){.n = m->form == LABEL_SET ? m->n_outputs : 1,
                       .now = {.form = m->form, .n_outputs = m->n_outputs, .converged = 1}};
    TRY(mem_alloc(&g->fits, g->n, sizeof *g->fits));
    for (int k = 0; k < g->n; k++) TRY(logistic_make(&g->fits[k], d->n_columns, outputs));
    TRY(mem_alloc(&g->spread, (n_columns + 1) * outputs, sizeof *g->spread));
    return mem_alloc(&g->now.weights, (n_columns + 1) * m->n_outputs, sizeof *g->now.weights);
}

static void grid_free(struct grid *g) {
    for (int k = 0; k < g->n && g->fits; k++) logistic_free(&g->fits[k]);
    free(g->fits);
    free(g->spread);
    free(g->now.weights);
}

/* A class that no row has, or all: there is nothing to fit, and its probability is 0 or 1. */
static int is_constant(const struct design *d) {
    for (int64_t i = 1; i < d->n_rows; i++)
        if (d->label[i] != d->label[0]) return 0;
    return 1;
}

/* Collective. All fits of one strength, into grid->now. */
static int fit_strength(struct grid *g, const struct baseline_terms *t, const struct training_set *set,
                        struct design *d, double strength) {
    static const double CERTAIN = 40; /* 1 / (1 + exp -40) is 1 to rounding */
    struct logistic_options o = {.strength = strength,
                                 .tolerance = t->options->tolerance,
                                 .iterations = t->options->iterations,
                                 .poll = t->poll};
    int64_t n_columns = features_n_columns(t->features), width = g->fits[0].n_outputs, all = g->now.n_outputs;
    g->now.strength = strength;
    g->now.iterations = 0;
    g->now.converged = 1;
    for (int k = 0; k < g->n; k++) {
        struct logistic *l = &g->fits[k];
        if (g->now.form == LABEL_SET) design_label_class(d, t->features, set, k);
        if (g->now.form == LABEL_SET && is_constant(d)) {
            l->weights[d->n_columns] = d->n_rows && d->label[0] ? CERTAIN : -CERTAIN;
        } else {
            TRY(logistic_fit(l, d, &o));
            g->now.iterations += l->n_iterations;
            g->now.converged &= l->converged;
        }
        logistic_spread(l, d, n_columns, g->spread);
        for (int64_t j = 0; j <= n_columns; j++)
            memcpy(g->now.weights + j * all + k, g->spread + j * width, (size_t)width * sizeof *g->spread);
    }
    return STATUS_OK;
}

int fit_logistic(struct fitted *m, const struct baseline_terms *t, const struct training_set *set, struct design *d) {
    int64_t n_columns = features_n_columns(t->features), n = (n_columns + 1) * m->n_outputs;
    struct grid g;
    int status = grid_make(&g, m, d, n_columns);
    if (status == STATUS_OK) status = mem_alloc(&m->weights, n, sizeof *m->weights);
    status = comm_agree(t->comm, status);
    for (int i = 0; i < t->strengths.n && status == STATUS_OK; i++) {
        status = fit_strength(&g, t, set, d, t->strengths.items[i]);
        if (status == STATUS_OK) status = fitted_tuning(&g.now, t, set, &g.now.tuning);
        if (status != STATUS_OK || !is_better(i == 0, g.now.tuning, m->tuning)) continue;
        m->tuning = g.now.tuning;
        m->strength = g.now.strength;
        m->iterations = g.now.iterations;
        m->converged = g.now.converged;
        memcpy(m->weights, g.now.weights, (size_t)n * sizeof *m->weights);
    }
    grid_free(&g);
    return status;
}

int score_logistic(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                   double *score) {
    const struct features *f = t->features;
    const struct sparse_rows *r = &f->rows;
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, DESIGN_CHUNK)
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows[i].sample - f->first, at = r->offsets[row];
        logistic_score(m->weights, features_n_columns(f), m->n_outputs, m->form == LABEL_CLASS,
                       r->offsets[row + 1] - at, r->column + at, r->value + at, score + i * m->n_outputs);
    }
    return STATUS_OK;
}
