/* The forward pass of a frozen transformer: linear maps with weights packed once, residual and layer norm.
 *
 * A row of a linear map must not depend on the other rows or on its place, and cuBLAS takes other kernels, which round
 * differently, for other numbers of rows. So a product is always one of device->linear_rows rows, the last one filled up with
 * zeros; addresses too are aligned alike. Within such a product the sum over `in` is cut in the same way for all rows,
 * unless cuBLAS takes a "stream-K" kernel, which it does not rule out: then, and only then, the last bits of a row could
 * depend on its place. Results are the same in each run on one kind of device.
 *
 * Floor of linear: the product's arithmetic; around it, in bytes per float32 value, 8 to add bias and activation, and
 * in bf16 6 to convert x. add_layer_norm 12.
 */
#include <cuda_bf16.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/products.cuh"

/* bf16 rows are filled up with zeros to a multiple of this many values, so that each starts at 16 bytes. */
enum { BF16_PACK = 8 };

struct alignas(16) bf16_pack {
    __nv_bfloat16 at[BF16_PACK];
};

/* In the double build products are made in double, whatever the precision. */
struct linear {
    struct device *device;
    int64_t in, out, padded_in;
    enum precision_of_products precision;
    dev_real weight, bias; /* [out,in], [out]; no weight where bf16 holds it */
    dev_real bf16;         /* [out,padded_in] of __nv_bfloat16; NULL: not in bf16 */
};

/* ---- staging: rows of x in another form, with zeros below and at the right ---- */
static __global__ void to_bf16_kernel(int64_t rows, int64_t cols, int64_t padded_rows, int64_t padded_packs, int wide,
                                      const real *x, struct bf16_pack *y) {
    FOR_EACH_ROW(r, padded_rows)
    FOR_EACH_COLUMN(p, padded_packs) {
        const real *from = x + r * cols + p * BF16_PACK;
        int64_t count = r < rows ? cols - p * BF16_PACK : 0;
        real values[BF16_PACK];
        if (wide && count >= BF16_PACK)
            for (int j = 0; j < BF16_PACK / PACK; j++) {
                struct pack four = ((const struct pack *)from)[j];
                for (int l = 0; l < PACK; l++) values[j * PACK + l] = four.at[l];
            }
        else
            for (int j = 0; j < BF16_PACK; j++) values[j] = j < count ? from[j] : 0;
        struct bf16_pack to;
        for (int j = 0; j < BF16_PACK; j++) to.at[j] = __float2bfloat16((float)values[j]);
        y[r * padded_packs + p] = to;
    }
}

/* y [padded_rows, padded_cols] of bf16 = x [rows, cols] */
static void to_bf16(struct device *device, int64_t rows, int64_t cols, int64_t padded_rows, int64_t padded_cols,
                    const real *x, void *y) {
    struct shape s = shape_for(padded_rows, padded_cols / BF16_PACK);
    launch(device, "linear: conversion to bf16", to_bf16_kernel, s.blocks, s.threads, 0, rows, cols, padded_rows,
           padded_cols / BF16_PACK, is_aligned(x) && cols % PACK == 0, x, (struct bf16_pack *)y);
}

static __global__ void pad_kernel(int64_t count, int64_t padded_count, const real *x, real *y) {
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = thread; i < padded_count; i += stride) y[i] = i < count ? x[i] : 0;
}

/* ---- packing ---- */
extern "C" void cuda_linear_free(struct linear *l) {
    if (!l) return;
    device_free_reals(l->device, l->weight);
    device_free_reals(l->device, l->bias);
    device_free_reals(l->device, l->bf16);
    free(l);
}

static int64_t reals_for_bf16(int64_t count) {
    return (count * (int64_t)sizeof(__nv_bfloat16) + (int64_t)sizeof(real) - 1) / (int64_t)sizeof(real);
}

extern "C" struct linear *cuda_linear_pack(struct device *device, int64_t in, int64_t out, const real *weight,
                                           const real *bias, enum precision_of_products precision) {
    if (device->error[0] || !cuda_check_products(device, precision)) return NULL;
    struct linear *l = (struct linear *)calloc(1, sizeof *l);
    if (!l) {
        snprintf(device->error, sizeof device->error, "out of memory");
        return NULL;
    }
    l->device = device;
    l->in = in;
    l->out = out;
    l->padded_in = (in + BF16_PACK - 1) / BF16_PACK * BF16_PACK;
    l->precision = sizeof(real) == sizeof(float) ? precision : PRODUCTS_F32;
    l->weight = device_alloc_reals(device, out * in);
    l->bias = device_alloc_reals(device, out);
    device_upload_reals(device, l->weight, weight, out * in);
    device_upload_reals(device, l->bias, bias, out);
    if (l->precision == PRODUCTS_BF16) {
        l->bf16 = device_alloc_reals(device, reals_for_bf16(out * l->padded_in));
        to_bf16(device, out, in, out, l->padded_in, l->weight.at, l->bf16.at);
        device_synchronize(device); /* before the float32 weights go */
        device_free_reals(device, l->weight);
        l->weight.at = NULL;
    }
    if (!device->error[0]) return l;
    cuda_linear_free(l);
    return NULL;
}

/* ---- y = f(x W^T + b) ---- */
template <int F>
static __device__ real activated(real v) {
    switch (F) {
        case ACTIVATION_RELU: return v > 0 ? v : v != v ? v : 0;
        case ACTIVATION_GELU: return (real)0.5 * v * (1 + erf(v * (real)0.70710678118654752440));
        case ACTIVATION_GELU_TANH: { /* x/2 (1 + tanh u) = x / (1 + exp(-2 u)) */
            real u = (real)1.5957691216057308 * (v + (real)0.044715 * v * v * v);
            return v / (1 + exp(-u));
        }
        default: return v;
    }
}

/* y[rows,cols] = f(x + bias); T is real or a pack of them. y may be x. */
template <int F, typename T>
static __global__ void finish_kernel(int64_t rows, int64_t cols, const T *x, const T *bias, T *y) {
    FOR_EACH_ROW(r, rows)
    FOR_EACH_COLUMN(c, cols) {
        T value = x[r * cols + c], b = bias[c];
        for (int j = 0; j < (int)(sizeof(T) / sizeof(real)); j++)
            ((real *)&value)[j] = activated<F>(((real *)&value)[j] + ((real *)&b)[j]);
        y[r * cols + c] = value;
    }
}

template <int F>
static void finish(struct device *device, int64_t rows, int64_t cols, const real *x, const real *bias, real *y) {
    if (is_aligned(x) && is_aligned(y) && cols % PACK == 0) { /* the bias has a buffer of its own */
        struct shape s = shape_for(rows, cols / PACK);
        launch(device, "linear", finish_kernel<F, struct pack>, s.blocks, s.threads, 0, rows, cols / PACK,
               (const struct pack *)x, (const struct pack *)bias, (struct pack *)y);
    } else {
        struct shape s = shape_for(rows, cols);
        launch(device, "linear", finish_kernel<F, real>, s.blocks, s.threads, 0, rows, cols, x, bias, y);
    }
}

static void finish_rows(struct device *device, enum activation f, int64_t rows, int64_t cols, const real *x,
                        const real *bias, real *y) {
    switch (f) {
        case ACTIVATION_NONE: finish<ACTIVATION_NONE>(device, rows, cols, x, bias, y); break;
        case ACTIVATION_RELU: finish<ACTIVATION_RELU>(device, rows, cols, x, bias, y); break;
        case ACTIVATION_GELU: finish<ACTIVATION_GELU>(device, rows, cols, x, bias, y); break;
        case ACTIVATION_GELU_TANH: finish<ACTIVATION_GELU_TANH>(device, rows, cols, x, bias, y); break;
    }
}

/* z[linear_rows,out] = x W^T for x [linear_rows, padded_in] of bf16, with sums in float32 */
static void multiply_bf16(struct device *device, const struct linear *l, const void *x, real *z) {
    const float one = 1, zero = 0;
    if (device->error[0]) return;
    cublasStatus_t status =
        cublasGemmEx(cuda_of(device)->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)l->out, (int)device->linear_rows, (int)l->padded_in,
                     &one, l->bf16.at, CUDA_R_16BF, (int)l->padded_in, x, CUDA_R_16BF, (int)l->padded_in, &zero, z,
                     CUDA_R_32F, (int)l->out, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    cuda_check_blas(device, status, "product of matrices in bf16");
}

/* z[linear_rows,out] = x W^T for `rows` rows of x and zeros below; `staged` takes them where x cannot be used as it
 * is. */
static void multiply_block(struct device *device, const struct linear *l, int64_t rows, const real *x, real *staged,
                           real *z) {
    int64_t most = device->linear_rows;
    if (l->bf16.at) {
        to_bf16(device, rows, l->in, most, l->padded_in, x, staged);
        multiply_bf16(device, l, staged, z);
        return;
    }
    if (rows < most || !is_aligned(x)) {
        launch(device, "linear", pad_kernel, blocks_for(most * l->in, ELEMENTWISE_THREADS), ELEMENTWISE_THREADS, 0,
               rows * l->in, most * l->in, x, staged);
        x = staged;
    }
    multiply(device, l->precision, 0, 1, most, l->out, l->in, 1, x, l->in, l->weight.at, l->in, 0, z, l->out);
}

extern "C" void cuda_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, enum activation f,
                            dev_real y) {
    if (rows <= 0 || device->error[0]) return;
    int64_t most = device->linear_rows, room = (most * l->padded_in + 63) / 64 * 64;
    real *staged = cuda_scratch(device, room + most * l->out); /* for staged rows; then one block of results */
    if (!staged) return;
    for (int64_t first = 0; first < rows; first += most) {
        int64_t n = rows - first < most ? rows - first : most;
        real *to = y.at + first * l->out, *z = n < most || !is_aligned(to) ? staged + room : to;
        multiply_block(device, l, n, x.at + first * l->in, staged, z);
        finish_rows(device, f, n, l->out, z, l->bias.at, to);
    }
}

/* ---- rows ---- */
/* A warp for each row. Each lane reads and writes the same columns, so y may be x or residual; residual NULL: none. */
static __global__ void add_layer_norm_kernel(int64_t rows, int64_t cols, const real *x, const real *residual,
                                             const real *gain, const real *bias, real epsilon, real *y) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, rows) {
        const real *a = x + r * cols, *b = residual ? residual + r * cols : NULL;
        real sum = 0, square = 0;
        for (int64_t c = lane; c < cols; c += WARP) sum += b ? a[c] + b[c] : a[c];
        real mean = warp_sum(sum) / (real)cols;
        for (int64_t c = lane; c < cols; c += WARP) {
            real d = (b ? a[c] + b[c] : a[c]) - mean;
            square += d * d;
        }
        real scale = 1 / sqrt(warp_sum(square) / (real)cols + epsilon);
        for (int64_t c = lane; c < cols; c += WARP)
            y[r * cols + c] = ((b ? a[c] + b[c] : a[c]) - mean) * scale * gain[c] + bias[c];
    }
}

extern "C" void cuda_add_layer_norm(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real residual,
                                    dev_real gain, dev_real bias, double epsilon, dev_real y) {
    launch(device, "add_layer_norm", add_layer_norm_kernel, row_blocks(rows), ROW_WARPS * WARP, 0, rows, cols, x.at,
           residual.at, gain.at, bias.at, (real)epsilon, y.at);
}
