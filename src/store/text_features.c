/* Reading and writing text.h5 (schema in the header). */
#include "store/text_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "base/status.h"
#include "store/vocabulary.h"

/* Feature rows read at a time. */
enum { BLOCK_ROWS = 8192 };

void text_features_free(struct text_features *t) {
    free(t->token_offsets);
    free(t->token_row);
    free(t->rows_f16);
    free(t->rows_f32);
    *t = (struct text_features){0};
}

void text_features_row(const struct text_features *t, int64_t row, float *out) {
    if (t->rows_f32) {
        memcpy(out, t->rows_f32 + row * t->dim, (size_t)t->dim * sizeof *out);
        return;
    }
    const uint16_t *half = t->rows_f16 + row * t->dim;
    int64_t dim = t->dim;
#pragma omp simd
    for (int64_t c = 0; c < dim; c++) out[c] = half_to_float(half[c]);
}

/* ---- checks ---- */
static int check_vocabulary(struct h5file *file, const char *vocabulary_path) {
    struct h5file *vocabulary = NULL;
    char *made_from = NULL, *id = NULL;
    int status;
    TRY_DONE(h5file_get_text(file, "vocabulary_id", &made_from));
    TRY_DONE(h5file_open(&vocabulary, vocabulary_path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(vocabulary, "content_id", &id));
    if (strcmp(made_from, id) != 0)
        status = status_set(STATUS_FAILED, "%s was made from another vocabulary than %s; run `medtok encode` again",
                            h5file_path(file), vocabulary_path);
done:
    free(made_from);
    free(id);
    h5file_close(vocabulary);
    return status;
}

static int damaged(const struct h5file *file, const char *what, int64_t code) {
    return status_set(STATUS_FAILED, "%s is damaged: %s of code number %lld; run `medtok encode` again",
                      h5file_path(file), what, (long long)code);
}

/* ---- the index of all codes, read whole ---- */
struct index {
    int64_t n_codes, n_tokens, n_rows;
    int64_t *offsets;
    int32_t *rows;
};

static void index_free(struct index *index) {
    free(index->offsets);
    free(index->rows);
}

static int read_index(struct h5file *file, struct index *x) {
    int64_t cols, n;
    TRY(h5file_shape(file, "token_offsets", H5_I64, &n, &cols));
    x->n_codes = n - 1;
    TRY(mem_alloc(&x->offsets, n, sizeof *x->offsets));
    TRY(h5file_read(file, "token_offsets", H5_I64, 0, n, x->offsets));
    TRY(h5file_shape(file, "token_row", H5_I32, &x->n_tokens, &cols));
    TRY(mem_alloc(&x->rows, x->n_tokens, sizeof *x->rows));
    TRY(h5file_read(file, "token_row", H5_I32, 0, x->n_tokens, x->rows));
    TRY(h5file_get_int(file, "n_rows", &x->n_rows));
    if (n < 1 || x->offsets[0] != 0 || x->offsets[x->n_codes] != x->n_tokens) return damaged(file, "the offsets", 0);
    for (int64_t i = 0; i < x->n_codes; i++) /* at least the [CLS] row */
        if (x->offsets[i + 1] <= x->offsets[i]) return damaged(file, "the offsets", i);
    for (int64_t t = 0; t < x->n_tokens; t++)
        if (x->rows[t] < 0 || x->rows[t] >= x->n_rows) return damaged(file, "a row number", 0);
    return STATUS_OK;
}

/* ---- the rows that some codes use ---- */
static int select_codes(struct h5file *file, const struct index *x, const int64_t *codes, int64_t n_codes,
                        struct text_features *t) {
    int64_t n = 0;
    TRY(mem_alloc(&t->token_offsets, n_codes + 1, sizeof *t->token_offsets));
    for (int64_t i = 0; i < n_codes; i++) {
        if (codes[i] < 0 || codes[i] >= x->n_codes) return damaged(file, "the number of codes", codes[i]);
        t->token_offsets[i] = n;
        n += x->offsets[codes[i] + 1] - x->offsets[codes[i]];
    }
    t->token_offsets[n_codes] = n;
    TRY(mem_alloc(&t->token_row, n, sizeof *t->token_row));
    for (int64_t i = 0; i < n_codes; i++)
        memcpy(t->token_row + t->token_offsets[i], x->rows + x->offsets[codes[i]],
               (size_t)(t->token_offsets[i + 1] - t->token_offsets[i]) * sizeof *t->token_row);
    t->n_codes = n_codes;
    return STATUS_OK;
}

/* local_row[row of the file] = row held here, or -1. Renumbers token_row. */
static int number_rows(struct text_features *t, int64_t n_file_rows, int32_t **local_row) {
    TRY(mem_alloc(local_row, n_file_rows, sizeof **local_row));
    int32_t *p = *local_row;
    for (int64_t i = 0; i < t->token_offsets[t->n_codes]; i++) p[t->token_row[i]] = 1;
    for (int64_t r = 0; r < n_file_rows; r++) p[r] = p[r] ? (int32_t)t->n_rows++ : -1;
    for (int64_t i = 0; i < t->token_offsets[t->n_codes]; i++) t->token_row[i] = p[t->token_row[i]];
    return STATUS_OK;
}

static int64_t first_bad(const struct text_features *t, int64_t row) {
    for (int64_t c = 0; c < t->dim; c++) {
        int bad =
            t->rows_f32 ? !isfinite(t->rows_f32[row * t->dim + c]) : (t->rows_f16[row * t->dim + c] & 0x7c00) == 0x7c00;
        if (bad) return c;
    }
    return -1;
}

static int check_finite(const struct h5file *file, const char *vocabulary_path, const struct text_features *t,
                        const int64_t *codes) {
    char name[160];
    int64_t row = 0; /* each row once; whose it is matters only if one is bad */
    while (row < t->n_rows && first_bad(t, row) < 0) row++;
    if (row == t->n_rows) return STATUS_OK;
    for (int64_t i = 0; i < t->n_codes; i++)
        for (int64_t k = t->token_offsets[i]; k < t->token_offsets[i + 1]; k++) {
            int64_t bad = first_bad(t, t->token_row[k]);
            if (bad < 0) continue;
            vocabulary_name(vocabulary_path, codes[i], name, sizeof name);
            return status_set(STATUS_FAILED,
                              "%s: a feature of %s is NaN or infinite (value %lld of token %lld); run `medtok encode` "
                              "again",
                              h5file_path(file), name, (long long)bad, (long long)(k - t->token_offsets[i]));
        }
    return STATUS_OK;
}

static int read_rows(struct h5file *file, struct text_features *t, const int32_t *local_row, int64_t n_file_rows,
                     enum h5type type) {
    int64_t size = type == H5_F16 ? 2 : 4;
    char *block = NULL, *out;
    int status;
    if (type == H5_F16)
        TRY(mem_alloc(&t->rows_f16, t->n_rows * t->dim, 2));
    else
        TRY(mem_alloc(&t->rows_f32, t->n_rows * t->dim, 4));
    out = type == H5_F16 ? (char *)t->rows_f16 : (char *)t->rows_f32;
    TRY_DONE(mem_alloc(&block, BLOCK_ROWS * t->dim, size));
    for (int64_t first = 0; first < n_file_rows; first += BLOCK_ROWS) {
        int64_t n = first + BLOCK_ROWS < n_file_rows ? BLOCK_ROWS : n_file_rows - first, from = 0, end = n;
        while (from < end && local_row[first + from] < 0) from++;
        while (end > from && local_row[first + end - 1] < 0) end--;
        if (from == end) continue;
        TRY_DONE(h5file_read(file, "features", type, first + from, end - from, block));
        for (int64_t r = from; r < end; r++)
            if (local_row[first + r] >= 0)
                memcpy(out + local_row[first + r] * t->dim * size, block + (r - from) * t->dim * size,
                       (size_t)(t->dim * size));
    }
done:
    free(block);
    return status;
}

static int feature_type(struct h5file *file, enum h5type *type) {
    char *precision;
    TRY(h5file_get_text(file, "precision", &precision));
    *type = strcmp(precision, "fp16") == 0 ? H5_F16 : H5_F32;
    free(precision);
    return STATUS_OK;
}

/* What stands in the file whatever codes are wanted. */
static int read_shape(struct h5file *file, struct index *index, enum h5type *type, int64_t *dim) {
    int64_t rows, cols;
    TRY(feature_type(file, type));
    TRY(h5file_get_int(file, "dim", dim));
    TRY(h5file_shape(file, "features", *type, &rows, &cols));
    TRY(read_index(file, index));
    return rows == index->n_rows && cols == *dim ? STATUS_OK : damaged(file, "the shape of the features", 0);
}

static int read_codes(struct h5file *file, const struct index *index, enum h5type type, const int64_t *codes,
                      int64_t n_codes, struct text_features *t) {
    int32_t *local_row = NULL;
    int status = select_codes(file, index, codes, n_codes, t);
    if (status == STATUS_OK) status = number_rows(t, index->n_rows, &local_row);
    if (status == STATUS_OK) status = read_rows(file, t, local_row, index->n_rows, type);
    free(local_row);
    return status;
}

int text_features_read(const char *path, const char *vocabulary_path, const int64_t *codes, int64_t n_codes,
                       struct text_features *t) {
    struct h5file *file = NULL;
    struct index index = {0};
    enum h5type type;
    int status;
    *t = (struct text_features){0};
    TRY_DONE(h5file_open(&file, path, KIND_TEXT));
    TRY_DONE(check_vocabulary(file, vocabulary_path));
    TRY_DONE(read_shape(file, &index, &type, &t->dim));
    TRY_DONE(read_codes(file, &index, type, codes, n_codes, t));
    TRY_DONE(check_finite(file, vocabulary_path, t, codes));
done:
    index_free(&index);
    h5file_close(file);
    if (status != STATUS_OK) text_features_free(t);
    return status;
}

/* ---- means ---- */
static int check_id(struct h5file *file, const char *vocabulary_id) {
    char *made_from = NULL;
    TRY(h5file_get_text(file, "vocabulary_id", &made_from));
    int same = strcmp(made_from, vocabulary_id) == 0;
    free(made_from);
    return same ? STATUS_OK
                : status_set(STATUS_FAILED,
                             "%s was made from another vocabulary than the token table; run `medtok encode` with the "
                             "vocabulary of the table",
                             h5file_path(file));
}

/* The mean over the rows of each code held in t, or the first alone, which then is the mean; row: room for a row. */
static int mean_of_tokens(const struct h5file *file, const struct text_features *t, const int64_t *codes,
                          int first_alone, float *row, float *means) {
    for (int64_t i = 0; i < t->n_codes; i++) {
        int64_t first = t->token_offsets[i], n = first_alone ? 1 : t->token_offsets[i + 1] - first;
        float *mean = means + i * t->dim;
        for (int64_t k = 0; k < n; k++) {
            text_features_row(t, t->token_row[first + k], row);
            for (int64_t c = 0; c < t->dim; c++) mean[c] += row[c] / (float)n;
        }
        for (int64_t c = 0; c < t->dim; c++)
            if (!isfinite(mean[c])) return damaged(file, "a feature that is NaN or infinite", codes[i]);
    }
    return STATUS_OK;
}

static int mean_of_blocks(struct h5file *file, const struct index *index, enum h5type type, int64_t n,
                          const int64_t *codes, int64_t dim, float *means) {
    enum { BLOCK_CODES = 4096 };
    float *row;
    int64_t first_is_mean;
    int status = STATUS_OK;
    TRY(h5file_get_int_or(file, "first_is_mean", 0, &first_is_mean));
    TRY(mem_alloc(&row, dim, sizeof *row));
    for (int64_t first = 0; first < n && status == STATUS_OK; first += BLOCK_CODES) {
        int64_t count = n - first < BLOCK_CODES ? n - first : BLOCK_CODES;
        struct text_features t = {.dim = dim};
        status = read_codes(file, index, type, codes + first, count, &t);
        if (status == STATUS_OK)
            status = mean_of_tokens(file, &t, codes + first, first_is_mean != 0, row, means + first * dim);
        text_features_free(&t);
    }
    free(row);
    return status;
}

int text_features_means(const char *path, const char *vocabulary_id, int64_t n, const int64_t *codes, int64_t *dim,
                        float **means) {
    struct h5file *file = NULL;
    struct index index = {0};
    enum h5type type;
    int status;
    *means = NULL;
    TRY_DONE(h5file_open(&file, path, KIND_TEXT));
    TRY_DONE(check_id(file, vocabulary_id));
    TRY_DONE(read_shape(file, &index, &type, dim));
    TRY_DONE(mem_alloc(means, n * *dim, sizeof **means));
    TRY_DONE(mean_of_blocks(file, &index, type, n, codes, *dim, *means));
done:
    index_free(&index);
    h5file_close(file);
    return status;
}

int text_features_dim(const char *path, int64_t *dim) {
    struct h5file *file;
    TRY(h5file_open(&file, path, KIND_TEXT));
    int status = h5file_get_int(file, "dim", dim);
    h5file_close(file);
    return status;
}

/* ---- writing ---- */
static int vocabulary_id(const char *path, char **id) {
    struct h5file *vocabulary;
    TRY(h5file_open(&vocabulary, path, KIND_VOCABULARY));
    int status = h5file_get_text(vocabulary, "content_id", id);
    h5file_close(vocabulary);
    return status;
}

static int write_attributes(struct h5file *file, const struct comm *comm, const struct text_features_index *x) {
    char *id = NULL;
    int status;
    TRY_DONE(comm_agree(comm, vocabulary_id(x->vocabulary, &id)));
    TRY_DONE(h5file_set_text(file, "vocabulary_id", id));
    TRY_DONE(h5file_set_text(file, "encoder", x->encoder));
    TRY_DONE(h5file_set_text(file, "precision", x->half ? "fp16" : "fp32"));
    TRY_DONE(h5file_set_int(file, "dim", x->dim));
    TRY_DONE(h5file_set_int(file, "n_codes", x->n_codes));
    TRY_DONE(h5file_set_int(file, "n_rows", x->n_rows));
    TRY_DONE(h5file_set_int(file, "first_is_mean", x->first_is_mean));
done:
    free(id);
    return status;
}

static int write_index(struct h5file *file, const struct comm *comm, const struct text_features_index *x) {
    int64_t n = x->n_codes + 1, tokens = x->n_tokens;
    int root = comm->rank == 0;
    TRY(h5file_write(file, "token_offsets", H5_I64, n, 1, 0, root ? n : 0, x->token_offsets, 1));
    return h5file_write(file, "token_row", H5_I32, tokens, 1, 0, root ? tokens : 0, x->token_row, 1);
}

int text_features_create(struct text_features_writer *w, const struct comm *comm, const char *path,
                         const struct text_features_index *x, const struct provenance *provenance, int partial) {
    int64_t bytes = x->n_rows * x->dim * (x->half ? 2 : 4) + x->n_tokens * (int64_t)sizeof *x->token_row;
    int status;
    *w = (struct text_features_writer){0};
    TRY(partial ? h5file_create_partial(&w->file, comm, path, KIND_TEXT, provenance, bytes)
                : h5file_create(&w->file, comm, path, KIND_TEXT, provenance, bytes));
    TRY_DONE(write_attributes(w->file, comm, x));
    TRY_DONE(write_index(w->file, comm, x));
    TRY_DONE(h5dataset_create(&w->rows, w->file, "features", x->half ? H5_F16 : H5_F32, x->n_rows, x->dim, 0,
                              H5_CONTIGUOUS, 0));
    if (partial) TRY_DONE(h5file_settle(w->file));
    return STATUS_OK;
done:
    h5dataset_abandon(w->rows);
    h5file_abandon(w->file);
    *w = (struct text_features_writer){0};
    return status;
}

int text_features_reopen(struct text_features_writer *w, const struct comm *comm, const char *path,
                         const struct provenance *provenance) {
    int status;
    *w = (struct text_features_writer){0};
    TRY(h5file_reopen_partial(&w->file, comm, path, provenance));
    TRY_DONE(h5file_adopt(w->file, "token_offsets"));
    TRY_DONE(h5file_adopt(w->file, "token_row"));
    TRY_DONE(h5dataset_open(&w->rows, w->file, "features"));
    return STATUS_OK;
done:
    h5file_suspend(w->file);
    *w = (struct text_features_writer){0};
    return status;
}

int text_features_close(struct text_features_writer *w, int partial, int status) {
    if (status == STATUS_OK)
        status = h5dataset_close(w->rows);
    else
        h5dataset_abandon(w->rows);
    if (status == STATUS_OK)
        status = h5file_commit(w->file);
    else if (partial)
        h5file_suspend(w->file);
    else
        h5file_abandon(w->file);
    *w = (struct text_features_writer){0};
    return status;
}
