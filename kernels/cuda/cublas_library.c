/* cuBLAS under its own names, loaded when a device is opened. Linked with the program, its 700 MB would cost each start 0.13 s of a processor and
 * 220 MB, those on machines without a GPU too. tests/emulation has functions of its own instead of this file. */
#include <cublas_v2.h>
#include <dlfcn.h>
#include <stdio.h>

/* Headers have names like cublasCreate as macros, for the versions of functions that go with them. */
#define TEXT_OF(name) #name
#define TEXT(name)    TEXT_OF(name)
#define LIBRARY       "libcublas.so." TEXT(CUBLAS_VER_MAJOR)

#define FUNCTIONS(X)                                                                                                   \
    X(create, cublasCreate)                                                                                            \
    X(destroy, cublasDestroy)                                                                                          \
    X(set_stream, cublasSetStream)                                                                                     \
    X(set_workspace, cublasSetWorkspace)                                                                               \
    X(gemm, cublasGemmEx)                                                                                              \
    X(gemm_batch, cublasGemmStridedBatchedEx)                                                                          \
    X(status_string, cublasGetStatusString)

static struct {
#define X(field, function) __typeof__(function) *field;
    FUNCTIONS(X)
#undef X
} cublas;
static char why_not[512];

/* Once it is loaded it stays so. */
static int load(void) {
    if (cublas.status_string) return 1;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *found = library;
#define X(field, function)                                                                                             \
    if (found) {                                                                                                       \
        found = dlsym(library, TEXT(function));                                                                        \
        *(void **)&cublas.field = found;                                                                               \
    }
    FUNCTIONS(X)
#undef X
    const char *why = found ? "" : dlerror();
    snprintf(why_not, sizeof why_not, "%s", why ? why : LIBRARY " lacks a function");
    return found != NULL;
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    return load() ? cublas.create(handle) : CUBLAS_STATUS_NOT_INITIALIZED;
}

const char *cublasGetStatusString(cublasStatus_t status) {
    return cublas.status_string ? cublas.status_string(status) : why_not;
}

/* What follows has a handle, and so a library. */
cublasStatus_t cublasDestroy(cublasHandle_t handle) { return cublas.destroy(handle); }

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) { return cublas.set_stream(handle, stream); }

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
    return cublas.set_workspace(handle, workspace, bytes);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t turn_a, cublasOperation_t turn_b, int m, int n,
                            int k, const void *alpha, const void *a, cudaDataType type_a, int lda, const void *b,
                            cudaDataType type_b, int ldb, const void *beta, void *c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    return cublas.gemm(handle, turn_a, turn_b, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc,
                       compute, algorithm);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t turn_a, cublasOperation_t turn_b,
                                          int m, int n, int k, const void *alpha, const void *a, cudaDataType type_a,
                                          int lda, long long int stride_a, const void *b, cudaDataType type_b, int ldb,
                                          long long int stride_b, const void *beta, void *c, cudaDataType type_c,
                                          int ldc, long long int stride_c, int count, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algorithm) {
    return cublas.gemm_batch(handle, turn_a, turn_b, m, n, k, alpha, a, type_a, lda, stride_a, b, type_b, ldb, stride_b,
                             beta, c, type_c, ldc, stride_c, count, compute, algorithm);
}
