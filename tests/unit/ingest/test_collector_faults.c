/* The rules of record_collector.h about rows that cannot be used, splits, codes, labels and memory, on rows made by hand. */
#include "collector_fixture.h"

/* ---- rows that cannot be used ---- */
static void rows_of_unknown_subjects_are_faults(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    subject(&f, 2, 10, NO, NO);
    for (int64_t s = 9; s <= 11; s++) event(&f, s, s, COHORT_NO_VISIT, HOUR, TIME_EXACT, "A");
    visit(&f, 2, 12, 5, 0, HOUR);
    assert_int_equal(f.sink.death(f.sink.self, (struct row_position){VISITS, 3}, 13, HOUR, TIME_EXACT), STATUS_OK);
    check(&f, "10: A@1\n");
    check_faults(&f, EVENTS, 3, 2);
    end(&f);
    begin(&f);
    f.options.most_bad = 0.001;
    open_sink(&f);
    subject(&f, 2, 10, NO, NO);
    event(&f, 2, 11, COHORT_NO_VISIT, HOUR, TIME_EXACT, "A");
    check_error(&f, "events.csv, line 2: subject 11 has an event, but does not stand in patients.csv");
    end(&f);
}

static void a_visit_that_cannot_be_is_left_out_and_what_has_no_other_time(void **state) {
    (void)state;
    struct fixture f;
    struct collected_counts counts;
    begin(&f);
    f.options.kinds = 1U << CODE_KIND_DIAGNOSIS;
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    visit(&f, 2, 1, 5, 3 * HOUR, 2 * HOUR); /* discharge before admission */
    visit(&f, 4, 1, 6, 7 * HOUR, 8 * HOUR); /* the id is taken by line 3 */
    visit(&f, 3, 1, 6, 4 * HOUR, NO);
    visit(&f, 5, 1, 7, NO, 5 * HOUR);
    event(&f, 2, 1, 5, HOUR, TIME_EXACT, "A");
    event(&f, 3, 1, 5, NO, TIME_DISCHARGE, "B"); /* of a visit that is left out */
    event(&f, 4, 1, 6, NO, TIME_DISCHARGE, "C"); /* the end is not known */
    event(&f, 5, 1, 9, NO, TIME_DISCHARGE, "D"); /* there is no such visit */
    event(&f, 6, 1, 9, 5 * HOUR, TIME_EXACT, "E");
    event(&f, 7, 1, 6, 6 * HOUR, TIME_EXACT, "F");
    check(&f, "1: [4 to -] A@1 E@5 F@6/0\n");
    assert_int_equal(record_collector_counts(f.collector, &counts), STATUS_OK);
    assert_true(counts.files[VISITS].faults == 3 && counts.files[EVENTS].faults == 2);
    assert_int_equal(counts.n_left_out, 1);
    assert_string_equal(counts.left_out[0].rule, "of a visit that is left out");
    assert_true(counts.left_out[0].file == EVENTS && counts.left_out[0].rows == 1);
    assert_int_equal(counts.without_visit, 4); /* A, B, D, E */
    end(&f);
}

static void a_visit_is_of_one_subject(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.kinds = 1U << CODE_KIND_DIAGNOSIS;
    open_sink(&f);
    for (int64_t s = 1; s <= 3; s++) subject(&f, s + 1, s, NO, NO);
    visit(&f, 4, 1, 5, 3 * HOUR, 4 * HOUR);
    visit(&f, 3, 3, 5, HOUR, 2 * HOUR); /* the first by line: the visit is of subject 3 */
    visit(&f, 5, 2, 6, 3 * HOUR, 4 * HOUR);
    visit(&f, 2, 9, 6, HOUR, 2 * HOUR); /* of nobody who is known */
    event(&f, 2, 1, 5, NO, TIME_DISCHARGE, "A");
    event(&f, 3, 3, 5, NO, TIME_DISCHARGE, "B");
    check(&f, "1:\n2: [3 to 4]\n3: [1 to 2] B@2/0\n");
    check_faults(&f, VISITS, 4, 2);
    check_faults(&f, EVENTS, 2, 0);
    end(&f);
    begin(&f);
    f.options.most_bad = 0;
    open_sink(&f);
    for (int64_t s = 1; s <= 2; s++) subject(&f, s + 1, s, NO, NO);
    visit(&f, 3, 1, 5, 3 * HOUR, 4 * HOUR);
    visit(&f, 2, 2, 5, HOUR, 2 * HOUR);
    check_error(
        &f, "admissions.csv, line 3: subject 1 has the visit 5, which is that of subject 2 in admissions.csv, line 2");
    end(&f);
}

static void faults_up_to_a_share_are_borne(void **state) {
    (void)state;
    struct fixture f;
    for (int bad = 10; bad <= 11; bad++) {
        begin(&f);
        f.options.most_bad = 0.01;
        open_sink(&f);
        subject(&f, 2, 1, NO, NO);
        for (int64_t i = 0; i < 1000 - bad; i++) event(&f, 2 + i, 1, COHORT_NO_VISIT, HOUR, TIME_EXACT, "A");
        for (int64_t i = 0; i < bad; i++)
            assert_int_equal(
                f.sink.fault(f.sink.self, (struct row_position){EVENTS, 5000 - i}, "value is \"%c\"", (char)('a' + i)),
                STATUS_OK);
        if (bad == 10) {
            check(&f, NULL);
            check_faults(&f, EVENTS, 1000, 10);
        } else {
            check_error(&f, "events.csv, line 4990: value is \"k\"; events.csv, line 4991: value is \"j\"; ");
            assert_non_null(strstr(status_message(), "of 1000 rows of this file, 11 cannot be used"));
        }
        end(&f);
    }
}

static void codes_without_text_and_days_without_a_day_are_faults(void **state) {
    (void)state;
    struct fixture f;
    char longest[1100];
    begin(&f);
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    event(&f, 2, 1, COHORT_NO_VISIT, HOUR, TIME_EXACT, "");
    event(&f, 3, 1, COHORT_NO_VISIT, HOUR, TIME_EXACT, longest);
    event(&f, 4, 1, COHORT_NO_VISIT, NO, TIME_DAY, "A");
    check(&f, "1:\n");
    check_faults(&f, EVENTS, 3, 3);
    end(&f);
}

static void there_has_to_be_a_subject(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    check_error(&f, "there is no subject in patients.csv");
    end(&f);
}

/* ---- splits ---- */
static void splits_are_drawn_by_subject_and_seed_in_their_shares(void **state) {
    (void)state;
    enum { N = 20000 };
    uint8_t first[N];
    int differ = 0;
    for (int seed = 0; seed < 3; seed++) {
        struct fixture f;
        int64_t n[N_SPLITS] = {0};
        begin(&f);
        f.options.seed = (uint64_t)(seed / 2); /* 0, 0, 1 */
        f.options.share[0] = 70, f.options.share[1] = 10, f.options.share[2] = 20;
        open_sink(&f);
        for (int64_t i = 0; i < N; i++) subject(&f, i, seed == 1 ? N - 1 - i : i, NO, NO);
        assert_int_equal(record_collector_close(f.collector, NULL, &f.collected), STATUS_OK);
        for (int64_t i = 0; i < N; i++) n[f.collected.split[i]]++;
        /* 6 standard deviations of a binomial count: sqrt(20000 * .7 * .3) = 65 */
        assert_true(llabs(n[SPLIT_TRAIN] - 14000) < 390 && llabs(n[SPLIT_TUNING] - 2000) < 260);
        if (seed == 0) memcpy(first, f.collected.split, N);
        if (seed == 1) assert_memory_equal(first, f.collected.split, N);
        for (int64_t i = 0; i < N && seed == 2; i++) differ += first[i] != f.collected.split[i];
        end(&f);
    }
    assert_true(differ > N / 4);
}

static void splits_of_the_data_set_are_kept(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    for (int split = 0; split < N_SPLITS; split++) {
        struct found_subject s = {.subject = split, .birth = NO, .death = NO, .split = split};
        assert_int_equal(f.sink.subject(f.sink.self, (struct row_position){SUBJECTS, split}, &s), STATUS_OK);
    }
    assert_int_equal(record_collector_close(f.collector, NULL, &f.collected), STATUS_OK);
    for (int split = 0; split < N_SPLITS; split++) assert_int_equal(f.collected.split[split], split);
    end(&f);
}

/* ---- codes, labels ---- */
static void codes_are_ascending_and_have_kinds_and_counts(void **state) {
    (void)state;
    struct fixture f;
    static const struct {
        int64_t subject;
        enum code_kind kind;
        const char *code;
    } ROWS[] = {{1, CODE_KIND_OTHER, "b"},  {1, CODE_KIND_DRUG, "b"},        {2, CODE_KIND_PROCEDURE, "a"},
                {2, CODE_KIND_DRUG, "a b"}, {1, CODE_KIND_MEASUREMENT, "B"}, {1, CODE_KIND_VISIT, "ignored"}};
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT);
    open_sink(&f);
    for (int k = 1; k <= 2; k++) {
        struct found_subject s = {.subject = k, .birth = NO, .death = NO, .split = k == 1 ? SPLIT_TRAIN : SPLIT_TUNING};
        assert_int_equal(f.sink.subject(f.sink.self, (struct row_position){SUBJECTS, k}, &s), STATUS_OK);
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct found_event e = {.subject = ROWS[i].subject,
                                .visit = COHORT_NO_VISIT,
                                .kind = ROWS[i].kind,
                                .code = ROWS[i].code,
                                .code_size = (int64_t)strlen(ROWS[i].code)};
        assert_int_equal(f.sink.event(f.sink.self, (struct row_position){EVENTS, (int64_t)i}, &e), STATUS_OK);
    }
    check(&f, "1: b@0 b@0 B@0\n2: a@0 a b@0\n");
    assert_int_equal(f.collected.n_codes, 4);
    const uint8_t kinds[] = {CODE_KIND_MEASUREMENT, CODE_KIND_PROCEDURE, CODE_KIND_DRUG, CODE_KIND_DRUG};
    assert_memory_equal(f.collected.code_kind, kinds, sizeof kinds);
    const int64_t counts[] = {1, 0, 0, 2};
    assert_memory_equal(f.collected.train_count, counts, sizeof counts);
    end(&f);
}

static void label(struct fixture *f, int64_t row, const char *task, int64_t number, int64_t time, int32_t value) {
    struct found_label l = {task, number, time, value};
    assert_int_equal(f->sink.label(f->sink.self, (struct row_position){LABELS, row}, &l), STATUS_OK);
}

static void labels_become_the_samples_of_tasks(void **state) {
    (void)state;
    struct fixture f;
    struct task_samples *tasks;
    int64_t n;
    begin(&f);
    open_sink(&f);
    subject(&f, 2, 10, 5 * HOUR, NO);
    subject(&f, 3, 20, NO, NO);
    label(&f, 1, "stay", 20, 9 * HOUR, 3);
    label(&f, 2, "death", 20, 9 * HOUR, 1);
    label(&f, 3, "death", 10, 7 * HOUR, 0);
    label(&f, 4, "death", 10, 6 * HOUR, 1);
    label(&f, 5, "death", 10, 7 * HOUR, 1); /* a second one at that time */
    label(&f, 6, "death", 10, 4 * HOUR, 1); /* before birth */
    label(&f, 7, "death", 30, 4 * HOUR, 1); /* of no one */
    assert_int_equal(record_collector_close(f.collector, NULL, &f.collected), STATUS_OK);
    assert_int_equal(record_collector_labels(f.collector, &tasks, &n), STATUS_OK);
    assert_int_equal(n, 2);
    assert_string_equal(tasks[0].name, "death");
    assert_true(tasks[0].form == LABEL_BINARY && tasks[0].n == 3);
    assert_true(tasks[0].samples[0].subject == 0 && tasks[0].samples[0].time == 6 * HOUR &&
                tasks[0].samples[0].label == 1);
    assert_true(tasks[0].samples[1].time == 7 * HOUR && tasks[0].samples[1].label == 0);
    assert_true(tasks[0].samples[2].subject == 1 && tasks[0].samples[2].visit == -1);
    assert_true(tasks[1].form == LABEL_CLASS && tasks[1].n_classes == 4 && tasks[1].samples[0].label == 3);
    for (int64_t t = 0; t < n; t++) task_samples_free(&tasks[t]);
    free(tasks);
    assert_int_equal(record_collector_walk(f.collector, &f, write_down), STATUS_OK);
    check_faults(&f, LABELS, 7, 3);
    end(&f);
}

/* ---- memory ---- */
static void spilling_changes_nothing(void **state) {
    (void)state;
    char whole[8192] = "";
    for (int spilled = 0; spilled < 2; spilled++) {
        struct fixture f;
        begin(&f);
        f.options.memory = spilled ? 2000 : 1 << 24; /* 43 events, 5 visits */
        open_sink(&f);
        for (int64_t s = 0; s < 20; s++) subject(&f, s, s * s - 50, NO, NO);
        for (int64_t i = 0; i < 40; i++)
            visit(&f, i, i * 7 % 20 * (i * 7 % 20) - 50, 100 + i, i * HOUR, i % 5 ? (i + 9) * HOUR : NO);
        for (int64_t i = 0; i < 300; i++) {
            char code[8];
            snprintf(code, sizeof code, "C%d", (int)(i * 11 % 13));
            event(&f, i, i * 3 % 20 * (i * 3 % 20) - 50, 100 + i % 40, i * 5 % 17 * HOUR, (enum time_precision)(i % 3),
                  code);
        }
        check(&f, spilled ? whole : NULL);
        assert_true(f.used > 2000 && f.used < sizeof f.text - 1);
        memcpy(whole, f.text, sizeof whole);
        end(&f);
    }
}

static void a_full_or_missing_disk_is_told(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.memory = 2000;
    f.options.beside = "/proc/no-folder/out.h5";
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    int status = STATUS_OK;
    for (int64_t i = 0; i < 100 && status == STATUS_OK; i++) {
        struct found_event e = {
            .subject = 1, .visit = COHORT_NO_VISIT, .kind = CODE_KIND_DRUG, .code = "A", .code_size = 1};
        status = f.sink.event(f.sink.self, (struct row_position){EVENTS, i}, &e);
    }
    assert_int_equal(status, STATUS_FAILED);
    assert_non_null(strstr(status_message(), "/proc/no-folder"));
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_unknown_subjects_are_faults),
        cmocka_unit_test(a_visit_that_cannot_be_is_left_out_and_what_has_no_other_time),
        cmocka_unit_test(a_visit_is_of_one_subject),
        cmocka_unit_test(faults_up_to_a_share_are_borne),
        cmocka_unit_test(codes_without_text_and_days_without_a_day_are_faults),
        cmocka_unit_test(there_has_to_be_a_subject),
        cmocka_unit_test(splits_are_drawn_by_subject_and_seed_in_their_shares),
        cmocka_unit_test(splits_of_the_data_set_are_kept),
        cmocka_unit_test(codes_are_ascending_and_have_kinds_and_counts),
        cmocka_unit_test(labels_become_the_samples_of_tasks),
        cmocka_unit_test(spilling_changes_nothing),
        cmocka_unit_test(a_full_or_missing_disk_is_told),
    };
    log_configure(0, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
