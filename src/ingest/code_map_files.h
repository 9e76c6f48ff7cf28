/* Maps between codes, from files that the user names in cohort.maps: TSV or CSV, plain or gzip, with a header of one of
 * these shapes:
 *
 *   from_system, from_code, to_system, to_code     any systems; NAME is that of names of drugs
 *   two columns that name systems                  the first becomes the second: ndc11, atc_code; ndc, rxnorm; icd_9, icd_10
 *   names of drugs and one such column             drug, atc_code
 * Other columns are passed over. A row without one of its two codes is left out, and counted.
 *
 * CMS's General Equivalence Mappings have a column `flags`: approximate, no map, combination, scenario, choice list.
 * Where they offer several codes to choose from, the first is taken; of combinations, the first of each choice list of
 * the first scenario; rows without a map are left out. Their headers do not tell diagnoses from procedures: icd_9 and
 * icd_10 are ICD9PROC and ICD10PCS if the first target begins with a digit, and a target that then is none is an error.
 */
#ifndef MEDTOK_INGEST_CODE_MAP_FILES_H
#define MEDTOK_INGEST_CODE_MAP_FILES_H

#include "terms/code_map.h"

/* Adds what a file says; logs how much that is. */
int code_map_read(struct code_map *map, const char *path);

/* The same with every choice that a GEM offers, all of its combinations too: each code that is published as an equivalent. */
int code_map_read_choices(struct code_map *map, const char *path);

/* Whether the header of a file tells a map. */
int code_map_is_told(const char *path, int *is_map);

#endif
