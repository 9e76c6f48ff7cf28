/* Attention of one query row a segment, with rows that are key and value of every head. A block has one segment: it
 * reads the rows from memory once, and again from the cache. Floors, in bytes: n_rows (dim + heads) + 2 n heads dim
 * values; backward, 3 n_rows dim + n_rows heads + 4 n heads dim. */
#include <math.h>

#include "cuda/primitives.h"
#include "cuda/rows.cuh"

enum { THREADS = 256 };

/* One call. The kernels' arrays over [heads * n_rows] are laid out like probs, segment i's from heads * offsets[i]
 * on. */
struct shared_call {
    struct ragged rows;
    int64_t heads, dim;
    int quads;
    unsigned lanes; /* that share the dot product of a row */
    real scale, drop_scale;
    const int32_t *drop_keys;
    struct dropout dropout;
};

/* dots[h,r] = scale (a[h].x[r] + b[h]) for the n rows of a segment, a [heads, dim]; b [heads] may be NULL. */
template <typename T>
static __device__ inline void rows_dot(const struct shared_call &s, int64_t n, const real *a, const real *x,
                                       const real *b, real scale, real *dots) {
    const T *queries = reinterpret_cast<const T *>(a), *rows = reinterpret_cast<const T *>(x);
    int64_t width = s.dim / (int64_t)(sizeof(T) / sizeof(real));
    unsigned lane = threadIdx.x % s.lanes, row = threadIdx.x / s.lanes, step = THREADS / s.lanes;
    for (int64_t first = 0; first < n; first += step) { /* the same for the whole block: lanes_sum needs whole warps */
        int64_t r = first + row;
        for (int64_t h = 0; h < s.heads; h++) {
            real sum = 0;
            for (int64_t c = lane; r < n && c < width; c += s.lanes)
                add_inner_product(queries[h * width + c], rows[r * width + c], &sum);
            sum = lanes_sum(sum, s.lanes);
            if (r < n && lane == 0) dots[h * n + r] = scale * (sum + (b ? b[h] : 0));
        }
    }
}

/* The dropout factor of element e of segment i. */
static __device__ inline real drop_factor(const struct shared_call &s, int64_t i, int64_t e) {
    if (s.dropout.rate == 0) return 1;
    return dropout_keeps(s.dropout, (uint64_t)(uint32_t)s.drop_keys[i], (uint64_t)e) ? s.drop_scale : 0;
}

/* ---- forward ---- */

/* p = softmax of the logits in it, `dropped` = p f; returns the sum of p f. By one warp, for n > 0 rows of one head,
 * whose elements begin at number e. */
static __device__ inline real warp_softmax(const struct shared_call &s, int64_t i, int64_t e, int64_t n, real *p,
                                           real *dropped) {
    unsigned lane = threadIdx.x % WARP;
    real most = (real)-INFINITY, total = 0, sum = 0;
    for (int64_t r = lane; r < n; r += WARP) most = p[r] > most ? p[r] : most;
    most = warp_max(most);
    for (int64_t r = lane; r < n; r += WARP) total += p[r] = exp(p[r] - most);
    real scale = 1 / warp_sum(total);
    for (int64_t r = lane; r < n; r += WARP) {
        p[r] *= scale;
        real w = p[r] * drop_factor(s, i, e + r);
        dropped[r] = w; /* may be p itself, where nothing is dropped */
        sum += w;
    }
    return warp_sum(sum);
}

template <typename T>
static __global__ void shared_attention_kernel(struct shared_call s, const real *q, const real *x, real *probs,
                                               real *dropped, real *out, real *sums) {
    int64_t i = blockIdx.x, first = s.rows.offsets.at[i], n = s.rows.offsets.at[i + 1] - first, size = s.heads * s.dim;
    x += first * s.dim;
    probs += first * s.heads;
    dropped += first * s.heads;
    rows_dot<T>(s, n, q + i * size, x, NULL, s.scale, probs);
    __syncthreads();
    for (int64_t h = threadIdx.x / WARP; h < s.heads; h += THREADS / WARP) {
        real sum = n > 0 ? warp_softmax(s, i, h * n, n, probs + h * n, dropped + h * n) : 0;
        if (threadIdx.x % WARP == 0) sums[i * s.heads + h] = sum;
    }
    __syncthreads();
    for (int64_t e = threadIdx.x; e < size; e += THREADS) {
        int64_t h = e / s.dim, c = e % s.dim;
        real sum = 0;
#pragma unroll 4
        for (int64_t r = 0; r < n; r++) sum += dropped[h * n + r] * x[r * s.dim + c];
        out[i * size + e] = sum;
    }
}

/* ---- backward: w_r = p_r f_r, slope_r = f_r (dout.x_r + dsum), dlogit_r = scale p_r (slope_r - sum_j p_j slope_j)
 * ---- */

/* dlogit = the gradients of the logits, from dout.x_r + dsum in it; `dropped` (unless NULL) = p f. By one warp. */
static __device__ inline void warp_slopes(const struct shared_call &s, int64_t i, int64_t e, int64_t n, const real *p,
                                          real *dlogit, real *dropped) {
    unsigned lane = threadIdx.x % WARP;
    real mean = 0;
    for (int64_t r = lane; r < n; r += WARP) {
        real f = drop_factor(s, i, e + r);
        dlogit[r] *= f;
        if (dropped) dropped[r] = p[r] * f;
        mean += p[r] * dlogit[r];
    }
    mean = warp_sum(mean);
    for (int64_t r = lane; r < n; r += WARP) dlogit[r] = s.scale * p[r] * (dlogit[r] - mean);
}

template <typename T>
static __global__ void shared_attention_backward_kernel(struct shared_call s, const real *q, const real *x,
                                                        const real *probs, const real *dout, const real *dsums,
                                                        real *dlogit, real *dropped, real *dq, real *dx) {
    int64_t i = blockIdx.x, first = s.rows.offsets.at[i], n = s.rows.offsets.at[i + 1] - first, size = s.heads * s.dim;
    x += first * s.dim;
    dx += first * s.dim;
    q += i * size;
    dout += i * size;
    probs += first * s.heads;
    dlogit += first * s.heads;
    if (dropped) dropped += first * s.heads;
    rows_dot<T>(s, n, dout, x, dsums + i * s.heads, 1, dlogit);
    __syncthreads();
    for (int64_t h = threadIdx.x / WARP; h < s.heads; h += THREADS / WARP)
        warp_slopes(s, i, h * n, n, probs + h * n, dlogit + h * n, dropped ? dropped + h * n : NULL);
    __syncthreads();
    const real *weight = dropped ? dropped : probs;
    for (int64_t e = threadIdx.x; e < size; e += THREADS) {
        int64_t h = e / s.dim, c = e % s.dim;
        real sum = 0;
#pragma unroll 4
        for (int64_t r = 0; r < n; r++) sum += dlogit[h * n + r] * x[r * s.dim + c];
        dq[i * size + e] += sum;
    }
    for (int64_t e = threadIdx.x; e < n * s.dim; e += THREADS) {
        int64_t r = e / s.dim, c = e % s.dim;
        real sum = 0;
        for (int64_t h = 0; h < s.heads; h++)
            sum += dlogit[h * n + r] * q[h * s.dim + c] + weight[h * n + r] * dout[h * s.dim + c];
        dx[e] += sum;
    }
}

/* ---- calls ---- */
static struct shared_call make_call(struct ragged rows, int64_t heads, int64_t dim, double scale, dev_int drop_keys,
                                    struct dropout dropout, int quads) {
    struct shared_call s = {};
    s.rows = rows;
    s.heads = heads;
    s.dim = dim;
    s.quads = quads;
    s.lanes = row_threads(quads ? dim / 4 : dim).x;
    s.scale = (real)scale;
    s.drop_scale = dropout_scale(dropout);
    s.drop_keys = drop_keys.at;
    s.dropout = dropout;
    return s;
}

extern "C" void cuda_shared_attention(struct device *device, struct ragged rows, int64_t heads, int64_t dim,
                                      double scale, dev_int drop_keys, struct dropout dropout, dev_real q, dev_real x,
                                      dev_real probs, dev_real out, dev_real sums) {
    struct shared_call s = make_call(rows, heads, dim, scale, drop_keys, dropout, in_quads(dim, q.at, x.at));
    real *dropped = probs.at;
    if (dropout.rate > 0 && rows.n_rows > 0 && !(dropped = cuda_scratch(device, heads * rows.n_rows))) return;
    launch(device, "shared_attention", s.quads ? shared_attention_kernel<quad> : shared_attention_kernel<real>,
           (unsigned)rows.n, THREADS, 0, s, q.at, x.at, probs.at, dropped, out.at, sums.at);
}

extern "C" void cuda_shared_attention_backward(struct device *device, struct ragged rows, int64_t heads, int64_t dim,
                                               double scale, dev_int drop_keys, struct dropout dropout, dev_real q,
                                               dev_real x, dev_real probs, dev_real dout, dev_real dsums, dev_real dq,
                                               dev_real dx) {
    struct shared_call s = make_call(rows, heads, dim, scale, drop_keys, dropout, in_quads(dim, dout.at, x.at));
    if (rows.n_rows <= 0) return;
    int drops = dropout.rate > 0;
    real *dlogit = cuda_scratch(device, heads * rows.n_rows * (drops ? 2 : 1));
    if (!dlogit) return;
    launch(device, "shared_attention_backward",
           s.quads ? shared_attention_backward_kernel<quad> : shared_attention_backward_kernel<real>, (unsigned)rows.n,
           THREADS, 0, s, q.at, x.at, probs.at, dout.at, dsums.at, dlogit, drops ? dlogit + heads * rows.n_rows : NULL,
           dq.at, dx.at);
}
