#include "fit/logistic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "fit/lbfgs.h"

int logistic_make(struct logistic *l, int64_t n_columns, int n_outputs) {
    *l = (struct logistic){.n_columns = n_columns, .n_outputs = n_outputs};
    if (n_outputs > LOGISTIC_MOST_OUTPUTS)
        return status_set(STATUS_FAILED, "%d classes are more than a logistic regression is made for (%d)", n_outputs,
                          LOGISTIC_MOST_OUTPUTS);
    return mem_alloc(&l->weights, (n_columns + 1) * n_outputs, sizeof *l->weights);
}

void logistic_free(struct logistic *l) {
    free(l->weights);
    *l = (struct logistic){0};
}

/* ---- a row: sums to probabilities and loss ---- */
/* p[n]: probability of each output; may be z itself. Returns the loss of the label. */
static double row_loss(int n, const double *z, int32_t label, double *p) {
    if (n == 1) {
        double e = exp(-fabs(z[0])), loss = log1p(e) + (z[0] > 0 ? z[0] : 0) - (label ? z[0] : 0);
        p[0] = z[0] >= 0 ? 1 / (1 + e) : e / (1 + e);
        return loss;
    }
    double most = z[0], at_label = z[label], sum = 0;
    for (int k = 1; k < n; k++) most = z[k] > most ? z[k] : most;
    for (int k = 0; k < n; k++) sum += p[k] = exp(z[k] - most);
    for (int k = 0; k < n; k++) p[k] /= sum;
    return log(sum) + most - at_label;
}

static int is_output(int n, int32_t label, int k) { return n == 1 ? label : label == k; }

/* ---- a fit ---- */
struct fit {
    const struct design *design;
    int n_outputs;
    int64_t n; /* parameters: (columns + 1) * outputs */
    double strength;
    double *x;                           /* [n] borrowed: the weights */
    double *gradient, *direction, *step; /* [n] */
    double *scaled;                      /* [n] */
    double *inverse_diagonal;            /* [n] */
    double *z, *dz, *residual;           /* [own rows, outputs] */
    double *chunks;                      /* [own chunks, 2] */
    double *own_gradient;                /* [own columns, outputs] */
    double *squares;                     /* [own columns] */
    double *all_residuals;               /* [rows, outputs] */
    double loss;                         /* at x, of all rows */
};

static int fit_make(struct fit *f, const struct design *d, struct logistic *l, double strength) {
    int64_t rows = d->n_own_rows * l->n_outputs;
    *f = (struct fit){.design = d,
                      .n_outputs = l->n_outputs,
                      .n = (d->n_columns + 1) * l->n_outputs,
                      .strength = strength,
                      .x = l->weights};
    TRY(mem_alloc(&f->gradient, f->n, sizeof *f->gradient));
    TRY(mem_alloc(&f->direction, f->n, sizeof *f->direction));
    TRY(mem_alloc(&f->step, f->n, sizeof *f->step));
    TRY(mem_alloc(&f->scaled, f->n, sizeof *f->scaled));
    TRY(mem_alloc(&f->inverse_diagonal, f->n, sizeof *f->inverse_diagonal));
    TRY(mem_alloc(&f->z, rows, sizeof *f->z));
    TRY(mem_alloc(&f->dz, rows, sizeof *f->dz));
    TRY(mem_alloc(&f->residual, rows, sizeof *f->residual));
    TRY(mem_alloc(&f->chunks, 2 * design_own_chunks(d), sizeof *f->chunks));
    TRY(mem_alloc(&f->squares, d->n_own_columns, sizeof *f->squares));
    TRY(mem_alloc(&f->all_residuals, d->n_rows * l->n_outputs, sizeof *f->all_residuals));
    return mem_alloc(&f->own_gradient, d->n_own_columns * l->n_outputs, sizeof *f->own_gradient);
}

static void fit_free(struct fit *f) {
    free(f->gradient);
    free(f->direction);
    free(f->step);
    free(f->scaled);
    free(f->inverse_diagonal);
    free(f->z);
    free(f->dz);
    free(f->residual);
    free(f->chunks);
    free(f->own_gradient);
    free(f->squares);
    free(f->all_residuals);
}

/* out [own rows, outputs] = the rows' sums with the weights x [n]. */
static int multiply(struct fit *f, const double *x, double *out) {
    const struct design *d = f->design;
    int n = f->n_outputs;
    for (int64_t j = 0; j < d->n_columns; j++)
        for (int k = 0; k < n; k++) f->scaled[j * n + k] = d->scale[j] * x[j * n + k];
    return design_multiply(d, n, f->scaled, x + d->n_columns * n, out);
}

/* Collective. Loss of all rows where the sums are z + t dz, its derivative by t, and the residuals there. */
static int look_along(struct fit *f, double t, double *loss, double *slope) {
    const struct design *d = f->design;
    int n = f->n_outputs;
    double sums[2];
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t c = 0; c < design_own_chunks(d); c++) {
        double chunk[2] = {0}, at[LOGISTIC_MOST_OUTPUTS], p[LOGISTIC_MOST_OUTPUTS];
        int64_t end = (c + 1) * DESIGN_CHUNK < d->n_own_rows ? (c + 1) * DESIGN_CHUNK : d->n_own_rows;
        for (int64_t i = c * DESIGN_CHUNK; i < end; i++) {
            double weight = d->weight[d->first_row + i];
            int32_t label = d->label[d->first_row + i];
            for (int k = 0; k < n; k++) at[k] = f->z[i * n + k] + t * f->dz[i * n + k];
            chunk[0] += weight * row_loss(n, at, label, p);
            for (int k = 0; k < n; k++) {
                double off = weight * (p[k] - is_output(n, label, k));
                chunk[1] += off * f->dz[i * n + k];
                f->residual[i * n + k] = off;
            }
        }
        f->chunks[2 * c] = chunk[0];
        f->chunks[2 * c + 1] = chunk[1];
    }
    TRY(design_sum_chunks(d, f->chunks, 2, sums));
    *loss = sums[0];
    *slope = sums[1];
    return STATUS_OK;
}

/* Collective. The gradient at x, from the residuals there. */
static int make_gradient(struct fit *f, double *gradient) {
    const struct design *d = f->design;
    const double *residual = f->all_residuals;
    int n = f->n_outputs;
    TRY(comm_gather_known(d->comm, d->first_rows, n * (int64_t)sizeof *residual, f->residual, f->all_residuals));
    TRY(comm_agree(d->comm, design_multiply_transposed(d, n, residual, f->own_gradient)));
    for (int64_t j = 0; j < d->n_own_columns; j++)
        for (int k = 0; k < n; k++) f->own_gradient[j * n + k] *= d->scale[d->first_column + j];
    TRY(comm_gather_known(d->comm, d->first_columns, n * (int64_t)sizeof *gradient, f->own_gradient, gradient));
    for (int64_t j = 0; j < d->n_columns * n; j++) gradient[j] = f->strength * gradient[j] + f->x[j];
    for (int k = 0; k < n; k++) {
        double sum = 0;
        for (int64_t i = 0; i < d->n_rows; i++) sum += residual[i * n + k];
        gradient[d->n_columns * n + k] = f->strength * sum;
    }
    return STATUS_OK;
}

/* Collective. The Hessian's diagonal where each row has the shares of the labels as probabilities, inverted. */
static int make_diagonal(struct fit *f) {
    const struct design *d = f->design;
    int n = f->n_outputs;
    double share[LOGISTIC_MOST_OUTPUTS] = {0};
    for (int64_t i = 0; i < d->n_rows; i++)
        for (int k = 0; k < n; k++) share[k] += d->weight[i] * is_output(n, d->label[i], k) / d->total_weight;
    TRY(comm_agree(d->comm, design_squares(d, f->squares)));
    for (int64_t j = 0; j < d->n_own_columns; j++) {
        double scale = d->scale[d->first_column + j];
        for (int k = 0; k < n; k++)
            f->own_gradient[j * n + k] =
                1 / (1 + f->strength * share[k] * (1 - share[k]) * scale * scale * f->squares[j]);
    }
    TRY(comm_gather_known(d->comm, d->first_columns, n * (int64_t)sizeof *f->own_gradient, f->own_gradient,
                          f->inverse_diagonal));
    for (int k = 0; k < n; k++) {
        double curvature = f->strength * share[k] * (1 - share[k]) * d->total_weight;
        f->inverse_diagonal[d->n_columns * n + k] = curvature > 0 ? 1 / curvature : 1;
    }
    return STATUS_OK;
}

/* ---- the length of a step ---- */
/* The objective along the direction: C * loss + penalty. */
struct line {
    double weights, mixed, steps; /* w.w, w.d, d.d of what is penalised */
    double value, slope;          /* at 0 */
};

static double penalty(const struct line *l, double t) { return (l->weights + t * (2 * l->mixed + t * l->steps)) / 2; }

/* Collective. A step t where the slope has fallen to FALLEN of its size or less and the objective is lower (strong Wolfe conditions), with
 * f->loss and the residuals there; the function is convex, so that its slope ascends and brackets the place. *t 0: rounding leaves none. */
static int find_step(struct fit *f, const struct line *l, double *t) {
    static const double FALLEN = 0.9, LOWER = 1e-4, ROUNDING = 1e-13;
    enum { MOST_TRIES = 40 };
    double low = 0, low_slope = l->slope, high = INFINITY, high_slope = 0;
    *t = 1;
    for (int k = 0; k < MOST_TRIES; k++) {
        double loss, slope;
        TRY(look_along(f, *t, &loss, &slope));
        double value = f->strength * loss + penalty(l, *t);
        slope = f->strength * slope + l->mixed + *t * l->steps;
        int lower = value <= l->value + LOWER * *t * l->slope + ROUNDING * fabs(l->value);
        f->loss = loss;
        if (isfinite(value) && lower && fabs(slope) <= FALLEN * fabs(l->slope)) return STATUS_OK;
        if (isfinite(value) && slope < 0 && lower) {
            low = *t;
            low_slope = slope;
        } else {
            high = *t;
            high_slope = isfinite(slope) && slope > 0 ? slope : 0;
        }
        double next = isinf(high)      ? 4 * *t
                      : high_slope > 0 ? low - low_slope * (high - low) / (high_slope - low_slope)
                                       : (low + high) / 2;
        double margin = isinf(high) ? 0 : 0.05 * (high - low);
        *t = isinf(high) ? next : fmin(fmax(next, low + margin), high - margin);
    }
    *t = low;
    return look_along(f, low, &f->loss, &low_slope);
}

/* Collective. Moves along the direction; *moved 0: there is no lower point as far as rounding lets see. */
static int take_step(struct fit *f, int *moved) {
    const struct design *d = f->design;
    int64_t penalised = d->n_columns * f->n_outputs;
    double t;
    TRY(comm_agree(d->comm, multiply(f, f->direction, f->dz)));
    struct line line = {.weights = dot_product(penalised, f->x, f->x),
                        .mixed = dot_product(penalised, f->x, f->direction),
                        .steps = dot_product(penalised, f->direction, f->direction),
                        .slope = dot_product(f->n, f->gradient, f->direction)};
    line.value = f->strength * f->loss + line.weights / 2;
    *moved = 0;
    if (!(line.slope < 0)) return STATUS_OK;
    TRY(find_step(f, &line, &t));
    *moved = t > 0;
    if (!*moved) return STATUS_OK;
    for (int64_t j = 0; j < f->n; j++) {
        f->step[j] = t * f->direction[j];
        f->x[j] += f->step[j];
    }
    for (int64_t i = 0; i < d->n_own_rows * f->n_outputs; i++) f->z[i] += t * f->dz[i];
    return STATUS_OK;
}

/* ---- the fit ---- */
/* The length of the gradient, where an intercept's counts by its curvature if that is less than 1: how far the optimum is at most, about. */
static double distance_left(const struct fit *f) {
    double square = dot_product(f->design->n_columns * f->n_outputs, f->gradient, f->gradient);
    for (int64_t j = f->design->n_columns * f->n_outputs; j < f->n; j++) {
        double left = f->gradient[j] * fmax(1, f->inverse_diagonal[j]);
        square += left * left;
    }
    return sqrt(square);
}

/* Collective. One iteration after another; `change` [n] and `pairs` are memory for them. */
static int iterate(struct fit *f, struct logistic *l, const struct logistic_options *o, struct lbfgs *pairs,
                   double *change) {
    double slope;
    int moved;
    TRY(comm_agree(f->design->comm, multiply(f, f->x, f->z)));
    TRY(look_along(f, 0, &f->loss, &slope));
    TRY(make_gradient(f, f->gradient));
    for (l->n_iterations = 0;; l->n_iterations++) {
        l->gradient = distance_left(f);
        l->converged = l->gradient <= o->tolerance;
        if (l->converged || l->n_iterations == o->iterations) break;
        if (o->poll) TRY(comm_agree(f->design->comm, o->poll()));
        lbfgs_direction(pairs, f->gradient, f->inverse_diagonal, f->direction);
        TRY(take_step(f, &moved));
        if (!moved && pairs->n_pairs == 0) break;
        if (!moved) { /* once more from the gradient alone */
            lbfgs_forget(pairs);
            continue;
        }
        memcpy(change, f->gradient, (size_t)f->n * sizeof *change);
        TRY(make_gradient(f, f->gradient));
        for (int64_t j = 0; j < f->n; j++) change[j] = f->gradient[j] - change[j];
        lbfgs_add(pairs, f->step, change);
    }
    int64_t penalised = f->design->n_columns * f->n_outputs;
    l->objective = f->strength * f->loss + dot_product(penalised, f->x, f->x) / 2;
    return STATUS_OK;
}

int logistic_fit(struct logistic *l, const struct design *d, const struct logistic_options *o) {
    struct fit f;
    struct lbfgs pairs = {0};
    double *change = NULL;
    int status = fit_make(&f, d, l, o->strength);
    if (status == STATUS_OK) status = lbfgs_make(&pairs, f.n, o->pairs ? o->pairs : LBFGS_PAIRS);
    if (status == STATUS_OK) status = mem_alloc(&change, f.n, sizeof *change);
    status = comm_agree(d->comm, status);
    if (status == STATUS_OK) status = make_diagonal(&f);
    if (status == STATUS_OK) status = iterate(&f, l, o, &pairs, change);
    fit_free(&f);
    lbfgs_free(&pairs);
    free(change);
    return status;
}

int logistic_objective(const struct logistic *l, const struct design *d, double strength, double *objective,
                       double *gradient) {
    struct logistic copy = *l; /* its weights are only read */
    struct fit f;
    double slope;
    int status = comm_agree(d->comm, fit_make(&f, d, &copy, strength));
    if (status == STATUS_OK) status = comm_agree(d->comm, multiply(&f, f.x, f.z));
    if (status == STATUS_OK) status = look_along(&f, 0, &f.loss, &slope);
    if (status == STATUS_OK) status = make_gradient(&f, gradient);
    if (status == STATUS_OK) *objective = strength * f.loss + dot_product(d->n_columns * f.n_outputs, f.x, f.x) / 2;
    fit_free(&f);
    return status;
}

/* ---- scores ---- */
int logistic_sums(const struct logistic *l, const struct design *d, double *z) {
    return design_multiply(d, l->n_outputs, l->weights, l->weights + l->n_columns * l->n_outputs, z);
}

void logistic_spread(const struct logistic *l, const struct design *d, int64_t n_columns, double *full) {
    int n = l->n_outputs;
    for (int64_t j = 0; j < n_columns * n; j++) full[j] = 0;
    for (int64_t j = 0; j < d->n_columns; j++)
        for (int k = 0; k < n; k++) full[d->column_of[j] * (int64_t)n + k] = d->scale[j] * l->weights[j * n + k];
    for (int k = 0; k < n; k++) full[n_columns * n + k] = l->weights[d->n_columns * n + k];
}

void logistic_score(const double *full, int64_t n_columns, int n_outputs, int softmax, int64_t n, const int32_t *column,
                    const float *value, double *probability) {
    double *z = probability; /* until they become probabilities */
    for (int k = 0; k < n_outputs; k++) z[k] = full[n_columns * n_outputs + k];
    for (int64_t e = 0; e < n; e++)
        for (int k = 0; k < n_outputs; k++) z[k] += (double)value[e] * full[(int64_t)column[e] * n_outputs + k];
    if (softmax) {
        row_loss(n_outputs, z, 0, probability);
        return;
    }
    for (int k = 0; k < n_outputs; k++) row_loss(1, z + k, 0, probability + k);
}
