/* Graph attention over many small graphs: threads share the graphs. A node's neighbours are the node itself, then the
 * sources of its incoming edges as they are listed. */
#include <omp.h>

#include "cpu/activation.h"

/* ---- x times a vector, head by head ---- */
void cpu_head_dots(struct device *device, const struct head_dots *d, dev_real out) {
    if (device->error[0]) return;
    int64_t rows = d->rows, heads = d->heads, cols = d->cols, width = heads * cols;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * width > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t h = 0; h < heads; h++) {
            const real *row = d->x.at + r * width + h * cols, *weight = d->a.at + h * cols;
            real sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t c = 0; c < cols; c++) sum += row[c] * weight[c];
            out.at[r * heads + h] = sum;
        }
    }
}

/* dx += dout a for the rows first .. end-1, and da += dout x. */
static void head_dots_backward_rows(int64_t first, int64_t end, int64_t heads, int64_t cols, const real *x,
                                    const real *a, const real *dout, real *dx, real *da) {
    for (int64_t r = first; r < end; r++) {
        for (int64_t h = 0; h < heads; h++) {
            int64_t at = r * heads * cols + h * cols;
            real g = dout[r * heads + h];
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) {
                dx[at + c] += g * a[h * cols + c];
                da[h * cols + c] += g * x[at + c];
            }
        }
    }
}

void cpu_head_dots_backward(struct device *device, const struct head_dots *d, dev_real dout, dev_real dx, dev_real da) {
    int64_t rows = d->rows, n_blocks = (rows + REDUCTION_ROWS - 1) / REDUCTION_ROWS, width = d->heads * d->cols;
    if (rows <= 0 || device->error[0]) return;
    real *partial = cpu_scratch(device, n_blocks * width);
    if (!partial) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * width > PARALLEL_MIN)
    for (int64_t k = 0; k < n_blocks; k++) {
        int64_t first = k * REDUCTION_ROWS, end = first + REDUCTION_ROWS < rows ? first + REDUCTION_ROWS : rows;
        memset(partial + k * width, 0, (size_t)width * sizeof(real));
        head_dots_backward_rows(first, end, d->heads, d->cols, d->x.at, d->a.at, dout.at, dx.at, partial + k * width);
    }
    for (int64_t k = 0; k < n_blocks; k++)
        for (int64_t c = 0; c < width; c++) da.at[c] += partial[k * width + c];
}

/* ---- attention ---- */
struct neighbourhood {
    int64_t node, n, first; /* n neighbours; rows first .. first+n-1 of probs */
    const int32_t *sources;
};

static struct neighbourhood neighbourhood_of(int64_t v, struct edges edges) {
    int64_t first = edges.offsets.at[v], end = edges.offsets.at[v + 1];
    return (struct neighbourhood){v, end - first + 1, first + v, edges.sources.at + first};
}

static int64_t neighbour(const struct neighbourhood *a, int64_t k) { return k == 0 ? a->node : a->sources[k - 1]; }

/* p[n, heads] = softmax over the neighbours of LeakyReLU(source[u] + target[v]), for one head. */
static void node_softmax(const struct neighbourhood *a, int64_t heads, const real *source, real target, real *p) {
    real most = 0, sum = 0;
    for (int64_t k = 0; k < a->n; k++) {
        real logit = source[neighbour(a, k) * heads] + target;
        p[k * heads] = leaky_relu(logit);
        if (k == 0 || p[k * heads] > most) most = p[k * heads];
    }
    for (int64_t k = 0; k < a->n; k++) sum += p[k * heads] = real_exp(p[k * heads] - most);
    for (int64_t k = 0; k < a->n; k++) p[k * heads] /= sum;
}

void cpu_graph_attention(struct device *device, const struct graph_attention *g, dev_real y) {
    if (device->error[0]) return;
    struct ragged nodes = g->nodes;
    int64_t heads = g->heads, cols = g->cols, width = heads * cols;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < nodes.n; i++) {
        for (int64_t v = nodes.offsets.at[i]; v < nodes.offsets.at[i + 1]; v++) {
            struct neighbourhood a = neighbourhood_of(v, g->edges);
            for (int64_t h = 0; h < heads; h++) {
                real *p = g->probs.at + a.first * heads + h, *out = y.at + v * width + h * cols;
                node_softmax(&a, heads, g->source.at + h, g->target.at[v * heads + h], p);
                for (int64_t c = 0; c < cols; c++) out[c] = 0;
                for (int64_t k = 0; k < a.n; k++) {
                    const real *from = g->x.at + neighbour(&a, k) * width + h * cols;
                    real w = p[k * heads];
#pragma omp simd
                    for (int64_t c = 0; c < cols; c++) out[c] += w * from[c];
                }
            }
        }
    }
}

/* One head of one node, whose gradient is g[cols]. x, dx, source, dsource begin at the head; slope [n] is scratch. Returns
 * the gradient of the target's half of the logits. */
static real node_backward(const struct neighbourhood *a, int64_t heads, int64_t cols, const real *source, real target,
                          const real *x, const real *p, const real *g, real *dsource, real *dx, real *slope) {
    real mean = 0, dtarget = 0;
    for (int64_t k = 0; k < a->n; k++) {
        int64_t at = neighbour(a, k) * heads * cols;
        real w = p[k * heads], sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < cols; c++) {
            sum += g[c] * x[at + c];
            dx[at + c] += w * g[c];
        }
        slope[k] = sum;
        mean += w * sum;
    }
    for (int64_t k = 0; k < a->n; k++) {
        int64_t u = neighbour(a, k);
        real through = source[u * heads] + target > 0 ? 1 : LEAKY_SLOPE;
        real d = p[k * heads] * (slope[k] - mean) * through;
        dsource[u * heads] += d;
        dtarget += d;
    }
    return dtarget;
}

void cpu_graph_attention_backward(struct device *device, const struct graph_attention *g, dev_real dy, dev_real dsource,
                                  dev_real dtarget, dev_real dx) {
    struct ragged nodes = g->nodes;
    struct edges edges = g->edges;
    if (device->error[0] || nodes.n == 0) return;
    int64_t heads = g->heads, cols = g->cols, width = heads * cols, most = 1;
    for (int64_t v = 0; v < nodes.n_rows; v++)
        if (edges.offsets.at[v + 1] - edges.offsets.at[v] + 1 > most)
            most = edges.offsets.at[v + 1] - edges.offsets.at[v] + 1;
    real *scratch = cpu_scratch(device, cpu_threads(device) * most);
    if (!scratch) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < nodes.n; i++) {
        real *slope = scratch + omp_get_thread_num() * most;
        for (int64_t v = nodes.offsets.at[i]; v < nodes.offsets.at[i + 1]; v++) {
            struct neighbourhood a = neighbourhood_of(v, edges);
            for (int64_t h = 0; h < heads; h++)
                dtarget.at[v * heads + h] +=
                    node_backward(&a, heads, cols, g->source.at + h, g->target.at[v * heads + h], g->x.at + h * cols,
                                  g->probs.at + a.first * heads + h, dy.at + v * width + h * cols, dsource.at + h,
                                  dx.at + h * cols, slope);
        }
    }
}
