/* An index of the candidates by item, and for each query the sum over its items. */
#include "measure/bag_search.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/status.h"

static const float TIE = 2e-6F; /* as vectors (measure/vector_search.c) */

/* Of item i the candidates codes[first[i] .. first[i + 1]) with the item's weight in each. */
struct item_index {
    int64_t *first;
    int32_t *codes;
    float *weights;
};

struct search {
    const struct bags *bags;
    const struct probe_question *question;
    struct probe_answers *answers;
    struct item_index index;
};

/* What a thread works with. */
struct scratch {
    float *likeness;  /* [bags.n], 0 but for those touched */
    int32_t *touched; /* [bags.n] */
    int64_t n_touched;
};

static int index_make(struct item_index *x, const struct bags *b, const uint8_t *is_candidate) {
    int64_t *next;
    TRY(mem_alloc(&x->first, b->n_items + 2, sizeof *x->first));
    next = x->first + 1; /* one ahead: after filling, first[i + 1] is the end of item i */
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t k = b->offsets[i]; is_candidate[i] && k < b->offsets[i + 1]; k++) next[b->items[k] + 1]++;
    for (int64_t i = 0; i < b->n_items; i++) next[i + 1] += next[i];
    TRY(mem_alloc(&x->codes, next[b->n_items], sizeof *x->codes));
    TRY(mem_alloc(&x->weights, next[b->n_items], sizeof *x->weights));
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t k = b->offsets[i]; is_candidate[i] && k < b->offsets[i + 1]; k++) {
            int64_t at = next[b->items[k]]++;
            x->codes[at] = (int32_t)i;
            x->weights[at] = b->weights[k];
        }
    return STATUS_OK;
}

static void index_free(struct item_index *x) {
    free(x->first);
    free(x->codes);
    free(x->weights);
}

/* The likeness of each candidate that has an item of the code, but not of the code itself. */
static void compare(const struct search *s, int32_t code, struct scratch *t) {
    const struct bags *b = s->bags;
    t->n_touched = 0;
    for (int64_t k = b->offsets[code]; k < b->offsets[code + 1]; k++)
        for (int64_t e = s->index.first[b->items[k]]; e < s->index.first[b->items[k] + 1]; e++) {
            int32_t other = s->index.codes[e];
            if (other == code) continue;
            if (t->likeness[other] == 0) t->touched[t->n_touched++] = other;
            t->likeness[other] += b->weights[k] * s->index.weights[e];
        }
}

/* ---- ranks ---- */
static void discount(const struct query_codes *list, int64_t q, const float *likeness, float best, int is_right,
                     struct rank_answer *rank) {
    for (int64_t k = list->offsets[q]; k < list->offsets[q + 1]; k++) {
        float of = likeness[list->codes[k]];
        if (of > best + TIE)
            rank->above--;
        else if (of > 0 && of >= best - TIE) {
            rank->tied--;
            rank->right += is_right;
        }
    }
}

static void rank_targets(const struct search *s, int64_t q, const struct scratch *t) {
    const struct query_codes *targets = &s->question->targets;
    struct rank_answer *rank = &s->answers->ranks[q];
    float best = 0;
    for (int64_t k = targets->offsets[q]; k < targets->offsets[q + 1]; k++)
        if (t->likeness[targets->codes[k]] > best) best = t->likeness[targets->codes[k]];
    if (best == 0) return;
    for (int64_t i = 0; i < t->n_touched; i++) {
        float of = t->likeness[t->touched[i]];
        rank->above += of > best + TIE;
        rank->tied += of <= best + TIE && of >= best - TIE;
    }
    discount(targets, q, t->likeness, best, 1, rank);
    if (s->question->known.offsets) discount(&s->question->known, q, t->likeness, best, 0, rank);
}

/* ---- neighbours ---- */
static void keep_nearest(const struct search *s, int64_t q, const struct scratch *t) {
    const int32_t *category = s->question->category;
    struct near_candidate *nearest = s->answers->nearest + q * s->answers->k;
    int32_t own = category[s->question->queries[q]];
    for (int64_t i = 0; i < t->n_touched; i++)
        if (category[t->touched[i]] != own)
            near_candidates_add(nearest, s->answers->k, t->likeness[t->touched[i]], t->touched[i]);
}

static void answer(const struct search *s, int64_t q, struct scratch *t) {
    compare(s, s->question->queries[q], t);
    if (s->question->kind == QUESTION_RANK)
        rank_targets(s, q, t);
    else
        keep_nearest(s, q, t);
    for (int64_t i = 0; i < t->n_touched; i++) t->likeness[t->touched[i]] = 0;
}

/* This rank's queries. */
static int answer_own(const struct comm *comm, int threads, struct search *s) {
    int64_t n = s->question->n_queries, n_blocks = (n + BAG_QUERY_BLOCK - 1) / BAG_QUERY_BLOCK;
    int failed = 0;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
    {
        struct scratch t = {calloc((size_t)s->bags->n + 1, sizeof *t.likeness),
                            malloc(((size_t)s->bags->n + 1) * sizeof *t.touched), 0};
        int ready = t.likeness && t.touched;
        failed += !ready;
#pragma omp for schedule(dynamic)
        for (int64_t b = comm->rank; b < n_blocks; b += comm->size)
            for (int64_t q = b * BAG_QUERY_BLOCK; ready && q < n && q < (b + 1) * BAG_QUERY_BLOCK; q++)
                answer(s, q, &t);
        free(t.likeness);
        free(t.touched);
    }
    return failed ? status_set(STATUS_FAILED, "out of memory for comparing %lld codes", (long long)s->bags->n)
                  : interrupt_poll();
}

int bag_search(const struct comm *comm, int threads, const struct bags *bags, const struct probe_question *question,
               struct probe_answers *answers) {
    struct search s = {.bags = bags, .question = question, .answers = answers};
    int status = index_make(&s.index, bags, question->is_candidate);
    if (status == STATUS_OK) status = answer_own(comm, threads, &s);
    index_free(&s.index);
    return status;
}
