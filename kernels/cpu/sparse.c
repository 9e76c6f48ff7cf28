/* Sparse coding: a few of a vector's nearest rows, with the weights that explain it best, by elimination from all of them. */
#include "cpu/cpu.h"
#include "cpu/nearest.h"
#include "cpu/row_math.h"

_Static_assert((int)SPARSE_ROWS <= (int)NEAREST_MOST, "the rows to choose among are a list of the nearest");

/* Of one vector: m rows, some of them taken out. Columns beyond m, and those of rows that are out, are 0, so that loops over columns have a
 * constant length. */
struct solution {
    int64_t m;
    int32_t row[SPARSE_ROWS];               /* of the codebook, nearest first */
    real inverse[SPARSE_ROWS][SPARSE_ROWS]; /* of the rows' products with each other plus the ridge */
    real weight[SPARSE_ROWS];               /* the least-squares solution; 0 for those taken out */
    real out[SPARSE_ROWS];                  /* INFINITY for those taken out, else 0 */
};

/* to[j] += factor row[j] */
IN_PLACE void add_columns(real factor, const real *row, real *to) {
#pragma omp simd
    for (int j = 0; j < SPARSE_ROWS; j++) to[j] += factor * row[j];
}

/* a [m][m], symmetric and positive definite, becomes its inverse. */
static void invert(int64_t m, real a[SPARSE_ROWS][SPARSE_ROWS]) {
    for (int64_t p = 0; p < m; p++) {
        real pivot = 1 / a[p][p], row[SPARSE_ROWS];
        a[p][p] = 1;
        for (int j = 0; j < SPARSE_ROWS; j++) row[j] = a[p][j] *= pivot;
        for (int64_t i = 0; i < m; i++) {
            real factor = i == p ? 0 : a[i][p];
            if (i != p) a[i][p] = 0;
            add_columns(-factor, row, a[i]);
        }
    }
}

/* inverse = (C C^T + ridge I)^-1 of the rows. */
static void invert_products(struct solution *s, int64_t dim, const real *c) {
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j <= i; j++)
            s->inverse[i][j] = s->inverse[j][i] =
                row_dot(c + (int64_t)s->row[i] * dim, c + (int64_t)s->row[j] * dim, dim) +
                (i == j ? (real)SPARSE_RIDGE : 0);
    invert(s->m, s->inverse);
}

static void take_out(struct solution *s, int64_t out) {
    real column[SPARSE_ROWS], pivot = 1 / s->inverse[out][out];
    memcpy(column, s->inverse[out], sizeof column);
    add_columns(-s->weight[out] * pivot, column, s->weight);
    for (int64_t i = 0; i < s->m; i++) {
        add_columns(-pivot * column[i], column, s->inverse[i]);
        s->inverse[i][out] = 0; /* not what rounding leaves */
    }
    memset(s->inverse[out], 0, sizeof s->inverse[out]);
    s->weight[out] = 0;
    s->out[out] = INFINITY;
}

/* The row of the lowest weight, the nearest of equals; -1 if none is left. */
static int64_t lowest(const struct solution *s) {
    real least = INFINITY;
#pragma omp simd reduction(min : least)
    for (int i = 0; i < SPARSE_ROWS; i++) least = s->weight[i] + s->out[i] < least ? s->weight[i] + s->out[i] : least;
    for (int64_t i = 0; i < s->m; i++)
        if (s->weight[i] + s->out[i] == least && least < INFINITY) return i;
    for (int64_t i = 0; i < s->m; i++) /* all that are left are NaN, or none is */
        if (s->out[i] == 0) return i;
    return -1;
}

/* Heaviest first, ties to the nearer row. kept[m]: those that are picks, though their weight be 0. */
static void write_picks(const struct solution *s, const char *kept, int64_t dim, const real *c, int32_t *index,
                        real *weight, real *q) {
    int64_t n = 0;
    memset(q, 0, (size_t)dim * sizeof(real));
    for (int64_t i = 0; i < s->m; i++) {
        if (!kept[i]) continue;
        int64_t k = n++;
        for (; k > 0 && weight[k - 1] < s->weight[i]; k--) index[k] = index[k - 1], weight[k] = weight[k - 1];
        index[k] = s->row[i];
        weight[k] = s->weight[i];
        row_add(s->weight[i], c + (int64_t)s->row[i] * dim, q, dim);
    }
}

static void code_vector(const struct nearest *best, int64_t m, int64_t top_k, int64_t dim, const real *c,
                        int32_t *index, real *weight, real *q) {
    struct solution s = {.m = m};
    char kept[SPARSE_ROWS];
    memcpy(s.row, best->index, sizeof s.row);
    invert_products(&s, dim, c);
    for (int64_t i = 0; i < m; i++) s.weight[i] = row_dot(s.inverse[i], best->dot, m);
    for (int64_t i = m; i < SPARSE_ROWS; i++) s.out[i] = INFINITY;
    for (int64_t left = m; left > top_k; left--) take_out(&s, lowest(&s));
    for (int64_t i = 0; i < m; i++) kept[i] = s.out[i] == 0;
    for (int64_t out; (out = lowest(&s)) >= 0 && s.weight[out] < 0;) take_out(&s, out);
    write_picks(&s, kept, dim, c, index, weight, q);
}

void cpu_quantize_sparse(struct device *device, const struct quantize *z, struct picks picks, dev_real q) {
    int threads = cpu_threads(device);
    int64_t n = z->n, dim = z->dim, top_k = z->top_k, all = z->last - z->first,
            m = all < SPARSE_ROWS ? all : SPARSE_ROWS;
    int64_t lists = (n * (int64_t)sizeof(struct nearest) + 63) / 64 * 64 / (int64_t)sizeof(real);
    real *scratch = cpu_scratch(device, lists + nearest_scratch(threads, dim, all));
    if (!scratch || n <= 0) return;
    struct nearest *best = (struct nearest *)scratch;
    nearest_rows(((struct cpu *)device->backend)->vectors, threads, n, dim, z->first, z->last, m, z->u.at, z->c.at,
                 best, scratch + lists);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        code_vector(&best[i], m, top_k, dim, z->c.at, picks.index.at + i * top_k, picks.weight.at + i * top_k,
                    q.at + i * dim);
}

/* Of one vector: slopes[k] = s, along [dim] = dq - A s, rest [dim] = u - q; du += A s. */
static void weight_gradients(int64_t dim, int64_t top_k, const real *c, const int32_t *index, const real *weight,
                             const real *u, const real *dq, real *slopes, real *along, real *rest, real *du) {
    struct solution s = {0};
    real h[SPARSE_ROWS];
    memcpy(rest, u, (size_t)dim * sizeof(real));
    memcpy(along, dq, (size_t)dim * sizeof(real));
    for (int64_t k = 0; k < top_k; k++) {
        slopes[k] = 0;
        if (!(weight[k] > 0)) continue;
        h[s.m] = row_dot(dq, c + (int64_t)index[k] * dim, dim);
        s.row[s.m++] = index[k];
        row_add(-weight[k], c + (int64_t)index[k] * dim, rest, dim);
    }
    invert_products(&s, dim, c);
    for (int64_t k = 0, i = 0; k < top_k; k++) {
        if (!(weight[k] > 0)) continue;
        slopes[k] = row_dot(s.inverse[i++], h, s.m);
        row_add(-slopes[k], c + (int64_t)index[k] * dim, along, dim);
    }
    for (int64_t j = 0; j < dim; j++) du[j] += dq[j] - along[j];
}

void cpu_quantize_sparse_backward(struct device *device, const struct quantize *z, struct picks picks, dev_real dq,
                                  dev_real du, dev_real dc) {
    int64_t n = z->n, dim = z->dim, top_k = z->top_k;
    real *along = cpu_scratch(device, n * (2 * dim + top_k)), *rest = along + n * dim, *slopes = rest + n * dim;
    if (!along) return;
    int threads = cpu_threads(device);
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        weight_gradients(dim, top_k, z->c.at, picks.index.at + i * top_k, picks.weight.at + i * top_k,
                         z->u.at + i * dim, dq.at + i * dim, slopes + i * top_k, along + i * dim, rest + i * dim,
                         du.at + i * dim);
    if (!dc.at) return;
    /* Many vectors may pick one row: threads share the columns, and each adds in the order of vectors. */
    int64_t slice = (dim + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (n * dim > PARALLEL_MIN) schedule(static, 1)
    for (int64_t begin = 0; begin < dim; begin += slice) {
        int64_t end = begin + slice < dim ? begin + slice : dim;
        for (int64_t i = 0; i < n * top_k; i++) {
            const real *x = along + i / top_k * dim, *r = rest + i / top_k * dim;
            real *out = dc.at + (int64_t)picks.index.at[i] * dim, w = picks.weight.at[i], s = slopes[i];
            if (!(w > 0)) continue;
#pragma omp simd
            for (int64_t j = begin; j < end; j++) out[j] += w * x[j] + s * r[j];
        }
    }
}
