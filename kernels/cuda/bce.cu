/* Binary cross-entropy of independent labels. Floor, in bytes per float32 logit: 8 for the value alone, 16 with the
 * gradient. The value is summed in double: blocks leave partial sums in scratch, and one adds these. */
#include "cuda/elementwise.cuh"
#include "cuda/primitives.h"
#include "cuda/loss_sum.cuh"

enum { MOST_BLOCKS = 512 };

static __global__ void bce_kernel(struct bce b, int64_t n, real *dx, double *partial) {
    __shared__ double room[ELEMENTWISE_THREADS / WARP];
    int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (int64_t)gridDim.x * blockDim.x;
    double sum = 0;
    for (int64_t i = thread; i < n; i += stride) {
        int32_t y = b.y.at[i];
        if (y < 0) continue;
        real x = b.x.at[i], truth = y > 0, w = truth && b.positive_weights.at ? b.positive_weights.at[i % b.labels] : 1;
        real small = exp(x < 0 ? x : -x), share = (x < 0 ? small : 1) / (1 + small); /* the sigmoid */
        sum += (double)(w * ((x < 0 ? 0 : x) - truth * x + log1p(small)));
        if (dx) dx[i] += (real)b.weight * w * (share - truth);
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

extern "C" void cuda_bce(struct device *device, const struct bce *b, dev_real loss, dev_real dx) {
    int64_t n = b->rows * b->labels;
    if (n <= 0) return;
    unsigned blocks = blocks_for(n, ELEMENTWISE_THREADS, MOST_BLOCKS);
    double *partial = (double *)cuda_scratch(device, MOST_BLOCKS * (int64_t)(sizeof(double) / sizeof(real)));
    if (!partial) return;
    launch(device, "bce", bce_kernel, blocks, ELEMENTWISE_THREADS, 0, *b, n, dx.at, partial);
    if (loss.at) add_sum(device, "bce", (int64_t)blocks, (const double *)partial, b->weight, loss.at);
}
