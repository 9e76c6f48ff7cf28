/* What cuBLAS gives at best in each precision, on operands of that precision: the ceiling of the text encoder's products, which
 * `medtok bench` does not know (its ceiling is gemm, on float32 operands). Random operands: a GPU is faster on zeros. */
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_SIZES = 3, REPEATS = 20 };
static const int SIZES[N_SIZES] = {4096, 8192, 16384};

static void check(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "matrix_ceiling: %s failed: %s\n", what, cudaGetErrorString(cudaGetLastError()));
    exit(1);
}

/* Uniform in -1 .. 1, by a multiplicative hash of the index. */
template <typename T>
static __global__ void fill_kernel(size_t n, unsigned seed, T *x) {
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) {
        unsigned h = ((unsigned)i ^ seed) * 2654435761u;
        h = (h ^ h >> 15) * 2246822519u;
        x[i] = (T)((float)(h >> 8) * 0x1p-23f - 1);
    }
}

/* TFLOP/s of the fastest of REPEATS products of n x n matrices; sums and results are float32. */
template <typename T>
static double measure(cublasHandle_t blas, int n, cudaDataType type, cublasComputeType_t compute) {
    size_t count = (size_t)n * n;
    T *a = NULL, *b = NULL;
    float *c = NULL, one = 1, zero = 0, least = 0;
    cudaEvent_t begin, end;
    check(cudaMalloc(&a, count * sizeof *a) == cudaSuccess && cudaMalloc(&b, count * sizeof *b) == cudaSuccess &&
              cudaMalloc(&c, count * sizeof *c) == cudaSuccess && cudaEventCreate(&begin) == cudaSuccess &&
              cudaEventCreate(&end) == cudaSuccess,
          "allocating");
    fill_kernel<<<1024, 256>>>(count, 1u, a);
    fill_kernel<<<1024, 256>>>(count, 2u, b);
    for (int i = 0; i < REPEATS; i++) {
        float milliseconds = 0;
        check(cudaEventRecord(begin) == cudaSuccess, "timing");
        check(cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, n, n, &one, a, type, n, b, type, n, &zero, c, CUDA_R_32F,
                           n, compute, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS,
              "the product");
        check(cudaEventRecord(end) == cudaSuccess && cudaEventSynchronize(end) == cudaSuccess &&
                  cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess,
              "timing");
        if (i == 1 || (i > 1 && milliseconds < least)) least = milliseconds; /* the first sets cuBLAS up */
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaFree(a);
    cudaFree(b);
    cudaFree(c);
    return 2.0 * n * n * n / (least * 1e-3) * 1e-12;
}

int main(void) {
    cublasHandle_t blas;
    int n_devices = 0;
    if (cudaGetDeviceCount(&n_devices) != cudaSuccess || n_devices == 0) {
        printf("skipped: no CUDA device\n");
        return 77;
    }
    check(cublasCreate(&blas) == CUBLAS_STATUS_SUCCESS, "opening cuBLAS");
    printf("%-8s %10s %10s %10s   TFLOP/s of products n x n x n\n", "n", "fp32", "tf32", "bf16");
    for (int i = 0; i < N_SIZES; i++)
        printf("%-8d %10.1f %10.1f %10.1f\n", SIZES[i], measure<float>(blas, SIZES[i], CUDA_R_32F, CUBLAS_COMPUTE_32F),
               measure<float>(blas, SIZES[i], CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32),
               measure<__nv_bfloat16>(blas, SIZES[i], CUDA_R_16BF, CUBLAS_COMPUTE_32F));
    cublasDestroy(blas);
    return 0;
}
