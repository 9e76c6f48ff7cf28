/* cohort.h5: what is written is read, by parts too; and a sample's history ends at its prediction time. */
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
#include "made_cohort.h"

/* Three subjects: 7 with two static events, times 10, 20, 20, 30, and the visits 5..15 and 18..30, in which it died; 9 with none; 12
 * with times 5, 6. The task `stay` asks about visits and hides diagnoses in them; `drugs` has label sets. */
static char codes[4][12] = {"BIRTH", "DEATH", "FEMALE", "I10"}, tasks[3][8] = {"death", "drugs", "stay"};
static char class_names[5][8] = {"aspirin", "heparin", "opiate", "short", "long"};
static uint8_t kinds[] = {CODE_KIND_FACT, CODE_KIND_FACT, CODE_KIND_FACT, CODE_KIND_DIAGNOSIS};
static int64_t counts[] = {2, 1, 1, 4}, train_counts[] = {1, 1, 1, 3}, subjects[] = {7, 9, 12};
static int64_t births[] = {10, COHORT_NO_TIME, 5}, deaths[] = {30, COHORT_NO_TIME, COHORT_NO_TIME};
static int64_t matches[] = {-1, -1, 5, 17}, offsets[] = {0, 6, 6, 8}, visit_offsets[] = {0, 2, 2, 2};
static uint8_t how[] = {CODE_MATCH_MISSING, CODE_MATCH_MISSING, CODE_MATCH_ANCESTOR, CODE_MATCH_EXACT};
static uint8_t splits[] = {SPLIT_TRAIN, SPLIT_TUNING, SPLIT_HELD_OUT};
static int64_t times[] = {COHORT_NO_TIME, COHORT_NO_TIME, 10, 20, 20, 30, 5, 6};
static int32_t event_codes[] = {2, 3, 0, 3, 3, 1, 0, 3}, visits[] = {-1, -1, 0, 1, 0, 1, -1, -1};
static struct cohort_visit visit_list[] = {{.id = 100, .start = 5, .end = 15, .kind = VISIT_OUTPATIENT},
                                           {.id = 90, .start = 18, .end = 30, .kind = VISIT_INPATIENT, .died = 1}};
static float values[] = {NAN, 1.5f, NAN, 2, 3, NAN, NAN, -4};
static uint8_t forms[] = {LABEL_BINARY, LABEL_SET, LABEL_CLASS};
static int32_t n_classes[] = {2, 3, 2}, hidden[] = {0, 0, 1 << CODE_KIND_DIAGNOSIS};
static int64_t class_offsets[] = {0, 0, 3, 5}, task_offsets[] = {0, 3, 5, 7};
static int32_t sample_subjects[] = {0, 0, 2, 0, 1, 0, 0}, sample_visits[] = {-1, -1, -1, 1, -1, 0, 1};
static int64_t sample_times[] = {19, 20, INT64_MAX, 20, 0, 20, 20}, sample_sets[] = {0, 0, 0, 0, 2, 2, 2, 2};
static int32_t labels[] = {0, 1, 1, 2, 0, 1, 0}, set[] = {0, 2};

static struct cohort_events events = {.n_subjects = 3,
                                      .death = deaths,
                                      .offsets = offsets,
                                      .time = times,
                                      .code = event_codes,
                                      .value = values,
                                      .visit = visits,
                                      .visit_offsets = visit_offsets,
                                      .visits = visit_list};

static struct cohort example(void) {
    return (struct cohort){.n_codes = 4,
                           .code_bytes = sizeof codes[0],
                           .code = codes[0],
                           .code_kind = kinds,
                           .code_match = matches,
                           .code_match_how = how,
                           .n_subjects = 3,
                           .subject = subjects,
                           .birth = births,
                           .split = splits,
                           .n_tasks = 3,
                           .task_bytes = sizeof tasks[0],
                           .task = tasks[0],
                           .task_form = forms,
                           .task_classes = n_classes,
                           .task_hidden = hidden,
                           .class_bytes = sizeof class_names[0],
                           .class_name = class_names[0],
                           .class_offsets = class_offsets,
                           .task_offsets = task_offsets,
                           .sample_subject = sample_subjects,
                           .sample_time = sample_times,
                           .sample_visit = sample_visits,
                           .sample_label = labels,
                           .sample_set = sample_sets,
                           .set = set,
                           .events = &events};
}

static void write_example(const char *path) {
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    struct cohort c = example();
    provenance_finish(&provenance, KIND_COHORT);
    assert_int_equal(made_cohort_write(path, &c, &provenance), STATUS_OK);
    provenance_free(&provenance);
}

static void make_path(char path[PATH_MAX]) { snprintf(path, PATH_MAX, "/tmp/test_cohort.%d.h5", (int)getpid()); }

static void check_history(const struct cohort *c, int64_t sample, int64_t n, int64_t n_static, const int64_t *time,
                          const int32_t *code) {
    struct history h = {0};
    assert_int_equal(cohort_history(c, sample, &h), STATUS_OK);
    assert_int_equal(h.n, n);
    assert_int_equal(h.n_static, n_static);
    for (int64_t i = 0; i < n; i++) assert_true(h.time[i] == time[i] && h.code[i] == code[i]);
    history_free(&h);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_OK);
    assert_true(c.n_subjects == 3 && c.n_codes == 4 && c.n_tasks == 3);
    assert_string_equal(cohort_code(&c, 3), "I10");
    assert_memory_equal(c.code_kind, kinds, sizeof kinds);
    assert_memory_equal(c.code_count, counts, sizeof counts);
    assert_memory_equal(c.code_count_train, train_counts, sizeof train_counts);
    assert_memory_equal(c.code_match, matches, sizeof matches);
    assert_memory_equal(c.code_match_how, how, sizeof how);
    assert_memory_equal(c.birth, births, sizeof births);
    assert_memory_equal(c.split, splits, sizeof splits);
    assert_memory_equal(c.task_form, forms, sizeof forms);
    assert_memory_equal(c.task_classes, n_classes, sizeof n_classes);
    assert_memory_equal(c.task_hidden, hidden, sizeof hidden);
    assert_memory_equal(c.sample_visit, sample_visits, sizeof sample_visits);
    assert_memory_equal(c.sample_label, labels, sizeof labels);
    assert_memory_equal(c.sample_set, sample_sets, sizeof sample_sets);
    assert_memory_equal(c.set, set, sizeof set);
    assert_string_equal(cohort_class(&c, 1, 2), "opiate");
    assert_string_equal(cohort_class(&c, 2, 0), "short");
    struct subject_record r = cohort_subject(&c, 0);
    assert_true(r.subject == 7 && r.birth == 10 && r.death == 30 && r.n_visits == 2 && r.n_events == 6);
    assert_true(r.visits[0].id == 100 && r.visits[0].kind == VISIT_OUTPATIENT && r.visits[0].end == 15);
    assert_true(r.visits[1].id == 90 && r.visits[1].died == 1 && r.visits[1].start == 18);
    assert_memory_equal(r.visit, visits, 6 * sizeof *visits);
    r = cohort_subject(&c, 2);
    assert_true(r.subject == 12 && r.death == COHORT_NO_TIME && r.n_visits == 0 && r.time[1] == 6);
    cohort_free(&c);
    unlink(path);
}

static void histories_end_at_the_prediction_time(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    int64_t task;
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_OK);
    check_history(&c, 0, 3, 2, times, event_codes);         /* at 19: the events at 20 are not known */
    check_history(&c, 1, 5, 2, times, event_codes);         /* at 20: both are */
    check_history(&c, 2, 2, 0, times + 6, event_codes + 6); /* after all */
    check_history(&c, 4, 0, 0, NULL, NULL);                 /* a subject without events */
    struct history h = {0};
    assert_int_equal(cohort_history(&c, 1, &h), STATUS_OK);
    assert_true(isnan(h.value[0]) && h.value[1] == 1.5f && h.value[4] == 3);
    history_free(&h);
    assert_int_equal(cohort_find_task(&c, path, "stay", &task), STATUS_OK);
    assert_int_equal(task, 2);
    assert_int_equal(cohort_find_task(&c, path, "sepsis", &task), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "has no task sepsis; it has death, drugs, stay"));
    cohort_free(&c);
    unlink(path);
}

/* The codes that a task asks for, in the visit that it asks about; the same codes elsewhere are known. */
static void what_a_task_asks_for_is_not_in_the_history(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    struct history h = {0};
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_OK);
    const float first[] = {1.5f, 2}, second[] = {1.5f, 3}; /* values of the diagnoses that are left */
    for (int64_t sample = 5; sample < 7; sample++) {       /* of visit 0, then of visit 1 */
        const float *expected = sample == 5 ? first : second;
        int64_t n = 0;
        assert_int_equal(cohort_history(&c, sample, &h), STATUS_OK);
        assert_int_equal(h.n, 4);
        for (int64_t i = 0; i < h.n; i++)
            if (h.code[i] == 3) assert_true(n < 2 && h.value[i] == expected[n++]);
        assert_int_equal(n, 2);
    }
    history_free(&h);
    cohort_free(&c);
    unlink(path);
}

static void of_visits_only_what_was_known_is_in_the_history(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    struct history h = {0};
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_OK);
    assert_int_equal(cohort_history(&c, 1, &h), STATUS_OK); /* at 20, in the second visit */
    assert_int_equal(h.n_visits, 2);
    assert_true(h.visits[0].end == 15 && h.visits[1].end == COHORT_NO_TIME && h.visits[1].died == 0);
    c.sample_time[1] = 30; /* its end */
    assert_int_equal(cohort_history(&c, 1, &h), STATUS_OK);
    assert_true(h.visits[1].end == 30 && h.visits[1].died == 1);
    c.sample_time[1] = 17;
    c.events->visit[2] = 1; /* the event at 10, before its visit begins */
    assert_int_equal(cohort_history(&c, 1, &h), STATUS_OK);
    assert_int_equal(h.n_visits, 1);
    assert_int_equal(h.visit[2], -1);
    history_free(&h);
    cohort_free(&c);
    unlink(path);
}

static void events_of_some_subjects_are_read(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    struct history h = {0};
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 1, 2, &c), STATUS_OK);
    check_history(&c, 2, 2, 0, times + 6, event_codes + 6);
    assert_int_equal(cohort_history(&c, 0, &h), STATUS_FAILED);
    assert_string_equal(status_message(), "a history is asked for of subject 7, whose events were not read");
    cohort_free(&c);
    assert_int_equal(cohort_read(path, 2, 2, &c), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "has 3 subjects, but subjects 2 to 3 are needed"));
    unlink(path);
}

/* Whole by its checksums, but what it says cannot be. */
static void a_cohort_that_does_not_hold_together_is_damaged(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    make_path(path);
    struct {
        void *at;
        size_t size;
        int64_t wrong;
        const char *message;
    } cases[] = {{&times[4], sizeof times[0], 9, "event 4"},
                 {&visits[3], sizeof visits[0], 2, "event 3"},
                 {&splits[1], 1, 3, "split 1"},
                 {&kinds[2], 1, N_CODE_KINDS, "code_kind 2"},
                 {&matches[0], sizeof matches[0], 3, "code_match 0"},
                 {&subjects[1], sizeof subjects[0], 7, "subject 1"},
                 {&visit_list[1].end, sizeof(int64_t), 17, "visit 1"},
                 {&visit_list[0].start, sizeof(int64_t), 19, "visit 0"},
                 {&sample_subjects[2], sizeof sample_subjects[0], 3, "sample 2"},
                 {&sample_visits[3], sizeof sample_visits[0], 2, "sample 3"},
                 {&set[1], sizeof set[0], 3, "set 1"},
                 {&labels[0], sizeof labels[0], 2, "sample 0"},
                 {&labels[5], sizeof labels[0], 2, "sample 5"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t right;
        memcpy(&right, cases[i].at, cases[i].size);
        memcpy(cases[i].at, &cases[i].wrong, cases[i].size);
        write_example(path);
        memcpy(cases[i].at, &right, cases[i].size);
        assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_FAILED);
        assert_non_null(strstr(status_message(), cases[i].message));
    }
    unlink(path);
}

static void each_subject_is_written_once(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct comm comm = comm_self();
    struct cohort c = example();
    struct cohort_writer *writer;
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    struct cohort_contents contents = {.code_bytes = c.code_bytes,
                                       .code = c.code,
                                       .code_kind = kinds,
                                       .subject = subjects,
                                       .birth = births,
                                       .death = deaths,
                                       .split = splits};
    make_path(path);
    assert_int_equal(cohort_writer_make(&writer, &comm, path, 3, 4), STATUS_OK);
    for (int s = 0; s < 2; s++) {
        struct subject_record record = cohort_subject(&c, s);
        assert_int_equal(cohort_writer_add(writer, &record), STATUS_OK);
    }
    assert_int_equal(cohort_writer_finish(writer, &contents, &provenance), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "subject 12 was added 0 times"));
    cohort_writer_free(writer);
    provenance_free(&provenance);
    assert_int_equal(access(path, F_OK), -1);
}

static void times_are_shown_to_the_microsecond(void **state) {
    (void)state;
    char text[40];
    cohort_time_text(0, text);
    assert_string_equal(text, "1970-01-01 00:00:00");
    cohort_time_text(-1, text);
    assert_string_equal(text, "1969-12-31 23:59:59.999999");
    cohort_time_text(1104451200000000, text);
    assert_string_equal(text, "2004-12-31 00:00:00");
    cohort_time_text(COHORT_NO_TIME, text);
    assert_string_equal(text, "no time");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(histories_end_at_the_prediction_time),
        cmocka_unit_test(what_a_task_asks_for_is_not_in_the_history),
        cmocka_unit_test(of_visits_only_what_was_known_is_in_the_history),
        cmocka_unit_test(events_of_some_subjects_are_read),
        cmocka_unit_test(a_cohort_that_does_not_hold_together_is_damaged),
        cmocka_unit_test(each_subject_is_written_once),
        cmocka_unit_test(times_are_shown_to_the_microsecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
