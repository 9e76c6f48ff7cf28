/* Read answers_make first. */
#include "qa/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"

enum { ASKED_AT_ONCE = 64 }; /* at most; device->linear_rows are aimed at */

/* Two batches take turns: while the device works on one, the host scores the one before and makes the one behind. */
struct answering {
    struct answer_model *model;
    struct tape tape;
    struct answer_batch batches[2];
    struct asked *asked; /* [n_asked] all of this rank's share */
    int64_t n_asked, n_tokens;
    real *logits;     /* [ASKED_AT_ONCE, vocabulary] */
    double *scores;   /* [n, QUESTION_OPTIONS rotations, QUESTION_OPTIONS] of options as the file has them */
    int64_t n_cut[2]; /* questions whose stem, or descriptions, were cut */
};

/* log softmax over the vocabulary, at the letters of the question's options. */
static int score(const struct answering *a, struct asked asked, const real *logits) {
    const struct answer_model *m = a->model;
    int n = m->questions->items[asked.question].n_options;
    double most = -INFINITY, sum = 0;
    for (int64_t v = 0; v < m->llama.config.vocabulary; v++) most = fmax(most, (double)logits[v]);
    for (int64_t v = 0; v < m->llama.config.vocabulary; v++) sum += exp((double)logits[v] - most);
    double *to = a->scores + (asked.question * QUESTION_OPTIONS + asked.rotation) * QUESTION_OPTIONS;
    for (int i = 0; i < n; i++) {
        double s = (double)logits[m->letters[i]] - most - log(sum);
        if (!isfinite(s))
            return status_set(
                STATUS_FAILED,
                "question %s: the score of option %c is no finite number: the model's weights, its adapter or "
                "the codes' vectors are damaged, or too large for the precision of run.compute",
                m->questions->items[asked.question].id, question_letter(i));
        to[(i + asked.rotation) % n] = s;
    }
    return STATUS_OK;
}

/* Makes the batch of questions from number `at` of the share on. */
static int make(struct answering *a, int slot, int64_t at) {
    int64_t n = a->n_asked - at < ASKED_AT_ONCE ? a->n_asked - at : ASKED_AT_ONCE;
    struct answer_batch *b = &a->batches[slot];
    b->n = 0;
    if (n == 0) return STATUS_OK;
    TRY(answer_batch_pack(b, a->model, n, a->asked + at, a->model->device->linear_rows));
    a->n_cut[0] += b->n_cut, a->n_cut[1] += b->n_shortened;
    a->n_tokens += b->rows.segments.rows.n_rows;
    return STATUS_OK;
}

/* Hands the batch to the device, which need not be done when this returns. */
static int begin_batch(struct answering *a, struct answer_batch *b, struct var **logits) {
    TRY(pack_send(&b->pack));
    tape_reset(&a->tape, 1);
    struct var *states = answer_states(a->model, &a->tape, b);
    *logits = nn_linear(&a->tape, states, llama_head(&a->model->llama, &a->tape), NULL);
    return tape_status(&a->tape);
}

/* Of the batch whose logits are on the host; it began at number `at`. */
static int score_batch(const struct answering *a, int64_t at, int64_t n) {
    for (int64_t i = 0; i < n; i++) TRY(score(a, a->asked[at + i], a->logits + i * a->model->llama.config.vocabulary));
    return STATUS_OK;
}

static int answer_all(struct answering *a) {
    int64_t before = 0, n_before = 0, at = 0;
    int slot = 0;
    struct var *logits;
    TRY(make(a, slot, 0));
    for (int64_t n; (n = a->batches[slot].n) > 0; slot = !slot) {
        TRY(begin_batch(a, &a->batches[slot], &logits));
        TRY(score_batch(a, before, n_before));
        TRY(make(a, !slot, at + n));
        device_download_reals(a->model->device, a->logits, logits->value, n * a->model->llama.config.vocabulary);
        TRY(tape_status(&a->tape));
        before = at, n_before = n, at += n;
    }
    return score_batch(a, before, n_before);
}

/* This rank's questions, each in all orders that are asked for. */
static int list_share(struct answering *a, const struct comm *comm, int with_rotations) {
    const struct questions *q = a->model->questions;
    int64_t first = q->n * comm->rank / comm->size, end = q->n * (comm->rank + 1) / comm->size;
    TRY(mem_alloc(&a->asked, (end - first) * (with_rotations ? QUESTION_OPTIONS : 1), sizeof *a->asked));
    for (int64_t i = first; i < end; i++)
        for (int r = 0; r < (with_rotations ? q->items[i].n_options : 1); r++)
            a->asked[a->n_asked++] = (struct asked){i, r};
    return STATUS_OK;
}

/* ---- choices ---- */
static int best(const double *scores, int n) {
    int chosen = 0;
    for (int i = 1; i < n; i++)
        if (scores[i] > scores[chosen]) chosen = i;
    return chosen;
}

/* Whether something of the question's codes stands before it; of an arm that knows nothing of them, whether it has any. */
static int has_codes(const struct answer_model *m, int64_t i) {
    int n;
    if (prefix_has_vectors(m->prefix.kind)) return prefix_vectors(&m->prefix, i) > 0;
    if (m->options.prefix != QA_PREFIX_DESCRIPTIONS) return m->questions->items[i].n_codes > 0;
    (void)code_descriptions_of(&m->descriptions, i, &n);
    return n > 0;
}

static void choose(struct answers *x, const struct answer_model *m, int64_t i, const double *scores) {
    const struct question *q = &m->questions->items[i];
    int n = q->n_options, same = 1, with_codes = has_codes(m, i);
    struct option_scores *plain = &x->plain[i], *rotated = x->rotated ? &x->rotated[i] : NULL;
    *plain = (struct option_scores){.n_scored = n, .chosen = best(scores, n), .with_codes = with_codes};
    memcpy(plain->scores, scores, sizeof plain->scores);
    if (!rotated) return;
    *rotated = (struct option_scores){.n_scored = n, .with_codes = with_codes};
    for (int r = 0; r < n; r++) {
        const double *turned = scores + (int64_t)r * QUESTION_OPTIONS;
        for (int k = 0; k < n; k++) rotated->scores[k] += turned[k] / n;
        same &= best(turned, n) == plain->chosen;
    }
    rotated->chosen = best(rotated->scores, n);
    x->n_same += same;
}

static int begin(struct answers *x, struct answering *a, const struct comm *comm, struct answer_model *m,
                 int with_rotations) {
    int64_t n = m->questions->n;
    *x = (struct answers){.n = n};
    *a = (struct answering){.model = m};
    tape_init(&a->tape, m->device);
    for (int i = 0; i < 2; i++) answer_batch_make(&a->batches[i], m->device);
    TRY(mem_alloc(&x->plain, n, sizeof *x->plain));
    if (with_rotations) TRY(mem_alloc(&x->rotated, n, sizeof *x->rotated));
    TRY(list_share(a, comm, with_rotations));
    TRY(mem_alloc(&a->logits, ASKED_AT_ONCE * m->llama.config.vocabulary, sizeof *a->logits));
    return mem_alloc(&a->scores, n * QUESTION_OPTIONS * QUESTION_OPTIONS, sizeof *a->scores);
}

static void say_speed(int64_t counts[2], double seconds) {
    log_info("answered %lld prompts of %lld tokens in %.1f s, %.0f tokens a second", (long long)counts[0],
             (long long)counts[1], seconds, (double)counts[1] / (seconds > 1e-6 ? seconds : 1e-6));
}

int answers_make(struct answers *x, const struct comm *comm, struct answer_model *m, int with_rotations) {
    int64_t size = (int64_t)QUESTION_OPTIONS * QUESTION_OPTIONS;
    struct answering a;
    int status = comm_agree(comm, begin(x, &a, comm, m, with_rotations));
    double started = clock_seconds();
    if (status == STATUS_OK) status = comm_agree(comm, answer_all(&a));
    int64_t counts[2] = {a.n_asked, a.n_tokens};
    if (status == STATUS_OK) status = comm_sum_double(comm, a.scores, x->n * size);
    if (status == STATUS_OK) status = comm_sum_int64(comm, a.n_cut, 2);
    if (status == STATUS_OK) status = comm_sum_int64(comm, counts, 2);
    if (status == STATUS_OK) say_speed(counts, clock_seconds() - started);
    for (int64_t i = 0; i < x->n && status == STATUS_OK; i++) choose(x, m, i, a.scores + i * size);
    x->n_cut = a.n_cut[0];
    x->n_shortened = a.n_cut[1];
    tape_free(&a.tape);
    for (int i = 0; i < 2; i++) answer_batch_free(&a.batches[i]);
    free(a.asked);
    free(a.logits);
    free(a.scores);
    return status;
}

void answers_free(struct answers *x) {
    free(x->plain);
    free(x->rotated);
    *x = (struct answers){0};
}
