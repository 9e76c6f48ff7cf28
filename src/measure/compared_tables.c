/* Match, read, search. */
#include "measure/compared_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/neighbours.h"
#include "measure/table_vectors.h"
#include "store/table_walk.h"
#include "terms/code_index.h"

_Static_assert((int)N_GROUPS == (int)TABLE_GROUPS, "tables have these groups");

void compared_tables_free(struct compared_tables *c) {
    for (int t = 0; t < 2; t++) {
        free(c->rows[t]);
        free(c->place[t]);
        free(c->owned_tokens[t]);
        free(c->owned_weights[t]);
        free(c->near[t]);
    }
    free(c->queries);
}

/* ---- match ---- */
static int match(struct compared_tables *c) {
    const struct table *first = c->tables[0], *second = c->tables[1];
    struct code_index index;
    for (int t = 0; t < 2; t++) {
        int64_t n = c->tables[t]->shape.n_codes;
        TRY(mem_alloc(&c->rows[t], first->shape.n_codes, sizeof *c->rows[t]));
        TRY(mem_alloc(&c->place[t], n, sizeof *c->place[t]));
        for (int64_t i = 0; i < n; i++) c->place[t][i] = -1;
    }
    int status = code_index_make(&index, (struct strings){second->code, NULL, second->code_bytes},
                                 (struct strings){second->system, NULL, second->system_bytes}, second->shape.n_codes);
    for (int64_t i = 0; status == STATUS_OK && i < first->shape.n_codes; i++) {
        int64_t row =
            code_index_same(&index, first->system + i * first->system_bytes, first->code + i * first->code_bytes);
        if (row < 0) continue;
        c->rows[0][c->n] = i;
        c->rows[1][c->n] = row;
        c->place[0][i] = c->place[1][row] = c->n++;
    }
    code_index_free(&index);
    TRY(status);
    if (c->n > 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s and %s have no code in common", h5file_path(first->file),
                      h5file_path(second->file));
}

/* ---- read ---- */
static int check_tokens(const struct table *t, const int32_t *tokens, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < -1 || tokens[i] >= t->shape.codebook_size)
            return status_set(STATUS_FAILED, "%s has a token %d; `medtok verify` tells more", h5file_path(t->file),
                              tokens[i]);
    return STATUS_OK;
}

/* Tokens and weights of the codes in both, in their order. */
static int read_tokens(struct compared_tables *c, int t) {
    struct table *table = c->tables[t];
    int64_t picks = TABLE_GROUPS * table->shape.top_k;
    struct table_walk w;
    TRY(mem_alloc(&c->owned_tokens[t], c->n * picks, sizeof *c->owned_tokens[t]));
    TRY(mem_alloc(&c->owned_weights[t], c->n * picks, sizeof *c->owned_weights[t]));
    int status = table_walk_begin(&w, table, TABLE_TOKENS | TABLE_WEIGHTS, 0, table->shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0) {
        status = check_tokens(table, w.tokens, w.count * picks);
        for (int64_t i = 0; i < w.count; i++) {
            int64_t place = c->place[t][w.first + i];
            if (place < 0) continue;
            memcpy(c->owned_tokens[t] + place * picks, w.tokens + i * picks, (size_t)picks * sizeof *w.tokens);
            memcpy(c->owned_weights[t] + place * picks, w.weights + i * picks, (size_t)picks * sizeof *w.weights);
        }
    }
    table_walk_end(&w);
    c->tokens[t] = (struct stability_tokens){table->shape.top_k, table->shape.codebook_size, c->owned_tokens[t],
                                             c->owned_weights[t]};
    return status;
}

/* Whether a code has any token, and so a vector. */
static int has_vector(const struct compared_tables *c, int t, int64_t place) {
    const int32_t *tokens = c->tokens[t].tokens + place * N_GROUPS * c->tokens[t].top_k;
    for (int g = 0; g < N_GROUPS; g++)
        if (tokens[g * c->tokens[t].top_k] >= 0) return 1;
    return 0;
}

static int draw_queries(struct compared_tables *c, uint64_t seed) {
    TRY(mem_alloc(&c->queries, c->n, sizeof *c->queries));
    for (int64_t i = 0; i < c->n; i++)
        if (has_vector(c, 0, i) && has_vector(c, 1, i)) c->queries[c->n_queries++] = i;
    return rng_draw(seed, RNG_QUERY, c->sample, c->queries, &c->n_queries);
}

/* ---- search ---- */
/* The rows of the queries in a table, and what they are compared with: what both tables have, with a vector in either. */
static int make_question(const struct compared_tables *c, int t, int32_t **queries, uint8_t **is_candidate) {
    TRY(mem_alloc(queries, c->n_queries, sizeof **queries));
    TRY(mem_alloc(is_candidate, c->tables[t]->shape.n_codes, 1));
    for (int64_t q = 0; q < c->n_queries; q++) (*queries)[q] = (int32_t)c->rows[t][c->queries[q]];
    for (int64_t i = 0; i < c->n; i++) (*is_candidate)[c->rows[t][i]] = has_vector(c, 0, i) && has_vector(c, 1, i);
    return STATUS_OK;
}

/* Into c->near[t], which is there. */
static int search(struct compared_tables *c, int t, const struct neighbour_question *question,
                  struct near_candidate *nearest) {
    const struct table_shape *shape = &c->tables[t]->shape;
    struct table_vectors vectors;
    int status = comm_agree(
        c->comm, table_vectors_make(&vectors, c->tables[t], 0, TABLE_GROUPS * shape->dim, 1, question->is_candidate));
    if (status == STATUS_OK)
        status = neighbours_find(c->comm, c->device, &vectors.source, question, STABILITY_NEAR, nearest);
    for (int64_t i = 0; i < c->n_queries * STABILITY_NEAR && status == STATUS_OK; i++)
        c->near[t][i] = nearest[i].code < 0 ? -1 : (int32_t)c->place[t][nearest[i].code];
    table_vectors_free(&vectors);
    return status;
}

static int find_near(struct compared_tables *c, int t) {
    struct near_candidate *nearest = NULL;
    int32_t *queries = NULL;
    uint8_t *is_candidate = NULL;
    int status = make_question(c, t, &queries, &is_candidate);
    if (status == STATUS_OK) status = mem_alloc(&c->near[t], c->n_queries * STABILITY_NEAR, sizeof *c->near[t]);
    if (status == STATUS_OK) status = mem_alloc(&nearest, c->n_queries * STABILITY_NEAR, sizeof *nearest);
    status = comm_agree(c->comm, status);
    struct neighbour_question question = {c->n_queries, c->tables[t]->shape.n_codes, queries, is_candidate};
    if (status == STATUS_OK) status = search(c, t, &question, nearest);
    free(queries);
    free(is_candidate);
    free(nearest);
    return status;
}

/* ---- the whole ---- */
int compared_tables_measure(struct compared_tables *c, const struct bootstrap *b, struct stability *s) {
    int status = match(c);
    for (int t = 0; t < 2 && status == STATUS_OK; t++) status = read_tokens(c, t);
    if (status == STATUS_OK) status = draw_queries(c, b->seed);
    TRY(comm_agree(c->comm, status));
    *s = (struct stability){.nearest = {0}};
    TRY(stability_measure_tokens(s, b, c->n, c->tokens));
    if (c->n_queries == 0) return STATUS_OK;
    for (int t = 0; t < 2; t++) TRY(find_near(c, t));
    return stability_measure_pairs(s, b, c->tokens, c->n_queries, c->queries,
                                   (const int32_t *const[]){c->near[0], c->near[1]});
}
