/* Rank 0 looks codes up and reads; the others are told. */
#include "ehr/medtok_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/table_walk.h"
#include "store/text_features.h"
#include "terms/code_hierarchy.h"
#include "terms/code_index.h"
#include "terms/meds_code.h"

/* ---- finding ---- */
static int64_t find_code(struct medtok_vectors *v, const struct code_index *index, const char *text) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES], parent[MEDS_PART_BYTES];
    if (!meds_code_split(text, system, code)) return VECTOR_OWN_ROW;
    int64_t row = code_index_same(index, system, code);
    v->n_exact += row >= 0;
    while (row < 0 && code_parent(system, code, parent, sizeof parent)) {
        strcpy(code, parent);
        row = code_index_same(index, system, code);
        v->n_ancestor += row >= 0;
    }
    return row >= 0 ? row : VECTOR_MISSING;
}

static int find(void *self, const struct cohort *cohort, const int64_t *in_train, const uint8_t *wanted, int64_t *row) {
    struct medtok_vectors *v = self;
    struct table table;
    struct code_index index = {0};
    (void)in_train;
    TRY(table_open(&table, v->path));
    int64_t n = v->in_vocabulary ? table.shape.vocabulary_rows : table.shape.n_codes;
    int status = code_index_make(&index, (struct strings){.text = table.code, .stride = table.code_bytes},
                                 (struct strings){.text = table.system, .stride = table.system_bytes}, n);
    v->n_exact = v->n_ancestor = 0;
    for (int64_t i = 0; i < cohort->n_codes && status == STATUS_OK; i++)
        row[i] = wanted[i] ? find_code(v, &index, cohort_code(cohort, i)) : VECTOR_MISSING;
    code_index_free(&index);
    table_close(&table);
    return status;
}

void medtok_vectors_make(struct medtok_vectors *v, const char *table, int in_vocabulary, int in_train) {
    *v = (struct medtok_vectors){.source = {find, v, in_train}, .path = table, .in_vocabulary = in_vocabulary};
}

/* ---- on rank 0, and told ---- */
static int open_there(const struct medtok_vectors *v, const struct comm *comm, struct table *table) {
    *table = (struct table){0};
    TRY(comm_agree(comm, comm->rank == 0 ? table_open(table, v->path) : STATUS_OK));
    return comm_broadcast(comm, &table->shape, sizeof table->shape);
}

static void close_there(const struct comm *comm, struct table *table) {
    if (comm->rank == 0) table_close(table);
}

/* Tells all what rank 0 has in x, which they have not allocated yet; `status` is rank 0's. */
static int tell(const struct comm *comm, int status, int64_t count, int64_t size, void *x) {
    void **array = x;
    TRY(comm_agree(comm, status));
    TRY(comm_agree(comm, comm->rank == 0 ? STATUS_OK : mem_alloc(array, count, size)));
    return comm_broadcast(comm, *array, count * size);
}

int medtok_vectors_width(const struct medtok_vectors *v, const struct comm *comm, int64_t *width) {
    struct table table;
    int status = open_there(v, comm, &table);
    *width = TABLE_GROUPS * table.shape.dim;
    close_there(comm, &table);
    return status;
}

/* ---- vectors ---- */
/* Copies columns first .. first + width - 1 of the rows of the table that are in hand to where they are wanted; several codes may want
 * the same. */
static void take(const struct table_walk *w, int64_t first, int64_t width, int64_t n, const int64_t *rows, float *out) {
    int64_t all = TABLE_GROUPS * w->table->shape.dim;
    for (int64_t i = 0; i < n; i++)
        if (rows[i] >= w->first && rows[i] < w->first + w->count)
            memcpy(out + i * width, w->embedding + (rows[i] - w->first) * all + first, (size_t)width * sizeof *out);
}

static int read_rows(struct table *table, int64_t first, int64_t width, int64_t n, const int64_t *rows, float **out) {
    struct table_walk w;
    TRY(mem_alloc(out, n * width, sizeof **out));
    int status = table_walk_begin(&w, table, TABLE_EMBEDDING, 0, table->shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0)
        take(&w, first, width, n, rows, *out);
    table_walk_end(&w);
    return status;
}

int medtok_vectors_read(const struct medtok_vectors *v, const struct comm *comm, int64_t n, const int64_t *rows,
                        int first, int count, int64_t *width, float **out) {
    struct table table;
    int status;
    *out = NULL;
    TRY_DONE(open_there(v, comm, &table));
    *width = count * table.shape.dim;
    status = comm->rank == 0 ? read_rows(&table, first * table.shape.dim, *width, n, rows, out) : STATUS_OK;
    status = tell(comm, status, n * *width, sizeof **out, out);
done:
    close_there(comm, &table);
    return status;
}

/* ---- tokens ---- */
/* Those of rows[i] of the table in hand, into token and weight [n, items]. */
static void take_tokens(const struct table_walk *w, int64_t items, int64_t n, const int64_t *rows, int32_t *token,
                        float *weight) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = (rows[i] - w->first) * items;
        if (rows[i] < w->first || rows[i] >= w->first + w->count) continue;
        memcpy(token + i * items, w->tokens + at, (size_t)items * sizeof *token);
        memcpy(weight + i * items, w->weights + at, (size_t)items * sizeof *weight);
    }
}

static int read_tokens(struct table *table, int64_t items, int64_t n, const int64_t *rows, int32_t **token,
                       float **weight) {
    struct table_walk w;
    TRY(mem_alloc(token, n * items, sizeof **token));
    TRY(mem_alloc(weight, n * items, sizeof **weight));
    int status = table_walk_begin(&w, table, TABLE_TOKENS | TABLE_WEIGHTS, 0, table->shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0)
        take_tokens(&w, items, n, rows, *token, *weight);
    table_walk_end(&w);
    return status;
}

/* Bags of the codebook's rows, those that some code has numbered anew in the codebook's order; a bag sums to the groups of its code's
 * embedding. number [codebook_size], zeros. */
static int make_bags(const struct table_shape *shape, int64_t n, const int32_t *token, const float *weight,
                     const float *codebook, int32_t *number, struct code_bags *b) {
    int64_t items = TABLE_GROUPS * shape->top_k;
    b->width = shape->dim;
    b->top_k = shape->top_k;
    TRY(mem_alloc(&b->offsets, n + 1, sizeof *b->offsets));
    TRY(mem_alloc(&b->row, n * items, sizeof *b->row));
    TRY(mem_alloc(&b->weight, n * items, sizeof *b->weight));
    for (int64_t p = 0; p < n * items; p++)
        if (token[p] >= 0) number[token[p]] = 1;
    for (int64_t t = 0; t < shape->codebook_size; t++) number[t] = number[t] ? (int32_t)b->n_rows++ : -1;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t p = i * items; p < (i + 1) * items; p++) {
            if (token[p] < 0) continue;
            b->row[b->n_items] = number[token[p]];
            b->weight[b->n_items++] = (float)(table_group_weight(shape, p % items / shape->top_k) * (double)weight[p]);
        }
        b->offsets[i + 1] = b->n_items;
    }
    TRY(mem_alloc(&b->vectors, b->n_rows * b->width, sizeof *b->vectors));
    for (int64_t t = 0; t < shape->codebook_size; t++)
        if (number[t] >= 0)
            memcpy(b->vectors + number[t] * b->width, codebook + t * b->width, (size_t)b->width * sizeof *codebook);
    return STATUS_OK;
}

int medtok_tokens_read(const struct medtok_vectors *v, const struct comm *comm, int64_t n, const int64_t *rows,
                       struct code_bags *bags) {
    struct table table;
    int32_t *token = NULL, *number = NULL;
    float *weight = NULL, *codebook = NULL;
    int status;
    *bags = (struct code_bags){0};
    TRY_DONE(open_there(v, comm, &table));
    int64_t items = TABLE_GROUPS * table.shape.top_k, values = table.shape.codebook_size * table.shape.dim;
    status = comm->rank == 0 ? read_tokens(&table, items, n, rows, &token, &weight) : STATUS_OK;
    if (status == STATUS_OK && comm->rank == 0) status = mem_alloc(&codebook, values, sizeof *codebook);
    if (status == STATUS_OK && comm->rank == 0) status = table_read_codebook(&table, codebook);
    TRY_DONE(tell(comm, status, n * items, sizeof *token, &token));
    TRY_DONE(tell(comm, STATUS_OK, n * items, sizeof *weight, &weight));
    TRY_DONE(tell(comm, STATUS_OK, values, sizeof *codebook, &codebook));
    status = mem_alloc(&number, table.shape.codebook_size, sizeof *number);
    if (status == STATUS_OK) status = make_bags(&table.shape, n, token, weight, codebook, number, bags);
    status = comm_agree(comm, status);
done:
    close_there(comm, &table);
    free(token);
    free(weight);
    free(codebook);
    free(number);
    return status;
}

/* ---- texts ---- */
static int read_texts(struct table *table, const char *text, int64_t n, const int64_t *rows, int64_t *width,
                      float **out) {
    char *vocabulary = NULL;
    TRY(h5file_get_text(table->file, "vocabulary_id", &vocabulary));
    int status = text_features_means(text, vocabulary, n, rows, width, out);
    free(vocabulary);
    return status;
}

int medtok_texts_read(const struct medtok_vectors *v, const struct comm *comm, const char *text, int64_t n,
                      const int64_t *rows, int64_t *width, float **out) {
    struct table table;
    int status;
    *out = NULL;
    *width = 0;
    TRY_DONE(open_there(v, comm, &table));
    status = comm->rank == 0 ? read_texts(&table, text, n, rows, width, out) : STATUS_OK;
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_broadcast(comm, width, sizeof *width));
    status = tell(comm, STATUS_OK, n * *width, sizeof **out, out);
done:
    close_there(comm, &table);
    return status;
}
