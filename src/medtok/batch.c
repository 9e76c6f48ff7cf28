/* Host-side flattening. All integer arrays go to the device in one copy: they are written one after the other into a
 * pack, and become device pointers when the pack has been sent. */
#include "medtok/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dropout.h"

int batch_builder_make(struct batch_builder *b, struct device *device, const struct dataset *dataset) {
    *b = (struct batch_builder){
        .device = device, .n_row_place = dataset->text.n_rows, .n_node_place = dataset->vocabulary.n_nodes};
    TRY(mem_alloc(&b->row_place, b->n_row_place, sizeof *b->row_place));
    TRY(mem_alloc(&b->node_place, b->n_node_place, sizeof *b->node_place));
    TRY(mem_alloc(&b->node_bits, (b->n_node_place + 63) / 64, sizeof *b->node_bits));
    memset(b->row_place, 0xff, (size_t)b->n_row_place * sizeof *b->row_place);
    return STATUS_OK;
}

void batch_builder_free(struct batch_builder *b) {
    if (!b->device) return;
    free(b->row_place);
    free(b->node_place);
    free(b->node_bits);
    free(b->ints.host);
    device_host_free_reals(b->device, b->staging);
    device_free_ints(b->device, b->ints.device);
    device_free_reals(b->device, b->features.values);
    device_free_reals(b->device, b->second_cls.values);
    arena_free(&b->arena);
    *b = (struct batch_builder){0};
}

/* ---- the pack: arrays are remembered by their place until the pack is on the device ---- */
static int pack(struct batch_builder *b, int64_t n, int32_t **host, int64_t *place) {
    TRY(mem_grow(&b->ints.host, &b->ints.capacity, b->ints.n + n + 16, sizeof(int32_t)));
    *place = b->ints.n;
    *host = b->ints.host + b->ints.n;
    b->ints.n += (n + 15) / 16 * 16;
    return STATUS_OK;
}

/* ---- a code's data in the dataset; an absent side has no tokens, or no nodes and edges ---- */
struct code_view {
    const int32_t *tokens, *nodes; /* tokens: feature rows (cached) or token ids (online) */
    const uint16_t *source, *target;
    int64_t n_tokens, n_nodes, n_edges;
};

static struct code_view view_code(const struct dataset *d, int64_t code) {
    int64_t i = code - d->first, t = d->place[i];
    const struct vocabulary *v = &d->vocabulary;
    const int64_t *text = (d->ids.offsets ? d->ids.offsets : d->text.token_offsets) + t;
    struct code_view view = {.tokens = (d->ids.offsets ? d->ids.ids : d->text.token_row) + text[0],
                             .nodes = v->nodes + v->node_offsets[i],
                             .source = v->edge_source + v->edge_offsets[i],
                             .target = v->edge_target + v->edge_offsets[i]};
    if (dataset_has_text(d, code)) view.n_tokens = text[1] - text[0];
    if (!dataset_has_graph(d, code)) return view;
    view.n_nodes = v->node_offsets[i + 1] - v->node_offsets[i];
    view.n_edges = v->edge_offsets[i + 1] - v->edge_offsets[i];
    return view;
}

/* Code number i of those with text, and of those with a graph. */
static int32_t text_code(const struct batch *batch, int64_t i) { return batch->codes[batch->text_place[i]]; }
static int32_t graph_code(const struct batch *batch, int64_t i) { return batch->codes[batch->graph_place[i]]; }

/* ---- codes and the sides that they have ---- */
static int list_codes(struct batch *batch, struct batch_builder *b, const struct dataset *d) {
    size_t bytes = (size_t)(batch->n + 1) * sizeof(int32_t);
    batch->text_place = arena_alloc(&b->arena, bytes);
    batch->graph_place = arena_alloc(&b->arena, bytes);
    if (!batch->text_place || !batch->graph_place) return STATUS_FAILED;
    for (int64_t i = 0; i < batch->n; i++) {
        int text = dataset_has_text(d, batch->codes[i]), graph = dataset_has_graph(d, batch->codes[i]);
        if (text) batch->text_place[batch->n_text++] = (int32_t)i;
        if (graph) batch->graph_place[batch->n_graph++] = (int32_t)i;
        batch->n_both += text && graph;
    }
    return STATUS_OK;
}

/* The rows of a code in the two lists, which ascend by place. */
static int pack_rows(struct batch *batch, struct batch_builder *b, struct batch_places *at) {
    int32_t *text_of_graph, *graph_of_text, *both_text, *both_graph;
    TRY(pack(b, batch->n_text, &graph_of_text, &at->graph_of_text));
    TRY(pack(b, batch->n_graph, &text_of_graph, &at->text_of_graph));
    TRY(pack(b, batch->n_both, &both_text, &at->both_text));
    TRY(pack(b, batch->n_both, &both_graph, &at->both_graph));
    graph_of_text = b->ints.host + at->graph_of_text;
    text_of_graph = b->ints.host + at->text_of_graph;
    both_text = b->ints.host + at->both_text;
    int32_t text = 0, graph = 0, both = 0;
    while (text < batch->n_text || graph < batch->n_graph) {
        int64_t in_text = text < batch->n_text ? batch->text_place[text] : batch->n;
        int64_t in_graph = graph < batch->n_graph ? batch->graph_place[graph] : batch->n;
        if (in_text == in_graph) both_text[both] = text, both_graph[both++] = graph;
        if (in_text <= in_graph) graph_of_text[text] = in_text == in_graph ? graph : -1;
        if (in_graph <= in_text) text_of_graph[graph] = in_text == in_graph ? text : -1;
        text += in_text <= in_graph;
        graph += in_graph <= in_text;
    }
    return STATUS_OK;
}

static int pack_classes(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                        struct batch_places *at) {
    int32_t *text, *graph, *both;
    if (!d->sibling_class) return STATUS_OK;
    TRY(pack(b, batch->n_text, &text, &at->text_class));
    for (int64_t i = 0; i < batch->n_text; i++) text[i] = d->sibling_class[text_code(batch, i) - d->first];
    TRY(pack(b, batch->n_graph, &graph, &at->graph_class));
    for (int64_t i = 0; i < batch->n_graph; i++) graph[i] = d->sibling_class[graph_code(batch, i) - d->first];
    TRY(pack(b, batch->n_both, &both, &at->both_class));
    graph = b->ints.host + at->graph_class;
    for (int64_t i = 0; i < batch->n_both; i++) both[i] = graph[(b->ints.host + at->both_graph)[i]];
    return STATUS_OK;
}

static int pack_codes(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct batch_places *at) {
    int32_t *keys, *iota;
    TRY(list_codes(batch, b, d));
    TRY(pack(b, batch->n_text, &keys, &at->text_keys));
    for (int64_t i = 0; i < batch->n_text; i++) keys[i] = text_code(batch, i);
    TRY(pack(b, batch->n_graph, &keys, &at->graph_keys));
    for (int64_t i = 0; i < batch->n_graph; i++) keys[i] = graph_code(batch, i);
    TRY(pack(b, batch->n_text + 1, &iota, &at->iota));
    for (int64_t i = 0; i <= batch->n_text; i++) iota[i] = (int32_t)i;
    TRY(pack_rows(batch, b, at));
    return pack_classes(batch, b, d, at);
}

/* ---- text: distinct rows, [CLS] places, tokens of the codes with both sides ---- */
static int32_t text_place(struct batch_builder *b, struct batch *batch, int32_t row, int32_t *rows) {
    if (b->row_place[row] < 0) {
        b->row_place[row] = (int32_t)batch->n_rows;
        rows[batch->n_rows++] = row;
    }
    return b->row_place[row];
}

static int device_status(const struct batch_builder *b) {
    const char *error = device_error(b->device);
    return error ? status_set(STATUS_FAILED, "device %s: %s", b->device->name, error) : STATUS_OK;
}

static int make_room(struct batch_builder *b, struct real_room *room, int64_t count) {
    if (room->values.at && count <= room->capacity) return STATUS_OK;
    device_free_reals(b->device, room->values);
    room->capacity = count + count / 4;
    room->values = device_alloc_reals(b->device, room->capacity);
    return device_status(b);
}

/* The rows on the host, whence they travel beside the computation. */
static int stage_features(struct batch_builder *b, const struct text_features *text, const int32_t *rows, int64_t n) {
    if (n * text->dim > b->staging_capacity) {
        device_host_free_reals(b->device, b->staging);
        b->staging_capacity = n * text->dim + n * text->dim / 4;
        b->staging = device_host_alloc_reals(b->device, b->staging_capacity);
        if (!b->staging) return device_status(b);
    }
#pragma omp parallel for num_threads(b->device->host_threads)
    for (int64_t r = 0; r < n; r++) {
        real *to = b->staging + r * text->dim;
        float *row = (float *)(void *)to;
        text_features_row(text, rows[r], row);
        if (sizeof *to > sizeof *row) /* the double build of the tests: from the last on, since each is wider */
            for (int64_t c = text->dim; c-- > 0;) to[c] = (real)row[c];
    }
    return STATUS_OK;
}

/* Sends the distinct rows of the batch, unless all are on the device, to be gathered there (send_pack). */
static int send_features(struct batch *batch, struct batch_builder *b, const struct dataset *d) {
    TRY(make_room(b, &b->features, batch->n_rows * batch->dim));
    batch->features = b->features.values;
    if (dataset_is_resident(d)) return STATUS_OK;
    device_prefetch_finish(b->device); /* the staging memory is free again */
    TRY(stage_features(b, &d->text, b->at.rows, batch->n_rows));
    device_prefetch_reals(b->device, batch->features, b->staging, batch->n_rows * batch->dim);
    return device_status(b);
}

static int pack_text(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct batch_places *at) {
    int64_t n_tokens = 0;
    int32_t *cls, *token_row, *offsets;
    for (int64_t i = 0; i < batch->n_text; i++) n_tokens += view_code(d, text_code(batch, i)).n_tokens;
    int32_t *rows = arena_alloc(&b->arena, (size_t)(n_tokens + 1) * sizeof *rows);
    if (!rows) return STATUS_FAILED;
    TRY(pack(b, batch->n_text, &cls, &at->cls));
    for (int64_t i = 0; i < batch->n_text; i++)
        cls[i] = text_place(b, batch, view_code(d, text_code(batch, i)).tokens[0], rows);
    TRY(pack(b, batch->n_graph + 1, &offsets, &at->token_offsets));
    TRY(pack(b, n_tokens, &token_row, &at->token_row));
    offsets = b->ints.host + at->token_offsets;
    int64_t n = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) { /* only graph nodes ask for tokens other than [CLS] */
        struct code_view c = view_code(d, graph_code(batch, i));
        offsets[i] = (int32_t)n;
        for (int64_t t = 0; t < c.n_tokens; t++) token_row[n++] = text_place(b, batch, c.tokens[t], rows);
    }
    offsets[batch->n_graph] = (int32_t)n;
    batch->n_tokens = n;
    for (int64_t r = 0; r < batch->n_rows; r++) b->row_place[rows[r]] = -1;
    batch->dim = d->text.dim;
    at->rows = rows;
    int32_t *listed;
    TRY(pack(b, dataset_is_resident(d) ? batch->n_rows : 0, &listed, &at->features));
    if (dataset_is_resident(d)) memcpy(listed, rows, (size_t)batch->n_rows * sizeof *listed);
    return STATUS_OK;
}

/* ---- text, online: every code's tokens are rows of their own ---- */
static int compute_features(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                            struct edge_drop drop) {
    enum text_view view = drop.second_view ? TEXT_VIEW_FIRST : TEXT_VIEW_PLAIN;
    const struct batch_places *at = &b->at;
    TRY(make_room(b, &b->features, batch->n_rows * batch->dim));
    batch->features = b->features.values;
    TRY(text_source_compute(d->source, batch->n_text, at->text_offsets, at->ids, at->keys, view, drop.step, 0,
                            batch->features));
    if (!drop.second_view) return STATUS_OK;
    TRY(make_room(b, &b->second_cls, batch->n_text * batch->dim));
    batch->second_cls = b->second_cls.values;
    return text_source_compute(d->source, batch->n_text, at->text_offsets, at->ids, at->keys, TEXT_VIEW_SECOND,
                               drop.step, 1, batch->second_cls);
}

static int pack_online_text(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                            struct batch_places *at) {
    int64_t n_tokens = 0;
    int32_t *cls, *token_row, *graph_offsets;
    for (int64_t i = 0; i < batch->n_text; i++) n_tokens += view_code(d, text_code(batch, i)).n_tokens;
    int32_t *keys = arena_alloc(&b->arena, (size_t)(batch->n_text + 1) * sizeof *keys);
    int32_t *offsets = arena_alloc(&b->arena, (size_t)(batch->n_text + 1) * sizeof *offsets);
    int32_t *ids = arena_alloc(&b->arena, (size_t)(n_tokens + 1) * sizeof *ids);
    if (!keys || !offsets || !ids) return STATUS_FAILED;
    TRY(pack(b, batch->n_text, &cls, &at->cls));
    TRY(pack(b, batch->n_graph + 1, &graph_offsets, &at->token_offsets));
    TRY(pack(b, n_tokens, &token_row, &at->token_row));
    cls = b->ints.host + at->cls;
    graph_offsets = b->ints.host + at->token_offsets;
    for (int64_t i = 0; i < batch->n_text; i++) {
        struct code_view c = view_code(d, text_code(batch, i));
        memcpy(ids + offsets[i], c.tokens, (size_t)c.n_tokens * sizeof *ids);
        keys[i] = text_code(batch, i);
        cls[i] = offsets[i];
        offsets[i + 1] = (int32_t)(offsets[i] + c.n_tokens);
    }
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = view_code(d, graph_code(batch, i));
        int32_t text = (b->ints.host + at->text_of_graph)[i];
        graph_offsets[i] = (int32_t)batch->n_tokens;
        for (int64_t t = 0; t < c.n_tokens; t++) token_row[batch->n_tokens++] = (int32_t)(offsets[text] + t);
    }
    graph_offsets[batch->n_graph] = (int32_t)batch->n_tokens;
    batch->n_rows = offsets[batch->n_text];
    batch->dim = d->source->dim;
    at->keys = keys;
    at->text_offsets = offsets;
    at->ids = ids;
    return STATUS_OK;
}

/* ---- graph: distinct nodes ---- */
/* Lists the nodes whose bit is set, ascending, and clears the bits: far less work than to sort them. */
static void list_nodes(struct batch *batch, struct batch_builder *b) {
    for (int64_t word = 0; word * 64 < b->n_node_place; word++)
        for (; b->node_bits[word]; b->node_bits[word] &= b->node_bits[word] - 1) {
            int32_t node = (int32_t)(word * 64 + __builtin_ctzll(b->node_bits[word]));
            b->node_place[node] = (int32_t)batch->n_distinct;
            batch->distinct_nodes[batch->n_distinct++] = node;
        }
}

static int pack_nodes(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct batch_places *at) {
    int32_t *distinct, *node_row, *offsets;
    for (int64_t i = 0; i < batch->n_graph; i++) batch->n_nodes += view_code(d, graph_code(batch, i)).n_nodes;
    batch->distinct_nodes = arena_alloc(&b->arena, (size_t)(batch->n_nodes + 1) * sizeof(int32_t));
    if (!batch->distinct_nodes) return STATUS_FAILED;
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = view_code(d, graph_code(batch, i));
        for (int64_t k = 0; k < c.n_nodes; k++) b->node_bits[c.nodes[k] / 64] |= (uint64_t)1 << c.nodes[k] % 64;
    }
    list_nodes(batch, b);
    TRY(pack(b, batch->n_distinct, &distinct, &at->distinct));
    memcpy(distinct, batch->distinct_nodes, (size_t)batch->n_distinct * sizeof *distinct);
    TRY(pack(b, batch->n_graph + 1, &offsets, &at->graph_offsets));
    TRY(pack(b, batch->n_nodes, &node_row, &at->node_row));
    offsets = b->ints.host + at->graph_offsets;
    int64_t n = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = view_code(d, graph_code(batch, i));
        offsets[i] = (int32_t)n;
        for (int64_t k = 0; k < c.n_nodes; k++) node_row[n++] = b->node_place[c.nodes[k]];
    }
    offsets[batch->n_graph] = (int32_t)n;
    return STATUS_OK;
}

/* The nodes that each code with text asks, and their rows. */
static int pack_text_nodes(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                           struct batch_places *at) {
    int32_t *offsets, *rows;
    int64_t n = 0;
    TRY(pack(b, batch->n_text + 1, &offsets, &at->text_nodes));
    TRY(pack(b, batch->n_nodes, &rows, &at->text_node));
    offsets = b->ints.host + at->text_nodes;
    for (int64_t i = 0; i < batch->n_text; i++) {
        int32_t graph = (b->ints.host + at->graph_of_text)[i];
        offsets[i] = (int32_t)n;
        if (graph < 0) continue;
        int32_t first = (b->ints.host + at->graph_offsets)[graph];
        for (int64_t k = 0; k < view_code(d, text_code(batch, i)).n_nodes; k++) rows[n++] = (int32_t)(first + k);
    }
    offsets[batch->n_text] = (int32_t)n;
    batch->text_nodes.rows.n_rows = n;
    return STATUS_OK;
}

/* ---- graph: incoming edges of each node. Edges of a code are sorted by target, so a code's edges can be copied in order;
 *      edge e of code c is dropped by the random number of (seed, step, c, e). Threads share the codes. ---- */
enum { EDGES_AT_ONCE = 8 }; /* as dropout_block draws them */

/* What is known before the edges are copied. */
struct edge_places {
    int64_t *kept;     /* [n_graph + 1] surviving edges of the codes before */
    int64_t *first;    /* [n_graph] place in `survives` */
    uint8_t *survives; /* a bit for each edge */
};

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

static int place_edges(const struct batch *batch, struct batch_builder *b, const struct dataset *d,
                       struct edge_drop drop, struct edge_places *at) {
    struct dropout dropout = {.rate = drop.rate, .seed = drop.seed, .stream = RNG_EDGE_DROP, .step = drop.step};
    int64_t bytes = 0;
    at->kept = arena_alloc(&b->arena, (size_t)(batch->n_graph + 1) * sizeof *at->kept);
    at->first = arena_alloc(&b->arena, (size_t)(batch->n_graph + 1) * sizeof *at->first);
    if (!at->kept || !at->first) return STATUS_FAILED;
    for (int64_t i = 0; i < batch->n_graph; i++) {
        at->first[i] = bytes;
        bytes += edge_blocks(view_code(d, graph_code(batch, i)).n_edges);
    }
    at->survives = arena_alloc(&b->arena, (size_t)bytes + 1);
    if (!at->survives) return STATUS_FAILED;
#pragma omp parallel for num_threads(b->device->host_threads)
    for (int64_t i = 0; i < batch->n_graph; i++)
        at->kept[i + 1] = draw_edges(dropout, graph_code(batch, i), view_code(d, graph_code(batch, i)).n_edges,
                                     at->survives + at->first[i]);
    at->kept[0] = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) at->kept[i + 1] += at->kept[i];
    return STATUS_OK;
}

/* The n_kept surviving edges of a code, whose nodes are first_node, first_node + 1, ... and whose edges begin at first_edge. No
 * branch hangs on what survives. */
static void copy_edges(const struct code_view *c, const uint8_t *survives, int64_t n_kept, int32_t first_node,
                       int32_t first_edge, int32_t *offsets, int32_t *sources) {
    memset(offsets, 0, (size_t)c->n_nodes * sizeof *offsets);
    for (int64_t e = 0, n = 0; n < n_kept; e++) {
        int survived = survives[e / EDGES_AT_ONCE] >> e % EDGES_AT_ONCE & 1;
        sources[n] = first_node + c->source[e];
        offsets[c->target[e]] += survived;
        n += survived;
    }
    for (int64_t k = 0; k < c->n_nodes; k++) {
        int32_t count = offsets[k];
        offsets[k] = first_edge;
        first_edge += count;
    }
}

static int pack_edges(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct edge_drop drop,
                      int64_t graph_offsets, struct packed_edges *packed) {
    int32_t *offsets, *sources;
    struct edge_places at;
    TRY(place_edges(batch, b, d, drop, &at));
    packed->n = at.kept[batch->n_graph];
    TRY(pack(b, batch->n_nodes + 1, &offsets, &packed->offsets));
    TRY(pack(b, packed->n, &sources, &packed->sources));
    offsets = b->ints.host + packed->offsets;
    const int32_t *nodes = b->ints.host + graph_offsets;
#pragma omp parallel for num_threads(b->device->host_threads)
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = view_code(d, graph_code(batch, i));
        copy_edges(&c, at.survives + at.first[i], at.kept[i + 1] - at.kept[i], nodes[i], (int32_t)at.kept[i],
                   offsets + nodes[i], sources + at.kept[i]);
    }
    offsets[batch->n_nodes] = (int32_t)packed->n;
    return STATUS_OK;
}

static int send_pack(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                     const struct batch_places *at, int second_view) {
    struct int_pack *p = &b->ints;
    if (p->n > p->device_capacity) {
        device_free_ints(b->device, p->device);
        p->device_capacity = p->n + p->n / 4;
        p->device = device_alloc_ints(b->device, p->device_capacity);
    }
    device_upload_ints(b->device, p->device, p->host, p->n);
    TRY(device_status(b));
#define ON_DEVICE(place) dev_int_at(p->device, at->place)
    batch->cls_row = ON_DEVICE(cls);
    batch->token_row = ON_DEVICE(token_row);
    batch->each = (struct segments){{batch->n_text, batch->n_text, ON_DEVICE(iota)}, ON_DEVICE(text_keys)};
    batch->tokens =
        (struct segments){{batch->n_graph, batch->n_tokens, ON_DEVICE(token_offsets)}, ON_DEVICE(graph_keys)};
    batch->distinct = ON_DEVICE(distinct);
    batch->node_row = ON_DEVICE(node_row);
    batch->text_nodes.rows.n = batch->n_text;
    batch->text_nodes.rows.offsets = ON_DEVICE(text_nodes);
    batch->text_nodes.keys = ON_DEVICE(text_keys);
    batch->graphs.nodes =
        (struct segments){{batch->n_graph, batch->n_nodes, ON_DEVICE(graph_offsets)}, ON_DEVICE(graph_keys)};
    batch->graphs.edges = (struct edges){at->edges.n, ON_DEVICE(edges.offsets), ON_DEVICE(edges.sources)};
    batch->dropped = batch->graphs;
    if (second_view)
        batch->dropped.edges = (struct edges){at->dropped.n, ON_DEVICE(dropped.offsets), ON_DEVICE(dropped.sources)};
    batch->text_of_graph = ON_DEVICE(text_of_graph);
    batch->graph_of_text = ON_DEVICE(graph_of_text);
    batch->both_text = ON_DEVICE(both_text);
    batch->both_graph = ON_DEVICE(both_graph);
    if (batch->n_both < batch->n_graph) batch->text_node = ON_DEVICE(text_node);
    if (d->sibling_class) {
        batch->text_class = ON_DEVICE(text_class);
        batch->graph_class = ON_DEVICE(graph_class);
        batch->both_class = ON_DEVICE(both_class);
    }
    if (d->resident.at)
        b->device->run->gather_rows(b->device, batch->n_rows, batch->dim, d->resident, ON_DEVICE(features),
                                    batch->features);
    if (d->resident_halves.at)
        b->device->run->gather_halves(b->device, batch->n_rows, batch->dim, d->resident_halves, ON_DEVICE(features),
                                      batch->features);
#undef ON_DEVICE
    return STATUS_OK;
}

int batch_flatten(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int64_t *codes,
                  int64_t n, struct edge_drop drop) {
    struct batch_places *at = &b->at;
    *at = (struct batch_places){0};
    *batch = (struct batch){.n = n};
    arena_reset(&b->arena);
    b->ints.n = 0;
    batch->codes = arena_alloc(&b->arena, (size_t)(n + 1) * sizeof *batch->codes);
    if (!batch->codes) return STATUS_FAILED;
    for (int64_t i = 0; i < n; i++) batch->codes[i] = (int32_t)codes[i];
    TRY(pack_codes(batch, b, d, at));
    TRY(d->ids.offsets ? pack_online_text(batch, b, d, at) : pack_text(batch, b, d, at));
    TRY(pack_nodes(batch, b, d, at));
    TRY(pack_text_nodes(batch, b, d, at));
    TRY(pack_edges(batch, b, d, (struct edge_drop){0}, at->graph_offsets, &at->edges));
    if (drop.second_view) TRY(pack_edges(batch, b, d, drop, at->graph_offsets, &at->dropped));
    return STATUS_OK;
}

int batch_send(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct edge_drop drop) {
    TRY(d->ids.offsets ? compute_features(batch, b, d, drop) : send_features(batch, b, d));
    return send_pack(batch, b, d, &b->at, drop.second_view);
}

int batch_build(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int64_t *codes, int64_t n,
                struct edge_drop drop) {
    TRY(batch_flatten(batch, b, d, codes, n, drop));
    return batch_send(batch, b, d, drop);
}

void batch_arrives(struct batch_builder *b) { device_prefetch_wait(b->device); }
