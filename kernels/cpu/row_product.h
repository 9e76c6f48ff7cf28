/* y = x W^T, each row summed in one order wherever it stands and whatever stands beside it. OpenBLAS does not promise that: its
 * kernels for AVX2 sum six rows of every twelve otherwise than the rest. For processors on which oneDNN's product is not used. */
#ifndef MEDTOK_KERNELS_CPU_ROW_PRODUCT_H
#define MEDTOK_KERNELS_CPU_ROW_PRODUCT_H

#include "real.h"

#include <stdint.h>

/* W [out, in] in panels of some outputs [in][outputs of a panel], the last filled up with zeros. Owned by the caller: free().
 * NULL: out of memory. */
real *row_product_pack(int64_t in, int64_t out, const real *weight);

/* y [rows, out] from x [rows, in], on the calling thread. */
void row_product(int64_t rows, int64_t in, int64_t out, const real *x, const real *packed, real *y);

#endif
