/* Room for datasets that tests make up in memory. */
#ifndef MEDTOK_TESTS_MADE_DATASET_H
#define MEDTOK_TESTS_MADE_DATASET_H

#include "base/status.h"
#include "medtok/dataset.h"

/* Fills in and allocates a dataset of the codes first .. first+n_codes-1, all with text and graph: room for so
 * many nodes, edges and tokens in all, and for text.n_rows rows of text.dim, all zero. The caller fills it and frees it with
 * dataset_free. */
static inline void make_dataset(struct dataset *d, int64_t first, int n_codes, int64_t n_graph_nodes, int64_t nodes,
                                int64_t edges, int64_t tokens, int64_t text_rows, int64_t text_dim) {
    struct vocabulary *v = &d->vocabulary;
    struct text_features *t = &d->text;
    *d = (struct dataset){.n_codes = n_codes};
    *v = (struct vocabulary){.n_codes = n_codes, .n_codes_total = n_codes, .n_nodes = n_graph_nodes, .n_relations = 1};
    *t = (struct text_features){.n_codes = n_codes, .n_rows = text_rows, .dim = text_dim};
    int status = mem_alloc(&d->codes, n_codes, sizeof *d->codes) |
                 mem_alloc(&v->node_offsets, n_codes + 1, sizeof *v->node_offsets) |
                 mem_alloc(&v->edge_offsets, n_codes + 1, sizeof *v->edge_offsets) |
                 mem_alloc(&v->nodes, nodes, sizeof *v->nodes) |
                 mem_alloc(&v->edge_source, edges, sizeof *v->edge_source) |
                 mem_alloc(&v->edge_target, edges, sizeof *v->edge_target) |
                 mem_alloc(&v->edge_relation, edges, sizeof *v->edge_relation) |
                 mem_alloc(&t->token_offsets, n_codes + 1, sizeof *t->token_offsets) |
                 mem_alloc(&t->token_row, tokens, sizeof *t->token_row) |
                 mem_alloc(&t->rows_f32, text_rows * text_dim, sizeof *t->rows_f32);
    assert_int_equal(status, STATUS_OK);
    for (int i = 0; i < n_codes; i++) d->codes[i] = first + i;
}

#endif
