/* The training step. Between collectives a rank that fails goes on with its part of the communication and says so in
 * the sum of scalars, so that no rank waits for another. */
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "train/divergence.h"
#include "train/schedule.h"

static const char *const STAGE_NAMES[N_STAGES] = {"load",   "batch",  "fetch",    "forward", "backward",
                                                  "reduce", "update", "evaluate", "save"};

/* Device scalars of a step, behind the loss terms. */
enum { NORM_DENSE, NORM_CUT, NORM_APART, N_NORMS };

static int64_t n_scalars(const struct learner *l) { return l->n_terms + N_NORMS + l->n_lengths; }
static dev_real norm_scalar(const struct training *t, int norm) {
    return dev_real_at(t->scalars, t->learner->n_terms + norm);
}

/* What is summed over ranks on the host: terms, squared lengths, numbers of vectors, and these. */
enum { SUM_NORM_CUT, SUM_STOP, SUM_FAILED, SUM_WRITING, SUM_SAMPLES, N_OTHER_SUMS };
static int n_sums(const struct learner *l) { return l->n_terms + 2 * l->n_lengths + N_OTHER_SUMS; }

/* ---- set-up ---- */
void training_open(struct training *t, const struct comm *comm, struct device *device,
                   const struct train_options *options) {
    *t = (struct training){.comm = comm, .device = device, .options = options, .rows.comm = comm};
    stages_begin(&t->stages, device, STAGE_NAMES, N_STAGES);
    stage_begin(&t->stages, STAGE_LOAD);
    tape_init(&t->tape, device);
    for (int i = 0; i < 2; i++) t->slots[i] = (struct slot){t, -1, -1};
}

/* Whether the host is free while the device works. */
static int works_beside(const struct device *device) { return strcmp(device->name, "cpu") != 0; }

static int make(struct training *t) {
    const struct learner *l = t->learner;
    const struct parameter_stretch *dense = &l->parameters->group[PARAMETERS_DENSE];
    int64_t first = l->early.n_gradients;
    TRY(optimiser_make(&t->state.optimiser, l->parameters, t->options));
    TRY(mem_alloc(&t->shared, 1 + l->n_shared, sizeof *t->shared));
    TRY(mem_alloc(&t->vectors, l->n_lengths, sizeof *t->vectors));
    TRY(mem_alloc(&t->sums, n_sums(l), sizeof *t->sums));
    TRY(mem_alloc(&t->host, n_scalars(l), sizeof *t->host));
    if (works_beside(t->device) && !(t->worker = worker_make())) return STATUS_FAILED;
    t->scalars = device_alloc_reals(t->device, n_scalars(l));
    if (!t->scalars.at) return status_set(STATUS_FAILED, "%s", device_error(t->device));
    if (l->early.n) TRY(bucket_init(&t->early, t->comm, t->device, l->early.values, l->early.n, BUCKET_MESSAGE));
    return bucket_init(&t->dense, t->comm, t->device, dev_real_at(dense->grad, first), dense->n - first,
                       BUCKET_MESSAGE);
}

int training_make(struct training *t, const struct learner *learner) {
    t->learner = learner;
    t->state.parameters = learner->parameters;
    t->state.row_order = learner->row_order;
    t->state.comm = t->comm;
    TRY(comm_agree(t->comm, make(t)));
    if (sums_by_mpi()) return STATUS_OK;
    if (learner->early.n) TRY(bucket_share(&t->early, t->comm, t->device, 0));
    return bucket_share(&t->dense, t->comm, t->device, 0);
}

int training_begin(struct training *t) {
    return t->learner->begin ? t->learner->begin(t->learner->self, &t->state.optimiser) : STATUS_OK;
}

void training_free(struct training *t) {
    if (!t->device) return;
    struct recorded_work *recorded[] = {&t->clearing, &t->norms, &t->updating};
    for (int i = 0; i < 3; i++) device_forget_recording(t->device, recorded[i]);
    worker_free(t->worker);
    bucket_free(&t->early, t->device);
    bucket_free(&t->dense, t->device);
    row_exchange_free(&t->rows);
    tape_free(&t->tape);
    optimiser_free(&t->state.optimiser);
    measures_free(&t->measures);
    device_free_reals(t->device, t->scalars);
    free(t->shared);
    free(t->vectors);
    free(t->sums);
    free(t->host);
    *t = (struct training){0};
}

/* ---- batches ---- */
static int64_t all_batches(const struct training *t) { return t->options->steps * t->options->micro_batches; }
static struct slot *slot_of(struct training *t, int64_t batch) { return &t->slots[batch % 2]; }

static int draw_asked(void *context) {
    struct slot *s = context;
    const struct learner *l = s->training->learner;
    return l->draw(l->self, s->asked, (int)(s - s->training->slots));
}

/* Has the worker, where there is one, draw the batch behind `batch`. */
static void begin_next(struct training *t, int64_t batch) {
    struct slot *s = slot_of(t, batch + 1);
    s->asked = -1;
    if (!t->worker || batch + 1 >= all_batches(t)) return;
    s->ready = -1;
    s->asked = batch + 1;
    worker_begin(t->worker, draw_asked, s);
}

/* One sum over ranks says whether all have sent, and what they must know of each other's parts. */
static int share_batch(struct training *t, int slot, int status) {
    const struct learner *l = t->learner;
    memset(t->shared, 0, (size_t)(1 + l->n_shared) * sizeof *t->shared);
    t->shared[0] = status != STATUS_OK;
    if (l->tell && status == STATUS_OK) l->tell(l->self, slot, t->shared + 1);
    TRY(comm_sum_int64(t->comm, t->shared, 1 + l->n_shared));
    if (t->shared[0] > 0) return comm_agree(t->comm, status);
    if (l->share) l->share(l->self, slot, t->shared + 1);
    return STATUS_OK;
}

/* Makes a batch ready, if it is not: this rank's part is on its way to the device, and ranks know of each other's. */
static int make_batch(struct training *t, int64_t batch) {
    const struct learner *l = t->learner;
    struct slot *s = slot_of(t, batch);
    int status, number = (int)(s - t->slots);
    if (s->ready == batch) return STATUS_OK;
    s->ready = -1;
    if (s->asked == batch) {
        status = worker_finish(t->worker);
    } else {
        s->asked = batch;
        status = draw_asked(s);
    }
    s->asked = -1;
    if (status == STATUS_OK && l->send) status = l->send(l->self, number);
    TRY(share_batch(t, number, status));
    s->ready = batch;
    return STATUS_OK;
}

/* ---- gradients ---- */
static void start_early_sum(void *context) {
    struct training *t = context;
    t->early_status = bucket_start(&t->early, t->comm, t->device);
}

/* When the device has its work of the backward pass. A tape that failed has started nothing: all ranks sum in one order. */
static void send_early_sum(struct training *t) {
    if (!t->early.started) start_early_sum(t);
    if (t->early_status == STATUS_OK) t->early_status = bucket_send(&t->early, t->comm, t->device);
}

static void clear(void *context) {
    struct training *t = context;
    parameter_set_clear_gradients(t->learner->parameters);
    t->device->run->fill(t->device, n_scalars(t->learner), 0, t->scalars);
}

/* Forward and backward of a batch. Failures of this rank alone stay in the tape and in the statuses of sums. */
static int differentiate(struct training *t, int64_t batch, int first, int last) {
    const struct learner *l = t->learner;
    struct loss_sums sums = {.terms = t->scalars,
                             .lengths = norm_scalar(t, N_NORMS),
                             .vectors = t->vectors,
                             .batch = batch,
                             .first = first,
                             .early_ready = last && l->early.n ? start_early_sum : NULL,
                             .context = t};
    stage_begin(&t->stages, STAGE_FORWARD);
    if (first) {
        device_run_recorded(t->device, &t->clearing, clear, t);
        memset(t->vectors, 0, (size_t)l->n_lengths * sizeof *t->vectors);
        t->samples = 0;
        t->early_status = STATUS_OK;
    }
    l->loss(l->self, &t->tape, (int)(batch % 2), &sums);
    t->samples += sums.samples;
    stage_begin(&t->stages, STAGE_BACKWARD);
    tape_backward(&t->tape);
    if (last && l->early.n) send_early_sum(t);
    return sums.status;
}

/* One batch of a step; `made`: whether the next one could be made, the same on all ranks. */
static int run_batch(struct training *t, int64_t batch, int first, int last, int *made) {
    const struct learner *l = t->learner;
    stage_begin(&t->stages, STAGE_BATCH);
    TRY(make_batch(t, batch));
    stage_begin(&t->stages, STAGE_FETCH);
    tape_reset(&t->tape, 0);
    row_exchange_reset(&t->rows);
    if (l->fetch) TRY(status_alone(l->fetch(l->self, &t->rows, &t->tape, (int)(batch % 2))));
    begin_next(t, batch);
    TRY(status_alone(differentiate(t, batch, first, last)));
    stage_begin(&t->stages, STAGE_BATCH); /* a GPU has its work for now */
    *made = batch + 1 < all_batches(t) ? make_batch(t, batch + 1) : STATUS_OK;
    if (last) return STATUS_OK;
    stage_begin(&t->stages, STAGE_REDUCE);
    TRY(status_alone(row_exchange_return(&t->rows, &t->tape)));
    if (l->count) l->count(l->self, first);
    return *made;
}

/* ---- sums over ranks ---- */
static void add_squares(struct training *t, dev_real gradient, int64_t n, int norm) {
    t->device->run->dot(t->device, n, 1, gradient, gradient, norm_scalar(t, norm));
}

/* Of the dense gradients, and of those among them that are apart by themselves. */
static void add_dense_squares(struct training *t) {
    const struct parameter_set *set = t->learner->parameters;
    const struct parameter_stretch *dense = &set->group[PARAMETERS_DENSE];
    dev_real from = dense->grad;
    int64_t first = 0;
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        int64_t n = p->count * p->cols;
        if (p->group != PARAMETERS_DENSE || !(p->flags & PARAMETER_APART)) continue;
        add_squares(t, from, p->offset - first, NORM_DENSE);
        add_squares(t, p->grad, n, NORM_APART);
        first = p->offset + n;
        from = dev_real_at(p->grad, n);
    }
    add_squares(t, from, dense->n - first, NORM_DENSE);
}

static void add_norms(void *context) {
    struct training *t = context;
    const struct parameter_stretch *cut = &t->learner->parameters->group[PARAMETERS_CUT];
    add_dense_squares(t);
    add_squares(t, cut->grad, cut->n, NORM_CUT);
}

static int sum_gradients(struct training *t) {
    TRY(t->early_status);
    TRY(bucket_start(&t->dense, t->comm, t->device));
    TRY(bucket_send(&t->dense, t->comm, t->device));
    TRY(row_exchange_return(&t->rows, &t->tape));
    if (t->learner->early.n) TRY(bucket_finish(&t->early, t->comm, t->device));
    TRY(bucket_finish(&t->dense, t->comm, t->device));
    device_run_recorded(t->device, &t->norms, add_norms, t);
    return STATUS_OK;
}

/* Turns the sums into what is reported: means over the step's batches. */
static void fill_report(struct training *t, const real *norms, struct step_report *r) {
    const struct learner *l = t->learner;
    double *terms = t->sums, *lengths = terms + l->n_terms, *vectors = lengths + l->n_lengths;
    const double *other = vectors + l->n_lengths;
    double batches = (double)t->options->micro_batches;
    measures_clear(&t->measures);
    *r = (struct step_report){.terms = terms,
                              .lengths = lengths,
                              .samples = (int64_t)other[SUM_SAMPLES],
                              .stop = other[SUM_STOP] > 0,
                              .n_writing = (int64_t)other[SUM_WRITING],
                              .gradient_norm = sqrt(norms[NORM_DENSE] + other[SUM_NORM_CUT]) / batches,
                              .norm_apart = sqrt(norms[NORM_APART]) / batches,
                              .measures = &t->measures};
    for (int i = 0; i < l->n_terms; i++) r->loss += terms[i] /= batches;
    for (int i = 0; i < l->n_lengths; i++) lengths[i] = vectors[i] > 0 ? sqrt(lengths[i] / vectors[i]) : 0;
}

/* Sums the scalars over ranks. The dense gradient is the same on all ranks, so its norms are not summed. */
static int sum_scalars(struct training *t, int stop, struct step_report *report) {
    const struct learner *l = t->learner;
    double *lengths = t->sums + l->n_terms, *vectors = lengths + l->n_lengths, *other = vectors + l->n_lengths;
    const real *host = t->host, *norms = host + l->n_terms, *squares = norms + N_NORMS;
    device_download_reals(t->device, t->host, t->scalars, n_scalars(l));
    training_hold(t, tape_status(&t->tape));
    for (int i = 0; i < l->n_terms; i++) t->sums[i] = host[i];
    for (int i = 0; i < l->n_lengths; i++) {
        lengths[i] = squares[i];
        vectors[i] = (double)t->vectors[i];
    }
    other[SUM_NORM_CUT] = norms[NORM_CUT];
    other[SUM_STOP] = stop;
    other[SUM_FAILED] = t->held.code != STATUS_OK;
    other[SUM_WRITING] = t->is_writing;
    other[SUM_SAMPLES] = (double)t->samples;
    TRY(comm_sum_double(t->comm, t->sums, n_sums(l)));
    fill_report(t, norms, report);
    return other[SUM_FAILED] > 0 ? training_agree(t, STATUS_OK) : STATUS_OK;
}

/* ---- update ---- */
static void move_parameters(void *context) {
    struct training *t = context;
    optimiser_update(&t->state.optimiser);
    if (t->learner->move) t->learner->move(t->learner->self);
    optimiser_average(&t->state.optimiser);
}

static void update(struct training *t, struct step_report *report) {
    double clip = t->options->clip, norm = report->gradient_norm;
    report->rate = schedule_rate(t->options, t->learner->batch, t->state.step + 1);
    report->gradient_scale = clip > 0 && norm > clip ? clip / norm : 1;
    optimiser_begin_update(&t->state.optimiser, report->rate, t->state.step + 1, 1 / (double)t->options->micro_batches,
                           report->gradient_scale);
    if (t->learner->set_rate) t->learner->set_rate(t->learner->self, report->rate);
    device_run_recorded(t->device, &t->updating, move_parameters, t);
}

void training_hold(struct training *t, int status) { status_keep(&t->held, status); }

int training_agree(struct training *t, int status) {
    training_hold(t, status);
    return comm_agree(t->comm, status_take(&t->held));
}

int training_step(struct training *t, int stop, struct step_report *report) {
    const struct learner *l = t->learner;
    int64_t n = t->options->micro_batches;
    int made = STATUS_OK;
    for (int64_t i = 0; i < n; i++) TRY(run_batch(t, t->state.step * n + i, i == 0, i + 1 == n, &made));
    stage_begin(&t->stages, STAGE_REDUCE);
    TRY(status_alone(sum_gradients(t)));
    TRY(sum_scalars(t, stop, report));
    TRY(made); /* the same on all ranks; no sum is under way any more */
    TRY(divergence_check(t, report));
    stage_begin(&t->stages, STAGE_UPDATE);
    if (l->count) l->count(l->self, n == 1); /* the device is idle after the scalars */
    update(t, report);
    t->state.step++;
    if (l->after) TRY(l->after(l->self, &t->state.optimiser, t->state.step, report));
    stage_end(&t->stages);
    return STATUS_OK;
}
