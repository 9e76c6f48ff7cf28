/* Pieces of the file, of which the chosen codes are appended. */
#include "store/vocabulary_pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { PIECE = 16384 }; /* codes read at a time */

struct capacities {
    long long description, nodes, source, target, relation;
};

static int append(void *array, long long *capacity, int64_t at, const void *from, int64_t count, int64_t size) {
    void *data;
    TRY(mem_grow(array, capacity, at + count, size));
    memcpy(&data, array, sizeof data);
    if (count) memcpy((char *)data + at * size, from, (size_t)(count * size));
    return STATUS_OK;
}

static int append_code(struct vocabulary *v, struct capacities *c, const struct vocabulary *from, int64_t i) {
    int64_t k = v->n_codes, text = from->description_offsets[i], nodes = from->node_offsets[i];
    int64_t edges = from->edge_offsets[i], n_text = from->description_offsets[i + 1] - text;
    int64_t n_nodes = from->node_offsets[i + 1] - nodes, n_edges = from->edge_offsets[i + 1] - edges;
    memcpy(v->code + k * v->code_bytes, vocabulary_code(from, i), (size_t)v->code_bytes);
    memcpy(v->system + k * v->system_bytes, vocabulary_system(from, i), (size_t)v->system_bytes);
    v->n_listed[k] = from->n_listed[i];
    TRY(append(&v->description, &c->description, v->description_offsets[k], from->description + text, n_text, 1));
    TRY(append(&v->nodes, &c->nodes, v->node_offsets[k], from->nodes + nodes, n_nodes, 4));
    TRY(append(&v->edge_source, &c->source, v->edge_offsets[k], from->edge_source + edges, n_edges, 2));
    TRY(append(&v->edge_target, &c->target, v->edge_offsets[k], from->edge_target + edges, n_edges, 2));
    TRY(append(&v->edge_relation, &c->relation, v->edge_offsets[k], from->edge_relation + edges, n_edges, 1));
    v->description_offsets[k + 1] = v->description_offsets[k] + n_text;
    v->node_offsets[k + 1] = v->node_offsets[k] + n_nodes;
    v->edge_offsets[k + 1] = v->edge_offsets[k] + n_edges;
    v->n_codes++;
    return STATUS_OK;
}

static int make_room(struct vocabulary *v, int64_t n, const struct vocabulary *piece) {
    v->code_bytes = piece->code_bytes;
    v->system_bytes = piece->system_bytes;
    TRY(mem_alloc(&v->code, n * v->code_bytes + 1, 1));
    TRY(mem_alloc(&v->system, n * v->system_bytes + 1, 1));
    TRY(mem_alloc(&v->n_listed, n, sizeof *v->n_listed));
    TRY(mem_alloc(&v->description_offsets, n + 1, sizeof *v->description_offsets));
    TRY(mem_alloc(&v->node_offsets, n + 1, sizeof *v->node_offsets));
    return mem_alloc(&v->edge_offsets, n + 1, sizeof *v->edge_offsets);
}

static int pick(const char *path, const int64_t *codes, int64_t n, struct vocabulary *v) {
    struct capacities capacities = {0};
    for (int64_t i = 0; i < n;) {
        struct vocabulary piece;
        int64_t first = codes[i], left = v->n_codes_total - first;
        TRY(vocabulary_read(path, first, left < PIECE ? left : PIECE,
                            VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS, &piece));
        int status = i == 0 ? make_room(v, n, &piece) : STATUS_OK;
        for (; status == STATUS_OK && i < n && codes[i] < first + piece.n_codes; i++)
            status = append_code(v, &capacities, &piece, codes[i] - first);
        vocabulary_free(&piece);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

int vocabulary_pick(const char *path, const int64_t *codes, int64_t n, struct vocabulary *v) {
    TRY(vocabulary_read_sizes(path, v));
    int status = pick(path, codes, n, v);
    if (status != STATUS_OK) vocabulary_free(v);
    return status;
}
