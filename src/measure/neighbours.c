/* Blocks of cosines from the device, the best of each query kept on the host. */
#include "measure/neighbours.h"

#include <math.h>
#include <stdlib.h>

#include "base/device_status.h"
#include "base/rng.h"
#include "dist/gather.h"

enum { QUERY_BLOCK = 64 };

/* ---- queries ---- */
int neighbour_queries(const struct code_links *l, uint64_t seed, int64_t most, int64_t **queries, int64_t *n_queries) {
    *n_queries = 0;
    TRY(mem_alloc(queries, l->n_codes, sizeof **queries));
    for (int64_t i = 0; i < l->n_codes; i++)
        if (code_links_any(l, i)) (*queries)[(*n_queries)++] = i;
    return rng_draw(seed, RNG_QUERY, most, *queries, n_queries);
}

/* ---- search ---- */
/* Sends n rows with norm 1 (0 stays 0) to the device. */
static void send_rows(struct neighbour_search *s, int64_t n, const float *rows, dev_real to) {
    for (int64_t i = 0; i < n; i++) {
        const float *row = rows + i * s->width;
        double square = 0;
        for (int64_t c = 0; c < s->width; c++) square += (double)row[c] * (double)row[c];
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t c = 0; c < s->width; c++) s->host[i * s->width + c] = (real)(scale * (double)row[c]);
    }
    device_upload_reals(s->device, to, s->host, n * s->width);
}

int neighbour_search_make(struct neighbour_search *s, const struct comm *comm, struct device *device, int64_t width,
                          int64_t n_queries, const int64_t *queries, const float *rows) {
    int64_t host = width > QUERY_BLOCK ? width : QUERY_BLOCK;
    *s = (struct neighbour_search){
        .comm = comm, .device = device, .width = width, .n_queries = n_queries, .queries = queries};
    TRY(mem_alloc(&s->host, NEIGHBOUR_BLOCK * host, sizeof *s->host));
    TRY(mem_alloc(&s->best, n_queries * NEIGHBOURS, sizeof *s->best));
    for (int64_t i = 0; i < n_queries * NEIGHBOURS; i++) s->best[i] = (struct neighbour){-INFINITY, -1};
    s->rows = device_alloc_reals(device, n_queries * width);
    s->candidates = device_alloc_reals(device, NEIGHBOUR_BLOCK * width);
    s->score = device_alloc_reals(device, QUERY_BLOCK * NEIGHBOUR_BLOCK);
    TRY(device_status(device));
    for (int64_t at = 0; at < n_queries; at += NEIGHBOUR_BLOCK)
        send_rows(s, at + NEIGHBOUR_BLOCK < n_queries ? NEIGHBOUR_BLOCK : n_queries - at, rows + at * width,
                  dev_real_at(s->rows, at * width));
    return device_status(device);
}

void neighbour_search_free(struct neighbour_search *s) {
    if (!s->device) return;
    device_free_reals(s->device, s->rows);
    device_free_reals(s->device, s->candidates);
    device_free_reals(s->device, s->score);
    free(s->host);
    free(s->best);
    *s = (struct neighbour_search){0};
}

/* Puts the candidates that are nearer than the last of best[NEIGHBOURS] in, in order. */
static void keep_best(struct neighbour *best, int64_t query, int64_t n, const int64_t *codes, const real *cosines) {
    for (int64_t i = 0; i < n; i++) {
        if (!(cosines[i] > best[NEIGHBOURS - 1].cosine) || codes[i] == query) continue;
        int k = NEIGHBOURS - 1;
        for (; k > 0 && cosines[i] > best[k - 1].cosine; k--) best[k] = best[k - 1];
        best[k] = (struct neighbour){cosines[i], (int32_t)codes[i]};
    }
}

int neighbour_search_add(struct neighbour_search *s, int64_t n, const int64_t *codes, const float *rows) {
    int64_t stride = (int64_t)QUERY_BLOCK * s->comm->size;
    struct device *d = s->device;
    send_rows(s, n, rows, s->candidates);
    for (int64_t first = (int64_t)QUERY_BLOCK * s->comm->rank; first < s->n_queries; first += stride) {
        int64_t count = first + QUERY_BLOCK < s->n_queries ? QUERY_BLOCK : s->n_queries - first;
        struct gemm g = {.transpose_b = 1, .m = count, .n = n, .k = s->width, .alpha = 1};
        d->run->gemm(d, &g, (struct matrix){dev_real_at(s->rows, first * s->width), s->width},
                     (struct matrix){s->candidates, s->width}, (struct matrix){s->score, n});
        device_download_reals(d, s->host, s->score, count * n);
        for (int64_t i = 0; i < count; i++)
            keep_best(s->best + (first + i) * NEIGHBOURS, s->queries[first + i], n, codes, s->host + i * n);
    }
    s->n_candidates += n;
    return device_status(d);
}

/* ---- recall ---- */
/* Which codes are linked to the query in hand: mark[j] is its number + 1. */
struct marks {
    int64_t *all, *same_node; /* [n_codes] */
};

static void recall_of(const struct neighbour_search *s, const struct code_links *links, int64_t query,
                      const struct marks *marks, struct neighbour_recall *recall) {
    const struct neighbour *best = s->best + query * NEIGHBOURS;
    int64_t code = s->queries[query], others = s->n_candidates - 1, drawn = others < NEIGHBOURS ? others : NEIGHBOURS;
    int64_t n[N_LINK_KINDS], found[N_LINK_KINDS] = {0};
    n[LINKS_ALL] = code_links_mark(links, code, marks->all);
    n[LINKS_SAME_NODE] = code_links_mark_same_node(links, code, marks->same_node);
    n[LINKS_EDGE] = n[LINKS_ALL] - n[LINKS_SAME_NODE];
    for (int k = 0; k < NEIGHBOURS && best[k].code >= 0; k++) {
        int linked = marks->all[best[k].code] == code + 1, same_node = marks->same_node[best[k].code] == code + 1;
        found[LINKS_ALL] += linked;
        found[LINKS_SAME_NODE] += same_node;
        found[LINKS_EDGE] += linked && !same_node;
    }
    for (int kind = 0; kind < N_LINK_KINDS; kind++) {
        double most = (double)(n[kind] < NEIGHBOURS ? n[kind] : NEIGHBOURS);
        recall->found[kind] = n[kind] > 0 ? (double)found[kind] / most : NAN;
        recall->chance[kind] = n[kind] > 0 ? (double)drawn * (double)n[kind] / (double)others / most : NAN;
    }
}

int neighbour_search_recall(struct neighbour_search *s, const struct code_links *links,
                            struct neighbour_recall *recall) {
    struct marks marks = {0};
    int64_t stride = (int64_t)QUERY_BLOCK * s->comm->size;
    int status = mem_alloc(&marks.all, links->n_codes, sizeof *marks.all);
    if (status == STATUS_OK) status = mem_alloc(&marks.same_node, links->n_codes, sizeof *marks.same_node);
    status = comm_agree(s->comm, status);
    for (int64_t first = (int64_t)QUERY_BLOCK * s->comm->rank; status == STATUS_OK && first < s->n_queries;
         first += stride)
        for (int64_t i = first; i < first + QUERY_BLOCK && i < s->n_queries; i++)
            recall_of(s, links, i, &marks, &recall[i]);
    free(marks.all);
    free(marks.same_node);
    TRY(status);
    return comm_gather_blocks(s->comm, s->n_queries, QUERY_BLOCK, sizeof *recall, recall);
}

int neighbour_search_nearest(const struct neighbour_search *s, int k, int32_t *codes) {
    for (int64_t q = 0; q < s->n_queries; q++)
        for (int i = 0; i < k; i++) codes[q * k + i] = s->best[q * NEIGHBOURS + i].code;
    return comm_gather_blocks(s->comm, s->n_queries, QUERY_BLOCK, k * (int64_t)sizeof *codes, codes);
}
