/* Rotary position embedding. Floor, in bytes per float32 value: 8. Angles are made in double, once for all heads of a row: at
 * position 100,000 float32 would leave three digits of them. */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

static __global__ void rope_kernel(struct rope r, double sign, real *x) {
    int64_t half = r.head_dim / 2;
    FOR_EACH_COLUMN(c, half) {
        double turn =
            r.frequency.at ? (double)r.frequency.at[c] : pow(r.base, -2.0 * (double)c / (double)r.head_dim);
        FOR_EACH_ROW(i, r.rows) {
            double sine, cosine;
            sincos(sign * r.position.at[i] * turn, &sine, &cosine);
            for (int64_t h = 0; h < r.heads; h++) {
                real *at = x + i * r.ld + h * r.head_dim + c, a = at[0], b = at[half];
                at[0] = a * (real)cosine - b * (real)sine;
                at[half] = b * (real)cosine + a * (real)sine;
            }
        }
    }
}

extern "C" void cuda_rope(struct device *device, const struct rope *r, double sign, dev_real x) {
    struct shape s = shape_for(r->rows, r->head_dim / 2);
    launch(device, "rope", rope_kernel, s.blocks, s.threads, 0, *r, sign, x.at);
}
