/* A grid of boosted trees: each rank grows those of settings of its own, all ranks score them on their own rows. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ehr/baselines/fit.h"

/* ---- scores ---- */
/* The rows as the models' columns. */
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

int score_trees(const struct fitted *m, const struct baseline_terms *t, int64_t n, const struct chosen_row *rows,
                double *score) {
    int width = m->form == LABEL_CLASS ? m->n_outputs : 1; /* of a model */
    struct sparse_rows own = {0};
    float *p = NULL;
    int status = list_columns(m, t->features, n, rows, &own);
    if (status == STATUS_OK) status = mem_alloc(&p, n * width, sizeof *p);
    for (int k = 0; k < m->n_models && status == STATUS_OK; k++) {
        status = xgboost_predict(t->library, m->model_size[k], m->model[k], m->rounds, t->threads, &own, m->n_columns,
                                 width, p);
        for (int64_t i = 0; i < n && status == STATUS_OK; i++)
            for (int c = 0; c < width; c++) score[i * m->n_outputs + k + c] = (double)p[i * width + c];
    }
    sparse_rows_free(&own);
    free(p);
    return status;
}

/* ---- all rows of a design, on every rank ---- */
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
        w->weight[i] = (float)d->weight[i];
    }
done:
    free(lengths);
    free(all);
    return status;
}

/* ---- models ---- */
static int models_make(struct fitted *m) {
    m->n_models = m->form == LABEL_SET ? m->n_outputs : 1;
    TRY(mem_alloc(&m->model_size, m->n_models, sizeof *m->model_size));
    return mem_alloc(&m->model, m->n_models, sizeof *m->model);
}

static void models_free(struct fitted *m) {
    for (int k = 0; k < m->n_models && m->model; k++) free(m->model[k]);
    free(m->model);
    free(m->model_size);
    m->model = NULL;
    m->model_size = NULL;
    m->n_models = 0;
}

/* Takes what was found over, with copies of the models. */
static int take(struct fitted *m, const struct fitted *now) {
    models_free(m);
    m->tuning = now->tuning;
    m->depth = now->depth;
    m->rate = now->rate;
    m->rounds = now->rounds;
    TRY(models_make(m));
    for (int k = 0; k < m->n_models; k++) {
        m->model_size[k] = now->model_size[k];
        TRY(mem_alloc(&m->model[k], now->model_size[k], 1));
        memcpy(m->model[k], now->model[k], (size_t)now->model_size[k]);
    }
    return STATUS_OK;
}

/* Settings number `point` of the grid. */
static struct xgboost_settings settings_of(const struct fitted *m, const struct baseline_terms *t, int point) {
    return (struct xgboost_settings){.depth = (int64_t)t->depths.items[point / t->rates.n],
                                     .rate = t->rates.items[point % t->rates.n],
                                     .rounds = (int64_t)t->rounds.items[t->rounds.n - 1],
                                     .n_classes = m->form == LABEL_CLASS ? m->n_outputs : 2,
                                     .threads = t->threads};
}

/* This rank's models of settings `point`, into own. */
static int grow(struct fitted *own, const struct baseline_terms *t, const struct training_set *set, struct design *d,
                struct whole *whole, int point) {
    struct xgboost_settings settings = settings_of(own, t, point);
    TRY(models_make(own));
    for (int k = 0; k < own->n_models; k++) {
        if (own->form == LABEL_SET) design_label_class(d, t->features, set, k);
        for (int64_t i = 0; i < whole->rows.n; i++) whole->label[i] = (float)d->label[i];
        TRY(xgboost_fit(t->library, &settings, &whole->rows, own->n_columns, whole->label, whole->weight,
                        &own->model_size[k], &own->model[k]));
    }
    return STATUS_OK;
}

/* Collective. The models of rank `rank`, on every rank, into now. */
static int spread_models(struct fitted *now, const struct fitted *own, const struct comm *comm, int rank) {
    TRY(comm_agree(comm, models_make(now)));
    for (int k = 0; k < now->n_models; k++) {
        int mine = comm->rank == rank;
        TRY(comm_gather_rows(comm, mine ? own->model_size[k] : 0, 1, mine ? own->model[k] : "", &now->model_size[k],
                             &now->model[k]));
    }
    return STATUS_OK;
}

/* Collective. The best number of rounds; *m if it is the best so far. */
static int choose_rounds(struct fitted *m, struct fitted *now, const struct baseline_terms *t,
                         const struct training_set *set) {
    for (int k = 0; k < t->rounds.n; k++) {
        now->rounds = (int64_t)t->rounds.items[k];
        TRY(fitted_tuning(now, t, set, &now->tuning));
        if (is_better(!m->model, now->tuning, m->tuning)) TRY(comm_agree(t->comm, take(m, now)));
    }
    return STATUS_OK;
}

/* Collective. As many settings as there are ranks, from `first` on. */
static int fit_points(struct fitted *m, const struct baseline_terms *t, const struct training_set *set,
                      struct design *d, struct whole *whole, int first) {
    int n_points = t->depths.n * t->rates.n;
    struct fitted own = {.form = m->form, .n_outputs = m->n_outputs, .n_columns = m->n_columns};
    int status = t->poll ? t->poll() : STATUS_OK;
    if (status == STATUS_OK && first + t->comm->rank < n_points)
        status = grow(&own, t, set, d, whole, first + t->comm->rank);
    status = comm_agree(t->comm, status);
    for (int r = 0; r < t->comm->size && first + r < n_points && status == STATUS_OK; r++) {
        struct xgboost_settings settings = settings_of(m, t, first + r);
        struct fitted now = {.form = m->form,
                             .n_outputs = m->n_outputs,
                             .n_columns = m->n_columns,
                             .column_in = m->column_in,
                             .depth = settings.depth,
                             .rate = settings.rate};
        status = spread_models(&now, &own, t->comm, r);
        if (status == STATUS_OK) status = choose_rounds(m, &now, t, set);
        models_free(&now);
    }
    models_free(&own);
    return status;
}

int fit_trees(struct fitted *m, const struct baseline_terms *t, const struct training_set *set, struct design *d) {
    struct whole whole = {0};
    int64_t n = features_n_columns(t->features);
    TRY(comm_agree(t->comm, mem_alloc(&m->column_in, n, sizeof *m->column_in)));
    for (int64_t c = 0; c < n; c++) m->column_in[c] = -1;
    for (int64_t c = 0; c < d->n_columns; c++) m->column_in[d->column_of[c]] = (int32_t)c;
    int status = whole_make(&whole, d);
    for (int first = 0; first < t->depths.n * t->rates.n && status == STATUS_OK; first += t->comm->size)
        status = fit_points(m, t, set, d, &whole, first);
    whole_free(&whole);
    return status;
}
