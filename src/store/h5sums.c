/* Sums of hashes of cells. */
#include "store/h5sums.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/status.h"

enum { CELL_BYTES = 4096, NARROW_BYTES = 64, BLOCK_BYTES = 1 << 18 };

int64_t h5sums_cell_rows(int64_t row_bytes) {
    return row_bytes > 0 && row_bytes < NARROW_BYTES ? CELL_BYTES / row_bytes : 1;
}

int h5sums_possible(int64_t n_rows, const int64_t layout[3], int64_t n_sums) {
    if (layout[1] < 1 || layout[1] > (n_rows > 0 ? n_rows : 1) || layout[2] < 1 || layout[2] > CELL_BYTES) return 0;
    int64_t n_blocks = (n_rows - 1 + layout[1]) / layout[1];
    return layout[0] >= 0 && layout[0] <= n_sums && n_blocks <= n_sums - layout[0];
}

int h5sums_make(struct h5sums *s, int64_t n_rows, int64_t row_bytes, int64_t block_rows, int64_t cell_rows) {
    if (block_rows <= 0) block_rows = row_bytes > 0 && row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1;
    if (block_rows >= n_rows)
        block_rows = n_rows > 0 ? n_rows : 1;
    else if (block_rows >= cell_rows)
        block_rows -= block_rows % cell_rows;
    *s = (struct h5sums){n_rows, row_bytes, block_rows, cell_rows, (n_rows + block_rows - 1) / block_rows, NULL};
    return mem_alloc(&s->block, s->n_blocks, sizeof *s->block);
}

void h5sums_free(struct h5sums *s) {
    free(s->block);
    *s = (struct h5sums){0};
}

int h5sums_fit(const struct h5sums *s, int64_t first, int64_t count) {
    int64_t end = first + count;
    return count == 0 || (first % s->cell_rows == 0 && (end % s->cell_rows == 0 || end == s->n_rows));
}

uint64_t h5sums_of_rows(const struct h5sums *s, int64_t first, int64_t count, const void *data) {
    const char *rows = data;
    uint64_t sum = 0;
    for (int64_t at = 0; at < count; at += s->cell_rows) {
        int64_t n = count - at < s->cell_rows ? count - at : s->cell_rows;
        sum += XXH3_64bits_withSeed(rows + at * s->row_bytes, (size_t)(n * s->row_bytes),
                                    (XXH64_hash_t)((first + at) / s->cell_rows));
    }
    return sum;
}

void h5sums_add(struct h5sums *s, int64_t first, int64_t count, const void *rows) {
    const char *from = rows;
    for (int64_t at = first, end = first + count; at < end;) {
        int64_t block = at / s->block_rows, next = (block + 1) * s->block_rows;
        if (next > end) next = end;
        s->block[block] += h5sums_of_rows(s, at, next - at, from + (at - first) * s->row_bytes);
        at = next;
    }
}

int64_t h5sums_rows_in(const struct h5sums *s, int64_t block) {
    int64_t left = s->n_rows - block * s->block_rows;
    return left < s->block_rows ? left : s->block_rows;
}

uint64_t h5sums_of_block(const struct h5sums *s, int64_t block, const void *rows) {
    return h5sums_of_rows(s, block * s->block_rows, h5sums_rows_in(s, block), rows);
}

uint64_t h5sums_total(const struct h5sums *s) {
    uint64_t sum = 0;
    for (int64_t b = 0; b < s->n_blocks; b++) sum += s->block[b];
    return sum;
}
