/* Attention of one query row a segment to rows that are key and value of every head. A block has one segment: it reads the rows
 * from memory once, and again from the cache. Its scratch has a value for each row and head. Floors, in bytes: n_rows dim + 2 n
 * heads dim values; backward, 3 n_rows dim + 4 n heads dim. */
#include "cuda/attention.cuh"

enum { SHARED_THREADS = 256 };

/* One call. Scratch over [heads * n_rows]: segment i's from heads * first[i] on, laid out [head][row]. */
struct shared_call {
    struct attention a;
    int quads;
    unsigned lanes; /* that share the dot product of a row */
    real scale, drop_scale;
};

struct shared_segment {
    int64_t i, n, scratch;
    const real *q, *x;
};

static __device__ inline struct shared_segment segment_of_shared_block(const struct shared_call &c) {
    struct shared_segment s;
    s.i = blockIdx.x;
    int64_t first = c.a.keys.first.at[s.i];
    s.n = c.a.keys.end.at[s.i] - first;
    s.scratch = first * c.a.heads;
    s.q = c.a.q.at + s.i * c.a.ld_q;
    s.x = c.a.k.at + first * c.a.ld_kv;
    return s;
}

/* dots[h,r] = scale (a[h].x[r] + b[h]) for the rows of a segment, a [heads, dim]; b [heads] may be NULL. */
template <typename T>
static __device__ inline void rows_dot(const struct shared_call &c, const struct shared_segment &s, const real *a,
                                       const real *b, real scale, real *dots) {
    const int64_t unit = (int64_t)(sizeof(T) / sizeof(real)), width = c.a.head_dim / unit;
    const T *queries = reinterpret_cast<const T *>(a);
    unsigned lane = threadIdx.x % c.lanes, row = threadIdx.x / c.lanes, step = SHARED_THREADS / c.lanes;
    for (int64_t first = 0; first < s.n;
         first += step) { /* the same for the whole block: lanes_sum needs whole warps */
        int64_t r = first + row;
        const T *x = reinterpret_cast<const T *>(s.x + (r < s.n ? r : 0) * c.a.ld_kv);
        for (int64_t h = 0; h < c.a.heads; h++) {
            real sum = 0;
            for (int64_t k = lane; r < s.n && k < width; k += c.lanes)
                add_inner_product(queries[h * width + k], x[k], &sum);
            sum = lanes_sum(sum, c.lanes);
            if (r < s.n && lane == 0) dots[h * s.n + r] = scale * (sum + (b ? b[h] : 0));
        }
    }
}

/* The dropout factor of element e of segment i. */
static __device__ inline real drop_factor(const struct shared_call &c, int64_t i, int64_t e) {
    if (c.a.dropout.rate == 0) return 1;
    return dropout_keeps(c.a.dropout, (uint64_t)(uint32_t)c.a.drop_keys.at[i], (uint64_t)e) ? c.drop_scale : 0;
}

/* ---- forward ---- */
/* p f from the logits in p, for a segment with rows; returns the sum of p f. By one warp. */
static __device__ inline real warp_softmax(const struct shared_call &c, const struct shared_segment &s, int64_t h,
                                           real *p, real stats[2]) {
    unsigned lane = threadIdx.x % WARP;
    real most = (real)-INFINITY, total = 0, sum = 0;
    for (int64_t r = lane; r < s.n; r += WARP) most = p[r] > most ? p[r] : most;
    stats[0] = most = warp_max(most);
    for (int64_t r = lane; r < s.n; r += WARP) total += p[r] = exp(p[r] - most);
    stats[1] = total = warp_sum(total);
    for (int64_t r = lane; r < s.n; r += WARP) sum += p[r] *= drop_factor(c, s.i, h * s.n + r) / total;
    return warp_sum(sum);
}

template <typename T>
static __global__ void attention_shared_kernel(struct shared_call c, real *probs, real *out, real *sums) {
    struct shared_segment s = segment_of_shared_block(c);
    int64_t heads = c.a.heads, dim = c.a.head_dim, size = heads * dim;
    probs += s.scratch;
    rows_dot<T>(c, s, s.q, NULL, c.scale, probs);
    __syncthreads();
    for (int64_t h = threadIdx.x / WARP; h < heads; h += SHARED_THREADS / WARP) {
        real stats[2] = {0, 0}, sum = s.n > 0 ? warp_softmax(c, s, h, probs + h * s.n, stats) : 0;
        if (threadIdx.x % WARP) continue;
        if (sums) sums[s.i * heads + h] = sum;
        if (!c.a.stats.at) continue;
        c.a.stats.at[2 * (s.i * heads + h)] = stats[0];
        c.a.stats.at[2 * (s.i * heads + h) + 1] = stats[1];
    }
    __syncthreads();
    for (int64_t e = threadIdx.x; e < size; e += SHARED_THREADS) {
        int64_t h = e / dim, k = e % dim;
        real sum = 0;
#pragma unroll 4
        for (int64_t r = 0; r < s.n; r++) sum += probs[h * s.n + r] * s.x[r * c.a.ld_kv + k];
        out[s.i * size + e] = sum;
    }
}

/* ---- backward: w_r = p_r f_r, slope_r = f_r (dout.x_r + dsum), dlogit_r = scale p_r (slope_r - sum_j p_j slope_j)
 * ---- */
/* From the logits in `weight` and dout.x_r + dsum in `dlogit`: w and dlogit. By one warp. */
static __device__ inline void warp_slopes(const struct shared_call &c, const struct shared_segment &s, int64_t h,
                                          real *weight, real *dlogit) {
    unsigned lane = threadIdx.x % WARP;
    const real *stats = c.a.stats.at + 2 * (s.i * c.a.heads + h);
    real mean = 0;
    for (int64_t r = lane; r < s.n; r += WARP) {
        real p = exp(weight[r] - stats[0]) / stats[1];
        dlogit[r] *= drop_factor(c, s.i, h * s.n + r);
        weight[r] = p;
        mean += p * dlogit[r];
    }
    mean = warp_sum(mean);
    for (int64_t r = lane; r < s.n; r += WARP) {
        dlogit[r] = c.scale * weight[r] * (dlogit[r] - mean);
        weight[r] *= drop_factor(c, s.i, h * s.n + r);
    }
}

template <typename T>
static __global__ void attention_shared_backward_kernel(struct shared_call c, struct attention_gradients g,
                                                        real *weight, real *dlogit) {
    struct shared_segment s = segment_of_shared_block(c);
    int64_t heads = c.a.heads, dim = c.a.head_dim, size = heads * dim;
    const real *dout = g.dout.at + s.i * size;
    real *dq = g.dq.at + s.i * c.a.ld_q, *dx = g.dk.at + (s.x - c.a.k.at);
    weight += s.scratch;
    dlogit += s.scratch;
    rows_dot<T>(c, s, s.q, NULL, c.scale, weight);
    rows_dot<T>(c, s, dout, g.dsums.at ? g.dsums.at + s.i * heads : NULL, 1, dlogit);
    __syncthreads();
    for (int64_t h = threadIdx.x / WARP; h < heads; h += SHARED_THREADS / WARP)
        warp_slopes(c, s, h, weight + h * s.n, dlogit + h * s.n);
    __syncthreads();
    for (int64_t e = threadIdx.x; e < size; e += SHARED_THREADS) {
        int64_t h = e / dim, k = e % dim;
        real sum = g.add_q ? dq[e] : 0;
#pragma unroll 4
        for (int64_t r = 0; r < s.n; r++) sum += dlogit[h * s.n + r] * s.x[r * c.a.ld_kv + k];
        dq[e] = sum;
    }
    for (int64_t e = threadIdx.x; e < s.n * dim; e += SHARED_THREADS) {
        int64_t r = e / dim, k = e % dim;
        real sum = g.add_kv ? dx[r * c.a.ld_kv + k] : 0;
        for (int64_t h = 0; h < heads; h++)
            sum += dlogit[h * s.n + r] * s.q[h * dim + k] + weight[h * s.n + r] * dout[h * dim + k];
        dx[r * c.a.ld_kv + k] = sum;
    }
}

/* ---- calls ---- */
static struct shared_call make_call(const struct attention *a, int quads) {
    struct shared_call c = {};
    c.a = *a;
    c.quads = quads;
    c.lanes = row_threads(quads ? a->head_dim / 4 : a->head_dim).x;
    c.scale = (real)a->scale;
    c.drop_scale = dropout_scale(a->dropout);
    return c;
}

void attention_shared(struct device *device, const struct attention *a, real *out, real *sums) {
    struct shared_call c = make_call(a, attention_in_quads(a));
    real *probs = cuda_scratch(device, a->heads * a->keys.n_rows);
    if (!probs) return;
    launch(device, "attention", c.quads ? attention_shared_kernel<quad> : attention_shared_kernel<real>,
           (unsigned)a->queries.n, SHARED_THREADS, 0, c, probs, out, sums);
}

void attention_shared_backward(struct device *device, const struct attention *a, const struct attention_gradients *g) {
    struct shared_call c = make_call(a, attention_in_quads(a) && in_quads(a->head_dim, g->dout.at, NULL));
    int64_t n = a->heads * a->keys.n_rows;
    real *scratch = cuda_scratch(device, 2 * n);
    if (!scratch) return;
    launch(device, "attention_backward",
           c.quads ? attention_shared_backward_kernel<quad> : attention_shared_backward_kernel<real>,
           (unsigned)a->queries.n, SHARED_THREADS, 0, c, *g, scratch, scratch + n);
}
