/* Nodes of codes, codes of nodes, and the edges between listed nodes. */
#include "measure/code_links.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int code_links_make(struct code_links *l, int64_t n_codes, int64_t n_nodes) {
    *l = (struct code_links){.n_nodes = n_nodes};
    TRY(mem_alloc(&l->listed_offsets, n_codes + 1, sizeof *l->listed_offsets));
    TRY(mem_alloc(&l->code_offsets, n_nodes + 1, sizeof *l->code_offsets));
    return mem_alloc(&l->edge_offsets, n_nodes + 1, sizeof *l->edge_offsets);
}

void code_links_free(struct code_links *l) {
    free(l->listed_offsets);
    free(l->listed);
    free(l->code_offsets);
    free(l->codes);
    free(l->edges);
    free(l->edge_offsets);
    *l = (struct code_links){0};
}

/* ---- edges: collected one way (smaller end first), sorted and thinned whenever they have doubled ---- */
static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void thin_edges(struct code_links *l) {
    int64_t n = 0;
    if (l->n_edges) qsort(l->edges, (size_t)l->n_edges, sizeof *l->edges, ascending);
    for (int64_t e = 0; e < l->n_edges; e++)
        if (n == 0 || l->edges[e] != l->edges[n - 1]) l->edges[n++] = l->edges[e];
    l->n_edges = l->n_sorted = n;
}

static int add_edges(struct code_links *l, const struct vocabulary *v, int64_t i) {
    const int32_t *nodes = v->nodes + v->node_offsets[i];
    enum { FEW = 1 << 20 };
    for (int64_t e = v->edge_offsets[i]; e < v->edge_offsets[i + 1]; e++) {
        int source = v->edge_source[e], target = v->edge_target[e];
        if (source >= v->n_listed[i] && target >= v->n_listed[i]) continue;
        uint64_t a = (uint64_t)nodes[source], b = (uint64_t)nodes[target];
        if (a == b || a >= (uint64_t)l->n_nodes || b >= (uint64_t)l->n_nodes) continue;
        TRY(mem_grow(&l->edges, &l->edge_capacity, l->n_edges + 1, sizeof *l->edges));
        l->edges[l->n_edges++] = a < b ? a << 32 | b : b << 32 | a;
    }
    if (l->n_edges > 2 * l->n_sorted + FEW) thin_edges(l);
    return STATUS_OK;
}

int code_links_add(struct code_links *l, const struct vocabulary *v) {
    for (int64_t i = 0; i < v->n_codes; i++) {
        int64_t first = l->listed_offsets[l->n_codes], n = v->n_listed[i];
        TRY(mem_grow(&l->listed, &l->listed_capacity, first + n, sizeof *l->listed));
        if (n) memcpy(l->listed + first, v->nodes + v->node_offsets[i], (size_t)n * sizeof *l->listed);
        l->listed_offsets[++l->n_codes] = first + n;
        TRY(add_edges(l, v, i));
    }
    return STATUS_OK;
}

/* ---- codes of nodes ---- */
static void offsets_of_counts(int64_t *offsets, int64_t n) {
    for (int64_t i = 0; i < n; i++) offsets[i + 1] += offsets[i];
}

/* counts[n_nodes]: how many codes list each node */
static int codes_of_nodes(struct code_links *l, const int32_t *counts) {
    int64_t n_listed = l->listed_offsets[l->n_codes];
    TRY(mem_alloc(&l->codes, n_listed, sizeof *l->codes));
    for (int64_t v = 0; v < l->n_nodes; v++) l->code_offsets[v + 1] = counts[v] <= LINK_MOST_CODES ? counts[v] : 0;
    offsets_of_counts(l->code_offsets, l->n_nodes);
    int64_t *at;
    TRY(mem_alloc(&at, l->n_nodes, sizeof *at));
    memcpy(at, l->code_offsets, (size_t)l->n_nodes * sizeof *at);
    for (int64_t i = 0; i < l->n_codes; i++)
        for (int64_t k = l->listed_offsets[i]; k < l->listed_offsets[i + 1]; k++)
            if (counts[l->listed[k]] <= LINK_MOST_CODES) l->codes[at[l->listed[k]]++] = (int32_t)i;
    free(at);
    return STATUS_OK;
}

/* Keeps the edges between listed nodes, then adds the other way. */
static int keep_edges(struct code_links *l, const int32_t *counts) {
    int64_t n = 0;
    thin_edges(l);
    for (int64_t e = 0; e < l->n_edges; e++)
        if (counts[l->edges[e] >> 32] && counts[l->edges[e] & UINT32_MAX]) l->edges[n++] = l->edges[e];
    TRY(mem_grow(&l->edges, &l->edge_capacity, 2 * n, sizeof *l->edges));
    for (int64_t e = 0; e < n; e++) l->edges[n + e] = l->edges[e] << 32 | l->edges[e] >> 32;
    l->n_edges = 2 * n;
    thin_edges(l);
    return STATUS_OK;
}

int code_links_finish(struct code_links *l) {
    int32_t *counts;
    TRY(mem_alloc(&counts, l->n_nodes, sizeof *counts));
    for (int64_t k = 0; k < l->listed_offsets[l->n_codes]; k++) counts[l->listed[k]]++;
    int status = codes_of_nodes(l, counts);
    if (status == STATUS_OK) status = keep_edges(l, counts);
    free(counts);
    for (int64_t e = 0; e < l->n_edges; e++) l->edge_offsets[(l->edges[e] >> 32) + 1]++;
    offsets_of_counts(l->edge_offsets, l->n_nodes);
    return status;
}

/* ---- links of a code ---- */
static int is_popular(const struct code_links *l, int32_t node) {
    return l->edge_offsets[node + 1] - l->edge_offsets[node] > LINK_MOST_NEIGHBOURS;
}

/* The node at the other end of edge e of a node; -1: the edge links nothing, because an end has too many. */
static int32_t linked_node(const struct code_links *l, int32_t node, int64_t e) {
    int32_t other = (int32_t)(l->edges[e] & UINT32_MAX);
    return is_popular(l, node) || is_popular(l, other) ? -1 : other;
}

static int64_t mark_node(const struct code_links *l, int32_t node, int64_t code, int64_t *mark) {
    int64_t n = 0;
    if (node < 0) return 0;
    for (int64_t k = l->code_offsets[node]; k < l->code_offsets[node + 1]; k++) {
        int64_t other = l->codes[k];
        if (other == code || mark[other] == code + 1) continue;
        mark[other] = code + 1;
        n++;
    }
    return n;
}

int64_t code_links_mark(const struct code_links *l, int64_t code, int64_t *mark) {
    int64_t n = 0;
    for (int64_t k = l->listed_offsets[code]; k < l->listed_offsets[code + 1]; k++) {
        int32_t node = l->listed[k];
        n += mark_node(l, node, code, mark);
        for (int64_t e = l->edge_offsets[node]; e < l->edge_offsets[node + 1]; e++)
            n += mark_node(l, linked_node(l, node, e), code, mark);
    }
    return n;
}

int64_t code_links_mark_same_node(const struct code_links *l, int64_t code, int64_t *mark) {
    int64_t n = 0;
    for (int64_t k = l->listed_offsets[code]; k < l->listed_offsets[code + 1]; k++)
        n += mark_node(l, l->listed[k], code, mark);
    return n;
}

/* Whether a code other than `code` lists the node; of -1: none does. */
static int another_lists(const struct code_links *l, int32_t node, int64_t code) {
    if (node < 0) return 0;
    for (int64_t k = l->code_offsets[node]; k < l->code_offsets[node + 1]; k++)
        if (l->codes[k] != code) return 1;
    return 0;
}

int code_links_any(const struct code_links *l, int64_t code) {
    for (int64_t k = l->listed_offsets[code]; k < l->listed_offsets[code + 1]; k++) {
        int32_t node = l->listed[k];
        if (another_lists(l, node, code)) return 1;
        for (int64_t e = l->edge_offsets[node]; e < l->edge_offsets[node + 1]; e++)
            if (another_lists(l, linked_node(l, node, e), code)) return 1;
    }
    return 0;
}

int code_links_share_a_node(const struct code_links *l, int64_t a, int64_t b) {
    for (int64_t i = l->listed_offsets[a]; i < l->listed_offsets[a + 1]; i++)
        for (int64_t k = l->listed_offsets[b]; k < l->listed_offsets[b + 1]; k++)
            if (l->listed[i] == l->listed[k]) return 1;
    return 0;
}

static int has_edge(const struct code_links *l, int32_t a, int32_t b) {
    uint64_t edge = (uint64_t)a << 32 | (uint64_t)b;
    int64_t first = l->edge_offsets[a], n = l->edge_offsets[a + 1] - first;
    return n > 0 && bsearch(&edge, l->edges + first, (size_t)n, sizeof edge, ascending) != NULL;
}

int code_links_join(const struct code_links *l, int64_t a, int64_t b) {
    for (int64_t i = l->listed_offsets[a]; i < l->listed_offsets[a + 1]; i++)
        for (int64_t k = l->listed_offsets[b]; k < l->listed_offsets[b + 1]; k++)
            if (has_edge(l, l->listed[i], l->listed[k])) return 1;
    return 0;
}
