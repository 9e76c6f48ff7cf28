/* Rank 0's file is open in HDF5 from begin to end; its rows are written beside that, where HDF5 has put them and looks no more. */
#include "store/h5layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"
#include "dist/row_owner.h"
#include "store/h5internal.h"

/* One message. offset: of each dataset in the file, -1 for one without rows. */
struct h5layout_head {
    int64_t failed, unfit;
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

/* Rank 0: the file goes, unless it is kept for later. */
static void abandon(struct h5layout *l, int is_kept) {
    for (int i = 0; l->open && i < l->n; i++) {
        h5dataset_abandon(l->open[i]);
        l->open[i] = NULL;
    }
    if (is_kept)
        h5file_suspend(l->file);
    else
        h5file_abandon(l->file);
    l->file = NULL;
}

void h5layout_free(struct h5layout *l) {
    abandon(l, l->partial);
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
    TRY(h5_create_alone(&l->file, path, kind, provenance, bytes_expected, l->comm->size, l->partial));
    snprintf(l->head->temporary, sizeof l->head->temporary, "%s", l->file->temporary);
    TRY(head(l->file, self));
    return create_sets(l);
}

static void clear(struct h5layout *l) {
    memset(l->head, 0, (size_t)head_bytes(l));
    for (int i = 0; i < l->n; i++)
        if (l->sums[i].n_blocks > 0)
            memset(l->sums[i].block, 0, (size_t)l->sums[i].n_blocks * sizeof *l->sums[i].block);
}

/* Collective: what rank 0 has laid out, to all. */
static int tell(struct h5layout *l, int status) {
    l->head->failed = status != STATUS_OK;
    TRY(comm_broadcast(l->comm, l->head, head_bytes(l)));
    return l->head->failed ? comm_agree(l->comm, status) : STATUS_OK;
}

int h5layout_begin(struct h5layout *l, const char *path, enum file_kind kind, const struct provenance *provenance,
                   int64_t bytes_expected, int (*head)(struct h5file *file, void *self), void *self, int status) {
    clear(l);
    if (l->comm->rank > 0) status = STATUS_OK;
    if (l->comm->rank == 0 && status == STATUS_OK)
        status = begin(l, path, kind, provenance, bytes_expected, head, self);
    if (status != STATUS_OK) abandon(l, 0);
    return tell(l, status);
}

/* ---- going on ---- */
static int resume(struct h5layout *l, const char *path, const struct provenance *provenance, int *unfit) {
    TRY(h5_reopen_alone(&l->file, path, provenance, l->comm->size, unfit));
    snprintf(l->head->temporary, sizeof l->head->temporary, "%s", l->file->temporary);
    for (int i = 0; i < l->n; i++) {
        const struct h5layout_set *s = &l->sets[i];
        int status = h5_find_laid_out(&l->open[i], l->file, s->name, s->type, s->n_rows, s->cols, s->inner,
                                      l->sums[i].cell_rows, &l->head->offset[i]);
        *unfit = l->file->unfit;
        TRY(status);
    }
    return STATUS_OK;
}

int h5layout_resume(struct h5layout *l, const char *path, const struct provenance *provenance, int *unfit) {
    *unfit = 0;
    clear(l);
    int status = l->comm->rank == 0 ? resume(l, path, provenance, unfit) : STATUS_OK;
    if (status != STATUS_OK) abandon(l, 1);
    l->head->unfit = *unfit;
    status = tell(l, status);
    *unfit = (int)l->head->unfit;
    return status;
}

/* ---- rows, on any thread ---- */
static int disk_failed(const struct h5layout *l) {
    return status_set(STATUS_FAILED, "%s: %s", l->head->temporary, strerror(errno));
}

static int write_at(const struct h5layout *l, int64_t offset, int64_t bytes, const char *from) {
    enum { MOST = 1 << 30 };
    while (bytes > 0) {
        ssize_t written = pwrite(l->disk, from, (size_t)(bytes < MOST ? bytes : MOST), (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return disk_failed(l);
        offset += written;
        from += written;
        bytes -= written;
    }
    return STATUS_OK;
}

static int open_disk(struct h5layout *l) {
    if (l->disk < 0) l->disk = open(l->head->temporary, O_RDWR | O_CLOEXEC);
    return l->disk < 0 ? disk_failed(l) : STATUS_OK;
}

static int write_rows(struct h5layout *l, int set, int64_t first, int64_t count, const void *data) {
    int64_t row_bytes = l->sums[set].row_bytes;
    if (count == 0) return STATUS_OK;
    TRY(open_disk(l));
    return write_at(l, l->head->offset[set] + first * row_bytes, count * row_bytes, data);
}

int h5layout_write(struct h5layout *l, int set, int64_t first, int64_t count, const void *data) {
    if (count > 0) h5sums_add(&l->sums[set], first, count, data);
    return write_rows(l, set, first, count, data);
}

int h5layout_read(struct h5layout *l, int set, int64_t first, int64_t count, void *data) {
    int64_t row_bytes = l->sums[set].row_bytes, offset = l->head->offset[set] + first * row_bytes;
    char *to = data;
    TRY(open_disk(l));
    for (int64_t left = count * row_bytes; left > 0;) {
        enum { MOST = 1 << 30 };
        ssize_t got = pread(l->disk, to, (size_t)(left < MOST ? left : MOST), (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return disk_failed(l);
        if (got == 0) {
            memset(to, 0, (size_t)left);
            break;
        }
        offset += got;
        to += got;
        left -= got;
    }
    return STATUS_OK;
}

uint64_t h5layout_checksum(const struct h5layout *l, int set, int64_t first, int64_t count, const void *data) {
    return h5sums_of_rows(&l->sums[set], first, count, data);
}

void h5layout_count(struct h5layout *l, int set, int64_t first, int64_t count, const void *data) {
    h5sums_add(&l->sums[set], first, count, data);
}

int h5layout_sync(struct h5layout *l) {
    int disk = l->disk;
    l->disk = -1;
    if (disk < 0) return STATUS_OK;
    int status = fsync(disk) ? disk_failed(l) : STATUS_OK;
    if (close(disk) && status == STATUS_OK) status = disk_failed(l);
    return status;
}

/* ---- rows that are cut anywhere ---- */
/* The rows of a part that are whole cells, or the end of the dataset: from..to-1. Those before are of a cell that an earlier rank begins, those
 * behind of one that this rank does. */
struct cells {
    int64_t from, to;
};

static struct cells whole_cells(const struct h5sums *s, const struct h5layout_part *part) {
    int64_t end = part->first + part->count, from = part->first + s->cell_rows - 1;
    from -= from % s->cell_rows;
    int64_t to = end == s->n_rows ? end : end - end % s->cell_rows;
    if (from > end) from = end;
    return (struct cells){from, to > from ? to : from};
}

/* Rows on their way to the rank that begins their cell; the bytes follow. */
struct fragment {
    int64_t set, first, count;
};

struct fragments {
    char *bytes;
    long long size, capacity;
    int64_t *to; /* [ranks] bytes */
};

/* The rank that has row `row` of a dataset; places [ranks, n, 2]: first row and count of each. */
static int rank_of_row(const struct h5layout *l, const int64_t *places, int set, int64_t row) {
    for (int r = 0; r < l->comm->size; r++) {
        const int64_t *place = places + 2 * ((int64_t)r * l->n + set);
        if (row >= place[0] && row < place[0] + place[1]) return r;
    }
    return -1;
}

static int pack_fragments(struct h5layout *l, const struct h5layout_part *parts, const int64_t *places,
                          struct fragments *out) {
    for (int rank = 0; rank < l->comm->rank; rank++)
        for (int i = 0; i < l->n; i++) {
            const struct h5sums *s = &l->sums[i];
            struct fragment head = {i, parts[i].first, whole_cells(s, &parts[i]).from - parts[i].first};
            int64_t bytes = head.count * s->row_bytes;
            if (bytes == 0 || rank_of_row(l, places, i, head.first - head.first % s->cell_rows) != rank) continue;
            TRY(mem_grow(&out->bytes, &out->capacity, out->size + (int64_t)sizeof head + bytes, 1));
            memcpy(out->bytes + out->size, &head, sizeof head);
            memcpy(out->bytes + out->size + sizeof head, parts[i].data, (size_t)bytes);
            out->size += (int64_t)sizeof head + bytes;
            out->to[rank] += (int64_t)sizeof head + bytes;
        }
    return STATUS_OK;
}

/* Sums the cell that this rank begins and others go on with. */
static int sum_shared_cell(struct h5layout *l, int set, const struct h5layout_part *part,
                           const struct received_rows *got) {
    struct h5sums *s = &l->sums[set];
    int64_t first = whole_cells(s, part).to, own = part->first + part->count - first, count = s->n_rows - first;
    char *cell;
    if (own <= 0 || first % s->cell_rows != 0) return STATUS_OK;
    if (count > s->cell_rows) count = s->cell_rows;
    TRY(mem_alloc(&cell, count, s->row_bytes));
    memcpy(cell, (const char *)part->data + (first - part->first) * s->row_bytes, (size_t)(own * s->row_bytes));
    for (int64_t at = 0; at < got->n;) {
        struct fragment f;
        memcpy(&f, got->rows + at, sizeof f);
        int64_t bytes = f.count * l->sums[f.set].row_bytes;
        if (f.set == set) memcpy(cell + (f.first - first) * s->row_bytes, got->rows + at + sizeof f, (size_t)bytes);
        at += (int64_t)sizeof f + bytes;
    }
    h5sums_add(s, first, count, cell);
    free(cell);
    return STATUS_OK;
}

static int write_parts(struct h5layout *l, const struct h5layout_part *parts) {
    for (int i = 0; i < l->n; i++) {
        struct cells whole = whole_cells(&l->sums[i], &parts[i]);
        TRY(write_rows(l, i, parts[i].first, parts[i].count, parts[i].data));
        if (whole.to > whole.from)
            h5sums_add(&l->sums[i], whole.from, whole.to - whole.from,
                       (const char *)parts[i].data + (whole.from - parts[i].first) * l->sums[i].row_bytes);
    }
    return STATUS_OK;
}

/* Collective. places [n, 2] of this rank. */
static int share_cells(struct h5layout *l, const struct h5layout_part *parts, const int64_t *own, struct fragments *out,
                       struct received_rows *got) {
    int64_t *places = NULL, n;
    TRY(comm_gather_rows(l->comm, 1, 2 * l->n * (int64_t)sizeof *own, own, &n, &places));
    int status = mem_alloc(&out->to, l->comm->size, sizeof *out->to);
    if (status == STATUS_OK) status = pack_fragments(l, parts, places, out);
    free(places);
    TRY(comm_agree(l->comm, status));
    TRY(comm_exchange_rows(l->comm, 1, out->to, out->bytes, got));
    for (int i = 0; i < l->n && status == STATUS_OK; i++) status = sum_shared_cell(l, i, &parts[i], got);
    return comm_agree(l->comm, status);
}

int h5layout_write_parts(struct h5layout *l, const struct h5layout_part *parts, int status) {
    struct fragments out = {0};
    struct received_rows got = {0};
    int64_t *own = NULL;
    if (status == STATUS_OK) status = write_parts(l, parts);
    if (status == STATUS_OK) status = mem_alloc(&own, l->n, 2 * sizeof *own);
    status = comm_agree(l->comm, status);
    for (int i = 0; i < l->n && status == STATUS_OK; i++) own[2 * i] = parts[i].first, own[2 * i + 1] = parts[i].count;
    if (status == STATUS_OK && l->comm->size > 1) status = share_cells(l, parts, own, &out, &got);
    free(own);
    free(out.bytes);
    free(out.to);
    received_rows_free(&got);
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
    if (summed != STATUS_OK) abandon(l, l->partial);
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
        abandon(l, l->partial);
    else
        h5file_suspend(l->file);
    l->file = NULL;
    return status;
}

int h5layout_finish(struct h5layout *l) {
    int status = h5layout_complete(l);
    if (status == STATUS_OK) status = h5layout_seal(l);
    return h5layout_close(l, status);
}
