/* What TransformEHR's encoder and decoder read of a history, and that neither depends on the other samples of a batch. Values and
 * gradients are test_model_golden's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/models/transformehr_input.h"

static const int64_t DAY = (int64_t)86400 * 1000000; /* microseconds */

enum { ASTHMA, DIABETES, FLU, RARE, SEX, N_CODES, MOST_SAMPLES = 4, MOST_EVENTS = 64 };
enum { T = TOKEN_FIRST_CODE, CLS = TOKEN_CLS, SEP = TOKEN_SEP };

/* ---- histories ---- */
static struct {
    struct sample_set set;
    int64_t number[MOST_SAMPLES], birth[MOST_SAMPLES], time[MOST_SAMPLES], n_static[MOST_SAMPLES];
    int64_t offsets[MOST_SAMPLES + 1], visit_offsets[MOST_SAMPLES + 1];
    struct sample_event events[MOST_EVENTS];
} made;
static const uint8_t KINDS[N_CODES];

static void begin(void) {
    memset(&made, 0, sizeof made);
    made.set = (struct sample_set){.number = made.number,
                                   .birth = made.birth,
                                   .time = made.time,
                                   .n_static = made.n_static,
                                   .offsets = made.offsets,
                                   .events = made.events,
                                   .visit_offsets = made.visit_offsets,
                                   .birth_code = -1,
                                   .code_kind = KINDS};
}

/* Behind it come its events. */
static void add_sample(int64_t birth, int64_t time) {
    int64_t i = made.set.n++;
    assert_true(i < MOST_SAMPLES);
    made.number[i] = 10 + i;
    made.birth[i] = birth;
    made.time[i] = time;
    made.offsets[i + 1] = made.offsets[i];
}

static void add_event(int64_t time, int32_t code) {
    int64_t i = made.offsets[made.set.n]++;
    assert_true(i < MOST_EVENTS);
    made.events[i] = (struct sample_event){
        .time = time, .code = code, .token = code == RARE ? TOKEN_MISSING : T + code, .visit = -1, .value = NAN};
    made.n_static[made.set.n - 1] += time == COHORT_NO_TIME;
}

/* A woman born on day 0: three days with events. */
static void add_woman(void) {
    add_sample(0, 500 * DAY);
    add_event(COHORT_NO_TIME, SEX);
    add_event(100 * DAY, FLU);
    add_event(100 * DAY, ASTHMA);
    add_event(366 * DAY, FLU);
    add_event(400 * DAY, RARE);
    add_event(400 * DAY, DIABETES);
    add_event(400 * DAY, ASTHMA);
}

/* ---- packing ---- */
static struct device device;
static struct pack pack;
static struct transformehr_input input;
static struct ehr_options options;
static const struct code_rows rows = {.source = {.n_own = N_CODES}};
static struct ehr_batch batch;
static const int64_t IN_ORDER[MOST_SAMPLES] = {0, 1, 2, 3};

static void pack_samples(enum ehr_stage stage, int64_t max_length) {
    options = (struct ehr_options){.max_length = max_length};
    batch = (struct ehr_batch){.n = made.set.n, .set = &made.set, .which = IN_ORDER};
    pack_begin(&pack);
    assert_int_equal(transformehr_pack(&input, &pack, &batch, stage, &options, &rows), STATUS_OK);
}

static int set_up(void **state) {
    (void)state;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    pack_make(&pack, &device);
    begin();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    transformehr_free_input(&input);
    pack_free(&pack);
    device_close(&device);
    return 0;
}

static void tokens_are(const struct transformehr_rows *r, int64_t n, const int32_t *expected) {
    assert_int_equal(r->n, n);
    for (int64_t i = 0; i < n; i++) assert_int_equal(r->tokens[i], expected[i]);
}
#define TOKENS_ARE(rows, ...)                                                                                          \
    tokens_are(&(rows), sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (int32_t[]){__VA_ARGS__})

/* ---- dates ---- */
static void date_is(int64_t origin, int64_t time, int32_t year, int32_t month, int32_t day) {
    struct life_date d = life_date(origin, time);
    assert_int_equal(d.year, year);
    assert_int_equal(d.month, month);
    assert_int_equal(d.day, day);
}

/* A year of 365.25 days, a month of 30.4375; by hand. */
static void dates_count_years_months_and_days_of_life(void **state) {
    (void)state;
    int64_t birth = -1000 * DAY - 1;
    date_is(birth, birth, 1, 1, 1);
    date_is(birth, birth + DAY - 1, 1, 1, 1);
    date_is(birth, birth + DAY, 1, 1, 2);
    date_is(birth, birth + 30 * DAY, 1, 1, 31);
    date_is(birth, birth + 31 * DAY, 1, 2, 1);
    date_is(birth, birth + 365 * DAY, 1, 12, 31);
    date_is(birth, birth + 366 * DAY, 2, 1, 1);
    date_is(birth, birth + 1461 * DAY, 5, 1, 1);
    date_is(birth, birth + 200 * 366 * DAY, AGE_MOST_YEARS + 1, 5, 29); /* 200 years and 150 days: 4 months are 121.75 */
    date_is(birth, birth - 1, 0, 0, 0);
    date_is(birth, COHORT_NO_TIME, 0, 0, 0);
    date_is(COHORT_NO_TIME, birth, 0, 0, 0);
}

static void a_token_has_the_date_of_its_visit_and_cls_that_of_the_prediction(void **state) {
    (void)state;
    add_woman();
    pack_samples(STAGE_TASK, 64);
    /* CLS SEX SEP | ASTHMA FLU SEP | FLU SEP | ASTHMA DIABETES missing SEP */
    const int32_t year[] = {2, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2}, month[] = {5, 0, 0, 4, 4, 4, 1, 1, 2, 2, 2, 2};
    assert_int_equal(input.encoder.n, 12);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(input.dates[i].year, year[i]);
        assert_int_equal(input.dates[i].month, month[i]);
    }
    made.birth[0] = COHORT_NO_TIME; /* then from the first visit on: day 100 */
    pack_samples(STAGE_TASK, 64);
    assert_int_equal(input.dates[0].year, 2);
    assert_int_equal(input.dates[1].year, 0);
    assert_int_equal(input.dates[3].day, 1);
    assert_int_equal(input.dates[6].month, 1 + 8); /* 266 days */
    made.birth[0] = 1;                             /* births that are given by year may lie behind a visit */
    made.events[1].time = made.events[2].time = 0;
    pack_samples(STAGE_TASK, 64);
    assert_int_equal(input.dates[3].year, 0);
    assert_int_equal(input.dates[6].year, 1);
}

/* ---- tokens ---- */
static void in_a_task_the_decoder_reads_the_timeline_one_step_later(void **state) {
    (void)state;
    add_woman();
    add_sample(0, DAY); /* nothing is known */
    pack_samples(STAGE_TASK, 64);
    TOKENS_ARE(input.encoder, CLS, T + SEX, SEP, T + ASTHMA, T + FLU, SEP, T + FLU, SEP, T + ASTHMA, T + DIABETES,
               TOKEN_MISSING, SEP, CLS);
    TOKENS_ARE(input.decoder, SEP, CLS, T + SEX, SEP, T + ASTHMA, T + FLU, SEP, T + FLU, SEP, T + ASTHMA, T + DIABETES,
               TOKEN_MISSING, SEP);
    assert_int_equal(input.decoder.offsets[1], 12);
    assert_int_equal(input.decoder.offsets[2], 13);
    assert_int_equal(input.n_targets, 0);
    assert_int_equal(input.encoder.n_pairs, 12 * 12 + 1);
    assert_int_equal(input.decoder.n_pairs, 12 * 13 / 2 + 1);
    assert_int_equal(input.n_memory_pairs, 12 * 12 + 1);
}

static void of_a_long_history_both_read_the_latest_part(void **state) {
    (void)state;
    add_woman();
    pack_samples(STAGE_TASK, 8);
    TOKENS_ARE(input.encoder, CLS, T + SEX, SEP, T + ASTHMA, T + DIABETES, TOKEN_MISSING, SEP);
    TOKENS_ARE(input.decoder, SEP, CLS, T + SEX, SEP, T + ASTHMA, T + DIABETES, TOKEN_MISSING);
    assert_int_equal(input.dates[3].month, 2); /* of the visit that is left */
}

static void pretraining_generates_the_last_visit_behind_the_earlier_ones(void **state) {
    (void)state;
    add_woman();
    pack_samples(STAGE_PRETRAIN, 64);
    TOKENS_ARE(input.encoder, CLS, T + SEX, SEP, T + ASTHMA, T + FLU, SEP, T + FLU, SEP);
    TOKENS_ARE(input.decoder, SEP, T + ASTHMA, T + DIABETES); /* nothing is learned from a missing code */
    assert_int_equal(input.n_targets, 3);
    assert_int_equal(input.targets[0], T + ASTHMA);
    assert_int_equal(input.targets[1], T + DIABETES);
    assert_int_equal(input.targets[2], SEP);
    assert_int_equal(input.dates[0].month, 2); /* the start of that visit, not the end of what is known */
}

static void a_visit_that_is_too_long_to_generate_has_no_end(void **state) {
    (void)state;
    add_sample(0, 500 * DAY);
    for (int32_t code = 0; code < N_CODES; code++) add_event(400 * DAY, code);
    pack_samples(STAGE_PRETRAIN, 3);
    TOKENS_ARE(input.decoder, SEP, T + ASTHMA, T + DIABETES);
    assert_int_equal(input.n_targets, 3);
    assert_int_equal(input.targets[2], T + FLU);
}

static void subjects_without_visits_have_no_part_in_pretraining(void **state) {
    (void)state;
    add_sample(0, DAY);
    add_event(COHORT_NO_TIME, SEX);
    add_sample(0, DAY);
    add_sample(0, DAY);
    add_event(DAY, FLU); /* the first visit of all is generated from nothing but its date */
    pack_samples(STAGE_PRETRAIN, 64);
    TOKENS_ARE(input.encoder, CLS);
    TOKENS_ARE(input.decoder, SEP, T + FLU);
    assert_int_equal(input.encoder.offsets[2], 0);
    assert_int_equal(input.n_targets, 2);
}

/* Whatever the codes of the last visit are, the encoder gets the same. */
static void no_code_of_the_visit_to_generate_reaches_the_encoder(void **state) {
    (void)state;
    int32_t tokens[MOST_EVENTS];
    struct life_date dates[MOST_EVENTS];
    add_woman();
    pack_samples(STAGE_PRETRAIN, 64);
    long long n = input.encoder.n;
    memcpy(tokens, input.encoder.tokens, (size_t)n * sizeof *tokens);
    memcpy(dates, input.dates, (size_t)n * sizeof *dates);
    for (int32_t code = 0; code < N_CODES; code++) {
        for (int i = 4; i < 7; i++) {
            made.events[i].code = code;
            made.events[i].token = T + code;
        }
        made.time[0] += DAY;
        pack_samples(STAGE_PRETRAIN, 64);
        tokens_are(&input.encoder, n, tokens);
        assert_memory_equal(input.dates, dates, (size_t)n * sizeof *dates);
        TOKENS_ARE(input.decoder, SEP, T + code);
    }
}

/* ---- batches ---- */
static struct model {
    void *self;
    struct parameter_set set;
    struct code_rows codes;
    struct ehr_options options;
    struct ehr_data data;
    struct comm comm;
    struct tape tape;
    dev_real loss;
} model;

static void make_model(void) {
    struct ehr_options o = {.model = EHR_TRANSFORMEHR,
                            .dim = 16,
                            .heads = 4,
                            .layers = 2,
                            .inner = 24,
                            .dropout = 0.1,
                            .max_length = 64,
                            .pretrain_steps = 1};
    struct ehr_model_terms terms = {&model.comm, &model.options, &model.data, 3, &model.codes, &model.set};
    int64_t width;
    model = (struct model){.comm = comm_self(), .options = o, .data = {.n_rows = T + N_CODES, .n_own = N_CODES}};
    model.codes.source = (struct code_rows_source){.arm = ARM_RANDOM, .n_own = N_CODES};
    assert_int_equal(EHR_TRANSFORMEHR_MODEL.make(&model.self, &terms, &width), STATUS_OK);
    assert_int_equal(parameter_set_allocate(&model.set, &device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&model.set, 3), STATUS_OK);
    assert_int_equal(EHR_TRANSFORMEHR_MODEL.start(model.self, &device), STATUS_OK);
    tape_init(&model.tape, &device);
    model.loss = device_alloc_reals(&device, 1);
}

static void free_model(void) {
    device_free_reals(&device, model.loss);
    tape_free(&model.tape);
    EHR_TRANSFORMEHR_MODEL.free(model.self);
    parameter_set_free(&model.set);
}

static void send(enum ehr_stage stage, int64_t n, const int64_t *which) {
    batch = (struct ehr_batch){.input = &input};
    pack_begin(&pack);
    assert_int_equal(ehr_batch_pack(&batch, &pack, &model.data, &made.set, n, which), STATUS_OK);
    assert_int_equal(EHR_TRANSFORMEHR_MODEL.pack(model.self, &pack, &batch, stage, &input), STATUS_OK);
    assert_int_equal(pack_send(&pack), STATUS_OK);
    tape_reset(&model.tape, 0); /* with dropout */
    device.run->fill(&device, 1, 0, model.loss);
}

static double pretrain_loss(int64_t n, const int64_t *which) {
    send(STAGE_PRETRAIN, n, which);
    EHR_TRANSFORMEHR_MODEL.pretrain(model.self, &model.tape, &batch, 1, model.loss);
    tape_backward(&model.tape);
    assert_int_equal(tape_status(&model.tape), STATUS_OK);
    return model.loss.at[0];
}

/* Dropout too is drawn by sample. Tolerance: float32 sums in another order. */
static void a_sample_is_alike_in_each_batch(void **state) {
    (void)state;
    real alone[MOST_SAMPLES][16];
    double sum = 0;
    make_model();
    add_woman();
    add_sample(0, DAY);
    add_sample(COHORT_NO_TIME, 600 * DAY);
    add_event(20 * DAY, FLU);
    add_event(500 * DAY, DIABETES);
    add_woman();
    for (int64_t i = 0; i < MOST_SAMPLES; i++) {
        send(STAGE_TASK, 1, &i);
        struct var *h = EHR_TRANSFORMEHR_MODEL.represent(model.self, &model.tape, &batch);
        assert_int_equal(tape_status(&model.tape), STATUS_OK);
        memcpy(alone[i], h->value.at, sizeof alone[i]);
        sum += pretrain_loss(1, &i);
    }
    send(STAGE_TASK, MOST_SAMPLES, IN_ORDER);
    struct var *h = EHR_TRANSFORMEHR_MODEL.represent(model.self, &model.tape, &batch);
    assert_int_equal(tape_status(&model.tape), STATUS_OK);
    for (int64_t i = 0; i < MOST_SAMPLES; i++)
        for (int j = 0; j < 16; j++) assert_true(fabs(h->value.at[i * 16 + j] - alone[i][j]) < 1e-6);
    /* the two women differ by what dropout drew for their numbers alone */
    assert_memory_not_equal(alone[0], alone[3], sizeof alone[0]);
    assert_true(fabs(pretrain_loss(MOST_SAMPLES, IN_ORDER) - sum) < 1e-5 * sum);
    free_model();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(dates_count_years_months_and_days_of_life),
                                       CASE(a_token_has_the_date_of_its_visit_and_cls_that_of_the_prediction),
                                       CASE(in_a_task_the_decoder_reads_the_timeline_one_step_later),
                                       CASE(of_a_long_history_both_read_the_latest_part),
                                       CASE(pretraining_generates_the_last_visit_behind_the_earlier_ones),
                                       CASE(a_visit_that_is_too_long_to_generate_has_no_end),
                                       CASE(subjects_without_visits_have_no_part_in_pretraining),
                                       CASE(no_code_of_the_visit_to_generate_reaches_the_encoder),
                                       CASE(a_sample_is_alike_in_each_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
