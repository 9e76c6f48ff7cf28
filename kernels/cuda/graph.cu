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

extern "C" void cuda_gcn_aggregate(struct device *device, const struct gcn *g, dev_real x, dev_real y) {
    int quads = in_quads(g->cols, x.at, y.at);
    int64_t width = quads ? g->cols / 4 : g->cols;
    dim3 threads = row_threads(width);
    launch(device, "gcn_aggregate", quads ? gcn_aggregate_kernel<quad> : gcn_aggregate_kernel<real>,
           blocks_for(g->nodes.n_rows, threads.y), threads, 0, g->nodes.n_rows, g->edges, width, g->scale.at, x.at,
           y.at);
}

/* ---- the transposed sum. Edges are listed by target and the sums belong to sources: a block has some columns of one
 * graph, each thread one of them, so nothing conflicts and the order is that of the edges. The sums of TILE_NODES
 * nodes at a time are kept in shared memory; larger graphs go through their edges once for each tile, and where graphs are large
 * on average, blocks share the tiles. A graph has few
 * threads, so each has the loads of NODES_AHEAD nodes under way, and the first STAGED_EDGES edges lie in shared memory.
 * ---- */
enum { TILE_NODES = 64, TILE_COLUMNS = 64, NODES_AHEAD = 8, STAGED_EDGES = 256 };

static __global__ void transposed_sum_kernel(struct transposed_sum t) {
    __shared__ real sums[TILE_NODES][TILE_COLUMNS], own[NODES_AHEAD][TILE_COLUMNS];
    __shared__ int32_t staged[STAGED_EDGES];
    int64_t width = t.heads * t.cols, c = (int64_t)blockIdx.y * TILE_COLUMNS + threadIdx.x;
    int64_t h = c / t.cols;
    int32_t first = t.nodes.offsets.at[blockIdx.x], end = t.nodes.offsets.at[blockIdx.x + 1];
    const int32_t *__restrict__ offsets = t.edges.offsets.at, *__restrict__ sources = t.edges.sources.at;
    const real *__restrict__ weight = t.weight, *__restrict__ scale = t.scale, *__restrict__ g = t.g;
    int32_t first_edge = offsets[first], n_edges = offsets[end] - first_edge;
    for (int32_t e = (int32_t)threadIdx.x; e < n_edges && e < STAGED_EDGES; e += (int32_t)blockDim.x)
        staged[e] = sources[first_edge + e];
    __syncthreads();
    if (c >= width) return; /* from here threads share nothing: each has its own column */
    int32_t step = TILE_NODES * (int32_t)gridDim.z;
    for (int32_t tile = first + TILE_NODES * (int32_t)blockIdx.z; tile < end; tile += step) {
        int32_t n = end - tile < TILE_NODES ? end - tile : (int32_t)TILE_NODES;
        for (int32_t u = 0; u < n; u++) sums[u][threadIdx.x] = 0;
        for (int32_t v = first; v < end; v += NODES_AHEAD) {
            real ahead[NODES_AHEAD];
#pragma unroll
            for (int k = 0; k < NODES_AHEAD; k++) {
                int64_t at = v + k < end ? v + k : end - 1;
                ahead[k] = (g ? g[at * width + c] : 1) * (scale ? scale[at] : 1);
            }
#pragma unroll
            for (int k = 0; k < NODES_AHEAD; k++) own[k][threadIdx.x] = ahead[k];
#pragma unroll 1
            for (int k = 0; k < NODES_AHEAD && v + k < end; k++) {
                int32_t begin = offsets[v + k], after = offsets[v + k + 1];
                real x = own[k][threadIdx.x];
                int32_t u = v + k - tile;
                if (u >= 0 && u < n)
                    sums[u][threadIdx.x] += weight ? weight[((int64_t)v + k + begin) * t.heads + h] * x : x;
#pragma unroll 4
                for (int32_t e = begin; e < after; e++) {
                    u = (e - first_edge < STAGED_EDGES ? staged[e - first_edge] : sources[e]) - tile;
                    real w = weight ? weight[((int64_t)v + k + 1 + e) * t.heads + h] : 1;
                    if (u >= 0 && u < n) sums[u][threadIdx.x] += w * x;
                }
            }
        }
        for (int32_t u = 0; u < n; u += NODES_AHEAD) {
            real *out = t.out + ((int64_t)tile + u) * width + c, before[NODES_AHEAD];
#pragma unroll
            for (int k = 0; k < NODES_AHEAD; k++) before[k] = t.accumulate && u + k < n ? out[k * width] : 0;
#pragma unroll
            for (int k = 0; k < NODES_AHEAD; k++)
                if (u + k < n)
                    out[k * width] = before[k] + (scale ? scale[tile + u + k] : 1) * sums[u + k][threadIdx.x];
        }
    }
}

void transposed_sum(struct device *device, const char *name, struct transposed_sum sum) {
    int64_t width = sum.heads * sum.cols;
    dim3 blocks((unsigned)sum.nodes.n, blocks_for(width, TILE_COLUMNS),
                parts_for(sum.nodes.n_rows, sum.nodes.n, TILE_NODES));
    launch(device, name, transposed_sum_kernel, blocks, width > WARP ? (int)TILE_COLUMNS : (int)WARP, 0, sum);
}

extern "C" void cuda_gcn_aggregate_backward(struct device *device, const struct gcn *g, dev_real dy, dev_real dx,
                                            int accumulate) {
    transposed_sum(device, "gcn_aggregate_backward",
                   {g->nodes, g->edges, 1, g->cols, g->scale.at, NULL, dy.at, dx.at, accumulate});
}
