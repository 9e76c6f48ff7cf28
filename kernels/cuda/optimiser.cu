/* Adam. Bound by memory: 28 bytes per float32 value (four read, three written). */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

struct adam_step {
    real beta1, beta2, one_minus_beta1, one_minus_beta2, epsilon, weight_decay;
    real scale, rate, correction, keep; /* from adam_constants */
};

static __device__ void update(struct adam_step s, real gradient, real *value, real *m, real *v) {
    real g = s.scale * gradient;
    *m = s.beta1 * *m + s.one_minus_beta1 * g;
    *v = s.beta2 * *v + s.one_minus_beta2 * g * g;
    *value = s.keep * *value - s.rate * *m / (sqrt(*v) * s.correction + s.epsilon);
}

static __global__ void adam_kernel(int64_t n, int64_t n_packs, struct adam_step s, const real *constants,
                                   const real *gradient, real *value, real *m, real *v) {
    s.scale = constants[ADAM_GRADIENT_SCALE];
    s.rate = constants[ADAM_CORRECTED_RATE];
    s.correction = constants[ADAM_CORRECTION];
    s.keep = 1 - constants[ADAM_RATE] * s.weight_decay;
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = thread; i < n_packs; i += stride) {
        struct pack g = ((const struct pack *)gradient)[i], p = ((struct pack *)value)[i], m4 = ((struct pack *)m)[i],
                    v4 = ((struct pack *)v)[i];
        for (int j = 0; j < PACK; j++) update(s, g.at[j], &p.at[j], &m4.at[j], &v4.at[j]);
        ((struct pack *)value)[i] = p;
        ((struct pack *)m)[i] = m4;
        ((struct pack *)v)[i] = v4;
    }
    for (int64_t i = n_packs * PACK + thread; i < n; i += stride) update(s, gradient[i], &value[i], &m[i], &v[i]);
}

extern "C" void cuda_adam(struct device *device, int64_t n, struct adam adam, dev_real constants, dev_real gradient,
                          struct adam_state state) {
    real *value = state.value.at, *m = state.m.at, *v = state.v.at;
    struct adam_step s = {};
    s.beta1 = (real)adam.beta1;
    s.beta2 = (real)adam.beta2;
    s.one_minus_beta1 = (real)(1 - adam.beta1);
    s.one_minus_beta2 = (real)(1 - adam.beta2);
    s.epsilon = (real)adam.epsilon;
    s.weight_decay = (real)adam.weight_decay;
    bool wide = is_aligned(gradient.at) && is_aligned(value) && is_aligned(m) && is_aligned(v);
    int64_t n_packs = wide ? n / PACK : 0;
    launch(device, "adam", adam_kernel, blocks_for(n_packs ? n_packs : n, ELEMENTWISE_THREADS), ELEMENTWISE_THREADS, 0,
           n, n_packs, s, constants.at, gradient.at, value, m, v);
}
