/* Read answers_make first. */
#include "qa/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ASKED_AT_ONCE = 16 };

struct answering {
    struct answer_model *model;
    struct tape tape;
    struct answer_batch batch;
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

static int ask(struct answering *a, int64_t n, const struct asked *asked) {
    struct answer_model *m = a->model;
    int64_t v = m->llama.config.vocabulary;
    TRY(answer_batch_pack(&a->batch, m, n, asked));
    TRY(pack_send(&a->batch.pack));
    tape_reset(&a->tape, 1);
    struct var *states = answer_states(m, &a->tape, &a->batch);
    struct var *logits = nn_linear(&a->tape, states, llama_head(&m->llama, &a->tape), NULL);
    TRY(tape_status(&a->tape));
    device_download_reals(m->device, a->logits, logits->value, n * v);
    TRY(tape_status(&a->tape));
    for (int64_t i = 0; i < n; i++) TRY(score(a, asked[i], a->logits + i * v));
    if (asked[0].rotation == 0) a->n_cut[0] += a->batch.n_cut, a->n_cut[1] += a->batch.n_shortened;
    return STATUS_OK;
}

/* This rank's share. Each order of the options is asked by itself, so that cut questions are counted in the first alone. */
static int ask_share(struct answering *a, const struct comm *comm, int with_rotations) {
    const struct questions *q = a->model->questions;
    int64_t first = q->n * comm->rank / comm->size, end = q->n * (comm->rank + 1) / comm->size, n = 0;
    struct asked asked[ASKED_AT_ONCE];
    for (int rotation = 0; rotation < (with_rotations ? QUESTION_OPTIONS : 1); rotation++) {
        for (int64_t i = first; i < end; i++) {
            if (rotation < q->items[i].n_options) asked[n++] = (struct asked){i, rotation};
            if (n < ASKED_AT_ONCE && i + 1 < end) continue;
            if (n) TRY(ask(a, n, asked));
            n = 0;
        }
    }
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

static int begin(struct answers *x, struct answering *a, struct answer_model *m, int with_rotations) {
    int64_t n = m->questions->n;
    *x = (struct answers){.n = n};
    *a = (struct answering){.model = m};
    tape_init(&a->tape, m->device);
    answer_batch_make(&a->batch, m->device);
    TRY(mem_alloc(&x->plain, n, sizeof *x->plain));
    if (with_rotations) TRY(mem_alloc(&x->rotated, n, sizeof *x->rotated));
    TRY(mem_alloc(&a->logits, ASKED_AT_ONCE * m->llama.config.vocabulary, sizeof *a->logits));
    return mem_alloc(&a->scores, n * QUESTION_OPTIONS * QUESTION_OPTIONS, sizeof *a->scores);
}

int answers_make(struct answers *x, const struct comm *comm, struct answer_model *m, int with_rotations) {
    int64_t size = (int64_t)QUESTION_OPTIONS * QUESTION_OPTIONS;
    struct answering a;
    int status = comm_agree(comm, begin(x, &a, m, with_rotations));
    if (status == STATUS_OK) status = comm_agree(comm, ask_share(&a, comm, with_rotations));
    if (status == STATUS_OK) status = comm_sum_double(comm, a.scores, x->n * size);
    if (status == STATUS_OK) status = comm_sum_int64(comm, a.n_cut, 2);
    for (int64_t i = 0; i < x->n && status == STATUS_OK; i++) choose(x, m, i, a.scores + i * size);
    x->n_cut = a.n_cut[0];
    x->n_shortened = a.n_cut[1];
    tape_free(&a.tape);
    answer_batch_free(&a.batch);
    free(a.logits);
    free(a.scores);
    return status;
}

void answers_free(struct answers *x) {
    free(x->plain);
    free(x->rotated);
    *x = (struct answers){0};
}
