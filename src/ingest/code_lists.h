/* What a data set, or the settings, say of codes beside maps: parents, concepts, groups. */
#ifndef MEDTOK_INGEST_CODE_LISTS_H
#define MEDTOK_INGEST_CODE_LISTS_H

#include <limits.h>

#include "ingest/formats.h"
#include "terms/code_groups.h"
#include "terms/source_code.h"

/* MEDS' list of codes as CSV, columns code and parent_codes: gives the rules the parents. Several of one code stand
 * with commas, semicolons, bars or blanks between, in brackets and quotes or not. Without the second column there are
 * none. */
int code_parents_read(struct source_code_rules *rules, const char *path);

/* Adds concept.csv, in cohort.concepts or, where that is empty, in the data set's folder if it is there, to the files,
 * as CODE_LIST_ROLE. */
int code_concepts_find(const struct cohort_options *options, struct source_files *files);

/* Lets the rules read it, once the codes are known, and only as far as they need it: for struct source_format's
 * rules. */
int code_concepts_set(const struct cohort_options *options, const struct source_files *files,
                      struct source_code_rules *rules);

/* Finds NAME.csv of OMOP's vocabulary, in cohort.concepts or the data set's folder, and returns 1; 0: there is none. */
int code_vocabulary_file(const struct cohort_options *options, const char *name, char path[PATH_MAX]);

/* The groups of cohort.groups; and `concepts` [n] of SNOMED CT with all below, named "SNOMED 59621000", where
 * cohort.concepts, or the data set's folder, has a concept_ancestor.csv. */
int code_groups_of_settings(struct code_groups *groups, const struct cohort_options *options,
                            const char *const *concepts, int n);

#endif
