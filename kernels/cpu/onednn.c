/* oneDNN's C interface, version 2. It runs on one thread: inside a parallel region it always does, and outside it takes
 * OpenMP's default, which device_open_cpu has set to one. */
#include "cpu/onednn.h"

#if defined(MEDTOK_ONEDNN) && !defined(MEDTOK_REAL_DOUBLE)
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

struct onednn_product {
    int64_t rows, in;
    int bf16;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t weight, bias;
    dnnl_memory_desc_t x, y, scratch;
    size_t x_bytes, scratch_bytes; /* x_bytes: room for x in bf16 */
};

int onednn_here(int bf16) {
    unsigned have = (unsigned)dnnl_get_effective_cpu_isa(),
             wanted = bf16 ? dnnl_cpu_isa_avx512_core_bf16 : dnnl_cpu_isa_avx512_core;
    return (have & wanted) == wanted;
}

int onednn_gemm(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc) {
    if (!onednn_here(0)) return 0;
    return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) ==
           dnnl_success;
}

/* Round to nearest even, as the hardware does; NaN stays NaN. */
static uint16_t bf16_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(value != value ? bits >> 16 | 0x40 : rounded);
}

static void to_bf16(const float *from, int64_t n, uint16_t *to) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = bf16_bits(from[i]);
}

void onednn_product_free(struct onednn_product *p) {
    if (!p) return;
    if (p->weight) dnnl_memory_destroy(p->weight);
    if (p->bias) dnnl_memory_destroy(p->bias);
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p);
}

/* Reorders W [out,in] (a matrix [in,out] with columns contiguous) into the layout that the primitive wants. */
static int pack(struct onednn_product *p, int64_t in, int64_t out, const void *weight,
                const dnnl_memory_desc_t *wanted) {
    dnnl_memory_desc_t plain;
    dnnl_dims_t dims = {in, out};
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    int bad = dnnl_memory_desc_init_by_tag(&plain, 2, dims, p->bf16 ? dnnl_bf16 : dnnl_f32, dnnl_ba) ||
              dnnl_memory_create(&from, &plain, p->engine, (void *)(uintptr_t)weight) ||
              dnnl_memory_create(&p->weight, wanted, p->engine, DNNL_MEMORY_ALLOCATE) ||
              dnnl_reorder_primitive_desc_create(&desc, &plain, p->engine, wanted, p->engine, NULL) ||
              dnnl_primitive_create(&reorder, desc);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, p->weight}};
    bad = bad || dnnl_primitive_execute(reorder, p->stream, 2, args) || dnnl_stream_wait(p->stream);
    if (reorder) dnnl_primitive_destroy(reorder);
    if (desc) dnnl_primitive_desc_destroy(desc);
    if (from) dnnl_memory_destroy(from);
    return bad;
}

static int copy_bias(struct onednn_product *p, const dnnl_memory_desc_t *desc, const float *bias) {
    void *to;
    if (dnnl_memory_create(&p->bias, desc, p->engine, DNNL_MEMORY_ALLOCATE) ||
        dnnl_memory_get_data_handle(p->bias, &to))
        return 1;
    memcpy(to, bias, dnnl_memory_desc_get_size(desc));
    return 0;
}

static int make_primitive(struct onednn_product *p, int64_t in, int64_t out, const void *weight, const float *bias) {
    dnnl_data_type_t type = p->bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t x = {p->rows, in}, w = {in, out}, y = {p->rows, out}, b = {1, out};
    dnnl_memory_desc_t any, along;
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    int bad = dnnl_engine_create(&p->engine, dnnl_cpu, 0) ||
              dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) ||
              dnnl_memory_desc_init_by_tag(&p->x, 2, x, type, dnnl_ab) ||
              dnnl_memory_desc_init_by_tag(&any, 2, w, type, dnnl_format_tag_any) ||
              dnnl_memory_desc_init_by_tag(&p->y, 2, y, dnnl_f32, dnnl_ab) ||
              dnnl_memory_desc_init_by_tag(&along, 2, b, dnnl_f32, dnnl_ab) ||
              dnnl_matmul_desc_init(&matmul, &p->x, &any, &along, &p->y) || dnnl_primitive_attr_create(&attr) ||
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) ||
              dnnl_primitive_desc_create(&desc, &matmul, attr, p->engine, NULL) ||
              dnnl_primitive_create(&p->primitive, desc);
    if (!bad) {
        p->scratch = *dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
        p->scratch_bytes = dnnl_memory_desc_get_size(&p->scratch);
        p->x_bytes = p->bf16 ? ((size_t)(p->rows * in) * 2 + 63) / 64 * 64 : 0;
        bad = copy_bias(p, &along, bias) ||
              pack(p, in, out, weight, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0));
    }
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return bad;
}

struct onednn_product *onednn_product_make(int64_t rows, int64_t in, int64_t out, const real *weight, const real *bias,
                                           int bf16) {
    struct onednn_product *p = calloc(1, sizeof *p);
    uint16_t *half = bf16 ? malloc((size_t)(in * out) * sizeof *half) : NULL;
    int bad = !p || (bf16 && !half);
    if (!bad) {
        *p = (struct onednn_product){.rows = rows, .in = in, .bf16 = bf16};
        if (bf16) to_bf16(weight, in * out, half);
        bad = make_primitive(p, in, out, bf16 ? (const void *)half : (const void *)weight, bias);
    }
    free(half);
    if (!bad) return p;
    onednn_product_free(p);
    return NULL;
}

size_t onednn_product_scratch(const struct onednn_product *p) { return p ? p->x_bytes + p->scratch_bytes : 0; }

int onednn_product_run(const struct onednn_product *p, const real *x, real *y, void *scratch) {
    dnnl_memory_t from = NULL, to = NULL, room = NULL;
    if (p->bf16) to_bf16(x, p->rows * p->in, scratch);
    int bad = dnnl_memory_create(&from, &p->x, p->engine, p->bf16 ? scratch : (void *)(uintptr_t)x) ||
              dnnl_memory_create(&to, &p->y, p->engine, y) ||
              dnnl_memory_create(&room, &p->scratch, p->engine, (char *)scratch + p->x_bytes);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_BIAS, p->bias},
                              {DNNL_ARG_SRC, from},
                              {DNNL_ARG_WEIGHTS, p->weight},
                              {DNNL_ARG_DST, to},
                              {DNNL_ARG_SCRATCHPAD, room}};
    bad = bad || dnnl_primitive_execute(p->primitive, p->stream, 5, args);
    if (from) dnnl_memory_destroy(from);
    if (to) dnnl_memory_destroy(to);
    if (room) dnnl_memory_destroy(room);
    return bad ? -1 : 0;
}

#else
int onednn_here(int bf16) { return bf16 & 0; }
int onednn_gemm(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
                int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc) {
    (void)transpose_a, (void)transpose_b, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b,
        (void)ldb;
    (void)beta, (void)c, (void)ldc;
    return 0;
}
struct onednn_product *onednn_product_make(int64_t rows, int64_t in, int64_t out, const real *weight, const real *bias,
                                           int bf16) {
    (void)rows, (void)in, (void)out, (void)weight, (void)bias, (void)bf16;
    return NULL;
}
void onednn_product_free(struct onednn_product *product) { (void)product; }
size_t onednn_product_scratch(const struct onednn_product *product) { return product ? 1 : 0; }
int onednn_product_run(const struct onednn_product *product, const real *x, real *y, void *scratch) {
    (void)product, (void)x, (void)y, (void)scratch;
    return -1;
}
#endif
