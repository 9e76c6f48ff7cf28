/* Reading: one process, plain POSIX access, every shape and type checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/format.h"
#include "base/input_file.h"
#include "base/log.h"
#include "base/status.h"
#include "store/h5internal.h"

static int check_kind(struct h5file *file, enum file_kind kind) {
    const struct file_kind_facts *wanted = &FILE_KIND_FACTS[kind];
    char *found = NULL;
    int64_t version = 0;
    int status = h5file_get_text(file, "kind", &found);
    if (status != STATUS_OK) {
        status = status_set(STATUS_FAILED, "%s is not a file of this program (it has no `kind`); `medtok %s` makes %s",
                            file->path, wanted->job, wanted->what);
    } else if (strcmp(found, wanted->name) != 0) {
        status = status_set(STATUS_FAILED, "%s holds %s, but %s is needed; `medtok %s` makes it", file->path,
                            FILE_KIND_FACTS[file_kind_named(found)].what, wanted->what, wanted->job);
    } else if ((status = h5file_get_int(file, "schema_version", &version)) == STATUS_OK && version != wanted->version) {
        status = status_set(STATUS_FAILED,
                            "%s has schema version %lld, this program reads version %d: make it again with `medtok %s`",
                            file->path, (long long)version, wanted->version, wanted->job);
    }
    free(found);
    return status;
}

int h5file_open(struct h5file **out, const char *path, enum file_kind kind) {
    struct stat info;
    h5_quiet();
    *out = NULL;
    if (kind && stat(path, &info) && errno == ENOENT)
        return status_set(STATUS_FAILED, "%s does not exist; `medtok %s` makes it", path, FILE_KIND_FACTS[kind].job);
    TRY(input_file_check(path));
    if (access(path, R_OK)) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    struct h5file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return status_set(STATUS_FAILED, "out of memory");
    }
    file->comm = comm_self();
    file->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    int status = STATUS_OK;
    if (file->id < 0) {
        const char *reason = h5_reason();
        status = kind ? status_set(STATUS_FAILED, "%s is damaged or not an HDF5 file (%s); `medtok %s` makes %s", path,
                                   reason, FILE_KIND_FACTS[kind].job, FILE_KIND_FACTS[kind].what)
                      : status_set(STATUS_FAILED, "%s is damaged or not an HDF5 file: %s", path, reason);
    }
    if (status == STATUS_OK && kind) status = check_kind(file, kind);
    if (status != STATUS_OK) {
        h5file_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void h5file_close(struct h5file *file) {
    if (!file) return;
    if (file->id >= 0) H5Fclose(file->id);
    free(file->path);
    free(file->sums);
    free(file->last.rows);
    free(file);
}

const char *h5file_path(const struct h5file *file) { return file->path; }

static enum file_kind kind_of(struct h5file *file) {
    char *name = NULL;
    enum file_kind kind = h5file_get_text(file, "kind", &name) == STATUS_OK ? file_kind_named(name) : KIND_UNKNOWN;
    free(name);
    return kind;
}

enum file_kind h5file_kind(const char *path) {
    struct h5file *file;
    struct stat info;
    if (stat(path, &info) || h5file_open(&file, path, KIND_UNKNOWN) != STATUS_OK) return KIND_UNKNOWN;
    enum file_kind kind = kind_of(file);
    h5file_close(file);
    return kind;
}

/* ---- attributes ---- */
static int missing_attribute(const struct h5file *file, const char *name) {
    H5Eclear2(H5E_DEFAULT);
    return status_set(STATUS_FAILED,
                      "%s lacks the attribute %s, or it is of another type: the file is damaged or not of "
                      "this program",
                      file->path, name);
}

int h5file_get_text(struct h5file *file, const char *name, char **value) {
    *value = NULL;
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT);
    if (attribute < 0) return missing_attribute(file, name);
    hid_t stored = H5Aget_type(attribute);
    int status = STATUS_OK;
    if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) > 0) {
        status = missing_attribute(file, name);
    } else {
        size_t size = H5Tget_size(stored);
        status = mem_alloc(value, (long long)size + 1, 1);
        hid_t type = h5_type(H5_TEXT, (int64_t)size);
        if (status == STATUS_OK && H5Aread(attribute, type, *value) < 0) status = missing_attribute(file, name);
        H5Tclose(type);
    }
    H5Tclose(stored);
    H5Aclose(attribute);
    return status;
}

int h5file_get_text_or(struct h5file *file, const char *name, const char *absent, char **value) {
    if (H5Aexists(file->id, name) > 0) return h5file_get_text(file, name, value);
    TRY(mem_alloc(value, (long long)strlen(absent) + 1, 1));
    memcpy(*value, absent, strlen(absent));
    return STATUS_OK;
}

static int get_number(struct h5file *file, hid_t object, const char *name, hid_t type, void *value) {
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return missing_attribute(file, name);
    hid_t stored = H5Aget_type(attribute), space = H5Aget_space(attribute);
    int good = H5Tget_class(stored) == H5T_INTEGER && H5Sget_simple_extent_npoints(space) == 1 &&
               H5Aread(attribute, type, value) >= 0;
    H5Sclose(space);
    H5Tclose(stored);
    H5Aclose(attribute);
    return good ? STATUS_OK : missing_attribute(file, name);
}

int h5file_get_int(struct h5file *file, const char *name, int64_t *value) {
    return get_number(file, file->id, name, H5T_NATIVE_INT64, value);
}

int h5file_get_int_or(struct h5file *file, const char *name, int64_t absent, int64_t *value) {
    *value = absent;
    return H5Aexists(file->id, name) == 0 ? STATUS_OK : h5file_get_int(file, name, value);
}

/* ---- datasets ---- */
struct opened {
    hid_t id, space, type;
    int rank;
    hsize_t dims[3];
};

static void opened_close(struct opened *d) {
    if (d->space >= 0) H5Sclose(d->space);
    if (d->type >= 0) H5Tclose(d->type);
    if (d->id >= 0) H5Dclose(d->id);
}

static int same_type(hid_t stored, enum h5type type) {
    if (type == H5_TEXT) return H5Tget_class(stored) == H5T_STRING && H5Tis_variable_str(stored) <= 0;
    hid_t wanted = h5_type(type, 1);
    int same = H5Tequal(stored, wanted) > 0;
    H5Tclose(wanted);
    return same;
}

static int opened_open(struct opened *d, struct h5file *file, const char *name) {
    *d = (struct opened){.id = H5Dopen2(file->id, name, H5P_DEFAULT), .space = -1, .type = -1};
    if (d->id < 0) {
        H5Eclear2(H5E_DEFAULT);
        return status_set(STATUS_FAILED, "%s lacks the dataset %s: it is damaged or not of this program", file->path,
                          name);
    }
    d->space = H5Dget_space(d->id);
    d->type = H5Dget_type(d->id);
    d->rank = H5Sget_simple_extent_ndims(d->space);
    if (d->rank < 1 || d->rank > 3)
        return status_set(STATUS_FAILED, "%s: %s has %d dimensions, 1 to 3 are expected", file->path, name, d->rank);
    H5Sget_simple_extent_dims(d->space, d->dims, NULL);
    return STATUS_OK;
}

static int open_checked(struct opened *d, struct h5file *file, const char *name, enum h5type type) {
    TRY(opened_open(d, file, name));
    if (same_type(d->type, type)) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s: %s has another type than expected: the file is damaged or not of this program", file->path,
                      name);
}

static int64_t columns(const struct opened *d, enum h5type type) {
    if (type == H5_TEXT) return (int64_t)H5Tget_size(d->type);
    int64_t cols = 1;
    for (int i = 1; i < d->rank; i++) cols *= (int64_t)d->dims[i];
    return cols;
}

int h5file_shape(struct h5file *file, const char *name, enum h5type type, int64_t *n_rows, int64_t *cols) {
    struct opened d;
    int status = open_checked(&d, file, name, type);
    if (status == STATUS_OK) {
        *n_rows = (int64_t)d.dims[0];
        *cols = columns(&d, type);
    }
    opened_close(&d);
    return status;
}

int h5_damaged(const struct h5file *file, const char *name, const char *how) {
    enum file_kind kind = kind_of((struct h5file *)file);
    return status_set(STATUS_FAILED, "%s is damaged: %s %s; make it again with `medtok %s`", file->path, name, how,
                      FILE_KIND_FACTS[kind].job);
}

static int read_rows(struct h5file *file, const char *name, const struct opened *d, int64_t first, int64_t count,
                     void *data) {
    if (count == 0) return STATUS_OK;
    hsize_t start[3] = {(hsize_t)first}, extent[3] = {(hsize_t)count, d->dims[1], d->dims[2]};
    hid_t memory = H5Screate_simple(d->rank, extent, NULL);
    H5Sselect_hyperslab(d->space, H5S_SELECT_SET, start, NULL, extent, NULL);
    herr_t code = H5Dread(d->id, d->type, memory, d->space, H5P_DEFAULT, data);
    H5Sclose(memory);
    if (code >= 0) return STATUS_OK;
    char how[300];
    snprintf(how, sizeof how, "cannot be read (%s)", h5_reason());
    return h5_damaged(file, name, how);
}

/* ---- checksums ---- */
/* The sums of all blocks of the file, read once. */
static int read_sums(struct h5file *file) {
    struct opened d;
    if (file->sums) return STATUS_OK;
    int status = open_checked(&d, file, H5_SUMS, H5_U64);
    if (status == STATUS_OK) status = mem_alloc(&file->sums, (long long)d.dims[0], sizeof *file->sums);
    if (status == STATUS_OK) {
        file->n_sums = (long long)d.dims[0];
        status = read_rows(file, H5_SUMS, &d, 0, (int64_t)d.dims[0], file->sums);
    }
    opened_close(&d);
    return status;
}

/* How the rows of an open dataset are summed; `block` points into file->sums and is not owned. */
static int find_sums(struct h5file *file, const char *name, const struct opened *d, struct h5sums *sums) {
    int64_t layout[3] = {0}, row_bytes = (int64_t)H5Tget_size(d->type);
    hid_t attribute = H5Aopen(d->id, H5_SUMS_LAYOUT, H5P_DEFAULT);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    int good =
        space >= 0 && H5Sget_simple_extent_npoints(space) == 3 && H5Aread(attribute, H5T_NATIVE_INT64, layout) >= 0;
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
    H5Eclear2(H5E_DEFAULT);
    if (!good) return h5_damaged(file, name, "lacks its checksums");
    TRY(read_sums(file));
    for (int i = 1; i < d->rank; i++) row_bytes *= (int64_t)d->dims[i];
    int64_t n_rows = (int64_t)d->dims[0];
    if (!h5sums_possible(n_rows, layout, file->n_sums)) return h5_damaged(file, name, "has other checksums than rows");
    *sums = (struct h5sums){.n_rows = n_rows,
                            .row_bytes = row_bytes,
                            .block_rows = layout[1],
                            .cell_rows = layout[2],
                            .n_blocks = (n_rows - 1 + layout[1]) / layout[1],
                            .block = file->sums + layout[0]};
    return STATUS_OK;
}

static int check_block(const struct h5file *file, const char *name, const struct h5sums *sums, int64_t block,
                       const void *rows) {
    if (h5sums_of_block(sums, block, rows) == sums->block[block]) return STATUS_OK;
    char how[128];
    int64_t first = block * sums->block_rows;
    snprintf(how, sizeof how, "has other values than were written, in rows %lld to %lld", (long long)first,
             (long long)(first + h5sums_rows_in(sums, block) - 1));
    return h5_damaged(file, name, how);
}

/* Brings a block, checked, into file->last. */
static int load_block(struct h5file *file, const char *name, const struct opened *d, const struct h5sums *sums,
                      int64_t block) {
    struct h5block *last = &file->last;
    if (last->number == block && strcmp(last->name, name) == 0) return STATUS_OK;
    last->name[0] = 0;
    TRY(mem_grow(&last->rows, &last->capacity, sums->block_rows * sums->row_bytes, 1));
    TRY(read_rows(file, name, d, block * sums->block_rows, h5sums_rows_in(sums, block), last->rows));
    TRY(check_block(file, name, sums, block, last->rows));
    last->number = block;
    snprintf(last->name, sizeof last->name, "%s", name);
    return STATUS_OK;
}

/* Blocks that are asked for whole are read in place; of one that is not, the part is copied. */
static int read_checked(struct h5file *file, const char *name, const struct opened *d, int64_t first, int64_t count,
                        char *data) {
    struct h5sums sums;
    TRY(find_sums(file, name, d, &sums));
    for (int64_t end = first + count, next; first < end; first = next) {
        int64_t block = first / sums.block_rows, start = block * sums.block_rows;
        int64_t last = end == sums.n_rows ? sums.n_blocks : end / sums.block_rows; /* first block that is not whole */
        if (first == start && block < last) {
            next = last * sums.block_rows < end ? last * sums.block_rows : end;
            TRY(read_rows(file, name, d, first, next - first, data));
            for (int64_t b = block; b < last; b++)
                TRY(check_block(file, name, &sums, b, data + (b * sums.block_rows - first) * sums.row_bytes));
        } else {
            next = start + h5sums_rows_in(&sums, block);
            if (next > end) next = end;
            TRY(load_block(file, name, d, &sums, block));
            memcpy(data, file->last.rows + (first - start) * sums.row_bytes, (size_t)((next - first) * sums.row_bytes));
        }
        data += (next - first) * sums.row_bytes;
    }
    return STATUS_OK;
}

int h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count, void *data) {
    struct opened d;
    int status = open_checked(&d, file, name, type);
    if (status == STATUS_OK && (first < 0 || count < 0 || first + count > (int64_t)d.dims[0]))
        status = status_set(STATUS_FAILED, "%s: %s has %lld rows, but rows %lld to %lld are needed", file->path, name,
                            (long long)d.dims[0], (long long)first, (long long)(first + count - 1));
    if (status == STATUS_OK && count > 0) status = read_checked(file, name, &d, first, count, data);
    opened_close(&d);
    return status;
}

/* ---- verification ---- */
struct verification {
    struct h5file *file;
    int part, n_parts;
    int64_t next; /* block, over all datasets */
};

static int verify_blocks(struct verification *v, const char *name, const struct opened *d, const struct h5sums *sums) {
    void *rows = NULL;
    TRY(mem_alloc(&rows, sums->block_rows, sums->row_bytes));
    int status = STATUS_OK;
    for (int64_t b = 0; b < sums->n_blocks && status == STATUS_OK; b++) {
        if (v->next++ % v->n_parts != v->part) continue;
        status = read_rows(v->file, name, d, b * sums->block_rows, h5sums_rows_in(sums, b), rows);
        if (status == STATUS_OK) status = check_block(v->file, name, sums, b, rows);
    }
    free(rows);
    return status;
}

static int verify_dataset(struct verification *v, const char *name) {
    struct opened d;
    struct h5sums sums;
    uint64_t stored = 0;
    int status;
    if (strcmp(name, H5_SUMS) == 0) return STATUS_OK;
    TRY_DONE(opened_open(&d, v->file, name));
    TRY_DONE(get_number(v->file, d.id, "xxh3_rows", H5T_NATIVE_UINT64, &stored));
    TRY_DONE(find_sums(v->file, name, &d, &sums));
    if (h5sums_total(&sums) != stored) {
        status = h5_damaged(v->file, name, "has checksums that do not agree");
        goto done;
    }
    status = verify_blocks(v, name, &d, &sums);
done:
    opened_close(&d);
    return status;
}

static herr_t verify_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    (void)group;
    (void)info;
    return verify_dataset(context, name) == STATUS_OK ? 0 : 1;
}

int h5file_verify(struct h5file *file, int part, int n_parts) {
    hsize_t at = 0;
    struct verification v = {file, part, n_parts, 0};
    herr_t code = H5Literate(file->id, H5_INDEX_NAME, H5_ITER_INC, &at, verify_link, &v);
    if (code < 0) return status_set(STATUS_FAILED, "%s is damaged: listing datasets: %s", file->path, h5_reason());
    return code > 0 ? STATUS_FAILED : STATUS_OK;
}

/* ---- up to date ---- */
/* 1: a file of this kind with this key is there, whole or not. */
static int has_key(const char *path, enum file_kind kind, const char *key) {
    struct stat info;
    struct h5file *file;
    char *found = NULL;
    if (stat(path, &info) || h5file_open(&file, path, kind) != STATUS_OK) return 0;
    int same = h5file_get_text(file, "provenance_key", &found) == STATUS_OK && strcmp(found, key) == 0;
    free(found);
    h5file_close(file);
    return same;
}

static int verify_share(const struct comm *comm, const char *path) {
    struct h5file *file;
    TRY(h5file_open(&file, path, KIND_UNKNOWN));
    int status = h5file_verify(file, comm->rank, comm->size);
    h5file_close(file);
    return status;
}

int h5file_up_to_date(const struct comm *comm, const char *path, enum file_kind kind, const char *key,
                      int *up_to_date) {
    static const double WORTH_A_LINE = 1e9;
    struct stat info = {0};
    char size[32];
    double since = clock_seconds();
    *up_to_date = comm->rank == 0 && has_key(path, kind, key);
    TRY(comm_broadcast(comm, up_to_date, sizeof *up_to_date));
    if (!*up_to_date) return STATUS_OK;
    int large = stat(path, &info) == 0 && (double)info.st_size > WORTH_A_LINE;
    format_bytes((int64_t)info.st_size, size, sizeof size);
    if (large) log_info("checking %s (%s)", path, size);
    if (comm_agree(comm, verify_share(comm, path)) != STATUS_OK) {
        if (comm->rank == 0) log_warn("%s", status_message());
        *up_to_date = 0;
    } else if (large) {
        log_info("checked %s in %.1f s", path, clock_seconds() - since);
    }
    return STATUS_OK;
}
