/* What a column of a user's table holds, by its header: codes of a system, names of drugs, groups. */
#ifndef MEDTOK_INGEST_CODE_COLUMNS_H
#define MEDTOK_INGEST_CODE_COLUMNS_H

#include "ingest/delimited.h"

/* The system of the codes in a column of this name, as terms/code_form.h calls it, in any case and punctuation and with
 * "code" or the length of an NDC behind it: ndc, ndc11, NDC_code; atc_code; icd_9, icd9cm, ICD-9-CM; rxcui, rxnorm.
 * DRUG_NAME_SYSTEM for drug, drug_name, medication. NULL: none. */
const char *code_column_system(const char *header);

/* The first two columns that hold codes of systems, and their systems; of a table with one such column and one with
 * names of drugs, names come first. Returns whether there are two. */
int code_columns_find(const struct delimited *reader, int column[2], const char *system[2]);

/* Copies a field without blanks around it, cut at the room. */
void code_column_copy(struct field field, char *text, int size);

#endif
