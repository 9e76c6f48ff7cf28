/* The backward of the rotation trick, a warp for each row. Bound by memory: 20 bytes per float32 value; second readings of a row
 * come from the L1 cache.
 */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"

static __device__ inline real at_least(real norm) { return norm <= (real)1e-12 ? (real)1e-12 : norm; /* a NaN stays */ }

/* As cpu/rotation.c: s = z/|z| + q/|q| is made twice, not kept. */
static __global__ void rotate_backward_kernel(int64_t n, int64_t dim, const real *z, const real *q, const real *dq,
                                              real *dz) {
    int lane = threadIdx.x % WARP;
    FOR_EACH_WARP_ROW(r, n) {
        const real *from = z + r * dim, *to = q + r * dim, *g = dq + r * dim;
        real square_z = 0, square_q = 0, square_s = 0, along_s = 0, along_q = 0;
        for (int64_t c = lane; c < dim; c += WARP) {
            square_z += from[c] * from[c];
            square_q += to[c] * to[c];
        }
        real length_q = sqrt(warp_sum(square_q));
        real of_z = 1 / at_least(sqrt(warp_sum(square_z))), of_q = 1 / at_least(length_q);
        for (int64_t c = lane; c < dim; c += WARP) {
            real s = of_z * from[c] + of_q * to[c];
            square_s += s * s;
            along_s += s * g[c];
            along_q += of_q * to[c] * g[c];
        }
        real length_s = at_least(sqrt(warp_sum(square_s)));
        real h = 2 * warp_sum(along_s) / (length_s * length_s), scale = length_q * of_z;
        along_q = warp_sum(along_q);
        for (int64_t c = lane; c < dim; c += WARP)
            dz[r * dim + c] += scale * (g[c] - h * (of_z * from[c] + of_q * to[c]) + 2 * along_q * of_z * from[c]);
    }
}

extern "C" void cuda_rotate_backward(struct device *device, int64_t n, int64_t dim, dev_real z, dev_real q, dev_real dq,
                                     dev_real dz) {
    launch(device, "rotate_backward", rotate_backward_kernel, row_blocks(n), ROW_WARPS * WARP, 0, n, dim, z.at, q.at,
           dq.at, dz.at);
}
