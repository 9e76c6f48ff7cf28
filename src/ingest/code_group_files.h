/* Groups of codes from files: TSV or CSV, plain or gzip.
 *
 * CCS (cohort.groups): a column whose header names the system of its codes (icd9cm, icd10cm, icd10pcs, icd9proc; or
 * columns system, code), and the group's name in the first of ccs_desc, ccs_name, group, description that there is. A
 * column `ccs` with the group's number gives each group a second name: "CCS 100", or "CCS procedure 100" in a table of
 * procedures, which CCS numbers apart.
 *
 * Descendants of a concept, from OMOP's vocabulary: concept.csv, concept_ancestor.csv and, if it is there,
 * concept_relationship.csv, whose "Maps to" brings in source codes (ICD-10-CM) of standard concepts (SNOMED). Each is
 * read once or twice from front to end; what is held is the group.
 */
#ifndef MEDTOK_INGEST_CODE_GROUP_FILES_H
#define MEDTOK_INGEST_CODE_GROUP_FILES_H

#include "terms/code_groups.h"

/* Adds the groups of a file; logs how many. */
int code_groups_read(struct code_groups *groups, const char *path);

/* Adds each of the concepts `code` [n] of a vocabulary ("SNOMED", "59621000") and all below it as a group, "SNOMED
 * 59621000". folder: with the files. Of a concept that the vocabulary lacks there is no group, which is logged. */
int code_groups_read_descendants(struct code_groups *groups, const char *folder, const char *vocabulary,
                                 const char *const *code, int n);

#endif
