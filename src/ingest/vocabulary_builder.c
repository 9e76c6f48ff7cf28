/* Names and descriptions are copied; subgraphs are grown, each distinct node list once. */
#include "ingest/vocabulary_builder.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"

void vocabulary_builder_free(struct vocabulary_builder *b) {
    code_table_free(&b->codes);
    knowledge_graph_free(&b->graph);
    removed_edges_free(&b->removed);
    subgraph_grower_free(&b->grower);
    subgraph_free(&b->subgraph);
    vocabulary_free(&b->vocabulary);
    free(b->same_list);
}

/* ---- names and descriptions ---- */
static int64_t longest(const struct code_table *t, const int64_t *offsets) {
    size_t most = 0;
    for (int64_t i = 0; i < t->n; i++) {
        size_t n = strlen(t->text + offsets[i]);
        if (n > most) most = n;
    }
    return (int64_t)most + 1;
}

static int copy_names(const struct code_table *t, const int64_t *offsets, int64_t *bytes, char **out) {
    *bytes = longest(t, offsets);
    TRY(mem_alloc(out, t->n, *bytes));
    for (int64_t i = 0; i < t->n; i++) strcpy(*out + i * *bytes, t->text + offsets[i]);
    return STATUS_OK;
}

/* Bytes of a code's description: none if it is absent. */
static int64_t text_size(const struct vocabulary_builder *b, int64_t i) {
    const struct code_table *t = &b->codes;
    if (b->descriptions->empty == EMPTY_TEXT_ABSENT && t->description[i] == t->code[i]) return 0;
    return (int64_t)strlen(t->text + t->description[i]);
}

static int copy_texts(struct vocabulary_builder *b) {
    const struct code_table *t = &b->codes;
    struct vocabulary *v = &b->vocabulary;
    int64_t size = 0;
    v->n_codes = v->n_codes_total = t->n;
    TRY(copy_names(t, t->code, &v->code_bytes, &v->code));
    TRY(copy_names(t, t->system, &v->system_bytes, &v->system));
    TRY(mem_alloc(&v->description_offsets, t->n + 1, sizeof *v->description_offsets));
    for (int64_t i = 0; i < t->n; i++) {
        v->description_offsets[i] = size;
        size += text_size(b, i);
    }
    v->description_offsets[t->n] = size;
    TRY(mem_alloc(&v->description, size, 1));
    for (int64_t i = 0; i < t->n; i++)
        memcpy(v->description + v->description_offsets[i], t->text + t->description[i],
               (size_t)(v->description_offsets[i + 1] - v->description_offsets[i]));
    return STATUS_OK;
}

/* ---- subgraphs ---- */
static int64_t list_size(const struct code_table *t, int64_t i) { return t->node_offsets[i + 1] - t->node_offsets[i]; }

/* The first code with the same node list as code i, which is i itself if there is none. */
static int64_t first_with_list(struct vocabulary_builder *b, int64_t i) {
    const struct code_table *t = &b->codes;
    const int32_t *list = t->nodes + t->node_offsets[i];
    size_t bytes = (size_t)list_size(t, i) * sizeof *list;
    uint64_t mask = (uint64_t)(b->n_slots - 1), at = XXH3_64bits(list, bytes) & mask;
    for (; b->same_list[at]; at = (at + 1) & mask) {
        int64_t j = b->same_list[at] - 1;
        if (list_size(t, j) == list_size(t, i) && memcmp(t->nodes + t->node_offsets[j], list, bytes) == 0) return j;
    }
    b->same_list[at] = i + 1;
    return i;
}

/* At least one of each, so that empty lists are not NULL. */
static int reserve(struct vocabulary_builder *b, int64_t n_nodes, int64_t n_edges) {
    struct vocabulary *v = &b->vocabulary;
    n_nodes++;
    n_edges++;
    TRY(mem_grow(&v->nodes, &b->nodes_capacity, n_nodes, sizeof *v->nodes));
    TRY(mem_grow(&v->edge_source, &b->edge_capacity[0], n_edges, sizeof *v->edge_source));
    TRY(mem_grow(&v->edge_target, &b->edge_capacity[1], n_edges, sizeof *v->edge_target));
    return mem_grow(&v->edge_relation, &b->edge_capacity[2], n_edges, sizeof *v->edge_relation);
}

static void copy_subgraph(struct vocabulary *v, int64_t from, int64_t to) {
    int64_t node = v->node_offsets[to], edge = v->edge_offsets[to];
    int64_t n = v->node_offsets[from + 1] - v->node_offsets[from],
            m = v->edge_offsets[from + 1] - v->edge_offsets[from];
    memcpy(v->nodes + node, v->nodes + v->node_offsets[from], (size_t)n * sizeof *v->nodes);
    memcpy(v->edge_source + edge, v->edge_source + v->edge_offsets[from], (size_t)m * sizeof *v->edge_source);
    memcpy(v->edge_target + edge, v->edge_target + v->edge_offsets[from], (size_t)m * sizeof *v->edge_target);
    memcpy(v->edge_relation + edge, v->edge_relation + v->edge_offsets[from], (size_t)m);
}

static void write_subgraph(struct vocabulary *v, int64_t i, const struct subgraph *s) {
    int64_t edge = v->edge_offsets[i];
    if (s->n_nodes) memcpy(v->nodes + v->node_offsets[i], s->nodes, (size_t)s->n_nodes * sizeof *s->nodes);
    for (int64_t e = 0; e < s->n_edges; e++) {
        v->edge_source[edge + e] = s->edges[e].source;
        v->edge_target[edge + e] = s->edges[e].target;
        v->edge_relation[edge + e] = s->edges[e].relation;
    }
}

static int add_subgraph(struct vocabulary_builder *b, int64_t i) {
    struct vocabulary *v = &b->vocabulary;
    int64_t first = first_with_list(b, i), n_nodes, n_edges;
    if (first == i) {
        const struct code_table *t = &b->codes;
        TRY(subgraph_grow(&b->grower, t->nodes + t->node_offsets[i], list_size(t, i), &b->subgraph));
        n_nodes = b->subgraph.n_nodes;
        n_edges = b->subgraph.n_edges;
        v->n_listed[i] = (int32_t)b->subgraph.n_listed;
        b->n_cut += b->subgraph.n_listed < list_size(t, i);
    } else {
        n_nodes = v->node_offsets[first + 1] - v->node_offsets[first];
        n_edges = v->edge_offsets[first + 1] - v->edge_offsets[first];
        v->n_listed[i] = v->n_listed[first];
    }
    v->node_offsets[i + 1] = v->node_offsets[i] + n_nodes;
    v->edge_offsets[i + 1] = v->edge_offsets[i] + n_edges;
    TRY(reserve(b, v->node_offsets[i + 1], v->edge_offsets[i + 1]));
    if (first == i)
        write_subgraph(v, i, &b->subgraph);
    else
        copy_subgraph(v, first, i);
    return STATUS_OK;
}

/* ---- what was found ---- */
static void log_graph(const struct vocabulary_builder *b) {
    const struct knowledge_graph *g = &b->graph;
    log_info("%s: %lld nodes, %lld directed edges, %d relations", b->graph_path, (long long)g->n_nodes,
             (long long)g->n_edges, g->n_relations);
    if (g->n_repeated || g->n_self_loops)
        log_info("dropped %lld repeated rows and %lld self loops", (long long)g->n_repeated,
                 (long long)g->n_self_loops);
    if (g->n_one_way)
        log_warn("%lld edges lack their reverse; PrimeKG lists both directions of every edge", (long long)g->n_one_way);
}

static void log_codes(const struct vocabulary_builder *b) {
    const struct vocabulary *v = &b->vocabulary;
    const struct code_table *t = &b->codes;
    int64_t n = v->n_codes, without = 0, nothing = 0;
    for (int64_t i = 0; i < n; i++) {
        without += !vocabulary_has_graph(v, i);
        nothing += !vocabulary_has_graph(v, i) && !vocabulary_has_text(v, i);
    }
    for (int64_t first = 0; first < n;) { /* runs of one system; a system in two runs is listed twice */
        int64_t end = first + 1, linked = 0;
        while (end < n && strcmp(vocabulary_system(v, end), vocabulary_system(v, first)) == 0) end++;
        for (int64_t i = first; i < end; i++) linked += vocabulary_has_graph(v, i);
        log_info("%-10s %8lld codes, %8lld with a graph", vocabulary_system(v, first), (long long)(end - first),
                 (long long)linked);
        first = end;
    }
    log_info("%lld codes; %lld without a graph get text tokens only", (long long)n, (long long)(without - nothing));
    log_info("a graph has %.1f nodes and %.1f edges on average",
             n > without ? (double)v->node_offsets[n] / (double)(n - without) : 0.0,
             n > without ? (double)v->edge_offsets[n] / (double)(n - without) : 0.0);
    if (t->n_without_description)
        log_info("%lld codes have no description: %s", (long long)t->n_without_description,
                 b->descriptions->empty == EMPTY_TEXT_ABSENT ? "their text is absent" : "the code stands in for it");
    if (nothing)
        log_warn("%lld codes have neither description nor graph: they will have no tokens", (long long)nothing);
    if (t->n_without_nodes == 1)
        log_info("%s has no column nodes: its codes have no nodes", t->without_nodes);
    else if (t->n_without_nodes > 1)
        log_info("%d code tables, the first %s, have no column nodes: their codes have no nodes", t->n_without_nodes,
                 t->without_nodes);
    if (t->n_repeated_nodes) log_info("%lld nodes were listed twice for a code", (long long)t->n_repeated_nodes);
    if (b->n_cut)
        log_info("%lld node lists were longer than graph.max_nodes (%lld) and were cut", (long long)b->n_cut,
                 (long long)b->subgraphs->max_nodes);
}

/* ---- the steps ---- */
int vocabulary_builder_read_graph(struct vocabulary_builder *b) {
    const struct subgraph_options *o = b->subgraphs;
    if (!b->graph_path[0]) return STATUS_OK;
    TRY(removed_edges_begin(&b->removed, o->remove, o->remove_share, (uint64_t)o->remove_seed));
    TRY(knowledge_graph_read(&b->graph, b->graph_path, &b->removed));
    log_graph(b);
    if (!o->removed[0]) return STATUS_OK;
    TRY(removed_edges_write(&b->removed, o->removed));
    return sha256_file(o->removed, b->vocabulary.removed_sha256);
}

/* In MedTok's own table the list is the subgraph. */
static void warn_of_grown_lists(const struct vocabulary_builder *b) {
    if (b->codes.of_medtok && b->subgraphs->hops > 0)
        log_warn(
            "%s has MedTok's pkg_index_list, which lists the nodes of the whole subgraph: with graph.hops %lld it is "
            "grown and cut at graph.max_nodes (%lld); graph.hops=0 takes it as it is",
            b->codes.of_medtok, (long long)b->subgraphs->hops, (long long)b->subgraphs->max_nodes);
}

int vocabulary_builder_read_codes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    TRY(code_table_read(&b->codes, b->code_tables));
    TRY(code_table_check_nodes(&b->codes, &b->graph, b->graph_path));
    warn_of_grown_lists(b);
    TRY(copy_texts(b));
    v->n_nodes = b->graph.n_nodes;
    v->n_relations = b->graph.n_relations;
    v->relation_bytes = KG_RELATION_BYTES;
    TRY(mem_alloc(&v->relation, v->n_relations, KG_RELATION_BYTES));
    memcpy(v->relation, b->graph.relation, (size_t)v->n_relations * KG_RELATION_BYTES);
    v->graph_hops = (int32_t)b->subgraphs->hops;
    v->graph_max_nodes = (int32_t)b->subgraphs->max_nodes;
    return STATUS_OK;
}

int vocabulary_builder_grow_subgraphs(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    int64_t n = b->codes.n;
    for (b->n_slots = 16; b->n_slots < 2 * n;) b->n_slots *= 2;
    TRY(mem_alloc(&b->same_list, b->n_slots, sizeof *b->same_list));
    TRY(mem_alloc(&v->n_listed, n, sizeof *v->n_listed));
    TRY(mem_alloc(&v->node_offsets, n + 1, sizeof *v->node_offsets));
    TRY(mem_alloc(&v->edge_offsets, n + 1, sizeof *v->edge_offsets));
    TRY(subgraph_grower_make(&b->grower, &b->graph, b->subgraphs->hops, b->subgraphs->max_nodes));
    struct progress progress;
    progress_begin(&progress, "subgraphs", n, "codes");
    for (int64_t i = 0; i < n; i++) {
        TRY(add_subgraph(b, i));
        if (i % 1024 == 0) {
            TRY(interrupt_poll());
            progress_update(&progress, i);
        }
    }
    progress_end(&progress, n);
    log_codes(b);
    return STATUS_OK;
}
