/* Codes are gone through in windows of some thousands. In each, threads grow those lists that come for the first time; then the codes
 * with a list that was there before copy, from the window or from the vocabulary; all add what stands above them; and the window is
 * appended to the vocabulary. So what waits in a second copy is a window, however many codes there are. */
#include "ingest/subgraph_work.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "dist/work_counter.h"

enum { WINDOW = 1024 }; /* codes a thread */

/* Scratch of a thread. */
struct hand {
    struct subgraph_grower grower;
    struct hierarchy_walk walk;
};

struct state {
    const struct subgraph_work *work;
    struct vocabulary *vocabulary;
    int64_t *first_same; /* [n] the first code with the same list: the code itself, or one before */
    struct subgraph *window;
    int64_t size, first, n; /* the window: codes first .. first + n - 1, n <= size */
    struct hand *hands;     /* [threads] */
    int threads;
    long long nodes_capacity, edge_capacity[3];
    int64_t n_cut;
    int64_t failed; /* the first code that could not be done, or INT64_MAX */
    struct kept_status status;
};

/* ---- lists; codes are counted from this rank's first ---- */
/* Code i of this rank: its number among all, of which the code table is. */
static int64_t number_of(const struct state *x, int64_t i) { return x->vocabulary->first + i; }

static struct code_nodes list_of(const struct state *x, int64_t i) {
    return hierarchy_list(x->work->hierarchy, x->work->codes, number_of(x, i));
}

/* The code of the vocabulary before from which new code i inherits, or -1. */
static int64_t known_source(const struct state *x, int64_t i) {
    const struct hierarchy *h = x->work->hierarchy;
    int64_t number = number_of(x, i);
    return h->known_code && list_of(x, i).n == 0 && h->source[number] != number ? h->known_code[h->source[number]] : -1;
}

static int find_same_lists(struct state *x, int64_t n) {
    int64_t n_slots = 16, *slots;
    while (n_slots < 2 * n) n_slots *= 2;
    TRY(mem_alloc(&x->first_same, n, sizeof *x->first_same));
    TRY(mem_alloc(&slots, n_slots, sizeof *slots)); /* code + 1; 0: empty */
    for (int64_t i = 0; i < n; i++) {
        struct code_nodes list = list_of(x, i);
        size_t bytes = (size_t)list.n * sizeof *list.nodes;
        uint64_t mask = (uint64_t)(n_slots - 1), at = XXH3_64bits(list.nodes, bytes) & mask;
        x->first_same[i] = i;
        if (known_source(x, i) >= 0) continue;
        for (; slots[at]; at = (at + 1) & mask) {
            struct code_nodes other = list_of(x, slots[at] - 1);
            if (other.n == list.n && memcmp(other.nodes, list.nodes, bytes) == 0) break;
        }
        if (slots[at])
            x->first_same[i] = slots[at] - 1;
        else
            slots[at] = i + 1;
    }
    free(slots);
    return STATUS_OK;
}

/* ---- a code ---- */
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

static int is_grown(const struct state *x, int64_t i) { return x->first_same[i] == i && known_source(x, i) < 0; }

static int grow_one(struct state *x, struct hand *hand, int64_t i) {
    struct code_nodes list = list_of(x, i);
    return is_grown(x, i) ? subgraph_grow(&hand->grower, list.nodes, list.n, &x->window[i - x->first]) : STATUS_OK;
}

/* A code that is not grown copies; those that are copied from have nothing of the hierarchy yet. */
static int copy_one(struct state *x, struct hand *hand, int64_t i) {
    int64_t known = known_source(x, i), same = x->first_same[i], n_graph = vocabulary_graph_nodes(x->vocabulary);
    struct subgraph *s = &x->window[i - x->first];
    if (known >= 0)
        TRY(take_subgraph(x->work->known, known, n_graph, s));
    else if (same == i)
        return STATUS_OK;
    else if (same < x->first)
        TRY(take_subgraph(x->vocabulary, same, n_graph, s));
    else
        TRY(subgraph_copy(&x->window[same - x->first], s));
    return hierarchy_extend(x->work->hierarchy, &hand->walk, number_of(x, i), s);
}

static int extend_one(struct state *x, struct hand *hand, int64_t i) {
    if (!is_grown(x, i)) return STATUS_OK;
    return hierarchy_extend(x->work->hierarchy, &hand->walk, number_of(x, i), &x->window[i - x->first]);
}

static int append_one(struct state *x, struct hand *hand, int64_t i) {
    struct vocabulary *v = x->vocabulary;
    const struct subgraph *s = &x->window[i - x->first];
    int64_t edge = v->edge_offsets[i];
    (void)hand;
    if (s->n_nodes) memcpy(v->nodes + v->node_offsets[i], s->nodes, (size_t)s->n_nodes * sizeof *s->nodes);
    for (int64_t e = 0; e < s->n_edges; e++) {
        v->edge_source[edge + e] = s->edges[e].source;
        v->edge_target[edge + e] = s->edges[e].target;
        v->edge_relation[edge + e] = s->edges[e].relation;
    }
    return STATUS_OK;
}

/* ---- a window ---- */
/* Does a step of all codes of the window by all threads. */
static int by_threads(struct state *x, int (*step)(struct state *, struct hand *, int64_t)) {
#pragma omp parallel for num_threads(x->threads) schedule(dynamic, 16)
    for (int64_t i = x->first; i < x->first + x->n; i++) {
        int status = step(x, &x->hands[omp_get_thread_num()], i);
        if (status == STATUS_OK) continue;
#pragma omp critical(subgraph_failed)
        if (i < x->failed) {
            x->failed = i;
            x->status.code = STATUS_OK;
            status_keep(&x->status, status);
        }
    }
    return status_take(&x->status);
}

/* At least one of each, so that empty lists are not NULL. */
static int reserve(struct state *x, int64_t n_nodes, int64_t n_edges) {
    struct vocabulary *v = x->vocabulary;
    n_nodes++;
    n_edges++;
    TRY(mem_grow(&v->nodes, &x->nodes_capacity, n_nodes, sizeof *v->nodes));
    TRY(mem_grow(&v->edge_source, &x->edge_capacity[0], n_edges, sizeof *v->edge_source));
    TRY(mem_grow(&v->edge_target, &x->edge_capacity[1], n_edges, sizeof *v->edge_target));
    return mem_grow(&v->edge_relation, &x->edge_capacity[2], n_edges, sizeof *v->edge_relation);
}

static int do_window(struct state *x) {
    struct vocabulary *v = x->vocabulary;
    TRY(by_threads(x, grow_one));
    TRY(by_threads(x, copy_one));
    TRY(by_threads(x, extend_one));
    for (int64_t i = x->first; i < x->first + x->n; i++) {
        const struct subgraph *s = &x->window[i - x->first];
        v->n_listed[i] = (int32_t)s->n_listed;
        v->node_offsets[i + 1] = v->node_offsets[i] + s->n_nodes;
        v->edge_offsets[i + 1] = v->edge_offsets[i] + s->n_edges;
        x->n_cut += s->n_listed < list_of(x, i).n;
    }
    TRY(reserve(x, v->node_offsets[x->first + x->n], v->edge_offsets[x->first + x->n]));
    return by_threads(x, append_one);
}

/* ---- all ---- */
static int begin(struct state *x, const struct subgraph_work *w, struct vocabulary *v) {
    int64_t n = v->n_codes;
    TRY(mem_alloc(&v->n_listed, n, sizeof *v->n_listed));
    TRY(mem_alloc(&v->node_offsets, n + 1, sizeof *v->node_offsets));
    TRY(mem_alloc(&v->edge_offsets, n + 1, sizeof *v->edge_offsets));
    TRY(reserve(x, 0, 0));
    TRY(find_same_lists(x, n));
    x->size = (int64_t)x->threads * WINDOW;
    TRY(mem_alloc(&x->window, x->size, sizeof *x->window));
    TRY(mem_alloc(&x->hands, x->threads, sizeof *x->hands));
    for (int t = 0; t < x->threads; t++) {
        TRY(subgraph_grower_make(&x->hands[t].grower, w->graph, w->options->hops, w->options->max_nodes));
        TRY(hierarchy_walk_make(&x->hands[t].walk, w->hierarchy));
    }
    return STATUS_OK;
}

/* Whether another rank has failed; looked at now and then. */
static int others_failed(struct work_counter *failed, double *looked, int *stopped) {
    const double BETWEEN = 0.5;
    double now = clock_seconds();
    if (now - *looked < BETWEEN) return STATUS_OK;
    *looked = now;
    return work_counter_stopped(failed, stopped);
}

static int do_all(struct state *x, struct work_counter *failed) {
    int64_t n = x->vocabulary->n_codes, all = x->vocabulary->n_codes_total;
    double looked = clock_seconds();
    int stopped = 0;
    struct progress progress;
    progress_begin(&progress, "subgraphs", all, "codes"); /* the other ranks are about as far */
    for (; x->first < n; x->first += x->n) {
        x->n = n - x->first < x->size ? n - x->first : x->size;
        TRY(interrupt_poll());
        TRY(others_failed(failed, &looked, &stopped));
        if (stopped) return STATUS_OK;
        TRY(do_window(x));
        progress_update(&progress, all * (x->first + x->n) / n);
    }
    progress_end(&progress, all);
    return STATUS_OK;
}

int subgraph_work_do(const struct subgraph_work *w, struct vocabulary *v, int64_t *n_cut) {
    struct state x = {.work = w, .vocabulary = v, .threads = w->threads > 0 ? w->threads : 1, .failed = INT64_MAX};
    struct work_counter failed; /* stopped by a rank that has failed */
    TRY(work_counter_open(&failed, w->comm));
    int status = begin(&x, w, v);
    if (status == STATUS_OK) status = do_all(&x, &failed);
    if (status != STATUS_OK) work_counter_stop(&failed);
    work_counter_close(&failed);
    *n_cut = x.n_cut;
    for (int64_t i = 0; x.window && i < x.size; i++) subgraph_free(&x.window[i]);
    for (int t = 0; x.hands && t < x.threads; t++) {
        subgraph_grower_free(&x.hands[t].grower);
        hierarchy_walk_free(&x.hands[t].walk);
    }
    free(x.window);
    free(x.hands);
    free(x.first_same);
    return status;
}
