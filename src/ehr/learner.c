/* The callbacks, in the order in which a step makes them; then set-up. Scores: learner_scores.c. */
#include "ehr/learner.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { SCORED_EVENTS = 16384 }; /* of a batch that is scored */

struct train_options ehr_train_options(const struct ehr_options *o, enum ehr_stage stage) {
    int is_task = stage == STAGE_TASK;
    int64_t steps = is_task ? o->steps : o->pretrain_steps;
    return (struct train_options){.batch = o->batch,
                                  .micro_batches = 1,
                                  .steps = steps,
                                  .rate = is_task ? o->rate : o->pretrain_rate,
                                  .schedule = SCHEDULE_COSINE,
                                  .warmup = o->warmup < steps ? o->warmup : steps,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .weight_decay = o->weight_decay,
                                  .clip = 1,
                                  .max_loss = o->max_loss,
                                  .average = is_task ? o->average : 0,
                                  .partition = PARTITION_BLOCK,
                                  .checkpoint_every = o->checkpoint_every,
                                  .keep = 1,
                                  .log_every = o->log_every,
                                  .resume = RESUME_AUTO,
                                  .eval_every = is_task ? o->eval_every : 0,
                                  .patience = o->patience};
}

/* ---- a batch ---- */
static const struct sample_set *trained_set(const struct ehr_learner *l) {
    return l->stage == STAGE_TASK ? &l->terms.data->sets[SPLIT_TRAIN] : &l->terms.data->pretrain;
}

int ehr_learner_pack(struct ehr_learner *l, struct ehr_slot *s, const struct sample_set *set, int64_t n,
                     const int64_t *which) {
    pack_begin(&s->pack);
    TRY(ehr_batch_pack(&s->batch, &s->pack, l->terms.data, set, n, which));
    return n ? l->model->pack(l->self, &s->pack, &s->batch, l->stage, s->batch.input) : STATUS_OK;
}

static int draw(void *self, int64_t batch, int slot) {
    struct ehr_learner *l = self;
    struct ehr_slot *s = &l->slots[slot];
    const struct ehr_data *d = l->terms.data;
    int64_t first = l->stage == STAGE_TASK ? d->train_first : d->pretrain_first;
    int64_t n = sampler_draw(&l->sampler, batch, s->drawn);
    for (int64_t i = 0; i < n; i++) s->drawn[i] -= first; /* samples of all ranks, to those of this rank */
    s->batch.step = (uint32_t)batch;
    return ehr_learner_pack(l, s, trained_set(l), n, s->drawn);
}

static int send(void *self, int slot) {
    struct ehr_learner *l = self;
    return pack_send(&l->slots[slot].pack);
}

/* What a batch's losses are means over: targets, or samples of each task. */
static void tell(void *self, int slot, int64_t *numbers) {
    struct ehr_learner *l = self;
    const struct ehr_slot *s = &l->slots[slot];
    const struct sample_set *set = trained_set(l);
    if (l->stage == STAGE_PRETRAIN) {
        numbers[0] = s->batch.n ? l->model->targets(s->batch.input) : 0;
        return;
    }
    for (int64_t i = 0; i < s->batch.n; i++) numbers[set->task[s->drawn[i]]]++;
}

static void share(void *self, int slot, const int64_t *sums) {
    struct ehr_learner *l = self;
    memcpy(l->slots[slot].total, sums, (size_t)l->learner.n_shared * sizeof *sums);
}

static void loss(void *self, struct tape *tape, int slot, struct loss_sums *sums) {
    struct ehr_learner *l = self;
    const struct ehr_slot *s = &l->slots[slot];
    sums->samples = s->batch.n;
    if (s->batch.n == 0) return;
    if (l->stage == STAGE_TASK)
        ehr_heads_loss(&l->heads, tape, &s->batch, l->model->represent(l->self, tape, &s->batch), s->total,
                       sums->terms);
    else if (s->total[0] > 0)
        l->model->pretrain(l->self, tape, &s->batch, 1 / (double)s->total[0], sums->terms);
}

/* ---- evaluation ---- */
enum { DIGITS = 9 };

static int evaluate_binary(struct ehr_learner *l, struct measures *measures) {
    struct scored_sample *samples;
    struct scores scores;
    int64_t n;
    TRY(ehr_learner_score(l, SPLIT_TUNING, &n, &samples));
    int status = scores_compute(n, samples, &scores);
    free(samples);
    TRY(comm_agree(l->comm, status));
    measures_add(measures, "average_precision", scores.average_precision, DIGITS);
    measures_add(measures, "auroc", scores.auroc, DIGITS);
    measures_add(measures, "log_loss", scores.log_loss, DIGITS);
    return STATUS_OK;
}

static int evaluate_classes(struct ehr_learner *l, struct measures *measures) {
    struct ehr_class_scores predicted;
    struct class_scores scores = {0};
    int status = ehr_learner_score_classes(l, SPLIT_TUNING, &predicted);
    if (status == STATUS_OK) status = comm_agree(l->comm, class_scores_compute(&predicted.predictions, &scores));
    if (status == STATUS_OK) {
        measures_add(measures, "average_precision", scores.values[CLASS_AVERAGE_PRECISION_MACRO], DIGITS);
        measures_add(measures, "auroc", scores.values[CLASS_AUROC_MACRO], DIGITS);
    }
    class_scores_free(&scores);
    ehr_class_scores_free(&predicted);
    return status;
}

static int evaluate(void *self, struct measures *measures) {
    struct ehr_learner *l = self;
    measures->watched = 0;
    return l->terms.data->tasks[0].form == LABEL_BINARY ? evaluate_binary(l, measures) : evaluate_classes(l, measures);
}

/* ---- set-up ---- */
static int make_model(struct ehr_learner *l, int trains) {
    const struct ehr_learner_terms *t = &l->terms;
    struct ehr_model_terms model = {l->comm, t->options, t->data, t->seed, &l->codes, &l->parameters};
    int64_t width;
    l->model = ehr_model(t->options->model);
    l->codes.source = t->source;
    l->parameters.values_by_name = 1; /* arms of one seed start from the same encoder */
    TRY(l->model->make(&l->self, &model, &width));
    TRY(ehr_heads_add(&l->heads, &l->parameters, t->data, width));
    TRY(parameter_set_allocate(&l->parameters, l->device, l->comm->rank, l->comm->size, trains));
    TRY(parameter_set_initialize(&l->parameters, t->seed));
    TRY(code_rows_start(&l->codes, l->device, t->seed));
    TRY(ehr_heads_start(&l->heads, l->device));
    return l->model->start ? l->model->start(l->self, l->device) : STATUS_OK;
}

static int make_slot(struct ehr_learner *l, struct ehr_slot *s, int64_t most_drawn) {
    int64_t n_tasks = l->terms.data->n_tasks;
    pack_make(&s->pack, l->device);
    TRY(mem_alloc(&s->drawn, most_drawn, sizeof *s->drawn));
    TRY(mem_alloc(&s->total, n_tasks, sizeof *s->total));
    TRY(mem_alloc(&s->batch.labels, n_tasks, sizeof *s->batch.labels));
    return mem_alloc(&s->batch.input, 1, (long long)l->model->input_bytes);
}

static int make_slots(struct ehr_learner *l) {
    const struct ehr_data *d = l->terms.data;
    int is_task = l->stage == STAGE_TASK;
    TRY(sampler_make(&l->sampler, l->comm, PARTITION_BLOCK, NULL, l->terms.seed, 0, "samples",
                     is_task ? d->n_train : d->n_pretrain, l->terms.options->batch,
                     is_task ? d->train_cost : d->pretrain_cost));
    for (int i = 0; i < 2; i++) TRY(make_slot(l, &l->slots[i], l->sampler.end_stratum - l->sampler.first_stratum));
    return STATUS_OK;
}

int ehr_learner_make(struct ehr_learner *l, const struct ehr_learner_terms *terms, enum ehr_stage stage,
                     const struct comm *comm, struct device *device, int trains) {
    static const char *const TASK[] = {"cross_entropy"}, *const PRETRAIN[] = {"pretraining"};
    int is_task = stage == STAGE_TASK;
    *l = (struct ehr_learner){
        .terms = *terms, .stage = stage, .comm = comm, .device = device, .most_tokens = SCORED_EVENTS};
    tape_init(&l->tape, device);
    int status = comm_agree(comm, make_model(l, trains));
    if (status == STATUS_OK) status = make_slot(l, &l->scored, 0);
    if (status == STATUS_OK && trains) status = make_slots(l);
    l->learner = (struct learner){.self = l,
                                  .parameters = &l->parameters,
                                  .settings = "ehr",
                                  .samples = is_task ? "samples" : "subjects",
                                  .batch = l->sampler.n_strata,
                                  .evaluated = "samples of tuning",
                                  .terms = is_task ? TASK : PRETRAIN,
                                  .n_terms = 1,
                                  .draw = draw,
                                  .send = send,
                                  .tell = tell,
                                  .share = share,
                                  .n_shared = stage == STAGE_PRETRAIN ? 1 : l->terms.data->n_tasks,
                                  .loss = loss,
                                  .evaluate = is_task ? evaluate : NULL};
    return comm_agree(comm, status);
}

static void free_slot(struct ehr_learner *l, struct ehr_slot *s) {
    if (s->batch.input && l->model->free_input) l->model->free_input(s->batch.input);
    free(s->batch.input);
    free(s->batch.labels);
    free(s->total);
    free(s->drawn);
    pack_free(&s->pack);
}

void ehr_learner_free(struct ehr_learner *l) {
    if (!l->device) return;
    for (int i = 0; i < 2; i++) free_slot(l, &l->slots[i]);
    free_slot(l, &l->scored);
    sampler_free(&l->sampler);
    tape_free(&l->tape);
    if (l->model) l->model->free(l->self);
    ehr_heads_free(&l->heads);
    parameter_set_free(&l->parameters);
    *l = (struct ehr_learner){0};
}

int ehr_learner_start_from(struct ehr_learner *l, const struct ehr_learner *pretrained) {
    int64_t most = 0;
    real *host;
    for (long long i = 0; i < l->parameters.n; i++) {
        const struct parameter *p = l->parameters.list[i];
        if (p->count * p->cols > most) most = p->count * p->cols;
    }
    TRY(mem_alloc(&host, most, sizeof *host));
    for (long long i = 0; i < l->parameters.n; i++) {
        const struct parameter *to = l->parameters.list[i], *from = pretrained->parameters.list[i];
        if (strncmp(to->name, "head.", 5) == 0) continue;
        device_download_reals(l->device, host, from->value, from->count * from->cols);
        device_upload_reals(l->device, to->value, host, to->count * to->cols);
        device_synchronize(l->device);
    }
    free(host);
    return STATUS_OK;
}
