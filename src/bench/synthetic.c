/* The files are those of `prepare` and `encode`; rank 0 makes what they hold. */
#include "bench/synthetic.h"

#include <stdio.h>
#include <stdlib.h>

#include "half.h"
#include "base/status.h"
#include "store/text_features.h"
#include "store/vocabulary.h"

enum { NAME_BYTES = 24, SYSTEM_BYTES = 8 };

/* ---- vocabulary ---- */
static int allocate(struct vocabulary *v, const struct step_sizes *s) {
    int64_t n = v->n_codes;
    TRY(mem_alloc(&v->node_offsets, n + 1, sizeof *v->node_offsets));
    TRY(mem_alloc(&v->edge_offsets, n + 1, sizeof *v->edge_offsets));
    TRY(mem_alloc(&v->description_offsets, n + 1, sizeof *v->description_offsets));
    for (int64_t i = 0; i < n; i++) {
        int64_t nodes = number_length(s->nodes, GRAPH_LENGTHS, i);
        v->node_offsets[i + 1] = v->node_offsets[i] + nodes;
        v->edge_offsets[i + 1] = v->edge_offsets[i] + bench_edge_count(s, nodes);
        v->description_offsets[i + 1] = i + 1; /* one letter; the features are not made from it */
    }
    TRY(mem_alloc(&v->nodes, v->node_offsets[n], sizeof *v->nodes));
    TRY(mem_alloc(&v->edge_source, v->edge_offsets[n], sizeof *v->edge_source));
    TRY(mem_alloc(&v->edge_target, v->edge_offsets[n], sizeof *v->edge_target));
    TRY(mem_alloc(&v->edge_relation, v->edge_offsets[n], sizeof *v->edge_relation));
    TRY(mem_alloc(&v->n_listed, n, sizeof *v->n_listed));
    TRY(mem_alloc(&v->code, n, v->code_bytes));
    TRY(mem_alloc(&v->system, n, v->system_bytes));
    TRY(mem_alloc(&v->description, n, 1));
    return mem_alloc(&v->relation, v->n_relations, v->relation_bytes);
}

static void fill_code(struct vocabulary *v, int64_t i) {
    int64_t n = v->node_offsets[i + 1] - v->node_offsets[i], first = v->edge_offsets[i];
    int64_t n_edges = v->edge_offsets[i + 1] - first, source, target;
    for (int64_t k = v->node_offsets[i]; k < v->node_offsets[i + 1]; k++)
        v->nodes[k] = (int32_t)number_pick(v->n_nodes, NODES, k);
    for (int64_t e = 0; e < n_edges; e++) {
        number_edge(n, n_edges, e, &source, &target);
        v->edge_source[first + e] = (uint16_t)source;
        v->edge_target[first + e] = (uint16_t)target;
    }
    v->n_listed[i] = (int32_t)n;
    v->description[i] = 'x';
    snprintf(v->code + i * v->code_bytes, (size_t)v->code_bytes, "C%lld", (long long)i);
    snprintf(v->system + i * v->system_bytes, (size_t)v->system_bytes, "BENCH");
}

static int make_vocabulary(struct vocabulary *v, const struct step_sizes *s, int64_t n_codes) {
    *v = (struct vocabulary){.n_codes = n_codes,
                             .n_codes_total = n_codes,
                             .n_nodes = s->graph_nodes,
                             .n_relations = 1,
                             .code_bytes = NAME_BYTES,
                             .system_bytes = SYSTEM_BYTES,
                             .relation_bytes = SYSTEM_BYTES,
                             .graph_max_nodes = (int32_t)(2 * s->nodes)};
    TRY(allocate(v, s));
    for (int64_t i = 0; i < n_codes; i++) fill_code(v, i);
    snprintf(v->relation, SYSTEM_BYTES, "bench");
    return STATUS_OK;
}

static int write_vocabulary(const struct comm *comm, const struct step_sizes *s, int64_t n_codes, const char *path) {
    struct vocabulary v = {0};
    struct provenance provenance = {.job = "bench", .config = ""};
    provenance_finish(&provenance, KIND_VOCABULARY);
    int status = comm_agree(comm, comm->rank == 0 ? make_vocabulary(&v, s, n_codes) : STATUS_OK);
    if (status == STATUS_OK) status = vocabulary_write(comm, path, &v, &provenance);
    vocabulary_free(&v);
    return status;
}

/* ---- text features ---- */
struct features {
    int64_t n_tokens;
    int64_t *offsets;
    int32_t *rows;
    uint16_t *values;
};

static void features_free(struct features *f) {
    free(f->offsets);
    free(f->rows);
    free(f->values);
}

/* Offsets on every rank, rows on rank 0. */
static int make_features(struct features *f, const struct comm *comm, const struct step_sizes *s, int64_t n_codes) {
    TRY(mem_alloc(&f->offsets, n_codes + 1, sizeof *f->offsets));
    for (int64_t i = 0; i < n_codes; i++) f->offsets[i + 1] = f->offsets[i] + number_length(s->tokens, TEXT_LENGTHS, i);
    f->n_tokens = f->offsets[n_codes];
    if (comm->rank != 0) return STATUS_OK;
    TRY(mem_alloc(&f->rows, f->n_tokens, sizeof *f->rows));
    TRY(mem_alloc(&f->values, f->n_tokens * s->text_dim, sizeof *f->values));
    for (int64_t t = 0; t < f->n_tokens; t++) f->rows[t] = (int32_t)t;
    for (int64_t i = 0; i < f->n_tokens * s->text_dim; i++) f->values[i] = half_from_float(number_normal(FEATURES, i));
    return STATUS_OK;
}

static int write_text(const struct comm *comm, const struct step_sizes *s, int64_t n_codes, const char *vocabulary,
                      const char *path) {
    struct features f = {0};
    struct text_features_writer writer;
    struct provenance provenance = {.job = "bench", .config = ""};
    int status;
    provenance_finish(&provenance, KIND_TEXT);
    TRY_DONE(comm_agree(comm, make_features(&f, comm, s, n_codes)));
    struct text_features_index index = {.vocabulary = vocabulary,
                                        .encoder = "bench",
                                        .half = 1,
                                        .n_codes = n_codes,
                                        .n_tokens = f.n_tokens,
                                        .n_rows = f.n_tokens,
                                        .dim = s->text_dim,
                                        .n_offsets = comm->rank ? 0 : n_codes + 1,
                                        .n_own_tokens = comm->rank ? 0 : f.n_tokens,
                                        .token_offsets = f.offsets,
                                        .token_row = f.rows};
    TRY_DONE(text_features_create(&writer, comm, path, &index, &provenance, 0));
    status = text_features_write(&writer, 0, comm->rank == 0 ? f.n_tokens : 0, f.values, NULL);
    status = text_features_close(&writer, status);
done:
    features_free(&f);
    return status;
}

int synthetic_write(const struct comm *comm, const struct step_sizes *sizes, int64_t n_codes, const char *vocabulary,
                    const char *text) {
    TRY(write_vocabulary(comm, sizes, n_codes, vocabulary));
    return write_text(comm, sizes, n_codes, vocabulary, text);
}
