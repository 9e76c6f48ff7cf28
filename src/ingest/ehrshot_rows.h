/* EHRSHOT as it is published: data/ehrshot.csv, splits/person_id_map.csv, benchmark/TASK/labeled_patients.csv.
 *
 *   omop_table          what a row becomes
 *   person              SNOMED/3950001: the birth; others (Gender/, Race/, Ethnicity/) static facts
 *   death               the death
 *   visit_occurrence    a visit: Visit/IP inpatient, as EHRSHOT's tasks count admissions; Visit/ER and Visit/ERIP emergency; others outpatient
 *   others              an event; without the column, of the kind that its code tells
 * A row at midnight is one whose time of day is not known: it counts as a day (FEMR, with which EHRSHOT was made, moves
 * it to the day's end too). A measurement's unit stands behind its code, LOINC/718-7//g/dL, as in MIMIC-IV-MEDS. A
 * value that is no number is none; of a measurement, "normal" and "adequate" (which EHRSHOT's laboratory tasks know) stand in place of the
 * unit, LOINC/777-3//normal. Subjects are those of person_id_map.csv; its val is tuning, its test
 * held_out.
 *
 * Labels: boolean ones are 0 or 1, those of laboratory tasks their class; chexpert's bits become 14 binary tasks,
 * chexpert/Edema and so on, the first finding in the most significant bit (process_chexpert_labels of EHRSHOT's
 * utils.py).
 */
#ifndef MEDTOK_INGEST_EHRSHOT_ROWS_H
#define MEDTOK_INGEST_EHRSHOT_ROWS_H

#include "ingest/label_files.h"
#include "ingest/source_table.h"

extern const struct table_kind EHRSHOT_SPLITS, EHRSHOT_EVENTS;
extern const struct table_kind EHRSHOT_LABELS; /* state: struct label_files */

#endif
