/* Checksums by blocks: what lets a reader of a few rows know that they are the rows that were written.
 *
 * The rows of a dataset fall into blocks of `block_rows` (a chunk, or some 256 KiB), and each block into cells of `cell_rows`
 * rows. The checksum of a block is the sum over its cells, modulo 2^64, of XXH3-64(bytes of the cell, seed = number of the
 * cell in the dataset): a sum, so that ranks that write parts of a block can add theirs. Wide rows are cells of their own; of
 * narrow ones, as many make a cell as fill 4 KiB, where the ranks' cuts allow it (a cell is written by one rank, at once).
 *
 * The sums of all blocks of all datasets lie in one dataset of the file, H5_SUMS; each dataset says by its attribute
 * H5_SUMS_LAYOUT [3] where its own begin there, and its block_rows and cell_rows. Private to the store.
 */
#ifndef MEDTOK_STORE_H5SUMS_H
#define MEDTOK_STORE_H5SUMS_H

#include <stdint.h>

#define H5_SUMS        "xxh3_blocks"
#define H5_SUMS_LAYOUT "xxh3_place"

struct h5sums {
    int64_t n_rows, row_bytes, block_rows, cell_rows, n_blocks;
    uint64_t *block; /* [n_blocks], owned */
};

/* Rows that one cell holds if a cell may have many: 1 for rows of 64 bytes and more. */
int64_t h5sums_cell_rows(int64_t row_bytes);

/* Whether a dataset of n_rows can have such sums, of n_sums in the file: what a forged file may say otherwise. layout: as in
 * H5_SUMS_LAYOUT. */
int h5sums_possible(int64_t n_rows, const int64_t layout[3], int64_t n_sums);

/* Zero sums of n_rows rows. block_rows 0: about 256 KiB. */
int h5sums_make(struct h5sums *sums, int64_t n_rows, int64_t row_bytes, int64_t block_rows, int64_t cell_rows);
void h5sums_free(struct h5sums *sums);

/* Whether rows first .. first+count-1 begin and end where cells do. */
int h5sums_fit(const struct h5sums *sums, int64_t first, int64_t count);

/* The checksum of rows first .. first+count-1, which fit: what they add to their blocks together. */
uint64_t h5sums_of_rows(const struct h5sums *sums, int64_t first, int64_t count, const void *rows);

/* Adds rows first .. first+count-1, which fit. */
void h5sums_add(struct h5sums *sums, int64_t first, int64_t count, const void *rows);

/* The checksum of one block, from its rows. */
uint64_t h5sums_of_block(const struct h5sums *sums, int64_t block, const void *rows);

/* Rows of a block: block_rows, fewer at the end. */
int64_t h5sums_rows_in(const struct h5sums *sums, int64_t block);

/* The sum of all blocks: the checksum of the dataset. */
uint64_t h5sums_total(const struct h5sums *sums);

#endif
