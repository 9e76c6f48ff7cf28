/* Linear maps. Trained ones are one product in the precision that the device was opened with, and one pass for bias and
 * activation.
 *
 * A row of a frozen map must not depend on the other rows or on its position, and cuBLAS takes other kernels, which round
 * differently, for other numbers of rows. So a packed product is always one of device->linear_rows rows, the last one filled
 * up with zeros; addresses too are aligned alike. Within such a product the sum over `in` is cut in the same way for all
 * rows, unless cuBLAS takes a "stream-K" kernel, which it does not rule out: then, and only then, the last bits of a row could
 * depend on its position. Results are the same in each run on one kind of device.
 *
 * Floor: the product's arithmetic; around it, in bytes per float32 value, 8 to add bias and activation, and in bf16 6 to
 * convert x.
 */
#include <cuda_bf16.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/activation.cuh"
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/products.cuh"

/* bf16 rows are filled up with zeros to a multiple of this many values, so that each starts at 16 bytes. */
enum { BF16_PACK = 8 };

struct alignas(16) bf16_pack {
    __nv_bfloat16 at[BF16_PACK];
};

/* In the double build products are made in double, whatever the precision. */
struct cuda_weights {
    struct packed_weights shape; /* first: what others see of it */
    int64_t padded_in;
    enum precision_of_products precision;
    dev_real weight; /* [out,in]; NULL where bf16 holds it */
    dev_half bf16;   /* [out,padded_in] of __nv_bfloat16; NULL: not in bf16 */
};

static const struct cuda_weights *weights_of(const struct linear *l) { return (const struct cuda_weights *)l->packed; }

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
extern "C" void cuda_linear_free(struct device *device, struct packed_weights *packed) {
    struct cuda_weights *w = (struct cuda_weights *)packed;
    if (!w) return;
    device_free_reals(device, w->weight);
    device_free_halves(device, w->bf16);
    free(w);
}

static int64_t padded(int64_t cols) { return (cols + BF16_PACK - 1) / BF16_PACK * BF16_PACK; }

/* Sends bf16 weights as they are, or row by row where rows must be filled up. */
static void upload_bf16(struct device *device, const struct cuda_weights *w, const uint16_t *weight) {
    int64_t in = w->shape.in, out = w->shape.out;
    if (w->padded_in == in) {
        device_upload_halves(device, w->bf16, weight, out * in);
        return;
    }
    uint16_t *row = (uint16_t *)calloc((size_t)w->padded_in, sizeof *row);
    if (!row) snprintf(device->error, sizeof device->error, "out of memory");
    for (int64_t o = 0; row && o < out; o++) {
        memcpy(row, weight + o * in, (size_t)in * sizeof *row);
        device_upload_halves(device, {w->bf16.at + o * w->padded_in}, row, w->padded_in);
    }
    free(row);
}

static void upload_weights(struct device *device, struct cuda_weights *w, const void *weight, enum storage storage) {
    int64_t in = w->shape.in, out = w->shape.out;
    int narrow = storage == STORAGE_BF16 || w->precision == PRODUCTS_BF16;
    w->shape.weight_bytes = narrow ? sizeof(uint16_t) : sizeof(real);
    if (narrow) w->bf16 = device_alloc_halves(device, out * w->padded_in);
    if (storage == STORAGE_BF16) {
        upload_bf16(device, w, (const uint16_t *)weight);
        return;
    }
    w->weight = device_alloc_reals(device, out * in);
    device_upload_reals(device, w->weight, (const real *)weight, out * in);
    if (!narrow) return;
    to_bf16(device, out, in, out, w->padded_in, w->weight.at, w->bf16.at);
    device_synchronize(device); /* before the float32 weights go */
    device_free_reals(device, w->weight);
    w->weight.at = NULL;
}

extern "C" struct packed_weights *cuda_linear_pack(struct device *device, int64_t in, int64_t out, const void *weight,
                                                   enum storage storage, enum precision_of_products precision) {
    if (device->error[0] || !cuda_check_products(device, precision)) return NULL;
    struct cuda_weights *w = (struct cuda_weights *)calloc(1, sizeof *w);
    if (!w) {
        snprintf(device->error, sizeof device->error, "out of memory");
        return NULL;
    }
    w->shape.in = in;
    w->shape.out = out;
    w->padded_in = padded(in);
    w->precision = sizeof(real) == sizeof(float) ? precision : PRODUCTS_F32;
    upload_weights(device, w, weight, storage);
    if (!device->error[0]) return &w->shape;
    cuda_linear_free(device, &w->shape);
    return NULL;
}

/* Host memory is no place to multiply from. */
extern "C" struct packed_weights *cuda_linear_borrow(struct device *device, int64_t in, int64_t out, const void *weight,
                                                     enum storage storage, enum precision_of_products precision) {
    return cuda_linear_pack(device, in, out, weight, storage, precision);
}

/* ---- bias and activation ---- */
/* y[rows,cols] = f(x + bias), with y's old values added first if `adds`; bias NULL: none. T is real or a pack of them. y may be
 * x. */
template <int F, typename T>
static __global__ void finish_kernel(int64_t rows, int64_t cols, int adds, const T *x, const T *bias, T *y) {
    FOR_EACH_ROW(r, rows)
    FOR_EACH_COLUMN(c, cols) {
        T value = x[r * cols + c], b = {}, before = {};
        if (bias) b = bias[c];
        if (adds) before = y[r * cols + c];
        for (int j = 0; j < (int)(sizeof(T) / sizeof(real)); j++)
            ((real *)&value)[j] =
                activation_value((enum activation)F, ((real *)&before)[j] + ((real *)&value)[j] + ((real *)&b)[j]);
        y[r * cols + c] = value;
    }
}

template <int F>
static void finish(struct device *device, int64_t rows, int64_t cols, int adds, const real *x, const real *bias,
                   real *y) {
    if (is_aligned(x) && is_aligned(y) && is_aligned(bias) && cols % PACK == 0) {
        struct shape s = shape_for(rows, cols / PACK);
        launch(device, "linear", finish_kernel<F, struct pack>, s.blocks, s.threads, 0, rows, cols / PACK, adds,
               (const struct pack *)x, (const struct pack *)bias, (struct pack *)y);
    } else {
        struct shape s = shape_for(rows, cols);
        launch(device, "linear", finish_kernel<F, real>, s.blocks, s.threads, 0, rows, cols, adds, x, bias, y);
    }
}

/* y = f(x + bias) for the rows of the map's result, or f(y + x + bias): y is x, or takes it. */
static void finish_rows(struct device *device, const struct linear *l, int64_t rows, const real *x, real *y) {
    int adds = l->accumulate && x != y;
    if (!l->bias.at && l->f == ACTIVATION_NONE && x == y) return;
#define FINISH(F)                                                                                                      \
    case F: finish<F>(device, rows, l->out, adds, x, l->bias.at, y); break;
    switch (l->f) {
        FOR_EACH_ACTIVATION(FINISH)
        default: break;
    }
#undef FINISH
}

/* ---- products with packed weights ---- */
/* c [rows,cols] of float32 = a b + beta c with sums in float32, in cuBLAS's column-major terms: c^T = op(weight) a^T. */
static void multiply_bf16(struct device *device, cublasOperation_t turn, int64_t rows, int64_t cols, int64_t inner,
                          const struct cuda_weights *w, const void *a, int64_t lda, float beta, real *c) {
    const float one = 1;
    if (device->error[0]) return;
    cublasStatus_t status = cublasGemmEx(cuda_of(device)->blas, turn, CUBLAS_OP_N, (int)cols, (int)rows, (int)inner,
                                         &one, w->bf16.at, CUDA_R_16BF, (int)w->padded_in, a, CUDA_R_16BF, (int)lda,
                                         &beta, c, CUDA_R_32F, (int)cols, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    cuda_check_blas(device, status, "product of matrices in bf16");
}

/* Weights of bf16 for products in float32: so many rows are widened at a time. */
static int64_t widened_rows(const struct cuda_weights *w) {
    const int64_t most = (int64_t)1 << 24; /* values: 64 MB */
    int64_t rows = most / (w->shape.in > 0 ? w->shape.in : 1);
    return rows < 1 ? 1 : rows < w->shape.out ? rows : w->shape.out;
}

static int is_widened(const struct cuda_weights *w) { return w->bf16.at && w->precision != PRODUCTS_BF16; }

static __global__ void widen_kernel(int64_t rows, int64_t cols, int64_t padded_cols, const __nv_bfloat16 *x, real *y) {
    FOR_EACH_ROW(r, rows)
    FOR_EACH_COLUMN(c, cols) y[r * cols + c] = (real)__bfloat162float(x[r * padded_cols + c]);
}

/* y [n,in] = the weights' rows first .. */
static void widen(struct device *device, const struct cuda_weights *w, int64_t first, int64_t n, real *y) {
    struct shape s = shape_for(n, w->shape.in);
    launch(device, "linear: widening of weights", widen_kernel, s.blocks, s.threads, 0, n, w->shape.in, w->padded_in,
           (const __nv_bfloat16 *)w->bf16.at + first * w->padded_in, y);
}

/* Scratch of a packed product, in this order. */
struct packed_room {
    real *staged, *product, *widened; /* rows of x; a block of results; weights */
};

static int take_room(struct device *device, const struct cuda_weights *w, struct packed_room *room) {
    int64_t most = device->linear_rows, staged = (most * w->padded_in + 63) / 64 * 64;
    int64_t product = (most * w->shape.out + 63) / 64 * 64;
    room->staged = cuda_scratch(device, staged + product + (is_widened(w) ? widened_rows(w) * w->shape.in : 0));
    room->product = room->staged + staged;
    room->widened = room->product + product;
    return room->staged != NULL;
}

/* z[linear_rows,out] = x W^T for `rows` rows of x and zeros below; `staged` takes them where x cannot be used as it
 * is. */
static void multiply_block(struct device *device, const struct cuda_weights *w, int64_t rows, const real *x,
                           const struct packed_room *room, real *z) {
    int64_t most = device->linear_rows, in = w->shape.in, out = w->shape.out;
    if (w->bf16.at && !is_widened(w)) {
        to_bf16(device, rows, in, most, w->padded_in, x, room->staged);
        multiply_bf16(device, CUBLAS_OP_T, most, out, w->padded_in, w, room->staged, w->padded_in, 0, z);
        return;
    }
    if (rows < most || !is_aligned(x)) {
        launch(device, "linear", pad_kernel, blocks_for(most * in, ELEMENTWISE_THREADS), ELEMENTWISE_THREADS, 0,
               rows * in, most * in, x, room->staged);
        x = room->staged;
    }
    if (!is_widened(w)) {
        multiply(device, w->precision, 0, 1, most, out, in, 1, x, in, w->weight.at, in, 0, z, out);
        return;
    }
    for (int64_t o = 0, step = widened_rows(w); o < out; o += step) {
        int64_t n = out - o < step ? out - o : step;
        widen(device, w, o, n, room->widened);
        multiply(device, w->precision, 0, 1, most, n, in, 1, x, in, room->widened, in, 0, z + o, out);
    }
}

static void packed_linear(struct device *device, const struct linear *l, int64_t rows, const real *x, real *y) {
    int64_t most = device->linear_rows;
    struct packed_room room;
    if (device->error[0] || !take_room(device, weights_of(l), &room)) return;
    for (int64_t first = 0; first < rows; first += most) {
        int64_t n = rows - first < most ? rows - first : most;
        real *to = y + first * l->out, *z = n < most || l->accumulate || !is_aligned(to) ? room.product : to;
        multiply_block(device, weights_of(l), n, x + first * l->in, &room, z);
        finish_rows(device, l, n, z, to);
    }
}

extern "C" void cuda_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, dev_real y) {
    if (rows <= 0) return;
    if (l->packed) {
        packed_linear(device, l, rows, x.at, y.at);
        return;
    }
    struct gemm g = {0, 1, rows, l->out, l->in, 1, l->accumulate ? 1.0 : 0.0};
    cuda_gemm(device, &g, {x, l->in}, {l->weight, l->in}, {y, l->out});
    finish_rows(device, l, rows, y.at, y.at);
}

/* ---- backward ---- */
/* In bf16: dy is converted, a block of rows at a time. */
static void bf16_dx(struct device *device, const struct cuda_weights *w, int64_t rows, const real *dy, real *dx,
                    int accumulate) {
    int64_t in = w->shape.in, out = w->shape.out, most = device->linear_rows, lda = padded(out);
    real *staged = cuda_scratch(device, (most * lda + 1) / 2);
    for (int64_t first = 0; staged && first < rows; first += most) {
        int64_t n = rows - first < most ? rows - first : most;
        to_bf16(device, n, out, n, lda, dy + first * out, staged);
        multiply_bf16(device, CUBLAS_OP_N, n, in, out, w, staged, lda, accumulate ? 1 : 0, dx + first * in);
    }
}

/* dx = dy W. Other weights of bf16 give it by blocks of outputs. */
static void packed_dx(struct device *device, const struct cuda_weights *w, int64_t rows, const real *dy, real *dx,
                      int accumulate) {
    int64_t in = w->shape.in, out = w->shape.out;
    if (w->bf16.at && !is_widened(w)) {
        bf16_dx(device, w, rows, dy, dx, accumulate);
    } else if (!is_widened(w)) {
        multiply(device, w->precision, 0, 0, rows, in, out, 1, dy, out, w->weight.at, in, accumulate ? 1 : 0, dx, in);
    } else {
        int64_t step = widened_rows(w);
        real *weight = cuda_scratch(device, step * in);
        for (int64_t o = 0; weight && o < out; o += step) {
            int64_t n = out - o < step ? out - o : step;
            widen(device, w, o, n, weight);
            multiply(device, w->precision, 0, 0, rows, in, n, 1, dy + o, out, weight, in, accumulate || o > 0 ? 1 : 0,
                     dx, in);
        }
    }
}

extern "C" void cuda_linear_backward(struct device *device, const struct linear *l, int64_t rows, dev_real x,
                                     dev_real dy, struct linear_gradients to) {
    int64_t in = l->in, out = l->out;
    struct gemm of_x = {0, 0, rows, in, out, 1, to.accumulate ? 1.0 : 0.0}, of_weight = {1, 0, out, in, rows, 1, 1};
    if (rows <= 0) return;
    if (to.dx.at && l->packed)
        packed_dx(device, weights_of(l), rows, dy.at, to.dx.at, to.accumulate);
    else if (to.dx.at)
        cuda_gemm(device, &of_x, {dy, out}, {l->weight, in}, {to.dx, in});
    if (to.dweight.at) cuda_gemm(device, &of_weight, {dy, out}, {x, in}, {to.dweight, in});
    if (to.dbias.at) cuda_sum_rows(device, rows, out, dy, to.dbias);
}
