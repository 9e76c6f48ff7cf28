/* Breadth-first growth with a table of marks, then the edges among the nodes. A hub has thousands of neighbours, of which few are taken:
 * these are kept in a heap, so that a neighbour costs one comparison. */
#include "ingest/subgraph.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int subgraph_grower_make(struct subgraph_grower *g, const struct knowledge_graph *graph, int64_t hops,
                         int64_t max_nodes) {
    *g = (struct subgraph_grower){.graph = graph, .hops = hops, .max_nodes = hops ? max_nodes : SUBGRAPH_MOST_NODES};
    return mem_alloc(&g->marks, graph->n_nodes, sizeof *g->marks);
}

void subgraph_grower_free(struct subgraph_grower *g) {
    free(g->marks);
    free(g->found);
    free(g->best);
    free(g->sources);
    *g = (struct subgraph_grower){0};
}

void subgraph_free(struct subgraph *s) {
    free(s->nodes);
    free(s->edges);
    *s = (struct subgraph){0};
}

int subgraph_copy(const struct subgraph *from, struct subgraph *to) {
    TRY(mem_grow(&to->nodes, &to->node_capacity, from->n_nodes, sizeof *to->nodes));
    TRY(mem_grow(&to->edges, &to->edge_capacity, from->n_edges, sizeof *to->edges));
    if (from->n_nodes > 0) memcpy(to->nodes, from->nodes, (size_t)from->n_nodes * sizeof *to->nodes);
    if (from->n_edges > 0) memcpy(to->edges, from->edges, (size_t)from->n_edges * sizeof *to->edges);
    to->n_nodes = from->n_nodes;
    to->n_listed = from->n_listed;
    to->n_edges = from->n_edges;
    return STATUS_OK;
}

/* ---- nodes ---- */
int subgraph_add_node(struct subgraph *s, int32_t node) {
    if (s->n_nodes == SUBGRAPH_MOST_NODES)
        return status_set(STATUS_FAILED, "a code has more than %d nodes: list fewer", SUBGRAPH_MOST_NODES);
    TRY(mem_grow(&s->nodes, &s->node_capacity, s->n_nodes + 1, sizeof *s->nodes));
    s->nodes[s->n_nodes++] = node;
    return STATUS_OK;
}

static int add_node(struct subgraph_grower *g, struct subgraph *s, int32_t node) {
    if (g->marks[node].number > 0 || s->n_nodes >= g->max_nodes) return STATUS_OK;
    TRY(subgraph_add_node(s, node));
    g->marks[node].number = (uint16_t)s->n_nodes;
    return STATUS_OK;
}

/* Counts a link to each neighbour that is not in the subgraph, by out- and in-edges together: a merge of two sorted lists. */
static int find_neighbours(struct subgraph_grower *g, int32_t node) {
    const struct kg_edges *out = &g->graph->out, *in = &g->graph->in;
    int64_t a = out->offsets[node], a_end = out->offsets[node + 1], b = in->offsets[node];
    int64_t b_end = in->node == out->node ? b : in->offsets[node + 1]; /* one list, if all edges go both ways */
    int32_t last = -1;                                                 /* several relations may join two nodes */
    TRY(mem_grow(&g->found, &g->found_capacity, g->n_found + a_end - a + b_end - b, sizeof *g->found));
    while (a < a_end || b < b_end) {
        int take_out = b == b_end || (a < a_end && out->node[a] <= in->node[b]);
        int32_t other = take_out ? out->node[a++] : in->node[b++];
        struct subgraph_mark *mark = &g->marks[other];
        if (other == last || mark->number > 0) continue;
        last = other;
        if (mark->links++ == 0) g->found[g->n_found++] = other;
    }
    return STATUS_OK;
}

static int is_before(const struct subgraph_neighbour *x, const struct subgraph_neighbour *y) {
    if (x->links != y->links) return x->links > y->links;
    if (x->degree != y->degree) return x->degree < y->degree;
    return x->node < y->node;
}

/* Puts x where it belongs among n of a heap whose place `at` is free, all places below being in order. */
static void sift_down(struct subgraph_neighbour *heap, long long n, long long at, struct subgraph_neighbour x) {
    for (;;) {
        long long below = 2 * at + 1;
        if (below + 1 < n && is_before(&heap[below], &heap[below + 1])) below++;
        if (below >= n || !is_before(&x, &heap[below])) break;
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = x;
}

/* The `most` most relevant of those found, in order, into best; clears their links. Gives how many there are. */
static long long choose(struct subgraph_grower *g, long long most) {
    struct subgraph_neighbour *heap = g->best;
    long long n = g->n_found < most ? g->n_found : most;
    for (long long i = 0; i < g->n_found; i++) {
        struct subgraph_mark *mark = &g->marks[g->found[i]];
        struct subgraph_neighbour x = {g->found[i], mark->links, g->graph->degree[g->found[i]]};
        mark->links = 0;
        if (i < n)
            heap[i] = x;
        else if (n > 0 && is_before(&x, &heap[0]))
            sift_down(heap, n, 0, x);
        if (i == n - 1)
            for (long long at = n / 2; at-- > 0;) sift_down(heap, n, at, heap[at]);
    }
    for (long long left = n; left-- > 1;) {
        struct subgraph_neighbour worst = heap[0];
        sift_down(heap, left, 0, heap[left]);
        heap[left] = worst;
    }
    return n;
}

/* Adds the neighbours of the nodes first .. end - 1 of the subgraph. */
static int add_hop(struct subgraph_grower *g, struct subgraph *s, int64_t first, int64_t end) {
    int status = STATUS_OK;
    g->n_found = 0;
    for (int64_t i = first; i < end && status == STATUS_OK; i++) status = find_neighbours(g, s->nodes[i]);
    long long room = g->max_nodes - s->n_nodes, most = g->n_found < room ? g->n_found : room;
    if (status == STATUS_OK) status = mem_grow(&g->best, &g->best_capacity, most, sizeof *g->best);
    long long n = choose(g, status == STATUS_OK ? most : 0);
    for (long long i = 0; i < n && status == STATUS_OK; i++) status = add_node(g, s, g->best[i].node);
    return status;
}

/* ---- edges ---- */
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

/* First of the edges begin .. end - 1 whose other end is `node` or larger. */
static int64_t lower_bound(const int32_t *nodes, int64_t begin, int64_t end, int32_t node) {
    int64_t n = end - begin;
    while (n > 0) { /* without a branch that could be guessed wrong */
        int64_t half = (n + 1) / 2;
        begin += nodes[begin + half - 1] < node ? half : 0;
        n -= half;
    }
    return begin;
}

static int by_value(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void sort_few(uint32_t *values, long long n) {
    enum { FEW = 32 };
    if (n > FEW) {
        qsort(values, (size_t)n, sizeof *values, by_value);
        return;
    }
    for (long long i = 1; i < n; i++) {
        uint32_t x = values[i];
        long long at = i;
        for (; at > 0 && values[at - 1] > x; at--) values[at] = values[at - 1];
        values[at] = x;
    }
}

/* Adds the edges from node u to node v of the subgraph, which are found among the fewer: those that leave u, or those that reach v. */
static void find_between(struct subgraph_grower *g, const struct subgraph *s, int64_t u, int64_t v, long long *n) {
    const struct kg_edges *list = &g->graph->out, *in = &g->graph->in;
    int32_t at = s->nodes[u], other = s->nodes[v];
    if (in->offsets[other + 1] - in->offsets[other] < list->offsets[at + 1] - list->offsets[at]) {
        list = in;
        at = s->nodes[v];
        other = s->nodes[u];
    }
    int64_t end = list->offsets[at + 1];
    for (int64_t e = lower_bound(list->node, list->offsets[at], end, other); e < end && list->node[e] == other; e++)
        g->sources[(*n)++] = (uint32_t)u << 8 | list->relation[e];
}

/* The sources of the edges that reach node v from others of the subgraph, in order; gives how many. A hub has many edges and the subgraph
 * few nodes: then its edges are looked for pair by pair, instead of every edge's other end among the nodes. */
static int find_sources(struct subgraph_grower *g, const struct subgraph *s, int64_t v, long long *n) {
    enum { HUB = 4 };
    const struct kg_edges *in = &g->graph->in;
    int64_t begin = in->offsets[s->nodes[v]], end = in->offsets[s->nodes[v] + 1];
    *n = 0;
    TRY(mem_grow(&g->sources, &g->sources_capacity, end - begin, sizeof *g->sources));
    if (end - begin > HUB * s->n_nodes) {
        for (int64_t u = 0; u < s->n_nodes; u++) find_between(g, s, u, v, n);
        return STATUS_OK;
    }
    for (int64_t e = begin; e < end; e++) {
        uint32_t number = g->marks[in->node[e]].number;
        if (number > 0) g->sources[(*n)++] = (number - 1) << 8 | in->relation[e];
    }
    sort_few(g->sources, *n);
    return STATUS_OK;
}

static int add_edges_to(struct subgraph_grower *g, struct subgraph *s, int64_t v) {
    long long n;
    TRY(find_sources(g, s, v, &n));
    TRY(mem_grow(&s->edges, &s->edge_capacity, s->n_edges + n, sizeof *s->edges));
    for (long long i = 0; i < n; i++)
        s->edges[s->n_edges++] =
            (struct local_edge){(uint16_t)(g->sources[i] >> 8), (uint16_t)v, (uint8_t)g->sources[i]};
    return STATUS_OK;
}

/* ---- the whole ---- */
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
    for (int64_t v = 0; v < s->n_nodes; v++) TRY(add_edges_to(g, s, v));
    return STATUS_OK;
}

int subgraph_grow(struct subgraph_grower *g, const int32_t *listed, int64_t n, struct subgraph *s) {
    s->n_nodes = s->n_listed = s->n_edges = 0;
    int status = grow(g, listed, n, s);
    for (int64_t i = 0; i < s->n_nodes; i++) g->marks[s->nodes[i]].number = 0;
    return status;
}
