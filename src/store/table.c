/* Writing and reading table.h5 (schema in the header). */
#include "store/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

const char *const TABLE_GROUP_NAMES[TABLE_GROUPS] = {"text-specific", "graph-specific", "shared-text", "shared-graph"};
enum { CHUNK_ROWS = 1024, GROUP_NAME_BYTES = 16 };

struct table_writer {
    struct h5file *file;
    struct comm comm;
    struct table_shape shape;
    struct h5dataset *tokens, *weights, *embedding;
};

/* ---- writing ---- */
static int write_names(struct table_writer *w, const struct table_names *names) {
    int64_t bytes[2] = {names->code_bytes, names->system_bytes}, n = w->shape.n_codes;
    int64_t count = w->comm.rank == 0 ? n : 0;
    TRY(comm_broadcast(&w->comm, bytes, sizeof bytes));
    TRY(h5file_write(w->file, "code", H5_TEXT, n, bytes[0], 0, count, names->code, 1));
    return h5file_write(w->file, "system", H5_TEXT, n, bytes[1], 0, count, names->system, 1);
}

static int write_fixed(struct table_writer *w, const float *codebook) {
    const struct table_shape *s = &w->shape;
    int root = w->comm.rank == 0;
    char groups[TABLE_GROUPS * GROUP_NAME_BYTES] = {0};
    for (int g = 0; g < TABLE_GROUPS; g++) strcpy(groups + g * GROUP_NAME_BYTES, TABLE_GROUP_NAMES[g]);
    TRY(h5file_write(w->file, "codebook", H5_F32, s->codebook_size, s->dim, 0, root ? s->codebook_size : 0, codebook,
                     1));
    TRY(h5file_write(w->file, "group", H5_TEXT, TABLE_GROUPS, GROUP_NAME_BYTES, 0, root ? TABLE_GROUPS : 0, groups, 0));
    TRY(h5file_write(w->file, "region", H5_I32, TABLE_GROUPS, 2, 0, root ? TABLE_GROUPS : 0, s->region, 0));
    TRY(h5file_set_int(w->file, "n_codes", s->n_codes));
    TRY(h5file_set_int(w->file, "top_k", s->top_k));
    TRY(h5file_set_int(w->file, "dim", s->dim));
    TRY(h5file_set_int(w->file, "vocabulary_rows", s->vocabulary_rows));
    TRY(h5file_set_int(w->file, "base_rows", s->base_rows));
    TRY(h5file_set_int(w->file, "table_version", s->table_version));
    TRY(h5file_set_int(w->file, "residual", s->residual));
    return h5file_set_int(w->file, "codebook_size", s->codebook_size);
}

static int create_rows(struct table_writer *w) {
    const struct table_shape *s = &w->shape;
    TRY(h5dataset_create(&w->tokens, w->file, "tokens", H5_I32, s->n_codes, TABLE_GROUPS, s->top_k, CHUNK_ROWS, 1));
    TRY(h5dataset_create(&w->weights, w->file, "weights", H5_F32, s->n_codes, TABLE_GROUPS, s->top_k, CHUNK_ROWS, 1));
    return h5dataset_create(&w->embedding, w->file, "embedding", H5_F32, s->n_codes, TABLE_GROUPS * s->dim, 0,
                            CHUNK_ROWS, 1);
}

int table_create(struct table_writer **out, const struct comm *comm, const char *path, const struct table_shape *shape,
                 const struct table_names *names, const float *codebook, const struct provenance *provenance) {
    struct table_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    TRY(comm_agree(comm, w ? STATUS_OK : status_set(STATUS_FAILED, "out of memory")));
    w->comm = *comm;
    w->shape = *shape;
    int64_t row = TABLE_GROUPS * (shape->top_k * 8 + shape->dim * 4);
    int status = h5file_create(&w->file, comm, path, KIND_TABLE, provenance,
                               shape->n_codes * row + shape->codebook_size * shape->dim * 4);
    if (status == STATUS_OK) status = write_names(w, names);
    if (status == STATUS_OK) status = write_fixed(w, codebook);
    if (status == STATUS_OK) status = create_rows(w);
    if (status != STATUS_OK) {
        table_abandon(w);
        return status;
    }
    *out = w;
    return STATUS_OK;
}

int table_write(struct table_writer *w, int64_t first, int64_t count, const int32_t *tokens, const float *weights,
                const float *embedding) {
    TRY(h5dataset_write(w->tokens, first, count, tokens));
    TRY(h5dataset_write(w->weights, first, count, weights));
    return h5dataset_write(w->embedding, first, count, embedding);
}

int table_set_text(struct table_writer *w, const char *name, const char *value) {
    return h5file_set_text(w->file, name, value);
}

int table_set_int(struct table_writer *w, const char *name, int64_t value) {
    return h5file_set_int(w->file, name, value);
}

int table_commit(struct table_writer *w) {
    struct h5dataset **rows[] = {&w->tokens, &w->weights, &w->embedding};
    int status = STATUS_OK;
    for (int i = 0; i < 3 && status == STATUS_OK; i++) {
        status = h5dataset_close(*rows[i]);
        *rows[i] = NULL;
    }
    if (status == STATUS_OK) {
        status = h5file_commit(w->file);
        w->file = NULL;
    }
    table_abandon(w);
    return status;
}

void table_abandon(struct table_writer *w) {
    if (!w) return;
    h5dataset_abandon(w->tokens);
    h5dataset_abandon(w->weights);
    h5dataset_abandon(w->embedding);
    h5file_abandon(w->file);
    free(w);
}

/* ---- reading ---- */
static int wrong_shape(const struct table *t, const char *name) {
    return status_set(STATUS_FAILED, "%s is damaged: %s has not the shape that the file's attributes say",
                      h5file_path(t->file), name);
}

static int check_shape(struct table *t, const char *name, enum h5type type, int64_t rows, int64_t cols) {
    int64_t r, c;
    TRY(h5file_shape(t->file, name, type, &r, &c));
    return r == rows && c == cols ? STATUS_OK : wrong_shape(t, name);
}

static int read_name(struct table *t, const char *name, int64_t *bytes, char **out) {
    int64_t n;
    TRY(h5file_shape(t->file, name, H5_TEXT, &n, bytes));
    if (n != t->shape.n_codes) return wrong_shape(t, name);
    TRY(mem_alloc(out, n * *bytes + 1, 1));
    TRY(h5file_read(t->file, name, H5_TEXT, 0, n, *out));
    for (int64_t i = 0; i < n; i++)
        if ((*out)[(i + 1) * *bytes - 1]) return wrong_shape(t, name);
    return STATUS_OK;
}

static int open_parts(struct table *t) {
    struct table_shape *s = &t->shape;
    TRY(h5file_get_int(t->file, "n_codes", &s->n_codes));
    TRY(h5file_get_int(t->file, "top_k", &s->top_k));
    TRY(h5file_get_int(t->file, "dim", &s->dim));
    TRY(h5file_get_int(t->file, "codebook_size", &s->codebook_size));
    TRY(h5file_get_int(t->file, "vocabulary_rows", &s->vocabulary_rows));
    TRY(h5file_get_int(t->file, "base_rows", &s->base_rows));
    TRY(h5file_get_int(t->file, "table_version", &s->table_version));
    TRY(h5file_get_int_or(t->file, "residual", 0, &s->residual));
    TRY(check_shape(t, "region", H5_I32, TABLE_GROUPS, 2));
    TRY(h5file_read(t->file, "region", H5_I32, 0, TABLE_GROUPS, s->region));
    TRY(check_shape(t, "tokens", H5_I32, s->n_codes, TABLE_GROUPS * s->top_k));
    TRY(check_shape(t, "weights", H5_F32, s->n_codes, TABLE_GROUPS * s->top_k));
    TRY(check_shape(t, "embedding", H5_F32, s->n_codes, TABLE_GROUPS * s->dim));
    TRY(check_shape(t, "codebook", H5_F32, s->codebook_size, s->dim));
    TRY(read_name(t, "code", &t->code_bytes, &t->code));
    return read_name(t, "system", &t->system_bytes, &t->system);
}

int table_open(struct table *t, const char *path) {
    *t = (struct table){0};
    TRY(h5file_open(&t->file, path, KIND_TABLE));
    int status = open_parts(t);
    if (status != STATUS_OK) table_close(t);
    return status;
}

void table_close(struct table *t) {
    free(t->code);
    free(t->system);
    h5file_close(t->file);
    *t = (struct table){0};
}

int table_is_of(const struct table *t, const char *path, int *is_of, char **vocabulary_id) {
    struct h5file *file = NULL;
    char *made_from = NULL;
    int status;
    *is_of = 0;
    *vocabulary_id = NULL;
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(file, "content_id", vocabulary_id));
    TRY_DONE(h5file_get_text(t->file, "vocabulary_id", &made_from));
    *is_of = strcmp(*vocabulary_id, made_from) == 0;
done:
    free(made_from);
    h5file_close(file);
    return status;
}

int table_read(struct table *t, int64_t first, int64_t count, int32_t *tokens, float *weights, float *embedding) {
    if (tokens) TRY(h5file_read(t->file, "tokens", H5_I32, first, count, tokens));
    if (weights) TRY(h5file_read(t->file, "weights", H5_F32, first, count, weights));
    return embedding ? h5file_read(t->file, "embedding", H5_F32, first, count, embedding) : STATUS_OK;
}

int table_read_codebook(struct table *t, float *codebook) {
    return h5file_read(t->file, "codebook", H5_F32, 0, t->shape.codebook_size, codebook);
}
