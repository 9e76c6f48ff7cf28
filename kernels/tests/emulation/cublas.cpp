/* Products by CBLAS; bfloat16 matrices are widened first. */
#include <algorithm>
#include <cblas.h>
#include <cstdlib>
#include <vector>

extern "C" {
#include "cpu/row_product.h"
}
#include "cublas_v2.h"
#include "cuda_bf16.h"

struct emulated_blas {
    cudaStream_t stream;
};

namespace {

/* A column-major matrix in memory. */
struct stored {
    void *at;
    cudaDataType type;
    int rows, columns, ld;
};

bool is_valid(const stored &x) { return x.rows >= 0 && x.columns >= 0 && x.ld >= std::max(1, x.rows); }

/* float values of a matrix, with the same ld; nothing is read between the columns. */
const float *in_float(const stored &x, std::vector<float> &room) {
    if (x.type == CUDA_R_32F) return static_cast<const float *>(x.at);
    const __nv_bfloat16 *narrow = static_cast<const __nv_bfloat16 *>(x.at);
    room.assign((size_t)x.ld * x.columns + 1, 0);
    for (size_t j = 0; j < (size_t)x.columns; j++)
        for (size_t i = 0; i < (size_t)x.rows; i++) room[j * x.ld + i] = __bfloat162float(narrow[j * x.ld + i]);
    return room.data();
}

/* x W^T, row by row in memory: cuBLAS sums each row in one order, wherever it stands; OpenBLAS does not on every processor. */
bool is_linear_map(CBLAS_TRANSPOSE turn_a, CBLAS_TRANSPOSE turn_b, int k, double alpha, const stored &a,
                   const stored &b, double beta) {
    return sizeof(real) == sizeof(float) && turn_a == CblasTrans && turn_b == CblasNoTrans && alpha == 1 && beta == 0 &&
           a.ld == k && b.ld == k;
}

/* y's rows begin ld values apart. */
void multiply_rows(int64_t rows, int64_t in, int64_t out, const float *x, const float *weight, float *y, int64_t ld) {
    std::vector<float> dense((size_t)(rows * out)); /* real is float here */
    void *packed = row_product_pack(in, out, weight, STORAGE_REAL);
    if (!packed) abort();
    row_product(rows, in, out, reinterpret_cast<const real *>(x), packed, STORAGE_REAL, nullptr,
                reinterpret_cast<real *>(dense.data()));
    for (int64_t r = 0; r < rows; r++) std::copy_n(&dense[(size_t)(r * out)], out, y + r * ld);
    free(packed);
}

void product(CBLAS_TRANSPOSE turn_a, CBLAS_TRANSPOSE turn_b, int k, double alpha, stored a, stored b, double beta,
             stored c) {
    if (c.type == CUDA_R_64F) {
        cblas_dgemm(CblasColMajor, turn_a, turn_b, c.rows, c.columns, k, alpha, static_cast<double *>(a.at), a.ld,
                    static_cast<double *>(b.at), b.ld, beta, static_cast<double *>(c.at), c.ld);
        return;
    }
    std::vector<float> room_a, room_b, room_c;
    const float *wide_a = in_float(a, room_a), *wide_b = in_float(b, room_b);
    float *wide_c = static_cast<float *>(c.at);
    if (c.type == CUDA_R_16BF) {
        if (beta != 0) in_float(c, room_c);
        room_c.resize((size_t)c.ld * c.columns + 1);
        wide_c = room_c.data();
    }
    if (is_linear_map(turn_a, turn_b, k, alpha, a, b, beta))
        multiply_rows(c.columns, k, c.rows, wide_b, wide_a, wide_c, c.ld);
    else
        cblas_sgemm(CblasColMajor, turn_a, turn_b, c.rows, c.columns, k, (float)alpha, wide_a, a.ld, wide_b, b.ld,
                    (float)beta, wide_c, c.ld);
    if (c.type != CUDA_R_16BF) return;
    for (size_t j = 0; j < (size_t)c.columns; j++)
        for (size_t i = 0; i < (size_t)c.rows; i++)
            static_cast<__nv_bfloat16 *>(c.at)[j * c.ld + i] = __float2bfloat16(wide_c[j * c.ld + i]);
}

}  // namespace

const char *cublasGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS         ? "CUBLAS_STATUS_SUCCESS"
           : status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
                                                   : "CUBLAS_STATUS_NOT_SUPPORTED";
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    *handle = new emulated_blas();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetWorkspace(cublasHandle_t, void *, size_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a, cublasOperation_t transpose_b, int m,
                            int n, int k, const void *alpha, const void *a, cudaDataType type_a, int lda, const void *b,
                            cudaDataType type_b, int ldb, const void *beta, void *c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
    bool turn_a = transpose_a == CUBLAS_OP_T, turn_b = transpose_b == CUBLAS_OP_T, in_double = type_c == CUDA_R_64F;
    if ((type_a == CUDA_R_64F) != in_double || type_b != type_a || (compute == CUBLAS_COMPUTE_64F) != in_double ||
        (type_c == CUDA_R_16BF && type_a != CUDA_R_16BF))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    stored at_a = {const_cast<void *>(a), type_a, turn_a ? k : m, turn_a ? m : k, lda};
    stored at_b = {const_cast<void *>(b), type_b, turn_b ? n : k, turn_b ? k : n, ldb};
    stored at_c = {c, type_c, m, n, ldc};
    if (!is_valid(at_a) || !is_valid(at_b) || !is_valid(at_c)) return CUBLAS_STATUS_INVALID_VALUE;
    if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
    double factor = in_double ? *static_cast<const double *>(alpha) : *static_cast<const float *>(alpha);
    double keep = in_double ? *static_cast<const double *>(beta) : *static_cast<const float *>(beta);
    emulation_queue(handle->stream, [=] {
        product(turn_a ? CblasTrans : CblasNoTrans, turn_b ? CblasTrans : CblasNoTrans, k, factor, at_a, at_b, keep,
                at_c);
    });
    return CUBLAS_STATUS_SUCCESS;
}

static const void *further(const void *p, cudaDataType type, long long n) {
    return static_cast<const char *>(p) + n * (type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transpose_a,
                                          cublasOperation_t transpose_b, int m, int n, int k, const void *alpha,
                                          const void *a, cudaDataType type_a, int lda, long long stride_a,
                                          const void *b, cudaDataType type_b, int ldb, long long stride_b,
                                          const void *beta, void *c, cudaDataType type_c, int ldc, long long stride_c,
                                          int count, cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    for (int i = 0; i < count && status == CUBLAS_STATUS_SUCCESS; i++)
        status = cublasGemmEx(handle, transpose_a, transpose_b, m, n, k, alpha, further(a, type_a, i * stride_a),
                              type_a, lda, further(b, type_b, i * stride_b), type_b, ldb, beta,
                              const_cast<void *>(further(c, type_c, i * stride_c)), type_c, ldc, compute, algorithm);
    return status;
}
