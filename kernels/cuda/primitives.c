/* The table of the CUDA backend. */
#include "cuda/primitives.h"

/* A primitive that this backend lacks is said to be NULL here: #define cuda_NAME NULL */
const struct kernels CUDA_KERNELS = {
#define PRIMITIVE(name, cost, arguments) .name = cuda_##name,
#define ENTRY(result, name, parameters)  .name = cuda_##name,
#include "list.h"
};
