#include "store/column_spool.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "store/h5internal.h"

enum { BLOCK_ROWS = 1 << 20 }; /* several chunks of a dataset, so that few are written twice */

int column_spool_open(struct column_spool *s, const struct spool_column *columns, int n_columns, const char *beside) {
    *s = (struct column_spool){.n_columns = n_columns, .columns = columns, .next_unit = -1};
    return scratch_file_open(&s->file, beside);
}

void column_spool_close(struct column_spool *s) {
    scratch_file_close(&s->file);
    free(s->blocks);
    for (int c = 0; c < SPOOL_MOST_COLUMNS; c++) free(s->rows[c]);
    *s = (struct column_spool){0};
}

static int64_t bytes_of(const struct column_spool *s, int column) { return h5_type_size(s->columns[column].type); }

static int flush(struct column_spool *s) {
    if (s->n == 0) return STATUS_OK;
    TRY(mem_grow(&s->blocks, &s->blocks_capacity, s->n_blocks + 1, sizeof *s->blocks));
    s->blocks[s->n_blocks++] = (struct spool_block){s->unit, s->skip, s->n, s->file.size};
    for (int c = 0; c < s->n_columns; c++) TRY(scratch_file_append(&s->file, s->rows[c], s->n * bytes_of(s, c)));
    s->n = 0;
    return STATUS_OK;
}

/* Rows first .. first + n - 1 of a unit, into the block. */
static int append(struct column_spool *s, int64_t unit, int64_t first, int64_t n, const void *const *data) {
    if (s->n == 0) {
        s->unit = unit;
        s->skip = first;
    }
    for (int c = 0; c < s->n_columns; c++) {
        int64_t bytes = bytes_of(s, c);
        TRY(mem_grow(&s->rows[c], &s->capacity[c], s->n + n, bytes));
        memcpy(s->rows[c] + s->n * bytes, (const char *)data[c] + first * bytes, (size_t)(n * bytes));
    }
    s->n += n;
    return STATUS_OK;
}

int column_spool_add(struct column_spool *s, int64_t unit, int64_t n, const void *const *data) {
    if (unit != s->next_unit) TRY(flush(s));
    s->next_unit = unit + 1;
    for (int64_t at = 0; at < n;) {
        int64_t some = BLOCK_ROWS - s->n < n - at ? BLOCK_ROWS - s->n : n - at;
        TRY(append(s, unit, at, some, data));
        at += some;
        if (s->n == BLOCK_ROWS) TRY(flush(s));
    }
    return STATUS_OK;
}

/* Collective: block b of column c, where this rank has that many. */
static int write_block(const struct column_spool *s, struct h5dataset *d, const struct comm *comm, int c, int64_t b,
                       const int64_t *offsets, char *rows) {
    struct spool_block block = {0};
    int status = interrupt_poll();
    int64_t at = 0;
    if (b < s->n_blocks) {
        block = s->blocks[b];
        at = block.at;
        for (int before = 0; before < c; before++) at += block.n * bytes_of(s, before);
        if (status == STATUS_OK) status = scratch_file_read(&s->file, at, block.n * bytes_of(s, c), rows);
    }
    TRY(comm_agree(comm, status));
    return h5dataset_write(d, block.n ? offsets[block.unit] + block.skip : 0, block.n, rows);
}

static int write_column(const struct column_spool *s, struct h5file *file, const struct comm *comm, int c,
                        int64_t n_rows, const int64_t *offsets, int64_t n_blocks, char *rows) {
    struct h5dataset *d;
    TRY(h5dataset_create(&d, file, s->columns[c].name, s->columns[c].type, n_rows, 1, 0, 0, 1));
    int status = STATUS_OK;
    for (int64_t b = 0; b < n_blocks && status == STATUS_OK; b++) status = write_block(s, d, comm, c, b, offsets, rows);
    if (status == STATUS_OK) return h5dataset_close(d);
    h5dataset_abandon(d);
    return status;
}

int column_spool_write(struct column_spool *s, struct h5file *file, const struct comm *comm, int64_t n_units,
                       const int64_t *offsets) {
    char *rows = NULL;
    int64_t most = 0, n_blocks = 0;
    int status = flush(s);
    for (int64_t b = 0; b < s->n_blocks; b++) most = s->blocks[b].n > most ? s->blocks[b].n : most;
    if (status == STATUS_OK) status = mem_alloc(&rows, most, 8);
    status = comm_agree(comm, status);
    n_blocks = s->n_blocks;
    if (status == STATUS_OK) status = comm_max_int64(comm, &n_blocks, 1);
    for (int c = 0; c < s->n_columns && status == STATUS_OK; c++)
        status = write_column(s, file, comm, c, offsets[n_units], offsets, n_blocks, rows);
    free(rows);
    return status;
}
