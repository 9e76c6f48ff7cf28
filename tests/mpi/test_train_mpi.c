/* train() with a learner that has nothing to do with MedTok: a logistic regression with an effect for each group of its
 * rows, on made-up data, over several ranks. What it learns is held against plain loops in double precision.
 *
 * The parameters are of each kind: whole and decaying (weight), whole (bias), cut by rows (effect), frozen (offset).
 */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "nn/layers.h"
#include "train/sampler.h"
#include "train/train.h"
#include "mpi_check.h"
#include "plain_rows.h"

/* ---- the learner ---- */
struct rows {
    struct learner learner;
    const struct comm *comm;
    struct device *device;
    struct training *training;
    struct parameter_set parameters;
    struct parameter *weight, *bias, *effect, *offset;
    struct sampler sampler;
    struct row_order order; /* of the groups' effects; empty: they lie by number */
    struct rows_slot {
        int64_t drawn[N], n, total;
        int32_t groups[GROUPS], index[N]; /* distinct groups, as fetched, ascending; which of them each row has */
        int n_groups;
    } slots[2];
    struct var *effects;
    double right; /* predictions of the step, of this rank */
    const char *metrics;
    int64_t cut_off, on_disk; /* the step after which the power goes; 0: never. What step's line is in the file then */
    int64_t device_fails;     /* the step after which the last rank's device fails; 0: never */
    int64_t
        stopped; /* the step that a signal makes the last one, and in which the last rank has no room for a measure */
    double loss[STEPS + 1];   /* of each step, by report */
    real seen[STEPS + 1];     /* weight[0] as evaluations saw it */
    real at_best;             /* weight[0] after the step with the best measure */
    int64_t n_lines, watched; /* describe was called; evaluations */
};

enum { BEST = 8 }; /* the step with the best measure */

static int signal_came; /* to this rank */
int __wrap_interrupt_asked(void);
int __wrap_interrupt_asked(void) { return signal_came; }

/* Ranks of a node, as it were; 0: as they are. */
static int per_node;
int __real_bucket_share(struct bucket *bucket, const struct comm *comm, struct device *device, int unused);
int __wrap_bucket_share(struct bucket *bucket, const struct comm *comm, struct device *device, int unused);
int __wrap_bucket_share(struct bucket *bucket, const struct comm *comm, struct device *device, int unused) {
    (void)unused;
    return __real_bucket_share(bucket, comm, device, per_node);
}

static int draw(void *self, int64_t batch, int slot) {
    struct rows *r = self;
    struct rows_slot *s = &r->slots[slot];
    s->n = sampler_draw(&r->sampler, batch, s->drawn);
    s->n_groups = 0;
    for (int fetched = 0; fetched < GROUPS; fetched++) {
        int any = 0;
        for (int64_t i = 0; i < s->n; i++) {
            int g = group_of(s->drawn[i]);
            if ((r->order.n ? r->order.position[g] : g) == fetched) s->index[i] = s->n_groups, any = 1;
        }
        if (any) s->groups[s->n_groups++] = fetched;
    }
    return STATUS_OK;
}

static void tell(void *self, int slot, int64_t *numbers) { numbers[0] = ((struct rows *)self)->slots[slot].n; }
static void share(void *self, int slot, const int64_t *sums) { ((struct rows *)self)->slots[slot].total = sums[0]; }

static int fetch(void *self, struct row_exchange *exchange, struct tape *tape, int slot) {
    struct rows *r = self;
    const struct rows_slot *s = &r->slots[slot];
    return row_exchange_fetch(exchange, tape, r->effect, s->groups, s->n_groups, &r->effects);
}

/* mean over all rows of log(1 + exp(-y z)), z = w x + b + effect + offset. The device is the CPU: its memory is the
 * host's. */
static void loss(void *self, struct tape *tape, int slot, struct loss_sums *sums) {
    struct rows *r = self;
    const struct rows_slot *s = &r->slots[slot];
    struct var *x = tape_constant(tape, s->n, DIM);
    dev_int index = tape_ints(tape, s->n);
    for (int64_t i = 0; i < s->n * DIM; i++) x->value.at[i] = (real)x_of(s->drawn[i / DIM], (int)(i % DIM));
    memcpy(index.at, s->index, (size_t)s->n * sizeof *index.at);
    struct var *z = nn_linear(tape, x, parameter_var(tape, r->weight), parameter_var(tape, r->bias));
    z = nn_add(tape, nn_gather(tape, r->effects, index, s->n), z);
    z = nn_add_bias(tape, z, parameter_var(tape, r->offset));
    for (int64_t i = 0; i < s->n; i++) {
        double y = sign_of(s->drawn[i]), value = z->value.at[i];
        sums->terms.at[0] += (real)(log1p(exp(-y * value)) / (double)s->total);
        tape_grad(tape, z).at[i] -= (real)(y / (1 + exp(y * value)) / (double)s->total);
        sums->lengths.at[0] += (real)(value * value);
        if (sums->first && i == 0) r->right = 0;
        r->right += y * value > 0;
    }
    sums->vectors[0] += s->n;
    sums->samples = s->n;
}

/* The last step that has a whole line in a metrics file; *torn: lines that are not one object. */
static int64_t last_step(const char *path, int *torn) {
    char line[1024];
    long long step = 0;
    FILE *file = fopen(path, "r");
    *torn = 0;
    while (file && fgets(line, sizeof line, file)) {
        size_t n = strlen(line);
        if (n < 2 || strcmp(line + n - 2, "}\n") != 0 || strstr(line + 1, "{\"step\"")) ++*torn;
        sscanf(line, "{\"step\": %lld", &step);
    }
    if (file) fclose(file);
    return step;
}

static int after(void *self, struct optimiser *optimiser, int64_t step, struct step_report *report) {
    struct rows *r = self;
    (void)optimiser;
    TRY(comm_sum_double(r->comm, &r->right, 1));
    measures_add(report->measures, "accuracy", r->right / (double)report->samples, 6);
    r->loss[step] = report->loss;
    if (step == BEST) r->at_best = r->weight->value.at[0];
    int torn, last = r->comm->rank == r->comm->size - 1;
    signal_came = step == r->stopped - 1;
    if (step == r->stopped && last) report->measures->status = status_set(STATUS_FAILED, "no room for a measure");
    if (step == r->device_fails && last) snprintf(r->device->error, sizeof r->device->error, "it fell from the bus");
    if (step == r->cut_off) r->on_disk = last_step(r->metrics, &torn);
    return step == r->cut_off ? comm_agree(r->comm, status_set(STATUS_FAILED, "the power went")) : STATUS_OK;
}

/* Best at step BEST, whatever was learned. */
static int evaluate(void *self, struct measures *measures) {
    struct rows *r = self;
    double from_best = (double)(r->training->state.step - BEST);
    r->seen[r->training->state.step] = r->weight->value.at[0];
    r->watched++;
    measures_add(measures, "made_up", -from_best * from_best, 6);
    return STATUS_OK;
}

static int accuse(void *self, int64_t *severity, char *text, size_t size) {
    struct rows *r = self;
    *severity = r->comm->rank;
    snprintf(text, size, "look at the rows of rank %d", r->comm->rank);
    return STATUS_OK;
}

static void describe(void *self, char *text, size_t size) {
    struct rows *r = self;
    r->n_lines++;
    snprintf(text, size, "nothing to say");
}

/* ---- a training ---- */
struct world {
    const struct comm *comm;
    char folder[PATH_MAX], checkpoint[PATH_MAX + 32], metrics[PATH_MAX + 32];
    struct device device;
    struct provenance provenance;
    struct train_options options;
    struct training training;
    struct rows rows;
    int64_t device_fails, stopped; /* as in struct rows */
    int by_use;                    /* effects lie with the rank that has the most rows of their group */
};

static struct train_options usual_options(void) {
    return (struct train_options){.batch = N,
                                  .micro_batches = 1,
                                  .steps = STEPS,
                                  .rate = 0.05,
                                  .beta1 = 0.9,
                                  .beta2 = 0.95,
                                  .epsilon = 1e-8,
                                  .weight_decay = 0.1,
                                  .clip = 0.3,
                                  .average = 0.5,
                                  .keep = 2,
                                  .log_every = 10};
}

static int order_effects(struct rows *r) {
    int64_t uses[GROUPS] = {0};
    for (int64_t i = 0; i < r->sampler.n_local; i++) uses[group_of(r->sampler.order[i])]++;
    TRY(row_order_make(&r->order, r->comm, GROUPS, uses));
    r->effect->position = r->order.position;
    r->effect->held = r->order.held;
    r->learner.row_order = &r->order;
    return STATUS_OK;
}

static int make_rows(struct world *w) {
    static const char *const TERMS[] = {"logistic"};
    static const struct watched_length LENGTHS[] = {{"length_z", "logistic"}};
    struct rows *r = &w->rows;
    double cost[N];
    for (int i = 0; i < N; i++) cost[i] = 1 + i % 3;
    *r = (struct rows){.comm = w->comm, .device = &w->device, .training = &w->training};
    TRY(sampler_make(&r->sampler, w->comm, PARTITION_RANDOM, NULL, 3, 0, "rows", N, w->options.batch, cost));
    r->weight = parameter_add(&r->parameters, 1, DIM, (struct init){.normal = 0.1}, PARAMETER_DECAYS, "weight");
    r->offset = parameter_add(&r->parameters, 1, 1, (struct init){.constant = OFFSET}, PARAMETER_FROZEN, "offset");
    r->effect =
        parameter_add(&r->parameters, GROUPS, 1, (struct init){.uniform = 0.1}, PARAMETER_BY_ROWS, "effect.of.%s",
                      "the group, whose name is longer than the 48 letters that names once had");
    r->bias = parameter_add(&r->parameters, 1, 1, (struct init){0}, 0, "bias");
    r->learner = (struct learner){.self = r,
                                  .parameters = &r->parameters,
                                  .settings = "train",
                                  .samples = "rows",
                                  .evaluated = "rows",
                                  .terms = TERMS,
                                  .n_terms = 1,
                                  .lengths = LENGTHS,
                                  .n_lengths = 1,
                                  .draw = draw,
                                  .tell = tell,
                                  .share = share,
                                  .n_shared = 1,
                                  .fetch = fetch,
                                  .loss = loss,
                                  .after = after,
                                  .evaluate = evaluate,
                                  .accuse = accuse,
                                  .describe = describe};
    if (w->by_use) TRY(order_effects(r));
    TRY(parameter_set_allocate(&r->parameters, &w->device, w->comm->rank, w->comm->size, 1));
    return parameter_set_initialize(&r->parameters, 5);
}

static void end(struct world *w) {
    training_free(&w->training);
    parameter_set_free(&w->rows.parameters);
    sampler_free(&w->rows.sampler);
    row_order_free(&w->rows.order);
}

/* Trains under w->options from what the folder holds; the caller calls end. cut_off as in struct rows. */
static int run(struct world *w, int64_t cut_off) {
    struct checkpoint_ring ring = {w->checkpoint, &w->provenance, w->options.keep, "files.checkpoint"};
    training_open(&w->training, w->comm, &w->device, &w->options);
    CHECK(make_rows(w) == STATUS_OK);
    w->rows.cut_off = cut_off;
    w->rows.metrics = w->metrics;
    w->rows.device_fails = w->device_fails;
    w->rows.stopped = w->stopped;
    TRY(checkpoint_ring_guard(&ring, w->comm, 0, w->options.resume == RESUME_AUTO));
    return train(&w->training, &w->rows.learner, &ring, w->metrics);
}

/* Counts the folder's files whose name contains `part`, or removes them. */
static int look_for(const struct world *w, const char *part, int removes) {
    DIR *dir = opendir(w->folder);
    char path[2 * PATH_MAX];
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.' || !strstr(e->d_name, part)) continue;
        snprintf(path, sizeof path, "%s/%s", w->folder, e->d_name);
        if (removes) unlink(path);
        n++;
    }
    if (dir) closedir(dir);
    return n;
}

static void clean(struct world *w) {
    CHECK(comm_agree(w->comm, STATUS_OK) == STATUS_OK);
    if (w->comm->rank == 0) look_for(w, "", 1);
    CHECK(comm_agree(w->comm, STATUS_OK) == STATUS_OK);
}

/* ---- against plain loops ---- */
/* float32 values of size 1 through STEPS updates of Adam, which divides by the size of gradients. */
static int is_close(double a, double b) { return fabs(a - b) <= 2e-5 * (1 + fabs(b)); }

static void check_learned(const struct world *w) {
    const struct rows *r = &w->rows;
    struct plain p = plain_start();
    for (int step = 1; step <= STEPS; step++) {
        plain_step(&p, &w->options, step);
        CHECK(is_close(r->loss[step], p.loss));
        if (w->options.eval_every && step % w->options.eval_every == 0) CHECK(is_close(r->seen[step], p.average[0]));
    }
    for (int j = 0; j < DIM; j++) CHECK(is_close(r->weight->value.at[j], p.value[j]));
    for (int64_t g = 0; g < r->effect->count; g++)
        CHECK(is_close(r->effect->value.at[g], p.value[DIM + parameter_row(r->effect, g)]));
    CHECK(is_close(r->bias->value.at[0], p.value[N_VALUES - 1]));
    CHECK(r->offset->value.at[0] == OFFSET);
}

/* ---- behaviours ---- */
static void an_unknown_learner_learns_as_in_plain_loops(struct world *w) {
    w->options.eval_every = 5;
    CHECK(run(w, 0) == STATUS_OK);
    check_learned(w);
    CHECK(w->rows.watched == 5); /* four times, and at the end */
    if (w->comm->rank == 0) {
        static const char *const WANTED[] = {"{\"step\": ",  "\"rows\": 48",        "\"loss\": ",      "\"logistic\": ",
                                             "\"length_z\"", "\"gradient_norm\": ", "\"accuracy\": 0."};
        char line[1024];
        int n = 0, n_evaluations = 0;
        FILE *file = fopen(w->metrics, "r");
        while (file && fgets(line, sizeof line, file)) {
            int is_step = strstr(line, WANTED[0]) == line;
            for (size_t k = 0; is_step && k < sizeof WANTED / sizeof *WANTED; k++)
                CHECK(strstr(line, WANTED[k]) || (k == 6 && strstr(line, "\"accuracy\": 1")));
            n += is_step;
            n_evaluations += strstr(line, "{\"eval_step\": ") == line && strstr(line, "\"made_up\": -");
        }
        if (file) fclose(file);
        CHECK(n == STEPS && n_evaluations == 5 && w->rows.n_lines == 3);
        CHECK(look_for(w, "checkpoint", 0) == 2); /* the final one, and the metrics */
    }
    end(w);
}

static void micro_batches_of_one_size_are_one_batch(struct world *w) {
    w->options.batch = N / 4;
    w->options.micro_batches = 4;
    CHECK(run(w, 0) == STATUS_OK);
    check_learned(w);
    end(w);
}

/* The values held here, weight, bias and effect. */
static void keep_values(const struct rows *r, real values[N_VALUES]) {
    memset(values, 0, N_VALUES * sizeof *values);
    memcpy(values, r->weight->value.at, DIM * sizeof *values);
    memcpy(values + DIM, r->effect->value.at, (size_t)r->effect->count * sizeof *values);
    values[N_VALUES - 1] = r->bias->value.at[0];
}

/* Leaves a third of a metrics file, of STEPS lines alike in length, and half a line. */
static int tear(const char *path) {
    char line[1024];
    FILE *file = fopen(path, "r");
    long end = 0;
    for (int i = 0; file && i < STEPS / 3 && fgets(line, sizeof line, file); i++) end = ftell(file);
    if (file) fclose(file);
    return end ? truncate(path, end + 20) : -1;
}

static void a_training_that_was_cut_off_goes_on_to_the_same_weights(struct world *w) {
    real whole[N_VALUES], resumed[N_VALUES];
    int torn;
    w->options.checkpoint_every = 7;
    w->options.batch = 20; /* an epoch has three batches, of 16 */
    CHECK(run(w, 0) == STATUS_OK);
    keep_values(&w->rows, whole);
    end(w);
    clean(w);
    CHECK(run(w, 17) == STATUS_FAILED && strstr(status_message(), "the power went"));
    CHECK(w->rows.on_disk >= 14); /* metrics up to the last checkpoint */
    end(w);
    if (w->comm->rank == 0) CHECK(tear(w->metrics) == 0);
    if (w->comm->rank == 0) CHECK(look_for(w, ".step-", 0) == 2 && look_for(w, ".step-000000014", 0) == 1);
    CHECK(run(w, 0) == STATUS_OK);
    CHECK(w->rows.loss[14] == 0 && w->rows.loss[15] > 0); /* it began with step 15 */
    keep_values(&w->rows, resumed);
    CHECK(memcmp(whole, resumed, sizeof whole) == 0);
    if (w->comm->rank == 0) CHECK(last_step(w->metrics, &torn) == STEPS && torn == 0);
    if (w->comm->rank == 0) CHECK(look_for(w, ".step-", 0) == 0);
    end(w);
}

/* The file has them by number: this process reads all of them, as any number of ranks would. */
static void check_saved(const struct world *w) {
    struct plain p = plain_start();
    float value[GROUPS], m[GROUPS], v[GROUPS];
    struct checkpoint_entry effect = {
        .name = w->rows.effect->name, .rows = GROUPS, .cols = 1, .count = GROUPS, .value = value, .m = m, .v = v};
    int64_t step;
    for (int s = 1; s <= STEPS; s++) plain_step(&p, &w->options, s);
    CHECK(checkpoint_read(w->checkpoint, &effect, 1, &step) == STATUS_OK && step == STEPS);
    for (int g = 0; g < GROUPS; g++) CHECK(is_close(value[g], p.value[DIM + g]));
}

/* Behind a run that has ended well: the same training, stopped in step 17 and run again, which goes on behind step 14. */
static void ends_the_same_when_it_was_stopped(struct world *w) {
    real whole[N_VALUES], resumed[N_VALUES];
    keep_values(&w->rows, whole);
    end(w);
    clean(w);
    CHECK(run(w, 17) == STATUS_FAILED);
    end(w);
    CHECK(run(w, 0) == STATUS_OK && w->rows.loss[14] == 0 && w->rows.loss[15] > 0);
    keep_values(&w->rows, resumed);
    CHECK(memcmp(whole, resumed, sizeof whole) == 0);
    end(w);
}

static void rows_that_lie_with_their_users_are_learned_saved_and_found_again(struct world *w) {
    w->by_use = 1;
    w->options.checkpoint_every = 7;
    CHECK(run(w, 0) == STATUS_OK);
    check_learned(w);
    check_saved(w);
    ends_the_same_when_it_was_stopped(w);
    w->by_use = 0;
}

/* Gradients are cut by their norm, so that what nodes add to it shows in what is learned; moments are joined for the checkpoints. */
static void nodes_that_divide_the_update_learn_as_one_rank_does(struct world *w) {
    if (w->comm->size < 4 || w->comm->size % 2) return;
    per_node = 2;
    w->options.checkpoint_every = 7;
    CHECK(run(w, 0) == STATUS_OK);
    check_learned(w);
    if (w->training.divided)
        CHECK(w->training.dense.node.memory.n_ranks == 2);
    else if (w->comm->rank == 0) /* where that should not be, test_exchanges_mpi fails */
        printf("skipped: a divided update, since ranks do not share memory here\n");
    ends_the_same_when_it_was_stopped(w);
    per_node = 0;
}

/* What a device that has failed no longer tells is not saved as zeros. */
static void a_device_that_failed_saves_nothing(struct world *w) {
    w->options.checkpoint_every = 7;
    w->device_fails = 7;
    CHECK(run(w, 0) == STATUS_FAILED && strstr(status_message(), "it fell from the bus"));
    w->device_fails = 0;
    end(w);
    w->device.error[0] = 0;
    if (w->comm->rank == 0) CHECK(look_for(w, ".h5", 0) == 0);
}

/* Between the last step and the end there is no sum that would bring it to the others. */
static void what_fails_on_one_rank_in_the_last_step_before_a_stop_is_said(struct world *w) {
    w->stopped = 5;
    CHECK(run(w, 0) == STATUS_FAILED && strstr(status_message(), "no room for a measure"));
    end(w);
    w->stopped = 0;
}

/* A training that went on from it would never have its lines. */
static void a_checkpoint_whose_metrics_are_lost_is_not_made(struct world *w) {
    char metrics[sizeof w->metrics];
    memcpy(metrics, w->metrics, sizeof metrics);
    snprintf(w->metrics, sizeof w->metrics, "/dev/full");
    w->options.checkpoint_every = 7;
    w->options.log_every = STEPS; /* which flushes */
    CHECK(run(w, 0) == STATUS_FAILED && strstr(status_message(), "/dev/full: No space left"));
    CHECK(w->rows.loss[7] > 0 && w->rows.loss[8] == 0);
    end(w);
    memcpy(w->metrics, metrics, sizeof metrics);
    if (w->comm->rank == 0) CHECK(look_for(w, ".h5", 0) == 0);
}

static void patience_ends_with_the_best_weights(struct world *w) {
    w->options.eval_every = 4;
    w->options.patience = 2;
    w->options.checkpoint_every = 13;
    for (int64_t cut_off = 0; cut_off <= 14; cut_off += 14) {
        real best = 0;
        if (cut_off) {
            CHECK(run(w, cut_off) == STATUS_FAILED);
            if (w->comm->rank == 0) CHECK(look_for(w, ".best.h5", 0) == 1);
            best = w->rows.at_best;
            end(w);
        }
        CHECK(run(w, 0) == STATUS_OK);
        if (!cut_off) best = w->rows.at_best;
        CHECK(w->rows.loss[16] > 0 && w->rows.loss[17] == 0); /* evaluated at 4, 8, 12 and 16 */
        CHECK(w->training.state.step == BEST && w->rows.weight->value.at[0] == best && best != 0);
        if (w->comm->rank == 0) CHECK(look_for(w, ".best.h5", 0) == 0 && look_for(w, ".step-", 0) == 0);
        end(w);
        clean(w);
    }
}

static void a_step_that_diverges_accuses_the_learners_samples(struct world *w) {
    char wanted[64];
    w->options.max_loss = 0.01;
    CHECK(run(w, 0) == STATUS_FAILED);
    snprintf(wanted, sizeof wanted, "look at the rows of rank %d", w->comm->size - 1);
    CHECK(strstr(status_message(), "step 1: logistic is ") && strstr(status_message(), wanted));
    CHECK(strstr(status_message(), "lower train.rate, or "));
    end(w);
    w->options.max_loss = 0;
    w->options.max_length = 0.01;
    CHECK(run(w, 0) == STATUS_FAILED);
    CHECK(strstr(status_message(), "logistic compares vectors of length "));
    end(w);
    if (w->comm->rank == 0) CHECK(look_for(w, ".h5", 0) == 0);
}

/* ---- main ---- */
static int make_world(struct world *w, const struct comm *comm) {
    *w = (struct world){.comm = comm, .provenance = {.job = "train", .config = "seed: 1\n"}};
    TRY(make_folder(comm, "train", w->folder));
    snprintf(w->checkpoint, sizeof w->checkpoint, "%s/checkpoint.h5", w->folder);
    snprintf(w->metrics, sizeof w->metrics, "%s/checkpoint.jsonl", w->folder);
    provenance_finish(&w->provenance, KIND_CHECKPOINT);
    return device_open_cpu(&w->device, 1) ? status_set(STATUS_FAILED, "%s", w->device.error) : STATUS_OK;
}

#define BEHAVIOUR(name)                                                                                                \
    { #name, name }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(struct world *w);
    } BEHAVIOURS[] = {BEHAVIOUR(an_unknown_learner_learns_as_in_plain_loops),
                      BEHAVIOUR(micro_batches_of_one_size_are_one_batch),
                      BEHAVIOUR(a_training_that_was_cut_off_goes_on_to_the_same_weights),
                      BEHAVIOUR(rows_that_lie_with_their_users_are_learned_saved_and_found_again),
                      BEHAVIOUR(nodes_that_divide_the_update_learn_as_one_rank_does),
                      BEHAVIOUR(a_device_that_failed_saves_nothing),
                      BEHAVIOUR(what_fails_on_one_rank_in_the_last_step_before_a_stop_is_said),
                      BEHAVIOUR(a_checkpoint_whose_metrics_are_lost_is_not_made),
                      BEHAVIOUR(patience_ends_with_the_best_weights),
                      BEHAVIOUR(a_step_that_diverges_accuses_the_learners_samples)};
    static struct world w;
    struct comm comm;
    int bad = 0, status = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK) status = make_world(&w, &comm);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_WARN);
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        w.options = usual_options();
        BEHAVIOURS[b].check(&w);
        clean(&w);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    if (comm.rank == 0) remove_folder(w.folder);
    device_close(&w.device);
    provenance_free(&w.provenance);
    comm_stop(&comm);
    return bad > 0;
}
