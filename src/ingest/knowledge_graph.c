/* Rows go to the ranks that own their sources, in shares of like size; each sorts its own by counting and unites them; all get all. */
#include "ingest/knowledge_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"

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
    node_identities_free(&g->identities);
    if (g->in.offsets != g->out.offsets) edges_free(&g->in);
    edges_free(&g->out);
    free(g->degree);
    *g = (struct knowledge_graph){0};
}

/* ---- rows to the owners of their sources ---- */
/* Rows that become edges, on their way and where they are owned: of the nodes first .. end - 1. */
struct owned_rows {
    struct graph_row *items; /* [n], owned */
    int64_t n, first, end;
};

/* Collective. first [ranks + 1]: the nodes of each rank, so that their rows are about as many. */
static int cut_nodes(const struct graph_rows *rows, const struct comm *comm, int64_t *first) {
    int64_t *count, all = 0, before = 0;
    TRY(comm_agree(comm, mem_alloc(&count, rows->n_nodes, sizeof *count)));
    for (long long i = 0; i < rows->n; i++) count[rows->items[i].source]++;
    int status = comm_sum_int64(comm, count, rows->n_nodes);
    for (int64_t v = 0; v < rows->n_nodes; v++) all += count[v];
    int rank = 0;
    for (int64_t v = 0; v < rows->n_nodes; v++) {
        while (rank < comm->size && (double)before * comm->size >= (double)all * rank) first[rank++] = v;
        before += count[v];
    }
    while (rank <= comm->size) first[rank++] = rows->n_nodes;
    free(count);
    return status;
}

static int owner_of(const int64_t *first, int size, int32_t node) {
    int low = 0, high = size; /* the last rank whose first is not behind the node */
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (first[middle] <= node)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The rows of this rank by owner; count [ranks]. Frees them where they were. */
static int sort_by_owner(struct graph_rows *rows, const struct comm *comm, const int64_t *first, int64_t *count,
                         struct graph_row **sorted) {
    int64_t *next;
    TRY(mem_alloc(&next, comm->size + 1, sizeof *next));
    int status = mem_alloc(sorted, rows->n, sizeof **sorted);
    for (long long i = 0; i < rows->n && status == STATUS_OK; i++)
        count[owner_of(first, comm->size, rows->items[i].source)]++;
    for (int r = 0; r < comm->size; r++) next[r + 1] = next[r] + count[r];
    for (long long i = 0; i < rows->n && status == STATUS_OK; i++)
        (*sorted)[next[owner_of(first, comm->size, rows->items[i].source)]++] = rows->items[i];
    free(next);
    if (status != STATUS_OK) return status;
    free(rows->items);
    rows->items = NULL;
    rows->n = rows->capacity = 0;
    return STATUS_OK;
}

/* Collective. What `rows` has goes over into `owned`. */
static int give_to_owners(struct graph_rows *rows, const struct comm *comm, struct owned_rows *owned) {
    int64_t *first = NULL, *count = NULL;
    struct graph_row *sorted = NULL;
    struct received_rows got = {0};
    int status;
    *owned = (struct owned_rows){rows->items, rows->n, 0, rows->n_nodes};
    if (comm->size == 1) {
        rows->items = NULL;
        return STATUS_OK;
    }
    owned->items = NULL;
    status = mem_alloc(&first, comm->size + 1, sizeof *first);
    if (status == STATUS_OK) status = mem_alloc(&count, comm->size, sizeof *count);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(cut_nodes(rows, comm, first));
    TRY_DONE(comm_agree(comm, sort_by_owner(rows, comm, first, count, &sorted)));
    TRY_DONE(comm_exchange_rows(comm, sizeof *sorted, count, sorted, &got));
    memcpy(&owned->items, &got.rows, sizeof got.rows);
    got.rows = NULL;
    owned->n = got.n;
    owned->first = first[comm->rank];
    owned->end = first[comm->rank + 1];
done:
    free(first);
    free(count);
    free(sorted);
    received_rows_free(&got);
    return status;
}

/* ---- edges that leave nodes ---- */
static int by_key(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Edges by source, each node's as keys that order them: other end, relation. offsets [owned nodes + 2], zeros. */
static void sort_rows(const struct owned_rows *rows, int64_t *offsets, uint64_t *keys) {
    int64_t *next = offsets + 1,
            n = rows->end - rows->first; /* one ahead: after filling, offsets[v+1] is the end of v */
    for (int64_t i = 0; i < rows->n; i++) {
        struct graph_row row = rows->items[i];
        if (row.source != row.target) next[row.source - rows->first + 1]++;
    }
    for (int64_t v = 0; v < n; v++) next[v + 1] += next[v];
    for (int64_t i = 0; i < rows->n; i++) {
        struct graph_row row = rows->items[i];
        if (row.source != row.target) keys[next[row.source - rows->first]++] = (uint64_t)row.target << 8 | row.relation;
    }
    for (int64_t v = 0; v < n; v++)
        qsort(keys + offsets[v], (size_t)(offsets[v + 1] - offsets[v]), sizeof *keys, by_key);
}

/* This rank's edges, without repeats. keys: by offsets, sorted. count [owned nodes]. */
static int unite(const struct owned_rows *rows, const int64_t *offsets, const uint64_t *keys, struct kg_edges *own,
                 int64_t *n_edges) {
    int64_t to = 0, n = rows->end - rows->first;
    TRY(edges_make(own, n, offsets[n]));
    for (int64_t v = 0; v < n; v++) {
        for (int64_t e = offsets[v]; e < offsets[v + 1]; e++) {
            if (e > offsets[v] && keys[e] == keys[e - 1]) continue;
            own->node[to] = (int32_t)(keys[e] >> 8);
            own->relation[to++] = (uint8_t)keys[e];
        }
        own->offsets[v + 1] = to;
    }
    *n_edges = to;
    return STATUS_OK;
}

/* Frees the rows. */
static int join_own(struct owned_rows *rows, struct kg_edges *own, int64_t *n_edges, int64_t *n_repeated) {
    int64_t *offsets = NULL, n = rows->end - rows->first;
    uint64_t *keys = NULL;
    int status = mem_alloc(&offsets, n + 2, sizeof *offsets);
    if (status == STATUS_OK) status = mem_alloc(&keys, rows->n, sizeof *keys);
    if (status == STATUS_OK) sort_rows(rows, offsets, keys);
    free(rows->items);
    rows->items = NULL;
    if (status == STATUS_OK) status = unite(rows, offsets, keys, own, n_edges);
    if (status == STATUS_OK) *n_repeated = offsets[n] - *n_edges;
    free(offsets);
    free(keys);
    return status;
}

/* Collective: those of all ranks, on every rank. */
static int gather_edges(struct knowledge_graph *g, const struct comm *comm, const struct owned_rows *rows,
                        struct kg_edges *own, int64_t n_own) {
    int64_t n = rows->end - rows->first, *counts, n_all;
    for (int64_t v = 0; v < n; v++) own->offsets[v] = own->offsets[v + 1] - own->offsets[v];
    TRY(comm_gather_rows(comm, n, sizeof *counts, own->offsets, &n_all, &counts));
    int status = mem_alloc(&g->out.offsets, g->n_nodes + 1, sizeof *g->out.offsets);
    for (int64_t v = 0; v < g->n_nodes && status == STATUS_OK; v++)
        g->out.offsets[v + 1] = g->out.offsets[v] + counts[v];
    free(counts);
    TRY(comm_agree(comm, status));
    TRY(comm_gather_rows(comm, n_own, sizeof *own->node, own->node, &g->n_edges, &g->out.node));
    return comm_gather_rows(comm, n_own, sizeof *own->relation, own->relation, &g->n_edges, &g->out.relation);
}

/* Collective. */
static int make_edges(struct knowledge_graph *g, const struct comm *comm, struct graph_rows *rows) {
    struct owned_rows owned;
    struct kg_edges own = {0};
    int64_t n_own = 0;
    int status = give_to_owners(rows, comm, &owned);
    if (status == STATUS_OK) status = comm_agree(comm, join_own(&owned, &own, &n_own, &g->n_repeated));
    if (status == STATUS_OK) status = comm_sum_int64(comm, &g->n_repeated, 1);
    if (status == STATUS_OK && comm->size == 1) {
        g->out = own;
        g->n_edges = n_own;
        own = (struct kg_edges){0};
    } else if (status == STATUS_OK) {
        status = gather_edges(g, comm, &owned, &own, n_own);
    }
    free(owned.items);
    edges_free(&own);
    return status;
}

/* ---- edges that reach nodes ---- */
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

/* ---- the whole ---- */
/* Collective. */
static int make(struct knowledge_graph *g, const struct comm *comm, struct graph_rows *rows) {
    g->n_nodes = rows->n_nodes;
    g->n_self_loops = rows->n_self_loops;
    g->n_relations = rows->n_relations;
    for (int32_t r = 0; r < g->n_relations; r++) memcpy(g->relation[r], rows->relations[r].name, KG_RELATION_BYTES);
    g->identities = rows->identities;
    rows->identities = (struct node_identities){.n = 0};
    TRY(make_edges(g, comm, rows));
    return comm_agree(comm, join_ends(g));
}

int knowledge_graph_read(struct knowledge_graph *g, const struct comm *comm, const char *path,
                         struct removed_edges *removed) {
    struct graph_rows *rows;
    *g = (struct knowledge_graph){0};
    TRY(comm_agree(comm, mem_alloc(&rows, 1, sizeof *rows)));
    int status = graph_rows_read(rows, comm, path, removed);
    if (status == STATUS_OK) status = make(g, comm, rows);
    graph_rows_free(rows);
    free(rows);
    return status;
}
