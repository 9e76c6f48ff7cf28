/* Sparse coding by backward elimination. */
#include <math.h>
#include <string.h>

#include "cases/families.h"

typedef long long ll;
enum { MOST = SPARSE_ROWS };

/* Sizes: vectors, dim, rows of the codebook, first and last candidate, top_k, whether the codebook has a gradient */
static const int64_t SPARSE[][CASE_SIZES] = {{0, 4, 9, 0, 9, 3, 1},         {1, 2, 6, 2, 5, 3, 1},
                                             {5, 3, 40, 7, 31, 5, 0},       {33, 33, 257, 0, 257, 1, 1},
                                             {70, 64, 900, 300, 900, 5, 1}, {33, 64, 700, 3, 700, 8, 1},
                                             {9, 64, 19, 3, 19, 16, 1},     {20, 257, 300, 0, 300, 5, 1}};

static double inner(int64_t dim, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) sum += a[j] * b[j];
    return sum;
}

/* Solves (C C^T + ridge I) w = C u for the rows with in[i], by Gaussian elimination; w is 0 elsewhere. */
static void solve(int64_t dim, int64_t m, const double *u, const double *rows, const int32_t *index, const int *in,
                  double *w) {
    double a[MOST][MOST + 1];
    int at[MOST], n = 0;
    for (int i = 0; i < m; i++) {
        w[i] = 0;
        if (in[i]) at[n++] = i;
    }
    for (int i = 0; i < n; i++) {
        const double *row = rows + index[at[i]] * dim;
        for (int j = 0; j < n; j++) a[i][j] = inner(dim, row, rows + index[at[j]] * dim) + (i == j ? SPARSE_RIDGE : 0);
        a[i][n] = inner(dim, row, u);
    }
    for (int p = 0; p < n; p++)
        for (int i = 0; i < n; i++) {
            double factor = a[i][p] / a[p][p];
            for (int j = 0; i != p && j <= n; j++) a[i][j] -= factor * a[p][j];
        }
    for (int i = 0; i < n; i++) w[at[i]] = a[i][n] / a[i][i];
}

/* The weights of the picks of one vector, those below 0 taken out, and q. in [k] says which stay. */
static void explain(int64_t dim, int64_t k, const double *u, const double *rows, const int32_t *index, int *in,
                    double *w, double *q) {
    for (int i = 0; i < k; i++) in[i] = 1;
    for (int lowest = 0; lowest >= 0;) {
        solve(dim, k, u, rows, index, in, w);
        lowest = -1;
        for (int i = 0; i < k; i++)
            if (w[i] < 0 && (lowest < 0 || w[i] < w[lowest])) lowest = i;
        if (lowest >= 0) in[lowest] = 0;
    }
    for (int64_t j = 0; j < dim; j++) {
        q[j] = 0;
        for (int i = 0; i < k; i++) q[j] += w[i] * rows[index[i] * dim + j];
    }
}

static int is_listed(const int32_t *list, int64_t n, int64_t row) {
    for (int64_t j = 0; j < n; j++)
        if (list[j] == row) return 1;
    return 0;
}

/* The nearest of the candidates, nearest first, ties to the smaller index. */
static int64_t nearest(const struct call *c, const double *u, const double *rows, int32_t *index) {
    int64_t dim = c->size[1], first = c->size[3], last = c->size[4], m = last - first < MOST ? last - first : MOST;
    for (int64_t k = 0; k < m; k++) {
        double most = -INFINITY;
        for (int64_t r = first; r < last; r++) {
            double product = is_listed(index, k, r) ? -INFINITY : inner(dim, u, rows + r * dim);
            if (product > most) most = product, index[k] = (int32_t)r;
        }
    }
    return m;
}

/* Which row goes: of the lowest weight; one whose is as low to within what float32 rounds, and that was not found, goes before. */
static int worst(int64_t m, const int *in, const double *w, const int32_t *index, const int32_t *found, int64_t k) {
    int least = -1;
    for (int i = 0; i < m; i++)
        if (in[i] && (least < 0 || w[i] < w[least])) least = i;
    for (int i = 0; i < m; i++)
        if (in[i] && w[i] < w[least] + 1e-5 && !is_listed(found, k, index[i])) return i;
    return least;
}

/* The picks of one vector, heaviest first. */
static void choose(const struct call *c, const double *u, const double *rows, const int32_t *found, int32_t *index,
                   double *weight, double *q) {
    int64_t dim = c->size[1], k = c->size[5];
    int32_t row[MOST], kept[MOST];
    int in[MOST], n = 0;
    double w[MOST];
    int64_t m = nearest(c, u, rows, row);
    for (int i = 0; i < m; i++) in[i] = 1;
    for (int64_t left = m; left > k; left--) {
        solve(dim, m, u, rows, row, in, w);
        in[worst(m, in, w, row, found, k)] = 0;
    }
    for (int i = 0; i < m; i++)
        if (in[i]) kept[n++] = row[i];
    explain(dim, k, u, rows, kept, in, w, q);
    for (int j = 0; j < k; j++) {
        int most = -1;
        for (int i = 0; i < k; i++)
            if (w[i] >= 0 && (most < 0 || w[i] > w[most])) most = i;
        index[j] = kept[most];
        weight[j] = w[most];
        w[most] = -1;
    }
}

static void sparse_shape(struct call *c) {
    const int64_t *s = c->size;
    call_shape(c, "%lld of %lld nearest of %lld to %lld x %lld", (ll)s[5], (ll)MOST, (ll)s[0], (ll)(s[4] - s[3]),
               (ll)s[1]);
}

static void quantize_sparse(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1], size = c->size[2], first = c->size[3], last = c->size[4], k = c->size[5];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), rows = call_in_rows(c, size, dim, UNIT_ROWS);
    struct operand index = call_out_ints(c, n * k), weight = call_out(c, n * k), q = call_out(c, n * dim);
    sparse_shape(c);
    struct quantize z = {n, dim, first, last, k, u.real, rows.real};
    CALL(c, quantize_sparse, &z, ((struct picks){.index = index.ints, .weight = weight.real}), q.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++)
        choose(c, u.host + i * dim, rows.host, index.found + i * k, index.host_ints + i * k, weight.host + i * k,
               q.host + i * dim);
}

/* Differentiated with the picks as they are. */
static void quantize_sparse_backward(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1], size = c->size[2], first = c->size[3], last = c->size[4], k = c->size[5];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), rows = call_in_rows(c, size, dim, UNIT_ROWS);
    struct operand index = call_made_ints(c, n * k), weight = call_made(c, n * k), q = call_made(c, n * dim);
    struct operand dq = call_cotangent(c, q), du = call_gradient(c, u, 1), drows = {0};
    if (c->size[6]) drows = call_gradient(c, rows, 1);
    sparse_shape(c);
    struct quantize z = {n, dim, first, last, k, u.real, rows.real};
    struct picks picks = {.index = index.ints, .weight = weight.real};
    PREPARE(c, quantize_sparse, &z, picks, q.real);
    CALL(c, quantize_sparse_backward, &z, picks, dq.real, du.real, drows.real);
    int in[MOST];
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++)
        explain(dim, k, u.host + i * dim, rows.host, index.host_ints + i * k, in, weight.host + i * k,
                q.host + i * dim);
}

static void sparse_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->queries;
    size[1] = step->dim;
    size[2] = size[4] = step->codebook;
    size[5] = step->top_k;
    size[6] = 1;
}

const struct kernel_case SPARSE_CASES[] = {
    {"quantize_sparse", quantize_sparse, SHAPES(SPARSE), sparse_of_a_step},
    {"quantize_sparse_backward", quantize_sparse_backward, SHAPES(SPARSE), sparse_of_a_step},
};
END_OF_FAMILY(SPARSE_CASES);
