/* The table that callers see: each function adds what the call costs (costs.h) to device->work, names it to a profiler, and
 * calls the backend's own. */
#include <stdio.h>
#include <stdlib.h>

#include "costs.h"
#include "ranges.h"

/* From pairs `type, name`: the list of parameters and the list of arguments. So each name is written once, and two arguments
 * of one type cannot change places unnoticed. */
#define PARAMETERS_2(t, x)       t x
#define PARAMETERS_4(t, x, ...)  t x, PARAMETERS_2(__VA_ARGS__)
#define PARAMETERS_6(t, x, ...)  t x, PARAMETERS_4(__VA_ARGS__)
#define PARAMETERS_8(t, x, ...)  t x, PARAMETERS_6(__VA_ARGS__)
#define PARAMETERS_10(t, x, ...) t x, PARAMETERS_8(__VA_ARGS__)
#define PARAMETERS_12(t, x, ...) t x, PARAMETERS_10(__VA_ARGS__)
#define PARAMETERS_14(t, x, ...) t x, PARAMETERS_12(__VA_ARGS__)
#define PARAMETERS_16(t, x, ...) t x, PARAMETERS_14(__VA_ARGS__)
#define PARAMETERS_18(t, x, ...) t x, PARAMETERS_16(__VA_ARGS__)
#define PARAMETERS_20(t, x, ...) t x, PARAMETERS_18(__VA_ARGS__)
#define PARAMETERS_22(t, x, ...) t x, PARAMETERS_20(__VA_ARGS__)
#define PARAMETERS_24(t, x, ...) t x, PARAMETERS_22(__VA_ARGS__)
#define PARAMETERS_26(t, x, ...) t x, PARAMETERS_24(__VA_ARGS__)
#define PARAMETERS_28(t, x, ...) t x, PARAMETERS_26(__VA_ARGS__)
#define ARGUMENTS_2(t, x)        x
#define ARGUMENTS_4(t, x, ...)   x, ARGUMENTS_2(__VA_ARGS__)
#define ARGUMENTS_6(t, x, ...)   x, ARGUMENTS_4(__VA_ARGS__)
#define ARGUMENTS_8(t, x, ...)   x, ARGUMENTS_6(__VA_ARGS__)
#define ARGUMENTS_10(t, x, ...)  x, ARGUMENTS_8(__VA_ARGS__)
#define ARGUMENTS_12(t, x, ...)  x, ARGUMENTS_10(__VA_ARGS__)
#define ARGUMENTS_14(t, x, ...)  x, ARGUMENTS_12(__VA_ARGS__)
#define ARGUMENTS_16(t, x, ...)  x, ARGUMENTS_14(__VA_ARGS__)
#define ARGUMENTS_18(t, x, ...)  x, ARGUMENTS_16(__VA_ARGS__)
#define ARGUMENTS_20(t, x, ...)  x, ARGUMENTS_18(__VA_ARGS__)
#define ARGUMENTS_22(t, x, ...)  x, ARGUMENTS_20(__VA_ARGS__)
#define ARGUMENTS_24(t, x, ...)  x, ARGUMENTS_22(__VA_ARGS__)
#define ARGUMENTS_26(t, x, ...)  x, ARGUMENTS_24(__VA_ARGS__)
#define ARGUMENTS_28(t, x, ...)  x, ARGUMENTS_26(__VA_ARGS__)

#define COUNT_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, _21, _22,    \
               _23, _24, _25, _26, _27, _28, n, ...)                                                                   \
    n
#define COUNT(...)                                                                                                     \
    COUNT_(__VA_ARGS__, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,  \
           3, 2, 1, 0)
#define JOIN_(a, b)     a##b
#define JOIN(a, b)      JOIN_(a, b)
#define PARAMETERS(...) JOIN(PARAMETERS_, COUNT(__VA_ARGS__))(__VA_ARGS__)
#define ARGUMENTS(...)  JOIN(ARGUMENTS_, COUNT(__VA_ARGS__))(__VA_ARGS__)

#define COUNTED(name, cost, ...)                                                                                       \
    static void counted_##name(struct device *device, PARAMETERS(__VA_ARGS__)) {                                       \
        work_add(&device->work, 1, cost);                                                                              \
        range_push(#name);                                                                                             \
        device->primitives->name(device, ARGUMENTS(__VA_ARGS__));                                                      \
        range_pop();                                                                                                   \
    }

COUNTED(fill, cost_fill(n), int64_t, n, double, value, dev_real, x)
COUNTED(axpy, cost_axpy(n), int64_t, n, double, alpha, dev_real, x, dev_real, y)
COUNTED(blend, cost_blend(n), int64_t, n, dev_real, keep, dev_real, x, dev_real, y)
COUNTED(dot, cost_dot(n), int64_t, n, double, alpha, dev_real, a, dev_real, b, dev_real, out)
COUNTED(squared_distance, cost_squared_distance(n), int64_t, n, double, alpha, dev_real, a, dev_real, b, dev_real, out)
COUNTED(squared_distance_backward, cost_squared_distance_backward(n), int64_t, n, double, alpha, dev_real, a, dev_real,
        b, dev_real, da)
COUNTED(norm_loss, cost_norm_loss(n), int64_t, n, double, weight, dev_real, x, dev_real, loss, dev_real, dx)
COUNTED(count_nonfinite, cost_count_nonfinite(n), int64_t, n, dev_real, x, dev_real, out)
COUNTED(gemm, cost_gemm(m, n, k, beta != 0), int, transpose_a, int, transpose_b, int64_t, m, int64_t, n, int64_t, k,
        double, alpha, dev_real, a, int64_t, lda, dev_real, b, int64_t, ldb, double, beta, dev_real, c, int64_t, ldc)
COUNTED(gemm_batch, cost_gemm_batch(batch, m, n, k, beta != 0), int64_t, batch, int, transpose_a, int, transpose_b,
        int64_t, m, int64_t, n, int64_t, k, double, alpha, struct matrices, a, struct matrices, b, double, beta,
        struct matrices, c)
COUNTED(add_bias, cost_add_bias(rows, cols), int64_t, rows, int64_t, cols, dev_real, bias, dev_real, y)
COUNTED(sum_rows, cost_sum_rows(rows, cols), int64_t, rows, int64_t, cols, dev_real, x, dev_real, out)
COUNTED(relu, cost_relu(n), int64_t, n, dev_real, y)
COUNTED(relu_backward, cost_relu_backward(n), int64_t, n, dev_real, y, dev_real, dy)
COUNTED(copy_matrix, cost_copy_matrix(rows, cols, accumulate), int64_t, rows, int64_t, cols, dev_real, x, int64_t, ldx,
        dev_real, y, int64_t, ldy, int, accumulate)
COUNTED(l2_normalize, cost_l2_normalize(rows, cols), int64_t, rows, int64_t, cols, dev_real, x, dev_real, y, dev_real,
        norm)
COUNTED(l2_normalize_backward, cost_l2_normalize_backward(rows, cols), int64_t, rows, int64_t, cols, dev_real, y,
        dev_real, norm, dev_real, dy, dev_real, dx)
COUNTED(layer_norm, cost_layer_norm(rows, cols), int64_t, rows, int64_t, cols, dev_real, x, dev_real, gain, dev_real,
        bias, dev_real, y, dev_real, mean, dev_real, rstd)
COUNTED(layer_norm_backward, cost_layer_norm_backward(rows, cols, accumulate), int64_t, rows, int64_t, cols, dev_real,
        x, dev_real, gain, dev_real, mean, dev_real, rstd, dev_real, dy, dev_real, dx, dev_real, dgain, dev_real, dbias,
        int, accumulate)
COUNTED(gather_rows, cost_gather_rows(n, cols), int64_t, n, int64_t, cols, dev_real, table, dev_int, index, dev_real,
        out)
COUNTED(gather_halves, cost_gather_halves(n, cols), int64_t, n, int64_t, cols, dev_half, table, dev_int, index,
        dev_real, out)
COUNTED(scatter_add_rows, cost_scatter_add_rows(n, cols), int64_t, n, int64_t, cols, dev_real, x, dev_int, index,
        dev_real, table)
COUNTED(segment_mean, cost_segment_mean(rows, cols), struct ragged, rows, int64_t, cols, dev_real, x, dev_real, y)
COUNTED(segment_mean_backward, cost_segment_mean_backward(rows, cols, accumulate), struct ragged, rows, int64_t, cols,
        dev_real, dy, dev_real, dx, int, accumulate)
COUNTED(dropout, cost_dropout(rows, cols, accumulate), struct ragged, rows, int64_t, cols, dev_int, keys,
        struct dropout, dropout, dev_real, x, dev_real, y, int, accumulate)
COUNTED(gcn_scale, cost_gcn_scale(n_nodes), int64_t, n_nodes, dev_int, edge_offsets, dev_real, scale)
COUNTED(gcn_aggregate, cost_gcn_aggregate(nodes, edges, cols), struct ragged, nodes, struct edges, edges, int64_t, cols,
        dev_real, scale, dev_real, x, dev_real, y)
COUNTED(gcn_aggregate_backward, cost_gcn_aggregate_backward(nodes, edges, cols, accumulate), struct ragged, nodes,
        struct edges, edges, int64_t, cols, dev_real, scale, dev_real, dy, dev_real, dx, int, accumulate)
COUNTED(head_dots, cost_head_dots(rows, heads, cols), int64_t, rows, int64_t, heads, int64_t, cols, dev_real, x,
        dev_real, a, dev_real, out)
COUNTED(head_dots_backward, cost_head_dots_backward(rows, heads, cols), int64_t, rows, int64_t, heads, int64_t, cols,
        dev_real, x, dev_real, a, dev_real, dout, dev_real, dx, dev_real, da)
COUNTED(graph_attention, cost_graph_attention(nodes, edges, heads, cols), struct ragged, nodes, struct edges, edges,
        int64_t, heads, int64_t, cols, dev_real, source, dev_real, target, dev_real, x, dev_real, probs, dev_real, y)
COUNTED(graph_attention_backward, cost_graph_attention_backward(nodes, edges, heads, cols), struct ragged, nodes,
        struct edges, edges, int64_t, heads, int64_t, cols, dev_real, source, dev_real, target, dev_real, x, dev_real,
        probs, dev_real, dy, dev_real, dsource, dev_real, dtarget, dev_real, dx)
COUNTED(attention, cost_attention(attention, sums.at != NULL), const struct attention *, attention, dev_real, out, dev_real,
        sums)
COUNTED(attention_backward, cost_attention_backward(attention, gradients), const struct attention *, attention,
        const struct attention_gradients *, gradients)
COUNTED(embed_tokens, cost_embed_tokens(n, cols), int64_t, n, int64_t, cols, dev_real, words, dev_int, id, dev_real,
        places, dev_int, place, dev_real, y)
COUNTED(add_layer_norm, cost_add_layer_norm(rows, cols, residual.at != NULL), int64_t, rows, int64_t, cols, dev_real, x,
        dev_real, residual, dev_real, gain, dev_real, bias, double, epsilon, dev_real, y)
COUNTED(quantize, cost_quantize(n, dim, last - first, top_k), int64_t, n, int64_t, dim, int64_t, first, int64_t, last,
        int64_t, top_k, dev_real, u, dev_real, c, dev_int, index, dev_real, weight, dev_real, q)
COUNTED(quantize_backward, cost_quantize_backward(n, dim, top_k, dc.at != NULL), int64_t, n, int64_t, dim, int64_t,
        top_k, dev_real, u, dev_real, c, dev_int, index, dev_real, weight, dev_real, dq, dev_real, du, dev_real, dc)
COUNTED(sum_picks, cost_sum_picks(n, dim, top_k), int64_t, n, int64_t, dim, int64_t, top_k, dev_real, u, dev_int, index,
        dev_real, weight, dev_real, picks)
COUNTED(ema_rows, cost_ema_rows(size, dim), int64_t, size, int64_t, dim, double, decay, double, epsilon, dev_real,
        picks, dev_real, average, dev_real, c)
COUNTED(nce, cost_nce(n, m, dim, row_class.at != NULL), int64_t, n, int64_t, m, int64_t, dim, int64_t, positive, double,
        temperature, double, weight, dev_int, row_class, dev_int, column_class, dev_real, a, dev_real, b, dev_real,
        loss, dev_real, da, dev_real, db)
COUNTED(adam, cost_adam(n, adam.weight_decay != 0), int64_t, n, struct adam, adam, dev_real, now, dev_real, gradient,
        dev_real, value, dev_real, m, dev_real, v)

/* ---- packed weights: their sizes are kept beside the backend's own ---- */
struct linear {
    int64_t in, out;
    enum precision_of_products precision;
    const struct kernels *primitives;
    struct linear *packed;
};

static void counted_linear_free(struct linear *l) {
    if (!l) return;
    l->primitives->linear_free(l->packed);
    free(l);
}

static struct linear *counted_linear_pack(struct device *device, int64_t in, int64_t out, const real *weight,
                                          const real *bias, enum precision_of_products precision) {
    struct linear *packed = device->primitives->linear_pack(device, in, out, weight, bias, precision);
    struct linear *l = packed ? malloc(sizeof *l) : NULL;
    if (l) {
        *l = (struct linear){in, out, precision, device->primitives, packed};
        return l;
    }
    if (packed) {
        snprintf(device->error, sizeof device->error, "out of memory");
        device->primitives->linear_free(packed);
    }
    return NULL;
}

static void counted_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, enum activation f,
                           dev_real y) {
    work_add(&device->work, 1, cost_linear(rows, l->in, l->out, f, l->precision));
    range_push("linear");
    device->primitives->linear(device, l->packed, rows, x, f, y);
    range_pop();
}

static const struct kernels COUNTED_KERNELS = {
    .fill = counted_fill,
    .axpy = counted_axpy,
    .blend = counted_blend,
    .dot = counted_dot,
    .squared_distance = counted_squared_distance,
    .squared_distance_backward = counted_squared_distance_backward,
    .norm_loss = counted_norm_loss,
    .count_nonfinite = counted_count_nonfinite,
    .gemm = counted_gemm,
    .gemm_batch = counted_gemm_batch,
    .add_bias = counted_add_bias,
    .sum_rows = counted_sum_rows,
    .relu = counted_relu,
    .relu_backward = counted_relu_backward,
    .copy_matrix = counted_copy_matrix,
    .l2_normalize = counted_l2_normalize,
    .l2_normalize_backward = counted_l2_normalize_backward,
    .layer_norm = counted_layer_norm,
    .layer_norm_backward = counted_layer_norm_backward,
    .gather_rows = counted_gather_rows,
    .gather_halves = counted_gather_halves,
    .scatter_add_rows = counted_scatter_add_rows,
    .segment_mean = counted_segment_mean,
    .segment_mean_backward = counted_segment_mean_backward,
    .dropout = counted_dropout,
    .gcn_scale = counted_gcn_scale,
    .gcn_aggregate = counted_gcn_aggregate,
    .gcn_aggregate_backward = counted_gcn_aggregate_backward,
    .head_dots = counted_head_dots,
    .head_dots_backward = counted_head_dots_backward,
    .graph_attention = counted_graph_attention,
    .graph_attention_backward = counted_graph_attention_backward,
    .attention = counted_attention,
    .attention_backward = counted_attention_backward,
    .linear_pack = counted_linear_pack,
    .linear_free = counted_linear_free,
    .linear = counted_linear,
    .embed_tokens = counted_embed_tokens,
    .add_layer_norm = counted_add_layer_norm,
    .quantize = counted_quantize,
    .quantize_backward = counted_quantize_backward,
    .sum_picks = counted_sum_picks,
    .ema_rows = counted_ema_rows,
    .nce = counted_nce,
    .adam = counted_adam,
};

void device_count_work(struct device *device) {
    device->primitives = device->run;
    device->run = &COUNTED_KERNELS;
    device->work = (struct work){0};
}
