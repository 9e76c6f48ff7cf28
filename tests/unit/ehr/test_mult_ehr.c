/* What is special about MulT-EHR: the graph that it makes of a sample's history, and several tasks at once. That it is equal to its PyTorch
 * implementation is test_model_golden.c's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/heads.h"
#include "ehr/models/mult_ehr_input.h"
#include "store/cohort_events.h"
#include "train/optimiser.h"

static const int64_t DAY = (int64_t)86400 * 1000000;

enum { FEVER, COUGH, ASPIRIN, INSULIN, SEX, N_CODES, T = TOKEN_FIRST_CODE };
static uint8_t KINDS[N_CODES] = {CODE_KIND_DIAGNOSIS, CODE_KIND_DIAGNOSIS, CODE_KIND_DRUG, CODE_KIND_DRUG,
                                 CODE_KIND_FACT};
static char TEXTS[N_CODES][4] = {"D/a", "D/b", "R/a", "R/b", "S/f"};

/* ---- samples ---- */
/* An admission of two days and, eight days later, one that goes on; the sample asks about the second. Codes by visit: fever and aspirin;
 * fever, cough, aspirin and insulin. */
enum { N_EVENTS = 7 };
static int64_t TIMES[N_EVENTS];
static int32_t EVENT_CODES[N_EVENTS] = {SEX, FEVER, ASPIRIN, FEVER, COUGH, ASPIRIN, INSULIN},
               EVENT_VISITS[N_EVENTS] = {-1, 0, 0, 1, 1, 1, 1};
static float VALUES[N_EVENTS];
static struct cohort_visit VISITS[2];

/* The sample's history, of a task that hides kinds of its visit. */
static struct history history_of(int32_t hidden) {
    static int64_t offsets[] = {0, N_EVENTS}, visit_offsets[] = {0, 2}, task_offsets[] = {0, 1}, subject = 5,
                   death = COHORT_NO_TIME, birth = 0, time;
    static int32_t sample_subject = 0, sample_visit = 1, task_hidden;
    static uint8_t split;
    int64_t day[] = {0, 9000, 9001, 9009, 9009, 9010, 9010};
    struct history h = {0};
    for (int i = 0; i < N_EVENTS; i++) TIMES[i] = i == 0 ? COHORT_NO_TIME : day[i] * DAY;
    VISITS[0] = (struct cohort_visit){.start = 9000 * DAY, .end = 9002 * DAY, .kind = VISIT_INPATIENT};
    VISITS[1] = (struct cohort_visit){.start = 9009 * DAY, .end = 9020 * DAY, .kind = VISIT_INPATIENT};
    time = 9011 * DAY;
    task_hidden = hidden;
    struct cohort_events events = {.n_subjects = 1,
                                   .death = &death,
                                   .offsets = offsets,
                                   .time = TIMES,
                                   .code = EVENT_CODES,
                                   .value = VALUES,
                                   .visit = EVENT_VISITS,
                                   .visit_offsets = visit_offsets,
                                   .visits = VISITS};
    struct cohort cohort = {.n_codes = N_CODES,
                            .code_bytes = sizeof TEXTS[0],
                            .code = TEXTS[0],
                            .code_kind = KINDS,
                            .n_subjects = 1,
                            .subject = &subject,
                            .birth = &birth,
                            .split = &split,
                            .n_tasks = 1,
                            .task_offsets = task_offsets,
                            .task_hidden = &task_hidden,
                            .sample_subject = &sample_subject,
                            .sample_visit = &sample_visit,
                            .sample_time = &time,
                            .events = &events};
    assert_int_equal(cohort_history(&cohort, 0, &h), STATUS_OK);
    return h;
}

enum { MOST_SAMPLES = 64, MOST_EVENTS = 8 * MOST_SAMPLES };

/* Samples side by side, in arrays of their own. */
struct samples {
    struct sample_set set;
    int64_t number[MOST_SAMPLES], birth[MOST_SAMPLES], time[MOST_SAMPLES], n_static[MOST_SAMPLES];
    int64_t offsets[MOST_SAMPLES + 1], visit_offsets[MOST_SAMPLES + 1], set_offsets[MOST_SAMPLES + 1];
    int32_t task[MOST_SAMPLES], label[MOST_SAMPLES];
    struct sample_event events[MOST_EVENTS];
    struct cohort_visit visits[MOST_EVENTS];
};

static void begin(struct samples *s) {
    *s = (struct samples){0};
    s->set = (struct sample_set){.number = s->number,
                                 .task = s->task,
                                 .birth = s->birth,
                                 .time = s->time,
                                 .label = s->label,
                                 .set_offsets = s->set_offsets,
                                 .offsets = s->offsets,
                                 .n_static = s->n_static,
                                 .events = s->events,
                                 .visit_offsets = s->visit_offsets,
                                 .visits = s->visits,
                                 .birth_code = -1,
                                 .code_kind = KINDS};
}

static void add(struct samples *s, const struct history *h, int32_t task, int32_t label) {
    int64_t i = s->set.n++;
    s->number[i] = i;
    s->birth[i] = 0;
    s->task[i] = task;
    s->label[i] = label;
    s->n_static[i] = h->n_static;
    s->offsets[i + 1] = s->offsets[i] + h->n;
    s->visit_offsets[i + 1] = s->visit_offsets[i] + h->n_visits;
    for (int64_t e = 0; e < h->n; e++)
        s->events[s->offsets[i] + e] =
            (struct sample_event){h->time[e], h->code[e], T + h->code[e], h->visit ? h->visit[e] : -1, NAN};
    for (int64_t v = 0; v < h->n_visits; v++) s->visits[s->visit_offsets[i] + v] = h->visits[v];
}

/* Days with a code each. */
static void add_days(struct samples *s, int64_t n, const int32_t *day_codes, int32_t task, int32_t label) {
    int64_t time[8];
    int32_t code[8];
    for (int64_t i = 0; i < n; i++) time[i] = (9000 + i) * DAY, code[i] = day_codes[i];
    add(s, &(struct history){.n = n, .time = time, .code = code}, task, label);
}

/* ---- graphs ---- */
static struct device device;
static struct pack pack;

static void make_graph(const struct samples *s, struct mult_ehr_input *in) {
    static struct ehr_options options = {
        .visits = VISITS_ADMISSIONS, .max_length = 64, .dim = 4, .heads = 2, .age = AGE_YEARS};
    static struct code_rows rows = {.source = {.n_own = N_CODES}};
    struct mult_ehr_terms terms = {.options = &options, .rows = &rows};
    int64_t which[MOST_SAMPLES];
    for (int64_t i = 0; i < s->set.n; i++) which[i] = i;
    struct ehr_batch batch = {.n = s->set.n, .set = &s->set, .which = which};
    *in = (struct mult_ehr_input){0};
    pack_begin(&pack);
    assert_int_equal(mult_ehr_pack(&terms, &pack, &batch, STAGE_TASK, in), STATUS_OK);
    assert_int_equal(pack_send(&pack), STATUS_OK);
}

/* By which number a relation between visits and a type of codes is known. */
static int to_visits(enum node_type type) {
    for (int r = 0; r < N_RELATIONS; r++)
        if (mult_ehr_relation(r).source == type && mult_ehr_relation(r).target == NODE_VISIT) return r;
    fail();
    return -1;
}

static void check_edges(struct edges e, int64_t n_targets, const int32_t *offsets, const int32_t *sources) {
    assert_int_equal(e.n, offsets[n_targets]);
    assert_memory_equal(e.offsets.at, offsets, (size_t)(n_targets + 1) * sizeof *offsets);
    assert_memory_equal(e.sources.at, sources, (size_t)e.n * sizeof *sources);
}

static int64_t n_drugs_of_last_visit(int32_t hidden) {
    static struct samples s;
    struct mult_ehr_input in;
    struct history h = history_of(hidden);
    begin(&s);
    add(&s, &h, 0, 0);
    make_graph(&s, &in);
    const int32_t *offsets = in.edges[to_visits(NODE_PRESCRIPTION)].offsets.at,
                  *diagnoses = in.edges[to_visits(NODE_DIAGNOSIS)].offsets.at;
    int32_t last = in.last.at[0];
    assert_int_equal(in.nodes[NODE_VISIT].rows.n_rows, 2);
    assert_int_equal(last, 1);
    assert_int_equal(offsets[1] - offsets[0], 1); /* aspirin, of the visit before */
    assert_int_equal(diagnoses[last + 1] - diagnoses[last], 2);
    int64_t n = offsets[last + 1] - offsets[last];
    assert_int_equal(in.nodes[NODE_PRESCRIPTION].rows.n_rows, n == 0 ? 1 : 2);
    mult_ehr_free_input(&in);
    history_free(&h);
    return n;
}

static void a_task_that_asks_for_drugs_has_no_edge_from_its_visit_to_one(void **state) {
    (void)state;
    assert_int_equal(n_drugs_of_last_visit(1 << CODE_KIND_DRUG), 0);
    assert_int_equal(n_drugs_of_last_visit(0), 2);
}

/* Codes of a sample are nodes once each, in each sample anew; edges are those of the histories. */
static void a_graph_is_the_samples_own(void **state) {
    (void)state;
    static struct samples s;
    struct mult_ehr_input in;
    struct history h = history_of(0);
    begin(&s);
    add(&s, &h, 0, 0);
    add_days(&s, 2, (const int32_t[]){COUGH, FEVER}, 0, 0);
    add_days(&s, 0, NULL, 0, 0);
    make_graph(&s, &in);
    assert_int_equal(in.nodes[NODE_VISIT].rows.n_rows, 2 + 2 + 1);
    assert_memory_equal(in.last.at, ((int32_t[]){1, 3, 4}), 3 * sizeof(int32_t));
    assert_memory_equal(in.age.at, ((int32_t[]){25, 25, 25, 25, 0}), 5 * sizeof(int32_t)); /* 1 + 9000 / 365.25 */
    check_edges(in.edges[to_visits(NODE_PATIENT)], 5, (int32_t[]){0, 1, 2, 3, 4, 5}, (int32_t[]){0, 0, 1, 1, 2});
    check_edges(in.edges[to_visits(NODE_PATIENT) + 1], 3, (int32_t[]){0, 2, 4, 5}, (int32_t[]){0, 1, 2, 3, 4});
    /* diagnoses: fever, cough; fever, cough */
    assert_memory_equal(in.codes[0].learned.at, ((int32_t[]){T + FEVER, T + COUGH, T + FEVER, T + COUGH}),
                        4 * sizeof(int32_t));
    check_edges(in.edges[to_visits(NODE_DIAGNOSIS)], 5, (int32_t[]){0, 1, 3, 4, 5, 5}, (int32_t[]){0, 0, 1, 3, 2});
    check_edges(in.edges[to_visits(NODE_DIAGNOSIS) + 1], 4, (int32_t[]){0, 2, 3, 4, 5}, (int32_t[]){0, 1, 1, 3, 2});
    check_edges(in.edges[to_visits(NODE_PRESCRIPTION)], 5, (int32_t[]){0, 1, 3, 3, 3, 3}, (int32_t[]){0, 0, 1});
    check_edges(in.edges[to_visits(NODE_PROCEDURE)], 5, (int32_t[6]){0}, (int32_t[1]){0});
    assert_int_equal(in.facts.n, 1);
    assert_memory_equal(in.facts_of.items.offsets.at, ((int32_t[]){0, 1, 1, 1}), 4 * sizeof(int32_t));
    mult_ehr_free_input(&in);
    history_free(&h);
}

/* ---- several tasks ---- */
enum { STEPS = 150 };

/* Does the subject have fever? And, asked of others: how many of aspirin and insulin? */
static void make_tasks(struct samples *s, struct ehr_data *d, struct ehr_task tasks[2], double prior[4]) {
    begin(s);
    for (int64_t i = 0; i < MOST_SAMPLES; i++) {
        int32_t has[N_CODES], days[N_CODES], n = 0, task = (int32_t)(i % 4 == 3);
        for (int32_t c = 0; c < SEX; c++) has[c] = rng_uniform(3, 1, (uint32_t)c, (uint64_t)i) < 0.5;
        for (int32_t c = 0; c < SEX; c++)
            if (has[c]) days[n++] = c;
        add_days(s, n, days, task, task ? has[ASPIRIN] + has[INSULIN] : has[FEVER]);
    }
    tasks[0] = (struct ehr_task){.name = "fever", .form = LABEL_BINARY, .n_classes = 2, .prior = prior};
    tasks[1] = (struct ehr_task){.name = "drugs", .form = LABEL_CLASS, .n_classes = 3, .prior = prior};
    for (int i = 0; i < 4; i++) prior[i] = 1.0 / 3;
    *d = (struct ehr_data){.n_tasks = 2, .tasks = tasks, .n_own = N_CODES, .n_rows = T + N_CODES};
}

struct world {
    struct samples samples;
    struct ehr_data data;
    struct ehr_task tasks[2];
    double prior[4];
    struct comm comm;
    struct code_rows codes;
    struct parameter_set set;
    struct ehr_heads heads;
    void *self;
    struct mult_ehr_input input;
    struct ehr_batch batch;
    dev_int labels[2];
    int64_t which[MOST_SAMPLES], total[2];
    struct tape tape;
};

static const struct ehr_options OPTIONS = {
    .model = EHR_MULT_EHR, .max_length = 64, .dim = 16, .layers = 2, .heads = 2, .inner = 16};

static void open_world(struct world *w) {
    *w = (struct world){.comm = comm_self()};
    int64_t width;
    make_tasks(&w->samples, &w->data, w->tasks, w->prior);
    w->codes.source.n_own = N_CODES;
    struct ehr_model_terms terms = {&w->comm, &OPTIONS, &w->data, 7, &w->codes, &w->set};
    assert_int_equal(EHR_MULT_EHR_MODEL.make(&w->self, &terms, &width), STATUS_OK);
    assert_int_equal(ehr_heads_add(&w->heads, &w->set, &w->data, width), STATUS_OK);
    assert_int_equal(parameter_set_allocate(&w->set, &device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&w->set, 7), STATUS_OK);
    w->batch.labels = w->labels;
    w->batch.input = &w->input;
    tape_init(&w->tape, &device);
    for (int64_t i = 0; i < MOST_SAMPLES; i++) w->which[i] = i, w->total[w->samples.task[i]]++;
    pack_begin(&pack);
    assert_int_equal(ehr_batch_pack(&w->batch, &pack, &w->data, &w->samples.set, MOST_SAMPLES, w->which), STATUS_OK);
    assert_int_equal(EHR_MULT_EHR_MODEL.pack(w->self, &pack, &w->batch, STAGE_TASK, &w->input), STATUS_OK);
    assert_int_equal(pack_send(&pack), STATUS_OK);
}

static void close_world(struct world *w) {
    EHR_MULT_EHR_MODEL.free_input(&w->input);
    EHR_MULT_EHR_MODEL.free(w->self);
    ehr_heads_free(&w->heads);
    parameter_set_free(&w->set);
    tape_free(&w->tape);
}

/* Forward and backward; the logits of both tasks for all samples. */
static real loss_of(struct world *w, real logits[MOST_SAMPLES][4]) {
    dev_real loss = device_alloc_reals(&device, 1);
    tape_reset(&w->tape, 0);
    parameter_set_clear_gradients(&w->set);
    device.run->fill(&device, 1, 0, loss);
    struct var *h = EHR_MULT_EHR_MODEL.represent(w->self, &w->tape, &w->batch);
    struct var *fever = ehr_heads_logits(&w->heads, &w->tape, 0, h),
               *drugs = ehr_heads_logits(&w->heads, &w->tape, 1, h);
    for (int64_t i = 0; i < MOST_SAMPLES; i++) {
        logits[i][0] = fever->value.at[i];
        memcpy(logits[i] + 1, drugs->value.at + 3 * i, 3 * sizeof **logits);
    }
    ehr_heads_loss(&w->heads, &w->tape, &w->batch, h, w->total, loss);
    tape_backward(&w->tape);
    assert_int_equal(tape_status(&w->tape), STATUS_OK);
    real value = loss.at[0];
    device_free_reals(&device, loss);
    return value;
}

/* The mean over a task's samples, of whom the tasks have 48 and 16, then over tasks. 1e-5: float32. */
static void the_loss_of_two_tasks_is_the_mean_of_their_means(void **state) {
    (void)state;
    static struct world w;
    static real logits[MOST_SAMPLES][4];
    double sum[2] = {0};
    open_world(&w);
    real loss = loss_of(&w, logits);
    for (int64_t i = 0; i < MOST_SAMPLES; i++) {
        const real *x = logits[i];
        int32_t y = w.samples.label[i];
        if (w.samples.task[i] == 0)
            sum[0] += log1p(exp(y ? -x[0] : x[0]));
        else
            sum[1] += log(exp(x[1]) + exp(x[2]) + exp(x[3])) - x[1 + y];
    }
    assert_int_equal(w.total[0], 48);
    assert_true(fabs(loss - (sum[0] / 48 + sum[1] / 16) / 2) < 1e-5);
    close_world(&w);
}

/* One model tells both, of samples of either task, when it has learned them at once; before, it does not. */
static void two_tasks_are_learned_at_once(void **state) {
    (void)state;
    static struct world w;
    static real logits[MOST_SAMPLES][4];
    struct train_options options = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    struct optimiser optimiser;
    int right[2][2] = {{0}};
    open_world(&w);
    assert_int_equal(optimiser_make(&optimiser, &w.set, &options), STATUS_OK);
    for (int64_t step = 0; step <= STEPS; step++) {
        loss_of(&w, logits);
        for (int64_t i = 0; i < MOST_SAMPLES && step % STEPS == 0; i++) {
            const real *x = logits[i];
            int32_t best = x[1] >= x[2] && x[1] >= x[3] ? 0 : x[2] >= x[3] ? 1 : 2;
            right[step > 0][w.samples.task[i]] += (w.samples.task[i] ? best : x[0] > 0) == w.samples.label[i];
        }
        optimiser_begin_update(&optimiser, 1e-2, step + 1, 1, 1);
        optimiser_update(&optimiser);
    }
    assert_true(right[0][0] < 40 && right[0][1] < 14);
    assert_int_equal(right[1][0], 48);
    assert_int_equal(right[1][1], 16);
    optimiser_free(&optimiser);
    close_world(&w);
}

static int open_device(void **state) {
    (void)state;
    if (device_open_cpu(&device, 1)) return -1;
    pack_make(&pack, &device);
    return 0;
}

static int close_device(void **state) {
    (void)state;
    pack_free(&pack);
    device_close(&device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_asks_for_drugs_has_no_edge_from_its_visit_to_one),
        cmocka_unit_test(a_graph_is_the_samples_own),
        cmocka_unit_test(the_loss_of_two_tasks_is_the_mean_of_their_means),
        cmocka_unit_test(two_tasks_are_learned_at_once),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
