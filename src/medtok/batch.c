/* What a batch of codes is, declared array by array to the pack. */
#include "medtok/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "medtok/batch_edges.h"

int batch_builder_make(struct batch_builder *b, struct device *device, const struct dataset *dataset) {
    *b = (struct batch_builder){
        .device = device, .n_row_index = dataset->text.n_rows, .n_node_index = dataset->vocabulary.n_nodes};
    pack_make(&b->pack, device);
    row_stage_make(&b->features, device);
    row_stage_make(&b->second_cls, device);
    TRY(mem_alloc(&b->row_index, b->n_row_index, sizeof *b->row_index));
    TRY(mem_alloc(&b->node_index, b->n_node_index, sizeof *b->node_index));
    TRY(mem_alloc(&b->node_bits, (b->n_node_index + 63) / 64, sizeof *b->node_bits));
    memset(b->row_index, 0xff, (size_t)b->n_row_index * sizeof *b->row_index);
    return STATUS_OK;
}

void batch_builder_free(struct batch_builder *b) {
    if (!b->device) return;
    free(b->row_index);
    free(b->node_index);
    free(b->node_bits);
    pack_free(&b->pack);
    row_stage_free(&b->features);
    row_stage_free(&b->second_cls);
    arena_free(&b->arena);
    *b = (struct batch_builder){0};
}

/* A batch that is being made, and those of its arrays that others are made from. */
struct draft {
    struct batch *batch;
    struct batch_builder *builder;
    const struct dataset *dataset;
    int32_t *text_of_graph, *graph_of_text, *both_graph; /* as in struct batch */
    int32_t *first_node;                                 /* [n_graph + 1] the graphs' offsets */
};

/* Code number i of those with text, and of those with a graph; and their data. */
static int32_t text_code(const struct batch *batch, int64_t i) { return batch->codes[batch->text_position[i]]; }
static int32_t graph_code(const struct batch *batch, int64_t i) { return batch->codes[batch->graph_position[i]]; }
static struct code_view text_view(const struct draft *f, int64_t i) {
    return dataset_view(f->dataset, text_code(f->batch, i));
}
static struct code_view graph_view(const struct draft *f, int64_t i) {
    return dataset_view(f->dataset, graph_code(f->batch, i));
}

static int64_t count_text_tokens(const struct draft *f) {
    int64_t n = 0;
    for (int64_t i = 0; i < f->batch->n_text; i++) n += text_view(f, i).n_tokens;
    return n;
}

static int scratch_ints(struct batch_builder *b, int64_t n, int32_t **ints) {
    *ints = arena_alloc(&b->arena, (size_t)(n + 1) * sizeof **ints);
    return *ints ? STATUS_OK : STATUS_FAILED;
}

/* ---- codes and the sides that they have ---- */
static int list_codes(struct draft *f, const int64_t *codes) {
    struct batch *batch = f->batch;
    TRY(scratch_ints(f->builder, batch->n, &batch->codes));
    TRY(scratch_ints(f->builder, batch->n, &batch->text_position));
    TRY(scratch_ints(f->builder, batch->n, &batch->graph_position));
    for (int64_t i = 0; i < batch->n; i++) {
        int text = dataset_has_text(f->dataset, codes[i]), graph = dataset_has_graph(f->dataset, codes[i]);
        batch->codes[i] = (int32_t)codes[i];
        if (text) batch->text_position[batch->n_text++] = (int32_t)i;
        if (graph) batch->graph_position[batch->n_graph++] = (int32_t)i;
        batch->n_both += text && graph;
    }
    return STATUS_OK;
}

/* The keys of the codes of both lists, and each code with text as a segment of one row. */
static int pack_keys(struct draft *f) {
    struct batch *batch = f->batch;
    struct pack *pack = &f->builder->pack;
    int32_t *keys, *iota;
    TRY(pack_ints(pack, batch->n_text, &keys, &batch->text_codes.keys));
    for (int64_t i = 0; i < batch->n_text; i++) keys[i] = text_code(batch, i);
    TRY(pack_ints(pack, batch->n_graph, &keys, &batch->tokens.keys));
    for (int64_t i = 0; i < batch->n_graph; i++) keys[i] = graph_code(batch, i);
    batch->text_codes.rows.n = batch->text_codes.rows.n_rows = batch->n_text;
    TRY(pack_ints(pack, batch->n_text + 1, &iota, &batch->text_codes.rows.offsets));
    for (int64_t i = 0; i <= batch->n_text; i++) iota[i] = (int32_t)i;
    return STATUS_OK;
}

/* The rows of a code in the two lists, which ascend by position. */
static int pack_rows(struct draft *f) {
    struct batch *batch = f->batch;
    struct pack *pack = &f->builder->pack;
    int32_t *both_text, text = 0, graph = 0, both = 0;
    TRY(pack_ints(pack, batch->n_text, &f->graph_of_text, &batch->graph_of_text));
    TRY(pack_ints(pack, batch->n_graph, &f->text_of_graph, &batch->text_of_graph));
    TRY(pack_ints(pack, batch->n_both, &both_text, &batch->both_text));
    TRY(pack_ints(pack, batch->n_both, &f->both_graph, &batch->both_graph));
    while (text < batch->n_text || graph < batch->n_graph) {
        int64_t in_text = text < batch->n_text ? batch->text_position[text] : batch->n;
        int64_t in_graph = graph < batch->n_graph ? batch->graph_position[graph] : batch->n;
        if (in_text == in_graph) both_text[both] = text, f->both_graph[both++] = graph;
        if (in_text <= in_graph) f->graph_of_text[text] = in_text == in_graph ? graph : -1;
        if (in_graph <= in_text) f->text_of_graph[graph] = in_text == in_graph ? text : -1;
        text += in_text <= in_graph;
        graph += in_graph <= in_text;
    }
    return STATUS_OK;
}

static int pack_classes(struct draft *f) {
    struct batch *batch = f->batch;
    struct pack *pack = &f->builder->pack;
    const struct dataset *d = f->dataset;
    int32_t *text, *graph, *both;
    if (!d->sibling_class) return STATUS_OK;
    TRY(pack_ints(pack, batch->n_text, &text, &batch->text_class));
    for (int64_t i = 0; i < batch->n_text; i++) text[i] = d->sibling_class[dataset_index(d, text_code(batch, i))];
    TRY(pack_ints(pack, batch->n_graph, &graph, &batch->graph_class));
    for (int64_t i = 0; i < batch->n_graph; i++) graph[i] = d->sibling_class[dataset_index(d, graph_code(batch, i))];
    TRY(pack_ints(pack, batch->n_both, &both, &batch->both_class));
    for (int64_t i = 0; i < batch->n_both; i++) both[i] = graph[f->both_graph[i]];
    return STATUS_OK;
}

static int pack_codes(struct draft *f, const int64_t *codes) {
    TRY(list_codes(f, codes));
    TRY(pack_keys(f));
    TRY(pack_rows(f));
    return pack_classes(f);
}

/* ---- text, cached: distinct rows, [CLS] rows, tokens of the codes with both sides ---- */
static int32_t row_index(struct batch_builder *b, struct batch *batch, int32_t row, int32_t *rows) {
    if (b->row_index[row] < 0) {
        b->row_index[row] = (int32_t)batch->n_rows;
        rows[batch->n_rows++] = row;
    }
    return b->row_index[row];
}

static int pack_cached_text(struct draft *f) {
    struct batch *batch = f->batch;
    struct batch_builder *b = f->builder;
    int64_t n_tokens = count_text_tokens(f), n = 0;
    int32_t *rows, *cls, *token_row, *offsets, *resident;
    TRY(scratch_ints(b, n_tokens, &rows));
    TRY(pack_ints(&b->pack, batch->n_text, &cls, &batch->cls_row));
    for (int64_t i = 0; i < batch->n_text; i++) cls[i] = row_index(b, batch, text_view(f, i).tokens[0], rows);
    TRY(pack_ints(&b->pack, batch->n_graph + 1, &offsets, &batch->tokens.rows.offsets));
    TRY(pack_ints(&b->pack, n_tokens, &token_row, &batch->token_row));
    for (int64_t i = 0; i < batch->n_graph; i++) { /* only graph nodes ask for tokens other than [CLS] */
        struct code_view c = graph_view(f, i);
        offsets[i] = (int32_t)n;
        for (int64_t t = 0; t < c.n_tokens; t++) token_row[n++] = row_index(b, batch, c.tokens[t], rows);
    }
    offsets[batch->n_graph] = (int32_t)n;
    pack_trim(&b->pack, n);
    batch->n_tokens = n;
    batch->dim = f->dataset->text.dim;
    b->text.rows = rows;
    for (int64_t r = 0; r < batch->n_rows; r++) b->row_index[rows[r]] = -1;
    if (!dataset_is_resident(f->dataset)) return STATUS_OK;
    TRY(pack_ints(&b->pack, batch->n_rows, &resident, &b->text.resident));
    memcpy(resident, rows, (size_t)batch->n_rows * sizeof *resident);
    return STATUS_OK;
}

static void read_features(const void *text, int64_t row, float *out) { text_features_row(text, row, out); }

/* Sends the distinct rows of the batch. */
static int send_cached_text(struct batch *batch, struct batch_builder *b, const struct dataset *d) {
    struct row_source source = {read_features, &d->text, batch->dim};
    return row_stage_send(&b->features, source, batch->n_rows, b->text.rows, &batch->features);
}

/* Gathers them from the rows that are on the device, once the pack with their numbers is there. */
static int gather_resident_text(struct batch *batch, struct batch_builder *b, const struct dataset *d) {
    int64_t n = batch->n_rows, dim = batch->dim;
    TRY(row_stage_reserve(&b->features, n * dim, &batch->features));
    if (d->resident.at) b->device->run->gather_rows(b->device, n, dim, d->resident, b->text.resident, batch->features);
    if (d->resident_halves.at)
        b->device->run->gather_halves(b->device, n, dim, d->resident_halves, b->text.resident, batch->features);
    return STATUS_OK;
}

/* ---- text, online: every code's tokens are rows of their own ---- */
static int pack_online_text(struct draft *f) {
    struct batch *batch = f->batch;
    struct pack *pack = &f->builder->pack;
    struct batch_text *text = &f->builder->text;
    int64_t n_tokens = count_text_tokens(f), n = 0;
    int32_t *cls, *token_row, *graph_offsets;
    TRY(scratch_ints(f->builder, batch->n_text, &text->keys));
    TRY(scratch_ints(f->builder, batch->n_text, &text->offsets));
    TRY(scratch_ints(f->builder, n_tokens, &text->ids));
    TRY(pack_ints(pack, batch->n_text, &cls, &batch->cls_row));
    TRY(pack_ints(pack, batch->n_graph + 1, &graph_offsets, &batch->tokens.rows.offsets));
    TRY(pack_ints(pack, n_tokens, &token_row, &batch->token_row));
    for (int64_t i = 0; i < batch->n_text; i++) {
        struct code_view c = text_view(f, i);
        memcpy(text->ids + text->offsets[i], c.tokens, (size_t)c.n_tokens * sizeof *text->ids);
        text->keys[i] = text_code(batch, i);
        cls[i] = text->offsets[i];
        text->offsets[i + 1] = (int32_t)(text->offsets[i] + c.n_tokens);
    }
    for (int64_t i = 0; i < batch->n_graph; i++) {
        int64_t of_graph = graph_view(f, i).n_tokens;
        graph_offsets[i] = (int32_t)n;
        for (int64_t t = 0; t < of_graph; t++) token_row[n++] = (int32_t)(text->offsets[f->text_of_graph[i]] + t);
    }
    graph_offsets[batch->n_graph] = (int32_t)n;
    pack_trim(pack, n);
    batch->n_tokens = n;
    batch->n_rows = text->offsets[batch->n_text];
    batch->dim = f->dataset->source->dim;
    return STATUS_OK;
}

static int compute_online_text(struct batch *batch, struct batch_builder *b, const struct dataset *d,
                               struct view_drop drop) {
    enum text_view view = drop.second_view ? TEXT_VIEW_FIRST : TEXT_VIEW_PLAIN;
    const struct batch_text *t = &b->text;
    TRY(row_stage_reserve(&b->features, batch->n_rows * batch->dim, &batch->features));
    TRY(text_source_compute(d->source, batch->n_text, t->offsets, t->ids, t->keys, view, drop.step, 0,
                            batch->features));
    if (!drop.second_view) return STATUS_OK;
    TRY(row_stage_reserve(&b->second_cls, batch->n_text * batch->dim, &batch->second_cls));
    return text_source_compute(d->source, batch->n_text, t->offsets, t->ids, t->keys, TEXT_VIEW_SECOND, drop.step, 1,
                               batch->second_cls);
}

/* ---- graph: distinct nodes ---- */
/* Lists the nodes whose bit is set, ascending, and clears the bits: far less work than to sort them. */
static void list_nodes(struct batch *batch, struct batch_builder *b) {
    for (int64_t word = 0; word * 64 < b->n_node_index; word++)
        for (; b->node_bits[word]; b->node_bits[word] &= b->node_bits[word] - 1) {
            int32_t node = (int32_t)(word * 64 + __builtin_ctzll(b->node_bits[word]));
            b->node_index[node] = (int32_t)batch->n_distinct;
            batch->distinct_nodes[batch->n_distinct++] = node;
        }
}

static int32_t row_of_node(const struct dataset *d, int32_t node) {
    return d->node_position ? d->node_position[node] : node;
}

static int pack_nodes(struct draft *f) {
    struct batch *batch = f->batch;
    struct batch_builder *b = f->builder;
    int32_t *node_row;
    int64_t n = 0;
    for (int64_t i = 0; i < batch->n_graph; i++) batch->n_nodes += graph_view(f, i).n_nodes;
    TRY(pack_ints(&b->pack, batch->n_nodes, &batch->distinct_nodes, &batch->distinct));
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = graph_view(f, i);
        for (int64_t k = 0; k < c.n_nodes; k++) {
            int32_t row = row_of_node(f->dataset, c.nodes[k]);
            b->node_bits[row / 64] |= (uint64_t)1 << row % 64;
        }
    }
    batch->node_position = f->dataset->node_position;
    list_nodes(batch, b);
    pack_trim(&b->pack, batch->n_distinct);
    TRY(pack_ints(&b->pack, batch->n_graph + 1, &f->first_node, &batch->graphs.nodes.rows.offsets));
    TRY(pack_ints(&b->pack, batch->n_nodes, &node_row, &batch->node_row));
    for (int64_t i = 0; i < batch->n_graph; i++) {
        struct code_view c = graph_view(f, i);
        f->first_node[i] = (int32_t)n;
        for (int64_t k = 0; k < c.n_nodes; k++) node_row[n++] = b->node_index[row_of_node(f->dataset, c.nodes[k])];
    }
    f->first_node[batch->n_graph] = (int32_t)n;
    return STATUS_OK;
}

/* The nodes that each code with text asks, and their rows, which need no list if they are all rows. */
static int pack_text_nodes(struct draft *f) {
    struct batch *batch = f->batch;
    struct pack *pack = &f->builder->pack;
    int32_t *offsets, *rows = NULL, n = 0;
    TRY(pack_ints(pack, batch->n_text + 1, &offsets, &batch->text_nodes.rows.offsets));
    if (batch->n_both < batch->n_graph) TRY(pack_ints(pack, batch->n_nodes, &rows, &batch->text_node_rows));
    for (int64_t i = 0; i < batch->n_text; i++) {
        int32_t graph = f->graph_of_text[i];
        offsets[i] = n;
        if (graph < 0) continue;
        int32_t first = f->first_node[graph], count = f->first_node[graph + 1] - first;
        for (int32_t k = 0; rows && k < count; k++) rows[n + k] = first + k;
        n += count;
    }
    offsets[batch->n_text] = n;
    if (rows) pack_trim(pack, n);
    batch->text_nodes.rows.n_rows = n;
    return STATUS_OK;
}

/* ---- all of it ---- */
int batch_flatten(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int64_t *codes,
                  int64_t n, struct view_drop drop) {
    struct draft f = {.batch = batch, .builder = b, .dataset = d};
    uint8_t *kept;
    *batch = (struct batch){.n = n};
    arena_reset(&b->arena);
    pack_begin(&b->pack);
    TRY(pack_codes(&f, codes));
    TRY(d->ids.offsets ? pack_online_text(&f) : pack_cached_text(&f));
    TRY(pack_nodes(&f));
    TRY(pack_text_nodes(&f));
    TRY(batch_pack_edges(batch, b, d, (struct view_drop){0}, f.first_node, NULL, &batch->graphs.edges));
    if (!drop.second_view) return STATUS_OK;
    TRY(batch_pack_kept_nodes(batch, b, d, drop, f.first_node, &kept));
    return batch_pack_edges(batch, b, d, drop, f.first_node, kept, &batch->dropped.edges);
}

/* What several lists of a batch have in common stands in the pack once. */
static void share_arrays(struct batch *batch, int second_view) {
    batch->tokens.rows.n = batch->graphs.nodes.rows.n = batch->n_graph;
    batch->tokens.rows.n_rows = batch->n_tokens;
    batch->graphs.nodes.rows.n_rows = batch->n_nodes;
    batch->graphs.nodes.keys = batch->tokens.keys;
    batch->text_nodes.rows.n = batch->n_text;
    batch->text_nodes.keys = batch->text_codes.keys;
    batch->dropped.nodes = batch->graphs.nodes;
    batch->kept_nodes.rows.n = batch->n_graph;
    batch->kept_nodes.keys = batch->tokens.keys;
    if (!second_view) batch->dropped.edges = batch->graphs.edges;
}

int batch_send(struct batch *batch, struct batch_builder *b, const struct dataset *d, struct view_drop drop) {
    int online = d->ids.offsets != NULL, resident = dataset_is_resident(d);
    if (online) TRY(compute_online_text(batch, b, d, drop));
    if (!online && !resident)
        TRY(send_cached_text(batch, b, d)); /* before the pack, whose copy may wait for the device */
    TRY(pack_send(&b->pack));
    share_arrays(batch, drop.second_view);
    return resident ? gather_resident_text(batch, b, d) : STATUS_OK;
}

int batch_build(struct batch *batch, struct batch_builder *b, const struct dataset *d, const int64_t *codes, int64_t n,
                struct view_drop drop) {
    TRY(batch_flatten(batch, b, d, codes, n, drop));
    return batch_send(batch, b, d, drop);
}

void batch_arrives(struct batch_builder *b) { device_prefetch_wait(b->device); }
