/* Match, read, search. */
#include "measure/compared_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/rng.h"
#include "base/status.h"
#include "measure/neighbours.h"
#include "store/table_walk.h"
#include "terms/code_index.h"

_Static_assert((int)N_GROUPS == (int)TABLE_GROUPS && (int)STABILITY_NEAR <= (int)NEIGHBOURS,
               "tables have these groups, and the search keeps enough");

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
/* The embeddings of the queries; those of the second table may lie in any order. */
static int read_queries(const struct compared_tables *c, int t, int64_t width, float *rows) {
    for (int64_t q = 0; q < c->n_queries; q++)
        TRY(table_read(c->tables[t], c->rows[t][c->queries[q]], 1, NULL, NULL, rows + q * width));
    return STATUS_OK;
}

/* Moves what is in both tables, and has a vector, to the front of the block. */
static int64_t keep_in_both(const struct compared_tables *c, int t, struct table_walk *w, int64_t width,
                            int64_t *places) {
    int64_t kept = 0;
    for (int64_t i = 0; i < w->count; i++) {
        int64_t place = c->place[t][w->first + i];
        if (place < 0 || !has_vector(c, 0, place) || !has_vector(c, 1, place)) continue;
        memmove(w->embedding + kept * width, w->embedding + i * width, (size_t)width * sizeof *w->embedding);
        places[kept++] = place;
    }
    return kept;
}

static int add_candidates(struct compared_tables *c, int t, struct neighbour_search *search) {
    _Static_assert((int)TABLE_WALK_ROWS <= (int)NEIGHBOUR_BLOCK, "a block of the table is one of the search");
    int64_t places[TABLE_WALK_ROWS];
    struct table_walk w;
    int status = table_walk_begin(&w, c->tables[t], TABLE_EMBEDDING, 0, c->tables[t]->shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0) {
        int64_t kept = keep_in_both(c, t, &w, search->width, places);
        if (kept > 0) status = neighbour_search_add(search, kept, places, w.embedding);
        if (status == STATUS_OK) status = interrupt_poll();
    }
    table_walk_end(&w);
    return status;
}

static int find_near(struct compared_tables *c, int t) {
    struct neighbour_search search = {0};
    int64_t width = TABLE_GROUPS * c->tables[t]->shape.dim;
    float *rows = NULL;
    int status = mem_alloc(&rows, c->n_queries * width, sizeof *rows);
    if (status == STATUS_OK) status = mem_alloc(&c->near[t], c->n_queries * STABILITY_NEAR, sizeof *c->near[t]);
    if (status == STATUS_OK) status = read_queries(c, t, width, rows);
    if (status == STATUS_OK)
        status = neighbour_search_make(&search, c->comm, c->device, width, c->n_queries, c->queries, rows);
    if (status == STATUS_OK) status = add_candidates(c, t, &search);
    status = comm_agree(c->comm, status);
    if (status == STATUS_OK) status = neighbour_search_nearest(&search, STABILITY_NEAR, c->near[t]);
    neighbour_search_free(&search);
    free(rows);
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
