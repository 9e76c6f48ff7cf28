/* Elementwise work and sums. All are bound by memory; bytes per float32 value: fill 4, axpy and blend 12, dot and
 * squared_distance 8, squared_distance_backward 16, norm_loss 12.
 *
 * A sum that ends in one number is made in double in two stages: SUM_BLOCKS blocks each leave a partial sum in scratch,
 * and one block adds these. Which values a thread adds depends on their count alone, so the result is the same in each
 * run.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

enum { SUM_BLOCKS = 512, SUM_THREADS = 256 };

/* ---- elementwise ---- */
struct fill_op {
    enum { INPUTS = 0, KEEPS = 0 };
    real value;
    __device__ real operator()(real, real, real) const { return value; }
};

struct axpy_op {
    enum { INPUTS = 1, KEEPS = 1 };
    real alpha;
    __device__ real operator()(real x, real, real y) const { return y + alpha * x; }
};

struct distance_slope_op {
    enum { INPUTS = 2, KEEPS = 1 };
    real scale;
    __device__ real operator()(real a, real b, real da) const { return da + scale * (a - b); }
};

extern "C" void cuda_fill(struct device *device, int64_t n, double value, dev_real x) {
    elementwise(device, "fill", fill_op{(real)value}, n, NULL, NULL, x.at);
}

extern "C" void cuda_axpy(struct device *device, int64_t n, double alpha, dev_real x, dev_real y) {
    elementwise(device, "axpy", axpy_op{(real)alpha}, n, x.at, NULL, y.at);
}

extern "C" void cuda_blend(struct device *device, int64_t n, dev_real keep, dev_real x, dev_real y) {
    elementwise(device, "blend", blend_op{keep.at, 0}, n, x.at, NULL, y.at);
}

extern "C" void cuda_squared_distance_backward(struct device *device, int64_t n, double alpha, dev_real a, dev_real b,
                                               dev_real da) {
    elementwise(device, "squared_distance_backward", distance_slope_op{(real)(2 * alpha)}, n, a.at, b.at, da.at);
}

/* ---- sums ---- */
struct product_term {
    static __device__ double of(real a, real b) { return (double)a * (double)b; }
};

struct distance_term {
    static __device__ double of(real a, real b) { return ((double)a - (double)b) * ((double)a - (double)b); }
};

/* partial[block] = sum of this block's terms */
template <typename Term>
static __global__ void sum_kernel(int64_t n, int64_t n_packs, const real *a, const real *b, double *partial) {
    __shared__ double room[SUM_THREADS / WARP];
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    double sum = 0;
    for (int64_t i = thread; i < n_packs; i += stride) {
        struct pack p = ((const struct pack *)a)[i], q = ((const struct pack *)b)[i];
        for (int j = 0; j < PACK; j++) sum += Term::of(p.at[j], q.at[j]);
    }
    for (int64_t i = n_packs * PACK + thread; i < n; i += stride) sum += Term::of(a[i], b[i]);
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/* The sum of the partial sums, in every thread of the block. */
static __device__ double sum_of_partials(int n, const double *partial) {
    __shared__ double room[SUM_THREADS / WARP];
    double sum = 0;
    for (int i = (int)threadIdx.x; i < n; i += SUM_THREADS) sum += partial[i];
    return block_sum(sum, room);
}

/* out[0] += alpha sum */
static __global__ void finish_sum_kernel(int n_partial, const double *partial, double alpha, real *out) {
    double sum = sum_of_partials(n_partial, partial);
    if (threadIdx.x == 0) out[0] = (real)((double)out[0] + alpha * sum);
}

/* dx = weight x / |x| with |x|^2 from the partial sums; the first block adds the loss. */
static __global__ void finish_norm_kernel(int64_t n, int n_partial, const double *partial, double weight, const real *x,
                                          real *loss, real *dx) {
    double norm = sqrt(sum_of_partials(n_partial, partial));
    real scale = (real)(norm > 0 ? weight / norm : 0);
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = thread; i < n; i += stride) dx[i] = scale * x[i];
    if (thread == 0) loss[0] += (real)(weight * norm);
}

/* Leaves the partial sums of Term in scratch and says how many they are; NULL on failure. */
template <typename Term>
static const double *partial_sums(struct device *device, const char *name, int64_t n, const real *a, const real *b,
                                  int *n_partial) {
    double *partial = (double *)cuda_scratch(device, SUM_BLOCKS * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return NULL;
    int64_t n_packs = is_aligned(a) && is_aligned(b) ? n / PACK : 0;
    *n_partial = (int)blocks_for(n_packs ? n_packs : n, SUM_THREADS, SUM_BLOCKS);
    launch(device, name, sum_kernel<Term>, *n_partial, SUM_THREADS, 0, n, n_packs, a, b, partial);
    return partial;
}

template <typename Term>
static void sum_terms(struct device *device, const char *name, int64_t n, double alpha, const real *a, const real *b,
                      real *out) {
    int n_partial;
    const double *partial = partial_sums<Term>(device, name, n, a, b, &n_partial);
    if (partial) launch(device, name, finish_sum_kernel, 1, SUM_THREADS, 0, n_partial, partial, alpha, out);
}

extern "C" void cuda_dot(struct device *device, int64_t n, double alpha, dev_real a, dev_real b, dev_real out) {
    if (n > 0) sum_terms<product_term>(device, "dot", n, alpha, a.at, b.at, out.at);
}

extern "C" void cuda_squared_distance(struct device *device, int64_t n, double alpha, dev_real a, dev_real b,
                                      dev_real out) {
    if (n > 0) sum_terms<distance_term>(device, "squared_distance", n, alpha, a.at, b.at, out.at);
}

extern "C" void cuda_norm_loss(struct device *device, int64_t n, double weight, dev_real x, dev_real loss,
                               dev_real dx) {
    int n_partial;
    const double *partial = partial_sums<product_term>(device, "norm_loss", n, x.at, x.at, &n_partial);
    if (partial)
        launch(device, "norm_loss", finish_norm_kernel, blocks_for(n, SUM_THREADS, 4 * SUM_BLOCKS), SUM_THREADS, 0, n,
               n_partial, partial, weight, x.at, loss.at, dx.at);
}
