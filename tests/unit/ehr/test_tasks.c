/* Tasks: each rule of their definitions (specs/ehr-models-and-tasks.md, 7) on records that are made up here, with labels by hand. */
#include "made_record.h"

/* ---- readmission ---- */
static void readmission_counts_from_discharge_in_whole_hours(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_visit(at(18, 10, 0), at(20, 9, 0)); /* 15 times 24 hours behind the first: at the bound */
    add_visit(at(35, 9, 1), at(36, 9, 0));  /* a minute beyond it */
    label("readmission_15d", TASK_CLEAN);
    are(3);
    is(0, at(3, 10, 0), 0, 1);
    is(1, at(20, 9, 0), 1, 0);
    is(2, at(36, 9, 0), 2, 0); /* not seen again */
    label("readmission_30d", TASK_CLEAN);
    is(1, at(20, 9, 0), 1, 1);
}

static void who_dies_in_the_window_has_no_label(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    record.death = at(13, 0, 0);
    label("readmission_15d", TASK_CLEAN);
    are(0);
    left_out(DIED, 1);
    add_visit(at(10, 8, 0), at(13, 0, 0)); /* back before death: a readmission; and dead at the end of that */
    visits[1].died = 1;
    label("readmission_15d", TASK_CLEAN);
    are(1);
    is(0, at(3, 10, 0), 0, 1);
    left_out(DIED, 0);
    left_out(DEAD, 1);
}

static void who_goes_into_another_stay_is_not_at_home(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_visit(at(3, 10, 0), at(5, 10, 0)); /* begins at that very time */
    label("readmission_15d", TASK_CLEAN);
    are(1);
    is(0, at(5, 10, 0), 1, 0);
    left_out(NOT_HOME, 1);
}

static void visits_that_are_no_stays_do_not_count(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    visits[add_visit(at(4, 8, 0), at(4, 9, 0))].kind = VISIT_OUTPATIENT;
    add_visit(at(5, 8, 0), COHORT_NO_TIME);
    add_visit(at(6, 8, 0), at(6, 8, 0));
    label("readmission_15d", TASK_CLEAN);
    are(1);
    is(0, at(3, 10, 0), 0, 0);
    left_out(NO_STAY, 3);
    assert_int_equal(counts->looked_at, 4);
}

static void minors_are_out_up_to_their_eighteenth_birthday(void **state) {
    (void)state;
    begin();
    record.birth = at(-18 * 365 - 5, 0, 0); /* 2059-01-01: the leap years are 2060, 64, 68, 72 and 76 */
    add_visit(at(-1, 0, 0), at(0, 10, 0));
    add_visit(at(2, 0, 0), at(3, 10, 0));
    label("readmission_15d", TASK_CLEAN);
    are(1);
    left_out(MINOR, 1);
    record.birth = COHORT_NO_TIME;
    label("readmission_15d", TASK_CLEAN);
    are(0);
    left_out(BIRTH, 2);
}

static void a_leapling_is_grown_up_on_the_first_of_march(void **state) {
    (void)state;
    begin();
    record.birth =
        at(-6151, 0, 0); /* 2060-02-29; in 2078, whose first day is 365, the first of March is day 365 + 59 */
    add_visit(at(365 + 58, 23, 59), at(365 + 60, 0, 0));
    add_visit(at(365 + 80, 0, 0), at(365 + 81, 0, 0));
    label("readmission_30d", TASK_CLEAN);
    are(1);
    left_out(MINOR, 1);
    visits[0].start = at(365 + 59, 0, 0);
    label("readmission_30d", TASK_CLEAN);
    are(2);
}

/* ---- MedTok's cohort ---- */
static void medtok_counts_whole_days_from_admission(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 10, 0), at(9, 0, 0));
    add_visit(at(16, 9, 59), at(17, 0, 0)); /* 15 days, 23 hours, 59 minutes behind the admission */
    add_visit(at(32, 9, 59), at(34, 0, 0)); /* 16 days */
    for (int v = 0; v < 3; v++) add_tables(v, HYPERTENSION, HEPARIN);
    label("readmission_15d", TASK_MEDTOK);
    are(2); /* the last visit gives none */
    is(0, at(9, 0, 0), 0, 1);
    is(1, at(17, 0, 0), 1, 0);
    record.birth = COHORT_NO_TIME; /* of any age */
    label("readmission_15d", TASK_MEDTOK);
    are(2);
}

static void medtok_keeps_visits_with_all_tables_and_intensive_care(void **state) {
    (void)state;
    begin();
    for (int v = 0; v < 5; v++) add_visit(at(10 * v, 10, 0), at(10 * v + 4, 0, 0));
    add_tables(0, HYPERTENSION, HEPARIN);
    add_event(at(11, 0, 0), ICU, 1);
    add_event(at(12, 0, 0), PROCEDURE, 1);
    add_event(at(12, 0, 0), HEPARIN, 1);        /* no diagnosis */
    add_tables(2, HYPERTENSION, UNMAPPED_DRUG); /* no drug that ATC knows */
    add_event(at(34, 0, 0), HYPERTENSION, 3);
    add_event(at(34, 0, 0), PROCEDURE, 3);
    add_event(at(34, 0, 0), HEPARIN, 3); /* no intensive care */
    label("mortality", TASK_MEDTOK);
    are(0);
    left_out(TABLES, 2);
    left_out(NO_ICU, 2);
    left_out(ONE_VISIT, 1);
    add_tables(4, HYPERTENSION, HEPARIN);
    visits[4].died = 1;
    label("mortality", TASK_MEDTOK);
    are(1); /* the next visit is the next that is kept */
    is(0, at(4, 0, 0), 0, 1);
}

static void medtok_on_ehrshot_asks_for_any_date_of_death(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 10, 0), at(9, 0, 0));
    add_visit(at(16, 9, 0), at(17, 0, 0));
    for (int v = 0; v < 2; v++) {
        add_event(visits[v].end, HYPERTENSION, v);
        add_event(visits[v].end, PROCEDURE, v);
        add_event(visits[v].end, HEPARIN, v);
    }
    record.death = at(1000, 0, 0);
    struct task_codes codes = all_codes();
    struct task_options options = {.mode = TASK_MEDTOK};
    struct string_list names = {0};
    codes.ehrshot = 1;
    task_set_free(set);
    assert_int_equal(string_list_add(&names, "mortality"), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &codes), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    samples = task_set_samples(set, 0);
    are(1);
    is(0, at(17, 0, 0), 1, 1);
    string_list_clear(&names);
}

static void samples_are_in_order_of_time(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 10, 0), at(9, 0, 0));
    add_visit(at(2, 10, 0), at(4, 0, 0)); /* inside the first */
    add_visit(at(12, 0, 0), at(13, 0, 0));
    add_tables(1, HYPERTENSION, METOPROLOL);
    add_tables(0, HYPERTENSION, HEPARIN);
    add_event(at(9, 0, 0), METOPROLOL, 0);
    add_tables(2, HYPERTENSION, HEPARIN);
    label("drugs_5", TASK_MEDTOK);
    are(3);
    is(0, at(4, 0, 0), 1, 1);
    is(1, at(9, 0, 0), 0, 2);
    is(2, at(13, 0, 0), 2, 1);
    assert_int_equal(samples->n_set, 4);
    static const int32_t SET[] = {3, 2, 3, 2};
    assert_memory_equal(samples->set, SET, sizeof SET);
}

/* ---- death ---- */
static void mortality_is_death_in_the_next_stay(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_visit(at(50, 8, 0), at(52, 10, 0));
    add_visit(at(90, 8, 0), at(92, 10, 0));
    visits[2].died = 1;
    record.death = at(92, 10, 0);
    label("mortality", TASK_CLEAN);
    are(2);
    is(0, at(3, 10, 0), 0, 0);
    is(1, at(52, 10, 0), 1, 1);
    left_out(DEAD, 1); /* the last: dead at its end, so not asked whether there is another */
    left_out(LAST, 0);
    visits[2].died = 0;
    record.death = COHORT_NO_TIME;
    label("mortality", TASK_CLEAN);
    is(1, at(52, 10, 0), 1, 0);
    left_out(LAST, 1);
}

static void mortality_24h_asks_of_longer_stays(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(1, 8, 0)); /* 24 hours: all is known then */
    add_visit(at(5, 8, 0), at(6, 8, 1));
    visits[1].died = 1;
    record.death = at(6, 8, 1);
    label("mortality_24h", TASK_CLEAN);
    are(1);
    is(0, at(6, 8, 0), 1, 1);
    left_out(SHORT, 1);
}

/* ---- length of stay ---- */
static void bins_of_length_of_stay_have_their_bounds(void **state) {
    (void)state;
    static const struct {
        int days, minutes;
        int32_t bin;
    } CASES[] = {{1, 1, 1}, {1, 1439, 1}, {2, 0, 2},     {6, 1439, 6}, {7, 0, 7},  {7, 1439, 7},
                 {8, 0, 8}, {14, 0, 8},   {14, 1439, 8}, {15, 0, 9},   {400, 0, 9}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin();
        add_visit(at(0, 8, 0), at(CASES[i].days, 8, CASES[i].minutes));
        label("length_of_stay", TASK_CLEAN);
        are(1);
        is(0, at(1, 8, 0), 0, CASES[i].bin);
        label("los_7d", TASK_CLEAN);
        is(0, at(1, 8, 0), 0, CASES[i].days > 7 || (CASES[i].days == 7 && CASES[i].minutes > 0));
    }
    begin();
    add_visit(at(0, 8, 0), at(1, 8, 0));
    label("length_of_stay", TASK_CLEAN);
    are(0);
    left_out(SHORT, 1);
    assert_int_equal(samples->n_classes, 10);
    assert_string_equal(samples->class_names[8], "8 to 14 days");
}

static void medtok_length_of_stay_is_asked_at_discharge(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(0, 20, 0));
    add_visit(at(10, 8, 0), at(18, 7, 59));
    add_visit(at(30, 8, 0), at(38, 8, 0));
    add_visit(at(50, 8, 0), at(51, 8, 0));
    for (int v = 0; v < 4; v++) add_tables(v, HYPERTENSION, HEPARIN);
    label("length_of_stay", TASK_MEDTOK);
    are(3);
    is(0, at(0, 20, 0), 0, 0);
    is(1, at(18, 7, 59), 1, 7);
    is(2, at(38, 8, 0), 2, 8);
    label("los_7d", TASK_MEDTOK);
    are(2);
    is(0, at(18, 7, 59), 1, 0);
    is(1, at(38, 8, 0), 2, 1);
}

/* ---- drugs ---- */
static void drugs_are_hidden_and_stays_without_the_five_kept(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 8, 0));
    add_visit(at(10, 8, 0), at(13, 8, 0));
    add_visit(at(20, 8, 0), at(23, 8, 0));
    add_event(at(1, 0, 0), METOPROLOL, 0);
    add_event(at(1, 0, 0), HEPARIN, 0);
    add_event(at(2, 0, 0), HEPARIN, 0);
    add_event(at(11, 0, 0), ASPIRIN, 1);
    add_event(at(21, 0, 0), HYPERTENSION, 2);
    label("drugs_5", TASK_CLEAN);
    are(2);
    is(0, at(3, 8, 0), 0, 2);
    is(1, at(13, 8, 0), 1, 0);
    assert_true(samples->set[0] == 2 && samples->set[1] == 3 && samples->n_set == 2);
    left_out(NO_DRUG, 1);
    assert_int_equal(samples->hidden, 1 << CODE_KIND_DRUG);
    label("drugs_atc3", TASK_CLEAN);
    assert_int_equal(samples->n_classes, 2); /* B01A, C07A */
    assert_string_equal(samples->class_names[0], "B01A");
    is(1, at(13, 8, 0), 1, 1);
    assert_true(samples->set[0] == 0 && samples->set[1] == 1 && samples->set[2] == 0);
}

static void groups_of_drugs_are_those_of_train(void **state) {
    (void)state;
    struct task_codes codes = all_codes();
    struct task_options options = {.mode = TASK_CLEAN};
    struct string_list names = {0};
    int64_t train_count[N_CODES] = {[HEPARIN] = 3};
    codes.train_count = train_count;
    begin();
    add_visit(at(0, 8, 0), at(3, 8, 0));
    add_event(at(1, 0, 0), METOPROLOL, 0);
    add_event(at(1, 0, 0), ASPIRIN, 0);
    task_set_free(set);
    assert_int_equal(string_list_add(&names, "drugs_atc3"), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &codes), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    samples = task_set_samples(set, 0);
    assert_int_equal(samples->n_classes, 1);
    assert_string_equal(samples->class_names[0], "B01A");
    is(0, at(3, 8, 0), 0, 1); /* aspirin is of heparin's group; metoprolol's is not in train */
    string_list_clear(&names);
}

static void medtok_leaves_out_visits_without_the_five(void **state) {
    (void)state;
    begin();
    for (int v = 0; v < 4; v++) add_visit(at(10 * v, 10, 0), at(10 * v + 4, 0, 0));
    add_tables(0, HYPERTENSION, HEPARIN);
    add_tables(1, HYPERTENSION, ASPIRIN);
    add_tables(2, HYPERTENSION, HEPARIN);
    add_event(at(22, 0, 0), ICU, 2); /* twice in intensive care */
    add_tables(3, HYPERTENSION, METOPROLOL);
    label("drugs_5", TASK_MEDTOK);
    are(2);
    is(0, at(4, 0, 0), 0, 1);
    is(1, at(34, 0, 0), 3, 1);
    left_out(NONE, 1);
    left_out(MORE_ICU, 1);
}

/* ---- phenotypes ---- */
static struct code_groups groups;

static void label_phenotypes(enum task_mode mode) {
    struct task_codes codes = all_codes();
    struct task_options options = {.mode = mode};
    struct string_list names = {0};
    codes.groups = &groups;
    assert_int_equal(code_groups_add(&groups, "Acute myocardial infarction", "ICD9CM", "410.12"), STATUS_OK);
    assert_int_equal(code_groups_add(&groups, "Acute myocardial infarction", "ICD10CM", "I21"), STATUS_OK);
    assert_int_equal(code_groups_add(&groups, "Essential hypertension", "ICD10CM", "I10"), STATUS_OK);
    for (int p = 0; p < N_PHENOTYPES; p++) /* a code that the cohort has not */
        assert_int_equal(code_groups_add(&groups, PHENOTYPES[p].name, "ICD10CM", "Z99"), STATUS_OK);
    task_set_free(set);
    assert_int_equal(string_list_add(&names, "phenotypes"), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &codes), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    samples = task_set_samples(set, 0);
    counts = task_set_counts(set, 0);
    string_list_clear(&names);
}

static void phenotypes_are_asked_at_admission_without_the_stays_own_diagnoses(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 8, 0));
    add_visit(at(10, 8, 0), at(13, 8, 0));
    add_visit(at(20, 8, 0), at(23, 8, 0));
    add_event(at(3, 8, 0), HYPERTENSION, 0);
    add_event(at(3, 8, 0), AMI_10, 0);
    add_event(at(3, 8, 0), AMI_9, 0);
    add_event(at(13, 8, 0), AMI_MEDTOK, 1); /* in none of the groups */
    add_event(at(21, 8, 0), HEPARIN, 2);
    label_phenotypes(TASK_CLEAN);
    are(2);
    is(0, at(0, 8, 0), 0, 2);
    is(1, at(10, 8, 0), 1, 0);
    assert_true(samples->set[0] == 5 && samples->set[1] == 7 && samples->n_set == 2); /* CCS 98 and 100 */
    assert_string_equal(samples->class_names[7], "Acute myocardial infarction");
    assert_int_equal(samples->hidden, 1 << CODE_KIND_DIAGNOSIS);
    left_out(NO_DIAGNOSIS, 1);
}

static void medtok_drops_subjects_with_a_visit_without_phenotype(void **state) {
    (void)state;
    begin();
    for (int v = 0; v < 3; v++) add_visit(at(10 * v, 10, 0), at(10 * v + 4, 0, 0));
    for (int v = 0; v < 3; v++) add_tables(v, v == 1 ? AMI_9 : HYPERTENSION, HEPARIN);
    label_phenotypes(TASK_MEDTOK);
    are(2);
    is(0, at(4, 0, 0), 0, 1);
    is(1, at(14, 0, 0), 1, 1);
    assert_true(samples->set[0] == 5 && samples->set[1] == 7);
    assert_int_equal(samples->hidden, 0);
    event_codes[9] = AMI_MEDTOK; /* the diagnosis of the last visit, which is no sample itself */
    label_phenotypes(TASK_MEDTOK);
    are(0);
    left_out(NO_PHENOTYPE, 1);
}

static void descendants_of_a_concept_are_of_its_set(void **state) {
    (void)state;
    struct task_codes codes = all_codes();
    struct task_options options = {.mode = TASK_CLEAN};
    struct string_list names = {0};
    struct code_groups descendants = {0};
    const char *concepts[N_TASK_CONCEPTS];
    task_concepts(concepts);
    assert_string_equal(concepts[SET_AMI], "57054005");
    assert_int_equal(code_groups_add(&descendants, "SNOMED 57054005", "ATC", "B01AB01"),
                     STATUS_OK); /* for want of others */
    codes.groups = &descendants;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_event(at(50, 10, 0), HEPARIN, -1);
    task_set_free(set);
    assert_int_equal(string_list_add(&names, "first_ami"), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &codes), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    samples = task_set_samples(set, 0);
    is(0, at(3, 10, 0), 0, 1);
    string_list_clear(&names);
    code_groups_free(&descendants);
}

/* ---- first diagnoses ---- */
static void first_diagnoses_are_asked_of_who_has_none(void **state) {
    (void)state;
    static const struct {
        int64_t after; /* discharge, on day 3 at 10:00 */
        int n;
        int32_t label;
    } CASES[] = {{-DAYS, 0, 0},         {0, 0, 0}, {1, 0, 0}, {DAYS - 1, 0, 0}, {DAYS, 1, 1}, {365 * DAYS, 1, 1},
                 {365 * DAYS + 1, 1, 0}};
    static const enum code SPELLINGS[] = {AMI_9, AMI_10, SNOMED_AMI};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int s = 0; s < 3; s++) {
            begin();
            add_visit(at(0, 8, 0), at(3, 10, 0));
            add_event(at(3, 10, 0) + CASES[i].after, SPELLINGS[s], -1);
            label("first_ami", TASK_CLEAN);
            are(CASES[i].n);
            if (CASES[i].n) is(0, at(3, 10, 0), 0, CASES[i].label);
            label("first_hypertension", TASK_CLEAN);
            are(1);
            is(0, at(3, 10, 0), 0, 0);
        }
}

static void a_repeat_behind_the_first_day_is_no_first_diagnosis(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 8, 0), at(3, 10, 0));
    add_event(at(4, 9, 0), AMI_9, -1);
    add_event(at(30, 9, 0), AMI_9, -1);
    label("first_ami", TASK_CLEAN);
    are(0);
    left_out(FIRST_DAY, 1);
    label("new_acutemi", TASK_CLEAN);
    are(0);
    left_out(FIRST_DAY, 1);
    label("new_acutemi", TASK_MEDTOK); /* as EHRSHOT has it */
    are(1);
    is(0, at(3, 23, 59), 0, 1);
}

static void medtok_looks_for_its_own_codes_in_the_next_visit(void **state) {
    (void)state;
    begin();
    add_visit(at(0, 10, 0), at(4, 0, 0));
    add_visit(at(10, 10, 0), at(14, 0, 0));
    add_visit(at(20, 10, 0), at(24, 0, 0));
    add_visit(at(386, 10, 0), at(387, 0, 0)); /* 366 days behind the admission before */
    add_tables(0, AMI_MEDTOK, HEPARIN);
    add_tables(1, AMI_MEDTOK, HEPARIN);
    add_tables(2, AMI_10, HEPARIN); /* I21.01 is not in the list */
    add_tables(3, AMI_MEDTOK, HEPARIN);
    label("first_ami", TASK_MEDTOK);
    are(3);
    is(0, at(4, 0, 0), 0, 1); /* an earlier one does not count against it */
    is(1, at(14, 0, 0), 1, 0);
    is(2, at(24, 0, 0), 2, 0);
}

/* ---- sets ---- */
static void expect_refusal(const char *names, const struct task_codes *codes, const char *message) {
    struct task_options options = {.mode = TASK_CLEAN};
    struct string_list list = {0};
    char text[256];
    snprintf(text, sizeof text, "%s", names);
    for (char *rest = text, *name; (name = strtok_r(rest, ",", &rest));)
        assert_int_equal(string_list_add(&list, name), STATUS_OK);
    task_set_free(set);
    assert_int_equal(task_set_make(&set, &options, &list, codes), STATUS_USAGE);
    assert_null(set);
    assert_non_null(strstr(status_message(), message));
    string_list_clear(&list);
}

static void tasks_that_cannot_be_made_are_refused(void **state) {
    (void)state;
    struct task_codes codes = all_codes();
    expect_refusal("sepsis", &codes, "there is no task sepsis: there are mortality,");
    expect_refusal("guo_los,guo_los", &codes, "name guo_los twice");
    expect_refusal("phenotypes", &codes, "the task phenotypes needs the groups of HCUP");
    codes.n = HEPARIN;
    expect_refusal("drugs_5", &codes, "the task drugs_5 needs drugs as codes of ATC");
}

static struct {
    int n;
    enum task_filter filter[8];
    int32_t visit[8];
} noted;
static void note(void *self, const char *task, enum task_filter filter, int64_t time, int32_t visit,
                 const char *detail) {
    (void)self, (void)time, (void)detail;
    assert_string_equal(task, "readmission_15d");
    noted.filter[noted.n] = filter;
    noted.visit[noted.n++] = visit;
}

static void what_is_left_out_is_told(void **state) {
    (void)state;
    begin();
    label("readmission_15d", TASK_CLEAN);
    add_visit(at(0, 8, 0), at(3, 10, 0));
    visits[add_visit(at(4, 8, 0), at(4, 9, 0))].kind = VISIT_EMERGENCY;
    record.death = at(5, 0, 0);
    struct task_notes notes = {NULL, note};
    assert_int_equal(task_set_explain(set, &record, &notes), STATUS_OK);
    assert_int_equal(noted.n, 2);
    assert_true(noted.filter[0] == FILTER_NO_STAY && noted.visit[0] == 1);
    assert_true(noted.filter[1] == FILTER_DIED && noted.visit[1] == 0);
    assert_string_equal(TASK_FILTER_FACTS[FILTER_DIED].why, "died in the window, without the outcome");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readmission_counts_from_discharge_in_whole_hours),
        cmocka_unit_test(who_dies_in_the_window_has_no_label),
        cmocka_unit_test(who_goes_into_another_stay_is_not_at_home),
        cmocka_unit_test(visits_that_are_no_stays_do_not_count),
        cmocka_unit_test(minors_are_out_up_to_their_eighteenth_birthday),
        cmocka_unit_test(a_leapling_is_grown_up_on_the_first_of_march),
        cmocka_unit_test(medtok_counts_whole_days_from_admission),
        cmocka_unit_test(medtok_keeps_visits_with_all_tables_and_intensive_care),
        cmocka_unit_test(medtok_on_ehrshot_asks_for_any_date_of_death),
        cmocka_unit_test(samples_are_in_order_of_time),
        cmocka_unit_test(mortality_is_death_in_the_next_stay),
        cmocka_unit_test(mortality_24h_asks_of_longer_stays),
        cmocka_unit_test(bins_of_length_of_stay_have_their_bounds),
        cmocka_unit_test(medtok_length_of_stay_is_asked_at_discharge),
        cmocka_unit_test(drugs_are_hidden_and_stays_without_the_five_kept),
        cmocka_unit_test(groups_of_drugs_are_those_of_train),
        cmocka_unit_test(medtok_leaves_out_visits_without_the_five),
        cmocka_unit_test(phenotypes_are_asked_at_admission_without_the_stays_own_diagnoses),
        cmocka_unit_test(medtok_drops_subjects_with_a_visit_without_phenotype),
        cmocka_unit_test(descendants_of_a_concept_are_of_its_set),
        cmocka_unit_test(first_diagnoses_are_asked_of_who_has_none),
        cmocka_unit_test(a_repeat_behind_the_first_day_is_no_first_diagnosis),
        cmocka_unit_test(medtok_looks_for_its_own_codes_in_the_next_visit),
        cmocka_unit_test(tasks_that_cannot_be_made_are_refused),
        cmocka_unit_test(what_is_left_out_is_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    task_set_free(set);
    code_groups_free(&groups);
    return failed;
}
