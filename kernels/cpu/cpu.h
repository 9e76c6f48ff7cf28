/* What the files of the CPU backend share. All primitives run on the calling thread's OpenMP team. */
#ifndef MEDTOK_KERNELS_CPU_CPU_H
#define MEDTOK_KERNELS_CPU_CPU_H

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "kernels.h"

#ifdef MEDTOK_REAL_DOUBLE
#define cblas_rgemm cblas_dgemm
#define real_sqrt   sqrt
#else
#define cblas_rgemm cblas_sgemm
#define real_sqrt   sqrtf
#endif

/* Compiled twice, for AVX-512 and for the build's own architecture; the processor decides. For the few loops that count and
 * that compilers turn into vector code. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx512f", "default")))
#else
#define WIDE_VECTORS
#endif

/* Compiled into its callers, so as each of the callers' versions. */
#define IN_PLACE static inline __attribute__((always_inline))

/* Which of the loops written for one kind of vectors are used. */
enum cpu_vectors { CPU_PLAIN, CPU_AVX2, CPU_AVX512 };

struct cpu {
    enum cpu_vectors vectors;
    void *scratch; /* grown on demand, kept */
    size_t scratch_size;
};

static inline int cpu_threads(const struct device *device) { return device->host_threads; }

/* Scratch for `count` values, valid until the next call; NULL (error recorded) if memory is out. */
real *cpu_scratch(struct device *device, int64_t count);

/* c[m,n] = alpha op(a) op(b) + beta c on the calling thread; k > 0. */
void cpu_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                 int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc);

/* Below this many values of work a parallel region costs more than it gives. */
enum { PARALLEL_MIN = 1 << 15 };

/* Sums over rows are made in blocks of this many rows, whatever the number of threads, so that results do not depend on it. */
enum { REDUCTION_ROWS = 256 };

/* The CPU's functions, filled into the table in device_cpu.c. */
void cpu_fill(struct device *, int64_t, double, dev_real);
void cpu_axpy(struct device *, int64_t, double, dev_real, dev_real);
void cpu_blend(struct device *, int64_t, dev_real, dev_real, dev_real);
void cpu_dot(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cpu_squared_distance(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cpu_squared_distance_backward(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cpu_norm_loss(struct device *, int64_t, double, dev_real, dev_real, dev_real);
void cpu_count_nonfinite(struct device *, int64_t, dev_real, dev_real);
void cpu_gemm(struct device *, int, int, int64_t, int64_t, int64_t, double, dev_real, int64_t, dev_real, int64_t,
              double, dev_real, int64_t);
void cpu_gemm_batch(struct device *, int64_t, int, int, int64_t, int64_t, int64_t, double, struct matrices,
                    struct matrices, double, struct matrices);
void cpu_add_bias(struct device *, int64_t, int64_t, dev_real, dev_real);
void cpu_sum_rows(struct device *, int64_t, int64_t, dev_real, dev_real);
void cpu_relu(struct device *, int64_t, dev_real);
void cpu_relu_backward(struct device *, int64_t, dev_real, dev_real);
void cpu_copy_matrix(struct device *, int64_t, int64_t, dev_real, int64_t, dev_real, int64_t, int);
void cpu_l2_normalize(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real);
void cpu_l2_normalize_backward(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real);
void cpu_layer_norm(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, dev_real, dev_real);
void cpu_layer_norm_backward(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, dev_real,
                             dev_real, dev_real, dev_real, int);
void cpu_gather_rows(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real);
void cpu_gather_halves(struct device *, int64_t, int64_t, dev_half, dev_int, dev_real);
void cpu_scatter_add_rows(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real);
void cpu_segment_mean(struct device *, struct ragged, int64_t, dev_real, dev_real);
void cpu_segment_mean_backward(struct device *, struct ragged, int64_t, dev_real, dev_real, int);
void cpu_dropout(struct device *, struct ragged, int64_t, dev_int, struct dropout, dev_real, dev_real, int);
void cpu_gcn_scale(struct device *, int64_t, dev_int, dev_real);
void cpu_gcn_aggregate(struct device *, struct ragged, struct edges, int64_t, dev_real, dev_real, dev_real);
void cpu_gcn_aggregate_backward(struct device *, struct ragged, struct edges, int64_t, dev_real, dev_real, dev_real,
                                int);
void cpu_head_dots(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_real);
void cpu_head_dots_backward(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real,
                            dev_real);
void cpu_graph_attention(struct device *, struct ragged, struct edges, int64_t, int64_t, dev_real, dev_real, dev_real,
                         dev_real, dev_real);
void cpu_graph_attention_backward(struct device *, struct ragged, struct edges, int64_t, int64_t, dev_real, dev_real,
                                  dev_real, dev_real, dev_real, dev_real, dev_real, dev_real);
void cpu_attention(struct device *, const struct attention *, dev_real, dev_real);
void cpu_attention_backward(struct device *, const struct attention *, const struct attention_gradients *);
struct linear *cpu_linear_pack(struct device *, int64_t, int64_t, const real *, const real *,
                               enum precision_of_products);
void cpu_linear_free(struct linear *);
void cpu_linear(struct device *, const struct linear *, int64_t, dev_real, enum activation, dev_real);
void cpu_embed_tokens(struct device *, int64_t, int64_t, dev_real, dev_int, dev_real, dev_int, dev_real);
void cpu_add_layer_norm(struct device *, int64_t, int64_t, dev_real, dev_real, dev_real, dev_real, double, dev_real);
void cpu_quantize(struct device *, int64_t, int64_t, int64_t, int64_t, int64_t, dev_real, dev_real, dev_int, dev_real,
                  dev_real);
void cpu_quantize_backward(struct device *, int64_t, int64_t, int64_t, dev_real, dev_real, dev_int, dev_real, dev_real,
                           dev_real, dev_real);
void cpu_sum_picks(struct device *, int64_t, int64_t, int64_t, dev_real, dev_int, dev_real, dev_real);
void cpu_ema_rows(struct device *, int64_t, int64_t, double, double, dev_real, dev_real, dev_real);
void cpu_nce(struct device *, int64_t, int64_t, int64_t, int64_t, double, double, dev_int, dev_int, dev_real, dev_real,
             dev_real, dev_real, dev_real);
void cpu_adam(struct device *, int64_t, struct adam, dev_real, dev_real, dev_real, dev_real, dev_real);

#endif
