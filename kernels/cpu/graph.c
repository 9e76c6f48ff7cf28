/* Graph convolution's aggregation over many small graphs: threads share the graphs. */
#include "cpu/cpu.h"
#include "cpu/tiles.h"

enum { MOST_AT_ONCE = 8 }; /* half of AVX2's registers */

void cpu_gcn_scale(struct device *device, int64_t n_nodes, dev_int edge_offsets, dev_real scale) {
    if (device->error[0]) return;
    for (int64_t v = 0; v < n_nodes; v++)
        scale.at[v] = 1 / real_sqrt((real)(1 + edge_offsets.at[v + 1] - edge_offsets.at[v]));
}

/* y_v = s_v (s_v x_v + sum over its edges of s_u x_u), of `vectors` (a constant of the caller) vectors of columns from `column` on, which stay in
 * registers from edge to edge. */
IN_PLACE void aggregate_vectors(int vectors, const struct gcn *g, const real *x, int64_t v, int64_t column, real *y) {
    const real *scale = g->scale.at, *own = x + v * g->cols + column;
    lanes sum[MOST_AT_ONCE];
    for (int i = 0; i < vectors; i++) sum[i] = scale[v] * *(const lanes *)(own + i * LANES);
    for (int64_t e = g->edges.offsets.at[v]; e < g->edges.offsets.at[v + 1]; e++) {
        int64_t from = g->edges.sources.at[e];
        const real *row = x + from * g->cols + column;
        for (int i = 0; i < vectors; i++) sum[i] += scale[from] * *(const lanes *)(row + i * LANES);
    }
    for (int i = 0; i < vectors; i++) *(lanes *)(y + v * g->cols + column + i * LANES) = sum[i] * scale[v];
}

static void aggregate_node(const struct gcn *g, const real *x, int64_t v, real *y) {
    const real *scale = g->scale.at;
    int64_t c = 0;
    for (; c + MOST_AT_ONCE * LANES <= g->cols; c += MOST_AT_ONCE * LANES)
        aggregate_vectors(MOST_AT_ONCE, g, x, v, c, y);
    for (; c + LANES <= g->cols; c += LANES) aggregate_vectors(1, g, x, v, c, y);
    for (; c < g->cols; c++) {
        real sum = scale[v] * x[v * g->cols + c];
        for (int64_t e = g->edges.offsets.at[v]; e < g->edges.offsets.at[v + 1]; e++) {
            int64_t from = g->edges.sources.at[e];
            sum += scale[from] * x[from * g->cols + c];
        }
        y[v * g->cols + c] = sum * scale[v];
    }
}

void cpu_gcn_aggregate(struct device *device, const struct gcn *g, dev_real x, dev_real y) {
    struct ragged nodes = g->nodes;
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < nodes.n; i++)
        for (int64_t v = nodes.offsets.at[i]; v < nodes.offsets.at[i + 1]; v++) aggregate_node(g, x.at, v, y.at);
}

void cpu_gcn_aggregate_backward(struct device *device, const struct gcn *g, dev_real dy, dev_real dx, int accumulate) {
    struct ragged nodes = g->nodes;
    struct edges edges = g->edges;
    const real *scale = g->scale.at;
    int64_t cols = g->cols;
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < nodes.n; i++) {
        int64_t first = nodes.offsets.at[i], end = nodes.offsets.at[i + 1];
        if (!accumulate) memset(dx.at + first * cols, 0, (size_t)((end - first) * cols) * sizeof(real));
        for (int64_t v = first; v < end; v++) {
            const real *from = dy.at + v * cols;
            real s = scale[v], *own = dx.at + v * cols;
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) own[c] += s * s * from[c];
            for (int64_t e = edges.offsets.at[v]; e < edges.offsets.at[v + 1]; e++) {
                real *to = dx.at + (int64_t)edges.sources.at[e] * cols, w = s * scale[edges.sources.at[e]];
#pragma omp simd
                for (int64_t c = 0; c < cols; c++) to[c] += w * from[c];
            }
        }
    }
}
