/* Linear maps: trained ones, whose weights change between calls and lie as they are, by the products of matrices.c; frozen ones
 * packed once, or borrowed: multiplied from where they lie. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "bf16.h"
#include "cpu/activation.h"
#include "cpu/onednn.h"
#include "cpu/row_product.h"

enum {
    /* Rows of a product that one thread computes at a time. oneDNN's product is always made of this many rows (the last block
     * is filled up with zeros), because it rounds differently for other sizes, and a row must not depend on its neighbours. */
    LINEAR_ROWS = 256,
    WEIGHT_ROWS = 256, /* outputs whose packed weights are laid out again at a time, for backward */
    /* Trained weights up to so many (768 x 1536) are packed for each call, if there are LINEAR_ROWS rows: packing included 90 to 94
     * GFLOP/s a core of an EPYC with AVX2, where BLAS, which packs them for each block of rows, reaches 85 to 87; where sums are short, its
     * time goes to copies of the rows, and passes over y before and after. Of larger ones (768 x 3072) BLAS is as fast, or faster. */
    MOST_PACKED_ANEW = 9 << 17
};

struct cpu_weights {
    struct packed_weights shape; /* first: what others see of it */
    enum storage storage;
    void *panels; /* cpu/row_product.h; NULL where oneDNN holds the weights */
    struct onednn_product *onednn;
    const void *rows; /* [out, in] of linear_borrow, as they are stored */
    int narrow;       /* with `rows`: products in bf16 */
};

static const struct cpu_weights *weights_of(const struct linear *l) { return (const struct cpu_weights *)l->packed; }

/* ---- packing ---- */
void cpu_linear_free(struct device *device, struct packed_weights *packed) {
    (void)device;
    struct cpu_weights *w = (struct cpu_weights *)packed;
    if (!w) return;
    onednn_product_free(w->onednn);
    free(w->panels);
    free(w);
}

/* In bf16 by oneDNN alone. In float32, which is also how bf16 weights are multiplied then: they stay narrow in memory. */
static void pack(struct cpu_weights *w, const void *weight, int narrow) {
    int64_t in = w->shape.in, out = w->shape.out;
    if (onednn_here(narrow) && (narrow || w->storage == STORAGE_REAL)) {
        w->onednn = onednn_product_make((struct onednn_shape){LINEAR_ROWS, in, out, narrow}, weight, w->storage);
        w->storage = narrow ? STORAGE_BF16 : STORAGE_REAL;
    } else if (!narrow)
        w->panels = row_product_pack(in, out, weight, w->storage);
    w->shape.weight_bytes = w->storage == STORAGE_BF16 ? sizeof(uint16_t) : sizeof(real);
}

struct packed_weights *cpu_linear_pack(struct device *device, int64_t in, int64_t out, const void *weight,
                                       enum storage storage, enum precision_of_products precision) {
    if (device->error[0]) return NULL;
    if (precision == PRODUCTS_TF32) {
        snprintf(device->error, sizeof device->error, "products in tf32 are for GPUs: choose fp32 or bf16");
        return NULL;
    }
    int narrow = precision == PRODUCTS_BF16;
    struct cpu_weights *w = calloc(1, sizeof *w);
    if (w) {
        *w = (struct cpu_weights){.shape = {.in = in, .out = out}, .storage = storage};
        pack(w, weight, narrow);
    }
    if (w && (w->onednn || w->panels)) return &w->shape;
    if (w && narrow && !onednn_here(1))
        snprintf(device->error, sizeof device->error,
                 "products in bf16 need a processor with AVX512_BF16 or AMX and a build with oneDNN (libdnnl-dev)");
    else
        snprintf(device->error, sizeof device->error, "out of memory: weights of %.3f GB",
                 (double)(in * out) * sizeof(real) * 1e-9);
    if (w) cpu_linear_free(device, &w->shape);
    return NULL;
}

struct packed_weights *cpu_linear_borrow(struct device *device, int64_t in, int64_t out, const void *weight,
                                         enum storage storage, enum precision_of_products precision) {
    int narrow = precision == PRODUCTS_BF16;
    if (precision == PRODUCTS_TF32 || (narrow && (storage == STORAGE_REAL || !onednn_here(1))))
        return cpu_linear_pack(device, in, out, weight, storage, precision);
    if (device->error[0]) return NULL;
    struct cpu_weights *w = calloc(1, sizeof *w);
    if (!w) {
        snprintf(device->error, sizeof device->error, "out of memory");
        return NULL;
    }
    *w = (struct cpu_weights){.shape = {.in = in, .out = out}, .storage = storage, .rows = weight, .narrow = narrow};
    w->shape.weight_bytes = storage == STORAGE_BF16 ? sizeof(uint16_t) : sizeof(real);
    return &w->shape;
}

/* ---- y = f(x W^T + b) ---- */
/* y = f(product + bias), with what y held added first if the map accumulates; bias NULL: none. product may be y, which then
 * holds the sum already. */
WIDE_VECTORS static void finish_row(const struct linear *l, const real *bias, const real *product, real *y) {
    if (product != y && l->accumulate)
#pragma omp simd
        for (int64_t c = 0; c < l->out; c++) y[c] += product[c];
    else if (product != y)
        memcpy(y, product, (size_t)l->out * sizeof *y);
    if (bias)
#pragma omp simd
        for (int64_t c = 0; c < l->out; c++) y[c] += bias[c];
    if (l->f != ACTIVATION_NONE) activate_row(l->f, l->out, y, y);
}

/* Scratch of a packed product, in values. */
struct packed_room {
    real *panels;          /* of trained weights */
    real *filled;          /* [LINEAR_ROWS, in + out] for oneDNN's unfinished block, of which there is at most one */
    real *threads;         /* of each thread: `each` values */
    int64_t each, product; /* of which the first `product` take a block of results that is added to y */
};

static int64_t whole_lines(int64_t count) { return (count + 15) / 16 * 16; }

static int take_room(struct device *device, const struct linear *l, int64_t panels, struct packed_room *room) {
    const struct cpu_weights *w = weights_of(l);
    int64_t filled = w->onednn ? whole_lines(LINEAR_ROWS * (l->in + l->out)) : 0;
    int64_t own = w->onednn ? (int64_t)(onednn_product_scratch(w->onednn) / sizeof(real)) + 1 : 0;
    if (w->panels && w->storage == STORAGE_BF16) own = l->in * ROW_PANEL;
    room->product = l->accumulate ? whole_lines(LINEAR_ROWS * l->out) : 0;
    room->each = room->product + whole_lines(own);
    room->panels = cpu_scratch(device, panels + filled + cpu_threads(device) * room->each);
    if (!room->panels) return 0;
    room->filled = room->panels + panels;
    room->threads = room->filled + filled;
    return 1;
}

/* Rows first .. of the result, by the thread to which `own` belongs. */
static int packed_block(const struct linear *l, int64_t first, int64_t rows, const real *x, real *y,
                        const struct packed_room *room, real *own) {
    const struct cpu_weights *w = weights_of(l);
    int64_t n = rows - first < LINEAR_ROWS ? rows - first : LINEAR_ROWS;
    const real *from = x + first * l->in, *bias = w->onednn ? NULL : l->bias.at;
    real *to = y + first * l->out, *product = l->accumulate ? own : to;
    int bad = 0;
    own += room->product;
    if (w->onednn && n < LINEAR_ROWS) {
        memcpy(room->filled, from, (size_t)(n * l->in) * sizeof *from);
        memset(room->filled + n * l->in, 0, (size_t)((LINEAR_ROWS - n) * l->in) * sizeof *from);
        from = room->filled;
        product = room->filled + LINEAR_ROWS * l->in;
    }
    if (w->onednn)
        bad = onednn_product_run(w->onednn, from, l->bias.at, product, own);
    else
        row_product(n, l->in, l->out, from, w->panels, w->storage, own, product);
    if (!bias && l->f == ACTIVATION_NONE && product == to) return bad;
    for (int64_t r = 0; r < n; r++) finish_row(l, bias, product + r * l->out, to + r * l->out);
    return bad;
}

static void packed_rows(struct device *device, const struct linear *l, int64_t rows, const real *x, real *y,
                        const struct packed_room *room) {
    int bad = 0;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(static, 1) reduction(| : bad) if (rows > LINEAR_ROWS)
    for (int64_t first = 0; first < rows; first += LINEAR_ROWS)
        bad |= packed_block(l, first, rows, x, y, room, room->threads + omp_get_thread_num() * room->each);
    if (bad) snprintf(device->error, sizeof device->error, "oneDNN could not compute a product");
}

/* ---- borrowed weights ---- */
static void widen(int64_t n, const uint16_t *narrow, real *wide) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) wide[i] = bf16_to_float(narrow[i]);
}

/* weight [count, in] = the rows first .. of W. plain: all of them, [out, in] as they are stored; NULL for panels. */
static void weight_rows(struct device *device, const struct cpu_weights *w, const void *plain, int64_t first,
                        int64_t count, real *weight) {
    int64_t in = w->shape.in;
#pragma omp parallel for num_threads(cpu_threads(device)) if (count * in > PARALLEL_MIN)
    for (int64_t o = 0; o < count; o++)
        if (w->panels)
            row_product_unpack(in, w->panels, w->storage, first + o, 1, weight + o * in);
        else if (w->storage == STORAGE_BF16)
            widen(in, (const uint16_t *)plain + (first + o) * in, weight + o * in);
        else
            memcpy(weight + o * in, (const real *)plain + (first + o) * in, (size_t)in * sizeof *weight);
}

enum {
    FEW_ROWS = 64
}; /* so many do not pay for laying bf16 weights out for oneDNN: they are widened, a tile at a time */

/* Products in bf16: the weights are laid out for this call. */
static void multiply_narrow(struct device *device, const struct linear *l, int64_t rows, const real *x, real *y) {
    const struct cpu_weights *w = weights_of(l);
    struct cpu_weights laid = {.shape = w->shape, .storage = STORAGE_BF16};
    struct linear map = *l;
    struct packed_room room;
    laid.onednn = onednn_product_make((struct onednn_shape){LINEAR_ROWS, l->in, l->out, 1}, w->rows, STORAGE_BF16);
    map.packed = &laid.shape;
    if (!laid.onednn)
        snprintf(device->error, sizeof device->error, "oneDNN could not lay out its weights");
    else if (take_room(device, &map, 0, &room))
        packed_rows(device, &map, rows, x, y, &room);
    onednn_product_free(laid.onednn);
}

/* Products in bf16 are of rows in bf16, however many there are: so a text's scores do not depend on its batch. */
static void round_rows(int64_t n, const real *x, real *rounded) {
    for (int64_t i = 0; i < n; i++) rounded[i] = bf16_to_float(bf16_from_float((float)x[i]));
}

static void multiply_borrowed(struct device *device, const struct linear *l, int64_t rows, dev_real x, dev_real y) {
    const struct cpu_weights *w = weights_of(l);
    int64_t tile = w->storage == STORAGE_REAL ? l->out : WEIGHT_ROWS, rounded = w->narrow ? rows * l->in : 0;
    dev_real weight = {(real *)(uintptr_t)w->rows};
    if (w->storage != STORAGE_REAL) weight.at = cpu_scratch(device, tile * l->in + rounded);
    if (rounded && weight.at) {
        round_rows(rounded, x.at, weight.at + tile * l->in);
        x.at = weight.at + tile * l->in;
    }
    for (int64_t o = 0; o < l->out && weight.at; o += tile) {
        int64_t n = l->out - o < tile ? l->out - o : tile;
        if (w->storage != STORAGE_REAL) weight_rows(device, w, w->rows, o, n, weight.at);
        struct gemm g = {.transpose_b = 1, .m = rows, .n = n, .k = l->in, .alpha = 1, .beta = l->accumulate ? 1 : 0};
        cpu_gemm(device, &g, (struct matrix){x, l->in}, (struct matrix){weight, l->in},
                 (struct matrix){dev_real_at(y, o), l->out});
    }
}

static int is_packed_anew(const struct linear *l, int64_t rows) {
    return rows >= LINEAR_ROWS && l->in * l->out <= MOST_PACKED_ANEW && l->in > 0 && !onednn_here(0);
}

/* A trained map l, with weights W[o, i] = weight[o out_step + i in_step]. */
static void pack_and_multiply(struct device *device, const struct linear *l, const real *weight, int64_t out_step,
                              int64_t in_step, int64_t rows, const real *x, real *y) {
    struct cpu_weights w = {.shape = {.in = l->in, .out = l->out}, .storage = STORAGE_REAL};
    struct linear map = *l;
    struct packed_room room;
    map.packed = &w.shape;
    if (!take_room(device, &map, row_product_room(l->in, l->out), &room)) return;
    w.panels = room.panels;
    row_product_lay(l->in, l->out, weight, out_step, in_step, room.panels);
    packed_rows(device, &map, rows, x, y, &room);
}

void cpu_linear(struct device *device, const struct linear *l, int64_t rows, dev_real x, dev_real y) {
    if (rows <= 0 || device->error[0]) return;
    int borrowed = l->packed && weights_of(l)->rows;
    if (borrowed && weights_of(l)->narrow && rows > FEW_ROWS) {
        multiply_narrow(device, l, rows, x.at, y.at);
        return;
    }
    if (l->packed && !borrowed) {
        struct packed_room room;
        if (take_room(device, l, 0, &room)) packed_rows(device, l, rows, x.at, y.at, &room);
        return;
    }
    if (!borrowed && is_packed_anew(l, rows)) {
        pack_and_multiply(device, l, l->weight.at, l->in, 1, rows, x.at, y.at);
        return;
    }
    struct gemm g = {.transpose_b = 1, .m = rows, .n = l->out, .k = l->in, .alpha = 1, .beta = l->accumulate ? 1 : 0};
    if (borrowed)
        multiply_borrowed(device, l, rows, x, y);
    else
        cpu_gemm(device, &g, (struct matrix){x, l->in}, (struct matrix){l->weight, l->in}, (struct matrix){y, l->out});
    if (!l->bias.at && l->f == ACTIVATION_NONE) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (rows * l->out > PARALLEL_MIN)
    for (int64_t r = 0; r < rows; r++) finish_row(l, l->bias.at, y.at + r * l->out, y.at + r * l->out);
}

/* ---- backward ---- */
/* dx = dy W, some outputs' share after the other. */
static void packed_dx(struct device *device, const struct linear *l, int64_t rows, dev_real dy, dev_real dx,
                      int accumulate) {
    const struct cpu_weights *w = weights_of(l);
    int64_t plain = w->onednn ? whole_lines(l->in * l->out * w->shape.weight_bytes / (int64_t)sizeof(real) + 1) : 0;
    real *scratch = cpu_scratch(device, plain + WEIGHT_ROWS * l->in);
    if (!scratch) return;
    if (w->onednn && onednn_product_unpack(w->onednn, scratch)) {
        snprintf(device->error, sizeof device->error, "oneDNN could not lay out its weights for the gradient");
        return;
    }
    dev_real weight = {scratch + plain};
    for (int64_t o = 0; o < l->out; o += WEIGHT_ROWS) {
        int64_t n = l->out - o < WEIGHT_ROWS ? l->out - o : WEIGHT_ROWS;
        weight_rows(device, w, w->rows ? w->rows : scratch, o, n, weight.at);
        struct gemm g = {.m = rows, .n = l->in, .k = n, .alpha = 1, .beta = accumulate || o > 0};
        cpu_gemm(device, &g, (struct matrix){dev_real_at(dy, o), l->out}, (struct matrix){weight, l->in},
                 (struct matrix){dx, l->in});
    }
}

void cpu_linear_backward(struct device *device, const struct linear *l, int64_t rows, dev_real x, dev_real dy,
                         struct linear_gradients to) {
    int64_t in = l->in, out = l->out;
    struct linear turned = {.in = out, .out = in, .accumulate = to.accumulate};
    struct gemm of_x = {.m = rows, .n = in, .k = out, .alpha = 1, .beta = to.accumulate ? 1 : 0};
    struct gemm of_weight = {.transpose_a = 1, .m = out, .n = in, .k = rows, .alpha = 1, .beta = 1};
    if (device->error[0]) return;
    if (to.dx.at && l->packed)
        packed_dx(device, l, rows, dy, to.dx, to.accumulate);
    else if (to.dx.at && is_packed_anew(&turned, rows))
        pack_and_multiply(device, &turned, l->weight.at, 1, in, rows, dy.at, to.dx.at);
    else if (to.dx.at)
        cpu_gemm(device, &of_x, (struct matrix){dy, out}, (struct matrix){l->weight, in}, (struct matrix){to.dx, in});
    if (to.dweight.at)
        cpu_gemm(device, &of_weight, (struct matrix){dy, out}, (struct matrix){x, in}, (struct matrix){to.dweight, in});
    if (to.dbias.at) cpu_sum_rows(device, rows, out, dy, to.dbias);
}
