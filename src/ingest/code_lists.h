/* What a data set, or the settings, say of codes beside maps: parents, concepts, groups. */
#ifndef MEDTOK_INGEST_CODE_LISTS_H
#define MEDTOK_INGEST_CODE_LISTS_H

#include "ingest/options.h"
#include "terms/code_groups.h"
#include "terms/source_code.h"

/* MEDS' list of codes as CSV, columns code and parent_codes: gives the rules the parents. Several of one code stand with commas, semicolons, bars or
 * blanks between, in brackets and quotes or not. Without the second column there are none. */
int code_parents_read(struct source_code_rules *rules, const char *path);

/* concept.csv in cohort.concepts, or, where that is empty, in `folder` if it is there: read once the codes are known, and only as far as they need it. */
int code_concepts_set(struct source_code_rules *rules, const struct cohort_options *options, const char *folder);

/* The groups of cohort.groups; and `concepts` [n] of SNOMED CT with all below, named "SNOMED 59621000", where cohort.concepts, or the `folder`, has a
 * concept_ancestor.csv. */
int code_groups_of_settings(struct code_groups *groups, const struct cohort_options *options, const char *folder,
                            const char *const *concepts, int n);

#endif
