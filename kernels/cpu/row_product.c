/* Tiles of six rows and two vectors of outputs, held in registers over the whole sum: each output is one chain of multiply-adds
 * in ascending order. Rows are taken in blocks that stay in the second cache while all panels pass. */
#include "cpu/row_product.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

typedef real lanes __attribute__((vector_size(32), may_alias));
enum { LANES = 32 / sizeof(real), PANEL = 2 * LANES, TILE_ROWS = 6, BLOCK_ROWS = 48 };

real *row_product_pack(int64_t in, int64_t out, const real *weight) {
    int64_t panels = (out + PANEL - 1) / PANEL;
    size_t bytes = (size_t)(panels * in * PANEL) * sizeof(real);
    real *packed = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!packed) return NULL;
    memset(packed, 0, bytes);
    for (int64_t o = 0; o < out; o++)
        for (int64_t k = 0; k < in; k++) packed[(o / PANEL * in + k) * PANEL + o % PANEL] = weight[o * in + k];
    return packed;
}

IN_PLACE void multiply_tile(int64_t in, const real *const row[TILE_ROWS], const real *panel,
                            real out[TILE_ROWS][PANEL]) {
    lanes sum[TILE_ROWS][2] = {{{0}}};
    const lanes *w = (const lanes *)(const void *)panel; /* aligned: panels are whole cache lines */
    for (int64_t k = 0; k < in; k++, w += 2) {
#pragma GCC unroll 6
        for (int r = 0; r < TILE_ROWS; r++) {
            sum[r][0] += w[0] * row[r][k];
            sum[r][1] += w[1] * row[r][k];
        }
    }
    memcpy(out, sum, sizeof sum);
}

void row_product(int64_t rows, int64_t in, int64_t out, const real *x, const real *packed, real *y) {
    real tile[TILE_ROWS][PANEL];
    const real *row[TILE_ROWS];
    for (int64_t block = 0; block < rows; block += BLOCK_ROWS) {
        int64_t end = block + BLOCK_ROWS < rows ? block + BLOCK_ROWS : rows;
        for (int64_t o = 0; o < out; o += PANEL) {
            size_t bytes = (size_t)(out - o < PANEL ? out - o : PANEL) * sizeof(real);
            for (int64_t r = block; r < end; r += TILE_ROWS) {
                for (int t = 0; t < TILE_ROWS; t++) row[t] = x + (r + t < end ? r + t : end - 1) * in;
                multiply_tile(in, row, packed + o * in, tile);
                for (int t = 0; t < TILE_ROWS && r + t < end; t++) memcpy(y + (r + t) * out + o, tile[t], bytes);
            }
        }
    }
}
