/* Readers of EHRSHOT, OMOP and MEDS CSV, row by row, and the files that say what codes mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/record_list.h"
#include "base/status.h"
#include "ingest/code_class_files.h"
#include "ingest/code_group_files.h"
#include "ingest/code_lists.h"
#include "ingest/code_map_files.h"
#include "ingest/ehrshot_rows.h"
#include "ingest/meds_csv_rows.h"
#include "ingest/omop_rows.h"
#include "ingest/table_files.h"
#include "ingest/table_reader.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))

/* ---- files ---- */
static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/medtok-sources-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text) {
    char parent[256];
    snprintf(parent, sizeof parent, "%s", path_of(name));
    for (char *p = parent + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(parent, 0700);
        *p = '/';
    }
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path_of(name);
}

/* What the table says, as lines; the caller frees them. */
static char *read_lines(const struct table_kind *kind, const void *state, const char *path) {
    char *text = NULL;
    size_t size = 0;
    struct record_list list = {open_memstream(&text, &size)};
    struct record_sink sink = record_list_sink(&list);
    assert_int_equal(record_list_read(kind, state, path, 0, &sink), STATUS_OK);
    fclose(list.out);
    return text;
}

static void check_lines(const struct table_kind *kind, const void *state, const char *table, const char *expected) {
    char *lines = read_lines(kind, state, write_file("table.csv", table));
    assert_string_equal(lines, expected);
    free(lines);
}

static const struct table_kind *omop_table(const char *name) {
    for (int i = 0; i < N_OMOP_TABLES; i++)
        if (strcmp(OMOP_TABLES[i]->name, name) == 0) return OMOP_TABLES[i];
    fail_msg("%s", name);
    return NULL;
}

/* ---- EHRSHOT ---- */
static void ehrshot_rows_become_subjects_visits_events_and_deaths(void **state) {
    (void)state;
    check_lines(&EHRSHOT_SPLITS, NULL,
                "split,omop_person_id\n"
                "train,7\nval,8\ntest,9\ntrial,10\ntrain,x\ntrain,\n",
                "subject 7 birth - death - exact split train\n"
                "subject 8 birth - death - exact split tuning\n"
                "subject 9 birth - death - exact split held_out\n"
                "fault 5: split is \"trial\": expected train, val or test\n"
                "fault 6: omop_person_id is \"x\": expected a whole number\n"
                "fault 7: omop_person_id is empty: expected a whole number\n");
    check_lines(&EHRSHOT_EVENTS, NULL,
                "code,patient_id,start,end,value,unit,visit_id,omop_table\n"
                "SNOMED/3950001,7,1950-02-03 00:00:00,,,,,person\n"
                "Gender/F,7,1950-02-03 00:00:00,,,,,person\n"
                "Visit/IP,7,2010-01-01 08:00:00,2010-01-05 10:00:00,,,100.0,visit_occurrence\n"
                "Visit/ERIP,7,2010-02-01 08:00,,,,101,visit_occurrence\n"
                "Visit/OP,7,2010-03-01T08:00:00,2010-03-01T09:00:00,,,102,visit_occurrence\n"
                "LOINC/718-7,7,2010-01-01 09:00:00,,13.5,g/dL,100,measurement\n"
                "LOINC/718-7,7,2010-01-01 09:30:00,,Normal,g/dL,100,measurement\n"
                "LOINC/777-3,7,2010-01-01 09:30:00,,adequate,,100,measurement\n"
                "LOINC/718-7,7,2010-01-01 09:40:00,,normally,,100,measurement\n"
                "ICD10CM/I10,7,2010-01-05 00:00:00,,,,100,condition_occurrence\n"
                "CPT4/99213,7,2010-01-02,,,,,procedure_occurrence\n"
                "RxNorm/161,7,2010-01-02 10:00:00,2010-01-03 10:00:00,,,,drug_exposure\n"
                "SNOMED/1,7,2010-01-02 10:00:00,,,,,observation\n"
                "Death Type/OMOP4822053,7,2011-05-06 00:00:00,,,,,death\n",
                "subject 7 birth 1950-02-03T00:00:00 death - exact split - adds\n"
                "event 7 visit - - exact fact Gender/F\n"
                "visit 7 id 100 2010-01-01T08:00:00 to 2010-01-05T10:00:00 inpatient\n"
                "visit 7 id 101 2010-02-01T08:00:00 to - emergency\n"
                "visit 7 id 102 2010-03-01T08:00:00 to 2010-03-01T09:00:00 outpatient\n"
                "event 7 visit 100 2010-01-01T09:00:00 exact measurement LOINC/718-7//g/dL 13.5\n"
                "event 7 visit 100 2010-01-01T09:30:00 exact measurement LOINC/718-7//normal\n"
                "event 7 visit 100 2010-01-01T09:30:00 exact measurement LOINC/777-3//normal\n"
                "event 7 visit 100 2010-01-01T09:40:00 exact measurement LOINC/718-7\n"
                "event 7 visit 100 2010-01-05T00:00:00 day diagnosis ICD10CM/I10\n"
                "event 7 visit - 2010-01-02T00:00:00 day procedure CPT4/99213\n"
                "event 7 visit - 2010-01-02T10:00:00 exact drug RxNorm/161\n"
                "event 7 visit - 2010-01-02T10:00:00 exact other SNOMED/1\n"
                "death 7 2011-05-06T00:00:00 day\n");
}

static void ehrshot_without_the_column_of_tables_goes_by_codes(void **state) {
    (void)state;
    check_lines(&EHRSHOT_EVENTS, NULL,
                "patient_id,start,code\n"
                "7,2010-01-01 09:00:00,LOINC/718-7\n"
                "7,2010-01-01 09:00:00,Visit/IP\n"
                "7,2011-01-01 09:00:00,Death Type/x\n",
                "event 7 visit - 2010-01-01T09:00:00 exact measurement LOINC/718-7\n"
                "visit 7 id -9223372036854775808 2010-01-01T09:00:00 to - inpatient\n"
                "death 7 2011-01-01T09:00:00 exact\n");
}

static void ehrshot_rows_that_cannot_be_used_are_faults_with_their_line(void **state) {
    (void)state;
    check_lines(&EHRSHOT_EVENTS, NULL,
                "patient_id,start,end,code,value,unit,visit_id,omop_table\n"
                "x,2010-01-01 09:00:00,,A/1,,,,measurement\n"
                "7,2010-02-30 09:00:00,,A/1,,,,measurement\n"
                "7,,,A/1,,,,measurement\n"
                "7,2010-01-01 09:00:00,,A/1,,,one,measurement\n"
                "7,2010-01-01 09:00:00,soon,Visit/IP,,,1,visit_occurrence\n"
                "7,2010-01-01 09:00:00,,,,,,measurement\n",
                "fault 2: patient_id is \"x\": expected a whole number\n"
                "fault 3: start is \"2010-02-30 09:00:00\": expected a time\n"
                "fault 4: start is empty: expected a time\n"
                "fault 5: visit_id is \"one\": expected a whole number\n"
                "fault 6: end is \"soon\": expected a time\n"
                "left out 7: an empty code\n");
}

static void ehrshot_labels_are_truths_classes_or_findings(void **state) {
    char *tasks[] = {"guo_los"}, *labs[] = {"lab_anemia"}, *xray[] = {"chexpert"};
    struct label_files los = {{1, tasks}}, lab = {{1, labs}}, chexpert = {{1, xray}};
    (void)state;
    check_lines(&EHRSHOT_LABELS, &los,
                "patient_id,prediction_time,label_type,value\n"
                "7,2010-01-01T23:59:00,boolean,True\n7,2010-01-02T23:59,boolean,False\n"
                "7,2010-01-02T23:59:00,boolean,maybe\n7,2010-01-02T24:59:00,boolean,True\nx,2010-01-02,boolean,True\n",
                "label 7 2010-01-01T23:59:00 guo_los 1\n"
                "label 7 2010-01-02T23:59:00 guo_los 0\n"
                "fault 4: value is \"maybe\": expected True, False or the number of a class\n"
                "fault 5: prediction_time is \"2010-01-02T24:59:00\": expected a time\n"
                "fault 6: patient_id is \"x\": expected a whole number\n");
    check_lines(&EHRSHOT_LABELS, &lab, "patient_id,prediction_time,value\n7,2010-01-01T23:59:00,3\n",
                "label 7 2010-01-01T23:59:00 lab_anemia 3\n");
    /* 8192 is the first of 14 findings, 1 the last (process_chexpert_labels) */
    char *lines = read_lines(&EHRSHOT_LABELS, &chexpert,
                             write_file("table.csv",
                                        "patient_id,prediction_time,value\n7,2010-01-01T23:59:00,8193\n"
                                        "7,2010-01-01T23:59:00,16384\n"));
    assert_non_null(strstr(lines, " chexpert/No Finding 1\n"));
    assert_non_null(strstr(lines, " chexpert/Edema 0\n"));
    assert_non_null(strstr(lines, " chexpert/Support Devices 1\n"));
    assert_non_null(strstr(lines, "fault 3: value is \"16384\""));
    free(lines);
}

/* ---- OMOP ---- */
static void omop_persons_have_births_of_any_exactness_and_facts(void **state) {
    (void)state;
    check_lines(omop_table("person"), NULL,
                "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime,race_concept_id,"
                "gender_source_value,race_source_value\n"
                "1,8507,1950,2,3,,8527,,\n"
                "2,8532,1950,2,,,0,,asian\n"
                "3,0,1950,,,,,,\n"
                "4,8507,1950,2,3,1950-02-03 10:00:00,8516,,\n"
                "5,8507,1950,2,30,,,,\n"
                "6,8507,,,,,,,\n"
                ",8507,1950,,,,,,\n",
                "subject 1 birth 1950-02-03T00:00:00 death - exact split -\n"
                "event 1 visit - - exact fact GENDER//M\n"
                "event 1 visit - - exact fact RACE//WHITE\n"
                "subject 2 birth 1950-02-01T00:00:00 death - exact split -\n"
                "event 2 visit - - exact fact GENDER//F\n"
                "event 2 visit - - exact fact RACE//asian\n"
                "subject 3 birth 1950-01-01T00:00:00 death - exact split -\n"
                "subject 4 birth 1950-02-03T10:00:00 death - exact split -\n"
                "event 4 visit - - exact fact GENDER//M\n"
                "event 4 visit - - exact fact RACE//BLACK/AFRICAN AMERICAN\n"
                "fault 6: year, month and day of birth are no date\n"
                "subject 6 birth - death - exact split -\n"
                "event 6 visit - - exact fact GENDER//M\n"
                "fault 8: person_id is empty: expected a whole number\n");
}

static void omop_visits_go_to_the_end_of_a_day_without_a_time(void **state) {
    (void)state;
    check_lines(omop_table("visit_occurrence"), NULL,
                "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,"
                "visit_end_datetime,discharged_to_concept_id\n"
                "100,1,9201,2010-01-01,2010-01-01 08:00:00,2010-01-05,2010-01-05 10:00:00,4216643\n"
                "101,1,9202,2010-02-01,,2010-02-01,,0\n"
                "102,1,9203,2010-03-01,2010-03-01 00:00:00,2010-03-02,2010-03-02 00:00:00,\n"
                "103,1,0,2010-04-01,1900-01-01,,,\n"
                "104,1,9201,,,,,\n"
                "105,1,9201,2010-01-01,,2010-13-01,,\n",
                "visit 1 id 100 2010-01-01T08:00:00 to 2010-01-05T10:00:00 inpatient died\n"
                "visit 1 id 101 2010-02-01T00:00:00 to 2010-02-01T23:59:59.999999 outpatient\n"
                "visit 1 id 102 2010-03-01T00:00:00 to 2010-03-02T23:59:59.999999 emergency\n"
                "visit 1 id 103 2010-04-01T00:00:00 to - other\n"
                "fault 6: the start of the visit is empty: expected a date or a time\n"
                "fault 7: the end of the visit is \"2010-13-01\": expected a date or a time\n");
}

static void omop_stays_in_intensive_care_are_two_events(void **state) {
    (void)state;
    check_lines(omop_table("visit_detail"), NULL,
                "person_id,visit_detail_concept_id,visit_detail_start_date,visit_detail_start_datetime,"
                "visit_detail_end_date,visit_detail_end_datetime,visit_occurrence_id,visit_detail_source_value\n"
                "1,32037,2010-01-01,2010-01-01 09:00:00,2010-01-03,2010-01-03 10:00:00,100,MICU\n"
                "1,581379,2010-01-01,,,,,\n"
                "1,9201,2010-01-01,,,,,\n"
                "1,32037,2010-01-01,,soon,,,\n",
                "event 1 visit 100 2010-01-01T09:00:00 exact visit ICU_ADMISSION//MICU\n"
                "event 1 visit 100 2010-01-03T10:00:00 exact visit ICU_DISCHARGE//MICU\n"
                "event 1 visit - 2010-01-01T00:00:00 day visit ICU_ADMISSION//581379\n"
                "left out 4: no intensive care\n"
                "fault 5: the end of the stay is \"soon\": expected a date or a time\n");
}

static void omop_events_say_all_that_the_row_tells_of_the_code(void **state) {
    (void)state;
    check_lines(omop_table("condition_occurrence"), NULL,
                "person_id,condition_concept_id,condition_start_date,condition_start_datetime,visit_occurrence_id,"
                "condition_source_value,condition_source_concept_id\n"
                "1,133729,2010-01-02,2010-01-02 10:30:00,100,25200,44835752\n"
                "1,133729,2010-01-02,2010-01-02 00:00:00,,, \n"
                "1,133729,2010-01-02,,,,\n"
                "1,0,2010-01-02,,,,0\n"
                "1,x,2010-01-02,,,,\n"
                "1,1,2010-1-2,,,,\n",
                "event 1 visit 100 2010-01-02T10:30:00 exact diagnosis "
                "OMOP//condition_occurrence//44835752//133729////25200\n"
                "fault 3: the source concept is \" \": expected a whole number\n"
                "event 1 visit - 2010-01-02T00:00:00 day diagnosis OMOP//condition_occurrence//0//133729////\n"
                "left out 5: neither concept nor source value\n"
                "fault 6: the concept is \"x\": expected a whole number\n"
                "fault 7: the date is \"2010-1-2\": expected a date or a time\n");
    check_lines(omop_table("measurement"), NULL,
                "person_id,measurement_concept_id,measurement_date,value_as_number,unit_source_value,"
                "measurement_source_value\n"
                "1,3000963,2010-01-02,13.5,g/dL,718-7\n1,3000963,2010-01-02,high,,\n",
                "event 1 visit - 2010-01-02T00:00:00 day measurement OMOP//measurement//0//3000963//g/dL//718-7 13.5\n"
                "fault 3: value_as_number is \"high\": expected a number\n");
    check_lines(omop_table("death"), NULL,
                "person_id,death_date,death_datetime\n1,2010-05-06,\n1,2010-05-06,2010-05-06 03:00\n",
                "death 1 2010-05-06T00:00:00 day\ndeath 1 2010-05-06T03:00:00 exact\n");
}

/* ---- MEDS ---- */
static void meds_csv_rows_become_subjects_events_and_labels(void **state) {
    char *names[] = {"death"};
    struct label_files tasks = {{1, names}};
    (void)state;
    check_lines(&MEDS_CSV_SPLITS, NULL, "subject_id,split\n7,train\n8,tuning\n9,held_out\n9,test\n",
                "subject 7 birth - death - exact split train\n"
                "subject 8 birth - death - exact split tuning\n"
                "subject 9 birth - death - exact split held_out\n"
                "fault 5: split is \"test\": expected train, tuning or held_out\n");
    check_lines(&MEDS_CSV_EVENTS, NULL,
                "subject_id,time,code,numeric_value,text_value\n"
                "7,,GENDER//F,,\n"
                "7,1950-02-03,MEDS_BIRTH,,\n"
                "7,2010-01-01 08:00:00.250000,LAB//1//x,1.5,\n"
                "7,2010-01-01,DIAGNOSIS//ICD//9//4280,NaN,\n"
                "7,2011-01-01 00:00:00,MEDS_DEATH,,\n"
                "7,today,A,,\n7,2010-01-01,A,much,\n7,2010-01-01,,,\n",
                "event 7 visit - - exact fact GENDER//F\n"
                "subject 7 birth 1950-02-03T00:00:00 death - exact split - adds\n"
                "event 7 visit - 2010-01-01T08:00:00.250000 exact measurement LAB//1//x 1.5\n"
                "event 7 visit - 2010-01-01T00:00:00 exact diagnosis DIAGNOSIS//ICD//9//4280\n"
                "death 7 2011-01-01T00:00:00 exact\n"
                "fault 7: time is \"today\": expected a time\n"
                "fault 8: numeric_value is \"much\": expected a number\n"
                "fault 9: code is empty: expected a code\n");
    check_lines(&MEDS_CSV_LABELS, &tasks,
                "subject_id,prediction_time,boolean_value,integer_value,float_value,categorical_value\n"
                "7,2010-01-01,True,,,\n7,2010-01-01,0,,,\n7,2010-01-01,,2,,\n7,2010-01-01,,,,1\n7,2010-01-01,,,2.0,\n"
                "7,2010-01-01,,,,\n7,2010-01-01,True,1,,\n7,2010-01-01,2,,,\n",
                "label 7 2010-01-01T00:00:00 death 1\nlabel 7 2010-01-01T00:00:00 death 0\n"
                "label 7 2010-01-01T00:00:00 death 2\nlabel 7 2010-01-01T00:00:00 death 1\n"
                "label 7 2010-01-01T00:00:00 death 2\n"
                "fault 7: no label: expected just one of boolean_value (True, False) and, as the number of a class "
                "below 65536, integer_value, float_value and categorical_value\n"
                "fault 8: no label: expected just one of boolean_value (True, False) and, as the number of a class "
                "below 65536, integer_value, float_value and categorical_value\n"
                "fault 9: no label: expected just one of boolean_value (True, False) and, as the number of a class "
                "below 65536, integer_value, float_value and categorical_value\n");
}

/* ---- files ---- */
static void label_files_are_found_by_task(void **state) {
    char *some[] = {"b", "none", "a"};
    struct cohort_options options = {.folder = folder, .concepts = ""};
    struct source_files files;
    void *labels;
    (void)state;
    write_file("benchmark/a/labeled_patients.csv", "x\n");
    write_file("benchmark/a/other.csv", "x\n");
    write_file("benchmark/b/labeled_patients.CSV.gz", "x\n");
    assert_false(EHRSHOT_FORMAT.recognise(folder));
    write_file("data/EHRSHOT.csv", "patient_id,start,code\n");
    assert_true(EHRSHOT_FORMAT.recognise(folder));
    assert_int_equal(EHRSHOT_FORMAT.find(&options, &files), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "splits/person_id_map.csv"));
    source_files_free(&files);
    write_file("splits/person_id_map.csv", "split,omop_person_id\n");
    assert_int_equal(EHRSHOT_FORMAT.find(&options, &files), STATUS_OK);
    assert_int_equal(files.n_tables, 4);
    assert_ptr_equal(files.tables[1].kind, &EHRSHOT_EVENTS);
    assert_string_equal(files.roles.items[3], "labels of b");
    assert_int_equal(label_files_prepare(&files, &labels), STATUS_OK);
    assert_string_equal(label_files_task(labels, 0), "");
    assert_string_equal(label_files_task(labels, 2), "a");
    assert_string_equal(label_files_task(labels, 3), "b");
    label_files_release(labels);
    source_files_free(&files);
    options.tasks = (struct string_list){3, some}; /* one of them may be labelled here */
    assert_int_equal(EHRSHOT_FORMAT.find(&options, &files), STATUS_OK);
    assert_int_equal(files.n_tables, 4);
    assert_string_equal(files.roles.items[2], "labels of a"); /* whatever their order in the setting */
    source_files_free(&files);
}

static void meds_csv_is_told_by_its_files_and_has_all_of_data(void **state) {
    struct cohort_options options = {.folder = folder, .concepts = ""};
    struct source_files files;
    (void)state;
    write_file("metadata/subject_splits.csv", "subject_id,split\n");
    assert_true(MEDS_CSV_FORMAT.recognise(folder)); /* data/EHRSHOT.csv is a table of events too */
    write_file("data/train/1.csv", "subject_id,time,code\n");
    write_file("data/train/0.csv.gz", "subject_id,time,code\n");
    write_file("data/train/0.parquet", "x");
    write_file("labels/t/0.csv", "subject_id,prediction_time,boolean_value\n");
    assert_int_equal(MEDS_CSV_FORMAT.find(&options, &files), STATUS_OK);
    assert_int_equal(files.n_tables, 5);
    assert_non_null(strstr(files.paths.items[2], "train/0.csv.gz"));
    assert_non_null(strstr(files.paths.items[3], "train/1.csv"));
    assert_string_equal(files.roles.items[4], "labels of t");
    assert_null(source_files_path(&files, CODE_LIST_ROLE));
    source_files_free(&files);
    write_file("metadata/codes.csv", "code,parent_codes\n");
    assert_int_equal(MEDS_CSV_FORMAT.find(&options, &files), STATUS_OK);
    assert_int_equal(files.n_tables, 5);
    assert_non_null(strstr(source_files_path(&files, CODE_LIST_ROLE), "metadata/codes.csv"));
    source_files_free(&files);
}

/* ---- maps ---- */
static void check_map(const struct code_map *map, const char *name, const char *expected) {
    char text[1024] = "";
    size_t n = 0;
    for (int32_t e = code_map_find(map, name); e >= 0; e = map->entries[e].next) {
        const struct dictionary *d = &map->to;
        int32_t to = map->entries[e].to;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n ? " " : "",
                              (int)(d->offsets[to + 1] - d->offsets[to]), d->bytes + d->offsets[to]);
    }
    assert_string_equal(text, expected);
}

static void maps_are_told_by_their_headers(void **state) {
    struct code_map map = {0};
    (void)state;
    assert_int_equal(code_map_read(&map, write_file("ndc.tsv",
                                                    "ndc11\tatc_code\tdrug\n00002202402\tA12CA01\tSodium\n"
                                                    "00002202402\tB05XA03\tSodium\n\tX\tY\n")),
                     STATUS_OK);
    assert_int_equal(code_map_read(&map, write_file("drug.csv", "drug,atc_code\n\"Heparin, Porcine\",B01AB01\n")),
                     STATUS_OK);
    assert_int_equal(code_map_read(&map, write_file("rx.csv", "NDC_CODE,name,RxCUI\n0002-1200-01,x,161\n")), STATUS_OK);
    assert_int_equal(code_map_read(&map, write_file("any.csv",
                                                    "from_system,from_code,to_system,to_code\n"
                                                    "LAB,50912,LOINC,2160-0\nNAME,Aspirin,ATC,B01AC06\n")),
                     STATUS_OK);
    check_map(&map, "NDC/00002202402", "ATC/A12CA01 ATC/B05XA03");
    check_map(&map, "NAME/HEPARIN, PORCINE", "ATC/B01AB01");
    check_map(&map, "NDC/00002120001", "RxNorm/161");
    check_map(&map, "LAB/50912", "LOINC/2160-0");
    check_map(&map, "NAME/ASPIRIN", "ATC/B01AC06");
    check_map(&map, "ATC/A12CA01", "");
    assert_int_equal(code_map_read(&map, write_file("no.csv", "a,b\n1,2\n")), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "no.csv: no map between codes"));
    assert_int_equal(code_map_read(&map, write_file("empty.csv", "ndc,atc\n1,\n")), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "no row has two codes"));
    code_map_free(&map);
}

/* Flags as CMS describes them: approximate, no map, combination, scenario, choice list. */
static void of_a_gem_the_first_choice_is_taken_and_all_of_a_combination(void **state) {
    struct code_map map = {0}, procedures = {0};
    (void)state;
    assert_int_equal(code_map_read(&map, write_file("gem.csv",
                                                    "icd_9,icd_10,flags\n"
                                                    "0010,A000,00000\n"
                                                    "2500,E119,10000\n2500,E139,10000\n"
                                                    "0730,A70,10111\n0730,J17,10112\n0730,J18,10112\n"
                                                    "0730,Z99,10121\n"
                                                    "36570,NoDx,11000\n")),
                     STATUS_OK);
    check_map(&map, "ICD9CM/0010", "ICD10CM/A000");
    check_map(&map, "ICD9CM/2500", "ICD10CM/E119");
    check_map(&map, "ICD9CM/0730", "ICD10CM/A70 ICD10CM/J17");
    check_map(&map, "ICD9CM/36570", "");
    assert_int_equal(code_map_read(&procedures, write_file("pcs.csv",
                                                           "icd_9,icd_10,flags,year\n0001,6A750Z4,10000,2018\n"
                                                           "9999,XW04321,10000,2018\n")),
                     STATUS_OK);
    check_map(&procedures, "ICD9PROC/0001", "ICD10PCS/6A750Z4");
    assert_int_equal(code_map_read(&map, write_file("mixed.csv", "icd_9,icd_10\n0010,A000\n0001,6A750Z4\n")),
                     STATUS_FAILED);
    assert_non_null(strstr(status_message(), "mixed.csv:3: the target is \"6A750Z4\""));
    assert_int_equal(code_map_read(&map, write_file("flags.csv", "icd_9,icd_10,flags\n0010,A000,1\n")), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "flags.csv:2: flags is \"1\""));
    code_map_free(&map);
    code_map_free(&procedures);
}

static void of_a_gem_all_choices_can_be_taken(void **state) {
    struct code_map map = {0};
    (void)state;
    assert_int_equal(code_map_read_choices(&map, write_file("choices.csv",
                                                            "icd_9,icd_10,flags\n"
                                                            "2500,E119,10000\n2500,E139,10000\n"
                                                            "0730,A70,10111\n0730,J17,10112\n0730,J18,10112\n"
                                                            "0730,Z99,10121\n36570,NoDx,11000\n")),
                     STATUS_OK);
    check_map(&map, "ICD9CM/2500", "ICD10CM/E119 ICD10CM/E139");
    check_map(&map, "ICD9CM/0730", "ICD10CM/A70 ICD10CM/J17 ICD10CM/J18 ICD10CM/Z99");
    check_map(&map, "ICD9CM/36570", "");
    code_map_free(&map);
}

/* ---- classes ---- */
static void classes_come_from_ranges_of_categories_and_from_groups(void **state) {
    static const char *const NAMES[] = {"ICD10CM/A009", "ICD10CM/D509", "ICD10CM/E1165", "ICD9CM/0010",
                                        "ICD10CM/Z00-Z13"};
    struct dictionary names = {0};
    char of[CLASS_NAME_BYTES];
    int32_t class_of[5], number;
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(dictionary_add(&names, NAMES[i], (int64_t)strlen(NAMES[i]), &number), STATUS_OK);
    assert_int_equal(
        code_classes_read(write_file("chapters.tsv", "code_start\tcode_end\nA00\tB99\nD50\tD89\nE00\tE89\n"), &names,
                          of, class_of),
        STATUS_OK);
    assert_string_equal(of, "chapter");
    static const int32_t CHAPTERS[] = {0, 1, 2, -1, -1};
    assert_memory_equal(class_of, CHAPTERS, sizeof CHAPTERS);
    assert_int_equal(code_classes_read(write_file("ccs.tsv",
                                                  "icd10cm\tccs\tccs_desc\nA009\t1\tTuberculosis\nE1165\t1\t"
                                                  "Tuberculosis\nD509\t59\tAnemia\n"),
                                       &names, of, class_of),
                     STATUS_OK);
    assert_string_equal(of, "CCS");
    assert_true(class_of[0] == class_of[2] && class_of[0] != class_of[1] && class_of[1] >= 0 && class_of[3] == -1);
    assert_int_equal(code_classes_read(write_file("bad.tsv", "code_start\tcode_end\nB99\tA00\n"), &names, of, class_of),
                     STATUS_FAILED);
    assert_non_null(strstr(status_message(), "bad.tsv:2: B99 to A00 is no range"));
    assert_int_equal(code_classes_read(write_file("other.tsv", "icd10cm\tgroup\nQ00\tx\n"), &names, of, class_of),
                     STATUS_FAILED);
    assert_non_null(strstr(status_message(), "gives no code of the vocabulary a class"));
    dictionary_free(&names);
}

/* ---- groups ---- */
static int64_t members(const struct code_groups *groups, const char *name, const char *code) {
    struct dictionary codes = {0};
    uint8_t in[1] = {0};
    int32_t number, group = code_groups_find(groups, name);
    int64_t n;
    if (group < 0) return -1;
    assert_int_equal(dictionary_add(&codes, code, (int64_t)strlen(code), &number), STATUS_OK);
    assert_int_equal(code_groups_members(groups, group, &codes, in, &n), STATUS_OK);
    dictionary_free(&codes);
    assert_int_equal(in[0], n);
    return n;
}

static void groups_are_read_from_tables_of_ccs(void **state) {
    struct code_groups groups = {0};
    (void)state;
    assert_int_equal(code_groups_read(&groups, write_file("a.tsv",
                                                          "icd10cm\tccs\tccs_desc\nI2101\t100\tAcute myocardial "
                                                          "infarction\n")),
                     STATUS_OK);
    assert_int_equal(code_groups_read(&groups, write_file("b.tsv",
                                                          "icd9cm\tccs_name\n410.01\tAcute myocardial "
                                                          "infarction\n")),
                     STATUS_OK);
    assert_int_equal(code_groups_read(&groups, write_file("c.tsv", "icd10pcs\tccs\tccs_desc\n0016070\t1\tIncision\n")),
                     STATUS_OK);
    assert_int_equal(code_groups_read(&groups, write_file("d.csv", "group,system,code\nMine,ATC,C07\n")), STATUS_OK);
    assert_int_equal(members(&groups, "acute myocardial infarction", "ICD10CM/I2101"), 1);
    assert_int_equal(members(&groups, "acute myocardial infarction", "ICD9CM/41001"), 1);
    assert_int_equal(members(&groups, "CCS 100", "ICD10CM/I2101"), 1);
    assert_int_equal(members(&groups, "CCS 100", "ICD9CM/41001"), 0); /* which has no numbers */
    assert_int_equal(members(&groups, "CCS procedure 1", "ICD10PCS/0016070"), 1);
    assert_int_equal(members(&groups, "CCS 1", "ICD10PCS/0016070"), -1);
    assert_int_equal(members(&groups, "mine", "ATC/C07AB02"), 1);
    assert_int_equal(code_groups_read(&groups, write_file("e.csv", "icd10cm,x\nA,b\n")), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "no column has the names of groups"));
    assert_int_equal(code_groups_read(&groups, write_file("f.csv", "icd10cm,group\nA00,\n")), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "f.csv:2"));
    code_groups_free(&groups);
}

static void write_vocabulary(void) {
    write_file("CONCEPT.csv",
               "concept_id\tconcept_name\tvocabulary_id\tconcept_code\n"
               "1\tHypertension\tSNOMED\t59621000\n2\tBenign \"hypertension\tSNOMED\t1201005\n"
               "3\tHypertension\tICD10CM\tI10\n4\tHyperlipidemia\tSNOMED\t55822004\n"
               "5\tOther\tICD10CM\tZ00\n6\tHyperparathyroidism\tICD9CM\t252.00\n");
    write_file("concept_ancestor.csv", "ancestor_concept_id\tdescendant_concept_id\n1\t1\n1\t2\n4\t4\n9\t5\n");
    write_file("concept_relationship.csv", "concept_id_1\tconcept_id_2\trelationship_id\n3\t2\tMaps to\n5\t2\tIs a\n");
}

static void descendants_of_concepts_are_found_in_omops_vocabulary(void **state) {
    static const char *const CODES[] = {"59621000", "55822004"}, *const NONE[] = {"59621000", "1"};
    struct code_groups groups = {0};
    (void)state;
    write_vocabulary();
    assert_int_equal(code_groups_read_descendants(&groups, folder, "SNOMED", CODES, 2), STATUS_OK);
    assert_int_equal(members(&groups, "SNOMED 59621000", "SNOMED/59621000"), 1);
    assert_int_equal(members(&groups, "SNOMED 59621000", "SNOMED/1201005"), 1);
    assert_int_equal(members(&groups, "SNOMED 59621000", "ICD10CM/I10"), 1);
    assert_int_equal(members(&groups, "SNOMED 59621000", "ICD10CM/Z00"), 0);
    assert_int_equal(members(&groups, "SNOMED 59621000", "SNOMED/55822004"), 0);
    assert_int_equal(members(&groups, "SNOMED 55822004", "SNOMED/55822004"), 1);
    assert_int_equal(code_groups_read_descendants(&groups, folder, "SNOMED", NONE, 2), STATUS_OK);
    assert_int_equal(code_groups_find(&groups, "SNOMED 1"), -1);
    code_groups_free(&groups);
}

/* ---- concepts and parents ---- */
static void concepts_and_parents_name_the_codes_that_there_are(void **state) {
    static const char *const CODES[] = {"OMOP//condition_occurrence//6//1////25200", "CONCEPT/4", "CONCEPT/77", "MY//1",
                                        "MY//2"};
    static const char *const NAMES[] = {"ICD9CM/25200", "SNOMED/55822004", "CONCEPT/77", "LOINC/718-7", "MY//2"};
    struct cohort_options options = {.folder = "/nonexistent", .concepts = folder};
    struct source_files files = {0};
    struct source_code_rules *rules;
    struct dictionary codes = {0};
    struct code_targets targets;
    int32_t number;
    (void)state;
    write_vocabulary();
    assert_int_equal(source_code_rules_new(&rules), STATUS_OK);
    assert_int_equal(code_concepts_find(&options, &files), STATUS_OK);
    assert_int_equal(code_concepts_set(&options, &files, rules), STATUS_OK);
    source_files_free(&files);
    assert_int_equal(code_parents_read(rules, write_file("codes.csv",
                                                         "code,description,parent_codes\n"
                                                         "MY//1,x,\"['None/x', 'LOINC/718-7']\"\nMY//2,,\n")),
                     STATUS_OK);
    for (int i = 0; i < LENGTH(CODES); i++)
        assert_int_equal(dictionary_add(&codes, CODES[i], (int64_t)strlen(CODES[i]), &number), STATUS_OK);
    assert_int_equal(code_targets_make(&targets, rules, &codes), STATUS_OK);
    assert_int_equal(targets.n_targets, LENGTH(NAMES));
    for (int i = 0; i < LENGTH(NAMES); i++)
        assert_int_equal(dictionary_find(&targets.names, NAMES[i], (int64_t)strlen(NAMES[i])), targets.target[i]);
    code_targets_free(&targets);
    source_code_rules_free(rules);
    dictionary_free(&codes);
    options.concepts = "/nonexistent";
    assert_int_equal(code_concepts_find(&options, &files), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "cohort.concepts"));
    options.concepts = "";
    assert_int_equal(code_concepts_find(&options, &files), STATUS_OK);
    assert_int_equal(files.paths.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ehrshot_rows_become_subjects_visits_events_and_deaths),
        cmocka_unit_test(ehrshot_without_the_column_of_tables_goes_by_codes),
        cmocka_unit_test(ehrshot_rows_that_cannot_be_used_are_faults_with_their_line),
        cmocka_unit_test(ehrshot_labels_are_truths_classes_or_findings),
        cmocka_unit_test(omop_persons_have_births_of_any_exactness_and_facts),
        cmocka_unit_test(omop_visits_go_to_the_end_of_a_day_without_a_time),
        cmocka_unit_test(omop_stays_in_intensive_care_are_two_events),
        cmocka_unit_test(omop_events_say_all_that_the_row_tells_of_the_code),
        cmocka_unit_test(meds_csv_rows_become_subjects_events_and_labels),
        cmocka_unit_test(label_files_are_found_by_task),
        cmocka_unit_test(meds_csv_is_told_by_its_files_and_has_all_of_data),
        cmocka_unit_test(maps_are_told_by_their_headers),
        cmocka_unit_test(of_a_gem_the_first_choice_is_taken_and_all_of_a_combination),
        cmocka_unit_test(of_a_gem_all_choices_can_be_taken),
        cmocka_unit_test(classes_come_from_ranges_of_categories_and_from_groups),
        cmocka_unit_test(groups_are_read_from_tables_of_ccs),
        cmocka_unit_test(descendants_of_concepts_are_found_in_omops_vocabulary),
        cmocka_unit_test(concepts_and_parents_name_the_codes_that_there_are),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
