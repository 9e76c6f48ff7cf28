/* What a model of health records reads: timelines, and rows of embeddings. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/code_rows.h"
#include "ehr/medtok_vectors.h"
#include "ehr/timeline.h"
#include "store/cohort_events.h"
#include "store/table.h"

/* ---- timelines ---- */
static const int64_t DAY = (int64_t)86400 * 1000000;

enum { BIRTH, ASTHMA, DIABETES, SEX, FLU, N_CODES }; /* as they ascend below */
static char codes[N_CODES][24] = {"MEDS_BIRTH", "DIAGNOSIS//ICD//10//J45", "DIAGNOSIS//ICD//10//E11", "SEX//F", "X"};

/* A cohort of one subject and one sample behind all its events; `birth` in days. */
struct one {
    struct cohort cohort;
    struct cohort_events events;
    int64_t offsets[2], no_visits[2], task_offsets[2], birth, death, subject, time;
    int32_t sample_subject, sample_visit, hidden, visit[16];
    uint8_t split;
};

static void make_one(struct one *o, int64_t birth, int64_t n, int64_t *times, int32_t *event_codes) {
    static float values[16];
    assert_true(n <= 16);
    *o = (struct one){.offsets = {0, n}, .task_offsets = {0, 1}, .birth = birth, .subject = 7, .time = INT64_MAX};
    for (int i = 0; i < 16; i++) o->visit[i] = -1;
    o->sample_visit = -1;
    o->events = (struct cohort_events){.n_subjects = 1,
                                       .death = &o->death,
                                       .offsets = o->offsets,
                                       .time = times,
                                       .code = event_codes,
                                       .value = values,
                                       .visit = o->visit,
                                       .visit_offsets = o->no_visits};
    o->cohort = (struct cohort){.n_codes = N_CODES,
                                .code_bytes = sizeof codes[0],
                                .code = codes[0],
                                .n_subjects = 1,
                                .subject = &o->subject,
                                .birth = &o->birth,
                                .split = &o->split,
                                .n_tasks = 1,
                                .task_offsets = o->task_offsets,
                                .task_hidden = &o->hidden,
                                .sample_subject = &o->sample_subject,
                                .sample_visit = &o->sample_visit,
                                .sample_time = &o->time,
                                .events = &o->events};
}

static struct ehr_options options_of(int64_t max_length, enum ehr_age age) {
    return (struct ehr_options){.max_length = max_length, .age = age};
}

enum { T = TOKEN_FIRST_CODE };

/* The history of the one sample as visits and timeline; codes as tokens before there are rows. */
static struct timeline timeline_of(const struct one *o, struct ehr_options options) {
    static const uint8_t kinds[N_CODES];
    struct history h = {0};
    struct visits visits = {0};
    struct timeline t = {0};
    assert_int_equal(cohort_history(&o->cohort, 0, &h), STATUS_OK);
    struct sample_event *events = calloc((size_t)h.n + 1, sizeof *events);
    for (int64_t i = 0; i < h.n; i++)
        events[i] = (struct sample_event){h.time[i], h.code[i], T + h.code[i], h.visit[i], h.value[i]};
    struct sample_history history = {.n = h.n,
                                     .n_static = h.n_static,
                                     .n_visits = h.n_visits,
                                     .events = events,
                                     .visits = h.visits,
                                     .birth_code = BIRTH,
                                     .birth = o->birth,
                                     .time = o->time,
                                     .code_kind = kinds};
    assert_int_equal(visits_make(&visits, &history, &options), STATUS_OK);
    assert_int_equal(timeline_make(&t, &visits, options.max_length), STATUS_OK);
    free(events);
    history_free(&h);
    visits_free(&visits);
    return t;
}

/* expected[n]: token, age class, visit. */
static void check_timeline(const struct one *o, struct ehr_options options, int64_t n, const int32_t expected[][3],
                           int64_t dropped) {
    struct timeline t = timeline_of(o, options);
    assert_int_equal(t.n, n);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(t.tokens[i].token, expected[i][0]);
        assert_int_equal(t.tokens[i].age, expected[i][1]);
        assert_int_equal(t.tokens[i].visit, expected[i][2]);
    }
    assert_int_equal(t.dropped, dropped);
    timeline_free(&t);
}

/* Days before 1970 too; the birth is no visit; what stands twice in a day stands once. */
static void a_timeline_is_visits_by_day(void **state) {
    (void)state;
    int64_t year = 366 * DAY, birth = -3 * year;
    int64_t times[] = {COHORT_NO_TIME, birth, -DAY - 1, -1, -1, -1, 0, DAY - 1, 40 * year};
    int32_t event_codes[] = {SEX, BIRTH, FLU, FLU, ASTHMA, FLU, DIABETES, ASTHMA, FLU};
    struct one o;
    make_one(&o, birth, 9, times, event_codes);
    const int32_t years[][3] = {{TOKEN_CLS, 0, 0},  {T + SEX, 0, 0},      {TOKEN_SEP, 0, 0}, {T + FLU, 4, 1},
                                {TOKEN_SEP, 4, 1},  {T + ASTHMA, 4, 2},   {T + FLU, 4, 2},   {TOKEN_SEP, 4, 2},
                                {T + ASTHMA, 4, 3}, {T + DIABETES, 4, 3}, {TOKEN_SEP, 4, 3}, {T + FLU, 44, 4},
                                {TOKEN_SEP, 44, 4}};
    /* -1 microsecond is in the day before 0, a day and a microsecond before two days before */
    check_timeline(&o, options_of(64, AGE_YEARS), 13, years, 0);
    o.birth = COHORT_NO_TIME;
    struct ehr_options options = options_of(64, AGE_MONTHS);
    struct timeline t = timeline_of(&o, options);
    for (int64_t i = 0; i < t.n; i++) assert_int_equal(t.tokens[i].age, 0); /* unknown */
    o.birth = birth;
    timeline_free(&t);
    t = timeline_of(&o, options);
    assert_int_equal(t.tokens[6].age, 1 + 36); /* months */
    o.birth = -400 * year;
    timeline_free(&t);
    t = timeline_of(&o, options);
    assert_int_equal(t.tokens[6].age, age_classes(AGE_MONTHS) - 1);
    timeline_free(&t);
}

/* Each visit is a day with 17 events of three codes. */
static void of_300_visits_and_5000_codes_the_latest_part_is_kept_and_the_rest_counted(void **state) {
    (void)state;
    enum { VISITS = 300, PER_VISIT = 17, N = VISITS * PER_VISIT, LENGTH = 512 };
    static int64_t times[N];
    static int32_t event_codes[N], visit[N];
    static float values[N];
    static const int32_t KINDS[] = {ASTHMA, DIABETES, FLU};
    struct one o;
    struct ehr_options options = options_of(LENGTH, AGE_YEARS);
    make_one(&o, 0, 0, times, event_codes);
    for (int i = 0; i < N; i++) {
        times[i] = i / PER_VISIT * DAY + i % PER_VISIT;
        event_codes[i] = KINDS[i % PER_VISIT % 3];
        visit[i] = -1;
    }
    o.offsets[1] = N;
    o.events.visit = visit;
    o.events.value = values;
    struct timeline t = timeline_of(&o, options);
    /* whole: CLS, and three codes and SEP a visit; of 511 tokens behind CLS the last 127 visits and three tokens of one more fit */
    assert_int_equal(t.n, LENGTH);
    assert_int_equal(t.dropped, 1 + 4 * VISITS - LENGTH);
    assert_int_equal(t.tokens[0].token, TOKEN_CLS);
    assert_int_equal(t.tokens[1].token, T + DIABETES);
    assert_int_equal(t.tokens[LENGTH - 2].token, T + FLU);
    assert_int_equal(t.tokens[LENGTH - 1].token, TOKEN_SEP);
    assert_int_equal(t.tokens[LENGTH - 1].visit, 127);
    timeline_free(&t);
}

static void of_a_long_history_the_last_tokens_are_kept_and_static_codes(void **state) {
    (void)state;
    int64_t times[] = {COHORT_NO_TIME, 0, 0, DAY, DAY, 2 * DAY, 3 * DAY};
    int32_t event_codes[] = {SEX, ASTHMA, FLU, ASTHMA, DIABETES, FLU, FLU};
    struct one o;
    make_one(&o, 0, 7, times, event_codes);
    /* whole: CLS SEX SEP | ASTHMA FLU SEP | ASTHMA DIABETES SEP | FLU SEP | FLU SEP, 13 */
    const int32_t ten[][3] = {{TOKEN_CLS, 0, 0},    {T + SEX, 0, 0},   {TOKEN_SEP, 0, 0}, {T + ASTHMA, 1, 1},
                              {T + DIABETES, 1, 1}, {TOKEN_SEP, 1, 1}, {T + FLU, 1, 2},   {TOKEN_SEP, 1, 2},
                              {T + FLU, 1, 3},      {TOKEN_SEP, 1, 3}};
    check_timeline(&o, options_of(10, AGE_YEARS), 10, ten, 3);
    check_timeline(&o, options_of(11, AGE_YEARS), 10, ten, 3); /* a visit's SEP does not stand alone */
    const int32_t nine[][3] = {{TOKEN_CLS, 0, 0},    {T + SEX, 0, 0},   {TOKEN_SEP, 0, 0},
                               {T + DIABETES, 1, 1}, {TOKEN_SEP, 1, 1}, {T + FLU, 1, 2},
                               {TOKEN_SEP, 1, 2},    {T + FLU, 1, 3},   {TOKEN_SEP, 1, 3}};
    check_timeline(&o, options_of(9, AGE_YEARS), 9, nine, 4);
    make_one(&o, 0, 6, times + 1, event_codes + 1); /* without static codes; CLS has the age of what follows */
    const int32_t five[][3] = {
        {TOKEN_CLS, 1, 0}, {T + FLU, 1, 0}, {TOKEN_SEP, 1, 0}, {T + FLU, 1, 1}, {TOKEN_SEP, 1, 1}};
    check_timeline(&o, options_of(6, AGE_YEARS), 5, five, 6);
    make_one(&o, 0, 0, NULL, NULL);
    const int32_t nothing[][3] = {{TOKEN_CLS, 0, 0}};
    check_timeline(&o, options_of(6, AGE_YEARS), 1, nothing, 0);
}

/* Codes without time that alone are too many: their visit keeps its SEP, and half the length is left for the others. */
static void many_static_codes_leave_room_for_visits(void **state) {
    (void)state;
    int64_t times[] = {COHORT_NO_TIME, COHORT_NO_TIME, COHORT_NO_TIME, COHORT_NO_TIME, 0, DAY};
    int32_t event_codes[] = {ASTHMA, DIABETES, SEX, FLU, FLU, SEX};
    struct one o;
    make_one(&o, 0, 6, times, event_codes);
    const int32_t eight[][3] = {{TOKEN_CLS, 0, 0}, {T + ASTHMA, 0, 0}, {T + DIABETES, 0, 0}, {TOKEN_SEP, 0, 0},
                                {T + FLU, 1, 1},   {TOKEN_SEP, 1, 1},  {T + SEX, 1, 2},      {TOKEN_SEP, 1, 2}};
    check_timeline(&o, options_of(8, AGE_YEARS), 8, eight, 2);
}

/* ---- vectors of a token table ---- */
enum { TABLE_CODES = 5, DIM = 2, WIDTH = TABLE_GROUPS * DIM };

static void write_table(const char *path) {
    static const char code[TABLE_CODES][8] = {"E11", "428.0", "E11", "J45.9", "J45.90"};
    static const char system[TABLE_CODES][8] = {"ICD9CM", "ICD9CM", "ICD10CM", "ICD10CM", "ICD10CM"};
    struct comm comm = comm_self();
    struct provenance provenance = {.job = "tokenize", .config = "", .inputs = strdup("")};
    struct table_shape shape = {.n_codes = TABLE_CODES,
                                .top_k = 1,
                                .dim = DIM,
                                .codebook_size = 4,
                                .vocabulary_rows = TABLE_CODES,
                                .region = {{0, 1}, {1, 2}, {2, 4}, {2, 4}}};
    struct table_names names = {code[0], system[0], sizeof code[0], sizeof system[0]};
    struct table_writer *writer;
    int32_t tokens[TABLE_CODES * TABLE_GROUPS] = {0};
    float weights[TABLE_CODES * TABLE_GROUPS] = {0}, codebook[4 * DIM] = {1}, embedding[TABLE_CODES * WIDTH];
    for (int i = 0; i < TABLE_CODES * WIDTH; i++) embedding[i] = (float)(i / WIDTH + (i % WIDTH == 3 ? 10 * i : 0));
    provenance_finish(&provenance, KIND_TABLE);
    assert_int_equal(table_create(&writer, &comm, path, &shape, &names, codebook, &provenance), STATUS_OK);
    assert_int_equal(table_write(writer, 0, TABLE_CODES, tokens, weights, embedding), STATUS_OK);
    assert_int_equal(table_commit(writer), STATUS_OK);
    provenance_free(&provenance);
}

static void codes_find_their_vectors_or_those_of_an_ancestor(void **state) {
    (void)state;
    enum { N = 7 };
    char cohort_codes[N][28] = {"DIAGNOSIS//ICD//10//E11",
                                "DIAGNOSIS//ICD//9//4280",
                                "DIAGNOSIS//ICD//10//E1165",
                                "DIAGNOSIS//ICD//10//J45902",
                                "SEX//F",
                                "DIAGNOSIS//ICD//10//E10",
                                "DIAGNOSIS//ICD//10//J45"};
    const int64_t expected[N] = {2,
                                 1,
                                 2,
                                 4,
                                 VECTOR_OWN_ROW,
                                 VECTOR_MISSING,
                                 VECTOR_MISSING}; /* the last is not wanted, and J45 has only children */
    uint8_t wanted[N] = {1, 1, 1, 1, 1, 1, 0};
    struct cohort c = {.n_codes = N, .code_bytes = sizeof cohort_codes[0], .code = cohort_codes[0]};
    struct medtok_vectors v;
    char path[PATH_MAX];
    int64_t row[N];
    snprintf(path, sizeof path, "/tmp/test_ehr.%d.h5", (int)getpid());
    write_table(path);
    medtok_vectors_make(&v, path);
    assert_int_equal(v.source.find(v.source.self, &c, wanted, row), STATUS_OK);
    for (int i = 0; i < N; i++) assert_int_equal(row[i], expected[i]);
    assert_int_equal(v.n_exact, 2);
    assert_int_equal(v.n_ancestor, 2);
    unlink(path);
}

/* By hand: rows 2, 4 and 0 of the table above, of which the first two give mean and scale. */
static void vectors_are_standardised_over_the_first_rows(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct medtok_vectors v;
    char path[PATH_MAX];
    int64_t width;
    float *x;
    snprintf(path, sizeof path, "/tmp/test_ehr.%d.h5", (int)getpid());
    write_table(path);
    medtok_vectors_make(&v, path);
    assert_int_equal(medtok_vectors_read(&v, &comm, 3, (int64_t[]){2, 4, 0}, 2, &width, &x), STATUS_OK);
    assert_int_equal(width, WIDTH);
    /* column 3: 192, 354, 30, others: 2, 4, 0; off their means: -81, 81, -243 and -1, 1, -3 */
    double scale = sqrt(1 / (81.0 * 81 + WIDTH - 1));
    for (int j = 0; j < WIDTH; j++) {
        double off = j == 3 ? 81 : 1;
        assert_true(fabs(x[j] + off * scale) < 1e-5 && fabs(x[WIDTH + j] - off * scale) < 1e-5);
        assert_true(fabs(x[2 * WIDTH + j] + 3 * off * scale) < 1e-5);
    }
    free(x);
    unlink(path);
}

/* ---- embeddings ---- */
enum { ROWS = 200, OWN = 4, VECTOR = 16, MODEL_DIM = 8 };

struct arm {
    struct device device;
    struct parameter_set set;
    struct code_rows codes;
    struct pack pack;
    struct code_list list;
    float vectors[ROWS * VECTOR];
};

static void make_arm(struct arm *a, enum ehr_arm kind) {
    *a = (struct arm){0};
    for (int i = 0; i < ROWS * VECTOR; i++)
        a->vectors[i] = (float)sin(i * (i % 7 + 1.0)) * 1.41421356f / 4; /* of length 1, nearly */
    int has_own = kind == ARM_RANDOM;
    struct code_rows_source source = {kind, has_own ? ROWS : OWN, has_own ? 0 : ROWS, VECTOR,
                                      kind == ARM_MEDTOK_INIT || kind == ARM_MEDTOK_FROZEN ? a->vectors : NULL};
    assert_int_equal(device_open_cpu(&a->device, 1), 0);
    pack_make(&a->pack, &a->device);
    a->codes.source = source;
    code_rows_add(&a->codes, &a->set, MODEL_DIM);
    assert_int_equal(parameter_set_allocate(&a->set, &a->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&a->set, 3), STATUS_OK);
    assert_int_equal(code_rows_start(&a->codes, &a->device, 3), STATUS_OK);
}

static struct var *rows_of(struct arm *a, struct tape *tape, int64_t n, const int32_t *token) {
    struct code_list *list = &a->list;
    pack_begin(&a->pack);
    assert_int_equal(code_list_pack(list, &a->pack, &a->codes, n, token), STATUS_OK);
    assert_int_equal(pack_send(&a->pack), STATUS_OK);
    return code_rows_look_up(&a->codes, tape, list);
}

static void free_arm(struct arm *a) {
    pack_free(&a->pack);
    parameter_set_free(&a->set);
    device_close(&a->device);
}

static void rows_of_all_arms_are_as_large_at_first(void **state) {
    (void)state;
    static struct arm a; /* the device is the CPU: its memory is the host's */
    int32_t token[ROWS];
    for (enum ehr_arm kind = ARM_RANDOM; kind <= ARM_RANDOM_FROZEN; kind++) {
        struct tape tape;
        double square = 0;
        int first = TOKEN_FIRST_CODE + (kind == ARM_RANDOM ? 0 : OWN); /* behind the codes with rows of their own */
        for (int i = 0; i < ROWS; i++) token[i] = first + i;
        make_arm(&a, kind);
        tape_init(&tape, &a.device);
        tape_reset(&tape, 1);
        struct var *x = rows_of(&a, &tape, ROWS, token);
        assert_int_equal(tape_status(&tape), STATUS_OK);
        assert_true(x->rows == ROWS && x->cols == MODEL_DIM);
        for (int i = 0; i < ROWS * MODEL_DIM; i++) square += (double)x->value.at[i] * x->value.at[i];
        double size = sqrt(square / (ROWS * MODEL_DIM)) / EHR_INIT;
        assert_true(size > 0.75 && size < 1.3); /* 1, but for the chance of 128 values of a map */
        tape_free(&tape);
        free_arm(&a);
    }
}

/* Frozen: W z + b in plain loops; special tokens and codes without a vector have rows of their own beside b. */
static void a_frozen_row_is_the_map_of_its_vector(void **state) {
    (void)state;
    static struct arm a;
    enum { LAST_OWN = TOKEN_FIRST_CODE + OWN - 1, N = 3 };
    const int32_t token[N] = {TOKEN_SEP, LAST_OWN + 1 + 150, LAST_OWN}, vector[N] = {-1, 150, -1};
    struct tape tape;
    make_arm(&a, ARM_MEDTOK_FROZEN);
    const struct code_rows *e = &a.codes;
    for (int j = 0; j < MODEL_DIM; j++) e->projection.bias->value.at[j] = (real)j;
    tape_init(&tape, &a.device);
    tape_reset(&tape, 1);
    struct var *x = rows_of(&a, &tape, N, token);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < MODEL_DIM; j++) {
            double row = j + (vector[i] < 0 ? (double)e->table->value.at[token[i] * MODEL_DIM + j] : 0);
            for (int k = 0; k < VECTOR && vector[i] >= 0; k++)
                row += (double)e->projection.weight->value.at[j * VECTOR + k] * a.vectors[150 * VECTOR + k];
            assert_true(fabs(x->value.at[i * MODEL_DIM + j] - row) < 1e-5);
        }
    }
    assert_int_equal(parameter_set_size(&a.set),
                     (TOKEN_FIRST_CODE + OWN + VECTOR + 1) * MODEL_DIM); /* no vector is trained */
    tape_free(&tape);
    free_arm(&a);
}

/* medtok-init: rows of codes with a vector begin behind those without, which are as in `random`. */
static void only_rows_of_codes_with_a_vector_start_as_vectors(void **state) {
    (void)state;
    static struct arm with, without;
    make_arm(&with, ARM_MEDTOK_INIT);
    make_arm(&without, ARM_RANDOM);
    const real *x = with.codes.table->value.at, *y = without.codes.table->value.at;
    enum { LEARNED = TOKEN_FIRST_CODE + OWN };
    assert_int_equal(with.codes.table->rows, LEARNED + ROWS);
    for (int i = 0; i < LEARNED * MODEL_DIM; i++) assert_true(x[i] == y[i]);
    int same = 0;
    for (int i = LEARNED * MODEL_DIM; i < ROWS * MODEL_DIM; i++) same += x[i] == y[i];
    assert_int_equal(same, 0);
    free_arm(&with);
    free_arm(&without);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeline_is_visits_by_day),
        cmocka_unit_test(of_300_visits_and_5000_codes_the_latest_part_is_kept_and_the_rest_counted),
        cmocka_unit_test(of_a_long_history_the_last_tokens_are_kept_and_static_codes),
        cmocka_unit_test(many_static_codes_leave_room_for_visits),
        cmocka_unit_test(codes_find_their_vectors_or_those_of_an_ancestor),
        cmocka_unit_test(vectors_are_standardised_over_the_first_rows),
        cmocka_unit_test(rows_of_all_arms_are_as_large_at_first),
        cmocka_unit_test(a_frozen_row_is_the_map_of_its_vector),
        cmocka_unit_test(only_rows_of_codes_with_a_vector_start_as_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
