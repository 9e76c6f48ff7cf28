/* Reading: one process, plain POSIX access, every shape and type checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "store/h5internal.h"

static const char *job_that_makes(const char *kind) {
    static const char *const KINDS[][2] = {
        {"vocabulary", "prepare"}, {"text", "encode"}, {"checkpoint", "train"}, {"table", "tokenize"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(kind, KINDS[i][0]) == 0) return KINDS[i][1];
    return "?";
}

static int check_kind(struct h5file *file, const char *kind, int schema_version) {
    char *found = NULL;
    int64_t version = 0;
    int status = h5file_get_text(file, "kind", &found);
    if (status != STATUS_OK) {
        status = status_set(STATUS_FAILED,
                            "%s is not a file of this program (it has no `kind`); `medtok %s` makes a %s "
                            "file",
                            file->path, job_that_makes(kind), kind);
    } else if (strcmp(found, kind) != 0) {
        status = status_set(STATUS_FAILED, "%s is a %s file, but a %s file is needed; `medtok %s` makes one",
                            file->path, found, kind, job_that_makes(kind));
    } else if ((status = h5file_get_int(file, "schema_version", &version)) == STATUS_OK && version != schema_version) {
        status = status_set(STATUS_FAILED,
                            "%s has schema version %lld, this program reads version %d: make it again "
                            "with `medtok %s`",
                            file->path, (long long)version, schema_version, job_that_makes(kind));
    }
    free(found);
    return status;
}

int h5file_open(struct h5file **out, const char *path, const char *kind, int schema_version) {
    struct stat info;
    h5_quiet();
    *out = NULL;
    if (stat(path, &info)) {
        if (errno == ENOENT && kind)
            return status_set(STATUS_FAILED, "%s does not exist; `medtok %s` makes it", path, job_that_makes(kind));
        return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) return status_set(STATUS_FAILED, "%s is a folder; a file is needed", path);
    struct h5file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return status_set(STATUS_FAILED, "out of memory");
    }
    file->comm = comm_self();
    file->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    int status = STATUS_OK;
    if (file->id < 0)
        status = status_set(STATUS_FAILED, "%s is damaged or not an HDF5 file: %s", path, h5_reason());
    else if (kind)
        status = check_kind(file, kind, schema_version);
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
    free(file);
}

const char *h5file_path(const struct h5file *file) { return file->path; }

int h5file_up_to_date(const char *path, const char *kind, int schema_version, const char *key) {
    struct stat info;
    struct h5file *file;
    char *found = NULL;
    if (stat(path, &info) || h5file_open(&file, path, kind, schema_version) != STATUS_OK) return 0;
    int same = h5file_get_text(file, "provenance_key", &found) == STATUS_OK && strcmp(found, key) == 0;
    free(found);
    h5file_close(file);
    return same;
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

static int get_number(struct h5file *file, hid_t object, const char *name, hid_t type, H5T_class_t class, void *value) {
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return missing_attribute(file, name);
    hid_t stored = H5Aget_type(attribute), space = H5Aget_space(attribute);
    int good = H5Tget_class(stored) == class && H5Sget_simple_extent_npoints(space) == 1 &&
               H5Aread(attribute, type, value) >= 0;
    H5Sclose(space);
    H5Tclose(stored);
    H5Aclose(attribute);
    return good ? STATUS_OK : missing_attribute(file, name);
}

int h5file_get_int(struct h5file *file, const char *name, int64_t *value) {
    return get_number(file, file->id, name, H5T_NATIVE_INT64, H5T_INTEGER, value);
}

int h5file_get_real(struct h5file *file, const char *name, double *value) {
    return get_number(file, file->id, name, H5T_NATIVE_DOUBLE, H5T_FLOAT, value);
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

static int read_rows(struct opened *d, hid_t memory_type, int64_t first, int64_t count, void *data) {
    if (count == 0) return 0;
    hsize_t start[3] = {(hsize_t)first}, extent[3] = {(hsize_t)count, d->dims[1], d->dims[2]};
    hid_t memory = H5Screate_simple(d->rank, extent, NULL);
    H5Sselect_hyperslab(d->space, H5S_SELECT_SET, start, NULL, extent, NULL);
    herr_t code = H5Dread(d->id, memory_type, memory, d->space, H5P_DEFAULT, data);
    H5Sclose(memory);
    return code;
}

int h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count, void *data) {
    struct opened d;
    int status = open_checked(&d, file, name, type);
    if (status == STATUS_OK && (first < 0 || count < 0 || first + count > (int64_t)d.dims[0]))
        status = status_set(STATUS_FAILED, "%s: %s has %lld rows, but rows %lld to %lld are needed", file->path, name,
                            (long long)d.dims[0], (long long)first, (long long)(first + count - 1));
    if (status == STATUS_OK && read_rows(&d, d.type, first, count, data) < 0)
        status = status_set(STATUS_FAILED, "%s: reading %s: %s; the file is damaged", file->path, name, h5_reason());
    opened_close(&d);
    return status;
}

/* ---- verification ---- */
static int verify_dataset(struct h5file *file, const char *name) {
    struct opened d;
    uint64_t stored = 0, sum = 0;
    void *buffer = NULL;
    int status;
    TRY_DONE(opened_open(&d, file, name));
    TRY_DONE(get_number(file, d.id, "xxh3_rows", H5T_NATIVE_UINT64, H5T_INTEGER, &stored));
    int64_t row_bytes = (int64_t)H5Tget_size(d.type), n = (int64_t)d.dims[0];
    for (int i = 1; i < d.rank; i++) row_bytes *= (int64_t)d.dims[i];
    int64_t block = (1 << 24) / (row_bytes > 0 ? row_bytes : 1) + 1;
    TRY_DONE(mem_alloc(&buffer, block, row_bytes));
    for (int64_t at = 0; at < n; at += block) {
        int64_t count = at + block < n ? block : n - at;
        if (read_rows(&d, d.type, at, count, buffer) < 0) {
            status =
                status_set(STATUS_FAILED, "%s: reading %s: %s; the file is damaged", file->path, name, h5_reason());
            goto done;
        }
        sum += h5_checksum(buffer, at, count, row_bytes);
    }
    if (sum != stored)
        status =
            status_set(STATUS_FAILED, "%s: the checksum of %s is %016llx, but %016llx was written: the file is damaged",
                       file->path, name, (unsigned long long)sum, (unsigned long long)stored);
done:
    free(buffer);
    opened_close(&d);
    return status;
}

static herr_t verify_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    (void)group;
    (void)info;
    return verify_dataset(context, name) == STATUS_OK ? 0 : 1;
}

int h5file_verify(struct h5file *file) {
    hsize_t at = 0;
    herr_t code = H5Literate(file->id, H5_INDEX_NAME, H5_ITER_INC, &at, verify_link, file);
    if (code < 0) return status_set(STATUS_FAILED, "%s: listing datasets: %s", file->path, h5_reason());
    return code > 0 ? STATUS_FAILED : STATUS_OK;
}
