/* MIMIC-III 1.4, as PhysioNet gives it: PATIENTS.csv.gz and so on in one folder. See mimic_rows.h for what is decided for both MIMICs.
 *
 * Of its own: diagnoses and procedures have no time, and drugs a day alone. The birth of patients who were over 89 is moved so that
 * they seem 300 years old at their first admission (their median age was 91.4); all others were born after 2000. What is moved is put 209
 * years later, so that they are 91 at that admission.
 */
#include <math.h>

#include "base/status.h"
#include "ingest/formats.h"
#include "ingest/mimic_rows.h"
#include "ingest/table_reader.h"

static const int64_t MOVED = 76336LL * 86400 * 1000000; /* 209 years of 365.2425 days */

static int patient(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_subject subject = {.split = -1, .death_precision = TIME_DAY};
    int is_day;
    ROW_NEEDS(mimic_id(f[0], &subject.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(field_time(f[2], &subject.birth, NULL), "dob", f[2], "a time");
    ROW_NEEDS(mimic_time(f[3], &subject.death, &is_day), "dod", f[3], "a time");
    if (subject.birth < time_of_year(2000)) subject.birth += MOVED;
    int status = sink->subject(sink->self, at, &subject);
    return status == STATUS_OK ? mimic_fact(sink, at, subject.subject, COHORT_NO_VISIT, "GENDER//", f[1]) : status;
}

static int at_discharge(const struct field *f, struct row_position at, const struct record_sink *sink,
                        enum code_kind kind, const char *prefix) {
    struct found_event event = {.precision = TIME_DISCHARGE, .time = COHORT_NO_TIME, .kind = kind, .value = NAN};
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_id(f[1], &event.visit), "hadm_id", f[1], "a number");
    return mimic_event(sink, at, &event, prefix, f[2]);
}

static int diagnosis(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    return at_discharge(f, at, sink, CODE_KIND_DIAGNOSIS, "DIAGNOSIS//ICD//9//");
}

static int procedure(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    return at_discharge(f, at, sink, CODE_KIND_PROCEDURE, "PROCEDURE//ICD//9//");
}

static int drug(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    return mimic_drug(f, at, sink, 1, "startdate");
}

static const struct table_kind PATIENTS = {
    .name = "patients", .columns = {"subject_id", "gender", "dob", "dod"}, .row = patient, .required = 1};
static const struct table_kind ADMISSIONS = {.name = "admissions",
                                             .columns = {MIMIC_ADMISSION_COLUMNS},
                                             .optional = {MIMIC_ADMISSION_OPTIONAL},
                                             .row = mimic_admission,
                                             .required = 1};
static const struct table_kind STAYS = {
    .name = "icustays", .columns = {MIMIC_STAY_COLUMNS}, .row = mimic_stay, .kinds = 1u << CODE_KIND_VISIT};
static const struct table_kind DIAGNOSES = {.name = "diagnoses_icd",
                                            .columns = {"subject_id", "hadm_id", "icd9_code"},
                                            .row = diagnosis,
                                            .kinds = 1u << CODE_KIND_DIAGNOSIS};
static const struct table_kind PROCEDURES = {.name = "procedures_icd",
                                             .columns = {"subject_id", "hadm_id", "icd9_code"},
                                             .row = procedure,
                                             .kinds = 1u << CODE_KIND_PROCEDURE};
static const struct table_kind DRUGS = {.name = "prescriptions",
                                        .columns = {"subject_id", "hadm_id", "startdate", "drug"},
                                        .optional = {"ndc"},
                                        .row = drug,
                                        .kinds = 1u << CODE_KIND_DRUG};
static const struct table_kind LABS = {
    .name = "labevents", .columns = {MIMIC_LAB_COLUMNS}, .row = mimic_lab, .kinds = 1u << CODE_KIND_MEASUREMENT};
static const struct table_kind *const TABLES[] = {&PATIENTS,   &ADMISSIONS, &STAYS, &DIAGNOSES,
                                                  &PROCEDURES, &DRUGS,      &LABS,  NULL};

static int recognise(const char *folder) { return source_table_has(folder, "patients", "dob"); }

const struct source_format MIMIC3_FORMAT = {
    .name = "mimic3", .recognise = recognise, .tables = TABLES, .subjects_from = "patients"};
