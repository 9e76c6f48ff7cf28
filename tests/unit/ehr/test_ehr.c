/* What a model of health records reads: timelines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/timeline.h"
#include "store/cohort_events.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeline_is_visits_by_day),
        cmocka_unit_test(of_300_visits_and_5000_codes_the_latest_part_is_kept_and_the_rest_counted),
        cmocka_unit_test(of_a_long_history_the_last_tokens_are_kept_and_static_codes),
        cmocka_unit_test(many_static_codes_leave_room_for_visits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
