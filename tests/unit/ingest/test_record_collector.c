/* The rules of record_collector.h about order, times and lives, on rows made by hand. */
#include "collector_fixture.h"

/* ---- order and times ---- */
static void rows_in_any_order_become_subjects_in_order(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT | 1U << CODE_KIND_FACT);
    open_sink(&f);
    event(&f, 5, 20, COHORT_NO_VISIT, 3 * HOUR, TIME_EXACT, "D");
    event(&f, 3, 20, COHORT_NO_VISIT, 3 * HOUR, TIME_EXACT, "C");
    event(&f, 4, 20, COHORT_NO_VISIT, 2 * HOUR, TIME_EXACT, "A");
    event(&f, 6, 20, COHORT_NO_VISIT, NO, TIME_EXACT, "SEX");
    event(&f, 2, -5, COHORT_NO_VISIT, HOUR, TIME_EXACT, "A");
    event(&f, 2, -5, COHORT_NO_VISIT, HOUR, TIME_EXACT, "B"); /* a second event of the row */
    subject(&f, 3, 20, NO, NO);
    subject(&f, 2, 10, NO, NO);
    subject(&f, 4, -5, NO, NO);
    check(&f, "-5: A@1 B@1\n10:\n20: SEX@- A@2 C@3 D@3\n");
    check_faults(&f, EVENTS, 5, 0);
    end(&f);
}

static void a_day_is_known_at_its_end_or_its_visits(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT);
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    visit(&f, 2, 1, 100, 2 * HOUR, DAY + 10 * HOUR);
    event(&f, 2, 1, 100, 0, TIME_DAY, "FIRST");                  /* the visit goes on */
    event(&f, 3, 1, 100, DAY, TIME_DAY, "LAST");                 /* it ends on that day, at 10 */
    event(&f, 4, 1, 100, 2 * DAY + 5 * HOUR, TIME_DAY, "LATER"); /* it ended before: never too early */
    event(&f, 5, 1, COHORT_NO_VISIT, DAY + HOUR, TIME_DAY, "OUTSIDE");
    event(&f, 6, 1, 100, -1, TIME_DAY, "BEFORE"); /* 1969-12-31 */
    event(&f, 7, 1, 100, NO, TIME_DISCHARGE, "CODED");
    check(&f, "1: [2 to 34] BEFORE@-0.000/0 FIRST@24.000/0 LAST@34/0 CODED@34/0 OUTSIDE@48.000 LATER@72.000/0\n");
    end(&f);
}

static void a_static_fact_stands_once_and_is_what_the_first_visit_says(void **state) {
    (void)state;
    struct fixture f;
    struct collected_counts counts;
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT);
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    visit(&f, 2, 1, 200, 5 * DAY, 6 * DAY);
    visit(&f, 3, 1, 100, DAY, 2 * DAY);
    event(&f, 2, 1, 200, NO, TIME_EXACT, "RACE//OTHER"); /* first in the file, but said later */
    event(&f, 3, 1, 100, NO, TIME_EXACT, "RACE//WHITE");
    event(&f, 4, 1, 200, NO, TIME_EXACT, "RACE//WHITE");
    event(&f, 5, 1, COHORT_NO_VISIT, NO, TIME_EXACT, "SEX");
    event(&f, 6, 1, COHORT_NO_VISIT, NO, TIME_EXACT, "SEX");
    check(&f, "1: [24 to 48] [120 to 144] RACE//WHITE@- SEX@-\n");
    assert_int_equal(record_collector_counts(f.collector, &counts), STATUS_OK);
    assert_int_equal(counts.n_left_out, 1);
    assert_string_equal(counts.left_out[0].rule, "a static fact that stands already");
    assert_true(counts.left_out[0].file == EVENTS && counts.left_out[0].rows == 3);
    end(&f);
}

static void a_fact_that_the_first_visit_does_not_say_is_known_when_a_later_one_says_it(void **state) {
    (void)state;
    struct fixture f;
    struct collected_counts counts;
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT);
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    visit(&f, 2, 1, 100, DAY, 2 * DAY);
    visit(&f, 3, 1, 200, 5 * DAY, 6 * DAY);
    visit(&f, 4, 1, 300, 8 * DAY, 9 * DAY);
    event(&f, 2, 1, 100, 30 * HOUR, TIME_EXACT, "A");
    event(&f, 3, 1, 300, NO, TIME_EXACT, "RACE//OTHER");
    event(&f, 4, 1, 200, NO, TIME_EXACT, "RACE//WHITE");
    event(&f, 5, 1, 200, NO, TIME_EXACT, "SEX");
    event(&f, 6, 1, COHORT_NO_VISIT, NO, TIME_EXACT, "SEX"); /* what is said of the subject is always known */
    check(&f, "1: [24 to 48] [120 to 144] [192 to 216] SEX@- A@30/0 RACE//WHITE@120/1\n");
    assert_int_equal(record_collector_counts(f.collector, &counts), STATUS_OK);
    assert_int_equal(counts.n_left_out, 1);
    assert_true(counts.left_out[0].file == EVENTS && counts.left_out[0].rows == 2);
    end(&f);
}

static void facts_of_visits_that_do_not_stand_go(void **state) {
    (void)state;
    struct fixture f;
    struct collected_counts counts;
    begin(&f);
    f.options.kinds &= ~(1U << CODE_KIND_VISIT);
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    visit(&f, 2, 1, 100, 2 * DAY, DAY); /* discharge before admission */
    visit(&f, 3, 1, 200, 5 * DAY, 6 * DAY);
    visit(&f, 4, 1, 200, 3 * DAY, 4 * DAY); /* the id is taken */
    struct found_event second = {.subject = 1,
                                 .visit = 200,
                                 .time = NO,
                                 .kind = CODE_KIND_FACT,
                                 .code = "RACE//OF A SECOND ROW",
                                 .code_size = 21,
                                 .value = NAN};
    assert_int_equal(f.sink.event(f.sink.self, (struct row_position){VISITS, 4}, &second), STATUS_OK);
    event(&f, 2, 1, 100, NO, TIME_EXACT, "RACE//OF A FAULTY VISIT");
    event(&f, 3, 1, 200, NO, TIME_EXACT, "RACE//WHITE");
    event(&f, 4, 1, 300, NO, TIME_EXACT, "RACE//OF NO VISIT");
    check(&f, "1: [120 to 144] RACE//WHITE@-\n");
    check_faults(&f, VISITS, 3, 2);
    check_faults(&f, EVENTS, 3, 1);
    assert_int_equal(record_collector_counts(f.collector, &counts), STATUS_OK);
    assert_int_equal(counts.n_left_out, 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(counts.left_out[i].rule, "of a visit that is left out");
        assert_true(counts.left_out[i].file == (i ? EVENTS : VISITS) && counts.left_out[i].rows == 1);
    }
    end(&f);
}

static void lives_and_visits_are_events(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    subject(&f, 2, 1, 0, 9 * HOUR);
    struct cohort_visit v = {.id = 5, .start = 0, .end = 8 * HOUR, .kind = VISIT_EMERGENCY};
    assert_int_equal(f.sink.visit(f.sink.self, (struct row_position){VISITS, 3}, 1, &v), STATUS_OK);
    visit(&f, 2, 1, 6, 8 * HOUR, 9 * HOUR);
    event(&f, 2, 1, 6, 9 * HOUR, TIME_EXACT, "A");
    event(&f, 3, 1, 6, 8 * HOUR, TIME_EXACT, "B");
    event(&f, 4, 1, 5, 0, TIME_EXACT, "C");
    check(&f,
          "1: [0 to 8] [8 to 9] MEDS_BIRTH@0 VISIT_START//emergency@0/0 C@0/0 HOSPITAL_ADMISSION//inpatient@8/1 B@8/1 "
          "VISIT_END//emergency@8/0 A@9/1 HOSPITAL_DISCHARGE//inpatient@9/1 MEDS_DEATH@9\n");
    end(&f);
}

static void visits_come_from_admissions_and_discharges(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.derive_visits = 1;
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    subject(&f, 3, 2, NO, 30 * HOUR);
    event(&f, 2, 1, COHORT_NO_VISIT, HOUR, TIME_EXACT, "A");
    event(&f, 3, 1, COHORT_NO_VISIT, 2 * HOUR, TIME_EXACT, "HOSPITAL_ADMISSION//EMERGENCY");
    event(&f, 4, 1, COHORT_NO_VISIT, 3 * HOUR, TIME_EXACT, "A");
    event(&f, 5, 1, COHORT_NO_VISIT, 4 * HOUR, TIME_EXACT, "HOSPITAL_DISCHARGE//HOME");
    event(&f, 6, 1, COHORT_NO_VISIT, 4 * HOUR, TIME_EXACT, "HOSPITAL_ADMISSION//TRANSFER");
    event(&f, 7, 1, COHORT_NO_VISIT, 5 * HOUR, TIME_EXACT, "HOSPITAL_DISCHARGE//DIED");
    event(&f, 8, 1, COHORT_NO_VISIT, 6 * HOUR, TIME_EXACT, "A");
    event(&f, 9, 2, COHORT_NO_VISIT, 7 * HOUR, TIME_EXACT, "HOSPITAL_ADMISSION//X");
    event(&f, 10, 2, COHORT_NO_VISIT, 8 * HOUR, TIME_EXACT, "HOSPITAL_ADMISSION//X");
    event(&f, 11, 2, COHORT_NO_VISIT, 31 * HOUR, TIME_EXACT, "HOSPITAL_DISCHARGE//X");
    check(&f,
          "1: [2 to 4] [4 to 5 died] A@1 HOSPITAL_ADMISSION//EMERGENCY@2/0 A@3/0 HOSPITAL_DISCHARGE//HOME@4/0 "
          "HOSPITAL_ADMISSION//TRANSFER@4/1 HOSPITAL_DISCHARGE//DIED@5/1 A@6\n"
          "2: [7 to -] [8 to 31 died] HOSPITAL_ADMISSION//X@7/0 HOSPITAL_ADMISSION//X@8/1 MEDS_DEATH@30 "
          "HOSPITAL_DISCHARGE//X@31/1\n");
    end(&f);
}

static void who_died_in_a_visit_is_asked_of_deaths_if_the_source_is_silent(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    f.options.derive_died = 1;
    f.options.kinds = 1U << CODE_KIND_DIAGNOSIS;
    open_sink(&f);
    subject(&f, 2, 1, NO, NO);
    assert_int_equal(f.sink.death(f.sink.self, (struct row_position){SUBJECTS, 9}, 1, DAY + HOUR, TIME_DAY), STATUS_OK);
    visit(&f, 2, 1, 5, 0, HOUR);
    visit(&f, 3, 1, 6, 2 * HOUR, DAY + 2 * HOUR); /* ends on the day of death, whose hour is not known */
    check(&f, "1: [0 to 1] [2 to 26 died]\n");
    end(&f);
}

/* ---- lives ---- */
static void of_deaths_an_exact_time_wins_and_then_the_earlier(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    for (int s = 1; s <= 3; s++) subject(&f, s, s, NO, NO);
    struct row_position at = {EVENTS, 2};
    assert_int_equal(f.sink.death(f.sink.self, at, 1, DAY, TIME_DAY), STATUS_OK);
    assert_int_equal(f.sink.death(f.sink.self, at, 1, 3 * DAY + HOUR, TIME_EXACT), STATUS_OK);
    assert_int_equal(f.sink.death(f.sink.self, at, 2, 5 * HOUR, TIME_EXACT), STATUS_OK);
    assert_int_equal(f.sink.death(f.sink.self, at, 2, 4 * HOUR, TIME_EXACT), STATUS_OK);
    assert_int_equal(f.sink.death(f.sink.self, at, 3, HOUR, TIME_DAY), STATUS_OK);
    check(&f, "1: MEDS_DEATH@73\n2: MEDS_DEATH@4\n3: MEDS_DEATH@24.000\n");
    end(&f);
}

static void a_death_before_birth_is_not_known(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    subject(&f, 2, 1, 5 * HOUR, 4 * HOUR);
    check(&f, "1: MEDS_BIRTH@5\n");
    check_faults(&f, SUBJECTS, 1, 1);
    end(&f);
    begin(&f);
    f.options.most_bad = 0.5;
    open_sink(&f);
    subject(&f, 2, 1, 5 * HOUR, 4 * HOUR);
    check_error(&f,
                "patients.csv, line 2: subject 1 died at 1970-01-01 04:00:00, before its birth at 1970-01-01 05:00:00");
    end(&f);
}

static void a_subject_stands_once(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    open_sink(&f);
    subject(&f, 9, 1, 6 * HOUR, NO);
    subject(&f, 2, 1, 5 * HOUR, NO); /* the first by line, though it came second */
    check(&f, "1: MEDS_BIRTH@5\n");
    check_faults(&f, SUBJECTS, 2, 1);
    end(&f);
    begin(&f);
    f.options.most_bad = 0;
    open_sink(&f);
    subject(&f, 9, 1, NO, NO);
    subject(&f, 2, 1, NO, NO);
    check_error(&f, "patients.csv, line 9: subject 1 stands here again: it stands in patients.csv, line 2");
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_any_order_become_subjects_in_order),
        cmocka_unit_test(a_day_is_known_at_its_end_or_its_visits),
        cmocka_unit_test(a_static_fact_stands_once_and_is_what_the_first_visit_says),
        cmocka_unit_test(a_fact_that_the_first_visit_does_not_say_is_known_when_a_later_one_says_it),
        cmocka_unit_test(facts_of_visits_that_do_not_stand_go),
        cmocka_unit_test(lives_and_visits_are_events),
        cmocka_unit_test(visits_come_from_admissions_and_discharges),
        cmocka_unit_test(who_died_in_a_visit_is_asked_of_deaths_if_the_source_is_silent),
        cmocka_unit_test(of_deaths_an_exact_time_wins_and_then_the_earlier),
        cmocka_unit_test(a_death_before_birth_is_not_known),
        cmocka_unit_test(a_subject_stands_once),
    };
    log_configure(0, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
