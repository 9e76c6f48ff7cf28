/* Graph convolution's aggregation over many small graphs. Floors, in bytes: aggregate, 2 n_rows cols values and the
 * edges' 4 bytes each; backward, 3 n_rows cols values and the edges. */
#include "cuda/graph.cuh"
#include "cuda/primitives.h"
#include "cuda/rows.cuh"

enum { THREADS = 256 };

static __global__ void gcn_scale_kernel(int64_t n, const int32_t *edge_offsets, real *scale) {
    int64_t stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t v = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; v < n; v += stride)
        scale[v] = 1 / sqrt((real)(1 + edge_offsets[v + 1] - edge_offsets[v]));
}

extern "C" void cuda_gcn_scale(struct device *device, int64_t n_nodes, dev_int edge_offsets, dev_real scale) {
    launch(device, "gcn_scale", gcn_scale_kernel, blocks_for(n_nodes, THREADS), THREADS, 0, n_nodes, edge_offsets.at,
           scale.at);
}

/* A row of threads for each node. Its sources' rows are rows of the same graph, which neighbours in the block read
 * too: they come from the cache. */
template <typename T>
static __global__ void gcn_aggregate_kernel(int64_t n_nodes, struct edges edges, int64_t width,
                                            const real *__restrict__ scale, const real *__restrict__ x, real *y) {
    const T *from = reinterpret_cast<const T *>(x);
    T *to = reinterpret_cast<T *>(y);
    for (int64_t v = block_row() + threadIdx.y; v < n_nodes; v += row_stride()) {
        int64_t first = edges.offsets.at[v], end = edges.offsets.at[v + 1];
        real s = scale[v];
        for (int64_t c = threadIdx.x; c < width; c += blockDim.x) {
            T sum = scaled(s, from[v * width + c]);
#pragma unroll 4
            for (int64_t e = first; e < end; e++) {
                int64_t u = edges.sources.at[e];
                add_scaled(scale[u], from[u * width + c], &sum);
            }
            to[v * width + c] = scaled(s, sum);
        }
    }
}

extern "C" void cuda_gcn_aggregate(struct device *device, struct ragged nodes, struct edges edges, int64_t cols,
                                   dev_real scale, dev_real x, dev_real y) {
    int quads = in_quads(cols, x.at, y.at);
    int64_t width = quads ? cols / 4 : cols;
    dim3 threads = row_threads(width);
    launch(device, "gcn_aggregate", quads ? gcn_aggregate_kernel<quad> : gcn_aggregate_kernel<real>,
           blocks_for(nodes.n_rows, threads.y), threads, 0, nodes.n_rows, edges, width, scale.at, x.at, y.at);
}

/* ---- the transposed sum. Edges are listed by target and the sums belong to sources: a block has some columns of one
 * graph, each thread one of them, so nothing conflicts and the order is that of the edges. The sums of TILE_NODES
 * nodes at a time are kept in shared memory; larger graphs go through their edges once for each tile. ---- */
enum { TILE_NODES = 64, TILE_COLUMNS = 64 };

static __global__ void transposed_sum_kernel(struct transposed_sum t) {
    __shared__ real sums[TILE_NODES][TILE_COLUMNS];
    int64_t width = t.heads * t.cols, c = (int64_t)blockIdx.y * TILE_COLUMNS + threadIdx.x;
    if (c >= width) return; /* threads share nothing: each has its own column of `sums` */
    int64_t h = c / t.cols, first = t.nodes.offsets.at[blockIdx.x], end = t.nodes.offsets.at[blockIdx.x + 1];
    const int32_t *offsets = t.edges.offsets.at, *__restrict__ sources = t.edges.sources.at;
    const real *__restrict__ weight = t.weight, *__restrict__ g = t.g;
    for (int64_t tile = first; tile < end; tile += TILE_NODES) {
        int64_t n = end - tile < TILE_NODES ? end - tile : (int64_t)TILE_NODES;
        for (int64_t u = 0; u < n; u++) sums[u][threadIdx.x] = 0;
        for (int64_t v = first; v < end; v++) {
            int64_t first_edge = offsets[v], end_edge = offsets[v + 1], place = v + first_edge;
            real own = (g ? g[v * width + c] : 1) * (t.scale ? t.scale[v] : 1);
            if (v >= tile && v < tile + n)
                sums[v - tile][threadIdx.x] += weight ? weight[place * t.heads + h] * own : own;
#pragma unroll 4
            for (int64_t e = first_edge; e < end_edge; e++) {
                int64_t u = sources[e] - tile;
                real w = weight ? weight[(v + 1 + e) * t.heads + h] : 1;
                if (u >= 0 && u < n) sums[u][threadIdx.x] += w * own;
            }
        }
        for (int64_t u = 0; u < n; u++)
            t.out[(tile + u) * width + c] += (t.scale ? t.scale[tile + u] : 1) * sums[u][threadIdx.x];
    }
}

void transposed_sum(struct device *device, const char *name, struct transposed_sum sum) {
    int64_t width = sum.heads * sum.cols;
    dim3 blocks((unsigned)sum.nodes.n, blocks_for(width, TILE_COLUMNS));
    launch(device, name, transposed_sum_kernel, blocks, width > WARP ? (int)TILE_COLUMNS : (int)WARP, 0, sum);
}

extern "C" void cuda_gcn_aggregate_backward(struct device *device, struct ragged nodes, struct edges edges,
                                            int64_t cols, dev_real scale, dev_real dy, dev_real dx) {
    transposed_sum(device, "gcn_aggregate_backward", {nodes, edges, 1, cols, scale.at, NULL, dy.at, dx.at});
}
