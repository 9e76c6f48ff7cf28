/* Reading and writing text.h5 (schema in the header). */
#include "store/text_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "base/status.h"
#include "store/row_fetch.h"
#include "store/vocabulary.h"

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
int text_features_check_vocabulary(struct h5file *file, const char *vocabulary_path) {
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

/* ---- the index: of all codes, never held whole ---- */
struct shape {
    int64_t n_tokens, n_rows, dim;
    enum h5type type;
};

static int feature_type(struct h5file *file, enum h5type *type) {
    char *precision;
    TRY(h5file_get_text(file, "precision", &precision));
    *type = strcmp(precision, "fp16") == 0 ? H5_F16 : H5_F32;
    free(precision);
    return STATUS_OK;
}

static int read_shape(struct h5file *file, struct shape *x) {
    int64_t rows, cols, n, ends[2];
    TRY(feature_type(file, &x->type));
    TRY(h5file_get_int(file, "dim", &x->dim));
    TRY(h5file_get_int(file, "n_rows", &x->n_rows));
    TRY(h5file_shape(file, "features", x->type, &rows, &cols));
    if (rows != x->n_rows || cols != x->dim) return damaged(file, "the shape of the features", 0);
    TRY(h5file_shape(file, "token_row", H5_I32, &x->n_tokens, &cols));
    TRY(h5file_shape(file, "token_offsets", H5_I64, &n, &cols));
    if (n < 1) return damaged(file, "the offsets", 0);
    TRY(h5file_read(file, "token_offsets", H5_I64, 0, 1, &ends[0]));
    TRY(h5file_read(file, "token_offsets", H5_I64, n - 1, 1, &ends[1]));
    return ends[0] == 0 && ends[1] == x->n_tokens ? STATUS_OK : damaged(file, "the offsets", 0);
}

/* Collective. Where the tokens of codes[n], ascending, lie, and their rows; `status` as h5file_fetch has it. */
static int select_codes(struct h5file *file, const struct comm *comm, const struct shape *x, const int64_t *codes,
                        int64_t n, struct text_features *t, int status) {
    struct row_range *spans = NULL;
    int64_t n_tokens;
    t->n_codes = n;
    if (status == STATUS_OK) status = mem_alloc(&t->token_offsets, n + 1, sizeof *t->token_offsets);
    TRY_DONE(h5file_fetch_spans(file, comm, "token_offsets", n, codes, &spans, &n_tokens, status));
    offsets_of_spans(n, spans, t->token_offsets);
    status = mem_alloc(&t->token_row, n_tokens, sizeof *t->token_row);
    TRY_DONE(h5file_fetch(file, comm, "token_row", H5_I32, n, spans, t->token_row, status));
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) /* at least the [CLS] row */
        if (spans[i].count == 0) status = damaged(file, "the offsets", codes[i]);
    for (int64_t k = 0; k < n_tokens && status == STATUS_OK; k++)
        if (t->token_row[k] < 0 || t->token_row[k] >= x->n_rows) status = damaged(file, "a row number", codes[0]);
done:
    free(spans);
    return comm_agree(comm, status);
}

/* ---- the rows that some codes use ---- */
/* A bit for each row of the file that is wanted, and before each word of bits how many are set in those before: so every row of the
 * file has its number here for a fifth of a byte. */
struct row_set {
    uint64_t *bits;
    int64_t *before;
};

static void row_set_free(struct row_set *s) {
    free(s->bits);
    free(s->before);
}

static int64_t row_set_number(const struct row_set *s, int64_t row) {
    return s->before[row / 64] + __builtin_popcountll(s->bits[row / 64] & (((uint64_t)1 << row % 64) - 1));
}

/* Renumbers token_row. */
static int number_rows(struct text_features *t, int64_t n_file_rows, struct row_set *s) {
    int64_t words = (n_file_rows + 63) / 64, n_tokens = t->token_offsets[t->n_codes];
    TRY(mem_alloc(&s->bits, words, sizeof *s->bits));
    TRY(mem_alloc(&s->before, words, sizeof *s->before));
    for (int64_t i = 0; i < n_tokens; i++) s->bits[t->token_row[i] / 64] |= (uint64_t)1 << t->token_row[i] % 64;
    for (int64_t w = 0; w < words; w++) {
        s->before[w] = t->n_rows;
        t->n_rows += __builtin_popcountll(s->bits[w]);
    }
    for (int64_t i = 0; i < n_tokens; i++) t->token_row[i] = (int32_t)row_set_number(s, t->token_row[i]);
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

/* The wanted rows, neighbours as one range; how many ranges. */
static int list_ranges(const struct row_set *wanted, int64_t n_file_rows, int64_t n, struct row_range **ranges,
                       int64_t *n_ranges) {
    *n_ranges = 0;
    TRY(mem_alloc(ranges, n, sizeof **ranges));
    for (int64_t word = 0; word * 64 < n_file_rows; word++)
        for (uint64_t bits = wanted->bits[word]; bits; bits &= bits - 1) {
            int64_t row = word * 64 + __builtin_ctzll(bits);
            struct row_range *last = *n_ranges ? &(*ranges)[*n_ranges - 1] : NULL;
            if (last && last->first + last->count == row)
                last->count++;
            else
                (*ranges)[(*n_ranges)++] = (struct row_range){row, 1};
        }
    return STATUS_OK;
}

/* Collective. Renumbers the rows of the tokens, and fetches them. */
static int fetch_rows(struct h5file *file, const struct comm *comm, const struct shape *x, struct text_features *t) {
    struct row_set wanted = {0};
    struct row_range *ranges = NULL;
    int64_t n_ranges = 0;
    int half = x->type == H5_F16, status = number_rows(t, x->n_rows, &wanted);
    if (status == STATUS_OK && half) status = mem_alloc(&t->rows_f16, t->n_rows * t->dim, sizeof *t->rows_f16);
    if (status == STATUS_OK && !half) status = mem_alloc(&t->rows_f32, t->n_rows * t->dim, sizeof *t->rows_f32);
    if (status == STATUS_OK) status = list_ranges(&wanted, x->n_rows, t->n_rows, &ranges, &n_ranges);
    row_set_free(&wanted);
    status = h5file_fetch(file, comm, "features", x->type, n_ranges, ranges,
                          half ? (void *)t->rows_f16 : (void *)t->rows_f32, status);
    free(ranges);
    return status;
}

/* Collective. */
static int read_codes(struct h5file *file, const struct comm *comm, const struct shape *x, const int64_t *codes,
                      int64_t n_codes, struct text_features *t, int status) {
    TRY(select_codes(file, comm, x, codes, n_codes, t, status));
    return fetch_rows(file, comm, x, t);
}

static int open_features(struct h5file **file, const char *path, const char *vocabulary_path, struct shape *shape) {
    TRY(h5file_open(file, path, KIND_TEXT));
    TRY(text_features_check_vocabulary(*file, vocabulary_path));
    return read_shape(*file, shape);
}

int text_features_read(const struct comm *comm, const char *path, const char *vocabulary_path, const int64_t *codes,
                       int64_t n_codes, struct text_features *t, int status) {
    struct h5file *file = NULL;
    struct shape shape = {0};
    *t = (struct text_features){0};
    if (status == STATUS_OK) status = open_features(&file, path, vocabulary_path, &shape);
    t->dim = shape.dim;
    status = read_codes(file, comm, &shape, codes, n_codes, t, status);
    if (status == STATUS_OK) status = comm_agree(comm, check_finite(file, vocabulary_path, t, codes));
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

/* A code whose mean is wanted, and where it stands among those wanted. */
struct wanted {
    int64_t code, position;
};

static int by_code(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* codes[n_codes], ascending; the caller frees. */
static int sort_codes(const int64_t *codes, int64_t n_codes, struct wanted **wanted) {
    TRY(mem_alloc(wanted, n_codes, sizeof **wanted));
    for (int64_t i = 0; i < n_codes; i++) (*wanted)[i] = (struct wanted){codes[i], i};
    qsort(*wanted, (size_t)n_codes, sizeof **wanted, by_code);
    return STATUS_OK;
}

/* The mean over the rows of code number i held in t, or the first alone, which then is the mean; row: room for a row. */
static void mean_of_tokens(const struct text_features *t, int64_t i, int first_alone, float *row, float *mean) {
    int64_t first = t->token_offsets[i], n = first_alone ? 1 : t->token_offsets[i + 1] - first;
    for (int64_t k = 0; k < n; k++) {
        text_features_row(t, t->token_row[first + k], row);
        for (int64_t c = 0; c < t->dim; c++) mean[c] += row[c] / (float)n;
    }
}

enum { BLOCK_CODES = 4096 };

/* n of the codes wanted, BLOCK_CODES at most, of which some may be the same; own: room for their numbers. */
static int mean_of_block(struct h5file *file, const struct shape *shape, int first_is_mean, const struct wanted *wanted,
                         int64_t n, int64_t *own, float *row, float *means) {
    struct text_features t = {.dim = shape->dim};
    struct comm self = comm_self();
    int64_t n_own = 0, at = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || wanted[i].code != wanted[i - 1].code) own[n_own++] = wanted[i].code;
    int status = read_codes(file, &self, shape, own, n_own, &t, STATUS_OK);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        float *mean = means + wanted[i].position * t.dim;
        if (own[at] != wanted[i].code) at++;
        mean_of_tokens(&t, at, first_is_mean, row, mean);
        for (int64_t c = 0; c < t.dim && status == STATUS_OK; c++)
            if (!isfinite(mean[c])) status = damaged(file, "a feature that is NaN or infinite", wanted[i].code);
    }
    text_features_free(&t);
    return status;
}

/* In the order of the file, so that each part of it is read once. */
static int mean_of_blocks(struct h5file *file, const struct shape *shape, int64_t n, const int64_t *codes,
                          float *means) {
    struct wanted *wanted = NULL;
    int64_t *own = NULL, first_is_mean;
    float *row = NULL;
    int status;
    TRY_DONE(h5file_get_int_or(file, "first_is_mean", 0, &first_is_mean));
    TRY_DONE(sort_codes(codes, n, &wanted));
    TRY_DONE(mem_alloc(&own, BLOCK_CODES, sizeof *own));
    TRY_DONE(mem_alloc(&row, shape->dim, sizeof *row));
    for (int64_t first = 0; first < n; first += BLOCK_CODES) {
        int64_t count = n - first < BLOCK_CODES ? n - first : BLOCK_CODES;
        TRY_DONE(mean_of_block(file, shape, first_is_mean != 0, wanted + first, count, own, row, means));
    }
done:
    free(row);
    free(own);
    free(wanted);
    return status;
}

int text_features_means(const char *path, const char *vocabulary_id, int64_t n, const int64_t *codes, int64_t *dim,
                        float **means) {
    struct h5file *file = NULL;
    struct shape shape;
    int status;
    *means = NULL;
    TRY_DONE(h5file_open(&file, path, KIND_TEXT));
    TRY_DONE(check_id(file, vocabulary_id));
    TRY_DONE(read_shape(file, &shape));
    *dim = shape.dim;
    TRY_DONE(mem_alloc(means, n * *dim, sizeof **means));
    TRY_DONE(mean_of_blocks(file, &shape, n, codes, *means));
done:
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

/* On rank 0. */
static int write_attributes(struct h5file *file, void *index) {
    const struct text_features_index *x = index;
    char *id = NULL;
    int status;
    TRY_DONE(vocabulary_id(x->vocabulary, &id));
    TRY_DONE(h5file_set_text(file, "vocabulary_id", id));
    TRY_DONE(h5file_set_text(file, "encoder", x->encoder));
    TRY_DONE(h5file_set_text(file, "precision", x->half ? "fp16" : "fp32"));
    TRY_DONE(h5file_set_int(file, "dim", x->dim));
    TRY_DONE(h5file_set_int(file, "n_codes", x->n_codes));
    TRY_DONE(h5file_set_int(file, "n_rows", x->n_rows));
    TRY_DONE(h5file_set_int(file, "n_nodes", x->n_nodes));
    TRY_DONE(h5file_set_int(file, "first_is_mean", x->first_is_mean));
done:
    free(id);
    return status;
}

static int make_layout(struct text_features_writer *w, const struct comm *comm, const struct text_features_index *x,
                       int partial) {
    int n = 0;
    *w = (struct text_features_writer){.layout.disk = -1};
    w->sets[n++] = (struct h5layout_set){"token_offsets", H5_I64, x->n_codes + 1, 1, ROWS_IN_ORDER, 0};
    w->sets[n++] = (struct h5layout_set){"token_row", H5_I32, x->n_tokens, 1, ROWS_IN_ORDER, 0};
    if (x->n_nodes > 0) w->sets[n++] = (struct h5layout_set){"node_row", H5_I32, x->n_nodes, 1, ROWS_IN_ORDER, 0};
    w->rows = n;
    w->sets[n++] = (struct h5layout_set){"features", x->half ? H5_F16 : H5_F32, x->n_rows, x->dim, ROWS_OF_ANY, 0};
    int status = comm_agree(comm, h5layout_make(&w->layout, comm, n, w->sets));
    w->layout.partial = partial;
    return status;
}

/* Collective. */
static int write_index(struct text_features_writer *w, const struct text_features_index *x) {
    const struct h5layout_part parts[4] = {{x->first_code, x->n_offsets, x->token_offsets},
                                           {x->first_token, x->n_own_tokens, x->token_row},
                                           {x->first_node, x->n_own_nodes, x->node_row}};
    return h5layout_write_parts(&w->layout, parts, STATUS_OK);
}

int text_features_create(struct text_features_writer *w, const struct comm *comm, const char *path,
                         const struct text_features_index *x, const struct provenance *provenance, int partial) {
    struct text_features_index index = *x;
    int64_t bytes = x->n_rows * x->dim * (x->half ? 2 : 4) + (x->n_codes + 1) * (int64_t)sizeof *x->token_offsets +
                    (x->n_tokens + x->n_nodes) * (int64_t)sizeof *x->token_row;
    int status = make_layout(w, comm, x, partial);
    if (status == STATUS_OK)
        status = h5layout_begin(&w->layout, path, KIND_TEXT, provenance, bytes, write_attributes, &index, STATUS_OK);
    if (status == STATUS_OK) status = write_index(w, x);
    if (status != STATUS_OK) h5layout_free(&w->layout);
    return status;
}

int text_features_resume(struct text_features_writer *w, const struct comm *comm, const char *path,
                         const struct text_features_index *x, const struct provenance *provenance, int *unfit) {
    *unfit = 0;
    int status = make_layout(w, comm, x, 1);
    if (status == STATUS_OK) status = h5layout_resume(&w->layout, path, provenance, unfit);
    if (status == STATUS_OK) status = write_index(w, x);
    if (status != STATUS_OK) h5layout_free(&w->layout);
    return status;
}

int text_features_write(struct text_features_writer *w, int64_t first, int64_t count, const void *rows,
                        uint64_t *checksum) {
    TRY(h5layout_write(&w->layout, w->rows, first, count, rows));
    if (checksum) *checksum = h5layout_checksum(&w->layout, w->rows, first, count, rows);
    return STATUS_OK;
}

int text_features_keep(struct text_features_writer *w, int64_t first, int64_t count, uint64_t checksum, void *rows,
                       int *kept) {
    TRY(h5layout_read(&w->layout, w->rows, first, count, rows));
    *kept = h5layout_checksum(&w->layout, w->rows, first, count, rows) == checksum;
    if (*kept) h5layout_count(&w->layout, w->rows, first, count, rows);
    return STATUS_OK;
}

int text_features_close(struct text_features_writer *w, int status) {
    const struct comm *comm = w->layout.comm;
    int synced = h5layout_sync(&w->layout);
    status = h5layout_end(&w->layout, status == STATUS_OK ? synced : status);
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? h5layout_finish(&w->layout) : STATUS_OK);
    h5layout_free(&w->layout);
    return status;
}
