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
    memset(b->row_place, 0xff, (size_t)b->n_row_place * sizeof *b->row_place);
    memset(b->node_place, 0xff, (size_t)b->n_node_place * sizeof *b->node_place);
    return STATUS_OK;
}

void batch_builder_free(struct batch_builder *b) {
    if (!b->device) return;
    free(b->row_place);
    free(b->node_place);
    free(b->ints.host);
    free(b->staging);
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

/* Places of the arrays of one batch in the pack. */
struct places {
    int64_t keys, iota, cls, token_row, token_offsets, present_keys, distinct, node_row, graph_offsets, edge_offsets,
        sources, dropped_offsets, dropped_sources, all_offsets, present, present_place, text_pairs, graph_pairs;
};

/* ---- a code's data in the dataset ---- */
struct code_view {
    const int32_t *tokens, *nodes; /* tokens: feature rows (cached) or token ids (online) */
    const uint16_t *source, *target;
    int64_t n_tokens, n_nodes, n_edges;
};

static struct code_view view_code(const struct dataset *d, int64_t code) {
    int64_t i = code - d->first, t = d->place[i];
    const struct vocabulary *v = &d->vocabulary;
    const int64_t *text = (d->ids.offsets ? d->ids.offsets : d->text.token_offsets) + t;
    return (struct code_view){.tokens = (d->ids.offsets ? d->ids.ids : d->text.token_row) + text[0],
                              .n_tokens = text[1] - text[0],
                              .nodes = v->nodes + v->node_offsets[i],
                              .n_nodes = v->node_offsets[i + 1] - v->node_offsets[i],
                              .source = v->edge_source + v->edge_offsets[i],
                              .target = v->edge_target + v->edge_offsets[i],
                              .n_edges = v->edge_offsets[i + 1] - v->edge_offsets[i]};
}

/* ---- codes and presence ---- */
static int pack_codes(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct places *at) {
    int32_t *keys, *iota, *present, *place, *present_keys;
    TRY(pack(b, batch->n, &keys, &at->keys));
    memcpy(keys, batch->codes, (size_t)batch->n * sizeof *keys);
    TRY(pack(b, batch->n + 1, &iota, &at->iota));
    for (int64_t i = 0; i <= batch->n; i++) iota[i] = (int32_t)i;
    TRY(pack(b, batch->n, &place, &at->present_place));
    batch->n_present = 0;
    for (int64_t i = 0; i < batch->n; i++)
        place[i] = view_code(d, batch->codes[i]).n_nodes ? (int32_t)batch->n_present++ : -1;
    TRY(pack(b, batch->n_present, &present, &at->present));
    TRY(pack(b, batch->n_present, &present_keys, &at->present_keys));
    place = b->ints.host + at->present_place;
    present = b->ints.host + at->present;
    for (int64_t i = 0; i < batch->n; i++) {
        if (place[i] < 0) continue;
        present[place[i]] = (int32_t)i;
        present_keys[place[i]] = batch->codes[i];
    }
    return STATUS_OK;
}

/* ---- text: distinct rows, [CLS] places, tokens of the present codes ---- */
static int32_t text_place(struct batch_builder *b, struct batch *batch, int32_t row, int32_t *rows) {
    if (b->row_place[row] < 0) {
        b->row_place[row] = (int32_t)batch->n_rows;
        rows[batch->n_rows++] = row;
    }
    return b->row_place[row];
}

static int make_room(struct batch_builder *b, struct real_room *room, int64_t count) {
    if (count <= room->capacity) return STATUS_OK;
    device_free_reals(b->device, room->values);
    room->capacity = count + count / 4;
    room->values = device_alloc_reals(b->device, room->capacity);
    return room->values.at ? STATUS_OK : status_set(STATUS_FAILED, "device %s: %s", b->device->name, b->device->error);
}

static int send_features(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int32_t *rows) {
    int64_t dim = d->text.dim, count = batch->n_rows * dim;
    TRY(make_room(b, &b->features, count));
    TRY(mem_grow(&b->staging, &b->staging_capacity, count, sizeof *b->staging));
    float *row = arena_alloc(&b->arena, (size_t)dim * sizeof *row);
    if (!row) return STATUS_FAILED;
    for (int64_t r = 0; r < batch->n_rows; r++) {
        text_features_row(&d->text, rows[r], row);
        for (int64_t c = 0; c < dim; c++) b->staging[r * dim + c] = (real)row[c];
    }
    device_upload_reals(b->device, b->features.values, b->staging, count);
    batch->features = b->features.values;
    batch->dim = dim;
    return STATUS_OK;
}

static int pack_text(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct places *at) {
    int64_t n_tokens = 0;
    int32_t *cls, *token_row, *offsets;
    for (int64_t i = 0; i < batch->n; i++) n_tokens += view_code(d, batch->codes[i]).n_tokens;
    int32_t *rows = arena_alloc(&b->arena, (size_t)(n_tokens + 1) * sizeof *rows);
    if (!rows) return STATUS_FAILED;
    TRY(pack(b, batch->n, &cls, &at->cls));
    for (int64_t i = 0; i < batch->n; i++) cls[i] = text_place(b, batch, view_code(d, batch->codes[i]).tokens[0], rows);
    TRY(pack(b, batch->n_present + 1, &offsets, &at->token_offsets));
    TRY(pack(b, n_tokens, &token_row, &at->token_row));
    offsets = b->ints.host + at->token_offsets;
    int64_t n = 0, p = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        if (c.n_nodes == 0) continue; /* only graph nodes ask for tokens other than [CLS] */
        offsets[p++] = (int32_t)n;
        for (int64_t t = 0; t < c.n_tokens; t++) token_row[n++] = text_place(b, batch, c.tokens[t], rows);
    }
    offsets[p] = (int32_t)n;
    batch->n_tokens = n;
    for (int64_t r = 0; r < batch->n_rows; r++) b->row_place[rows[r]] = -1;
    return send_features(batch, b, d, rows);
}

/* ---- text, online: every code's tokens are rows of their own ---- */
static int compute_features(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                            const int32_t *offsets, const int32_t *ids, struct edge_drop drop) {
    enum text_view view = drop.second_view ? TEXT_VIEW_FIRST : TEXT_VIEW_PLAIN;
    batch->n_rows = offsets[batch->n];
    batch->dim = d->source->dim;
    TRY(make_room(b, &b->features, batch->n_rows * batch->dim));
    batch->features = b->features.values;
    TRY(text_source_compute(d->source, batch->n, offsets, ids, batch->codes, view, drop.step, 0, batch->features));
    if (!drop.second_view) return STATUS_OK;
    TRY(make_room(b, &b->second_cls, batch->n * batch->dim));
    batch->second_cls = b->second_cls.values;
    return text_source_compute(d->source, batch->n, offsets, ids, batch->codes, TEXT_VIEW_SECOND, drop.step, 1,
                               batch->second_cls);
}

static int pack_online_text(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                            struct edge_drop drop, struct places *at) {
    int64_t n_tokens = 0;
    int32_t *cls, *token_row, *present_offsets;
    for (int64_t i = 0; i < batch->n; i++) n_tokens += view_code(d, batch->codes[i]).n_tokens;
    int32_t *offsets = arena_alloc(&b->arena, (size_t)(batch->n + 1) * sizeof *offsets);
    int32_t *ids = arena_alloc(&b->arena, (size_t)(n_tokens + 1) * sizeof *ids);
    if (!offsets || !ids) return STATUS_FAILED;
    TRY(pack(b, batch->n, &cls, &at->cls));
    TRY(pack(b, batch->n_present + 1, &present_offsets, &at->token_offsets));
    TRY(pack(b, n_tokens, &token_row, &at->token_row));
    cls = b->ints.host + at->cls;
    present_offsets = b->ints.host + at->token_offsets;
    int64_t p = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        memcpy(ids + offsets[i], c.tokens, (size_t)c.n_tokens * sizeof *ids);
        cls[i] = offsets[i];
        offsets[i + 1] = (int32_t)(offsets[i] + c.n_tokens);
        if (c.n_nodes == 0) continue;
        present_offsets[p++] = (int32_t)batch->n_tokens;
        for (int64_t t = 0; t < c.n_tokens; t++) token_row[batch->n_tokens++] = (int32_t)(offsets[i] + t);
    }
    present_offsets[p] = (int32_t)batch->n_tokens;
    return compute_features(batch, b, d, offsets, ids, drop);
}

/* ---- graph: distinct nodes ---- */
static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int pack_nodes(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct places *at) {
    int32_t *distinct, *node_row, *offsets, *all;
    for (int64_t i = 0; i < batch->n; i++) batch->n_nodes += view_code(d, batch->codes[i]).n_nodes;
    batch->distinct_nodes = arena_alloc(&b->arena, (size_t)(batch->n_nodes + 1) * sizeof(int32_t));
    if (!batch->distinct_nodes) return STATUS_FAILED;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        for (int64_t k = 0; k < c.n_nodes; k++) {
            if (b->node_place[c.nodes[k]] >= 0) continue;
            b->node_place[c.nodes[k]] = 0;
            batch->distinct_nodes[batch->n_distinct++] = c.nodes[k];
        }
    }
    qsort(batch->distinct_nodes, (size_t)batch->n_distinct, sizeof(int32_t), ascending);
    for (int64_t k = 0; k < batch->n_distinct; k++) b->node_place[batch->distinct_nodes[k]] = (int32_t)k;
    TRY(pack(b, batch->n_distinct, &distinct, &at->distinct));
    memcpy(distinct, batch->distinct_nodes, (size_t)batch->n_distinct * sizeof *distinct);
    TRY(pack(b, batch->n_present + 1, &offsets, &at->graph_offsets));
    TRY(pack(b, batch->n + 1, &all, &at->all_offsets));
    TRY(pack(b, batch->n_nodes, &node_row, &at->node_row));
    offsets = b->ints.host + at->graph_offsets;
    all = b->ints.host + at->all_offsets;
    int64_t n = 0, p = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        all[i] = (int32_t)n;
        if (c.n_nodes) offsets[p++] = (int32_t)n;
        for (int64_t k = 0; k < c.n_nodes; k++) node_row[n++] = b->node_place[c.nodes[k]];
    }
    offsets[p] = all[batch->n] = (int32_t)n;
    for (int64_t k = 0; k < batch->n_distinct; k++) b->node_place[batch->distinct_nodes[k]] = -1;
    return STATUS_OK;
}

/* ---- graph: incoming edges of each node. Edges of a code are sorted by target, so a code's edges can be copied in order;
 *      edge e of code c is dropped by the random number of (seed, step, c, e). ---- */
static int edge_survives(struct edge_drop drop, struct dropout *state, int32_t code, int64_t e) {
    return drop.rate == 0 || dropout_keeps(*state, (uint64_t)(uint32_t)code, (uint64_t)e);
}

static int pack_edges(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct edge_drop drop,
                      int64_t *at_offsets, int64_t *at_sources) {
    int32_t *offsets, *sources;
    int64_t n_edges = 0, n = 0, first = 0, v = 0;
    struct dropout state = {.rate = drop.rate, .seed = drop.seed, .stream = RNG_EDGE_DROP, .step = drop.step};
    for (int64_t i = 0; i < batch->n; i++) n_edges += view_code(d, batch->codes[i]).n_edges;
    TRY(pack(b, batch->n_nodes + 1, &offsets, at_offsets));
    TRY(pack(b, n_edges, &sources, at_sources));
    batch->graphs.n_edges = n_edges;
    offsets = b->ints.host + *at_offsets;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        int64_t e = 0;
        for (int64_t k = 0; k < c.n_nodes; k++) {
            offsets[v++] = (int32_t)n;
            for (; e < c.n_edges && c.target[e] == k; e++)
                if (edge_survives(drop, &state, batch->codes[i], e)) sources[n++] = (int32_t)(first + c.source[e]);
        }
        first += c.n_nodes;
    }
    offsets[v] = (int32_t)n;
    return STATUS_OK;
}

/* ---- attention pairs ---- */
static int pack_pairs(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct places *at) {
    int32_t *text, *graph;
    TRY(pack(b, batch->n + 1, &text, &at->text_pairs));
    TRY(pack(b, batch->n_present + 1, &graph, &at->graph_pairs));
    text = b->ints.host + at->text_pairs;
    int64_t p = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        struct code_view c = view_code(d, batch->codes[i]);
        text[i] = (int32_t)batch->n_text_pairs;
        batch->n_text_pairs += c.n_nodes;
        if (c.n_nodes == 0) continue;
        graph[p++] = (int32_t)batch->n_graph_pairs;
        batch->n_graph_pairs += c.n_nodes * c.n_tokens;
    }
    text[batch->n] = (int32_t)batch->n_text_pairs;
    graph[p] = (int32_t)batch->n_graph_pairs;
    if (batch->n_graph_pairs > INT32_MAX / 16)
        return status_set(STATUS_FAILED,
                          "a batch of %lld codes has %lld node-token pairs, too many for one rank: lower "
                          "the batch, graph.max_nodes, or the length of the texts",
                          (long long)batch->n, (long long)batch->n_graph_pairs);
    return STATUS_OK;
}

static int send_pack(struct batch *batch, struct batch_builder *b, const struct places *at, int second_view) {
    struct int_pack *p = &b->ints;
    if (p->n > p->device_capacity) {
        device_free_ints(b->device, p->device);
        p->device_capacity = p->n + p->n / 4;
        p->device = device_alloc_ints(b->device, p->device_capacity);
    }
    device_upload_ints(b->device, p->device, p->host, p->n);
    if (device_error(b->device))
        return status_set(STATUS_FAILED, "device %s: %s", b->device->name, device_error(b->device));
#define ON_DEVICE(place) dev_int_at(p->device, at->place)
    batch->cls_row = ON_DEVICE(cls);
    batch->token_row = ON_DEVICE(token_row);
    batch->each = (struct segments){batch->n, ON_DEVICE(iota), ON_DEVICE(keys)};
    batch->tokens = (struct segments){batch->n_present, ON_DEVICE(token_offsets), ON_DEVICE(present_keys)};
    batch->distinct = ON_DEVICE(distinct);
    batch->node_row = ON_DEVICE(node_row);
    batch->all_nodes = (struct segments){batch->n, ON_DEVICE(all_offsets), ON_DEVICE(keys)};
    batch->graphs.nodes = (struct segments){batch->n_present, ON_DEVICE(graph_offsets), ON_DEVICE(present_keys)};
    batch->graphs.n_nodes = batch->n_nodes;
    batch->graphs.edge_offsets = ON_DEVICE(edge_offsets);
    batch->graphs.sources = ON_DEVICE(sources);
    batch->dropped = batch->graphs;
    if (second_view) {
        batch->dropped.edge_offsets = ON_DEVICE(dropped_offsets);
        batch->dropped.sources = ON_DEVICE(dropped_sources);
    }
    batch->present = ON_DEVICE(present);
    batch->present_place = ON_DEVICE(present_place);
    batch->text_pairs = ON_DEVICE(text_pairs);
    batch->graph_pairs = ON_DEVICE(graph_pairs);
#undef ON_DEVICE
    return STATUS_OK;
}

int batch_build(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int64_t *codes, int64_t n,
                struct edge_drop drop) {
    struct places at = {0};
    *batch = (struct batch){.n = n};
    arena_reset(&b->arena);
    b->ints.n = 0;
    batch->codes = arena_alloc(&b->arena, (size_t)(n + 1) * sizeof *batch->codes);
    if (!batch->codes) return STATUS_FAILED;
    for (int64_t i = 0; i < n; i++) batch->codes[i] = (int32_t)codes[i];
    TRY(pack_codes(batch, b, d, &at));
    TRY(d->ids.offsets ? pack_online_text(batch, b, d, drop, &at) : pack_text(batch, b, d, &at));
    TRY(pack_nodes(batch, b, d, &at));
    TRY(pack_edges(batch, b, d, (struct edge_drop){0}, &at.edge_offsets, &at.sources));
    if (drop.second_view) TRY(pack_edges(batch, b, d, drop, &at.dropped_offsets, &at.dropped_sources));
    TRY(pack_pairs(batch, b, d, &at));
    return send_pack(batch, b, &at, drop.second_view);
}
