/* Activations and gated units, value by value. */
#include "cpu/activation.h"

/* Values that a thread takes at a time; more than a parallel region of fewer would be worth. */
enum { BLOCK = 1 << 14 };

static int64_t block_size(int64_t first, int64_t n) { return n - first < BLOCK ? n - first : BLOCK; }

WIDE_VECTORS void activate_row(enum activation f, int64_t n, const real *x, real *y) {
#define ROW(F)                                                                                                         \
    case F: _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = activation_value(F, x[i]); break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

WIDE_VECTORS static void gradient_row(enum activation f, int64_t n, const real *v, const real *dy, real *dx) {
#define ROW(F)                                                                                                         \
    case F: _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = activation_gradient(F, v[i], dy[i]); break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

WIDE_VECTORS static void add_gradient_row(enum activation f, int64_t n, const real *v, const real *dy, real *dx) {
#define ROW(F)                                                                                                         \
    case F: _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] += activation_gradient(F, v[i], dy[i]); break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

void cpu_activate(struct device *device, enum activation f, int64_t n, dev_real x, dev_real y) {
    if (device->error[0] || (f == ACTIVATION_NONE && x.at == y.at)) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t first = 0; first < n; first += BLOCK)
        activate_row(f, block_size(first, n), x.at + first, y.at + first);
}

void cpu_activate_backward(struct device *device, enum activation f, int64_t n, dev_real v, dev_real dy, dev_real dx,
                           int accumulate) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t first = 0; first < n; first += BLOCK)
        (accumulate ? add_gradient_row : gradient_row)(f, block_size(first, n), v.at + first, dy.at + first,
                                                       dx.at + first);
}

/* ---- y = f(gate) up ---- */
WIDE_VECTORS static void glu_row(enum activation f, int64_t n, const real *gate, const real *up, real *y) {
#define ROW(F)                                                                                                         \
    case F: _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = activation_value(F, gate[i]) * up[i]; break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

void cpu_glu(struct device *device, const struct glu *g, dev_real y) {
    if (device->error[0]) return;
    int64_t n = g->n;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t first = 0; first < n; first += BLOCK)
        glu_row(g->f, block_size(first, n), g->gate.at + first, g->up.at + first, y.at + first);
}

/* dup and dgate, where they are wanted: (keep 0 or 1) d = keep d + the gradient. */
WIDE_VECTORS static void dup_row(enum activation f, int64_t n, const real *gate, const real *dy, int keep, real *dup) {
#define ROW(F)                                                                                                         \
    case F:                                                                                                            \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dup[i] =                                                   \
            (keep ? dup[i] : 0) + activation_value(F, gate[i]) * dy[i];                                                \
        break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

WIDE_VECTORS static void dgate_row(enum activation f, int64_t n, const real *gate, const real *up, const real *dy,
                                   int keep, real *dgate) {
#define ROW(F)                                                                                                         \
    case F:                                                                                                            \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                                          \
            real v = activation_from_output(F) ? activation_value(F, gate[i]) : gate[i];                               \
            dgate[i] = (keep ? dgate[i] : 0) + activation_gradient(F, v, dy[i] * up[i]);                               \
        }                                                                                                              \
        break;
    switch (f) {
        FOR_EACH_ACTIVATION(ROW)
        default: break;
    }
#undef ROW
}

void cpu_glu_backward(struct device *device, const struct glu *g, dev_real dy, struct glu_gradients to) {
    if (device->error[0]) return;
    int64_t n = g->n;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t size = block_size(first, n);
        const real *gate = g->gate.at + first, *slope = dy.at + first;
        if (to.dup.at) dup_row(g->f, size, gate, slope, to.accumulate, to.dup.at + first);
        if (to.dgate.at) dgate_row(g->f, size, gate, g->up.at + first, slope, to.accumulate, to.dgate.at + first);
    }
}
