/* y = x W^T, each row summed in one order wherever it stands and whatever stands beside it. OpenBLAS does not promise that: its
 * kernels for AVX2 sum six rows of every twelve otherwise than the rest. For processors on which oneDNN's product is not used. */
#ifndef MEDTOK_KERNELS_CPU_ROW_PRODUCT_H
#define MEDTOK_KERNELS_CPU_ROW_PRODUCT_H

#include "kernels.h"

enum { ROW_PANEL = 64 / sizeof(real) }; /* outputs of a panel */

/* W [out, in] in panels of ROW_PANEL outputs [in][outputs of a panel], the last filled up with zeros, stored as W is. Owned by
 * the caller: free(). NULL: out of memory. */
void *row_product_pack(int64_t in, int64_t out, const void *weight, enum storage storage);

/* The same of W[o, i] = weight[o out_step + i in_step], reals, into panels of row_product_room(in, out) values, 64-byte aligned. */
void row_product_lay(int64_t in, int64_t out, const real *weight, int64_t out_step, int64_t in_step, real *panels);
static inline int64_t row_product_room(int64_t in, int64_t out) {
    return (out + ROW_PANEL - 1) / ROW_PANEL * ROW_PANEL * in;
}

/* y [rows, out] from x [rows, in], on the calling thread. wide: room for one panel, in * ROW_PANEL values, 64-byte aligned, in
 * which panels of bf16 are widened; not used for others. */
void row_product(int64_t rows, int64_t in, int64_t out, const real *x, const void *packed, enum storage storage,
                 real *wide, real *y);

/* Back to rows: weight [count, in] = the rows first .. first + count - 1 of W. */
void row_product_unpack(int64_t in, const void *packed, enum storage storage, int64_t first, int64_t count,
                        real *weight);

#endif
