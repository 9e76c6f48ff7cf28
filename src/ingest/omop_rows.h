/* OMOP CDM 5.3 and 5.4: person, visit_occurrence, visit_detail, death, and six tables of events.
 *
 * Codes are named with all that the row tells of them (terms/omop_code.h); which of it counts is said where the list of
 * codes is known. Times: the datetime where it is on the day of the date; at midnight, which the CDM asks for where the
 * time of day is not known, and where there is a date alone, the day. A visit whose end is a day ends with it. Birth:
 * birth_datetime, else the year, month and day, 1 January and the first of the month where they are not known. A
 * visit's subject died in it if its discharge says so (4216643).
 *
 * Of visit_detail, stays in intensive care (32037, 581379) are read: ICU_ADMISSION//UNIT and ICU_DISCHARGE//UNIT, as in
 * MIMIC-IV-MEDS, with the source value as the unit.
 *
 * Sex and race are static facts in MIMIC's words: GENDER//M, GENDER//F, RACE//WHITE.
 */
#ifndef MEDTOK_INGEST_OMOP_ROWS_H
#define MEDTOK_INGEST_OMOP_ROWS_H

#include "ingest/source_table.h"

/* [N_OMOP_TABLES] person first. Rows need no state. */
enum { N_OMOP_TABLES = 10 };
extern const struct table_kind *const OMOP_TABLES[N_OMOP_TABLES + 1]; /* ended by NULL */

#endif
