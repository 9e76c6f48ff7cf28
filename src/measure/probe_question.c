/* Ranks under ties, votes, and the nearest few. */
#include "measure/probe_question.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

void probe_question_free(struct probe_question *q) {
    free(q->queries);
    free(q->is_candidate);
    free(q->targets.offsets);
    free(q->targets.codes);
    free(q->known.offsets);
    free(q->known.codes);
    free(q->pairs);
    *q = (struct probe_question){0};
}

int probe_answers_make(struct probe_answers *a, const struct probe_question *q, int k) {
    *a = (struct probe_answers){.k = k};
    if (q->kind == QUESTION_RANK) return mem_alloc(&a->ranks, q->n_queries, sizeof *a->ranks);
    TRY(mem_alloc(&a->nearest, q->n_queries * k, sizeof *a->nearest));
    for (int64_t i = 0; i < q->n_queries * k; i++) a->nearest[i].code = -1;
    return STATUS_OK;
}

void probe_answers_free(struct probe_answers *a) {
    free(a->ranks);
    free(a->nearest);
    *a = (struct probe_answers){0};
}

/* ---- ranks: `right` marked among tied + right places in any order ---- */
/* The probability that none of the first `places` is marked, by that of one place less. */
static double still_missed(struct rank_answer rank, int64_t places, double missed) {
    double others = (double)(rank.tied - (places - 1)), all = others + rank.right;
    return others > 0 ? missed * others / all : 0;
}

double rank_hit(struct rank_answer rank, int most) {
    double missed = 1;
    if (rank.right == 0) return 0;
    for (int64_t i = 1; i <= most - rank.above && missed > 0; i++) missed = still_missed(rank, i, missed);
    return 1 - missed;
}

double rank_reciprocal(struct rank_answer rank) {
    double missed = 1, sum = 0;
    if (rank.right == 0) return 0;
    for (int64_t i = 1; missed > 0; i++) {
        double next = still_missed(rank, i, missed);
        sum += (missed - next) / (double)(rank.above + i);
        missed = next;
    }
    return sum;
}

/* ---- neighbours ---- */
int32_t nearest_class(const struct near_candidate *nearest, int k, const int32_t *class_of) {
    int32_t best = -1;
    int most = 0;
    for (int i = 0; i < k && nearest[i].code >= 0; i++) {
        int votes = 0;
        int32_t class = class_of[nearest[i].code];
        for (int j = 0; class >= 0 && j < k && nearest[j].code >= 0; j++) votes += class_of[nearest[j].code] == class;
        if (votes > most) {
            most = votes;
            best = class;
        }
    }
    return best;
}

/* A number of a code that has nothing to do with its place in the vocabulary (the finaliser of MurmurHash3, a bijection). */
static uint32_t scattered(int32_t code) {
    uint32_t x = (uint32_t)code + 1;
    x = (x ^ x >> 16) * 0x85ebca6bU;
    x = (x ^ x >> 13) * 0xc2b2ae35U;
    return x ^ x >> 16;
}

static int is_nearer(struct near_candidate a, struct near_candidate b) {
    if (b.code < 0 || a.likeness > b.likeness) return 1;
    return a.likeness == b.likeness && scattered(a.code) < scattered(b.code);
}

void near_candidates_add(struct near_candidate *nearest, int k, float likeness, int32_t code) {
    struct near_candidate one = {likeness, code};
    int at = k;
    while (at > 0 && is_nearer(one, nearest[at - 1])) at--;
    for (int i = k - 1; i > at; i--) nearest[i] = nearest[i - 1];
    if (at < k) nearest[at] = one;
}
