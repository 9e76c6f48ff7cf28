/* The forward pass of a frozen transformer: linear maps with packed weights, residual and layer norm. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/cpu.h"
#include "cpu/onednn.h"
#include "cpu/row_product.h"
#include "cpu/vector_math.h"

/* Rows of a product that one thread computes at a time. oneDNN's product is always made of this many rows (the last block is
 * filled up with zeros), because it rounds differently for other sizes, and a row must not depend on its neighbours. */
enum { LINEAR_ROWS = 256 };

struct linear {
    int64_t in, out;
    real *weight, *bias;           /* packed (cpu/row_product.h), [out]; NULL where oneDNN holds them */
    struct onednn_product *onednn; /* NULL: row_product */
};

/* ---- packing ---- */
void cpu_linear_free(struct linear *l) {
    if (!l) return;
    onednn_product_free(l->onednn);
    free(l->weight);
    free(l->bias);
    free(l);
}

static real *copy_of(const real *from, int64_t count) {
    size_t bytes = ((size_t)count * sizeof *from + 63) / 64 * 64;
    real *to = aligned_alloc(64, bytes);
    if (to) memcpy(to, from, (size_t)count * sizeof *from);
    return to;
}

struct linear *cpu_linear_pack(struct device *device, int64_t in, int64_t out, const real *weight, const real *bias,
                               enum precision_of_products precision) {
    if (device->error[0]) return NULL;
    struct linear *l = calloc(1, sizeof *l);
    if (precision == PRODUCTS_TF32) {
        snprintf(device->error, sizeof device->error, "products in tf32 are for GPUs: choose fp32 or bf16");
        free(l);
        return NULL;
    }
    if (l) {
        *l = (struct linear){.in = in, .out = out};
        if (onednn_here(precision == PRODUCTS_BF16))
            l->onednn = onednn_product_make(LINEAR_ROWS, in, out, weight, bias, precision == PRODUCTS_BF16);
        else if (precision == PRODUCTS_F32) {
            l->weight = row_product_pack(in, out, weight);
            l->bias = copy_of(bias, out);
        }
    }
    if (l && (l->onednn || (l->weight && l->bias))) return l;
    if (l && precision == PRODUCTS_BF16 && !l->onednn)
        snprintf(device->error, sizeof device->error,
                 "products in bf16 need a processor with AVX512_BF16 or AMX and a build with oneDNN (libdnnl-dev)");
    else
        snprintf(device->error, sizeof device->error, "out of memory: weights of %.3f GB",
                 (double)(in * out) * sizeof(real) * 1e-9);
    cpu_linear_free(l);
    return NULL;
}

/* ---- y = f(x W^T + b) ---- */
#define ACTIVATION_ROW(name, formula)                                                                                  \
    WIDE_VECTORS static void name(int64_t cols, real *y) {                                                             \
        _Pragma("omp simd") for (int64_t c = 0; c < cols; c++) {                                                       \
            real v = y[c];                                                                                             \
            y[c] = (formula);                                                                                          \
        }                                                                                                              \
    }
ACTIVATION_ROW(relu_row, v > 0 ? v : v != v ? v : 0)
ACTIVATION_ROW(gelu_row, real_gelu(v))
ACTIVATION_ROW(gelu_tanh_row, real_gelu_tanh(v))

WIDE_VECTORS static void finish_row(int64_t cols, const real *bias, enum activation f, real *y) { /* bias NULL: none */
    if (bias)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y[c] += bias[c];
    switch (f) {
        case ACTIVATION_NONE: break;
        case ACTIVATION_RELU: relu_row(cols, y); break;
        case ACTIVATION_GELU: gelu_row(cols, y); break;
        case ACTIVATION_GELU_TANH: gelu_tanh_row(cols, y); break;
    }
}

static int multiply(const struct linear *l, int64_t n, const real *x, real *y, void *scratch) {
    if (l->onednn) return onednn_product_run(l->onednn, x, y, scratch);
    row_product(n, l->in, l->out, x, l->weight, y);
    return 0;
}

/* Rows first.. of the result. `part` [LINEAR_ROWS, in + out] takes an unfinished block. */
static int linear_block(const struct linear *l, int64_t first, int64_t rows, const real *x, enum activation f, real *y,
                        real *part, void *scratch) {
    int64_t n = rows - first < LINEAR_ROWS ? rows - first : LINEAR_ROWS;
    const real *from = x + first * l->in;
    real *to = y + first * l->out;
    int fill = l->onednn && n < LINEAR_ROWS;
    if (fill) {
        memcpy(part, from, (size_t)(n * l->in) * sizeof *part);
        memset(part + n * l->in, 0, (size_t)((LINEAR_ROWS - n) * l->in) * sizeof *part);
        from = part;
        to = part + LINEAR_ROWS * l->in;
    }
    int bad = multiply(l, n, from, to, scratch);
    for (int64_t r = 0; r < n && (l->bias || f != ACTIVATION_NONE); r++)
        finish_row(l->out, l->bias, f, to + r * l->out);
    if (fill) memcpy(y + first * l->out, to, (size_t)(n * l->out) * sizeof *part);
    return bad;
}

void cpu_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, enum activation f,
                dev_real y) {
    if (rows <= 0 || device->error[0]) return;
    int64_t own = ((int64_t)onednn_product_scratch(l->onednn) + (int64_t)sizeof(real) - 1) / (int64_t)sizeof(real);
    int64_t part = LINEAR_ROWS * (l->in + l->out);
    int threads = cpu_threads(device), bad = 0;
    own = (own + 15) / 16 * 16;
    real *scratch = cpu_scratch(device, part + threads * own);
    if (!scratch) return;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(| : bad) if (rows > LINEAR_ROWS)
    for (int64_t first = 0; first < rows; first += LINEAR_ROWS) /* at most one block uses `part` */
        bad |= linear_block(l, first, rows, x.at, f, y.at, scratch, scratch + part + omp_get_thread_num() * own);
    if (bad) snprintf(device->error, sizeof device->error, "oneDNN could not compute a product");
}

/* ---- rows ---- */
WIDE_VECTORS static void layer_norm_row(int64_t cols, const real *a, const real *b, const real *gain, const real *bias,
                                        real epsilon, real *out) {
    real sum = 0, square = 0;
    if (b)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) out[c] = a[c] + b[c];
    else if (out != a)
        memcpy(out, a, (size_t)cols * sizeof *out);
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < cols; c++) sum += out[c];
    real mean = sum / (real)cols;
#pragma omp simd reduction(+ : square)
    for (int64_t c = 0; c < cols; c++) square += (out[c] - mean) * (out[c] - mean);
    real scale = 1 / real_sqrt(square / (real)cols + epsilon);
#pragma omp simd
    for (int64_t c = 0; c < cols; c++) out[c] = (out[c] - mean) * scale * gain[c] + bias[c];
}

void cpu_add_layer_norm(struct device *device, int64_t rows, int64_t cols, dev_real x, dev_real residual, dev_real gain,
                        dev_real bias, double epsilon, dev_real y) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * cols > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++)
        layer_norm_row(cols, x.at + r * cols, residual.at ? residual.at + r * cols : NULL, gain.at, bias.at,
                       (real)epsilon, y.at + r * cols);
}
