/* The models of health records against the PyTorch implementations in tests/golden/ehr, from the files that they wrote
 * (make_ehr_golden.py says what one holds): representation, loss through the head of a binary label, the gradient of every parameter,
 * and the losses of ten steps; likewise of pre-training. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/heads.h"
#include "ehr/models.h"
#include "settings.h"
#include "train/optimiser.h"

/* The promise of the project, relative to the largest value of an array: float32 rounds by 6e-8, and sums here are short. */
static const double TOLERANCE = 1e-4;
/* An array whose gradients are all far below the others', as those of a bias that softmax takes no notice of, is rounding: it counts
 * as this share of the largest gradient of all. */
static const double LEAST_SCALE = 1e-3;

/* ---- a reference file ---- */
struct golden {
    char name[80];
    int64_t rows, cols;
    double *values;
};

enum { MOST_TENSORS = 1024, MOST_CODES = 32, CODE_BYTES = 40 };

struct reference {
    struct golden tensors[MOST_TENSORS];
    int n_tensors;
    struct config config;
    long long seed;
    double rate, weight_decay;
    char code[MOST_CODES][CODE_BYTES];
    uint8_t kind[MOST_CODES];
    int32_t row[MOST_CODES];
    int64_t in_train[MOST_CODES];
    int n_codes;
};

static void read_tensor(FILE *file, struct reference *r) {
    struct golden *t = &r->tensors[r->n_tensors++];
    long long rows, cols;
    assert_true(r->n_tensors <= MOST_TENSORS);
    assert_int_equal(fscanf(file, "%79s %lld %lld", t->name, &rows, &cols), 3);
    t->rows = rows, t->cols = cols;
    assert_int_equal(mem_alloc(&t->values, rows * cols, sizeof *t->values), STATUS_OK);
    for (int64_t i = 0; i < rows * cols; i++) assert_int_equal(fscanf(file, "%lf", &t->values[i]), 1);
}

static void read_code(FILE *file, struct reference *r) {
    int kind, row, in_train, i = r->n_codes++;
    assert_true(r->n_codes <= MOST_CODES);
    assert_int_equal(fscanf(file, "%d %d %d %39[^\n]", &kind, &row, &in_train, r->code[i]), 4);
    r->kind[i] = (uint8_t)kind;
    r->row[i] = row;
    r->in_train[i] = in_train;
}

static void read_line(FILE *file, const char *word, struct reference *r) {
    char setting[80];
    if (strcmp(word, "tensor") == 0) {
        read_tensor(file, r);
    } else if (strcmp(word, "code") == 0) {
        read_code(file, r);
    } else if (strcmp(word, "seed") == 0) {
        assert_int_equal(fscanf(file, "%lld", &r->seed), 1);
    } else if (strcmp(word, "adam") == 0) {
        assert_int_equal(fscanf(file, "%lf %lf", &r->rate, &r->weight_decay), 2);
    } else {
        assert_string_equal(word, "set");
        assert_int_equal(fscanf(file, "%79s", setting), 1);
        if (config_set(&r->config, setting) != STATUS_OK) fail_msg("%s: %s", setting, status_message());
    }
}

static void read_reference(const char *name, struct reference *r) {
    char path[PATH_MAX], word[16];
    snprintf(path, sizeof path, "tests/golden/ehr/%s.txt", name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("cannot open %s: run in the project's folder, or make it with make_ehr_golden.py", path);
    assert_int_equal(config_defaults(&r->config), STATUS_OK);
    while (fscanf(file, "%15s", word) == 1) read_line(file, word, r);
    fclose(file);
}

static const struct golden *seek(const struct reference *r, const char *part, const char *name) {
    char whole[128];
    snprintf(whole, sizeof whole, "%s.%s", part, name);
    for (int i = 0; i < r->n_tensors; i++)
        if (strcmp(r->tensors[i].name, whole) == 0) return &r->tensors[i];
    return NULL;
}

static const struct golden *find(const struct reference *r, const char *part, const char *name) {
    const struct golden *t = seek(r, part, name);
    if (!t) fail_msg("the reference file has no %s.%s", part, name);
    return t;
}

/* ---- comparing ---- */
static double largest(const struct golden *t) {
    double most = 0;
    for (int64_t i = 0; i < t->rows * t->cols; i++) most = fmax(most, fabs(t->values[i]));
    return most;
}

static void compare(const struct golden *t, const real *found, int64_t rows, int64_t cols, double scale) {
    assert_int_equal(rows, t->rows);
    assert_int_equal(cols, t->cols);
    for (int64_t i = 0; i < rows * cols; i++)
        if (!(fabs(found[i] - t->values[i]) <= TOLERANCE * scale))
            fail_msg("%s[%lld] is %.9g, not %.9g: off by %.2g of %.3g", t->name, (long long)i, (double)found[i],
                     t->values[i], fabs(found[i] - t->values[i]) / scale, scale);
}

/* ---- the data of the file ---- */
#define TAKE(type, array, r, part, name)                                                                               \
    do {                                                                                                               \
        const struct golden *t_ = find((r), (part), (name));                                                           \
        assert_int_equal(mem_alloc(&(array), t_->cols, sizeof *(array)), STATUS_OK);                                   \
        for (int64_t k = 0; k < t_->cols; k++) (array)[k] = (type)t_->values[k];                                       \
    } while (0)

static void make_events(const struct reference *r, struct sample_set *set) {
    const struct golden *time = find(r, "event", "time");
    assert_int_equal(mem_alloc(&set->events, time->cols, sizeof *set->events), STATUS_OK);
    for (int64_t i = 0; i < time->cols; i++) {
        int32_t code = (int32_t)find(r, "event", "code")->values[i];
        set->events[i] = (struct sample_event){.time = (int64_t)time->values[i],
                                               .code = code,
                                               .token = r->row[code],
                                               .visit = (int32_t)find(r, "event", "visit")->values[i],
                                               .value = (float)find(r, "event", "value")->values[i]};
    }
}

static void make_visits(const struct reference *r, struct sample_set *set) {
    const struct golden *start = find(r, "visit", "start");
    assert_int_equal(mem_alloc(&set->visits, start->cols, sizeof *set->visits), STATUS_OK);
    for (int64_t i = 0; i < start->cols; i++)
        set->visits[i] = (struct cohort_visit){.id = i,
                                               .start = (int64_t)start->values[i],
                                               .end = (int64_t)find(r, "visit", "end")->values[i],
                                               .kind = (uint8_t)find(r, "visit", "kind")->values[i]};
}

/* task: index, or -1, of all samples. */
static void make_set(const struct reference *r, struct sample_set *set, int32_t task, const struct ehr_data *d) {
    set->n = find(r, "sample", "number")->cols;
    TAKE(int64_t, set->number, r, "sample", "number");
    TAKE(int64_t, set->subject, r, "sample", "subject");
    TAKE(int64_t, set->birth, r, "sample", "birth");
    TAKE(int64_t, set->time, r, "sample", "time");
    TAKE(int64_t, set->n_static, r, "sample", "n_static");
    TAKE(int32_t, set->label, r, "sample", "label");
    TAKE(int64_t, set->offsets, r, "event", "offsets");
    TAKE(int64_t, set->visit_offsets, r, "visit", "offsets");
    assert_int_equal(mem_alloc(&set->task, set->n, sizeof *set->task), STATUS_OK);
    assert_int_equal(mem_alloc(&set->unseen, set->n, sizeof *set->unseen), STATUS_OK);
    assert_int_equal(mem_alloc(&set->set_offsets, set->n + 1, sizeof *set->set_offsets), STATUS_OK);
    for (int64_t i = 0; i < set->n; i++) set->task[i] = task;
    make_events(r, set);
    make_visits(r, set);
    set->code_kind = d->code_kind;
    set->birth_code = d->birth_code;
}

static void make_codes(const struct reference *r, struct ehr_data *d) {
    d->n_cohort_codes = r->n_codes;
    d->code_bytes = CODE_BYTES;
    d->birth_code = -1;
    assert_int_equal(mem_alloc(&d->code, r->n_codes, CODE_BYTES), STATUS_OK);
    assert_int_equal(mem_alloc(&d->code_kind, r->n_codes, sizeof *d->code_kind), STATUS_OK);
    assert_int_equal(mem_alloc(&d->in_train, r->n_codes, sizeof *d->in_train), STATUS_OK);
    assert_int_equal(mem_alloc(&d->row, r->n_codes, sizeof *d->row), STATUS_OK);
    for (int i = 0; i < r->n_codes; i++) {
        memcpy(d->code + (size_t)i * CODE_BYTES, r->code[i], CODE_BYTES);
        d->code_kind[i] = r->kind[i];
        d->in_train[i] = r->in_train[i];
        d->row[i] = r->row[i];
        d->n_own += r->row[i] >= TOKEN_FIRST_CODE;
        if (strcmp(r->code[i], "MEDS_BIRTH") == 0) d->birth_code = i;
    }
    d->n_rows = TOKEN_FIRST_CODE + d->n_own;
}

/* One task, of binary labels; its samples, without labels, are those of pre-training too. */
static void make_data(const struct reference *r, struct ehr_data *d) {
    struct ehr_task *task;
    make_codes(r, d);
    make_set(r, &d->sets[SPLIT_TRAIN], 0, d);
    make_set(r, &d->pretrain, -1, d);
    d->n_train = d->n_pretrain = d->pretrain.n;
    assert_int_equal(mem_alloc(&d->tasks, 1, sizeof *d->tasks), STATUS_OK);
    d->n_tasks = 1;
    task = d->tasks;
    task->name = strdup("label");
    task->form = LABEL_BINARY;
    task->n_classes = 2;
    assert_int_equal(mem_alloc(&task->prior, 1, sizeof *task->prior), STATUS_OK);
    task->samples[SPLIT_TRAIN] = d->n_train;
    for (int64_t i = 0; i < d->n_train; i++) task->positive[SPLIT_TRAIN] += d->pretrain.label[i];
    task->prior[0] = (double)task->positive[SPLIT_TRAIN] / (double)d->n_train;
}

/* ---- the model, with the file's parameters ---- */
struct world {
    struct reference reference;
    struct comm comm;
    struct device device;
    struct ehr_options options;
    struct ehr_data data;
    struct code_rows codes;
    struct parameter_set set;
    struct ehr_heads heads;
    const struct ehr_model *model;
    void *self;
    struct tape tape;
    struct pack pack;
    struct ehr_batch batch;
    int64_t which[MOST_CODES];
    dev_int labels[1];
    dev_real loss;
};

static void set_parameters(struct world *w) {
    int n = 0;
    for (int i = 0; i < w->set.n; i++) {
        const struct parameter *p = w->set.list[i];
        if (p->flags & PARAMETER_FROZEN) continue;
        const struct golden *t = find(&w->reference, "initial", p->name);
        if (p->rows != t->rows || p->cols != t->cols)
            fail_msg("%s is [%lld, %lld] here, [%lld, %lld] in the file", p->name, (long long)p->rows,
                     (long long)p->cols, (long long)t->rows, (long long)t->cols);
        for (int64_t k = 0; k < p->rows * p->cols; k++) p->value.at[k] = (real)t->values[k];
        n++;
    }
    for (int i = 0; i < w->reference.n_tensors; i++) n -= strncmp(w->reference.tensors[i].name, "initial.", 8) == 0;
    assert_int_equal(n, 0); /* the file has no parameter besides */
}

static void make_parameters(struct world *w) {
    struct ehr_model_terms terms = {&w->comm, &w->options, &w->data, (uint64_t)w->reference.seed, &w->codes, &w->set};
    int64_t width;
    w->codes.source = (struct code_rows_source){.arm = w->options.arm, .n_own = w->data.n_own};
    assert_int_equal(w->model->make(&w->self, &terms, &width), STATUS_OK);
    assert_int_equal(ehr_heads_add(&w->heads, &w->set, &w->data, width), STATUS_OK);
    assert_int_equal(parameter_set_allocate(&w->set, &w->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&w->set, terms.seed), STATUS_OK);
    assert_int_equal(code_rows_start(&w->codes, &w->device, terms.seed), STATUS_OK);
    if (w->model->start) assert_int_equal(w->model->start(w->self, &w->device), STATUS_OK);
    set_parameters(w);
}

static int make_world(void **state) {
    const char *name = *state;
    struct world *w;
    assert_int_equal(mem_alloc(&w, 1, sizeof *w), STATUS_OK);
    w->comm = comm_self();
    read_reference(name, &w->reference);
    if (ehr_options_sized(&w->reference.config.ehr, &w->options) != STATUS_OK)
        fail_msg("%s: %s", name, status_message());
    w->model = ehr_model(w->options.model);
    make_data(&w->reference, &w->data);
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    make_parameters(w);
    tape_init(&w->tape, &w->device);
    pack_make(&w->pack, &w->device);
    w->batch.labels = w->labels;
    assert_int_equal(mem_alloc((char **)&w->batch.input, (int64_t)w->model->input_bytes, 1), STATUS_OK);
    w->loss = device_alloc_reals(&w->device, 1);
    *state = w;
    return 0;
}

static int free_world(void **state) {
    struct world *w = *state;
    if (w->model->free_input) w->model->free_input(w->batch.input);
    free(w->batch.input);
    device_free_reals(&w->device, w->loss);
    pack_free(&w->pack);
    tape_free(&w->tape);
    w->model->free(w->self);
    ehr_heads_free(&w->heads);
    parameter_set_free(&w->set);
    device_close(&w->device);
    ehr_data_free(&w->data);
    config_free(&w->reference.config);
    for (int i = 0; i < w->reference.n_tensors; i++) free(w->reference.tensors[i].values);
    free(w);
    return 0;
}

/* Samples first .. first+n-1 as a batch of step `step`, sent. */
static void pack_batch(struct world *w, enum ehr_stage stage, int64_t first, int64_t n, int64_t step) {
    const struct sample_set *set = stage == STAGE_TASK ? &w->data.sets[SPLIT_TRAIN] : &w->data.pretrain;
    for (int64_t i = 0; i < n; i++) w->which[i] = first + i;
    pack_begin(&w->pack);
    assert_int_equal(ehr_batch_pack(&w->batch, &w->pack, &w->data, set, n, w->which), STATUS_OK);
    w->batch.step = (uint32_t)step;
    assert_int_equal(w->model->pack(w->self, &w->pack, &w->batch, stage, w->batch.input), STATUS_OK);
    assert_int_equal(pack_send(&w->pack), STATUS_OK);
    tape_reset(&w->tape, 0);
    parameter_set_clear_gradients(&w->set);
    w->device.run->fill(&w->device, 1, 0, w->loss);
}

/* Forward and backward over all samples; returns the loss. */
static real differentiate(struct world *w, enum ehr_stage stage, int64_t step, struct var **representation) {
    struct var *h = NULL;
    pack_batch(w, stage, 0, w->data.n_train, step);
    if (stage == STAGE_TASK) {
        int64_t total = w->batch.n;
        h = w->model->represent(w->self, &w->tape, &w->batch);
        tape_keep(h);
        ehr_heads_loss(&w->heads, &w->tape, &w->batch, h, &total, w->loss);
    } else {
        double weight = 1 / (double)w->model->targets(w->batch.input);
        w->model->pretrain(w->self, &w->tape, &w->batch, weight, w->loss);
    }
    tape_backward(&w->tape);
    if (tape_status(&w->tape) != STATUS_OK) fail_msg("%s", status_message());
    if (representation) *representation = h;
    return w->loss.at[0];
}

static void gradients_agree(struct world *w, const char *part) {
    double most = 0;
    char whole[80];
    snprintf(whole, sizeof whole, "%s.gradient", part);
    for (int i = 0; i < w->set.n; i++)
        if (!(w->set.list[i]->flags & PARAMETER_FROZEN))
            most = fmax(most, largest(find(&w->reference, whole, w->set.list[i]->name)));
    assert_true(most > 0);
    for (int i = 0; i < w->set.n; i++) {
        const struct parameter *p = w->set.list[i];
        if (p->flags & PARAMETER_FROZEN) continue;
        const struct golden *t = find(&w->reference, whole, p->name);
        compare(t, p->grad.at, p->rows, p->cols, fmax(largest(t), LEAST_SCALE * most));
    }
}

static void steps_agree(struct world *w, enum ehr_stage stage, const char *part) {
    struct train_options options = {
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = w->reference.weight_decay};
    const struct golden *t = find(&w->reference, part, "steps");
    struct optimiser optimiser;
    assert_int_equal(optimiser_make(&optimiser, &w->set, &options), STATUS_OK);
    for (int64_t step = 0; step < t->cols; step++) {
        real loss = differentiate(w, stage, step, NULL);
        if (!(fabs(loss - t->values[step]) <= TOLERANCE * t->values[step]))
            fail_msg("%s of step %lld is %.9g, not %.9g", t->name, (long long)step, (double)loss, t->values[step]);
        optimiser_begin_update(&optimiser, w->reference.rate, step + 1, 1, 1);
        optimiser_update(&optimiser);
    }
    optimiser_free(&optimiser);
}

/* ---- the behaviours ---- */
static void representation_loss_and_gradients_agree(void **state) {
    struct world *w = *state;
    struct var *h;
    real loss = differentiate(w, STAGE_TASK, 0, &h);
    const struct golden *t = find(&w->reference, "task", "representation");
    compare(t, h->value.at, h->rows, h->cols, largest(t));
    t = find(&w->reference, "task", "loss");
    compare(t, &loss, 1, 1, largest(t));
    gradients_agree(w, "task");
}

static void ten_steps_agree(void **state) { steps_agree(*state, STAGE_TASK, "task"); }

static void pretraining_agrees(void **state) {
    struct world *w = *state;
    const struct golden *t = seek(&w->reference, "pretrain", "loss");
    assert_int_equal(t != NULL, w->model->pretrain != NULL);
    if (!t) return;
    real loss = differentiate(w, STAGE_PRETRAIN, 0, NULL);
    assert_int_equal(w->model->targets(w->batch.input), (int64_t)find(&w->reference, "pretrain", "targets")->values[0]);
    compare(t, &loss, 1, 1, largest(t));
    gradients_agree(w, "pretrain");
    steps_agree(w, STAGE_PRETRAIN, "pretrain");
}

/* What is hidden follows from sample and step, whatever is beside it. */
static void pretraining_of_a_sample_is_alike_in_each_batch(void **state) {
    struct world *w = *state;
    const struct golden *t = seek(&w->reference, "pretrain", "loss");
    double sum = 0;
    int64_t targets = 0;
    if (!t) return;
    for (int64_t i = 0; i < w->data.n_pretrain; i++) {
        pack_batch(w, STAGE_PRETRAIN, i, 1, 0);
        targets += w->model->targets(w->batch.input);
        w->model->pretrain(w->self, &w->tape, &w->batch, 1, w->loss);
        assert_int_equal(tape_status(&w->tape), STATUS_OK);
        sum += w->loss.at[0];
    }
    assert_int_equal(targets, (int64_t)find(&w->reference, "pretrain", "targets")->values[0]);
    real mean = (real)(sum / (double)targets);
    compare(t, &mean, 1, 1, largest(t));
}

#define CASE(behaviour, name)                                                                                          \
    { #behaviour ": " name, behaviour, make_world, free_world, (void *)(name) }
#define CASES(name)                                                                                                    \
    CASE(representation_loss_and_gradients_agree, name), CASE(ten_steps_agree, name), CASE(pretraining_agrees, name),  \
        CASE(pretraining_of_a_sample_is_alike_in_each_batch, name)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASES("behrt"),    CASES("ethos_probe"),  CASES("gt_behrt"), CASES("medtok_transformer"),
        CASES("mult_ehr"), CASES("transformehr"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
