/* What rows of MIMIC-III and MIMIC-IV become: each rule, and each way in which a row can be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/record_list.h"
#include "ingest/formats.h"

static const struct table_kind *find_kind(const struct source_format *format, const char *name) {
    for (const struct table_kind *const *k = format->tables; *k; k++)
        if (strcmp((*k)->name, name) == 0) return *k;
    fail_msg("no table %s", name);
    return NULL;
}

/* Reads a text as a table, and compares what the sink was told. */
static void check(const struct source_format *format, const char *table, const char *text, const char *wanted) {
    char path[] = "/tmp/medtok-mimic-XXXXXX", *found = NULL;
    size_t size;
    struct record_list list = {open_memstream(&found, &size)};
    struct record_sink sink = record_list_sink(&list);
    int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    int status = record_list_read(find_kind(format, table), NULL, path, 0, &sink);
    unlink(path);
    fclose(list.out);
    if (status != STATUS_OK) fail_msg("%s", status_message());
    assert_string_equal(found, wanted);
    free(found);
}

/* ---- subjects ---- */
static void a_subject_of_mimic3_is_born_at_dob_and_dies_on_the_day_of_dod(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "patients",
          "\"ROW_ID\",\"SUBJECT_ID\",\"GENDER\",\"DOB\",\"DOD\",\"EXPIRE_FLAG\"\n"
          "1,10,\"F\",2094-03-05 00:00:00,2165-08-12 00:00:00,1\n"
          "2,11,\"M\",2100-01-01 00:00:00,,0\n",
          "subject 10 birth 2094-03-05T00:00:00 death 2165-08-12T00:00:00 day split -\n"
          "event 10 visit - - exact fact GENDER//F\n"
          "subject 11 birth 2100-01-01T00:00:00 death - day split -\n"
          "event 11 visit - - exact fact GENDER//M\n");
}

/* 1850-03-01 and 76,336 days: 2059-03-01 by Python's datetime. */
static void who_seems_300_years_old_is_91_at_the_first_admission(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "patients", "subject_id,gender,dob,dod\n12,,1850-03-01 00:00:00,\n",
          "subject 12 birth 2059-03-01T00:00:00 death - day split -\n");
}

static void a_subject_of_mimic4_is_born_on_1_january_of_anchor_year_less_age(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/patients",
          "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n"
          "10014729,F,21,2125,2011 - 2013,\n10003400,F,72,2134,2011 - 2013,2137-09-02\n",
          "subject 10014729 birth 2104-01-01T00:00:00 death - day split -\n"
          "event 10014729 visit - - exact fact GENDER//F\n"
          "subject 10003400 birth 2062-01-01T00:00:00 death 2137-09-02T00:00:00 day split -\n"
          "event 10003400 visit - - exact fact GENDER//F\n");
}

static void bad_subjects_are_faults_with_their_line(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/patients",
          "subject_id,gender,anchor_age,anchor_year,dod\n"
          "x,F,21,2125,\n1,F,,2125,\n1,F,200,2125,\n1,F,21,21,\n1,F,21,2125,2180-13-01\n",
          "fault 2: subject_id is \"x\": expected a number\n"
          "fault 3: anchor_age is empty: expected 0 to 130 years\n"
          "fault 4: anchor_age is \"200\": expected 0 to 130 years\n"
          "fault 5: anchor_year is \"21\": expected a year\n"
          "fault 6: dod is \"2180-13-01\": expected a day\n");
    check(&MIMIC3_FORMAT, "patients", "subject_id,gender,dob,dod\n0,F,2100-01-01,\n1,F,,\n1,F,2100-01-01,never\n",
          "fault 2: subject_id is \"0\": expected a number\n"
          "fault 3: dob is empty: expected a time\n"
          "fault 4: dod is \"never\": expected a time\n");
}

/* ---- visits ---- */
#define ADMISSIONS "subject_id,hadm_id,admittime,dischtime,deathtime,hospital_expire_flag,race\n"

static void an_admission_is_a_visit_with_its_outcome_and_an_exact_death(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/admissions",
          ADMISSIONS
          "1,20,2180-01-01 10:00:00,2180-01-05 11:30:00,,0,WHITE\n"
          "1,21,2181-01-01 10:00:00,2181-01-05 11:30:00,2181-01-05 11:20:00,1,WHITE\n"
          "2,22,2181-01-01 10:00:00,,,0,\n",
          "visit 1 id 20 2180-01-01T10:00:00 to 2180-01-05T11:30:00 inpatient\n"
          "event 1 visit 20 - exact fact RACE//WHITE\n"
          "visit 1 id 21 2181-01-01T10:00:00 to 2181-01-05T11:30:00 inpatient died\n"
          "death 1 2181-01-05T11:20:00 exact\n"
          "event 1 visit 21 - exact fact RACE//WHITE\n"
          "visit 2 id 22 2181-01-01T10:00:00 to - inpatient\n");
}

static void a_discharge_at_midnight_before_death_is_put_off_to_it(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/admissions",
          ADMISSIONS "1,21,2115-10-02 10:00:00,2115-10-12 00:00:00,2115-10-12 22:20:00,1,\n",
          "visit 1 id 21 2115-10-02T10:00:00 to 2115-10-12T22:20:00 inpatient died\n"
          "death 1 2115-10-12T22:20:00 exact\n");
}

static void mimic3_calls_race_ethnicity(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "admissions",
          "SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ETHNICITY,HOSPITAL_EXPIRE_FLAG\n"
          "1,20,2180-01-01 10:00:00,2180-01-05 11:30:00,,\"BLACK/AFRICAN AMERICAN\",0\n",
          "visit 1 id 20 2180-01-01T10:00:00 to 2180-01-05T11:30:00 inpatient\n"
          "event 1 visit 20 - exact fact RACE//BLACK/AFRICAN AMERICAN\n");
}

static void bad_admissions_are_faults_with_their_line(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/admissions",
          ADMISSIONS
          "1,,2180-01-01 10:00:00,,,0,\n1,20,,,,0,\n1,20,2180-01-01 25:00:00,,,0,\n"
          "1,20,2180-01-01 10:00:00,late,,0,\n1,20,2180-01-01 10:00:00,,2180-02-30,0,\n"
          "1,20,2180-01-01 10:00:00,,,yes,\n1,20,2180-01-01 10:00:00,,,,\n",
          "fault 2: hadm_id is empty: expected a number\n"
          "fault 3: admittime is empty: expected a time\n"
          "fault 4: admittime is \"2180-01-01 25:00:00\": expected a time\n"
          "fault 5: dischtime is \"late\": expected a time\n"
          "fault 6: deathtime is \"2180-02-30\": expected a time\n"
          "fault 7: hospital_expire_flag is \"yes\": expected 0 or 1\n"
          "fault 8: hospital_expire_flag is empty: expected 0 or 1\n");
}

static void a_stay_in_intensive_care_is_two_events(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "icu/icustays",
          "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los\n"
          "1,20,3,Medical Intensive Care Unit (MICU),Neuro Stepdown,2180-01-01 11:00:00,2180-01-02 12:00:00,1.04\n"
          "1,20,4,CCU,CCU,2180-01-03 11:00:00,,\n1,20,5,CCU,CCU,2180-01-03 11:00:00,2180-01-03 10:00:00,\n",
          "event 1 visit 20 2180-01-01T11:00:00 exact visit ICU_ADMISSION//Medical Intensive Care Unit (MICU)\n"
          "event 1 visit 20 2180-01-02T12:00:00 exact visit ICU_DISCHARGE//Neuro Stepdown\n"
          "event 1 visit 20 2180-01-03T11:00:00 exact visit ICU_ADMISSION//CCU\n"
          "fault 4: outtime 2180-01-03 10:00:00 is before intime\n");
}

/* ---- diagnoses and procedures ---- */
static void diagnoses_are_known_at_discharge(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "diagnoses_icd",
          "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"SEQ_NUM\",\"ICD9_CODE\"\n1,1,20,1,\"0389\"\n1,1,20,,\n1,1,,2,"
          "\"4019\"\n",
          "event 1 visit 20 - discharge diagnosis DIAGNOSIS//ICD//9//0389\n"
          "left out 3: an empty code\n"
          "fault 4: hadm_id is empty: expected a number\n");
    check(&MIMIC4_FORMAT, "hosp/diagnoses_icd",
          "subject_id,hadm_id,seq_num,icd_code,icd_version\n1,20,1,I10  ,10\n1,20,2,4019,9\n1,20,3,x,11\n",
          "event 1 visit 20 - discharge diagnosis DIAGNOSIS//ICD//10//I10\n"
          "event 1 visit 20 - discharge diagnosis DIAGNOSIS//ICD//9//4019\n"
          "fault 4: icd_version is \"11\": expected 9 or 10\n");
}

static void procedures_have_a_day_in_mimic4_alone(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "procedures_icd", "row_id,subject_id,hadm_id,seq_num,icd9_code\n1,1,20,1,0066\n",
          "event 1 visit 20 - discharge procedure PROCEDURE//ICD//9//0066\n");
    check(&MIMIC4_FORMAT, "hosp/procedures_icd",
          "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version\n1,20,1,2180-05-07,5491,9\n1,20,1,,0FT44ZZ,10\n"
          "1,20,1,2180-05-32,5491,9\n",
          "event 1 visit 20 2180-05-07T00:00:00 day procedure PROCEDURE//ICD//9//5491\n"
          "event 1 visit 20 - discharge procedure PROCEDURE//ICD//10//0FT44ZZ\n"
          "fault 4: chartdate is \"2180-05-32\": expected a day\n");
}

/* ---- drugs and the laboratory ---- */
static void a_drug_is_its_ndc_or_else_its_name(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/prescriptions",
          "subject_id,hadm_id,starttime,drug,ndc\n"
          "1,20,2180-05-07 08:00:00,Heparin,00904198861\n"
          "1,20,2180-05-07 08:00:00,Heparin,904198861.0\n" /* from a program that takes it for a number */
          "1,20,2180-05-07 08:00:00,Fentanyl Citrate ,0\n"
          "1,20,2180-05-07 08:00:00,\"Sodium Chloride 0.9%  Flush, 10 mL\",\n"
          "1,20,2180-05-07 08:00:00,Heparin,00000000000\n"
          "1,20,,Heparin,\n"
          "1,,,Heparin,\n"
          "1,20,2180-05-07 08:00:00,,0\n"
          "1,20,2180-05-07 8:00,Heparin,0\n",
          "event 1 visit 20 2180-05-07T08:00:00 exact drug MEDICATION//NDC//00904198861//Heparin\n"
          "event 1 visit 20 2180-05-07T08:00:00 exact drug MEDICATION//NDC//00904198861//Heparin\n"
          "event 1 visit 20 2180-05-07T08:00:00 exact drug MEDICATION//NAME//Fentanyl Citrate\n"
          "event 1 visit 20 2180-05-07T08:00:00 exact drug MEDICATION//NAME//Sodium Chloride 0.9%  Flush, 10 mL\n"
          "event 1 visit 20 2180-05-07T08:00:00 exact drug MEDICATION//NAME//Heparin\n"
          "event 1 visit 20 - discharge drug MEDICATION//NAME//Heparin\n"
          "left out 8: a drug without time and visit\n"
          "left out 9: a drug without NDC and name\n"
          "fault 10: starttime is \"2180-05-07 8:00\": expected a time\n");
}

static void a_drug_of_mimic3_has_a_day(void **state) {
    (void)state;
    check(&MIMIC3_FORMAT, "prescriptions",
          "subject_id,hadm_id,startdate,drug,ndc\n1,20,2146-07-21 00:00:00,Bisacodyl,00536338101\n",
          "event 1 visit 20 2146-07-21T00:00:00 day drug MEDICATION//NDC//00536338101//Bisacodyl\n");
}

static void a_code_too_long_is_a_fault(void **state) {
    (void)state;
    char text[400];
    int n = snprintf(text, sizeof text, "subject_id,hadm_id,startdate,drug\n1,20,2146-07-21,");
    memset(text + n, 'x', 300);
    strcpy(text + n + 300, "\n");
    check(&MIMIC3_FORMAT, "prescriptions", text, "fault 2: a code of 300 bytes: expected at most 237\n");
}

static void a_value_of_the_laboratory_has_its_unit_in_its_code(void **state) {
    (void)state;
    check(&MIMIC4_FORMAT, "hosp/labevents",
          "labevent_id,subject_id,hadm_id,itemid,charttime,value,valuenum,valueuom\n"
          "1,1,20,50912,2180-05-07 08:00:00,0.4,0.4,mg/dL\n"
          "2,1,,51237,2180-05-07 08:00:00,___,,\n"
          "3,1,,50912,2180-05-07 08:00:00,high,high,mg/dL\n"
          "4,1,20,,2180-05-07 08:00:00,1,1,mg/dL\n"
          "5,1,20,50912,,1,1,mg/dL\n",
          "event 1 visit 20 2180-05-07T08:00:00 exact measurement LAB//50912//mg/dL 0.400000006\n"
          "event 1 visit - 2180-05-07T08:00:00 exact measurement LAB//51237//UNK\n"
          "fault 4: valuenum is \"high\": expected a number\n"
          "fault 5: itemid is empty: expected a number\n"
          "fault 6: charttime is empty: expected a time\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_of_mimic3_is_born_at_dob_and_dies_on_the_day_of_dod),
        cmocka_unit_test(who_seems_300_years_old_is_91_at_the_first_admission),
        cmocka_unit_test(a_subject_of_mimic4_is_born_on_1_january_of_anchor_year_less_age),
        cmocka_unit_test(bad_subjects_are_faults_with_their_line),
        cmocka_unit_test(an_admission_is_a_visit_with_its_outcome_and_an_exact_death),
        cmocka_unit_test(a_discharge_at_midnight_before_death_is_put_off_to_it),
        cmocka_unit_test(mimic3_calls_race_ethnicity),
        cmocka_unit_test(bad_admissions_are_faults_with_their_line),
        cmocka_unit_test(a_stay_in_intensive_care_is_two_events),
        cmocka_unit_test(diagnoses_are_known_at_discharge),
        cmocka_unit_test(procedures_have_a_day_in_mimic4_alone),
        cmocka_unit_test(a_drug_is_its_ndc_or_else_its_name),
        cmocka_unit_test(a_drug_of_mimic3_has_a_day),
        cmocka_unit_test(a_code_too_long_is_a_fault),
        cmocka_unit_test(a_value_of_the_laboratory_has_its_unit_in_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
