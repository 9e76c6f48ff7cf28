/* Graph convolution's aggregation over many small graphs: threads share the graphs. */
#include "cpu/cpu.h"

void cpu_gcn_scale(struct device *device, int64_t n_nodes, dev_int edge_offsets, dev_real scale) {
    if (device->error[0]) return;
    for (int64_t v = 0; v < n_nodes; v++)
        scale.at[v] = 1 / real_sqrt((real)(1 + edge_offsets.at[v + 1] - edge_offsets.at[v]));
}

void cpu_gcn_aggregate(struct device *device, const struct gcn *g, dev_real x, dev_real y) {
    struct ragged nodes = g->nodes;
    struct edges edges = g->edges;
    const real *scale = g->scale.at;
    int64_t cols = g->cols;
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < nodes.n; i++) {
        for (int64_t v = nodes.offsets.at[i]; v < nodes.offsets.at[i + 1]; v++) {
            real *out = y.at + v * cols, s = scale[v];
            const real *own = x.at + v * cols;
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) out[c] = s * own[c];
            for (int64_t e = edges.offsets.at[v]; e < edges.offsets.at[v + 1]; e++) {
                const real *from = x.at + (int64_t)edges.sources.at[e] * cols;
                real w = scale[edges.sources.at[e]];
#pragma omp simd
                for (int64_t c = 0; c < cols; c++) out[c] += w * from[c];
            }
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) out[c] *= s;
        }
    }
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
