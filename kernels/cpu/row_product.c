/* Tiles of six rows and two vectors of outputs, held in registers over the whole sum: each output is one chain of multiply-adds
 * in ascending order. Rows are taken in blocks that stay in the second cache while all panels pass. */
#include "cpu/row_product.h"

#include <stdlib.h>

#include "bf16.h"
#include "cpu/cpu.h"

typedef real lanes __attribute__((vector_size(32), may_alias));
enum { TILE_ROWS = 6, BLOCK_ROWS = 48 };

static size_t bytes_of(enum storage storage) { return storage == STORAGE_BF16 ? sizeof(uint16_t) : sizeof(real); }

void *row_product_pack(int64_t in, int64_t out, const void *weight, enum storage storage) {
    int64_t panels = (out + ROW_PANEL - 1) / ROW_PANEL;
    size_t bytes = (size_t)(panels * in * ROW_PANEL) * bytes_of(storage);
    void *packed = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!packed) return NULL;
    memset(packed, 0, bytes);
    for (int64_t o = 0; o < out; o++)
        for (int64_t k = 0; k < in; k++) {
            int64_t to = (o / ROW_PANEL * in + k) * ROW_PANEL + o % ROW_PANEL, from = o * in + k;
            if (storage == STORAGE_BF16)
                ((uint16_t *)packed)[to] = ((const uint16_t *)weight)[from];
            else
                ((real *)packed)[to] = ((const real *)weight)[from];
        }
    return packed;
}

void row_product_lay(int64_t in, int64_t out, const real *weight, int64_t out_step, int64_t in_step, real *panels) {
    for (int64_t o = 0; o < out; o += ROW_PANEL) {
        int64_t n = out - o < ROW_PANEL ? out - o : ROW_PANEL;
        const real *from = weight + o * out_step;
        real *to = panels + o * in;
        if (n < ROW_PANEL) memset(to, 0, (size_t)(in * ROW_PANEL) * sizeof *to);
        for (int64_t k = 0; k < in; k++)
            for (int64_t i = 0; i < n; i++) to[k * ROW_PANEL + i] = from[i * out_step + k * in_step];
    }
}

/* to[TILE_ROWS, ROW_PANEL], rows ld apart */
IN_PLACE void multiply_tile(int64_t in, const real *const row[TILE_ROWS], const real *panel, real *to, int64_t ld) {
    lanes sum[TILE_ROWS][2] = {{{0}}};
    const lanes *w = (const lanes *)(const void *)panel; /* aligned: panels are whole cache lines */
    for (int64_t k = 0; k < in; k++, w += 2) {
#pragma GCC unroll 6
        for (int r = 0; r < TILE_ROWS; r++) {
            sum[r][0] += w[0] * row[r][k];
            sum[r][1] += w[1] * row[r][k];
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < TILE_ROWS; r++) memcpy(to + r * ld, sum[r], sizeof sum[r]);
}

/* The panel of the outputs o .., widened if need be. */
static const real *panel_at(int64_t o, int64_t in, const void *packed, enum storage storage, real *wide) {
    if (storage == STORAGE_REAL) return (const real *)packed + o * in;
    const uint16_t *narrow = (const uint16_t *)packed + o * in;
#pragma omp simd
    for (int64_t i = 0; i < in * ROW_PANEL; i++) wide[i] = bf16_to_float(narrow[i]);
    return wide;
}

void row_product(int64_t rows, int64_t in, int64_t out, const real *x, const void *packed, enum storage storage,
                 real *wide, real *y) {
    real tile[TILE_ROWS * ROW_PANEL];
    const real *row[TILE_ROWS];
    for (int64_t block = 0; block < rows; block += BLOCK_ROWS) {
        int64_t end = block + BLOCK_ROWS < rows ? block + BLOCK_ROWS : rows;
        for (int64_t o = 0; o < out; o += ROW_PANEL) {
            const real *panel = panel_at(o, in, packed, storage, wide);
            size_t bytes = (size_t)(out - o < ROW_PANEL ? out - o : ROW_PANEL) * sizeof(real);
            for (int64_t r = block; r < end; r += TILE_ROWS) {
                for (int t = 0; t < TILE_ROWS; t++) row[t] = x + (r + t < end ? r + t : end - 1) * in;
                if (r + TILE_ROWS <= end && o + ROW_PANEL <= out) {
                    multiply_tile(in, row, panel, y + r * out + o, out);
                    continue;
                }
                multiply_tile(in, row, panel, tile, ROW_PANEL);
                for (int t = 0; t < TILE_ROWS && r + t < end; t++)
                    memcpy(y + (r + t) * out + o, tile + t * ROW_PANEL, bytes);
            }
        }
    }
}

void row_product_unpack(int64_t in, const void *packed, enum storage storage, int64_t first, int64_t count,
                        real *weight) {
    for (int64_t o = first; o < first + count; o++)
        for (int64_t k = 0; k < in; k++) {
            int64_t from = (o / ROW_PANEL * in + k) * ROW_PANEL + o % ROW_PANEL;
            weight[(o - first) * in + k] = storage == STORAGE_BF16 ? bf16_to_float(((const uint16_t *)packed)[from])
                                                                   : ((const real *)packed)[from];
        }
}
