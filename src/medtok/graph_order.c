/* The lists of nodes are read in slices, and each distinct one is kept once. */
#include "medtok/graph_order.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/dictionary.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "dist/graph_partition.h"
#include "medtok/dataset.h"
#include "store/h5file.h"

enum { SLICE = 1 << 16 }; /* codes that are read at a time */

struct lists {
    int64_t n_codes, n_nodes, *code_offsets; /* [n_codes + 1] nodes of each code in the file */
    int32_t *of_code;                        /* [n_codes] number of its list; -1: it has no nodes */
    struct dictionary distinct;              /* lists, as bytes */
    int64_t *offsets;                        /* [distinct.n + 1] of their nodes, in nodes */
    int64_t *count;                          /* [distinct.n] codes that have a list */
    int32_t *piece;                          /* [distinct.n] */
    long long count_capacity;
};

static void lists_free(struct lists *l) {
    free(l->code_offsets);
    free(l->of_code);
    dictionary_free(&l->distinct);
    free(l->offsets);
    free(l->count);
    free(l->piece);
}

/* ---- distinct lists ---- */
static int count_list(struct lists *l, const int32_t *nodes, int64_t n, int32_t *list) {
    int64_t before = l->distinct.n;
    TRY(dictionary_add(&l->distinct, nodes, n * (int64_t)sizeof *nodes, list));
    TRY(mem_grow(&l->count, &l->count_capacity, l->distinct.n, sizeof *l->count));
    if (l->distinct.n > before) l->count[*list] = 0;
    l->count[*list]++;
    return STATUS_OK;
}

static int check_nodes(const struct lists *l, const struct h5file *file, const int32_t *nodes, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (nodes[i] < 0 || nodes[i] >= l->n_nodes)
            return status_set(STATUS_FAILED, "%s is damaged: there is no node %d; run `medtok prepare` again",
                              h5file_path(file), (int)nodes[i]);
    return STATUS_OK;
}

static int take_slice(struct lists *l, struct h5file *file, int64_t first, int64_t count) {
    int64_t from = l->code_offsets[first], n = l->code_offsets[first + count] - from;
    int32_t *nodes;
    TRY(mem_alloc(&nodes, n, sizeof *nodes));
    int status = h5file_read(file, "nodes", H5_I32, from, n, nodes);
    if (status == STATUS_OK) status = check_nodes(l, file, nodes, n);
    for (int64_t i = first; i < first + count && status == STATUS_OK; i++) {
        int64_t size = l->code_offsets[i + 1] - l->code_offsets[i];
        l->of_code[i] = -1;
        if (size == 0) continue;
        status = count_list(l, nodes + (l->code_offsets[i] - from), size, &l->of_code[i]);
    }
    free(nodes);
    return status;
}

static int read_lists(struct lists *l, struct h5file *file) {
    int64_t rows, cols;
    TRY(h5file_shape(file, "node_offsets", H5_I64, &rows, &cols));
    l->n_codes = rows - 1;
    TRY(mem_alloc(&l->code_offsets, rows, sizeof *l->code_offsets));
    TRY(mem_alloc(&l->of_code, l->n_codes, sizeof *l->of_code));
    TRY(h5file_get_int(file, "n_nodes", &l->n_nodes));
    TRY(h5file_read(file, "node_offsets", H5_I64, 0, rows, l->code_offsets));
    for (int64_t first = 0; first < l->n_codes; first += SLICE) {
        TRY(take_slice(l, file, first, l->n_codes - first < SLICE ? l->n_codes - first : SLICE));
        TRY(interrupt_poll());
    }
    TRY(mem_alloc(&l->offsets, l->distinct.n + 1, sizeof *l->offsets)); /* zeros */
    for (int64_t i = 1; i <= l->distinct.n; i++) l->offsets[i] = l->distinct.offsets[i] / (int64_t)sizeof(int32_t);
    return STATUS_OK;
}

/* ---- pieces ---- */
/* What pieces are made equal by, of a code with both sides, in units of a node. It is not the cost that ranks are cut by: another weight is another order, thus
 * other batches than those of checkpoints that there are. */
static double weight_of_code(int64_t n_nodes) { return 16 + (double)n_nodes; }

static int cut_lists(struct lists *l) {
    double *weight;
    TRY(mem_alloc(&l->piece, l->distinct.n, sizeof *l->piece));
    TRY(mem_alloc(&weight, l->distinct.n, sizeof *weight));
    for (int64_t i = 0; i < l->distinct.n; i++)
        weight[i] = (double)l->count[i] * weight_of_code(l->offsets[i + 1] - l->offsets[i]);
    struct sharing sharing = {.n = l->distinct.n,
                              .n_parts = l->n_nodes,
                              .offsets = l->offsets,
                              .parts = (const int32_t *)(const void *)l->distinct.bytes,
                              .weight = weight,
                              .links = l->count};
    int status = graph_partition(&sharing, GRAPH_PIECES, l->piece);
    free(weight);
    return status;
}

/* ---- the order ---- */
struct placed {
    int32_t piece, n_nodes;
    int64_t code;
};

static int by_piece(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    if (x->piece != y->piece) return x->piece < y->piece ? -1 : 1;
    if (x->n_nodes != y->n_nodes) return x->n_nodes > y->n_nodes ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

/* Behind the codes of each piece, of those without a graph as many as keep their share of all codes so far what it is in the whole. */
static void mix(const struct lists *l, const struct placed *graph, int64_t n_graph, int64_t *order) {
    int64_t n_text = l->n_codes - n_graph, n = 0, text = 0, next = 0;
    for (int64_t i = 0; i < n_graph; i++) {
        order[n++] = graph[i].code;
        if (i + 1 < n_graph && graph[i + 1].piece == graph[i].piece) continue;
        int64_t due = (int64_t)((double)n_text * (double)(i + 1) / (double)n_graph);
        for (; text < due; next++)
            if (l->of_code[next] < 0) order[n++] = next, text++;
    }
    for (; n < l->n_codes; next++) /* of a vocabulary without graphs: all */
        if (l->of_code[next] < 0) order[n++] = next;
}

static int order_codes(const struct lists *l, int64_t *order) {
    struct placed *graph;
    int64_t n = 0;
    TRY(mem_alloc(&graph, l->n_codes, sizeof *graph));
    for (int64_t i = 0; i < l->n_codes; i++)
        if (l->of_code[i] >= 0)
            graph[n++] =
                (struct placed){l->piece[l->of_code[i]], (int32_t)(l->code_offsets[i + 1] - l->code_offsets[i]), i};
    if (n > 0) qsort(graph, (size_t)n, sizeof *graph, by_piece);
    mix(l, graph, n, order);
    free(graph);
    return STATUS_OK;
}

static double seconds_of_processor(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int make_order(const char *path, int64_t *order) {
    struct lists l = {.n_codes = 0};
    struct h5file *file = NULL;
    double begun = seconds_of_processor();
    int status;
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(read_lists(&l, file));
    TRY_DONE(cut_lists(&l));
    TRY_DONE(order_codes(&l, order));
    log_info("train.partition: graph: %lld distinct subgraphs of %lld codes, ordered by METIS %s in %.1f s",
             (long long)l.distinct.n, (long long)l.n_codes, graph_partition_version(), seconds_of_processor() - begun);
done:
    h5file_close(file);
    lists_free(&l);
    return status;
}

int graph_order_make(const struct comm *comm, const char *path, int64_t **order, int64_t *n_codes) {
    struct vocabulary sizes;
    *order = NULL;
    *n_codes = 0;
    int status = graph_partition_check("train.partition: graph");
    if (status == STATUS_OK) status = vocabulary_read_sizes(path, &sizes);
    if (status == STATUS_OK) status = mem_alloc(order, *n_codes = sizes.n_codes_total, sizeof **order);
    if (status == STATUS_OK && comm->rank == 0) status = make_order(path, *order);
    TRY(comm_agree(comm, status));
    return comm_broadcast(comm, *order, *n_codes * (int64_t)sizeof **order);
}
