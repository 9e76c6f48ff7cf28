/* Rows are read into one array, then sorted by counting. */
#include "ingest/knowledge_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/delimited.h"

/* Gaps between indices that are borne, and nodes of a graph however small. */
enum { MOST_GAPS = 16, ALWAYS_GOOD = 1 << 18 };

struct row {
    int32_t source, target;
    uint8_t relation;
};

struct rows { /* self loops too */
    struct row *items;
    long long n, capacity;
    int64_t largest_line; /* where the largest index stands */
    const char *largest_column;
};

static int edges_make(struct kg_edges *edges, int64_t n_nodes, int64_t n_edges) {
    TRY(mem_alloc(&edges->offsets, n_nodes + 2, sizeof *edges->offsets));
    TRY(mem_alloc(&edges->node, n_edges, sizeof *edges->node));
    return mem_alloc(&edges->relation, n_edges, sizeof *edges->relation);
}

static void edges_free(struct kg_edges *edges) {
    free(edges->offsets);
    free(edges->node);
    free(edges->relation);
    *edges = (struct kg_edges){0};
}

void knowledge_graph_free(struct knowledge_graph *g) {
    free(g->named);
    node_identities_free(&g->identities);
    if (g->in.offsets != g->out.offsets) edges_free(&g->in);
    edges_free(&g->out);
    free(g->degree);
    *g = (struct knowledge_graph){0};
}

/* Most rows have the relation of the row before. */
static int relation_number(struct knowledge_graph *g, const struct delimited *r, struct field name, int *last) {
    int64_t size = name.size < KG_RELATION_BYTES ? name.size : KG_RELATION_BYTES - 1;
    for (int i = 0; i <= g->n_relations; i++) {
        int k = i == 0 ? *last : i - 1;
        if (k >= g->n_relations) continue;
        if (strncmp(g->relation[k], name.text, (size_t)size) == 0 && g->relation[k][size] == 0) {
            *last = k;
            return STATUS_OK;
        }
    }
    if (g->n_relations == KG_MAX_RELATIONS)
        return status_set(STATUS_FAILED, "%s:%lld: more than %d relations", r->path, (long long)r->row_line,
                          KG_MAX_RELATIONS);
    memcpy(g->relation[g->n_relations], name.text, (size_t)size);
    *last = g->n_relations++;
    return STATUS_OK;
}

static void see_node(struct knowledge_graph *g, struct rows *rows, const struct delimited *r, const char *column,
                     int64_t node) {
    if (node < g->n_nodes) return;
    g->n_nodes = node + 1;
    rows->largest_line = r->row_line;
    rows->largest_column = column;
}

/* Nodes of a graph of so many rows: an index beyond is a wrong number. */
static int64_t most_nodes(int64_t n_rows) { return MOST_GAPS * 2 * n_rows + ALWAYS_GOOD; }

static int see_nodes(struct knowledge_graph *g, struct rows *rows, const struct delimited *r, int64_t source,
                     int64_t target) {
    see_node(g, rows, r, "x_index", source);
    see_node(g, rows, r, "y_index", target);
    TRY(node_identities_take(&g->identities, r, 0, source, most_nodes(rows->n)));
    return node_identities_take(&g->identities, r, 1, target, most_nodes(rows->n));
}

static int read_rows(struct knowledge_graph *g, struct delimited *r, struct rows *rows, struct removed_edges *removed) {
    int x, y, relation, more, last = 0;
    TRY(delimited_need(r, "x_index", &x));
    TRY(delimited_need(r, "y_index", &y));
    relation = delimited_column(r, "display_relation");
    if (relation < 0) TRY(delimited_need(r, "relation", &relation));
    if (removed) removed_edges_columns(removed, r);
    node_identities_begin(&g->identities, r);
    for (;;) {
        int64_t source, target;
        int taken = 0;
        TRY(delimited_next(r, &more));
        if (!more) break;
        TRY(delimited_integer(r, "x_index", r->fields[x], 0, INT32_MAX - 1, &source));
        TRY(delimited_integer(r, "y_index", r->fields[y], 0, INT32_MAX - 1, &target));
        TRY(relation_number(g, r, r->fields[relation], &last));
        TRY(see_nodes(g, rows, r, source, target));
        g->n_self_loops += source == target;
        if (removed) TRY(removed_edges_take(removed, r, source, target, &taken));
        if (taken) source = target; /* the row still names a node, as a self loop, which is dropped */
        TRY(mem_grow(&rows->items, &rows->capacity, rows->n + 1, sizeof *rows->items));
        rows->items[rows->n++] = (struct row){(int32_t)source, (int32_t)target, (uint8_t)last};
    }
    if (g->n_nodes == 0)
        return status_set(STATUS_FAILED, "%s holds no edges: there is nothing behind the header", r->path);
    return STATUS_OK;
}

/* ---- nodes ---- */
static int by_number(const void *a, const void *b) {
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* How many nodes the rows name, in memory by rows. */
static int count_by_sorting(const struct rows *rows, int64_t *n_named) {
    int32_t *nodes;
    TRY(mem_alloc(&nodes, 2 * rows->n, sizeof *nodes));
    for (long long i = 0; i < rows->n; i++) {
        nodes[2 * i] = rows->items[i].source;
        nodes[2 * i + 1] = rows->items[i].target;
    }
    qsort(nodes, (size_t)(2 * rows->n), sizeof *nodes, by_number);
    *n_named = rows->n > 0;
    for (long long i = 1; i < 2 * rows->n; i++) *n_named += nodes[i] != nodes[i - 1];
    free(nodes);
    return STATUS_OK;
}

static int mark_named(struct knowledge_graph *g, const struct rows *rows, int64_t *n_named) {
    TRY(mem_alloc(&g->named, g->n_nodes, sizeof *g->named));
    for (long long i = 0; i < rows->n; i++) g->named[rows->items[i].source] = g->named[rows->items[i].target] = 1;
    for (int64_t v = 0; v < g->n_nodes; v++) *n_named += g->named[v];
    return STATUS_OK;
}

/* Fills g->named, or fails if the largest index is beyond all that the rows name. */
static int name_nodes(struct knowledge_graph *g, const struct rows *rows, const char *path) {
    int64_t n_named = 0;
    if (g->n_nodes <= most_nodes(rows->n))
        TRY(mark_named(g, rows, &n_named));
    else
        TRY(count_by_sorting(rows, &n_named));
    if (g->n_nodes <= MOST_GAPS * n_named + ALWAYS_GOOD) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s:%lld: %s is %lld, far beyond the %lld nodes that the file names: is it a wrong number? Nodes "
                      "are counted from 0, with few gaps",
                      path, (long long)rows->largest_line, rows->largest_column, (long long)g->n_nodes - 1,
                      (long long)n_named);
}

/* ---- edges ---- */
static int by_key(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Edges by source, each node's as keys that order them: other end, relation. */
static void sort_rows(const struct rows *rows, int64_t n_nodes, int64_t *offsets, uint64_t *keys) {
    int64_t *next = offsets + 1; /* one ahead: after filling, offsets[v+1] is the end of v */
    for (long long i = 0; i < rows->n; i++) {
        struct row row = rows->items[i];
        if (row.source != row.target) next[row.source + 1]++;
    }
    for (int64_t v = 0; v < n_nodes; v++) next[v + 1] += next[v];
    for (long long i = 0; i < rows->n; i++) {
        struct row row = rows->items[i];
        if (row.source != row.target) keys[next[row.source]++] = (uint64_t)row.target << 8 | row.relation;
    }
    for (int64_t v = 0; v < n_nodes; v++)
        qsort(keys + offsets[v], (size_t)(offsets[v + 1] - offsets[v]), sizeof *keys, by_key);
}

/* The edges that leave nodes, without repeats. keys: by offsets, sorted. */
static int unite(struct knowledge_graph *g, const int64_t *offsets, const uint64_t *keys) {
    int64_t to = 0;
    TRY(edges_make(&g->out, g->n_nodes, offsets[g->n_nodes]));
    for (int64_t v = 0; v < g->n_nodes; v++) {
        for (int64_t e = offsets[v]; e < offsets[v + 1]; e++) {
            if (e > offsets[v] && keys[e] == keys[e - 1]) continue;
            g->out.node[to] = (int32_t)(keys[e] >> 8);
            g->out.relation[to++] = (uint8_t)keys[e];
        }
        g->out.offsets[v + 1] = to;
    }
    g->n_edges = to;
    g->n_repeated = offsets[g->n_nodes] - to;
    return STATUS_OK;
}

/* The edges that reach nodes: counting by target keeps each node's in order. */
static int turn_round(struct knowledge_graph *g) {
    const struct kg_edges *out = &g->out;
    TRY(edges_make(&g->in, g->n_nodes, g->n_edges));
    int64_t *next = g->in.offsets + 1;
    for (int64_t e = 0; e < g->n_edges; e++) next[out->node[e] + 1]++;
    for (int64_t v = 0; v < g->n_nodes; v++) next[v + 1] += next[v];
    for (int64_t v = 0; v < g->n_nodes; v++)
        for (int64_t e = out->offsets[v]; e < out->offsets[v + 1]; e++) {
            int64_t to = next[out->node[e]]++;
            g->in.node[to] = (int32_t)v;
            g->in.relation[to] = out->relation[e];
        }
    return STATUS_OK;
}

/* Edges that leave node v and lack their reverse: the two lists merged. */
static int64_t count_one_way(const struct knowledge_graph *g, int64_t v) {
    const struct kg_edges *out = &g->out, *in = &g->in;
    int64_t n = 0, b = in->offsets[v];
    for (int64_t a = out->offsets[v]; a < out->offsets[v + 1]; a++) {
        uint64_t edge = (uint64_t)out->node[a] << 8 | out->relation[a], other = UINT64_MAX;
        for (; b < in->offsets[v + 1]; b++) {
            other = (uint64_t)in->node[b] << 8 | in->relation[b];
            if (other >= edge) break;
        }
        n += b == in->offsets[v + 1] || other != edge;
    }
    return n;
}

/* Edges in, degrees, and what is one-way. */
static int join_ends(struct knowledge_graph *g) {
    TRY(turn_round(g));
    TRY(mem_alloc(&g->degree, g->n_nodes, sizeof *g->degree));
    for (int64_t v = 0; v < g->n_nodes; v++) {
        int64_t degree = g->out.offsets[v + 1] - g->out.offsets[v] + g->in.offsets[v + 1] - g->in.offsets[v];
        g->degree[v] = degree < UINT32_MAX ? (uint32_t)degree : UINT32_MAX;
        g->n_one_way += count_one_way(g, v);
    }
    if (g->n_one_way > 0) return STATUS_OK;
    edges_free(&g->in);
    g->in = g->out;
    return STATUS_OK;
}

static int make_edges(struct knowledge_graph *g, const struct rows *rows) {
    int64_t *offsets = NULL;
    uint64_t *keys = NULL;
    int status = mem_alloc(&offsets, g->n_nodes + 2, sizeof *offsets);
    if (status == STATUS_OK) status = mem_alloc(&keys, rows->n, sizeof *keys);
    if (status == STATUS_OK) {
        sort_rows(rows, g->n_nodes, offsets, keys);
        status = unite(g, offsets, keys);
    }
    free(offsets);
    free(keys);
    return status;
}

int knowledge_graph_read(struct knowledge_graph *g, const char *path, struct removed_edges *removed) {
    struct delimited reader;
    struct rows rows = {0};
    *g = (struct knowledge_graph){0};
    int status = delimited_open(&reader, path);
    if (status == STATUS_OK) status = read_rows(g, &reader, &rows, removed);
    delimited_close(&reader);
    if (status == STATUS_OK && removed) status = removed_edges_finish(removed, path);
    if (status == STATUS_OK) status = name_nodes(g, &rows, path);
    if (status == STATUS_OK) status = node_identities_finish(&g->identities, g->n_nodes);
    if (status == STATUS_OK) status = make_edges(g, &rows);
    free(rows.items);
    return status == STATUS_OK ? join_ends(g) : status;
}
