/* From a data set's own codes to the codes that a cohort has: normal forms (428.0 and 4280 are ICD9CM/4280), maps that
 * the user names (NDC to ATC, names of drugs to ATC, ICD-9 to ICD-10), names of OMOP's concepts. Works on the list of
 * codes, once a code and not once an event.
 *
 * A code of the cohort is SYSTEM/FORM (terms/code_form.h) where the system is known, else what the source has. What
 * tells the system of a source code, in this order:
 *   1. patterns of the user, then those of terms/source_pattern.h (MIMIC, MIMIC-IV-MEDS, EHRSHOT)
 *   2. concepts of OMOP (terms/omop_code.h), which an OMOP source names by number
 *   3. parents in the data set's list of codes (MEDS: parent_codes of metadata/codes.parquet), the first that names a system
 * Then maps (terms/code_map.h), one after another as long as one has the code: NDC to RxNorm to ATC. A code that a map
 * turns into several becomes all of them. An NDC of zeros alone, which MIMIC has where there is none, is no code: it
 * stays as the source has it.
 *
 * A unit behind a code, LOINC/718-7//g/dL, stays behind it, as does that of LAB//50912//mg/dL behind its parent's code:
 * values in two units are not values of one code. A drug with its name behind the NDC,
 * MEDICATION//NDC//00904198861//Heparin, is mapped by its NDC, or by its name where no map has that.
 */
#ifndef MEDTOK_TERMS_SOURCE_CODE_H
#define MEDTOK_TERMS_SOURCE_CODE_H

#include "base/dictionary.h"
#include "terms/code_map.h"

/* What source codes become: code i becomes names target[offsets[i]] .. target[offsets[i + 1] - 1], one or more. */
struct code_targets {
    int64_t n, n_targets;
    int64_t *offsets;        /* [n + 1] */
    int32_t *target;         /* [n_targets] number in names */
    struct dictionary names; /* of the cohort's codes */
};

struct source_code_rules; /* patterns and maps, read once */

/* Rules with the patterns of terms/source_pattern.h and nothing else. */
int source_code_rules_new(struct source_code_rules **rules);
void source_code_rules_free(struct source_code_rules *rules); /* may be NULL */

/* Adds a user's pattern, `PATTERN -> SYSTEM` (terms/source_pattern.h), behind those added before and before the
 * built-in ones. */
int source_code_rules_add_pattern(struct source_code_rules *rules, const char *line);

/* A parent of a source code, as MEDS lists it: "ICD9CM/438.20". One that names no system known to terms/code_form.h is
 * passed over. */
int source_code_rules_add_parent(struct source_code_rules *rules, const char *code, int64_t code_size,
                                 const char *parent);

/* A concept of OMOP: 44835752 is ICD9CM 252.00. The vocabulary as OMOP names it (ICD9Proc, CPT4, RxNorm Extension). */
int source_code_rules_add_concept(struct source_code_rules *rules, int64_t concept, const char *vocabulary,
                                  const char *code);

/* The maps, to be filled (ingest/code_map_files.h). Owned by the rules. */
struct code_map *source_code_rules_map(struct source_code_rules *rules);

/* For what is read only as far as the codes need it (concept.csv has millions of concepts): code_targets_make calls
 * read(self, rules, codes) before it looks at the codes, and it adds concepts. release(self), if it is not NULL, is
 * called when the rules are freed. */
void source_code_rules_set_reader(struct source_code_rules *rules, void *self,
                                  int (*read)(void *self, struct source_code_rules *rules,
                                              const struct dictionary *codes),
                                  void (*release)(void *self));

/* Whether `code` (`size` bytes) names concepts of OMOP, and which: the source concept and the standard one, 0: none. */
int source_code_concepts(const char *code, int64_t size, int64_t concepts[2]);

/* Fails where maps go in a circle. The same on every rank that has the same rules and codes. */
int code_targets_make(struct code_targets *targets, const struct source_code_rules *rules,
                      const struct dictionary *codes);
void code_targets_free(struct code_targets *targets);

#endif
