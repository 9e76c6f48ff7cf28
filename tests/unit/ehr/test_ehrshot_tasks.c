/* EHRSHOT's tasks: each rule of its labellers (specs/ehr-models-and-tasks.md, 10.2) on records that are made up here, with labels by hand. */
#include "made_record.h"

/* ---- EHRSHOT ---- */
static void guo_los_is_seven_days_to_the_minute(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(0, 23, 0));
    add_visit(at(10, 8, 0), at(17, 8, 0));
    add_visit(at(20, 8, 0), at(27, 7, 59));
    label("guo_los", TASK_CLEAN);
    are(2);
    is(0, at(10, 23, 59), 1, 1);
    is(1, at(20, 23, 59), 2, 0);
    left_out(SAME_DAY, 1);
}

static void guo_readmission_opens_at_the_next_midnight(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_visit(at(3, 20, 0), at(5, 10, 0));   /* the same day: before the window; and the first one stays in */
    add_visit(at(35, 23, 59), at(36, 8, 0)); /* 30 days behind 23:59 of day 5 */
    add_visit(at(67, 0, 0), at(67, 9, 0));   /* a minute beyond 30 days behind day 36 */
    label("guo_readmission", TASK_CLEAN);
    are(4);
    is(0, at(3, 23, 59), 0, 0);
    is(1, at(5, 23, 59), 1, 1);
    is(2, at(36, 23, 59), 2, 0);
    is(3, at(67, 23, 59), 3, 0);
    record.death = at(67, 3, 0); /* the day of death */
    label("guo_readmission", TASK_CLEAN);
    are(3);
    left_out(DEAD, 1);
}

static void guo_readmission_leaves_out_what_ends_on_an_earlier_admission(void **state) {
    (void)state;
    begin();
    add_visit(at(3, 8, 0), at(9, 10, 0));
    add_visit(at(3, 12, 0), at(3, 18, 0)); /* ends on the day when the first begins */
    add_visit(at(4, 8, 0), at(9, 18, 0));  /* the same prediction time as the first */
    label("guo_readmission", TASK_CLEAN);
    are(1);
    is(0, at(9, 23, 59), 0, 0);
    left_out(JOINED, 1);
    left_out(TWICE, 1);
}

static void guo_icu_asks_who_is_not_there_yet(void **state) {
    (void)state;
    begin();
    for (int v = 0; v < 4; v++) add_visit(at(10 * v, 8, 0), at(10 * v + 2, 8, 0));
    visits[3].end = at(30, 22, 0);
    add_event(at(0, 23, 59), ICU, 0);
    add_event(at(12, 8, 0), ICU, 1);
    add_event(at(22, 8, 1), ICU, 2); /* behind the discharge */
    label("guo_icu", TASK_CLEAN);
    are(2);
    is(0, at(10, 23, 59), 1, 1);
    is(1, at(20, 23, 59), 2, 0);
    left_out(ICU_AT_ONCE, 1);
    left_out(SAME_DAY, 1);
}

static void results_are_graded_in_their_units(void **state) {
    (void)state;
    static const struct {
        const char *task;
        enum code code;
        float value;
        int32_t class;
    } CASES[] = {{"lab_hyperkalemia", POTASSIUM_MEQ, 5.5f, 0},
                 {"lab_hyperkalemia", POTASSIUM_MEQ, 5.6f, 1},
                 {"lab_hyperkalemia", POTASSIUM_MEQ, 6.1f, 2},
                 {"lab_hyperkalemia", POTASSIUM_MEQ, 7.1f, 3},
                 {"lab_hyperkalemia", POTASSIUM_MG, 21.5f, 0},
                 {"lab_hyperkalemia", POTASSIUM_MG, 23.5f, 2},
                 {"lab_hypoglycemia", GLUCOSE_MG, 71, 0},
                 {"lab_hypoglycemia", GLUCOSE_MG, 70, 1},
                 {"lab_hypoglycemia", GLUCOSE_MG, 63, 1},
                 {"lab_hypoglycemia", GLUCOSE_MG, 62, 2},
                 {"lab_hypoglycemia", GLUCOSE_MG, 54, 2},
                 {"lab_hypoglycemia", GLUCOSE_MG, 53, 3},
                 {"lab_hypoglycemia", GLUCOSE_MMOL, 3.9f, 1},
                 {"lab_hypoglycemia", GLUCOSE_MMOL, 3.91f, 0},
                 {"lab_hyponatremia", SODIUM, 135, 1},
                 {"lab_hyponatremia", SODIUM, 130, 1},
                 {"lab_hyponatremia", SODIUM, 129, 2},
                 {"lab_hyponatremia", SODIUM, 124, 3},
                 {"lab_anemia", HEMOGLOBIN, 12, 0},
                 {"lab_anemia", HEMOGLOBIN, 11.9f, 1},
                 {"lab_anemia", HEMOGLOBIN, 10.9f, 2},
                 {"lab_anemia", HEMOGLOBIN, 6.9f, 3},
                 {"lab_thrombocytopenia", PLATELETS, 150, 0},
                 {"lab_thrombocytopenia", PLATELETS, 149, 1},
                 {"lab_thrombocytopenia", PLATELETS, 99, 2},
                 {"lab_thrombocytopenia", PLATELETS, 49, 3}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin();
        add_event(COHORT_NO_TIME, FEMALE, -1);
        add_event(at(0, 0, 0), HYPERTENSION, -1);
        add_value(at(1, 8, 0), CASES[i].code, -1, CASES[i].value);
        label(CASES[i].task, TASK_CLEAN);
        are(1);
        is(0, at(1, 7, 59), -1, CASES[i].class);
        assert_int_equal(samples->form, LABEL_CLASS);
    }
}

static void results_that_say_nothing_give_no_sample(void **state) {
    (void)state;
    begin();
    add_value(at(0, 0, 0), POTASSIUM_MEQ, -1, 9); /* the first event */
    add_value(at(1, 0, 0), POTASSIUM_MEQ, -1, NAN);
    add_value(at(1, 0, 0), POTASSIUM_ODD, -1, 9);
    add_value(at(2, 0, 0), POTASSIUM_MEQ, -1, 5);
    add_value(at(2, 0, 0), POTASSIUM_MEQ, -1, 8); /* the worst of a time counts */
    add_value(at(2, 0, 0), POTASSIUM_MG, -1, 23.5f);
    label("lab_hyperkalemia", TASK_CLEAN);
    are(1);
    is(0, at(1, 23, 59), -1, 3);
    left_out(FIRST_EVENT, 1);
    left_out(NO_VALUE, 1);
    left_out(UNIT, 1);
    left_out(SAME_TIME, 2);
    assert_int_equal(counts->looked_at, 6);
}

static void results_that_say_normal_are(void **state) {
    (void)state;
    begin();
    add_value(at(0, 0, 0), PLATELETS_NORMAL, -1, NAN); /* the first event */
    add_value(at(1, 0, 0), PLATELETS_NORMAL, -1, NAN);
    add_value(at(2, 0, 0), PLATELETS_NORMAL, -1, NAN);
    add_value(at(2, 0, 0), PLATELETS, -1, 80);
    label("lab_thrombocytopenia", TASK_CLEAN);
    are(2);
    is(0, at(0, 23, 59), -1, 0);
    is(1, at(1, 23, 59), -1, 2);
    left_out(FIRST_EVENT, 1);
    left_out(SAME_TIME, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guo_los_is_seven_days_to_the_minute),
        cmocka_unit_test(guo_readmission_opens_at_the_next_midnight),
        cmocka_unit_test(guo_readmission_leaves_out_what_ends_on_an_earlier_admission),
        cmocka_unit_test(guo_icu_asks_who_is_not_there_yet),
        cmocka_unit_test(results_are_graded_in_their_units),
        cmocka_unit_test(results_that_say_nothing_give_no_sample),
        cmocka_unit_test(results_that_say_normal_are),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    task_set_free(set);
    return failed;
}
