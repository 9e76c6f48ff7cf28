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
    hierarchy_free(&b->hierarchy);
    vocabulary_free(&b->known);
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
/* The nodes that a code lists, or inherits. */
struct node_list {
    const int32_t *nodes;
    int64_t n;
};

static struct node_list list_of(const struct vocabulary_builder *b, int64_t i) {
    const struct code_table *t = &b->codes;
    int64_t of = b->hierarchy.source ? b->hierarchy.source[i] : i;
    if (of >= t->n) return (struct node_list){t->nodes, 0}; /* no code of the table: see take_known_subgraph */
    return (struct node_list){t->nodes + t->node_offsets[of], t->node_offsets[of + 1] - t->node_offsets[of]};
}

/* The first code with the same node list as code i, which is i itself if there is none. */
static int64_t first_with_list(struct vocabulary_builder *b, int64_t i) {
    struct node_list list = list_of(b, i);
    size_t bytes = (size_t)list.n * sizeof *list.nodes;
    uint64_t mask = (uint64_t)(b->n_slots - 1), at = XXH3_64bits(list.nodes, bytes) & mask;
    for (; b->same_list[at]; at = (at + 1) & mask) {
        int64_t j = b->same_list[at] - 1;
        struct node_list other = list_of(b, j);
        if (other.n == list.n && memcmp(other.nodes, list.nodes, bytes) == 0) return j;
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

/* Takes the part of a code's subgraph that is of the knowledge graph: the nodes before those of the hierarchy. */
static int take_subgraph(const struct vocabulary *v, int64_t from, int64_t n_graph_nodes, struct subgraph *s) {
    const int32_t *nodes = v->nodes + v->node_offsets[from];
    int64_t n = v->node_offsets[from + 1] - v->node_offsets[from];
    s->n_nodes = s->n_edges = 0;
    s->n_listed = v->n_listed[from];
    for (int64_t k = 0; k < n && nodes[k] < n_graph_nodes; k++) TRY(subgraph_add_node(s, nodes[k]));
    for (int64_t e = v->edge_offsets[from]; e < v->edge_offsets[from + 1]; e++)
        if (v->edge_source[e] < s->n_nodes && v->edge_target[e] < s->n_nodes)
            TRY(subgraph_add_edge(s, v->edge_source[e], v->edge_target[e], v->edge_relation[e]));
    return STATUS_OK;
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

/* The code of the vocabulary before from which new code i inherits, or -1. */
static int64_t known_source(const struct vocabulary_builder *b, int64_t i) {
    const struct hierarchy *h = &b->hierarchy;
    return h->known_code && list_of(b, i).n == 0 && h->source[i] != i ? h->known_code[h->source[i]] : -1;
}

static int add_subgraph(struct vocabulary_builder *b, int64_t i) {
    struct vocabulary *v = &b->vocabulary;
    struct subgraph *s = &b->subgraph;
    struct node_list list = list_of(b, i);
    int64_t known = known_source(b, i), first = known < 0 ? first_with_list(b, i) : i;
    if (known >= 0)
        TRY(take_subgraph(&b->known, known, vocabulary_graph_nodes(v), s));
    else if (first != i)
        TRY(take_subgraph(v, first, vocabulary_graph_nodes(v), s));
    else {
        TRY(subgraph_grow(&b->grower, list.nodes, list.n, s));
        b->n_cut += s->n_listed < list.n;
    }
    v->n_listed[i] = (int32_t)s->n_listed;
    TRY(hierarchy_extend(&b->hierarchy, i, s));
    v->node_offsets[i + 1] = v->node_offsets[i] + s->n_nodes;
    v->edge_offsets[i + 1] = v->edge_offsets[i] + s->n_edges;
    TRY(reserve(b, v->node_offsets[i + 1], v->edge_offsets[i + 1]));
    write_subgraph(v, i, s);
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

/* New codes have the nodes and relations of the vocabulary before. */
static int read_known(struct vocabulary_builder *b) {
    unsigned parts = VOCABULARY_NAMES | VOCABULARY_HIERARCHY;
    if (!b->known_path || b->subgraphs->hierarchy == HIERARCHY_NO) return STATUS_OK;
    if (b->subgraphs->hierarchy == HIERARCHY_INHERIT) parts |= VOCABULARY_GRAPHS;
    return vocabulary_read(b->known_path, 0, -1, parts, &b->known);
}

static int name_relations(struct vocabulary_builder *b, int32_t n_of_graph) {
    struct vocabulary *v = &b->vocabulary;
    int hierarchy = b->subgraphs->hierarchy != HIERARCHY_NO;
    v->n_relations = n_of_graph + (hierarchy ? HIERARCHY_RELATIONS : 0);
    v->relation_bytes = KG_RELATION_BYTES;
    TRY(mem_alloc(&v->relation, v->n_relations, KG_RELATION_BYTES));
    if (b->known.relation)
        memcpy(v->relation, b->known.relation, (size_t)n_of_graph * KG_RELATION_BYTES);
    else
        memcpy(v->relation, b->graph.relation, (size_t)n_of_graph * KG_RELATION_BYTES);
    for (int r = 0; hierarchy && r < HIERARCHY_RELATIONS; r++)
        strcpy(v->relation + (int64_t)(n_of_graph + r) * KG_RELATION_BYTES, hierarchy_relation(r));
    return STATUS_OK;
}

/* Of the nodes of the graph; new codes have those of the vocabulary before, which tells them. */
static int identify_nodes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    const struct node_identities *known = &b->graph.identities;
    v->n_identities = b->graph.n_nodes;
    TRY(mem_alloc(&v->node_identity, v->n_identities, sizeof *v->node_identity));
    if (known->n > 0) memcpy(v->node_identity, known->of, (size_t)known->n * sizeof *known->of);
    return STATUS_OK;
}

/* code[n_hierarchy]: the code that each node of the hierarchy stands for, or -1. */
static void code_of_nodes(const struct vocabulary_builder *b, int64_t *code) {
    const struct hierarchy *h = &b->hierarchy;
    for (int64_t i = 0; i < h->n_nodes; i++) code[i] = -1;
    for (int64_t i = 0; i < b->codes.n && h->names.n > 0; i++)
        if (h->node[i] >= 0) code[h->node[i] - h->first_node] = i;
}

/* What node i is called. */
static struct field node_name(const struct vocabulary_builder *b, const int64_t *code, int64_t i) {
    const struct vocabulary *v = &b->vocabulary;
    const struct node_identities *graph = &b->graph.identities;
    int64_t above = i - vocabulary_graph_nodes(v);
    if (above < 0) {
        if (i >= graph->n || graph->name[i].size == 0) return (struct field){"", 0};
        return (struct field){graph->names + graph->name[i].at, graph->name[i].size};
    }
    int64_t of = code[above];
    if (of >= 0 && text_size(b, of) > 0)
        return (struct field){b->codes.text + b->codes.description[of], text_size(b, of)};
    const char *name = v->hierarchy + above * v->hierarchy_bytes;
    return (struct field){name, (int64_t)strlen(name)};
}

/* Of the vocabulary that a model is trained on; its new codes have the same nodes. */
static int name_nodes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    int64_t *code = NULL, size = 0;
    int status;
    TRY_DONE(mem_alloc(&code, v->n_hierarchy, sizeof *code));
    code_of_nodes(b, code);
    TRY_DONE(mem_alloc(&v->node_name_offsets, v->n_nodes + 1, sizeof *v->node_name_offsets));
    for (int64_t i = 0; i < v->n_nodes; i++) {
        size += node_name(b, code, i).size;
        v->node_name_offsets[i + 1] = size;
    }
    TRY_DONE(mem_alloc(&v->node_name, size, 1));
    for (int64_t i = 0; i < v->n_nodes; i++) {
        struct field name = node_name(b, code, i);
        if (name.size > 0) memcpy(v->node_name + v->node_name_offsets[i], name.text, (size_t)name.size);
    }
done:
    free(code);
    return status;
}

/* Nodes and relations: those of the graph, and behind them those of the hierarchy. */
static int number_nodes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    TRY(read_known(b));
    const struct vocabulary *known = b->known.code ? &b->known : NULL;
    int64_t n_nodes = known ? vocabulary_graph_nodes(known) : b->graph.n_nodes;
    int32_t n_relations = known ? known->n_relations - HIERARCHY_RELATIONS : b->graph.n_relations;
    TRY(hierarchy_make(&b->hierarchy, &b->codes, b->subgraphs->hierarchy, &b->subgraphs->parents, n_nodes, n_relations,
                       known));
    TRY(name_relations(b, n_relations));
    TRY(identify_nodes(b));
    v->n_hierarchy = b->hierarchy.n_nodes;
    v->n_nodes = n_nodes + v->n_hierarchy;
    if (v->n_hierarchy == 0) return STATUS_OK;
    if (!known) return hierarchy_node_names(&b->hierarchy, &v->hierarchy_bytes, &v->hierarchy);
    v->hierarchy_bytes = known->hierarchy_bytes;
    TRY(mem_alloc(&v->hierarchy, v->n_hierarchy, v->hierarchy_bytes));
    memcpy(v->hierarchy, known->hierarchy, (size_t)(v->n_hierarchy * v->hierarchy_bytes));
    return STATUS_OK;
}

int vocabulary_builder_read_codes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    TRY(code_table_read(&b->codes, b->code_tables));
    TRY(code_table_check_nodes(&b->codes, &b->graph, b->graph_path));
    warn_of_grown_lists(b);
    TRY(copy_texts(b));
    TRY(number_nodes(b));
    if (!b->known_path) TRY(name_nodes(b));
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
