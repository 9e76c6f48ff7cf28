/* The CUDA backend's functions, with the meaning that kernels.h gives them; primitives.c fills them into the table. C,
 * so that the table can name its entries; the functions themselves are in the .cu files. */
#ifndef MEDTOK_KERNELS_CUDA_PRIMITIVES_H
#define MEDTOK_KERNELS_CUDA_PRIMITIVES_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct kernels CUDA_KERNELS;

#define PRIMITIVE(name, cost, arguments) void cuda_##name(struct device *PARAMETERS(arguments));
#define ENTRY(result, name, parameters)  result cuda_##name parameters;
#include "list.h"

#ifdef __cplusplus
}
#endif

#endif
