/* No task's inputs tell what comes behind its prediction time, or what it asks for: whatever is changed there, histories stay the same, bit
 * for bit (specs/ehr-models-and-tasks.md, 13.3). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/tasks/code_traits.h"
#include "ehr/tasks/tasks.h"
#include "store/cohort_events.h"
#include "terms/code_groups.h"

enum { N_CODES = 8, MOST_VISITS = 8, MOST_EVENTS = 128 };
static const int64_t HOURS = (int64_t)3600 * 1000000;
static char codes[N_CODES][32] = {"ICD10CM/I214",        "ICD10CM/I10",  "ICD10PCS/0FT44ZZ", "ATC/B01AB01",
                                  "ICU_ADMISSION//MICU", "LOINC/2823-3", "GENDER//F",        "ATC/C07AB02"};
static uint8_t kinds[N_CODES] = {CODE_KIND_DIAGNOSIS, CODE_KIND_DIAGNOSIS,   CODE_KIND_PROCEDURE, CODE_KIND_DRUG,
                                 CODE_KIND_VISIT,     CODE_KIND_MEASUREMENT, CODE_KIND_FACT,      CODE_KIND_DRUG};

/* ---- one subject ---- */
struct subject {
    int64_t death;
    struct cohort_visit visits[MOST_VISITS];
    int64_t n_visits, n, time[MOST_EVENTS];
    int32_t code[MOST_EVENTS], visit[MOST_EVENTS];
    float value[MOST_EVENTS];
};

static void add(struct subject *s, int64_t time, int32_t code, int32_t visit, float value) {
    s->time[s->n] = time;
    s->code[s->n] = code;
    s->visit[s->n] = visit;
    s->value[s->n++] = value;
}

/* Four stays, of five days each, with all kinds of events, and results between. */
static struct subject made(void) {
    struct subject s = {.death = 4000 * HOURS};
    add(&s, COHORT_NO_TIME, 6, -1, NAN);
    for (int32_t v = 0; v < 4; v++) {
        int64_t start = 10000 * HOURS * 24 + v * 600 * HOURS, end = start + 120 * HOURS;
        s.visits[s.n_visits++] = (struct cohort_visit){v, start, end, VISIT_INPATIENT, v == 3};
        s.death = end;
        add(&s, start, 4, v, NAN);
        add(&s, start + 10 * HOURS, 3, v, NAN);
        add(&s, start + 20 * HOURS, 5, v, 5.7f);
        add(&s, start + 30 * HOURS, 7, v, NAN);
        add(&s, end, v == 2 ? 0 : 1, v, NAN);
        add(&s, end, 2, v, NAN);
        add(&s, end + 24 * HOURS, 5, -1, 4);
    }
    return s;
}

static struct subject_record record_of(const struct subject *s) {
    return (struct subject_record){.subject = 1,
                                   .birth = 100 * HOURS,
                                   .death = s->death,
                                   .n_visits = s->n_visits,
                                   .visits = s->visits,
                                   .n_events = s->n,
                                   .time = s->time,
                                   .code = s->code,
                                   .value = s->value,
                                   .visit = s->visit};
}

/* ---- histories ---- */
static struct history history_of(struct subject *s, const struct task_samples *t, long long sample) {
    struct history history = {0};
    int64_t number = 1, birth = 100 * HOURS, offsets[] = {0, s->n}, visit_offsets[] = {0, s->n_visits},
            task_offsets[] = {0, 1}, time = t->samples[sample].time;
    int32_t hidden = (int32_t)t->hidden, subject = 0, visit = t->samples[sample].visit, label = 0;
    uint8_t split = SPLIT_TRAIN;
    struct cohort_events events = {.n_subjects = 1,
                                   .death = &s->death,
                                   .offsets = offsets,
                                   .time = s->time,
                                   .code = s->code,
                                   .value = s->value,
                                   .visit = s->visit,
                                   .visit_offsets = visit_offsets,
                                   .visits = s->visits};
    struct cohort c = {.n_codes = N_CODES,
                       .code_bytes = sizeof codes[0],
                       .code = codes[0],
                       .code_kind = kinds,
                       .n_subjects = 1,
                       .subject = &number,
                       .birth = &birth,
                       .split = &split,
                       .n_tasks = 1,
                       .task_hidden = &hidden,
                       .task_offsets = task_offsets,
                       .sample_subject = &subject,
                       .sample_visit = &visit,
                       .sample_label = &label,
                       .sample_time = &time,
                       .events = &events};
    assert_int_equal(cohort_history(&c, 0, &history), STATUS_OK);
    return history;
}

static int same(const struct history *a, const struct history *b) {
    size_t n = (size_t)a->n;
    if (a->n != b->n || a->n_static != b->n_static || a->n_visits != b->n_visits) return 0;
    for (int64_t v = 0; v < a->n_visits; v++)
        if (a->visits[v].id != b->visits[v].id || a->visits[v].start != b->visits[v].start ||
            a->visits[v].end != b->visits[v].end || a->visits[v].kind != b->visits[v].kind ||
            a->visits[v].died != b->visits[v].died)
            return 0;
    return n == 0 ||
           (memcmp(a->time, b->time, n * sizeof *a->time) == 0 && memcmp(a->code, b->code, n * sizeof *a->code) == 0 &&
            memcmp(a->value, b->value, n * sizeof *a->value) == 0 &&
            memcmp(a->visit, b->visit, n * sizeof *a->visit) == 0);
}

/* Another future: what is behind the prediction time, and what the task hides, is another; more events and visits are added. */
static struct subject otherwise(const struct subject *s, const struct task_samples *t, long long sample) {
    struct subject o = *s;
    int64_t time = t->samples[sample].time, last = s->time[s->n - 1] > time ? s->time[s->n - 1] : time;
    int32_t visit = t->samples[sample].visit;
    for (int64_t i = 0; i < o.n; i++) {
        int hidden = visit >= 0 && o.visit[i] == visit && (t->hidden >> kinds[o.code[i]] & 1);
        if (o.time[i] > time) {
            o.code[i] = (o.code[i] + 1) % N_CODES;
            o.value[i] = 99;
            o.time[i] += HOURS;
        } else if (hidden)
            o.code[i] = kinds[o.code[i]] == CODE_KIND_DRUG ? (o.code[i] == 3 ? 7 : 3) : 1 - o.code[i];
    }
    for (int32_t v = 0; v < o.n_visits; v++) {
        if (o.visits[v].end > time) o.visits[v].end += 1000 * HOURS, o.visits[v].died = !o.visits[v].died;
        if (o.visits[v].start > time) o.visits[v].start += HOURS;
    }
    o.visits[o.n_visits++] = (struct cohort_visit){99, last + 5000 * HOURS, last + 5001 * HOURS, VISIT_EMERGENCY, 1};
    for (int32_t k = 0; k < N_CODES; k++)
        add(&o, last + (5000 + k) * HOURS, k, k % 2 ? (int32_t)o.n_visits - 1 : -1, 1);
    o.death = o.death > time ? o.death + 7 * HOURS : o.death;
    return o;
}

static void check_task(const char *name, enum task_mode mode, const struct code_groups *groups, long long *n_samples) {
    struct task_codes list = {
        .n = N_CODES, .text = {.text = codes[0], .stride = sizeof codes[0]}, .kind = kinds, .groups = groups};
    struct task_options options = {.mode = mode};
    struct string_list names = {0};
    struct task_set *set;
    struct subject s = made();
    struct subject_record record = record_of(&s);
    assert_int_equal(string_list_add(&names, name), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &list), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    const struct task_samples *t = task_set_samples(set, 0);
    for (long long i = 0; i < t->n; i++, ++*n_samples) {
        struct subject o = otherwise(&s, t, i);
        struct history before = history_of(&s, t, i), after = history_of(&o, t, i);
        if (!same(&before, &after)) fail_msg("%s: sample %lld has another history", name, i);
        assert_true(before.n > 1);
        history_free(&before);
        history_free(&after);
    }
    task_set_free(set);
    string_list_clear(&names);
}

static void another_future_is_not_seen(void **state) {
    (void)state;
    static const char *const NAMES[] = {"mortality",  "mortality_24h", "readmission_15d", "length_of_stay",  "los_7d",
                                        "phenotypes", "drugs_5",       "drugs_atc3",      "first_ami",       "guo_los",
                                        "guo_icu",    "new_acutemi",   "guo_readmission", "lab_hyperkalemia"};
    struct code_groups groups = {0};
    for (int p = 0; p < N_PHENOTYPES; p++)
        assert_int_equal(code_groups_add(&groups, PHENOTYPES[p].name, "ICD10CM", p == 5 ? "I10" : "I21.4"), STATUS_OK);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        long long n[N_TASK_MODES] = {0};
        for (int mode = 0; mode < N_TASK_MODES; mode++) check_task(NAMES[i], (enum task_mode)mode, &groups, &n[mode]);
        if (strcmp(NAMES[i], "guo_icu") != 0) assert_true(n[TASK_CLEAN] > 0 && n[TASK_MEDTOK] > 0);
    }
    code_groups_free(&groups);
}

/* The test can fail: were an event at the prediction time changed, it would. */
static void another_past_is_seen(void **state) {
    (void)state;
    struct task_sample sample = {0};
    struct task_samples t = {.n = 1, .samples = &sample};
    struct subject s = made(), o = s;
    sample = (struct task_sample){0, s.time[5], 0, 0};
    o.code[5] = 0;
    struct history before = history_of(&s, &t, 0), after = history_of(&o, &t, 0);
    assert_false(same(&before, &after));
    history_free(&before);
    history_free(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_future_is_not_seen),
        cmocka_unit_test(another_past_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
