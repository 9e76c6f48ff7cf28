/* Writing and reading checkpoint.h5 (schema in the header). */
#include "store/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { N_PARTS = 4 };
static const char *const SUFFIX[N_PARTS] = {"", ".m", ".v", ".average"};

static void list_parts(const struct checkpoint_entry *e, float *parts[N_PARTS]) {
    parts[0] = e->value, parts[1] = e->m, parts[2] = e->v, parts[3] = e->average;
}

/* The name of a dataset; the caller frees. */
static int name_part(const struct checkpoint_entry *e, const char *suffix, char **name) {
    size_t size = strlen(e->name) + strlen(suffix) + 1;
    TRY(mem_alloc(name, (long long)size, 1));
    snprintf(*name, size, "%s%s", e->name, suffix);
    return STATUS_OK;
}

static int write_entries(struct h5file *file, const struct checkpoint_entry *entries, int n_entries) {
    for (int i = 0; i < n_entries; i++) {
        const struct checkpoint_entry *e = &entries[i];
        float *parts[N_PARTS];
        list_parts(e, parts);
        for (int k = 0; k < N_PARTS; k++) {
            if (!parts[k]) continue;
            char *name;
            TRY(name_part(e, SUFFIX[k], &name));
            int status = h5file_write(file, name, H5_F32, e->rows, e->cols, e->first, e->count, parts[k], 0);
            free(name);
            TRY(status);
        }
    }
    return STATUS_OK;
}

int checkpoint_write(const struct comm *comm, const char *path, const struct provenance *provenance, int64_t step,
                     const struct checkpoint_entry *entries, int n_entries) {
    int64_t values = 0;
    struct h5file *file;
    float *parts[N_PARTS];
    for (int i = 0; i < n_entries; i++) {
        list_parts(&entries[i], parts);
        for (int k = 0; k < N_PARTS; k++) values += parts[k] ? entries[i].rows * entries[i].cols : 0;
    }
    TRY(h5file_create(&file, comm, path, KIND_CHECKPOINT, provenance, 4 * values));
    int status = h5file_set_int(file, "step", step);
    if (status == STATUS_OK) status = write_entries(file, entries, n_entries);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        return status;
    }
    return h5file_commit(file);
}

static int read_dataset(struct h5file *file, const struct checkpoint_entry *e, const char *name, float *out) {
    int64_t rows, cols;
    TRY(h5file_shape(file, name, H5_F32, &rows, &cols));
    if (rows != e->rows || cols != e->cols)
        return status_set(STATUS_FAILED,
                          "%s: parameter %s is [%lld, %lld], but the configuration and inputs make it [%lld, "
                          "%lld]: it was trained with other settings or on another graph",
                          h5file_path(file), name, (long long)rows, (long long)cols, (long long)e->rows,
                          (long long)e->cols);
    TRY(h5file_read(file, name, H5_F32, e->first, e->count, out));
    for (int64_t i = 0; i < e->count * e->cols; i++)
        if (!isfinite(out[i]))
            return status_set(STATUS_FAILED, "%s: parameter %s holds a NaN or infinite value in row %lld",
                              h5file_path(file), name, (long long)(e->first + i / e->cols));
    return STATUS_OK;
}

static int read_part(struct h5file *file, const struct checkpoint_entry *e, const char *suffix, float *out) {
    char *name;
    TRY(name_part(e, suffix, &name));
    int status = read_dataset(file, e, name, out);
    free(name);
    return status;
}

int checkpoint_read(const char *path, const struct checkpoint_entry *entries, int n_entries, int64_t *step) {
    struct h5file *file;
    TRY(h5file_open(&file, path, KIND_CHECKPOINT));
    int status = h5file_get_int(file, "step", step);
    for (int i = 0; status == STATUS_OK && i < n_entries; i++) {
        float *parts[N_PARTS];
        list_parts(&entries[i], parts);
        for (int k = 0; status == STATUS_OK && k < N_PARTS; k++)
            if (parts[k]) status = read_part(file, &entries[i], SUFFIX[k], parts[k]);
    }
    h5file_close(file);
    return status;
}
