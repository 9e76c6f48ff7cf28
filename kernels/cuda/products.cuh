/* Products of row-major matrices by cuBLAS, which takes them for column-major: c^T = op(b)^T op(a)^T. */
#ifndef MEDTOK_KERNELS_CUDA_PRODUCTS_CUH
#define MEDTOK_KERNELS_CUDA_PRODUCTS_CUH

#include "cuda/cuda.cuh"

/* c[m,n] = alpha op(a) op(b) + beta c, as kernels.h's gemm, but multiplied as `products` says; the double build always
 * multiplies in double. With beta 0, c is not read. m, n and k are at least 1. */
static inline void multiply(struct device *device, enum precision_of_products products, int transpose_a,
                            int transpose_b, int64_t m, int64_t n, int64_t k, double alpha, const real *a, int64_t lda,
                            const real *b, int64_t ldb, double beta, real *c, int64_t ldc) {
    cublasOperation_t op_a = transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    if (device->error[0]) return;
#ifdef MEDTOK_REAL_DOUBLE
    (void)products;
    cublasStatus_t status = cublasDgemm(cuda_of(device)->blas, op_b, op_a, (int)n, (int)m, (int)k, &alpha, b, (int)ldb,
                                        a, (int)lda, &beta, c, (int)ldc);
#else
    /* CUBLAS_COMPUTE_32F keeps full float32 as long as the handle's math mode is the default one. */
    cublasComputeType_t compute = products == PRODUCTS_TF32   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                  : products == PRODUCTS_BF16 ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                              : CUBLAS_COMPUTE_32F;
    float scale = (float)alpha, keep = (float)beta;
    cublasStatus_t status =
        cublasGemmEx(cuda_of(device)->blas, op_b, op_a, (int)n, (int)m, (int)k, &scale, b, CUDA_R_32F, (int)ldb, a,
                     CUDA_R_32F, (int)lda, &keep, c, CUDA_R_32F, (int)ldc, compute, CUBLAS_GEMM_DEFAULT);
#endif
    cuda_check_blas(device, status, "product of matrices");
}

#endif
