/* Products of matrices by oneDNN: float32 and bf16, with weights packed once. Without oneDNN, and in the double build,
 * onednn_here() is false and BLAS does the work. */
#ifndef MEDTOK_KERNELS_CPU_ONEDNN_H
#define MEDTOK_KERNELS_CPU_ONEDNN_H

#include <stddef.h>

#include "kernels.h"

/* c[m,n] = alpha op(a) op(b) + beta c as kernels.h's gemm, on the calling thread, if oneDNN is the faster library here; returns
 * whether it was. */
int onednn_gemm(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc);

struct onednn_product; /* y = x W^T + b for one number of rows */

/* x [rows,in], y [rows,out]; narrow: x and W are multiplied in bf16, and W is held so. */
struct onednn_shape {
    int64_t rows, in, out;
    int narrow;
};

/* Whether this build and this processor have it: in float32 AVX-512, in bf16 its bf16 instructions or AMX. */
int onednn_here(int bf16);

/* Packs weight [out,in], stored as float32, or as bf16 for narrow products; NULL on failure. Free with onednn_product_free;
 * NULL is allowed. */
struct onednn_product *onednn_product_make(struct onednn_shape shape, const void *weight, enum storage storage);
void onednn_product_free(struct onednn_product *product);

/* Bytes of scratch that a run needs; 0 for NULL. */
size_t onednn_product_scratch(const struct onednn_product *product);

/* Runs on the calling thread alone (inside or outside a parallel region); several threads may share a product, each with
 * scratch of its own, 64-byte aligned. bias [out], NULL: none. Returns 0, or -1. */
int onednn_product_run(const struct onednn_product *product, const real *x, const real *bias, real *y, void *scratch);

/* W as rows again: weight [out,in], bf16 if the product is narrow, else float32. Returns 0, or -1. */
int onednn_product_unpack(const struct onednn_product *product, void *weight);

#endif
