/* Writing and reading table.h5 (schema in the header). */
#include "store/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/h5layout.h"

const char *const TABLE_GROUP_NAMES[TABLE_GROUPS] = {"text-specific", "graph-specific", "shared-text", "shared-graph"};
enum { GROUP_NAME_BYTES = 16 };
enum { SET_TOKENS, SET_WEIGHTS, SET_EMBEDDING, N_SETS };

struct table_writer {
    struct h5layout layout;
    struct h5layout_set sets[N_SETS];
    struct comm comm;
    struct table_shape shape;
};

/* ---- writing ---- */
/* What rank 0 alone writes. */
struct head_context {
    const struct table_shape *shape;
    const struct table_head *head;
};

static int write_shape(struct h5file *file, const struct table_shape *s) {
    char weight[32];
    snprintf(weight, sizeof weight, "%.9g", s->graph_weight);
    TRY(h5file_set_text(file, "graph_weight", weight));
    TRY(h5file_set_int(file, "n_codes", s->n_codes));
    TRY(h5file_set_int(file, "top_k", s->top_k));
    TRY(h5file_set_int(file, "dim", s->dim));
    TRY(h5file_set_int(file, "vocabulary_rows", s->vocabulary_rows));
    TRY(h5file_set_int(file, "base_rows", s->base_rows));
    TRY(h5file_set_int(file, "table_version", s->table_version));
    TRY(h5file_set_int(file, "residual", s->residual));
    TRY(h5file_set_int(file, "sparse", s->sparse));
    TRY(h5file_set_int(file, "picked", s->picked));
    return h5file_set_int(file, "codebook_size", s->codebook_size);
}

static int write_head(struct h5file *file, void *context) {
    const struct head_context *c = context;
    const struct table_shape *s = c->shape;
    const struct table_head *h = c->head;
    char groups[TABLE_GROUPS * GROUP_NAME_BYTES] = {0};
    for (int g = 0; g < TABLE_GROUPS; g++) strcpy(groups + g * GROUP_NAME_BYTES, TABLE_GROUP_NAMES[g]);
    TRY(h5file_write(file, "code", H5_TEXT, s->n_codes, h->code_bytes, 0, s->n_codes, h->code, 1));
    TRY(h5file_write(file, "system", H5_TEXT, s->n_codes, h->system_bytes, 0, s->n_codes, h->system, 1));
    TRY(h5file_write(file, "codebook", H5_F32, s->codebook_size, s->dim, 0, s->codebook_size, h->codebook, 1));
    TRY(h5file_write(file, "group", H5_TEXT, TABLE_GROUPS, GROUP_NAME_BYTES, 0, TABLE_GROUPS, groups, 0));
    TRY(h5file_write(file, "region", H5_I32, TABLE_GROUPS, 2, 0, TABLE_GROUPS, s->region, 0));
    TRY(write_shape(file, s));
    if (h->vocabulary_id) TRY(h5file_set_text(file, "vocabulary_id", h->vocabulary_id));
    if (h->checkpoint_id) TRY(h5file_set_text(file, "checkpoint_id", h->checkpoint_id));
    TRY(h5file_set_int(file, "step", h->step));
    return h5file_set_int(file, "averaged", h->averaged);
}

static void free_writer(struct table_writer *w) {
    if (w) h5layout_free(&w->layout);
    free(w);
}

static int make_writer(struct table_writer **out, const struct comm *comm, const struct table_shape *s) {
    struct table_writer *w;
    TRY(mem_alloc(out, 1, sizeof *w));
    w = *out;
    w->layout.disk = -1;
    w->comm = *comm;
    w->shape = *s;
    w->sets[SET_TOKENS] =
        (struct h5layout_set){"tokens", H5_I32, s->n_codes, TABLE_GROUPS, ROWS_OF_ANY, .inner = s->top_k};
    w->sets[SET_WEIGHTS] =
        (struct h5layout_set){"weights", H5_F32, s->n_codes, TABLE_GROUPS, ROWS_OF_ANY, .inner = s->top_k};
    w->sets[SET_EMBEDDING] =
        (struct h5layout_set){"embedding", H5_F32, s->n_codes, TABLE_GROUPS * s->dim, ROWS_OF_ANY, .inner = 0};
    return h5layout_make(&w->layout, &w->comm, N_SETS, w->sets);
}

int table_create(struct table_writer **out, const struct comm *comm, const char *path, const struct table_shape *shape,
                 const struct table_head *head, const struct provenance *provenance, int status) {
    struct head_context context = {shape, head};
    int64_t row = TABLE_GROUPS * (shape->top_k * 8 + shape->dim * 4);
    int64_t bytes = shape->n_codes * row + shape->codebook_size * shape->dim * 4;
    *out = NULL;
    int made = comm_agree(comm, make_writer(out, comm, shape));
    if (made == STATUS_OK)
        made = h5layout_begin(&(*out)->layout, path, KIND_TABLE, provenance, bytes, write_head, &context, status);
    if (made == STATUS_OK) return STATUS_OK;
    free_writer(*out);
    *out = NULL;
    return made;
}

int table_write(struct table_writer *w, int64_t first, int64_t count, const int32_t *tokens, const float *weights,
                const float *embedding) {
    TRY(h5layout_write(&w->layout, SET_TOKENS, first, count, tokens));
    TRY(h5layout_write(&w->layout, SET_WEIGHTS, first, count, weights));
    return h5layout_write(&w->layout, SET_EMBEDDING, first, count, embedding);
}

int table_commit(struct table_writer *w, int status) {
    int synced = h5layout_sync(&w->layout);
    status = h5layout_end(&w->layout, status == STATUS_OK ? synced : status);
    if (status == STATUS_OK && w->comm.rank == 0) status = h5layout_finish(&w->layout);
    status = comm_agree(&w->comm, status);
    free_writer(w);
    return status;
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

static int read_graph_weight(struct table *t) {
    char *text, *end;
    TRY(h5file_get_text_or(t->file, "graph_weight", "1", &text));
    t->shape.graph_weight = strtod(text, &end);
    int good = end > text && *end == '\0' && isfinite(t->shape.graph_weight);
    free(text);
    if (good) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s is damaged: its graph_weight is not a number", h5file_path(t->file));
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
    TRY(h5file_get_int_or(t->file, "sparse", 0, &s->sparse));
    TRY(h5file_get_int_or(t->file, "picked", 0, &s->picked));
    TRY(read_graph_weight(t));
    TRY(check_shape(t, "region", H5_I32, TABLE_GROUPS, 2));
    TRY(h5file_read(t->file, "region", H5_I32, 0, TABLE_GROUPS, s->region));
    TRY(check_shape(t, "tokens", H5_I32, s->n_codes, TABLE_GROUPS * s->top_k));
    TRY(check_shape(t, "weights", H5_F32, s->n_codes, TABLE_GROUPS * s->top_k));
    TRY(check_shape(t, "embedding", H5_F32, s->n_codes, TABLE_GROUPS * s->dim));
    return check_shape(t, "codebook", H5_F32, s->codebook_size, s->dim);
}

int table_open_unnamed(struct table *t, const char *path) {
    *t = (struct table){0};
    TRY(h5file_open(&t->file, path, KIND_TABLE));
    int status = open_parts(t);
    if (status != STATUS_OK) table_close(t);
    return status;
}

int table_open(struct table *t, const char *path) {
    TRY(table_open_unnamed(t, path));
    int status = read_name(t, "code", &t->code_bytes, &t->code);
    if (status == STATUS_OK) status = read_name(t, "system", &t->system_bytes, &t->system);
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
