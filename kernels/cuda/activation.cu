/* Activations and gated units: one pass over memory. Floors, in bytes per float32 value: activate 8, its backward 12 (16 when it
 * adds), glu 12, its backward 20 (28 when it adds).
 */
#include "cuda/activation.cuh"
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

template <int F>
struct activate_op {
    enum { INPUTS = 1, KEEPS = 0 };
    __device__ real operator()(real x, real, real) const { return activation_value((enum activation)F, x); }
};

template <int F, int ADDS>
struct activate_backward_op {
    enum { INPUTS = 2, KEEPS = ADDS };
    __device__ real operator()(real v, real dy, real before) const {
        real g = activation_gradient((enum activation)F, v, dy);
        return ADDS ? before + g : g;
    }
};

extern "C" void cuda_activate(struct device *device, enum activation f, int64_t n, dev_real x, dev_real y) {
    if (f == ACTIVATION_NONE && x.at == y.at) return;
#define ACTIVATE(F)                                                                                                    \
    case F: elementwise(device, "activate", activate_op<F>{}, n, x.at, NULL, y.at); break;
    switch (f) {
        FOR_EACH_ACTIVATION(ACTIVATE)
        default: break;
    }
#undef ACTIVATE
}

template <int ADDS>
static void activate_backward(struct device *device, enum activation f, int64_t n, const real *v, const real *dy,
                              real *dx) {
#define GRADIENT(F)                                                                                                    \
    case F: elementwise(device, "activate_backward", activate_backward_op<F, ADDS>{}, n, v, dy, dx); break;
    switch (f) {
        FOR_EACH_ACTIVATION(GRADIENT)
        default: break;
    }
#undef GRADIENT
}

extern "C" void cuda_activate_backward(struct device *device, enum activation f, int64_t n, dev_real v, dev_real dy,
                                       dev_real dx, int accumulate) {
    (accumulate ? activate_backward<1> : activate_backward<0>)(device, f, n, v.at, dy.at, dx.at);
}

/* ---- y = f(gate) up ---- */
template <int F>
static __device__ inline real gradient_of_gate(real gate, real dy) {
    const enum activation f = (enum activation)F;
    return activation_gradient(f, activation_from_output(f) ? activation_value(f, gate) : gate, dy);
}

template <int F>
struct glu_op {
    enum { INPUTS = 2, KEEPS = 0 };
    __device__ real operator()(real gate, real up, real) const { return activation_value((enum activation)F, gate) * up; }
};

/* dgate, dup may be NULL; keep: they are added to. */
template <int F>
static __global__ void glu_backward_kernel(int64_t n, const real *gate, const real *up, const real *dy, real *dgate,
                                           real *dup, int keep) {
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = thread; i < n; i += stride) {
        real g = gate[i], slope = dy[i];
        if (dup) dup[i] = (keep ? dup[i] : 0) + activation_value((enum activation)F, g) * slope;
        if (dgate) dgate[i] = (keep ? dgate[i] : 0) + gradient_of_gate<F>(g, slope * up[i]);
    }
}

extern "C" void cuda_glu(struct device *device, const struct glu *g, dev_real y) {
#define GLU(F)                                                                                                         \
    case F: elementwise(device, "glu", glu_op<F>{}, g->n, g->gate.at, g->up.at, y.at); break;
    switch (g->f) {
        FOR_EACH_ACTIVATION(GLU)
        default: break;
    }
#undef GLU
}

extern "C" void cuda_glu_backward(struct device *device, const struct glu *g, dev_real dy, struct glu_gradients to) {
#define GLU(F)                                                                                                         \
    case F:                                                                                                            \
        launch(device, "glu_backward", glu_backward_kernel<F>, blocks_for(g->n, ELEMENTWISE_THREADS),                  \
               ELEMENTWISE_THREADS, 0, g->n, g->gate.at, g->up.at, dy.at, to.dgate.at, to.dup.at, to.accumulate);      \
        break;
    switch (g->f) {
        FOR_EACH_ACTIVATION(GLU)
        default: break;
    }
#undef GLU
}
