/* Square and tall products; copies of a buffer far larger than caches, in longer and shorter rows. */
#include "bench/ceilings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "kernels.h"

struct shape {
    int64_t m, n, k; /* a copy: m rows of n values, k 0 */
    int adds;        /* a copy that adds to what is there */
};

/* A GPU needs larger products to be busy: tried there only, since CPU cores would take minutes. */
static const struct shape PRODUCTS[] = {
    {1024, 1024, 1024, 0}, {2048, 2048, 2048, 0}, {16384, 512, 512, 0}, {8192, 8192, 8192, 0}, {65536, 1024, 1024, 0}};
enum { PRODUCTS_ON_CORES = 3, N_PRODUCTS = sizeof PRODUCTS / sizeof *PRODUCTS };

/* CPU cores read a cache line before they overwrite it, which nobody counts; adding has no such hidden traffic. */
static const struct shape COPIES[] = {
    {1 << 18, 1 << 8, 0, 0}, {1 << 10, 1 << 16, 0, 0}, {1 << 4, 1 << 22, 0, 0}, {1 << 10, 1 << 16, 0, 1}};
enum { N_COPIES = sizeof COPIES / sizeof *COPIES };

struct operands {
    struct device *device;
    struct shape shape;
    dev_real a, b, c;
};

static int product(void *context) {
    struct operands *x = context;
    const struct shape *s = &x->shape;
    struct gemm g = {.transpose_b = 1, .m = s->m, .n = s->n, .k = s->k, .alpha = 1};
    x->device->run->gemm(x->device, &g, (struct matrix){x->a, s->k}, (struct matrix){x->b, s->k},
                         (struct matrix){x->c, s->n});
    return STATUS_OK;
}

static int copy(void *context) {
    struct operands *x = context;
    const struct shape *s = &x->shape;
    x->device->run->copy_matrix(x->device, s->m, s->n, (struct matrix){x->a, s->n}, (struct matrix){x->c, s->n},
                                s->adds);
    return STATUS_OK;
}

/* Measures one shape on new operands. */
static int measure_shape(const struct measure_options *o, struct shape s, struct measurement *m) {
    int is_copy = s.k == 0;
    int64_t a = is_copy ? s.m * s.n : s.m * s.k, b = s.n * s.k, c = s.m * s.n;
    struct operands x = {o->device, s, device_alloc_reals(o->device, a), device_alloc_reals(o->device, b),
                         device_alloc_reals(o->device, c)};
    int status = device_error(o->device) ? status_set(STATUS_FAILED, "%s", device_error(o->device)) : STATUS_OK;
    status = comm_agree(o->comm, status);
    if (status == STATUS_OK) {
        o->device->run->fill(o->device, a, 0.5, x.a);
        o->device->run->fill(o->device, b, 0.25, x.b);
        o->device->run->fill(o->device, c, 0, x.c);
        status = measure(o, is_copy ? copy : product, &x, m);
        m->flop_rate = m->flops / m->least;
        m->byte_rate = m->bytes / m->least;
    }
    device_free_reals(o->device, x.a);
    device_free_reals(o->device, x.b);
    device_free_reals(o->device, x.c);
    return status;
}

int ceilings_measure(const struct measure_options *o, struct ceilings *c) {
    int n = strcmp(o->device->name, "cpu") == 0 ? PRODUCTS_ON_CORES : N_PRODUCTS;
    struct measurement m;
    *c = (struct ceilings){0};
    for (int i = 0; i < n; i++) {
        const struct shape *s = &PRODUCTS[i];
        TRY(measure_shape(o, *s, &m));
        if (m.flop_rate <= c->gemm.flop_rate) continue;
        c->gemm = m;
        snprintf(c->gemm_shape, sizeof c->gemm_shape, "%" PRId64 " x %" PRId64 " x %" PRId64, s->m, s->n, s->k);
    }
    for (int i = 0; i < N_COPIES; i++) {
        const struct shape *s = &COPIES[i];
        TRY(measure_shape(o, *s, &m));
        if (m.byte_rate <= c->copy.byte_rate) continue;
        c->copy = m;
        snprintf(c->copy_shape, sizeof c->copy_shape, "%" PRId64 " x %" PRId64 "%s", s->m, s->n,
                 s->adds ? ", adding" : "");
    }
    return STATUS_OK;
}
