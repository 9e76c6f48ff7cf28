/* ETHOS: a history as a line of units, deciles, what tasks ask of futures, and futures themselves, from a made-up network. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models/ethos_generate.h"
#include "ehr/models.h"

/* ---- a made-up cohort ---- */
enum { MINUTE = 60 * 1000000, CODE_BYTES = 40, LAB_VALUES = 20 };
static const int64_t HOUR = (int64_t)60 * MINUTE, DAY = (int64_t)1440 * MINUTE;

enum code { ATC, DEAD, DX, ADMIT, LEAVE, ICU, FLU, LAB, BIRTH, SEX, UNKNOWN, N_CODES };
static const struct {
    const char *text;
    uint8_t kind;
} CODES[N_CODES] = {
    [ATC] = {"ATC/B01AC06", CODE_KIND_DRUG},
    [DEAD] = {"MEDS_DEATH", CODE_KIND_FACT},
    [DX] = {"ICD10CM/E11.65", CODE_KIND_DIAGNOSIS},
    [ADMIT] = {"HOSPITAL_ADMISSION", CODE_KIND_VISIT},
    [LEAVE] = {"HOSPITAL_DISCHARGE", CODE_KIND_VISIT},
    [ICU] = {"ICU_ADMISSION", CODE_KIND_VISIT},
    [FLU] = {"ICD10CM/J11", CODE_KIND_DIAGNOSIS},
    [LAB] = {"LAB//1", CODE_KIND_MEASUREMENT},
    [BIRTH] = {"MEDS_BIRTH", CODE_KIND_FACT},
    [SEX] = {"GENDER//F", CODE_KIND_FACT},
    [UNKNOWN] = {"ICD10CM/E11.9", CODE_KIND_DIAGNOSIS},
};

struct cohort_made {
    struct ehr_data data;
    struct ehr_task task;
    char text[N_CODES][CODE_BYTES];
    uint8_t kind[N_CODES];
    int64_t in_train[N_CODES];
    int32_t row[N_CODES];
    struct sample_event events[LAB_VALUES], later[LAB_VALUES];
    int64_t number, offsets[2], later_offsets[2];
};

/* Train has one sample with the values 1 .. 20 of LAB, held_out one with 1001 .. 1020; all codes but UNKNOWN have rows. */
static void make_cohort(struct cohort_made *m) {
    *m = (struct cohort_made){.offsets = {0, LAB_VALUES}, .later_offsets = {0, LAB_VALUES}, .number = 3};
    m->task = (struct ehr_task){.name = "readmission_30d", .form = LABEL_BINARY, .n_classes = 2};
    struct ehr_data *d = &m->data;
    d->n_tasks = 1, d->tasks = &m->task;
    d->n_cohort_codes = N_CODES, d->code_bytes = CODE_BYTES, d->code = m->text[0], d->code_kind = m->kind;
    d->in_train = m->in_train, d->row = m->row, d->n_train = 1;
    for (int c = 0; c < N_CODES; c++) {
        snprintf(m->text[c], CODE_BYTES, "%s", CODES[c].text);
        m->kind[c] = CODES[c].kind;
        m->in_train[c] = c != UNKNOWN;
        m->row[c] = c != UNKNOWN ? (int32_t)(TOKEN_FIRST_CODE + d->n_own++) : TOKEN_MISSING;
    }
    d->n_rows = TOKEN_FIRST_CODE + d->n_own;
    for (int i = 0; i < LAB_VALUES; i++) {
        m->events[i] =
            (struct sample_event){.time = i * DAY, .code = LAB, .visit = -1, .value = (float)(i * 7 % 20 + 1)};
        m->later[i] = m->events[i];
        m->later[i].value += 1000;
    }
    d->sets[SPLIT_TRAIN] =
        (struct sample_set){.n = 1, .number = &m->number, .offsets = m->offsets, .events = m->events};
    d->sets[SPLIT_HELD_OUT] =
        (struct sample_set){.n = 1, .number = &m->number, .offsets = m->later_offsets, .events = m->later};
}

struct world {
    struct cohort_made made;
    struct comm comm;
    struct device device;
    struct ehr_options options;
    struct code_rows codes;
    struct parameter_set set;
    struct ethos *ethos;
    const struct ehr_model *model;
};

enum { WINDOW = 24, DIM = 16 };

/* Weights are ten times as large as first values are, so that the logits differ. */
static int make_world_of(void **state, int vectors) {
    struct world *w;
    int64_t width;
    static char task[] = "";
    assert_int_equal(mem_alloc(&w, 1, sizeof *w), STATUS_OK);
    make_cohort(&w->made);
    w->comm = comm_self();
    assert_int_equal(device_open_cpu(&w->device, 2), 0);
    w->options = (struct ehr_options){.task = task,
                                      .model = EHR_ETHOS,
                                      .arm = vectors ? ARM_MEDTOK_INIT : ARM_BASE,
                                      .max_length = WINDOW,
                                      .dim = DIM,
                                      .layers = 2,
                                      .heads = 2,
                                      .inner = 32,
                                      .futures = 6,
                                      .pretrain_steps = 1};
    w->codes.source = (struct code_rows_source){.arm = w->options.arm, .n_own = w->made.data.n_own};
    struct ehr_model_terms terms = {&w->comm, &w->options, &w->made.data, 5, &w->codes, &w->set};
    w->model = ehr_model(EHR_ETHOS);
    void *self = NULL;
    if (w->model->make(&self, &terms, &width) != STATUS_OK) fail_msg("%s", status_message());
    w->ethos = self;
    assert_int_equal(parameter_set_allocate(&w->set, &w->device, 0, 1, 0), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&w->set, 6), STATUS_OK);
    for (long long i = 0; i < w->set.n; i++)
        for (int64_t k = 0; k < w->set.list[i]->rows * w->set.list[i]->cols; k++)
            w->set.list[i]->value.at[k] *= w->set.list[i]->rows > 1 ? 10 : 1;
    *state = w;
    return 0;
}
static int make_world(void **state) { return make_world_of(state, 0); }
static int make_world_by_rows(void **state) { return make_world_of(state, 1); }

static int free_world(void **state) {
    struct world *w = *state;
    w->model->free(w->ethos);
    parameter_set_free(&w->set);
    device_close(&w->device);
    free(w);
    return 0;
}

static struct sample_history history_of(const struct world *w, int64_t n, int64_t n_static, int64_t now,
                                        const struct sample_event *events) {
    return (struct sample_history){.n = n,
                                   .n_static = n_static,
                                   .events = events,
                                   .birth = -50 * 366 * DAY,
                                   .time = now,
                                   .code_kind = w->made.kind};
}

/* Names of units, so that a line reads. */
static void name_unit(const struct ethos_vocabulary *v, int32_t unit, char name[16]) {
    static const char *const MARKERS[] = {"ADMIT", "LEAVE", "ICU", "OUT", "DEATH", "END", "MISSING"};
    if (unit < ETHOS_DECILE)
        snprintf(name, 16, "I%d", unit - ETHOS_INTERVAL);
    else if (unit < ETHOS_ADMISSION)
        snprintf(name, 16, "Q%d", unit - ETHOS_DECILE + 1);
    else if (unit < N_ETHOS_FIXED)
        snprintf(name, 16, "%s", MARKERS[unit - ETHOS_ADMISSION]);
    else if (unit >= v->year && unit < v->year + N_ETHOS_YEARS)
        snprintf(name, 16, "Y%d", unit - v->year);
    else if (unit >= v->age && unit < v->age + N_ETHOS_AGES)
        snprintf(name, 16, "A%d", unit - v->age);
    else
        snprintf(name, 16, "p%d", unit - N_ETHOS_FIXED);
}

static void assert_units(const struct ethos_vocabulary *v, int64_t n, const int32_t *units, const char *wanted) {
    char line[1024] = "", name[16];
    for (int64_t i = 0; i < n; i++) {
        name_unit(v, units[i], name);
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", i ? " " : "", name);
    }
    assert_string_equal(line, wanted);
}

/* ---- units ---- */
static void codes_are_cut_as_their_systems_are(void **state) {
    (void)state;
    static const struct {
        const char *code, *parts;
    } CASES[] = {{"ICD10CM/E11.65", "ICD10CM/1/E11 ICD10CM/2/65"},
                 {"DIAGNOSIS//ICD//10//S72001A", "ICD10CM/1/S72 ICD10CM/2/001 ICD10CM/3/A"},
                 {"ICD10CM/I10", "ICD10CM/1/I10"},
                 {"ATC/B01AC06", "ATC/1/B01 ATC/2/A ATC/3/C06"},
                 {"PROCEDURE//ICD//10//0FT44ZZ",
                  "ICD10PCS/1/0 ICD10PCS/2/F ICD10PCS/3/T ICD10PCS/4/4 ICD10PCS/5/4 ICD10PCS/6/Z ICD10PCS/7/Z"},
                 {"DIAGNOSIS//ICD//9//4280", "DIAGNOSIS//ICD//9//4280"},
                 {"LAB//50912//mg/dL", "LAB//50912//mg/dL"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char parts[ETHOS_MOST_PARTS][ETHOS_PART_BYTES], line[1024] = "";
        int n = ethos_parts(CASES[i].code, parts);
        for (int k = 0; k < n; k++)
            snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", k ? " " : "", parts[k]);
        assert_string_equal(line, CASES[i].parts);
    }
}

static void a_code_that_train_has_not_is_read_by_the_parts_that_it_has(void **state) {
    const struct ethos_vocabulary *v = &((struct world *)*state)->ethos->vocabulary;
    int64_t known = v->offsets[DX], unknown = v->offsets[UNKNOWN];
    assert_int_equal(v->offsets[UNKNOWN + 1] - unknown, 2);
    assert_int_equal(v->spelling[unknown], v->spelling[known]); /* E11 */
    assert_int_equal(v->spelling[unknown + 1], ETHOS_MISSING);
}

/* Two tokens a group. DX and ATC have tokens: those of `offsets`. FLU, SEX and others have none. */
static void spell_with_tokens(struct world *w, int64_t offsets[3], struct ethos_vocabulary *v) {
    enum { VECTORS = 2, WIDTH_OF_TOKENS = 2 };
    static int32_t row[] = {0, 1, 2, 3, 1, 4, 5, 6, 6, 0, 4, 2};
    static float weight[] = {.9f, .1f, .3f, .7f, .6f, .4f, .5f, .5f, .2f, .8f, 1, 0}, vectors[7 * WIDTH_OF_TOKENS];
    struct code_bags bags = {.n_rows = 7,
                             .n_items = offsets[VECTORS],
                             .top_k = 2,
                             .offsets = offsets,
                             .row = row,
                             .weight = weight,
                             .width = WIDTH_OF_TOKENS,
                             .vectors = vectors};
    struct code_rows_source codes = {.arm = ARM_MEDTOK_TOKENS, .n_vectors = VECTORS, .bags = &bags};
    struct ehr_data d = w->made.data;
    int32_t own = TOKEN_FIRST_CODE;
    for (int c = 0; c < N_CODES; c++)
        if (c != UNKNOWN) d.row[c] = c == DX || c == ATC ? 0 : own++;
    d.n_own = codes.n_own = own - TOKEN_FIRST_CODE;
    d.n_vectors = d.n_train_vectors = VECTORS;
    d.row[DX] = own, d.row[ATC] = own + 1;
    assert_int_equal(ethos_vocabulary_make(v, &w->comm, &d, &codes, 1), STATUS_OK);
}

/* ATC has two groups alone, DX four, of which two choose one token. */
static void of_medtoks_tokens_the_heaviest_of_each_group_is_a_unit(void **state) {
    int64_t offsets[] = {0, 8, 12};
    struct ethos_vocabulary v;
    spell_with_tokens(*state, offsets, &v);
    static const int32_t OF_DX[] = {0, 3, 1, 5}, OF_ATC[] = {0, 4};
    assert_int_equal(v.offsets[DX + 1] - v.offsets[DX], 4);
    assert_int_equal(v.offsets[ATC + 1] - v.offsets[ATC], 2);
    for (int i = 0; i < 4; i++) assert_int_equal(v.codebook[v.spelling[v.offsets[DX] + i]], OF_DX[i]);
    for (int i = 0; i < 2; i++) assert_int_equal(v.codebook[v.spelling[v.offsets[ATC] + i]], OF_ATC[i]);
    assert_int_equal(v.offsets[FLU + 1] - v.offsets[FLU], 1);
    assert_int_equal(v.codebook[v.spelling[v.offsets[FLU]]], -1);
    assert_int_equal(v.spelling[v.offsets[UNKNOWN]], ETHOS_MISSING);
    ethos_vocabulary_free(&v);
}

/* As of a vocabulary of which no code has a graph: how many tokens a group has cannot be seen from the fullest bag. */
static void where_all_codes_lack_a_side_groups_are_as_large(void **state) {
    int64_t offsets[] = {0, 4, 8};
    struct ethos_vocabulary v;
    spell_with_tokens(*state, offsets, &v);
    static const int32_t OF_DX[] = {0, 3}, OF_ATC[] = {1, 5};
    assert_int_equal(v.offsets[DX + 1] - v.offsets[DX], 2);
    assert_int_equal(v.offsets[ATC + 1] - v.offsets[ATC], 2);
    for (int i = 0; i < 2; i++) assert_int_equal(v.codebook[v.spelling[v.offsets[DX] + i]], OF_DX[i]);
    for (int i = 0; i < 2; i++) assert_int_equal(v.codebook[v.spelling[v.offsets[ATC] + i]], OF_ATC[i]);
    ethos_vocabulary_free(&v);
}

static void intervals_have_thirteen_bins(void **state) {
    (void)state;
    static const struct {
        int64_t minutes, n;
        int32_t bin;
    } CASES[] = {{4, 0, -1},          {5, 1, 0},           {14, 1, 0},          {15, 1, 1},
                 {60, 1, 2},          {120, 1, 3},         {360, 1, 4},         {720, 1, 5},
                 {1440, 1, 6},        {3 * 1440, 1, 7},    {7 * 1440, 1, 8},    {14 * 1440, 1, 9},
                 {30 * 1440, 1, 9},   {31 * 1440, 1, 10},  {91 * 1440, 1, 10},  {92 * 1440, 1, 11},
                 {182 * 1440, 1, 11}, {183 * 1440, 1, 12}, {275 * 1440, 2, 12}, {3653 * 1440, 20, 12}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int32_t unit;
        assert_int_equal(ethos_intervals(CASES[i].minutes * MINUTE, &unit), CASES[i].n);
        if (CASES[i].n) assert_int_equal(unit, ETHOS_INTERVAL + CASES[i].bin);
    }
    assert_int_equal(ethos_duration(ETHOS_INTERVAL), 10 * MINUTE);
    assert_int_equal(ethos_duration(ETHOS_INTERVAL + 8), 21 * DAY / 2);
    assert_int_equal(ethos_duration(ETHOS_ADMISSION), 0);
}

/* Of 12 to 24 hours, 18 hours behind the last event, the second half is left. */
static void of_an_interval_counts_what_lies_behind_the_prediction_time(void **state) {
    (void)state;
    static const struct {
        int64_t gap, duration;
        int32_t bin;
        double share;
    } CASES[] = {{18 * HOUR, 21 * HOUR, 5, 0.5},
                 {6 * HOUR, 18 * HOUR, 5, 1},
                 {24 * HOUR, 24 * HOUR, 5, 0},
                 {800 * DAY, 182 * DAY + 15 * HOUR, 12, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int32_t unit = ETHOS_INTERVAL + CASES[i].bin;
        assert_true(ethos_share_behind(unit, CASES[i].gap) == CASES[i].share);
        if (CASES[i].share > 0) assert_int_equal(ethos_duration_behind(unit, CASES[i].gap), CASES[i].duration);
    }
    assert_true(ethos_share_behind(ETHOS_ADMISSION, 0) == 0);
}

/* Of 1 .. 20 each decile has two values; those of held_out, all above 1000, move none. */
static void deciles_are_those_of_train(void **state) {
    const struct ethos_vocabulary *v = &((struct world *)*state)->ethos->vocabulary;
    assert_int_equal(v->n_numeric, 1);
    for (int value = 1; value <= 20; value++) assert_int_equal(ethos_decile(v, LAB, (float)value), (value - 1) / 2);
    assert_int_equal(ethos_decile(v, LAB, -5), 0);
    assert_int_equal(ethos_decile(v, LAB, 1010), 9);
    assert_int_equal(ethos_decile(v, LAB, NAN), -1);
    assert_int_equal(ethos_decile(v, ATC, 1), -1);
}

/* ---- lines ---- */
static void a_history_is_a_line_of_events_and_intervals(void **state) {
    struct world *w = *state;
    struct ethos_timeline t = {0};
    const struct sample_event events[] = {
        {COHORT_NO_TIME, SEX, 0, -1, NAN}, {0, BIRTH, 0, -1, NAN},       {0, ADMIT, 0, 0, NAN},
        {2 * MINUTE, LAB, 0, 0, 7},        {HOUR, ICU, 0, 0, NAN},       {DAY, LEAVE, 0, 0, NAN},
        {400 * DAY, ATC, 0, -1, NAN},      {401 * DAY, DEAD, 0, -1, NAN}};
    struct sample_history h = history_of(w, 8, 1, 401 * DAY, events);
    assert_int_equal(ethos_timeline_make(&t, &w->ethos->vocabulary, &h, 1), STATUS_OK);
    assert_units(&w->ethos->vocabulary, t.n, t.unit,
                 "ADMIT p5 p9 Q4 I1 ICU p7 I5 LEAVE p6 I12 I12 p0 p1 p2 I6 DEATH END");
    assert_int_equal(t.n_fixed, 1);
    ethos_timeline_free(&t);
}

/* The order of a cohort: a discharge stands behind what has its time. Those of other visits, or of another time, stay. */
static void no_diagnosis_of_a_discharge_stands_before_it(void **state) {
    struct world *w = *state;
    struct ethos_timeline t = {0};
    const struct sample_event events[] = {{0, ADMIT, 0, 0, NAN},   {HOUR, FLU, 0, 0, NAN}, {DAY, DX, 0, 0, NAN},
                                          {DAY, FLU, 0, 0, NAN},   {DAY, ATC, 0, 0, NAN},  {DAY, FLU, 0, -1, NAN},
                                          {DAY, LEAVE, 0, 0, NAN}, {DAY, ADMIT, 0, 1, NAN}};
    struct sample_history h = history_of(w, 8, 0, DAY, events);
    assert_int_equal(ethos_timeline_make(&t, &w->ethos->vocabulary, &h, 0), STATUS_OK);
    assert_units(&w->ethos->vocabulary, t.n, t.unit, "ADMIT p5 I2 p8 I5 p0 p1 p2 p8 LEAVE p6 p3 p4 p8 ADMIT p5");
    ethos_timeline_free(&t);
}

/* The age of 5 years that a window begins in, and its year. */
static void the_context_is_that_of_the_windows_begin(void **state) {
    struct world *w = *state;
    struct ethos_timeline t = {0};
    const struct sample_event events[] = {
        {COHORT_NO_TIME, SEX, 0, -1, NAN}, {DAY, ATC, 0, -1, NAN}, {3653 * DAY, FLU, 0, -1, NAN}};
    struct sample_history h = history_of(w, 3, 1, 3653 * DAY, events);
    int32_t units[WINDOW];
    assert_int_equal(ethos_timeline_make(&t, &w->ethos->vocabulary, &h, 0), STATUS_OK);
    assert_int_equal(ethos_context_length(&t, WINDOW), 3);
    assert_int_equal(ethos_window_room(&t, WINDOW), WINDOW - 3);
    ethos_window(&t, &w->ethos->vocabulary, WINDOW, 0, 3, units);
    assert_units(&w->ethos->vocabulary, 6, units, "p10 A11 Y15 p0 p1 p2"); /* 50 years old, 1970 */
    ethos_window(&t, &w->ethos->vocabulary, WINDOW, t.n - 1, 1, units);
    assert_units(&w->ethos->vocabulary, 4, units, "p10 A13 Y17 p8"); /* 60, 1980 */
    ethos_timeline_free(&t);
}

/* Of 100 units 20 each: of 119 places 20 are moved to the begin, and 20 to the end. */
static void a_drawn_window_has_the_ends_as_often_as_the_middle(void **state) {
    (void)state;
    enum { UNITS = 100, ROOM = 20, PLACES = UNITS + ROOM - 1 };
    struct ethos_timeline t = {.n = UNITS};
    int n_with[UNITS] = {0};
    for (int i = 0; i < PLACES; i++) {
        int64_t first = ethos_window_drawn(&t, ROOM, (i + 0.5) / PLACES);
        assert_true(first >= 0 && first + ROOM <= UNITS);
        for (int64_t k = first; k < first + ROOM; k++) n_with[k]++;
    }
    assert_int_equal(n_with[0], ROOM);
    assert_int_equal(n_with[UNITS / 2], ROOM);
    assert_int_equal(n_with[UNITS - 1], ROOM);
    t.n = ROOM - 1;
    assert_int_equal(ethos_window_drawn(&t, ROOM, 0.99), 0);
}

/* ---- outcomes ---- */
static enum ethos_verdict verdict_of(const struct world *w, enum ethos_event event, int64_t days, const char *future) {
    int32_t code = FLU;
    struct ethos_outcome o = {.event = event, .horizon = days * DAY, .codes = &code, .n_codes = 1};
    struct ethos_timeline t = {0};
    const struct ethos_vocabulary *v = &w->ethos->vocabulary;
    const struct sample_event events[] = {{0, ADMIT, 0, 0, NAN}, {DAY, LEAVE, 0, 0, NAN}};
    struct sample_history h = history_of(w, 2, 0, DAY, events);
    assert_int_equal(ethos_timeline_make(&t, v, &h, 0), STATUS_OK);
    struct ethos_progress p = ethos_progress_begin(&o, &t);
    enum ethos_verdict verdict = ETHOS_OPEN;
    for (; *future && verdict == ETHOS_OPEN; future++) {
        static const char *const LETTERS = "wALIDEF"; /* week to two, markers, the code FLU */
        const int32_t units[] = {ETHOS_INTERVAL + 8,          ETHOS_ADMISSION, ETHOS_DISCHARGE,
                                 ETHOS_ICU_ADMISSION,         ETHOS_DEATH,     ETHOS_END,
                                 v->spelling[v->offsets[FLU]]};
        int32_t unit = units[strchr(LETTERS, *future) - LETTERS];
        ethos_progress_move(&p, unit);
        assert_int_equal(ethos_timeline_add(&t, p.time, unit), STATUS_OK);
        verdict = ethos_progress_step(&p, &o, v, &t);
    }
    ethos_timeline_free(&t);
    return verdict;
}

/* A week to two counts as 10.5 days. */
static void futures_end_with_the_outcome_or_without(void **state) {
    static const struct {
        enum ethos_event event;
        int days;
        const char *future;
        enum ethos_verdict verdict;
    } CASES[] = {
        {ETHOS_ADMITTED, 15, "wA", ETHOS_HIT},        {ETHOS_ADMITTED, 15, "wwA", ETHOS_MISS},
        {ETHOS_ADMITTED, 30, "wwA", ETHOS_HIT},       {ETHOS_ADMITTED, 30, "wD", ETHOS_MISS},
        {ETHOS_ADMITTED, 30, "E", ETHOS_MISS},        {ETHOS_ADMITTED, 30, "wFw", ETHOS_OPEN},
        {ETHOS_DIES, 30, "wALD", ETHOS_HIT},          {ETHOS_DIES, 30, "wALwE", ETHOS_MISS},
        {ETHOS_DIES_IN_STAY, 99, "wD", ETHOS_MISS},   {ETHOS_DIES_IN_STAY, 99, "wAwD", ETHOS_HIT},
        {ETHOS_DIES_IN_STAY, 99, "wALFD", ETHOS_HIT}, {ETHOS_DIES_IN_STAY, 99, "wALwD", ETHOS_MISS},
        {ETHOS_DIES_IN_STAY, 99, "wALA", ETHOS_MISS}, {ETHOS_IN_ICU, 99, "wAI", ETHOS_HIT},
        {ETHOS_IN_ICU, 99, "wAL", ETHOS_MISS},        {ETHOS_GETS_CODE, 30, "wF", ETHOS_HIT},
        {ETHOS_GETS_CODE, 30, "wD", ETHOS_MISS},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        if (verdict_of(*state, CASES[i].event, CASES[i].days, CASES[i].future) != CASES[i].verdict)
            fail_msg("case %d, %s", (int)i, CASES[i].future);
}

static void a_task_says_what_its_futures_hold(void **state) {
    struct world *w = *state;
    struct ethos_outcome o;
    char *prefix = "ICD10CM/J";
    assert_int_equal(ethos_outcome_make(&o, &w->options, &w->made.data), STATUS_OK);
    assert_true(o.event == ETHOS_ADMITTED && o.horizon == 30 * DAY);
    struct ehr_options by_code = w->options;
    by_code.outcome = (struct string_list){1, &prefix};
    by_code.horizon = 7;
    assert_int_equal(ethos_outcome_make(&o, &by_code, &w->made.data), STATUS_OK);
    assert_true(o.event == ETHOS_GETS_CODE && o.horizon == 7 * DAY && o.n_codes == 1 && o.codes[0] == FLU);
    ethos_outcome_free(&o);
    prefix = "X";
    assert_int_equal(ethos_outcome_make(&o, &by_code, &w->made.data), STATUS_USAGE);
    ethos_outcome_free(&o);
    w->made.task.name = "los_7d";
    assert_int_equal(ethos_outcome_make(&o, &w->options, &w->made.data), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "ethos-probe"));
}

/* ---- futures ---- */
enum { HISTORY = 30, STEPS = 60 };
static const struct ethos_outcome NEVER = {.event = ETHOS_GETS_CODE, .horizon = (int64_t)1 << 60};

/* Longer than the window. */
static struct sample_history long_history(const struct world *w, struct sample_event events[HISTORY]) {
    static const int32_t SOME[] = {ADMIT, LAB, ATC, FLU, LEAVE};
    for (int i = 0; i < HISTORY; i++)
        events[i] = (struct sample_event){.time = i * i * HOUR, .code = SOME[i % 5], .visit = -1, .value = (float)i};
    return history_of(w, HISTORY, 0, events[HISTORY - 1].time, events);
}

/* Units are those of the first; so the windows are, which begin anew more than once. 1e-5 of the largest logit, which is about 3: sums of
 * float32 in another order. */
static void kept_keys_and_values_give_the_logits_of_whole_windows(void **state) {
    struct world *w = *state;
    struct ethos_generator kept, whole;
    struct sample_event events[HISTORY];
    struct sample_history h = long_history(w, events);
    int64_t n = w->options.futures, outputs = ethos_n_outputs(&w->ethos->vocabulary), n_compared = 0, n_anew = 0;
    double most = 0;
    assert_int_equal(ethos_generator_make(&kept, w->ethos, &w->device, n, 1), STATUS_OK);
    assert_int_equal(ethos_generator_make(&whole, w->ethos, &w->device, n, 0), STATUS_OK);
    assert_int_equal(ethos_generator_begin(&kept, &NEVER, &h), STATUS_OK);
    assert_int_equal(ethos_generator_begin(&whole, &NEVER, &h), STATUS_OK);
    for (int64_t unit = 0; unit < STEPS; unit++) {
        int64_t first = 0;
        for (int64_t i = 0; i < n; i++) first -= kept.futures[i].first;
        assert_int_equal(ethos_generator_step(&kept, &NEVER, 4, unit), STATUS_OK);
        assert_int_equal(ethos_generator_step(&whole, &NEVER, 4, unit), STATUS_OK);
        for (int64_t i = 0; i < n; i++) {
            first += kept.futures[i].first;
            const struct ethos_timeline *a = &kept.futures[i].timeline, *b = &whole.futures[i].timeline;
            assert_int_equal(a->n, b->n);
            assert_memory_equal(a->unit, b->unit, (size_t)a->n * sizeof *a->unit);
        }
        n_anew += first > 0; /* a window began further on */
        assert_true(unit == 0 || kept.step.n == whole.step.n);
        for (int64_t k = 0; k < kept.step.n * outputs; k++, n_compared++) {
            assert_true(fabs(kept.step.logits[k] - whole.step.logits[k]) < 1e-5 * 3);
            most = fmax(most, fabs(kept.step.logits[k]));
        }
    }
    assert_true(most > 1 && n_anew > 1 && n_compared > STEPS * outputs);
    ethos_generator_free(&kept);
    ethos_generator_free(&whole);
}

static void futures_depend_on_seed_and_number_alone(void **state) {
    struct world *w = *state;
    struct ethos_generator g[3];
    struct sample_event events[HISTORY];
    struct sample_history h = long_history(w, events), other = history_of(w, 10, 0, events[9].time, events);
    const struct ethos_outcome year = {.event = ETHOS_ADMITTED, .horizon = 366 * DAY};
    for (int i = 0; i < 3; i++)
        assert_int_equal(ethos_generator_make(&g[i], w->ethos, &w->device, i == 1 ? 3 : 6, 1), STATUS_OK);
    assert_int_equal(ethos_generate(&g[0], &year, &h, 4), STATUS_OK);
    assert_int_equal(ethos_generate(&g[1], &year, &other, 9), STATUS_OK); /* another sample went before */
    assert_int_equal(ethos_generate(&g[1], &year, &h, 4), STATUS_OK);
    w->ethos->seed++;
    assert_int_equal(ethos_generate(&g[2], &year, &h, 4), STATUS_OK);
    int64_t n_other = 0;
    for (int i = 0; i < 3; i++) { /* the three that both have */
        const struct ethos_timeline *a = &g[0].futures[i].timeline, *b = &g[1].futures[i].timeline;
        const struct ethos_timeline *c = &g[2].futures[i].timeline;
        assert_true(a->n == b->n && memcmp(a->unit, b->unit, (size_t)a->n * sizeof *a->unit) == 0);
        n_other += a->n != c->n || memcmp(a->unit, c->unit, (size_t)a->n * sizeof *a->unit) != 0;
    }
    assert_true(n_other > 0);
    for (int i = 0; i < 3; i++) ethos_generator_free(&g[i]);
}

static void time_is_the_sum_of_intervals_and_ends_at_the_horizon(void **state) {
    struct world *w = *state;
    struct ethos_generator g;
    struct sample_event events[HISTORY];
    struct sample_history h = long_history(w, events);
    const struct ethos_outcome month = {.event = ETHOS_IN_ICU, .horizon = 30 * DAY};
    int n[3] = {0};
    assert_int_equal(ethos_generator_make(&g, w->ethos, &w->device, 40, 1), STATUS_OK);
    assert_int_equal(ethos_generate(&g, &month, &h, 4), STATUS_OK);
    struct ethos_timeline prompt = {0};
    assert_int_equal(ethos_timeline_make(&prompt, &w->ethos->vocabulary, &h, 0), STATUS_OK);
    for (int64_t i = 0; i < g.n; i++) {
        const struct ethos_timeline *t = &g.futures[i].timeline;
        int64_t time = h.time;
        for (int64_t k = prompt.n; k < t->n; k++) {
            time += ethos_duration(t->unit[k]);
            assert_int_equal(t->time[k], time);
            if (k + 1 < t->n) assert_true(time <= h.time + month.horizon);
        }
        int in_time = time <= h.time + month.horizon;
        n[g.futures[i].verdict]++;
        if (g.futures[i].verdict == ETHOS_HIT) assert_true(in_time && t->unit[t->n - 1] == ETHOS_ICU_ADMISSION);
        if (!in_time) assert_int_equal(g.futures[i].verdict, ETHOS_MISS);
    }
    assert_true(n[ETHOS_HIT] > 0 && n[ETHOS_MISS] > 0 && n[ETHOS_OPEN] == 0);
    ethos_timeline_free(&prompt);
    ethos_generator_free(&g);
}

/* Nothing happens between the history's last event and the prediction time, nor more at that very time; there may be nothing at all. */
static void futures_begin_behind_the_prediction_time(void **state) {
    static const struct {
        int64_t gap, n; /* intervals that come first */
        int32_t least;  /* bin of them */
    } CASES[] = {{0, 1, 0}, {2 * MINUTE, 1, 0}, {20 * HOUR, 1, 5}, {24 * HOUR, 1, 6}, {1096 * DAY, 6, 12}};
    struct world *w = *state;
    struct ethos_generator g;
    struct sample_event events[HISTORY];
    const struct ethos_outcome ever = {.event = ETHOS_ADMITTED, .horizon = 5000 * DAY};
    assert_int_equal(ethos_generator_make(&g, w->ethos, &w->device, 40, 1), STATUS_OK);
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        struct sample_history h = long_history(w, events);
        int64_t n_inside = 0, n_without = 0;
        h.time += CASES[c].gap;
        assert_int_equal(ethos_generate(&g, &ever, &h, 4), STATUS_OK);
        struct ethos_timeline prompt = {0};
        assert_int_equal(ethos_timeline_make(&prompt, &w->ethos->vocabulary, &h, 0), STATUS_OK);
        for (int64_t i = 0; i < g.n; i++) {
            const struct ethos_timeline *t = &g.futures[i].timeline;
            int64_t k = prompt.n, end = prompt.n + CASES[c].n;
            for (; k < end && t->unit[k] != ETHOS_END; k++) {
                assert_true(k < t->n && t->unit[k] < ETHOS_DECILE && t->unit[k] >= ETHOS_INTERVAL + CASES[c].least);
                n_inside += t->unit[k] > ETHOS_INTERVAL + CASES[c].least;
            }
            n_without += k < end;
            assert_true(k < end || t->time[end - 1] >= h.time);
        }
        assert_true(n_without > 0 && n_without < g.n);
        assert_true(n_inside > 0 || CASES[c].least == 12); /* others are drawn too */
        ethos_timeline_free(&prompt);
    }
    ethos_generator_free(&g);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_world, free_world)
#define CASE_BY_ROWS(name)                                                                                             \
    { #name ", codes are rows", name, make_world_by_rows, free_world, NULL }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_cut_as_their_systems_are),
        CASE(a_code_that_train_has_not_is_read_by_the_parts_that_it_has),
        CASE(of_medtoks_tokens_the_heaviest_of_each_group_is_a_unit),
        CASE(where_all_codes_lack_a_side_groups_are_as_large),
        cmocka_unit_test(intervals_have_thirteen_bins),
        cmocka_unit_test(of_an_interval_counts_what_lies_behind_the_prediction_time),
        CASE(deciles_are_those_of_train),
        CASE(a_history_is_a_line_of_events_and_intervals),
        CASE(no_diagnosis_of_a_discharge_stands_before_it),
        CASE(the_context_is_that_of_the_windows_begin),
        cmocka_unit_test(a_drawn_window_has_the_ends_as_often_as_the_middle),
        CASE(futures_end_with_the_outcome_or_without),
        CASE(a_task_says_what_its_futures_hold),
        CASE(kept_keys_and_values_give_the_logits_of_whole_windows),
        CASE_BY_ROWS(kept_keys_and_values_give_the_logits_of_whole_windows),
        CASE(futures_depend_on_seed_and_number_alone),
        CASE_BY_ROWS(futures_depend_on_seed_and_number_alone),
        CASE(time_is_the_sum_of_intervals_and_ends_at_the_horizon),
        CASE(futures_begin_behind_the_prediction_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
