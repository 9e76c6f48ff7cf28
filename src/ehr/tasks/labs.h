/* Laboratory results of EHRSHOT's tasks: which codes, and in which unit. */
#ifndef MEDTOK_EHR_TASKS_LABS_H
#define MEDTOK_EHR_TASKS_LABS_H

#include <stdint.h>

/* A unit of results in words: there is no value, and it is normal. */
enum { LAB_UNIT_NORMAL = 127 };

enum lab_analyte { LAB_PLATELETS, LAB_POTASSIUM, LAB_GLUCOSE, LAB_SODIUM, LAB_HEMOGLOBIN, N_LAB_ANALYTES };

/* The analyte that the code measures, or -1; and the unit of its values, or -1 if it is not known: the one that stands behind the code in the
 * text (LAB//50971//mEq/L, LOINC/2823-3//mmol/L), else the code's own. Behind EHRSHOT's
 * codes the word normal may stand (ingest/ehrshot_rows.h): LAB_UNIT_NORMAL. */
void lab_of_code(const char *text, int8_t *analyte, int8_t *unit);

#endif
