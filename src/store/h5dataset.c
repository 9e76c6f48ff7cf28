/* Datasets that are written: created and written by all ranks, in parts, with checksums of their blocks; or laid out by one for rows that
 * others write beside HDF5, and found again in a file that grows over several runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/status.h"
#include "store/h5internal.h"

static const int64_t CHUNK_BYTES = 1 << 20, LARGEST_WRITE = 1 << 30;

struct h5dataset {
    struct h5file *file;
    char name[H5_NAME_BYTES];
    hid_t id, type;
    int64_t n_rows, row_bytes, reserved_before;
    int rank, compressed; /* rank: dimensions of the dataset */
    hsize_t dims[3];
    struct h5sums sums; /* of what this rank wrote */
};

/* Whole cells, so that a chunk is a block of checksums. */
static int64_t default_chunk(int64_t n_rows, int64_t row_bytes) {
    int64_t rows = CHUNK_BYTES / (row_bytes > 0 ? row_bytes : 1);
    rows -= rows % h5sums_cell_rows(row_bytes);
    if (rows < 1) rows = 1;
    return rows < n_rows ? rows : n_rows;
}

/* Rows of a chunk, for what the caller asked for; 0: the dataset has none. */
static int64_t chunk_of(int64_t asked, int64_t n_rows, int64_t row_bytes) {
    if (asked == H5_CONTIGUOUS || n_rows == 0) return 0;
    if (asked <= 0) return default_chunk(n_rows, row_bytes);
    return asked < n_rows ? asked : n_rows;
}

static void set_shape(struct h5dataset *d, enum h5type type, int64_t n_rows, int64_t cols, int64_t inner) {
    d->n_rows = n_rows;
    d->row_bytes = h5_row_bytes(type, cols, inner);
    d->dims[0] = (hsize_t)n_rows;
    d->rank = 1;
    if (type != H5_TEXT && (cols != 1 || inner > 0)) d->dims[d->rank++] = (hsize_t)cols;
    if (type != H5_TEXT && inner > 0) d->dims[d->rank++] = (hsize_t)inner;
}

/* chunk_rows 0: contiguous. */
static int create_dataset(struct h5dataset *d, int64_t chunk_rows, int compress) {
    hid_t space = H5Screate_simple(d->rank, d->dims, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    if (chunk_rows == 0) {
        H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
    } else {
        hsize_t chunk[3] = {(hsize_t)chunk_rows, d->dims[1], d->dims[2]};
        H5Pset_chunk(create, d->rank, chunk);
        if (compress) {
            H5Pset_shuffle(create);
            H5Pset_deflate(create, 1);
        } else {
            H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
        }
    }
    d->id = H5Dcreate2(d->file->id, d->name, d->type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    H5Pclose(create);
    H5Sclose(space);
    return d->id < 0 ? h5_failed_to(d->file, d->name) : STATUS_OK;
}

static void free_dataset(struct h5dataset *d) {
    if (d->id >= 0) H5Dclose(d->id);
    if (d->type >= 0) H5Tclose(d->type);
    h5sums_free(&d->sums);
    free(d);
}

static int make_dataset(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                        int64_t cols, int64_t inner, int64_t chunk_rows, int64_t cell_rows) {
    struct h5dataset *d = *out = calloc(1, sizeof *d);
    if (!d) return status_set(STATUS_FAILED, "out of memory");
    d->file = file;
    d->id = -1;
    snprintf(d->name, sizeof d->name, "%s", name);
    d->type = h5_type(type, cols);
    set_shape(d, type, n_rows, cols, inner);
    d->reserved_before = file->reserved;
    if (strlen(name) >= sizeof d->name)
        return status_set(STATUS_FAILED, "%s: the name of dataset %s is longer than %d bytes", file->path, name,
                          H5_NAME_BYTES - 1);
    return h5sums_make(&d->sums, n_rows, d->row_bytes, chunk_of(chunk_rows, n_rows, d->row_bytes), cell_rows);
}

static int dataset_create(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type,
                          int64_t n_rows, int64_t cols, int64_t inner, int64_t chunk_rows, int compress,
                          int64_t cell_rows) {
    struct h5dataset *d;
    int status = make_dataset(&d, file, name, type, n_rows, cols, inner, chunk_rows, cell_rows);
    *out = NULL;
    status = comm_agree(&file->comm, status);
    if (status == STATUS_OK) d->compressed = compress;
    if (status == STATUS_OK) status = h5_reserve(file, H5_METADATA_BYTES + (compress ? 0 : n_rows * d->row_bytes));
    if (status == STATUS_OK)
        status = comm_agree(&file->comm, create_dataset(d, chunk_of(chunk_rows, n_rows, d->row_bytes), compress));
    if (status == STATUS_OK)
        *out = d;
    else
        h5dataset_abandon(d);
    return status;
}

int h5dataset_create(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                     int64_t cols, int64_t inner, int64_t chunk_rows, int compress) {
    return dataset_create(out, file, name, type, n_rows, cols, inner, chunk_rows, compress, 1);
}

/* One collective write of at most LARGEST_WRITE bytes a rank; count 0 joins with an empty selection. */
static int write_part(struct h5dataset *d, int64_t first, int64_t count, const void *data) {
    hsize_t start[3] = {(hsize_t)first}, extent[3] = {(hsize_t)count, d->dims[1], d->dims[2]};
    hid_t file_space = H5Dget_space(d->id), memory_space = H5Screate_simple(d->rank, extent, NULL);
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
    if (d->file->comm.size > 1) H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
    if (count > 0) {
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, extent, NULL);
    } else {
        H5Sselect_none(file_space);
        H5Sselect_none(memory_space);
    }
    herr_t code = H5Dwrite(d->id, d->type, memory_space, file_space, transfer, data);
    H5Pclose(transfer);
    H5Sclose(memory_space);
    H5Sclose(file_space);
    return code < 0 ? h5_failed_to(d->file, "writing") : STATUS_OK;
}

/* Compressed rows take room when they are written: at most what they have, and a whole chunk at either end. */
static int reserve_for_rows(const struct h5dataset *d, int64_t count) {
    int64_t bytes = count * d->row_bytes + H5_METADATA_BYTES;
    TRY(comm_sum_int64(&d->file->comm, &bytes, 1));
    return h5_reserve(d->file, bytes);
}

int h5dataset_write(struct h5dataset *d, int64_t first, int64_t count, const void *data) {
    int64_t most = LARGEST_WRITE / (d->row_bytes > 0 ? d->row_bytes : 1), parts;
    static const char nothing[8];
    most -= most % d->sums.cell_rows;
    if (most < 1) most = 1;
    parts = h5sums_fit(&d->sums, first, count) ? (count + most - 1) / most : INT64_MAX;
    TRY(comm_max_int64(&d->file->comm, &parts, 1));
    if (parts == INT64_MAX)
        return status_set(STATUS_FAILED, "%s: %s: a rank writes part of a checksum's cell", d->file->path, d->name);
    for (int64_t p = 0; p < parts; p++) {
        int64_t at = p * most, n = at >= count ? 0 : at + most < count ? most : count - at;
        const char *from = n > 0 ? (const char *)data + at * d->row_bytes : nothing;
        if (d->compressed) TRY(reserve_for_rows(d, n));
        TRY(comm_agree(&d->file->comm, write_part(d, n > 0 ? first + at : 0, n, from)));
        h5sums_add(&d->sums, first + at, n, from);
    }
    return STATUS_OK;
}

/* Remembers `name checksum` for the content id. */
static int add_content(struct h5file *file, const char *name, uint64_t checksum) {
    char line[128];
    int n = snprintf(line, sizeof line, "%s %016llx\n", name, (unsigned long long)checksum);
    TRY(mem_grow(&file->contents, &file->contents_capacity, file->contents_size + n + 1, 1));
    memcpy(file->contents + file->contents_size, line, (size_t)n + 1);
    file->contents_size += n;
    return STATUS_OK;
}

/* Keeps the sums of a dataset's blocks for the end of the file, and says in the dataset where they will be. */
static int add_sums(struct h5file *file, hid_t dataset, const char *name, const struct h5sums *sums) {
    int64_t layout[3] = {file->n_sums, sums->block_rows, sums->cell_rows};
    uint64_t total = h5sums_total(sums);
    hsize_t three = 3;
    int status = mem_grow(&file->sums, &file->sums_capacity, file->n_sums + sums->n_blocks, sizeof *file->sums);
    if (status == STATUS_OK && sums->n_blocks) {
        memcpy(file->sums + file->n_sums, sums->block, (size_t)sums->n_blocks * sizeof *sums->block);
        file->n_sums += sums->n_blocks;
    }
    if (status == STATUS_OK) status = add_content(file, name, total);
    TRY(comm_agree(&file->comm, status));
    hid_t space = H5Screate_simple(1, &three, NULL);
    status = h5_set_attribute(file, dataset, H5_SUMS_LAYOUT, H5T_STD_I64LE, space, layout);
    H5Sclose(space);
    return status == STATUS_OK ? h5_set_scalar(file, dataset, "xxh3_rows", H5T_STD_U64LE, &total) : status;
}

int h5dataset_close(struct h5dataset *d) {
    if (!d) return STATUS_OK;
    struct h5file *file = d->file;
    int status = comm_sum_uint64(&file->comm, d->sums.block, d->sums.n_blocks);
    status = comm_agree(&file->comm, status);
    if (status == STATUS_OK) status = add_sums(file, d->id, d->name, &d->sums);
    if (d->compressed) file->reserved = d->reserved_before + H5_METADATA_BYTES + (int64_t)H5Dget_storage_size(d->id);
    free_dataset(d);
    return comm_agree(&file->comm, status);
}

/* Where the rows lie. */
static int find_rows(struct h5dataset *d, int64_t *offset) {
    haddr_t at = d->n_rows > 0 ? H5Dget_offset(d->id) : 0;
    *offset = d->n_rows > 0 ? (int64_t)at : -1;
    return at == HADDR_UNDEF ? h5_failed_to(d->file, d->name) : STATUS_OK;
}

int h5_lay_out(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
               int64_t cols, int64_t inner, int64_t cell_rows, int64_t *offset) {
    TRY(dataset_create(out, file, name, type, n_rows, cols, inner, H5_CONTIGUOUS, 0, cell_rows));
    return find_rows(*out, offset);
}

/* ---- datasets that are there ---- */
static int open_dataset(struct h5dataset *d) {
    d->id = H5Dopen2(d->file->id, d->name, H5P_DEFAULT);
    if (d->id < 0) return h5_failed_to(d->file, d->name);
    hid_t type = H5Dget_type(d->id), space = H5Dget_space(d->id);
    hsize_t dims[3] = {0};
    int same = type >= 0 && space >= 0 && H5Tequal(type, d->type) > 0 && H5Sget_simple_extent_ndims(space) == d->rank &&
               H5Sget_simple_extent_dims(space, dims, NULL) >= 0;
    for (int k = 0; k < d->rank && same; k++) same = dims[k] == d->dims[k];
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    d->file->unfit = !same;
    return same ? STATUS_OK
                : status_set(STATUS_FAILED, "%s: %s has another shape or type", d->file->temporary, d->name);
}

/* Its rows will be summed anew: sums that an interrupted end of the file had written go. */
static int remove_sums(struct h5dataset *d) {
    static const char *const NAMES[] = {H5_SUMS_LAYOUT, "xxh3_rows"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (H5Aexists(d->id, NAMES[i]) > 0 && H5Adelete(d->id, NAMES[i]) < 0) return h5_failed_to(d->file, d->name);
    return STATUS_OK;
}

int h5_find_laid_out(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                     int64_t cols, int64_t inner, int64_t cell_rows, int64_t *offset) {
    int status = make_dataset(out, file, name, type, n_rows, cols, inner, H5_CONTIGUOUS, cell_rows);
    if (status == STATUS_OK) status = open_dataset(*out);
    if (status == STATUS_OK) status = remove_sums(*out);
    return status == STATUS_OK ? find_rows(*out, offset) : status;
}

int h5_close_summed(struct h5dataset *d, const uint64_t *blocks) {
    memcpy(d->sums.block, blocks, (size_t)d->sums.n_blocks * sizeof *blocks);
    return h5dataset_close(d);
}

void h5dataset_abandon(struct h5dataset *d) {
    if (d) free_dataset(d);
}

int h5file_write(struct h5file *file, const char *name, enum h5type type, int64_t n_rows, int64_t cols, int64_t first,
                 int64_t count, const void *data, int compress) {
    struct h5dataset *d;
    int64_t row_bytes = h5_row_bytes(type, cols, 0), cell = h5sums_cell_rows(row_bytes);
    if (cell > 1) { /* where each rank's rows are whole cells */
        struct h5sums whole = {.n_rows = n_rows, .cell_rows = cell};
        int64_t cut = !h5sums_fit(&whole, first, count);
        TRY(comm_max_int64(&file->comm, &cut, 1));
        if (cut) cell = 1;
    }
    TRY(dataset_create(&d, file, name, type, n_rows, cols, 0, 0, compress, cell));
    int status = h5dataset_write(d, first, count, data);
    if (status != STATUS_OK) {
        h5dataset_abandon(d);
        return status;
    }
    return h5dataset_close(d);
}

int h5_write_sums(struct h5file *file) {
    struct h5dataset *d;
    TRY(dataset_create(&d, file, H5_SUMS, H5_U64, file->n_sums, 1, 0, 0, 0, 1));
    int status = h5dataset_write(d, 0, file->comm.rank == 0 ? file->n_sums : 0, file->sums);
    free_dataset(d);
    return status;
}
