/* The table of a CUDA backend that has what test_opening calls, and no more: compiled with the sanitizers, the whole backend takes
 * most of a minute. */
#include "cuda/primitives.h"

const struct kernels CUDA_KERNELS = {
    .fill = cuda_fill, .linear_pack = cuda_linear_pack, .linear_free = cuda_linear_free};
