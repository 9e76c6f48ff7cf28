/* Breadth-first growth with a table of indices, then the edges among the nodes. */
#include "ingest/subgraph.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* The graph with every edge turned round. Counting by target keeps each node's edges in ascending order. */
static int reverse_graph(const struct knowledge_graph *g, struct knowledge_graph *r) {
    r->n_nodes = g->n_nodes;
    r->n_edges = g->n_edges;
    TRY(mem_alloc(&r->offsets, g->n_nodes + 2, sizeof *r->offsets));
    TRY(mem_alloc(&r->edges, g->n_edges, sizeof *r->edges));
    int64_t *next = r->offsets + 1;
    for (int64_t e = 0; e < g->n_edges; e++) next[g->edges[e].node + 1]++;
    for (int64_t v = 0; v < g->n_nodes; v++) next[v + 1] += next[v];
    for (int64_t v = 0; v < g->n_nodes; v++)
        for (int64_t e = g->offsets[v]; e < g->offsets[v + 1]; e++)
            r->edges[next[g->edges[e].node]++] = (struct kg_edge){(int32_t)v, g->edges[e].relation};
    return STATUS_OK;
}

int subgraph_grower_make(struct subgraph_grower *grower, const struct knowledge_graph *graph, int64_t hops,
                         int64_t max_nodes) {
    *grower =
        (struct subgraph_grower){.graph = graph, .hops = hops, .max_nodes = hops ? max_nodes : SUBGRAPH_MOST_NODES};
    TRY(reverse_graph(graph, &grower->reverse));
    TRY(mem_alloc(&grower->index, graph->n_nodes, sizeof *grower->index));
    TRY(mem_alloc(&grower->links, graph->n_nodes, sizeof *grower->links));
    memset(grower->index, 0xff, (size_t)graph->n_nodes * sizeof *grower->index);
    return STATUS_OK;
}

void subgraph_grower_free(struct subgraph_grower *grower) {
    knowledge_graph_free(&grower->reverse);
    free(grower->index);
    free(grower->links);
    free(grower->found);
    *grower = (struct subgraph_grower){0};
}

void subgraph_free(struct subgraph *s) {
    free(s->nodes);
    free(s->edges);
    *s = (struct subgraph){0};
}

int subgraph_add_node(struct subgraph *s, int32_t node) {
    if (s->n_nodes == SUBGRAPH_MOST_NODES)
        return status_set(STATUS_FAILED, "a code has more than %d nodes: list fewer", SUBGRAPH_MOST_NODES);
    TRY(mem_grow(&s->nodes, &s->node_capacity, s->n_nodes + 1, sizeof *s->nodes));
    s->nodes[s->n_nodes++] = node;
    return STATUS_OK;
}

static int add_node(struct subgraph_grower *g, struct subgraph *s, int32_t node) {
    if (g->index[node] >= 0 || s->n_nodes >= g->max_nodes) return STATUS_OK;
    g->index[node] = (int32_t)s->n_nodes;
    return subgraph_add_node(s, node);
}

static int64_t degree_of(const struct subgraph_grower *g, int32_t node) {
    return g->graph->offsets[node + 1] - g->graph->offsets[node] + g->reverse.offsets[node + 1] -
           g->reverse.offsets[node];
}

/* Counts a link to each neighbour that is not in the subgraph, by out- and in-edges together: a merge of two sorted lists. */
static int find_neighbours(struct subgraph_grower *g, int32_t node) {
    const struct knowledge_graph *out = g->graph, *in = &g->reverse;
    int64_t a = out->offsets[node], b = in->offsets[node];
    int64_t a_end = out->offsets[node + 1], b_end = in->offsets[node + 1];
    int32_t last = -1; /* several relations may join two nodes */
    while (a < a_end || b < b_end) {
        int take_out = b == b_end || (a < a_end && out->edges[a].node <= in->edges[b].node);
        int32_t other = take_out ? out->edges[a++].node : in->edges[b++].node;
        if (other == last || g->index[other] >= 0) continue;
        last = other;
        if (g->links[other]++ > 0) continue;
        TRY(mem_grow(&g->found, &g->found_capacity, g->n_found + 1, sizeof *g->found));
        g->found[g->n_found++] = (struct subgraph_neighbour){other, 0, degree_of(g, other)};
    }
    return STATUS_OK;
}

static int by_relevance(const void *a, const void *b) {
    const struct subgraph_neighbour *x = a, *y = b;
    if (x->links != y->links) return x->links > y->links ? -1 : 1;
    if (x->degree != y->degree) return x->degree < y->degree ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

/* Adds the neighbours of the nodes first .. end - 1 of the subgraph. */
static int add_hop(struct subgraph_grower *g, struct subgraph *s, int64_t first, int64_t end) {
    int status = STATUS_OK;
    g->n_found = 0;
    for (int64_t i = first; i < end && status == STATUS_OK; i++) status = find_neighbours(g, s->nodes[i]);
    for (long long i = 0; i < g->n_found; i++) {
        g->found[i].links = g->links[g->found[i].node];
        g->links[g->found[i].node] = 0;
    }
    if (g->n_found > 0) qsort(g->found, (size_t)g->n_found, sizeof *g->found, by_relevance);
    for (long long i = 0; i < g->n_found && status == STATUS_OK; i++) status = add_node(g, s, g->found[i].node);
    return status;
}

static int by_target(const void *a, const void *b) {
    const struct local_edge *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return (int)x->relation - (int)y->relation;
}

void subgraph_sort_edges(struct subgraph *s) {
    if (s->n_edges > 0) qsort(s->edges, (size_t)s->n_edges, sizeof *s->edges, by_target);
}

int subgraph_add_edge(struct subgraph *s, int32_t source, int32_t target, uint8_t relation) {
    TRY(mem_grow(&s->edges, &s->edge_capacity, s->n_edges + 1, sizeof *s->edges));
    s->edges[s->n_edges++] = (struct local_edge){(uint16_t)source, (uint16_t)target, relation};
    return STATUS_OK;
}

/* First of a node's edges whose other end is `node` or larger. */
static int64_t lower_bound(const struct kg_edge *edges, int64_t begin, int64_t end, int32_t node) {
    while (begin < end) {
        int64_t middle = begin + (end - begin) / 2;
        if (edges[middle].node < node)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* Edges from node v to others of the subgraph. A hub has many edges and the subgraph few nodes: then the nodes are looked
 * up among the edges, instead of every edge among the nodes. */
static int edges_from(struct subgraph_grower *g, struct subgraph *s, int32_t v) {
    enum { HUB = 16 };
    const struct kg_edge *edges = g->graph->edges;
    int64_t begin = g->graph->offsets[s->nodes[v]], end = g->graph->offsets[s->nodes[v] + 1];
    if (end - begin <= HUB * s->n_nodes) {
        for (int64_t e = begin; e < end; e++)
            if (g->index[edges[e].node] >= 0) TRY(subgraph_add_edge(s, v, g->index[edges[e].node], edges[e].relation));
        return STATUS_OK;
    }
    for (int64_t u = 0; u < s->n_nodes; u++)
        for (int64_t e = lower_bound(edges, begin, end, s->nodes[u]); e < end && edges[e].node == s->nodes[u]; e++)
            TRY(subgraph_add_edge(s, v, (int32_t)u, edges[e].relation));
    return STATUS_OK;
}

static int grow(struct subgraph_grower *g, const int32_t *listed, int64_t n, struct subgraph *s) {
    if (n > g->max_nodes && g->hops == 0)
        return status_set(STATUS_FAILED, "a code lists %lld nodes; at most %d can be kept", (long long)n,
                          SUBGRAPH_MOST_NODES);
    for (int64_t i = 0; i < n; i++) TRY(add_node(g, s, listed[i]));
    s->n_listed = s->n_nodes;
    int64_t first = 0;
    for (int64_t hop = 0; hop < g->hops && s->n_nodes < g->max_nodes; hop++) {
        int64_t end = s->n_nodes;
        TRY(add_hop(g, s, first, end));
        first = end;
    }
    for (int64_t v = 0; v < s->n_nodes; v++) TRY(edges_from(g, s, (int32_t)v));
    subgraph_sort_edges(s);
    return STATUS_OK;
}

int subgraph_grow(struct subgraph_grower *g, const int32_t *listed, int64_t n, struct subgraph *s) {
    s->n_nodes = s->n_listed = s->n_edges = 0;
    int status = grow(g, listed, n, s);
    for (int64_t i = 0; i < s->n_nodes; i++) g->index[s->nodes[i]] = -1;
    return status;
}
