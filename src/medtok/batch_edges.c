/* Edges of a code are sorted by target, so that they can be copied in order. Threads share the codes. */
#include "medtok/batch_edges.h"

#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dropout.h"

enum { EDGES_AT_ONCE = 8 }; /* as dropout_block draws them */

/* What is known before the edges are copied. */
struct drawn_edges {
    int64_t *kept;     /* [n_graph + 1] surviving edges of the codes before */
    int64_t *first;    /* [n_graph] where a code begins in `survives` */
    uint8_t *survives; /* a bit for each edge */
};

static int32_t graph_code(const struct batch *batch, int64_t i) { return batch->codes[batch->graph_position[i]]; }

static int64_t edge_blocks(int64_t n_edges) { return (n_edges + EDGES_AT_ONCE - 1) / EDGES_AT_ONCE; }

/* A bit for each edge of a code that survives; returns their number. */
static int64_t draw_edges(struct dropout dropout, int32_t code, int64_t n_edges, uint8_t *survives) {
    uint32_t threshold = dropout_threshold(dropout.rate);
    int64_t n = 0;
    for (int64_t block = 0; block < edge_blocks(n_edges); block++) {
        int64_t left = n_edges - block * EDGES_AT_ONCE;
        unsigned bits = dropout.rate > 0 ? dropout_block(dropout, threshold, code, (uint32_t)block) : 0xff;
        if (left < EDGES_AT_ONCE) bits &= (1u << left) - 1;
        survives[block] = (uint8_t)bits;
        n += __builtin_popcount(bits);
    }
    return n;
}

/* Clears the bits of edges of which an end is not kept (kept [n_nodes] of the code); returns how many survive. */
static int64_t drop_loose_edges(const struct code_view *c, const uint8_t *kept, uint8_t *survives) {
    int64_t n = 0;
    for (int64_t e = 0; e < c->n_edges; e++) {
        uint8_t bit = (uint8_t)(1u << e % EDGES_AT_ONCE), *bits = &survives[e / EDGES_AT_ONCE];
        if (!kept[code_edge_source(c, e)] || !kept[code_edge_target(c, e)]) *bits &= (uint8_t)~bit;
        n += (*bits & bit) != 0;
    }
    return n;
}

static int draw_batch(const struct batch *batch, struct batch_builder *b, const struct dataset *d,
                      struct view_drop drop, const int32_t *first_node, const uint8_t *kept,
                      struct drawn_edges *drawn) {
    struct dropout dropout = {.rate = drop.rate, .seed = drop.seed, .stream = RNG_EDGE_DROP, .step = drop.step};
    int64_t bytes = 0;
    drawn->kept = arena_alloc(&b->arena, (size_t)(batch->n_graph + 1) * sizeof *drawn->kept);
    drawn->first = arena_alloc(&b->arena, (size_t)(batch->n_graph + 1) * sizeof *drawn->first);
    if (!drawn->kept || !drawn->first) return STATUS_FAILED;
    for (int64_t i = 0; i < batch->n_graph; i++) {
        drawn->first[i] = bytes;
        bytes += edge_blocks(dataset_view(d, graph_code(batch, i)).n_edges);
    }
    drawn->survives = arena_alloc(&b->arena, (size_t)bytes + 1);
    if (!drawn->survives) return STATUS_FAILED;
#pragma omp parallel for num_threads(b->device->host_threads)
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = dataset_view(d, graph_code(batch, i));
        uint8_t *survives = drawn->survives + drawn->first[i];
        drawn->kept[i + 1] = draw_edges(dropout, graph_code(batch, i), c.n_edges, survives);
        if (kept) drawn->kept[i + 1] = drop_loose_edges(&c, kept + first_node[i], survives);
    }
    drawn->kept[0] = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) drawn->kept[i + 1] += drawn->kept[i];
    return STATUS_OK;
}

/* The n_kept surviving edges of a code, whose nodes are first_node, first_node + 1, ... and whose edges begin at
 * first_edge. No branch hangs on what survives. */
static void copy_edges(const struct code_view *c, const uint8_t *survives, int64_t n_kept, int32_t first_node,
                       int32_t first_edge, int32_t *offsets, int32_t *sources) {
    memset(offsets, 0, (size_t)c->n_nodes * sizeof *offsets);
    for (int64_t e = 0, n = 0; n < n_kept; e++) {
        int survived = survives[e / EDGES_AT_ONCE] >> e % EDGES_AT_ONCE & 1;
        sources[n] = first_node + code_edge_source(c, e);
        offsets[code_edge_target(c, e)] += survived;
        n += survived;
    }
    for (int64_t k = 0; k < c->n_nodes; k++) {
        int32_t count = offsets[k];
        offsets[k] = first_edge;
        first_edge += count;
    }
}

/* kept [n_nodes] of a code; returns how many are kept. */
static int32_t draw_nodes(struct dropout dropout, int32_t code, int64_t n_nodes, uint8_t *kept) {
    int32_t n = 0;
    for (int64_t k = 0; k < n_nodes; k++)
        n += kept[k] = (uint8_t)dropout_keeps(dropout, (uint64_t)(uint32_t)code, (uint64_t)k);
    if (n == 0) n = kept[0] = 1;
    return n;
}

int batch_pack_kept_nodes(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct view_drop drop,
                          const int32_t *first_node, uint8_t **kept) {
    struct dropout dropout = {.rate = drop.node_rate, .seed = drop.seed, .stream = RNG_NODE_DROP, .step = drop.step};
    int32_t *offsets, *rows, n = 0;
    *kept = NULL;
    if (drop.node_rate == 0 || !drop.second_view) return STATUS_OK;
    *kept = arena_alloc(&b->arena, (size_t)batch->n_nodes + 1);
    if (!*kept) return STATUS_FAILED;
    TRY(pack_ints(&b->pack, batch->n_graph + 1, &offsets, &batch->kept_nodes.rows.offsets));
    offsets[0] = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) {
        int32_t code = graph_code(batch, i);
        offsets[i + 1] = offsets[i] + draw_nodes(dropout, code, dataset_view(d, code).n_nodes, *kept + first_node[i]);
    }
    batch->kept_nodes.rows.n_rows = offsets[batch->n_graph];
    TRY(pack_ints(&b->pack, batch->kept_nodes.rows.n_rows, &rows, &batch->kept_rows));
    for (int32_t k = 0; k < batch->n_nodes; k++)
        if ((*kept)[k]) rows[n++] = k;
    return STATUS_OK;
}

int batch_pack_edges(const struct batch *batch, struct batch_builder *b, const struct dataset *d, struct view_drop drop,
                     const int32_t *first_node, const uint8_t *kept, struct edges *edges) {
    int32_t *offsets, *sources;
    struct drawn_edges drawn;
    TRY(draw_batch(batch, b, d, drop, first_node, kept, &drawn));
    edges->n = drawn.kept[batch->n_graph];
    TRY(pack_ints(&b->pack, batch->n_nodes + 1, &offsets, &edges->offsets));
    TRY(pack_ints(&b->pack, edges->n, &sources, &edges->sources));
#pragma omp parallel for num_threads(b->device->host_threads)
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = dataset_view(d, graph_code(batch, i));
        copy_edges(&c, drawn.survives + drawn.first[i], drawn.kept[i + 1] - drawn.kept[i], first_node[i],
                   (int32_t)drawn.kept[i], offsets + first_node[i], sources + drawn.kept[i]);
    }
    offsets[batch->n_nodes] = (int32_t)edges->n;
    return STATUS_OK;
}
