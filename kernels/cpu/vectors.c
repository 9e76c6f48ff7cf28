/* Elementwise work and sums. A sum is made over fixed blocks in double, then over the blocks in order. */
#include "cpu/cpu.h"

enum { BLOCK = 1 << 14 };

void cpu_fill(struct device *device, int64_t n, double value, dev_real x) {
    if (device->error[0]) return;
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) x.at[i] = (real)value;
}

void cpu_axpy(struct device *device, int64_t n, double alpha, dev_real x, dev_real y) {
    if (device->error[0]) return;
    real a = (real)alpha;
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) y.at[i] += a * x.at[i];
}

void cpu_blend(struct device *device, int64_t n, dev_real keep, dev_real x, dev_real y) {
    if (device->error[0]) return;
    real old = keep.at[0], new = 1 - old;
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) y.at[i] = old * y.at[i] + new *x.at[i];
}

static double block_dot(const real *a, const real *b, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static double block_distance(const real *a, const real *b, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum;
}

/* Adds alpha * sum over blocks of part() to out[0]. Scratch holds one partial sum per block. */
static void block_sum(struct device *device, int64_t n, double alpha, dev_real a, dev_real b, dev_real out,
                      double (*part)(const real *, const real *, int64_t)) {
    if (n <= 0 || device->error[0]) return;
    int64_t n_blocks = (n + BLOCK - 1) / BLOCK;
    double *partial = (double *)cpu_scratch(device, n_blocks * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t k = 0; k < n_blocks; k++) {
        int64_t first = k * BLOCK, count = first + BLOCK < n ? BLOCK : n - first;
        partial[k] = part(a.at + first, b.at + first, count);
    }
    double sum = 0;
    for (int64_t k = 0; k < n_blocks; k++) sum += partial[k];
    out.at[0] = (real)((double)out.at[0] + alpha * sum);
}

void cpu_dot(struct device *device, int64_t n, double alpha, dev_real a, dev_real b, dev_real out) {
    block_sum(device, n, alpha, a, b, out, block_dot);
}

void cpu_squared_distance(struct device *device, int64_t n, double alpha, dev_real a, dev_real b, dev_real out) {
    block_sum(device, n, alpha, a, b, out, block_distance);
}

void cpu_squared_distance_backward(struct device *device, int64_t n, double alpha, dev_real a, dev_real b,
                                   dev_real da) {
    if (device->error[0]) return;
    real s = (real)(2 * alpha);
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) da.at[i] += s * (a.at[i] - b.at[i]);
}

void cpu_norm_loss(struct device *device, int64_t n, double weight, dev_real x, dev_real loss, dev_real dx) {
    if (device->error[0]) return;
    double norm = sqrt(block_dot(x.at, x.at, n));
    real scale = (real)(norm > 0 ? weight / norm : 0);
    for (int64_t i = 0; i < n; i++) dx.at[i] = scale * x.at[i];
    loss.at[0] += (real)(weight * norm);
}
