/* Rotary position embedding. Floor, in bytes per float32 value: 8. Angles are made in double, once for all heads of a row: at
 * position 100,000 float32 would leave three digits of them. */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

/* What the host works out for all rows: a power differs in its last digit from one library to the next, and at position 100,000 that
 * is five digits of the angle. */
enum { TURNS = 256 };
struct turns {
    double at[TURNS];
};

/* Columns first, first + 1, ... of each half of a head, `count` of them. */
static __global__ void rope_kernel(struct rope r, double sign, struct turns turns, int64_t first, int64_t count, real *x) {
    int64_t half = r.head_dim / 2;
    FOR_EACH_COLUMN(c, count) {
        double turn = r.frequency.at ? (double)r.frequency.at[first + c] : turns.at[c];
        FOR_EACH_ROW(i, r.rows) {
            double sine, cosine;
            sincos(sign * r.position.at[i] * turn, &sine, &cosine);
            for (int64_t h = 0; h < r.heads; h++) {
                real *at = x + i * r.ld + h * r.head_dim + first + c, a = at[0], b = at[half];
                at[0] = a * (real)cosine - b * (real)sine;
                at[half] = b * (real)cosine + a * (real)sine;
            }
        }
    }
}

extern "C" void cuda_rope(struct device *device, const struct rope *r, double sign, dev_real x) {
    int64_t half = r->head_dim / 2;
    for (int64_t first = 0; first < half; first += TURNS) {
        int64_t count = first + TURNS < half ? (int64_t)TURNS : half - first;
        struct turns turns = {};
        for (int64_t c = 0; c < count && !r->frequency.at; c++)
            turns.at[c] = pow(r->base, -2.0 * (double)(first + c) / (double)r->head_dim);
        struct shape s = shape_for(r->rows, count);
        launch(device, "rope", rope_kernel, s.blocks, s.threads, 0, *r, sign, turns, first, count, x.at);
    }
}
