/* Graph attention over many small graphs. Floors, in bytes: head_dots, rows heads cols values; its backward, 3 of
 * them; graph_attention, 2 n_rows heads cols values, (n_rows + edges) heads probabilities and the edges' 4 bytes
 * each; its backward, 4 n_rows heads cols values, 4 (n_rows + edges) heads and the edges. */
#include "cuda/activation.cuh"
#include "cuda/graph.cuh"
#include "cuda/primitives.h"
#include "cuda/rows.cuh"

/* ---- x times a vector, head by head: a row of threads for each row ---- */
template <typename T>
static __global__ void head_dots_kernel(int64_t rows, int64_t heads, int64_t width, const real *x, const real *a,
                                        real *out) {
    const T *row = reinterpret_cast<const T *>(x), *weight = reinterpret_cast<const T *>(a);
    for (int64_t first = block_row(); first < rows; first += row_stride()) {
        int64_t r = first + threadIdx.y;
        for (int64_t h = 0; h < heads; h++) {
            real sum = 0;
            for (int64_t c = threadIdx.x; r < rows && c < width; c += blockDim.x)
                add_inner_product(row[(r * heads + h) * width + c], weight[h * width + c], &sum);
            sum = lanes_sum(sum, blockDim.x);
            if (r < rows && threadIdx.x == 0) out[r * heads + h] = sum;
        }
    }
}

extern "C" void cuda_head_dots(struct device *device, const struct head_dots *d, dev_real out) {
    int quads = in_quads(d->cols, d->x.at, d->a.at);
    int64_t width = quads ? d->cols / 4 : d->cols;
    dim3 threads = row_threads(width);
    launch(device, "head_dots", quads ? head_dots_kernel<quad> : head_dots_kernel<real>, blocks_for(d->rows, threads.y),
           threads, 0, d->rows, d->heads, width, d->x.at, d->a.at, out.at);
}

/* The vector's gradient in two steps, so that the order of the sums is fixed: blocks of 32 columns and a share of the
 * rows, then their sums. */
enum { DOTS_ROWS = 8, DOTS_BLOCKS = 512, DOTS_MIN_ROWS = 64 };

/* Sum over threadIdx.y in order, for threadIdx.y = 0. */
static __device__ real sum_of_block_rows(real x) {
    __shared__ real partial[DOTS_ROWS][WARP];
    partial[threadIdx.y][threadIdx.x] = x;
    __syncthreads();
    for (int k = 1; threadIdx.y == 0 && k < DOTS_ROWS; k++) x += partial[k][threadIdx.x];
    return x;
}

static __global__ void head_dots_backward_kernel(int64_t rows, int64_t share, int64_t heads, int64_t cols,
                                                 const real *x, const real *a, const real *dout, real *dx,
                                                 real *partial) {
    int64_t width = heads * cols, column = (int64_t)blockIdx.y * WARP + threadIdx.x, h = column / cols;
    int64_t first = blockIdx.x * share, end = first + share < rows ? first + share : rows;
    real sum = 0, weight = column < width ? a[column] : 0;
    for (int64_t r = first + threadIdx.y; column < width && r < end; r += DOTS_ROWS) {
        real g = dout[r * heads + h];
        dx[r * width + column] += g * weight;
        sum += g * x[r * width + column];
    }
    sum = sum_of_block_rows(sum);
    if (threadIdx.y == 0 && column < width) partial[blockIdx.x * width + column] = sum;
}

static __global__ void head_dots_sum_kernel(int64_t n_partial, int64_t width, const real *partial, real *da) {
    int64_t column = (int64_t)blockIdx.x * WARP + threadIdx.x;
    real sum = 0;
    for (int64_t k = threadIdx.y; column < width && k < n_partial; k += DOTS_ROWS) sum += partial[k * width + column];
    sum = sum_of_block_rows(sum);
    if (threadIdx.y == 0 && column < width) da[column] += sum;
}

extern "C" void cuda_head_dots_backward(struct device *device, const struct head_dots *d, dev_real dout, dev_real dx,
                                        dev_real da) {
    int64_t rows = d->rows, width = d->heads * d->cols, share = (rows + DOTS_BLOCKS - 1) / DOTS_BLOCKS;
    if (rows <= 0 || width <= 0) return;
    if (share < DOTS_MIN_ROWS) share = DOTS_MIN_ROWS;
    unsigned n_partial = blocks_for(rows, (int)share), n_columns = blocks_for(width, WARP);
    real *partial = cuda_scratch(device, n_partial * width);
    if (!partial) return;
    launch(device, "head_dots_backward", head_dots_backward_kernel, dim3(n_partial, n_columns), dim3(WARP, DOTS_ROWS),
           0, rows, share, d->heads, d->cols, d->x.at, d->a.at, dout.at, dx.at, partial);
    launch(device, "head_dots_backward", head_dots_sum_kernel, n_columns, dim3(WARP, DOTS_ROWS), 0, n_partial, width,
           partial, da.at);
}

/* ---- attention ---- */
struct neighbourhood {
    int64_t node, n, first; /* n neighbours; rows first .. first+n-1 of probs */
    const int32_t *sources;
};

static __device__ inline struct neighbourhood neighbourhood_of(int64_t v, const struct edges &edges) {
    int64_t first = edges.offsets.at[v], end = edges.offsets.at[v + 1];
    return {v, end - first + 1, first + v, edges.sources.at + first};
}

static __device__ inline int64_t neighbour(const struct neighbourhood &a, int64_t k) {
    return k == 0 ? a.node : a.sources[k - 1];
}

/* A row of threads for each node, each with some columns. The threads of a head all compute its softmax, which costs
 * less than to share it; `source` and `target` begin at the head. */
struct softmax_terms {
    real most, sum;
};

static __device__ inline struct softmax_terms node_softmax(const struct neighbourhood &a, int64_t heads,
                                                           const real *source, real target) {
    struct softmax_terms t = {leaky_relu(source[a.node * heads] + target), 1};
    for (int64_t k = 1; k < a.n; k++) {
        real logit = leaky_relu(source[neighbour(a, k) * heads] + target);
        if (logit > t.most) {
            t.sum = t.sum * exp(t.most - logit) + 1;
            t.most = logit;
        } else {
            t.sum += exp(logit - t.most);
        }
    }
    return t;
}

template <typename T>
static __global__ void graph_attention_kernel(int64_t n_nodes, struct edges edges, int64_t heads, int64_t width,
                                              const real *__restrict__ source, const real *__restrict__ target,
                                              const real *__restrict__ x, real *probs, real *y) {
    const T *from = reinterpret_cast<const T *>(x);
    T *to = reinterpret_cast<T *>(y);
    for (int64_t v = block_row() + threadIdx.y; v < n_nodes; v += row_stride()) {
        struct neighbourhood a = neighbourhood_of(v, edges);
        for (int64_t c = threadIdx.x; c < heads * width; c += blockDim.x) {
            int64_t h = c / width;
            real own = target[v * heads + h];
            struct softmax_terms t = node_softmax(a, heads, source + h, own);
            T sum = {};
            for (int64_t k = 0; k < a.n; k++) {
                int64_t u = neighbour(a, k);
                real p = exp(leaky_relu(source[u * heads + h] + own) - t.most) / t.sum;
                if (c == h * width) probs[(a.first + k) * heads + h] = p;
                add_scaled(p, from[u * heads * width + c], &sum);
            }
            to[v * heads * width + c] = sum;
        }
    }
}

extern "C" void cuda_graph_attention(struct device *device, const struct graph_attention *a, dev_real y) {
    int quads = in_quads(a->cols, a->x.at, y.at);
    int64_t width = quads ? a->cols / 4 : a->cols;
    dim3 threads = row_threads(a->heads * width);
    launch(device, "graph_attention", quads ? graph_attention_kernel<quad> : graph_attention_kernel<real>,
           blocks_for(a->nodes.n_rows, threads.y), threads, 0, a->nodes.n_rows, a->edges, a->heads, width, a->source.at,
           a->target.at, a->x.at, a->probs.at, y.at);
}

/* The gradients of the logits, dlogit [neighbours, heads], and dtarget: a row of threads for each head of each node. The
 * warps' sums need all lanes, so every head of a warp goes through as many neighbours as the longest. Thread k %
 * lanes alone touches neighbour k of dlogit. */
template <typename T>
static __global__ void graph_attention_logits_kernel(int64_t n_nodes, struct edges edges, int64_t heads, int64_t width,
                                                     const real *source, const real *target, const real *x,
                                                     const real *probs, const real *dy, real *dlogit, real *dtarget) {
    const T *from = reinterpret_cast<const T *>(x), *g = reinterpret_cast<const T *>(dy);
    unsigned lanes = blockDim.x, lane = threadIdx.x;
    for (int64_t first = block_row(); first < n_nodes * heads; first += row_stride()) {
        int64_t row = first + threadIdx.y, v = row / heads, h = row % heads;
        struct neighbourhood a = {0, 0, 0, NULL};
        if (row < n_nodes * heads) a = neighbourhood_of(v, edges);
        const real *p = probs + a.first * heads + h;
        real *d = dlogit + a.first * heads + h, mean = 0, sum = 0;
        int most = warp_max((int)a.n);
        for (int64_t k = 0; k < most; k++) {
            real slope = 0;
            if (k < a.n) {
                int64_t at = (neighbour(a, k) * heads + h) * width;
                for (int64_t c = lane; c < width; c += lanes)
                    add_inner_product(g[row * width + c], from[at + c], &slope);
            }
            slope = lanes_sum(slope, lanes);
            if (k < a.n) mean += p[k * heads] * slope;
            if (k < a.n && k % lanes == lane) d[k * heads] = slope;
        }
        for (int64_t k = lane; k < a.n; k += lanes) {
            real through = source[neighbour(a, k) * heads + h] + target[row] > 0 ? 1 : LEAKY_SLOPE;
            d[k * heads] = p[k * heads] * (d[k * heads] - mean) * through;
            sum += d[k * heads];
        }
        sum = lanes_sum(sum, lanes);
        if (a.n > 0 && lane == 0) dtarget[row] += sum;
    }
}

extern "C" void cuda_graph_attention_backward(struct device *device, const struct graph_attention *a, dev_real dy,
                                              dev_real dsource, dev_real dtarget, dev_real dx) {
    struct ragged nodes = a->nodes;
    struct edges edges = a->edges;
    int64_t heads = a->heads, cols = a->cols;
    if (nodes.n_rows <= 0) return;
    real *dlogit = cuda_scratch(device, (nodes.n_rows + edges.n) * heads);
    if (!dlogit) return;
    int quads = in_quads(cols, a->x.at, dy.at);
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = row_threads(width);
    launch(device, "graph_attention_backward",
           quads ? graph_attention_logits_kernel<quad> : graph_attention_logits_kernel<real>,
           blocks_for(nodes.n_rows * heads, threads.y), threads, 0, nodes.n_rows, edges, heads, width, a->source.at,
           a->target.at, a->x.at, a->probs.at, dy.at, dlogit, dtarget.at);
    transposed_sum(device, "graph_attention_backward", {nodes, edges, heads, cols, NULL, a->probs.at, dy.at, dx.at, 1});
    transposed_sum(device, "graph_attention_backward", {nodes, edges, heads, 1, NULL, dlogit, NULL, dsource.at, 1});
}
