/* Contrastive cross-entropy, value and gradients at once, over chunks of rows: the logits of a chunk become its
 * gradients in place before the next chunk is made. Always in full precision: logits are divided by a small
 * temperature.
 *
 * Floor: three products of n x m x dim, 6 n m dim flops; the logits of a chunk are written once, read once from memory
 * and twice from the L1 cache, written and read twice again by the products. The value is summed in double, in an order
 * that depends on n alone.
 */
#include "cuda/primitives.h"
#include "cuda/products.cuh"

enum { CHUNK_BYTES = 1 << 26 }; /* logits held at a time */
enum { ROW_THREADS = 256, VALUE_THREADS = 1024 };

/* The largest of the block's values; a NaN may be passed over. `room`: as block_sum's. */
static __device__ real block_max(real x, real *room) {
    x = warp_max(x);
    if (threadIdx.x % WARP == 0) room[threadIdx.x / WARP] = x;
    __syncthreads();
    for (unsigned w = 0; w < blockDim.x / WARP; w++) x = room[w] > x ? room[w] : x;
    __syncthreads();
    return x;
}

/* A block for each row. logits [rows,m] -> weight * (softmax - one at the positive); values[row] = -log
 * softmax[positive]. The columns of the row's own class, but the positive, have no part in the softmax. */
static __global__ void nce_row_kernel(int64_t rows, int64_t m, int64_t positive, real weight, const int32_t *row_class,
                                      const int32_t *column_class, real *logits, double *values) {
    __shared__ real room[ROW_THREADS / WARP];
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        real *row = logits + r * m, most = -INFINITY, sum = 0;
        int64_t own = positive + r;
        int32_t left_out = row_class ? row_class[r] : -1;
        real target = row[own];
        for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS) {
            bool counts = left_out < 0 || column_class[j] != left_out || j == own;
            if (counts && row[j] > most) most = row[j];
        }
        most = block_max(most, room);
        for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS)
            if (left_out < 0 || column_class[j] != left_out || j == own) sum += exp(row[j] - most);
        sum = block_sum(sum, room); /* its barriers also stand between the reading of `target` and the writing below */
        real scale = weight / sum;
        for (int64_t j = threadIdx.x; j < m; j += ROW_THREADS) {
            bool counts = left_out < 0 || column_class[j] != left_out || j == own;
            row[j] = (counts ? scale * exp(row[j] - most) : 0) - (j == own ? weight : 0);
        }
        if (threadIdx.x == 0) values[r] = log((double)sum) - ((double)target - (double)most);
    }
}

/* loss[0] += weight * sum of values[n]; one block */
static __global__ void nce_loss_kernel(int64_t n, const double *values, double weight, real *loss) {
    __shared__ double room[VALUE_THREADS / WARP];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += VALUE_THREADS) sum += values[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) loss[0] += (real)(weight * sum);
}

extern "C" void cuda_nce(struct device *device, int64_t n, int64_t m, int64_t dim, int64_t positive, double temperature,
                         double weight, dev_int row_class, dev_int column_class, dev_real a, dev_real b, dev_real loss,
                         dev_real da, dev_real db) {
    if (n <= 0 || m <= 0 || dim <= 0) return;
    int64_t chunk = CHUNK_BYTES / (int64_t)sizeof(real) / m;
    if (chunk < 1) chunk = 1;
    if (chunk > n) chunk = n;
    double *values = (double *)cuda_scratch(device, n * (int64_t)(sizeof(double) / sizeof(real)) + 16 + chunk * m);
    if (!values) return;
    real *logits = (real *)(values + (n + 7) / 8 * 8); /* at 64 bytes again */
    for (int64_t first = 0; first < n; first += chunk) {
        int64_t rows = first + chunk < n ? chunk : n - first;
        const real *a_rows = a.at + first * dim;
        multiply(device, PRODUCTS_F32, 0, 1, rows, m, dim, 1 / temperature, a_rows, dim, b.at, dim, 0, logits, m);
        launch(device, "nce", nce_row_kernel, blocks_for(rows, 1), ROW_THREADS, 0, rows, m, positive + first,
               (real)weight, (const int32_t *)(row_class.at ? row_class.at + first : NULL),
               (const int32_t *)column_class.at, logits, values + first);
        multiply(device, PRODUCTS_F32, 0, 0, rows, dim, m, 1 / temperature, logits, m, b.at, dim, 1,
                 da.at + first * dim, dim);
        multiply(device, PRODUCTS_F32, 1, 0, m, dim, rows, 1 / temperature, logits, m, a_rows, dim, 1, db.at, dim);
    }
    launch(device, "nce", nce_loss_kernel, 1, VALUE_THREADS, 0, n, (const double *)values, weight, loss.at);
}
