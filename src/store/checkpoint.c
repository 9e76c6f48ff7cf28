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

/* ---- writing ---- */
static int list_sets(struct checkpoint_writer *w) {
    for (int i = 0; i < w->n_entries; i++) {
        const struct checkpoint_entry *e = &w->entries[i];
        float *parts[N_PARTS];
        list_parts(e, parts);
        for (int k = 0; k < N_PARTS; k++) {
            char *name;
            if (!parts[k]) continue;
            TRY(name_part(e, SUFFIX[k], &name));
            w->sets[w->n_sets++] = (struct h5layout_set){.name = name,
                                                         .type = H5_F32,
                                                         .n_rows = e->rows,
                                                         .cols = e->cols,
                                                         .writer = e->by_rows ? ROWS_OF_OWNERS : ROWS_OF_ROOT};
            w->bytes += e->rows * e->cols * (int64_t)sizeof(float);
        }
    }
    return STATUS_OK;
}

int checkpoint_writer_make(struct checkpoint_writer *w, const struct comm *comm, const struct checkpoint_entry *entries,
                           int n_entries) {
    *w = (struct checkpoint_writer){.entries = entries, .n_entries = n_entries, .layout.disk = -1};
    TRY(mem_alloc(&w->sets, (long long)N_PARTS * n_entries, sizeof *w->sets));
    TRY(list_sets(w));
    return h5layout_make(&w->layout, comm, w->n_sets, w->sets);
}

void checkpoint_writer_free(struct checkpoint_writer *w) {
    h5layout_free(&w->layout);
    for (int i = 0; i < w->n_sets; i++) free((char *)w->sets[i].name);
    free(w->sets);
    *w = (struct checkpoint_writer){.layout.disk = -1};
}

static int set_step(struct h5file *file, void *step) { return h5file_set_int(file, "step", *(const int64_t *)step); }

int checkpoint_writer_begin(struct checkpoint_writer *w, const char *path, const struct provenance *provenance,
                            int64_t step, int status) {
    return h5layout_begin(&w->layout, path, KIND_CHECKPOINT, provenance, w->bytes, set_step, &step, status);
}

int checkpoint_writer_write(struct checkpoint_writer *w) {
    int set = 0, status = STATUS_OK;
    for (int i = 0; i < w->n_entries; i++) {
        const struct checkpoint_entry *e = &w->entries[i];
        float *parts[N_PARTS];
        list_parts(e, parts);
        for (int k = 0; k < N_PARTS; k++) {
            if (!parts[k]) continue;
            if (status == STATUS_OK) status = h5layout_write(&w->layout, set, e->first, e->count, parts[k]);
            set++;
        }
    }
    int synced = h5layout_sync(&w->layout);
    return status == STATUS_OK ? synced : status;
}

int checkpoint_writer_end(struct checkpoint_writer *w, int status) { return h5layout_end(&w->layout, status); }

int checkpoint_writer_complete(struct checkpoint_writer *w) { return h5layout_complete(&w->layout); }

int checkpoint_writer_seal(struct checkpoint_writer *w) { return h5layout_seal(&w->layout); }

int checkpoint_writer_close(struct checkpoint_writer *w, int status) { return h5layout_close(&w->layout, status); }

/* ---- reading ---- */
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
