/* oneDNN's C interface, version 2. It runs on one thread: inside a parallel region it always does, and outside it takes
 * OpenMP's default, which device_open_cpu has set to one. */
#include "cpu/onednn.h"

#if defined(MEDTOK_ONEDNN) && !defined(MEDTOK_REAL_DOUBLE)
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

#include "bf16.h"

struct onednn_product {
    struct onednn_shape shape;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t weight;
    float *no_bias; /* [out] zeros */
    dnnl_memory_desc_t x, y, bias, scratch;
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

static void to_bf16(const float *from, int64_t n, uint16_t *to) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = bf16_from_float(from[i]);
}

void onednn_product_free(struct onednn_product *p) {
    if (!p) return;
    if (p->weight) dnnl_memory_destroy(p->weight);
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p->no_bias);
    free(p);
}

/* W's rows [out,in] in memory: a matrix [in,out] with columns contiguous. */
static int plain_weight(const struct onednn_product *p, void *weight, dnnl_memory_t *memory) {
    dnnl_memory_desc_t plain;
    dnnl_dims_t dims = {p->shape.in, p->shape.out};
    return dnnl_memory_desc_init_by_tag(&plain, 2, dims, p->shape.narrow ? dnnl_bf16 : dnnl_f32, dnnl_ba) ||
           dnnl_memory_create(memory, &plain, p->engine, weight);
}

/* Copies a matrix into another layout. */
static int reorder(const struct onednn_product *p, dnnl_memory_t from, dnnl_memory_t to) {
    const dnnl_memory_desc_t *of_from, *of_to;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t copy = NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    int bad = dnnl_memory_get_memory_desc(from, &of_from) || dnnl_memory_get_memory_desc(to, &of_to) ||
              dnnl_reorder_primitive_desc_create(&desc, of_from, p->engine, of_to, p->engine, NULL) ||
              dnnl_primitive_create(&copy, desc) || dnnl_primitive_execute(copy, p->stream, 2, args) ||
              dnnl_stream_wait(p->stream);
    if (copy) dnnl_primitive_destroy(copy);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return bad;
}

/* Reorders W's rows into the layout that the primitive wants. */
static int pack(struct onednn_product *p, const void *weight, const dnnl_memory_desc_t *wanted) {
    dnnl_memory_t from = NULL;
    int bad = plain_weight(p, (void *)(uintptr_t)weight, &from) ||
              dnnl_memory_create(&p->weight, wanted, p->engine, DNNL_MEMORY_ALLOCATE) || reorder(p, from, p->weight);
    if (from) dnnl_memory_destroy(from);
    return bad;
}

int onednn_product_unpack(const struct onednn_product *p, void *weight) {
    dnnl_memory_t to = NULL;
    int bad = plain_weight(p, weight, &to) || reorder(p, p->weight, to);
    if (to) dnnl_memory_destroy(to);
    return bad ? -1 : 0;
}

static int make_primitive(struct onednn_product *p, const void *weight) {
    const struct onednn_shape *s = &p->shape;
    dnnl_data_type_t type = s->narrow ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t x = {s->rows, s->in}, w = {s->in, s->out}, y = {s->rows, s->out}, b = {1, s->out};
    dnnl_memory_desc_t any;
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    int bad = dnnl_engine_create(&p->engine, dnnl_cpu, 0) ||
              dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) ||
              dnnl_memory_desc_init_by_tag(&p->x, 2, x, type, dnnl_ab) ||
              dnnl_memory_desc_init_by_tag(&any, 2, w, type, dnnl_format_tag_any) ||
              dnnl_memory_desc_init_by_tag(&p->y, 2, y, dnnl_f32, dnnl_ab) ||
              dnnl_memory_desc_init_by_tag(&p->bias, 2, b, dnnl_f32, dnnl_ab) ||
              dnnl_matmul_desc_init(&matmul, &p->x, &any, &p->bias, &p->y) || dnnl_primitive_attr_create(&attr) ||
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) ||
              dnnl_primitive_desc_create(&desc, &matmul, attr, p->engine, NULL) ||
              dnnl_primitive_create(&p->primitive, desc);
    if (!bad) {
        p->scratch = *dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
        p->scratch_bytes = dnnl_memory_desc_get_size(&p->scratch);
        p->x_bytes = s->narrow ? ((size_t)(s->rows * s->in) * 2 + 63) / 64 * 64 : 0;
        bad = pack(p, weight, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0));
    }
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return bad;
}

struct onednn_product *onednn_product_make(struct onednn_shape shape, const void *weight, enum storage storage) {
    struct onednn_product *p = calloc(1, sizeof *p);
    int64_t size = shape.in * shape.out;
    int rounds = shape.narrow && storage == STORAGE_REAL;
    uint16_t *rounded = rounds ? malloc((size_t)size * sizeof *rounded) : NULL;
    int bad = !p || (rounds && !rounded);
    if (!bad) {
        *p = (struct onednn_product){.shape = shape, .no_bias = calloc((size_t)shape.out, sizeof(float))};
        if (rounds) to_bf16(weight, size, rounded);
        bad = !p->no_bias || make_primitive(p, rounds ? rounded : weight);
    }
    free(rounded);
    if (!bad) return p;
    onednn_product_free(p);
    return NULL;
}

size_t onednn_product_scratch(const struct onednn_product *p) { return p ? p->x_bytes + p->scratch_bytes : 0; }

int onednn_product_run(const struct onednn_product *p, const real *x, const real *bias, real *y, void *scratch) {
    dnnl_memory_t from = NULL, added = NULL, to = NULL, room = NULL;
    const float *b = bias ? bias : p->no_bias;
    if (p->shape.narrow) to_bf16(x, p->shape.rows * p->shape.in, scratch);
    int bad = dnnl_memory_create(&from, &p->x, p->engine, p->shape.narrow ? scratch : (void *)(uintptr_t)x) ||
              dnnl_memory_create(&added, &p->bias, p->engine, (void *)(uintptr_t)b) ||
              dnnl_memory_create(&to, &p->y, p->engine, y) ||
              dnnl_memory_create(&room, &p->scratch, p->engine, (char *)scratch + p->x_bytes);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_BIAS, added},
                              {DNNL_ARG_SRC, from},
                              {DNNL_ARG_WEIGHTS, p->weight},
                              {DNNL_ARG_DST, to},
                              {DNNL_ARG_SCRATCHPAD, room}};
    bad = bad || dnnl_primitive_execute(p->primitive, p->stream, 5, args);
    if (from) dnnl_memory_destroy(from);
    if (added) dnnl_memory_destroy(added);
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
struct onednn_product *onednn_product_make(struct onednn_shape shape, const void *weight, enum storage storage) {
    (void)shape, (void)weight, (void)storage;
    return NULL;
}
void onednn_product_free(struct onednn_product *product) { (void)product; }
size_t onednn_product_scratch(const struct onednn_product *product) { return product ? 1 : 0; }
int onednn_product_run(const struct onednn_product *product, const real *x, const real *bias, real *y, void *scratch) {
    (void)product, (void)x, (void)bias, (void)y, (void)scratch;
    return -1;
}
int onednn_product_unpack(const struct onednn_product *product, void *weight) {
    (void)product, (void)weight;
    return -1;
}
#endif
