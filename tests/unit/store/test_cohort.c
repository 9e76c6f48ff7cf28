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
#include "store/cohort.h"
#include "store/cohort_events.h"

/* Three subjects: 7 with two static events and times 10, 20, 20, 30; 9 with none; 12 with times 5, 6. */
static char codes[4][12] = {"BIRTH", "DEATH", "FEMALE", "I10"}, tasks[2][8] = {"death", "stay"};
static int64_t counts[] = {2, 1, 1, 4}, train_counts[] = {1, 1, 1, 3}, subjects[] = {7, 9, 12};
static int64_t births[] = {10, COHORT_NO_TIME, 5}, offsets[] = {0, 6, 6, 8};
static uint8_t splits[] = {SPLIT_TRAIN, SPLIT_TUNING, SPLIT_HELD_OUT}, labels[] = {0, 1, 1, 0};
static int64_t times[] = {COHORT_NO_TIME, COHORT_NO_TIME, 10, 20, 20, 30, 5, 6};
static int32_t event_codes[] = {2, 3, 0, 3, 3, 1, 0, 3}, sample_subjects[] = {0, 0, 2, 1};
static float values[] = {NAN, 1.5f, NAN, 2, 3, NAN, NAN, -4};
static int64_t task_offsets[] = {0, 3, 4}, sample_times[] = {19, 20, INT64_MAX, 0};

static void write_example(const char *path) {
    struct comm comm = comm_self();
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    struct cohort_events events = {
        .n_subjects = 3, .offsets = offsets, .time = times, .code = event_codes, .value = values};
    struct cohort c = {.n_codes = 4,
                       .code_bytes = sizeof codes[0],
                       .code = codes[0],
                       .code_count = counts,
                       .code_count_train = train_counts,
                       .n_subjects = 3,
                       .subject = subjects,
                       .birth = births,
                       .split = splits,
                       .n_tasks = 2,
                       .task_bytes = sizeof tasks[0],
                       .task = tasks[0],
                       .task_offsets = task_offsets,
                       .sample_subject = sample_subjects,
                       .sample_time = sample_times,
                       .sample_label = labels,
                       .events = &events};
    provenance_finish(&provenance, KIND_COHORT);
    assert_int_equal(cohort_write(&comm, path, &c, &provenance), STATUS_OK);
    provenance_free(&provenance);
}

static void make_path(char path[PATH_MAX]) { snprintf(path, PATH_MAX, "/tmp/test_cohort.%d.h5", (int)getpid()); }

static void check_history(const struct cohort *c, int64_t sample, int64_t n, int64_t n_static, const int64_t *time,
                          const int32_t *code) {
    struct history h;
    assert_int_equal(cohort_history(c, sample, &h), STATUS_OK);
    assert_int_equal(h.n, n);
    assert_int_equal(h.n_static, n_static);
    for (int64_t i = 0; i < n; i++) assert_true(h.time[i] == time[i] && h.code[i] == code[i]);
}

static void histories_end_at_the_prediction_time(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    int64_t task;
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 0, -1, &c), STATUS_OK);
    assert_true(c.n_subjects == 3 && c.n_codes == 4 && c.n_tasks == 2);
    assert_string_equal(cohort_code(&c, 3), "I10");
    assert_true(c.code_count[3] == 4 && c.code_count_train[3] == 3 && c.birth[2] == 5 && c.split[1] == SPLIT_TUNING);
    check_history(&c, 0, 3, 2, times, event_codes);         /* at 19: the events at 20 are not known */
    check_history(&c, 1, 5, 2, times, event_codes);         /* at 20: both are */
    check_history(&c, 2, 2, 0, times + 6, event_codes + 6); /* after all */
    check_history(&c, 3, 0, 0, NULL, NULL);                 /* a subject without events */
    struct history h;
    assert_int_equal(cohort_history(&c, 1, &h), STATUS_OK);
    assert_true(isnan(h.value[0]) && h.value[1] == 1.5f && h.value[4] == 3);
    assert_int_equal(cohort_find_task(&c, path, "stay", &task), STATUS_OK);
    assert_int_equal(task, 1);
    assert_int_equal(cohort_find_task(&c, path, "sepsis", &task), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "has no task sepsis; it has death, stay"));
    cohort_free(&c);
    unlink(path);
}

static void events_of_some_subjects_are_read(void **state) {
    (void)state;
    char path[PATH_MAX];
    struct cohort c;
    struct history h;
    make_path(path);
    write_example(path);
    assert_int_equal(cohort_read(path, 1, 2, &c), STATUS_OK);
    check_history(&c, 2, 2, 0, times + 6, event_codes + 6);
    assert_int_equal(cohort_history(&c, 0, &h), STATUS_FAILED);
    assert_string_equal(status_message(), "sample 0 is of subject 7, whose events were not read");
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
                 {&event_codes[6], sizeof event_codes[0], 4, "event 6"},
                 {&splits[1], 1, 3, "split 1"},
                 {&subjects[1], sizeof subjects[0], 7, "subject 1"},
                 {&sample_subjects[2], sizeof sample_subjects[0], 3, "sample 2"},
                 {&labels[0], 1, 2, "sample 0"},
                 {&offsets[1], sizeof offsets[0], 7, "event_offsets 2"}};
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
        cmocka_unit_test(histories_end_at_the_prediction_time),
        cmocka_unit_test(events_of_some_subjects_are_read),
        cmocka_unit_test(a_cohort_that_does_not_hold_together_is_damaged),
        cmocka_unit_test(times_are_shown_to_the_microsecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
