/* The divergence of two softmaxes over the same columns, value and gradients at once, over chunks of rows: the logits of a chunk
 * become their gradients in place before the next chunk is made.
 *
 * Floor: two products of n x m x dim, one more for each gradient that is wanted; the logits of a chunk are written once, read
 * once from memory and twice from the caches, written, and read again by each product. Products are made in full precision,
 * since log-ratios of near-equal logits are small beside them. The value is summed in double, in an order that depends on n
 * alone.
 */
#include "cuda/primitives.h"
#include "cuda/products.cuh"
#include "cuda/loss_sum.cuh"

/* Logits of either kind held at a time, in bytes, or those of this many rows. */
enum { CHUNK_BYTES = 1 << 25, LEAST_ROWS = 64 };
enum { ROW_THREADS = 256 };

static __device__ real largest_of_row(const real *x, int64_t m, real *room) {
    real most = -INFINITY;
    for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS)
        if (x[j] > most) most = x[j];
    return block_max(most, room);
}

/* A logit whose exponential is 0 beside any other. */
static __device__ const real NOTHING = (real)-1e30;

/* A block for each of `rows` rows of logits s and r [rows,m], which become weight times their gradients if `gradient`. Row i leaves
 * out column own + i (own -1: none), which one thread alone looks at. values[i] = the row's divergence. */
static __global__ void row_divergence_kernel(int64_t rows, int64_t m, int64_t own, real weight, int gradient,
                                             real *all_s, real *all_r, double *values) {
    __shared__ real room[ROW_THREADS / WARP];
    for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
        real *s = all_s + i * m, *r = all_r + i * m, sum_s = 0, sum_r = 0, moment = 0;
        if (own >= 0 && (own + i) % ROW_THREADS == threadIdx.x) s[own + i] = r[own + i] = NOTHING;
        real most_s = largest_of_row(s, m, room), most_r = largest_of_row(r, m, room);
        for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS) {
            real e = exp(s[j] - most_s);
            sum_s += e;
            sum_r += exp(r[j] - most_r);
            moment += e * ((s[j] - most_s) - (r[j] - most_r));
        }
        sum_s = block_sum(sum_s, room);
        sum_r = block_sum(sum_r, room);
        real mean = block_sum(moment, room) / sum_s;
        for (int64_t j = threadIdx.x; gradient && j < m; j += ROW_THREADS) {
            real p = exp(s[j] - most_s) / sum_s, ratio = (s[j] - most_s) - (r[j] - most_r);
            r[j] = weight * (exp(r[j] - most_r) / sum_r - p);
            s[j] = weight * p * (ratio - mean);
        }
        if (threadIdx.x == 0) values[i] = (double)mean + log((double)sum_r) - log((double)sum_s);
    }
}

/* Logits of `rows` rows from `first` on: x [rows,m]. */
static void make_logits(struct device *device, const struct softmax_divergence *d, const struct similarities *s,
                        int64_t first, int64_t rows, real *x) {
    multiply(device, PRODUCTS_F32, 0, 1, rows, d->m, s->dim, s->scale, s->rows.at + first * s->dim, s->dim,
             s->columns.at, s->dim, 0, x, d->m);
}

/* of_rows, of_columns += the gradients through x, those of these logits; those that are NULL are not wanted. */
static void spread(struct device *device, const struct softmax_divergence *d, const struct similarities *s,
                   int64_t first, int64_t rows, const real *x, real *of_rows, real *of_columns) {
    int64_t m = d->m, dim = s->dim, row = first * dim;
    if (of_rows)
        multiply(device, PRODUCTS_F32, 0, 0, rows, dim, m, s->scale, x, m, s->columns.at, dim, 1, of_rows + row, dim);
    if (of_columns)
        multiply(device, PRODUCTS_F32, 1, 0, m, dim, rows, s->scale, x, m, s->rows.at + row, dim, 1, of_columns, dim);
}

extern "C" void cuda_softmax_divergence(struct device *device, const struct softmax_divergence *d, dev_real loss,
                                        struct softmax_divergence_gradients to) {
    int64_t n = d->n, m = d->m;
    if (n <= 0 || m <= 0 || d->p.dim <= 0 || d->g.dim <= 0) return;
    int64_t chunk = CHUNK_BYTES / (int64_t)sizeof(real) / m;
    if (chunk < LEAST_ROWS) chunk = LEAST_ROWS;
    if (chunk > n) chunk = n;
    int64_t of_values = (n + 7) / 8 * 8, held = (chunk * m + 15) / 16 * 16; /* each begins at a multiple of 64 bytes */
    double *values = (double *)cuda_scratch(device, of_values * (int64_t)(sizeof(double) / sizeof(real)) + 2 * held);
    if (!values) return;
    real *s = (real *)(values + of_values), *r = s + held;
    int gradient = to.p_rows.at || to.p_columns.at || to.g_rows.at || to.g_columns.at;
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        make_logits(device, d, &d->p, first, rows, s);
        make_logits(device, d, &d->g, first, rows, r);
        launch(device, "softmax_divergence", row_divergence_kernel, blocks_for(rows, 1), ROW_THREADS, 0, rows, m,
               d->own < 0 ? d->own : d->own + first, (real)d->weight, gradient, s, r, values + first);
        spread(device, d, &d->p, first, rows, s, to.p_rows.at, to.p_columns.at);
        spread(device, d, &d->g, first, rows, r, to.g_rows.at, to.g_columns.at);
    }
    if (loss.at) add_sum(device, "softmax_divergence", n, (const double *)values, d->weight, loss.at);
}
