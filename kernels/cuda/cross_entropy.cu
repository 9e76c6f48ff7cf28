/* Softmax cross-entropy, value and gradients at once, over chunks of rows: the logits of a chunk become its gradients in
 * place before the next chunk is made.
 *
 * Floor: a product of n x m x dim, and one more for each of da and db, 2 n m dim flops each; the logits of a chunk are written
 * once, read once from memory and twice from the L1 cache, written, and read again by each product. The value is summed in
 * double, in an order that depends on n alone.
 */
#include "cuda/primitives.h"
#include "cuda/products.cuh"
#include "cuda/loss_sum.cuh"

/* Logits held at a time, in bytes, or those of this many rows: products of fewer rows read b for too little work. */
enum { CHUNK_BYTES = 1 << 26, LEAST_ROWS = 64 };
enum { ROW_THREADS = 256 };

/* One row of logits as its softmax sees it: with the bias, without the columns of the row's own class but the target. */
struct logits_row {
    const real *logits, *bias;
    const int32_t *column_class;
    int32_t left_out; /* class; -1: none */
    int64_t target;
    __device__ bool counts(int64_t j) const { return left_out < 0 || column_class[j] != left_out || j == target; }
    __device__ real operator[](int64_t j) const { return bias ? logits[j] + bias[j] : logits[j]; }
};

/* weight * (softmax - one at the target), in place of the logits */
static __device__ void write_gradient(const struct logits_row &row, int64_t m, real most, real sum, real weight,
                                      real *to) {
    real scale = weight / sum;
    for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS)
        to[j] = (row.counts(j) ? scale * exp(row[j] - most) : 0) - (j == row.target ? weight : 0);
}

/* A block for each of rows first .. first + rows - 1, with logits [rows,m], which become their gradient if `gradient`.
 * values[i] = the row's weight times -log softmax[target]; log_probability may be NULL. */
static __global__ void row_entropy_kernel(struct cross_entropy c, int64_t first, int64_t rows, int gradient,
                                          real *logits, double *values, real *log_probability) {
    __shared__ real room[ROW_THREADS / WARP];
    int64_t m = c.m;
    for (int64_t i = first + blockIdx.x; i < first + rows; i += gridDim.x) {
        int64_t target = c.target.at ? c.target.at[i] : c.first + i;
        real *to = logits + (i - first) * m, most = -INFINITY, sum = 0;
        real weight = c.weights.at ? c.weights.at[i] : 1;
        double value = 0;
        if (target < 0) {
            for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS) to[j] = 0;
        } else {
            struct logits_row row = {to, c.bias.at, c.column_class.at, c.row_class.at ? c.row_class.at[i] : -1, target};
            real wanted = row[target];
            for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS)
                if (row.counts(j) && row[j] > most) most = row[j];
            most = block_max(most, room);
            for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS)
                if (row.counts(j)) sum += exp(row[j] - most);
            sum = block_sum(sum, room); /* its barriers also stand between the reading of `wanted` and the writing below */
            if (gradient) write_gradient(row, m, most, sum, (real)c.weight * weight, to);
            value = (double)wanted - (double)most - log((double)sum);
        }
        if (threadIdx.x == 0) {
            values[i] = -(double)weight * value;
            if (log_probability) log_probability[i] = (real)value;
        }
    }
}

/* da, db, dbias += the gradients through the `rows` logits from `first` on; those that are NULL are not wanted. ones [rows] */
static void spread(struct device *device, const struct cross_entropy *c, int64_t first, int64_t rows,
                   enum precision_of_products products, const real *logits, const real *ones, real *da, real *db,
                   real *dbias) {
    int64_t m = c->m, dim = c->dim;
    if (da)
        multiply(device, products, 0, 0, rows, dim, m, c->scale, logits, m, c->b.at, dim, 1, da + first * dim, dim);
    if (db)
        multiply(device, products, 1, 0, m, dim, rows, c->scale, logits, m, c->a.at + first * dim, dim, 1, db, dim);
    if (dbias) multiply(device, PRODUCTS_F32, 0, 0, 1, m, rows, 1, ones, rows, logits, m, 1, dbias, m);
}

extern "C" void cuda_cross_entropy(struct device *device, const struct cross_entropy *c, dev_real loss,
                                   dev_real log_probability, dev_real da, dev_real db, dev_real dbias) {
    int64_t n = c->n, m = c->m, dim = c->dim;
    if (n <= 0 || m <= 0 || dim <= 0) return;
    int64_t chunk = CHUNK_BYTES / (int64_t)sizeof(real) / m;
    if (chunk < LEAST_ROWS) chunk = LEAST_ROWS;
    if (chunk > n) chunk = n;
    int64_t of_values = (n + 7) / 8 * 8, of_ones = (chunk + 15) / 16 * 16; /* each begins at a multiple of 64 bytes */
    double *values = (double *)cuda_scratch(
        device, of_values * (int64_t)(sizeof(double) / sizeof(real)) + of_ones + chunk * m);
    if (!values) return;
    real *ones = (real *)(values + of_values), *logits = ones + of_ones;
    enum precision_of_products products = c->exact ? PRODUCTS_F32 : cuda_of(device)->products;
    int gradient = da.at || db.at || dbias.at;
    if (dbias.at) cuda_fill(device, chunk, 1, {ones});
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        multiply(device, products, 0, 1, rows, m, dim, c->scale, c->a.at + first * dim, dim, c->b.at, dim, 0, logits, m);
        launch(device, "cross_entropy", row_entropy_kernel, blocks_for(rows, 1), ROW_THREADS, 0, *c, first, rows,
               gradient, logits, values, log_probability.at);
        spread(device, c, first, rows, products, logits, ones, da.at, db.at, dbias.at);
    }
    if (loss.at) add_sum(device, "cross_entropy", n, (const double *)values, c->weight, loss.at);
}
