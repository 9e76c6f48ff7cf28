/* Linked codes among the nearest of a search. */
#include "measure/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"

/* ---- queries ---- */
int neighbour_queries(const struct code_links *l, uint64_t seed, int64_t most, int32_t **queries, int64_t *n_queries) {
    int64_t *codes = NULL, n = 0;
    *queries = NULL;
    int status = mem_alloc(&codes, l->n_codes, sizeof *codes);
    for (int64_t i = 0; i < l->n_codes && status == STATUS_OK; i++)
        if (code_links_any(l, i)) codes[n++] = i;
    if (status == STATUS_OK) status = rng_draw(seed, RNG_QUERY, most, codes, &n);
    if (status == STATUS_OK) status = mem_alloc(queries, n, sizeof **queries);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) (*queries)[i] = (int32_t)codes[i];
    *n_queries = n;
    free(codes);
    return status;
}

/* ---- search ---- */
/* The question's arrays are copied: those of struct probe_question are its own. */
static int make_question(struct probe_question *p, const struct neighbour_question *q) {
    *p = (struct probe_question){.kind = QUESTION_NEAREST, .n_queries = q->n_queries};
    TRY(mem_alloc(&p->queries, q->n_queries, sizeof *p->queries));
    TRY(mem_alloc(&p->is_candidate, q->n_codes, 1));
    if (q->n_queries > 0) memcpy(p->queries, q->queries, (size_t)q->n_queries * sizeof *p->queries);
    for (int64_t c = 0; c < q->n_codes; c++) p->n_candidates += p->is_candidate[c] = q->is_candidate[c];
    return STATUS_OK;
}

int neighbours_find(const struct comm *comm, struct device *device, const struct vector_source *source,
                    const struct neighbour_question *question, int k, struct near_candidate *nearest) {
    struct probe_question q;
    struct probe_answers answers = {0};
    struct vector_rows rows = {0};
    int status = make_question(&q, question);
    if (status == STATUS_OK) status = probe_answers_make(&answers, &q, k);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(vector_rows_make(&rows, comm, source, 1, &q));
    TRY_DONE(vector_search(comm, device, source, &rows, 1, &q, &answers));
    if (q.n_queries > 0) memcpy(nearest, answers.nearest, (size_t)(q.n_queries * k) * sizeof *nearest);
done:
    probe_question_free(&q);
    probe_answers_free(&answers);
    vector_rows_free(&rows);
    return status;
}

/* ---- recall ---- */
/* Which codes are linked to the query in hand: mark[j] is its number + 1. */
struct marks {
    int64_t *all, *same_node; /* [n_codes] */
};

/* best [NEIGHBOURS] of the candidates, of which there are `others` beside the code. */
static void recall_of(int64_t code, int64_t others, const struct near_candidate *best, const struct code_links *links,
                      const struct marks *marks, struct neighbour_recall *recall) {
    int64_t drawn = others < NEIGHBOURS ? others : NEIGHBOURS;
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

static int recall_all(const struct comm *comm, const struct neighbour_question *q, const struct code_links *links,
                      const struct near_candidate *nearest, struct neighbour_recall *recall) {
    enum { BLOCK = 64 };
    struct marks marks = {0};
    int64_t stride = (int64_t)BLOCK * comm->size, others = -1;
    for (int64_t c = 0; c < q->n_codes; c++) others += q->is_candidate[c];
    int status = mem_alloc(&marks.all, links->n_codes, sizeof *marks.all);
    if (status == STATUS_OK) status = mem_alloc(&marks.same_node, links->n_codes, sizeof *marks.same_node);
    status = comm_agree(comm, status);
    for (int64_t first = (int64_t)BLOCK * comm->rank; status == STATUS_OK && first < q->n_queries; first += stride)
        for (int64_t i = first; i < first + BLOCK && i < q->n_queries; i++)
            recall_of(q->queries[i], others, nearest + i * NEIGHBOURS, links, &marks, &recall[i]);
    free(marks.all);
    free(marks.same_node);
    TRY(status);
    return comm_gather_blocks(comm, q->n_queries, BLOCK, sizeof *recall, recall);
}

int neighbours_recall(const struct comm *comm, struct device *device, const struct vector_source *source,
                      const struct neighbour_question *question, const struct code_links *links,
                      struct neighbour_recall *recall) {
    struct near_candidate *nearest = NULL;
    int status;
    if (question->n_queries == 0) return STATUS_OK;
    TRY_DONE(comm_agree(comm, mem_alloc(&nearest, question->n_queries * NEIGHBOURS, sizeof *nearest)));
    TRY_DONE(neighbours_find(comm, device, source, question, NEIGHBOURS, nearest));
    status = recall_all(comm, question, links, nearest, recall);
done:
    free(nearest);
    return status;
}
