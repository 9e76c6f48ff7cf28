/* Adam. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

void cpu_adam(struct device *device, int64_t n, struct adam adam, dev_real constants, dev_real gradient,
              struct adam_state state) {
    if (device->error[0]) return;
    real *value = state.value.at, *m = state.m.at, *v = state.v.at;
    real b1 = (real)adam.beta1, b2 = (real)adam.beta2, epsilon = (real)adam.epsilon;
    real one_minus_b1 = (real)(1 - adam.beta1), one_minus_b2 = (real)(1 - adam.beta2);
    real scale = constants.at[ADAM_GRADIENT_SCALE], rate = constants.at[ADAM_CORRECTED_RATE],
         correction = constants.at[ADAM_CORRECTION];
    real keep = 1 - constants.at[ADAM_RATE] * (real)adam.weight_decay;
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        real g = scale * gradient.at[i];
        m[i] = b1 * m[i] + one_minus_b1 * g;
        v[i] = b2 * v[i] + one_minus_b2 * g * g;
        value[i] = keep * value[i] - rate * m[i] / (real_sqrt(v[i]) * correction + epsilon);
    }
}
