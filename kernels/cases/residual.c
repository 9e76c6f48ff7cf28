/* Residual quantisation. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* Sizes: vectors, dim, rows of the codebook, first and last candidate, top_k, whether the codebook has a gradient */
static const int64_t RESIDUAL[][CASE_SIZES] = {{0, 4, 9, 0, 9, 3, 1},         {1, 2, 6, 2, 5, 3, 1},
                                               {5, 3, 40, 7, 31, 5, 0},       {33, 33, 257, 0, 257, 1, 1},
                                               {70, 64, 900, 300, 900, 5, 1}, {33, 64, 700, 3, 700, 16, 1},
                                               {20, 257, 300, 0, 300, 5, 1}};

static double inner(int64_t dim, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) sum += a[j] * b[j];
    return sum;
}

/* The row of the level with the largest product, ties to the smaller index; one that is as good to within 1e-5, which float32's
 * rounding is below, is taken as found. */
static int32_t best_row(int64_t dim, int64_t begin, int64_t end, const double *r, const double *rows, int32_t found) {
    int32_t best = (int32_t)begin;
    for (int64_t row = begin + 1; row < end; row++)
        if (inner(dim, r, rows + row * dim) > inner(dim, r, rows + best * dim)) best = (int32_t)row;
    if (found < begin || found >= end) return best;
    double less = inner(dim, r, rows + best * dim) - inner(dim, r, rows + found * dim);
    return less != 0 && less < 1e-5 ? found : best;
}

/* Of one vector, by its picks. before [k, dim] and weight [k] may be NULL. */
static void explain(int64_t dim, int64_t k, const double *u, const double *rows, const int32_t *index, double *weight,
                    double *before, double *q) {
    for (int64_t j = 0; j < dim; j++) q[j] = 0;
    for (int64_t l = 0; l < k; l++) {
        const double *row = rows + index[l] * dim;
        double w = fmax(0, inner(dim, u, row) - inner(dim, q, row));
        if (weight) weight[l] = w;
        for (int64_t j = 0; j < dim; j++) {
            if (before) before[l * dim + j] = u[j] - q[j];
            q[j] += w * row[j];
        }
    }
}

static void residual_shape(struct call *c) {
    const int64_t *s = c->size;
    call_shape(c, "%lld levels of %lld to %lld x %lld", (ll)s[5], (ll)s[0], (ll)(s[4] - s[3]), (ll)s[1]);
}

static void quantize_residual(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1], size = c->size[2], first = c->size[3], last = c->size[4], k = c->size[5];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), rows = call_in_rows(c, size, dim, UNIT_ROWS);
    struct operand index = call_out_ints(c, n * k), weight = call_out(c, n * k), before = call_out(c, n * k * dim);
    struct operand q = call_out(c, n * dim);
    residual_shape(c);
    struct quantize z = {n, dim, first, last, k, u.real, rows.real};
    CALL(c, quantize_residual, &z, ((struct picks){index.ints, weight.real, before.real}), q.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < k; l++) { /* each level needs what those before it leave */
            int64_t at = i * k + l, begin = first + (last - first) * l / k, end = first + (last - first) * (l + 1) / k;
            explain(dim, l, u.host + i * dim, rows.host, index.host_ints + i * k, NULL, NULL, q.host + i * dim);
            for (int64_t j = 0; j < dim; j++) before.host[at * dim + j] = u.host[i * dim + j] - q.host[i * dim + j];
            index.host_ints[at] = best_row(dim, begin, end, before.host + at * dim, rows.host, index.found[at]);
            explain(dim, l + 1, u.host + i * dim, rows.host, index.host_ints + i * k, weight.host + i * k, NULL,
                    q.host + i * dim);
        }
}

/* Differentiated with the picks as they are. In one dimension the first level would leave 0, where the next weight has its
 * kink. */
static void quantize_residual_backward(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1], size = c->size[2], first = c->size[3], last = c->size[4], k = c->size[5];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), rows = call_in_rows(c, size, dim, UNIT_ROWS);
    struct operand index = call_made_ints(c, n * k), weight = call_made(c, n * k), before = call_made(c, n * k * dim);
    struct operand q = call_made(c, n * dim), dq = call_cotangent(c, q), du = call_gradient(c, u, 1), drows = {0};
    if (c->size[6]) drows = call_gradient(c, rows, 1);
    residual_shape(c);
    struct quantize z = {n, dim, first, last, k, u.real, rows.real};
    struct picks picks = {index.ints, weight.real, before.real};
    PREPARE(c, quantize_residual, &z, picks, q.real);
    CALL(c, quantize_residual_backward, &z, picks, dq.real, du.real, drows.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++)
        explain(dim, k, u.host + i * dim, rows.host, index.host_ints + i * k, weight.host + i * k,
                before.host + i * k * dim, q.host + i * dim);
}

static void residual_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->queries;
    size[1] = step->dim;
    size[2] = size[4] = step->codebook;
    size[5] = step->top_k;
    size[6] = 1;
}

const struct kernel_case RESIDUAL_CASES[] = {
    {"quantize_residual", quantize_residual, SHAPES(RESIDUAL), residual_of_a_step},
    {"quantize_residual_backward", quantize_residual_backward, SHAPES(RESIDUAL), residual_of_a_step},
};
END_OF_FAMILY(RESIDUAL_CASES);
