/* Adam. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

void cpu_adam(struct device *device, int64_t n, struct adam adam, dev_real constants, dev_real gradient, dev_real value,
              dev_real m, dev_real v) {
    if (device->error[0]) return;
    real b1 = (real)adam.beta1, b2 = (real)adam.beta2, epsilon = (real)adam.epsilon;
    real one_minus_b1 = (real)(1 - adam.beta1), one_minus_b2 = (real)(1 - adam.beta2);
    real scale = constants.at[ADAM_GRADIENT_SCALE], rate = constants.at[ADAM_CORRECTED_RATE],
         correction = constants.at[ADAM_CORRECTION];
    real keep = 1 - constants.at[ADAM_RATE] * (real)adam.weight_decay;
#pragma omp parallel for simd num_threads(cpu_threads(device)) if (n > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        real g = scale * gradient.at[i];
        m.at[i] = b1 * m.at[i] + one_minus_b1 * g;
        v.at[i] = b2 * v.at[i] + one_minus_b2 * g * g;
        value.at[i] = keep * value.at[i] - rate * m.at[i] / (real_sqrt(v.at[i]) * correction + epsilon);
    }
}

/* Moments of a row that was not touched for k steps have had k - 1 gradients of zero, which only shrink them: by beta^k
 * in all. */
void cpu_adam_rows(struct device *device, const struct adam_rows *a) {
    if (device->error[0]) return;
    double log_b1 = log(a->adam.beta1), log_b2 = log(a->adam.beta2), step = (double)a->constants.at[ADAM_STEP];
    real epsilon = (real)a->adam.epsilon, one_minus_b1 = (real)(1 - a->adam.beta1);
    real one_minus_b2 = (real)(1 - a->adam.beta2);
    real scale = a->constants.at[ADAM_GRADIENT_SCALE], rate = a->constants.at[ADAM_CORRECTED_RATE];
    real correction = a->constants.at[ADAM_CORRECTION],
         keep = 1 - a->constants.at[ADAM_RATE] * (real)a->adam.weight_decay;
#pragma omp parallel for num_threads(cpu_threads(device)) if (a->n * a->cols > PARALLEL_MIN)
    for (int64_t i = 0; i < a->n; i++) {
        int64_t row = a->index.at[i];
        if (row < 0) continue;
        double steps = step - a->last.at[row];
        real keep_m = real_exp((real)(steps * log_b1)), keep_v = real_exp((real)(steps * log_b2));
        const real *gradient = a->gradient.at + i * a->cols;
        real *value = a->value.at + row * a->cols, *m = a->m.at + row * a->cols, *v = a->v.at + row * a->cols;
#pragma omp simd
        for (int64_t c = 0; c < a->cols; c++) {
            real g = scale * gradient[c];
            m[c] = keep_m * m[c] + one_minus_b1 * g;
            v[c] = keep_v * v[c] + one_minus_b2 * g * g;
            value[c] = keep * value[c] - rate * m[c] / (real_sqrt(v[c]) * correction + epsilon);
        }
        a->last.at[row] = (int32_t)step;
    }
}
