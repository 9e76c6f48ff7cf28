/* Adam, as in Kingma and Ba (2015), algorithm 1, with decoupled weight decay (Loshchilov and Hutter, 2019). */
#include "cpu/cpu.h"

void cpu_adam(struct device *device, int64_t n, struct adam adam, dev_real gradient, dev_real value, dev_real m,
              dev_real v) {
    if (device->error[0]) return;
    real b1 = (real)adam.beta1, b2 = (real)adam.beta2, scale = (real)adam.gradient_scale;
    real one_minus_b1 = (real)(1 - adam.beta1), one_minus_b2 = (real)(1 - adam.beta2);
    real rate = (real)(adam.rate / (1 - pow(adam.beta1, (double)adam.step)));
    real correction = (real)(1 / sqrt(1 - pow(adam.beta2, (double)adam.step))), epsilon = (real)adam.epsilon;
    real decay = (real)(1 - adam.rate * adam.weight_decay);
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        real g = scale * gradient.at[i];
        m.at[i] = b1 * m.at[i] + one_minus_b1 * g;
        v.at[i] = b2 * v.at[i] + one_minus_b2 * g * g;
        value.at[i] = decay * value.at[i] - rate * m.at[i] / (real_sqrt(v.at[i]) * correction + epsilon);
    }
}
