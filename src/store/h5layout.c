/* Rank 0's file is open in HDF5 from begin to end; its rows are written beside that, where HDF5 has put them and looks no more. */
#include "store/h5layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "dist/row_owner.h"
#include "store/h5internal.h"

/* One message. offset: of each dataset in the file, -1 for one without rows. */
struct h5layout_head {
    int64_t failed;
    char temporary[PATH_MAX];
    int64_t offset[];
};

static int64_t head_bytes(const struct h5layout *l) {
    return (int64_t)sizeof *l->head + l->n * (int64_t)sizeof *l->head->offset;
}

/* ---- memory ---- */
/* Rows of a cell of checksums: as h5file_write has it, many where no rank's rows end inside one. */
static int64_t cell_rows(const struct h5layout *l, const struct h5layout_set *set, int64_t row_bytes) {
    struct h5sums whole = {.n_rows = set->n_rows, .cell_rows = h5sums_cell_rows(row_bytes)};
    if (set->writer == ROWS_OF_ANY) return 1;
    for (int r = 0; set->writer == ROWS_OF_OWNERS && r < l->comm->size; r++) {
        int64_t first = row_owner_first(set->n_rows, r, l->comm->size);
        if (!h5sums_fit(&whole, first, row_owner_first(set->n_rows, r + 1, l->comm->size) - first)) return 1;
    }
    return whole.cell_rows;
}

int h5layout_make(struct h5layout *l, const struct comm *comm, int n, const struct h5layout_set *sets) {
    *l = (struct h5layout){.comm = comm, .sets = sets, .n = n, .n_all = 1, .disk = -1};
    TRY(mem_alloc(&l->sums, n, sizeof *l->sums));
    TRY(mem_alloc(&l->open, n, sizeof *l->open));
    TRY(mem_alloc(&l->head, head_bytes(l), 1));
    for (int i = 0; i < n; i++) {
        int64_t row_bytes = h5_row_bytes(sets[i].type, sets[i].cols, sets[i].inner);
        TRY(h5sums_make(&l->sums[i], sets[i].n_rows, row_bytes, 0, cell_rows(l, &sets[i], row_bytes)));
        l->n_all += l->sums[i].n_blocks;
    }
    return mem_alloc(&l->all, l->n_all, sizeof *l->all);
}

/* Rank 0: the file goes. */
static void abandon(struct h5layout *l) {
    for (int i = 0; l->open && i < l->n; i++) {
        h5dataset_abandon(l->open[i]);
        l->open[i] = NULL;
    }
    h5file_abandon(l->file);
    l->file = NULL;
}

void h5layout_free(struct h5layout *l) {
    abandon(l);
    if (l->comm && l->disk >= 0) close(l->disk);
    for (int i = 0; l->sums && i < l->n; i++) h5sums_free(&l->sums[i]);
    free(l->sums);
    free(l->all);
    free(l->open);
    free(l->head);
    *l = (struct h5layout){.disk = -1};
}

/* ---- laying out ---- */
static int create_sets(struct h5layout *l) {
    for (int i = 0; i < l->n; i++) {
        const struct h5layout_set *s = &l->sets[i];
        TRY(h5_lay_out(&l->open[i], l->file, s->name, s->type, s->n_rows, s->cols, s->inner, l->sums[i].cell_rows,
                       &l->head->offset[i]));
    }
    return h5file_settle(l->file);
}

static int begin(struct h5layout *l, const char *path, enum file_kind kind, const struct provenance *provenance,
                 int64_t bytes_expected, int (*head)(struct h5file *file, void *self), void *self) {
    TRY(h5_create_alone(&l->file, path, kind, provenance, bytes_expected, l->comm->size));
    snprintf(l->head->temporary, sizeof l->head->temporary, "%s", l->file->temporary);
    TRY(head(l->file, self));
    return create_sets(l);
}

int h5layout_begin(struct h5layout *l, const char *path, enum file_kind kind, const struct provenance *provenance,
                   int64_t bytes_expected, int (*head)(struct h5file *file, void *self), void *self, int status) {
    memset(l->head, 0, (size_t)head_bytes(l));
    for (int i = 0; i < l->n; i++) memset(l->sums[i].block, 0, (size_t)l->sums[i].n_blocks * sizeof *l->sums[i].block);
    if (l->comm->rank > 0) status = STATUS_OK;
    if (l->comm->rank == 0 && status == STATUS_OK)
        status = begin(l, path, kind, provenance, bytes_expected, head, self);
    if (status != STATUS_OK) abandon(l);
    l->head->failed = status != STATUS_OK;
    TRY(comm_broadcast(l->comm, l->head, head_bytes(l)));
    return l->head->failed ? comm_agree(l->comm, status) : STATUS_OK;
}

/* ---- rows, on any thread ---- */
static int write_failed(const struct h5layout *l) {
    return status_set(STATUS_FAILED, "%s: %s", l->head->temporary, strerror(errno));
}

static int write_at(const struct h5layout *l, int64_t offset, int64_t bytes, const char *from) {
    enum { MOST = 1 << 30 };
    while (bytes > 0) {
        ssize_t written = pwrite(l->disk, from, (size_t)(bytes < MOST ? bytes : MOST), (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return write_failed(l);
        offset += written;
        from += written;
        bytes -= written;
    }
    return STATUS_OK;
}

int h5layout_write(struct h5layout *l, int set, int64_t first, int64_t count, const void *data) {
    struct h5sums *sums = &l->sums[set];
    if (count == 0) return STATUS_OK;
    if (l->disk < 0) l->disk = open(l->head->temporary, O_WRONLY | O_CLOEXEC);
    if (l->disk < 0) return write_failed(l);
    h5sums_add(sums, first, count, data);
    return write_at(l, l->head->offset[set] + first * sums->row_bytes, count * sums->row_bytes, data);
}

int h5layout_sync(struct h5layout *l) {
    int disk = l->disk;
    l->disk = -1;
    if (disk < 0) return STATUS_OK;
    int status = fsync(disk) ? write_failed(l) : STATUS_OK;
    if (close(disk) && status == STATUS_OK) status = write_failed(l);
    return status;
}

/* ---- the end ---- */
int h5layout_end(struct h5layout *l, int status) {
    uint64_t *at = l->all;
    *at++ = status != STATUS_OK;
    for (int i = 0; i < l->n; i++) {
        memcpy(at, l->sums[i].block, (size_t)l->sums[i].n_blocks * sizeof *at);
        at += l->sums[i].n_blocks;
    }
    int summed = comm_sum_uint64(l->comm, l->all, l->n_all);
    if (summed == STATUS_OK) summed = l->all[0] > 0 ? comm_agree(l->comm, status) : STATUS_OK;
    if (summed != STATUS_OK) abandon(l);
    return summed;
}

/* Datasets in order, as the content id has them. */
int h5layout_complete(struct h5layout *l) {
    const uint64_t *sums = l->all + 1;
    for (int i = 0; i < l->n; i++) {
        struct h5dataset *d = l->open[i];
        l->open[i] = NULL;
        TRY(h5_close_summed(d, sums));
        sums += l->sums[i].n_blocks;
    }
    return h5_end_file(l->file);
}

int h5layout_seal(struct h5layout *l) { return h5_sync_and_rename(l->file); }

int h5layout_close(struct h5layout *l, int status) {
    if (status != STATUS_OK)
        abandon(l);
    else
        h5file_suspend(l->file);
    l->file = NULL;
    return status;
}
