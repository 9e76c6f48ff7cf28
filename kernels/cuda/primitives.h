/* The CUDA backend's functions, with the meaning that kernels.h gives them; primitives.c fills them into the table. C,
 * so that the table can name its entries; the functions themselves are in the .cu files. */
#ifndef MEDTOK_KERNELS_CUDA_PRIMITIVES_H
#define MEDTOK_KERNELS_CUDA_PRIMITIVES_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct kernels CUDA_KERNELS;

void cuda_fill(struct device *, int64_t, double, dev_real);
void cuda_axpy(struct device *, int64_t, double, dev_real, dev_real);
void cuda_blend(struct device *, int64_t, dev_real, dev_real, dev_real);
void cuda_dot(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cuda_squared_distance(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cuda_squared_distance_backward(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cuda_norm_loss(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cuda_count_nonfinite(struct device *, int64_t, dev_real, dev_real);
void cuda_gemm(struct device *, int, int, int64_t, int64_t, int64_t, double, dev_real, int64_t, dev_real, int64_t,
               double, dev_real, int64_t);
void cuda_gemm_batch(struct device *, int64_t, int, int, int64_t, int64_t, int64_t, double, struct matrices,
                     struct matrices, double, struct matrices);
void cuda_add_bias(struct device *, int64_t, int64_t, dev_real, dev_real);
void cuda_sum_rows(struct device *, int64_t, int64_t, dev_real, dev_real);
void cuda_relu(struct device *, int64_t, dev_real);
void cuda_relu_backward(struct device *, int64_t, dev_real, dev_real);
void cuda_copy_matrix(struct device *, int64_t, int64_t, dev_real, int64_t, dev_real, int64_t, int);
void cuda_l2_normalize(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real);
void cuda_l2_normalize_backward(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real);
void cuda_layer_norm(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, dev_real, dev_real);
void cuda_layer_norm_backward(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, dev_real,
                              dev_real, dev_real, dev_real, int);
void cuda_gather_rows(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real);
void cuda_gather_halves(struct device *, int64_t, int64_t, dev_half, dev_int, dev_real);
void cuda_scatter_add_rows(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real);
void cuda_segment_mean(struct device *, struct ragged, int64_t, dev_real, dev_real);
void cuda_segment_mean_backward(struct device *, struct ragged, int64_t, dev_real, dev_real, int);
void cuda_dropout(struct device *, struct ragged, int64_t, dev_int, struct dropout, dev_real, dev_real, int);
void cuda_gcn_scale(struct device *, int64_t, dev_int, dev_real);
void cuda_gcn_aggregate(struct device *, struct ragged, struct edges, int64_t, dev_real, dev_real, dev_real);
void cuda_gcn_aggregate_backward(struct device *, struct ragged, struct edges, int64_t, dev_real, dev_real, dev_real,
                                 int);
void cuda_head_dots(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_real);
void cuda_head_dots_backward(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real,
                             dev_real);
void cuda_graph_attention(struct device *, struct ragged, struct edges, int64_t, int64_t, dev_real, dev_real, dev_real,
                          dev_real, dev_real);
void cuda_graph_attention_backward(struct device *, struct ragged, struct edges, int64_t, int64_t, dev_real, dev_real,
                                   dev_real, dev_real, dev_real, dev_real, dev_real, dev_real);
void cuda_attention(struct device *, struct ragged, struct ragged, struct attention_pairs, int64_t, int64_t, dev_int,
                    struct dropout, dev_real, dev_real, dev_real, dev_real);
void cuda_attention_backward(struct device *, struct ragged, struct ragged, struct attention_pairs, int64_t, int64_t,
                             dev_int, struct dropout, dev_real, dev_real, dev_real, dev_real, dev_real, dev_real, int);
void cuda_shared_attention(struct device *, struct ragged, int64_t, int64_t, double, dev_int, struct dropout, dev_real,
                           dev_real, dev_real, dev_real, dev_real);
void cuda_shared_attention_backward(struct device *, struct ragged, int64_t, int64_t, double, dev_int, struct dropout,
                                    dev_real, dev_real, dev_real, dev_real, dev_real, dev_real, dev_real);
struct linear *cuda_linear_pack(struct device *, int64_t, int64_t, const real *, const real *,
                                enum precision_of_products);
void cuda_linear_free(struct linear *);
void cuda_linear(struct device *, const struct linear *, int64_t, dev_real, enum activation, dev_real);
void cuda_embed_tokens(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real, dev_int, dev_real);
void cuda_add_layer_norm(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, double, dev_real);
void cuda_quantize(struct device *, int64_t, int64_t, int64_t, int64_t, int64_t, dev_real, dev_real, dev_int, dev_real,
                   dev_real);
void cuda_quantize_backward(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_int, dev_real, dev_real,
                            dev_real, dev_real);
void cuda_sum_picks(struct device *, int64_t, int64_t, int64_t, dev_real, dev_int, dev_real, dev_real);
void cuda_ema_rows(struct device *, int64_t, int64_t, double, double, dev_real, dev_real, dev_real);
void cuda_nce(struct device *, int64_t, int64_t, int64_t, int64_t, double, double, dev_int, dev_int, dev_real, dev_real,
              dev_real, dev_real, dev_real);
void cuda_adam(struct device *, int64_t, struct adam, dev_real, dev_real, dev_real, dev_real, dev_real);

#ifdef __cplusplus
}
#endif

#endif
