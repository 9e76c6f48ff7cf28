/* Products of row-major matrices by cuBLAS, which takes them for column-major: c^T = op(b)^T op(a)^T. */
#ifndef MEDTOK_KERNELS_CUDA_PRODUCTS_CUH
#define MEDTOK_KERNELS_CUDA_PRODUCTS_CUH

#include "cuda/cuda.cuh"

/* As kernels.h's gemm_batch, but multiplied as `products` says; the double build always multiplies in double. With beta 0, c is
 * not read. All counts are at least 1. */
static inline void multiply_batch(struct device *device, enum precision_of_products products, int64_t count,
                                  const struct gemm *g, struct matrices a, struct matrices b, struct matrices c) {
    cublasOperation_t op_a = g->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t op_b = g->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    int m = (int)g->m, n = (int)g->n, k = (int)g->k;
    if (device->error[0]) return;
#ifdef MEDTOK_REAL_DOUBLE
    (void)products;
    const cudaDataType type = CUDA_R_64F;
    const cublasComputeType_t compute = CUBLAS_COMPUTE_64F;
#else
    /* CUBLAS_COMPUTE_32F keeps full float32 as long as the handle's math mode is the default one. */
    const cudaDataType type = CUDA_R_32F;
    const cublasComputeType_t compute = products == PRODUCTS_TF32   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                        : products == PRODUCTS_BF16 ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                                    : CUBLAS_COMPUTE_32F;
#endif
    real scale = (real)g->alpha, keep = (real)g->beta;
    cublasHandle_t blas = cuda_of(device)->blas;
    cublasStatus_t status =
        count == 1 ? cublasGemmEx(blas, op_b, op_a, n, m, k, &scale, b.first.at, type, (int)b.ld, a.first.at, type,
                                  (int)a.ld, &keep, c.first.at, type, (int)c.ld, compute, CUBLAS_GEMM_DEFAULT)
                   : cublasGemmStridedBatchedEx(blas, op_b, op_a, n, m, k, &scale, b.first.at, type, (int)b.ld,
                                                b.stride, a.first.at, type, (int)a.ld, a.stride, &keep, c.first.at,
                                                type, (int)c.ld, c.stride, (int)count, compute, CUBLAS_GEMM_DEFAULT);
    cuda_check_blas(device, status, "product of matrices");
}

static inline void multiply(struct device *device, enum precision_of_products products, int transpose_a,
                            int transpose_b, int64_t m, int64_t n, int64_t k, double alpha, const real *a, int64_t lda,
                            const real *b, int64_t ldb, double beta, real *c, int64_t ldc) {
    struct matrices as = {{const_cast<real *>(a)}, lda, 0}, bs = {{const_cast<real *>(b)}, ldb, 0}, cs = {{c}, ldc, 0};
    struct gemm g = {transpose_a, transpose_b, m, n, k, alpha, beta};
    multiply_batch(device, products, 1, &g, as, bs, cs);
}

#endif
