/* MIMIC-IV 2.x and 3.x, as PhysioNet gives them: hosp/patients.csv.gz and so on, icu/icustays.csv.gz, or all in one folder. See mimic_rows.h
 * for what is decided for both MIMICs.
 *
 * Of its own: birth is 1 January of anchor_year - anchor_age (ages over 89 are 91 there). Procedures have a day, drugs a time.
 */
#include <math.h>

#include "base/status.h"
#include "ingest/formats.h"
#include "ingest/mimic_rows.h"
#include "ingest/table_reader.h"

static int patient(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_subject subject = {.split = -1, .death_precision = TIME_DAY};
    int64_t age, year;
    int is_day;
    ROW_NEEDS(mimic_id(f[0], &subject.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(field_integer(f[2], 0, 130, &age), "anchor_age", f[2], "0 to 130 years");
    ROW_NEEDS(field_integer(f[3], 1900, 9999, &year), "anchor_year", f[3], "a year");
    ROW_NEEDS(mimic_time(f[4], &subject.death, &is_day), "dod", f[4], "a day");
    subject.birth = time_of_year(year - age);
    int status = sink->subject(sink->self, at, &subject);
    return status == STATUS_OK ? mimic_fact(sink, at, subject.subject, COHORT_NO_VISIT, "GENDER//", f[1]) : status;
}

static int diagnosis(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_event event = {
        .precision = TIME_DISCHARGE, .time = COHORT_NO_TIME, .kind = CODE_KIND_DIAGNOSIS, .value = NAN};
    int64_t version;
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_id(f[1], &event.visit), "hadm_id", f[1], "a number");
    ROW_NEEDS(field_integer(f[3], 9, 10, &version), "icd_version", f[3], "9 or 10");
    return mimic_event(sink, at, &event, version == 9 ? "DIAGNOSIS//ICD//9//" : "DIAGNOSIS//ICD//10//", f[2]);
}

static int procedure(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_event event = {.precision = TIME_DAY, .kind = CODE_KIND_PROCEDURE, .value = NAN};
    int64_t version;
    int is_day;
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_id(f[1], &event.visit), "hadm_id", f[1], "a number");
    ROW_NEEDS(field_integer(f[3], 9, 10, &version), "icd_version", f[3], "9 or 10");
    ROW_NEEDS(mimic_time(f[4], &event.time, &is_day), "chartdate", f[4], "a day");
    if (event.time == COHORT_NO_TIME) event.precision = TIME_DISCHARGE;
    return mimic_event(sink, at, &event, version == 9 ? "PROCEDURE//ICD//9//" : "PROCEDURE//ICD//10//", f[2]);
}

static int drug(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    return mimic_drug(f, at, sink, 0, "starttime");
}

static const struct table_kind PATIENTS = {.name = "hosp/patients",
                                           .columns = {"subject_id", "gender", "anchor_age", "anchor_year", "dod"},
                                           .row = patient,
                                           .required = 1};
static const struct table_kind ADMISSIONS = {.name = "hosp/admissions",
                                             .columns = {MIMIC_ADMISSION_COLUMNS},
                                             .optional = {MIMIC_ADMISSION_OPTIONAL},
                                             .row = mimic_admission,
                                             .required = 1};
static const struct table_kind STAYS = {
    .name = "icu/icustays", .columns = {MIMIC_STAY_COLUMNS}, .row = mimic_stay, .kinds = 1u << CODE_KIND_VISIT};
static const struct table_kind DIAGNOSES = {.name = "hosp/diagnoses_icd",
                                            .columns = {"subject_id", "hadm_id", "icd_code", "icd_version"},
                                            .row = diagnosis,
                                            .kinds = 1u << CODE_KIND_DIAGNOSIS};
static const struct table_kind PROCEDURES = {
    .name = "hosp/procedures_icd",
    .columns = {"subject_id", "hadm_id", "icd_code", "icd_version", "chartdate"},
    .row = procedure,
    .kinds = 1u << CODE_KIND_PROCEDURE};
static const struct table_kind DRUGS = {.name = "hosp/prescriptions",
                                        .columns = {"subject_id", "hadm_id", "starttime", "drug"},
                                        .optional = {"ndc"},
                                        .row = drug,
                                        .kinds = 1u << CODE_KIND_DRUG};
static const struct table_kind LABS = {
    .name = "hosp/labevents", .columns = {MIMIC_LAB_COLUMNS}, .row = mimic_lab, .kinds = 1u << CODE_KIND_MEASUREMENT};
static const struct table_kind *const TABLES[] = {&PATIENTS,   &ADMISSIONS, &STAYS, &DIAGNOSES,
                                                  &PROCEDURES, &DRUGS,      &LABS,  NULL};

static int recognise(const char *folder) { return source_table_has(folder, "hosp/patients", "anchor_year"); }

const struct source_format MIMIC4_FORMAT = {
    .name = "mimic4", .recognise = recognise, .tables = TABLES, .subjects_from = "hosp/patients"};
