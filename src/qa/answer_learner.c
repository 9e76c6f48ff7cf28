#include "qa/answer_learner.h"

#include <stdlib.h>

#include "base/status.h"

struct train_options answer_train_options(const struct qa_options *o) {
    return (struct train_options){.batch = o->batch,
                                  .micro_batches = o->micro_batches,
                                  .steps = o->steps,
                                  .rate = o->rate,
                                  .schedule = SCHEDULE_COSINE,
                                  .warmup = o->warmup < o->steps ? o->warmup : o->steps,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .clip = 1,
                                  .max_loss = 1e6,
                                  .partition = PARTITION_BLOCK,
                                  .checkpoint_every = o->checkpoint_every,
                                  .keep = 2,
                                  .log_every = o->log_every,
                                  .resume = RESUME_AUTO};
}

/* ---- the callbacks, in the order in which a step makes them ---- */
static int draw(void *self, int64_t batch, int slot) {
    struct answer_learner *l = self;
    struct answer_slot *s = &l->slots[slot];
    int64_t before, n = sampler_draw(&l->sampler, batch, s->drawn);
    sampler_position(&l->sampler, batch, &before, &s->total);
    s->step = (uint32_t)batch;
    for (int64_t i = 0; i < n; i++) s->asked[i] = (struct asked){.question = s->drawn[i]};
    return answer_batch_pack(&s->batch, l->model, n, s->asked, 0);
}

static int send(void *self, int slot) {
    struct answer_learner *l = self;
    return pack_send(&l->slots[slot].batch.pack);
}

static void loss(void *self, struct tape *tape, int slot, struct loss_sums *sums) {
    struct answer_learner *l = self;
    struct answer_slot *s = &l->slots[slot];
    struct answer_batch *b = &s->batch;
    sums->samples = b->n;
    if (b->n == 0) return;
    b->rows.dropout = (struct dropout){.seed = l->seed, .step = s->step};
    struct var *states = answer_states(l->model, tape, b);
    struct cross_entropy how = {.scale = 1, .weight = 1 / (double)s->total, .target = b->target};
    nn_cross_entropy(tape, states, llama_head(&l->model->llama, tape), NULL, how, sums->terms, (dev_real){NULL});
}

/* ---- set-up ---- */
/* All questions count alike. */
static int make_sampler(struct answer_learner *l, const struct comm *comm) {
    const struct questions *q = l->model->questions;
    double *cost;
    TRY(mem_alloc(&cost, q->n, sizeof *cost));
    for (int64_t i = 0; i < q->n; i++) cost[i] = 1;
    int status = sampler_make(&l->sampler, comm, PARTITION_BLOCK, NULL, l->seed, 0, "questions", q->n,
                              l->model->options.batch, cost);
    free(cost);
    return status;
}

int answer_learner_make(struct answer_learner *l, const struct comm *comm, struct answer_model *model, uint64_t seed) {
    static const char *const TERMS[] = {"cross_entropy"};
    *l = (struct answer_learner){.model = model, .seed = seed};
    for (int i = 0; i < 2; i++) answer_batch_make(&l->slots[i].batch, model->device);
    TRY(make_sampler(l, comm));
    int64_t most = l->sampler.end_stratum - l->sampler.first_stratum;
    for (int i = 0; i < 2; i++) {
        TRY(mem_alloc(&l->slots[i].drawn, most, sizeof *l->slots[i].drawn));
        TRY(mem_alloc(&l->slots[i].asked, most, sizeof *l->slots[i].asked));
    }
    l->learner = (struct learner){.self = l,
                                  .parameters = &model->parameters,
                                  .settings = "qa",
                                  .samples = "questions",
                                  .batch = l->sampler.n_strata,
                                  .terms = TERMS,
                                  .n_terms = 1,
                                  .draw = draw,
                                  .send = send,
                                  .loss = loss};
    return STATUS_OK;
}

void answer_learner_free(struct answer_learner *l) {
    for (int i = 0; i < 2 && l->model; i++) {
        free(l->slots[i].drawn);
        free(l->slots[i].asked);
        answer_batch_free(&l->slots[i].batch);
    }
    sampler_free(&l->sampler);
    *l = (struct answer_learner){0};
}
