/* The callbacks, in the order in which a step makes them; then scores. */
#include "ehr/learner.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

enum { SCORED_TOKENS = 16384 }; /* of a batch that is scored */

struct train_options ehr_train_options(const struct ehr_options *o) {
    return (struct train_options){.batch = o->batch,
                                  .micro_batches = 1,
                                  .steps = o->steps,
                                  .rate = o->rate,
                                  .schedule = SCHEDULE_COSINE,
                                  .warmup = o->warmup,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .weight_decay = o->weight_decay,
                                  .clip = 1,
                                  .max_loss = o->max_loss,
                                  .average = o->average,
                                  .partition = PARTITION_BLOCK,
                                  .checkpoint_every = o->checkpoint_every,
                                  .keep = 1,
                                  .log_every = o->log_every,
                                  .resume = RESUME_AUTO,
                                  .eval_every = o->eval_every,
                                  .patience = o->patience};
}

/* ---- a batch ---- */
static int draw(void *self, int64_t batch, int slot) {
    struct ehr_learner *l = self;
    struct ehr_slot *s = &l->slots[slot];
    const struct ehr_data *d = l->terms.data;
    s->n = sampler_draw(&l->sampler, batch, s->drawn);
    for (int64_t i = 0; i < s->n; i++) s->drawn[i] -= d->train_first; /* samples of train, to those of this rank */
    TRY(ehr_batch_pack(&s->batch, &s->pack, &d->sets[SPLIT_TRAIN], s->n, s->drawn));
    s->batch.step = (uint32_t)batch;
    return STATUS_OK;
}

static int send(void *self, int slot) {
    struct ehr_learner *l = self;
    return pack_send(&l->slots[slot].pack);
}

static int share(void *self, int slot) {
    struct ehr_learner *l = self;
    struct ehr_slot *s = &l->slots[slot];
    s->total = s->n;
    return comm_sum_int64(l->comm, &s->total, 1);
}

static void loss(void *self, struct tape *tape, int slot, struct loss_sums *sums) {
    struct ehr_learner *l = self;
    const struct ehr_slot *s = &l->slots[slot];
    sums->samples = s->n;
    if (s->n == 0) return;
    struct var *logits = l->model->logits(l->self, tape, &s->batch);
    nn_bce(tape, logits, (struct bce){.y = s->batch.label, .weight = 1 / (double)s->total}, sums->terms);
}

/* ---- evaluation ---- */
static int evaluate(void *self, struct measures *measures) {
    struct ehr_learner *l = self;
    struct scored_sample *samples;
    struct scores scores;
    int64_t n;
    enum { DIGITS = 9 };
    TRY(ehr_learner_score(l, SPLIT_TUNING, &n, &samples));
    int status = scores_compute(n, samples, &scores);
    free(samples);
    TRY(comm_agree(l->comm, status));
    measures_add(measures, "average_precision", scores.average_precision, DIGITS);
    measures_add(measures, "auroc", scores.auroc, DIGITS);
    measures_add(measures, "log_loss", scores.log_loss, DIGITS);
    measures->watched = 0;
    return STATUS_OK;
}

/* ---- set-up ---- */
static int make_model(struct ehr_learner *l, int trains) {
    const struct ehr_learner_terms *t = &l->terms;
    struct ehr_model_terms model = {t->options, t->seed, t->data->prior};
    l->model = ehr_model(t->options->model);
    embedding_add(&l->embedding, &l->parameters, &t->source, t->options->dim);
    TRY(l->model->make(&l->self, &l->parameters, &l->embedding, &model));
    TRY(parameter_set_allocate(&l->parameters, l->device, l->comm->rank, l->comm->size, trains));
    TRY(parameter_set_initialize(&l->parameters, t->seed));
    TRY(embedding_start(&l->embedding, l->device, t->seed));
    return l->model->start ? l->model->start(l->self, l->device) : STATUS_OK;
}

static int make_slots(struct ehr_learner *l) {
    const struct ehr_data *d = l->terms.data;
    TRY(sampler_make(&l->sampler, l->comm, PARTITION_BLOCK, l->terms.seed, 0, "samples", d->task_samples[SPLIT_TRAIN],
                     l->terms.options->batch, d->train_cost));
    for (int i = 0; i < 2; i++) {
        pack_make(&l->slots[i].pack, l->device);
        TRY(mem_alloc(&l->slots[i].drawn, l->sampler.end_stratum - l->sampler.first_stratum,
                      sizeof *l->slots[i].drawn));
    }
    return STATUS_OK;
}

int ehr_learner_make(struct ehr_learner *l, const struct ehr_learner_terms *terms, const struct comm *comm,
                     struct device *device, int trains) {
    static const char *const TERMS[] = {"cross_entropy"};
    *l = (struct ehr_learner){.terms = *terms, .comm = comm, .device = device, .most_tokens = SCORED_TOKENS};
    tape_init(&l->tape, device);
    pack_make(&l->pack, device);
    int status = make_model(l, trains);
    if (status == STATUS_OK && trains) status = make_slots(l);
    l->learner = (struct learner){.self = l,
                                  .parameters = &l->parameters,
                                  .settings = "ehr",
                                  .samples = "samples",
                                  .evaluated = "samples of tuning",
                                  .terms = TERMS,
                                  .n_terms = 1,
                                  .draw = draw,
                                  .send = send,
                                  .share = share,
                                  .loss = loss,
                                  .evaluate = evaluate};
    return comm_agree(comm, status);
}

void ehr_learner_free(struct ehr_learner *l) {
    if (!l->device) return;
    for (int i = 0; i < 2; i++) {
        pack_free(&l->slots[i].pack);
        free(l->slots[i].drawn);
    }
    sampler_free(&l->sampler);
    pack_free(&l->pack);
    tape_free(&l->tape);
    if (l->model) l->model->free(l->self);
    parameter_set_free(&l->parameters);
    *l = (struct ehr_learner){0};
}

/* ---- scores ---- */
/* The scores of samples which[n], the next ones of the set. */
static int score_batch(struct ehr_learner *l, const struct sample_set *set, int64_t n, const int64_t *which, real *host,
                       struct scored_sample *out) {
    TRY(ehr_batch_pack(&l->batch, &l->pack, set, n, which));
    TRY(pack_send(&l->pack));
    tape_reset(&l->tape, 1);
    struct var *logits = l->model->logits(l->self, &l->tape, &l->batch);
    TRY(tape_status(&l->tape));
    device_download_reals(l->device, host, logits->value, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = (struct scored_sample){.sample = set->number[which[i]],
                                        .subject = set->subject[which[i]],
                                        .label = set->label[which[i]],
                                        .score = 1 / (1 + exp(-(double)host[i]))};
    return STATUS_OK;
}

static int score_set(struct ehr_learner *l, const struct sample_set *set, struct scored_sample *out) {
    int64_t *which = NULL;
    real *host = NULL;
    int status = mem_alloc(&which, set->n, sizeof *which);
    if (status == STATUS_OK) status = mem_alloc(&host, set->n, sizeof *host);
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++) which[i] = i;
    for (int64_t first = 0, end; first < set->n && status == STATUS_OK; first = end) {
        for (end = first + 1; end < set->n && set->offsets[end + 1] - set->offsets[first] <= l->most_tokens;) end++;
        status = score_batch(l, set, end - first, which + first, host, out + first);
    }
    free(which);
    free(host);
    return status;
}

int ehr_learner_score(struct ehr_learner *l, enum cohort_split split, int64_t *n, struct scored_sample **samples) {
    const struct sample_set *set = &l->terms.data->sets[split];
    struct scored_sample *own;
    int status = mem_alloc(&own, set->n, sizeof *own);
    if (status == STATUS_OK) status = score_set(l, set, own);
    status = comm_agree(l->comm, status);
    if (status == STATUS_OK) status = scored_samples_gather(l->comm, set->n, own, n, samples);
    free(own);
    return status;
}
