/* What rows of MIMIC-III and MIMIC-IV have in common (mimic3.c, mimic4.c).
 *
 * Decided for both:
 *   - A visit is an admission to the hospital, of whatever type, those for observation too. It ends at dischtime, or at deathtime if that is later:
 *     for patients who died, dischtime is at times the day alone, at 00:00.
 *   - Who died in it is who has hospital_expire_flag.
 *   - Death is admissions.deathtime where there is one; else patients.dod, which is a day.
 *   - Sex and race are static facts; race stands in each admission, and may differ from one to the next: record_collector.h says which counts.
 *   - Diagnoses, and what else has no time, are known at the end of their visit.
 *   - A drug is its NDC if there is a real one (MIMIC writes 0 where there is none), with its name behind it, for maps of names
 *     (terms/source_code.h); else its name.
 *   - A stay in intensive care is two events, at intime and outtime, in its visit.
 *   - A value of the laboratory is dated at charttime, when the specimen was drawn.
 * Tables of services and transfers say nothing that a task asks for, and are not read.
 */
#ifndef MEDTOK_INGEST_MIMIC_ROWS_H
#define MEDTOK_INGEST_MIMIC_ROWS_H

#include "ingest/field_values.h"
#include "ingest/source_table.h"

/* For row functions with `sink` and `at`: the row is a fault if the condition does not hold. */
#define ROW_NEEDS(condition, column, field, expected)                                                                  \
    if (!(condition)) return field_fault(sink, at, column, field, expected)

/* An id: a number from 1. */
int mimic_id(struct field field, int64_t *id);

/* A time, or empty: COHORT_NO_TIME. */
int mimic_time(struct field field, int64_t *time, int *is_day);

/* Puts an event of the code PREFIX and `code`, without blanks at its ends; `event` has the rest. No code: left out. */
int mimic_event(const struct record_sink *sink, struct row_position at, struct found_event *event, const char *prefix,
                struct field code);

/* Puts a static fact, if there is one; visit: the one that says it, or COHORT_NO_VISIT. */
int mimic_fact(const struct record_sink *sink, struct row_position at, int64_t subject, int64_t visit,
               const char *prefix, struct field value);

/* Row functions: fields in the order of these columns, then of the optional ones behind the stroke. */
#define MIMIC_ADMISSION_COLUMNS  "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "hospital_expire_flag"
#define MIMIC_ADMISSION_OPTIONAL "race", "ethnicity"
int mimic_admission(const void *state, const struct field *fields, struct row_position at,
                    const struct record_sink *sink);

#define MIMIC_STAY_COLUMNS "subject_id", "hadm_id", "intime", "outtime", "first_careunit", "last_careunit"
int mimic_stay(const void *state, const struct field *fields, struct row_position at, const struct record_sink *sink);

#define MIMIC_LAB_COLUMNS "subject_id", "hadm_id", "itemid", "charttime", "valuenum", "valueuom"
int mimic_lab(const void *state, const struct field *fields, struct row_position at, const struct record_sink *sink);

/* A drug: subject_id, hadm_id, when it began, drug | ndc. days: times of day mean nothing. */
int mimic_drug(const struct field *fields, struct row_position at, const struct record_sink *sink, int days,
               const char *column);

#endif
