/* Rotary position embedding. Angles are made in double: at position 100,000 float32 would leave three digits of them. */
#include "cpu/cpu.h"
#include "cpu/vector_math.h"

enum { PAIRS = 64 }; /* whose sines are held at a time */

/* By how much pair c turns a position. */
static double turn(const struct rope *r, int64_t c) {
    return r->frequency.at ? (double)r->frequency.at[c] : pow(r->base, -2.0 * (double)c / (double)r->head_dim);
}

/* Turns `count` pairs of one head, x[c] and x[c + half]. */
static void turn_pairs(int64_t count, int64_t half, const real *cosine, const real *sine, real *x) {
#pragma omp simd
    for (int64_t c = 0; c < count; c++) {
        real a = x[c], b = x[c + half];
        x[c] = a * cosine[c] - b * sine[c];
        x[c + half] = b * cosine[c] + a * sine[c];
    }
}

void cpu_rope(struct device *device, const struct rope *r, double sign, dev_real x) {
    int64_t half = r->head_dim / 2;
    if (r->rows <= 0 || half <= 0 || device->error[0]) return;
    double *turns = (double *)cpu_scratch(device, half * (int64_t)(sizeof(double) / sizeof(real)));
    if (!turns) return;
    for (int64_t c = 0; c < half; c++) turns[c] = sign * turn(r, c);
#pragma omp parallel for num_threads(cpu_threads(device)) if (r->rows * r->heads * half > PARALLEL_MIN)
    for (int64_t i = 0; i < r->rows; i++) {
        real cosine[PAIRS], sine[PAIRS];
        for (int64_t first = 0; first < half; first += PAIRS) {
            int64_t count = first + PAIRS < half ? PAIRS : half - first;
#pragma omp simd
            for (int64_t c = 0; c < count; c++)
                real_sine_cosine(r->position.at[i] * turns[first + c], &sine[c], &cosine[c]);
            for (int64_t h = 0; h < r->heads; h++)
                turn_pairs(count, half, cosine, sine, x.at + i * r->ld + h * r->head_dim + first);
        }
    }
}
