/* What tells system and code in a source code: patterns, the first that fits counts.
 *
 * A pattern is a prefix, behind which the code stands, to the next double slash or the end; or, beginning with ^, an
 * extended POSIX regular expression whose first group is the code. A user writes, in cohort.patterns:
 *
 *   DX10: -> ICD10CM                     DX10:E11.9 is ICD-10-CM's E11.9
 *   ^RX\|([0-9]+)\|.*$ -> NDC            RX|00002120001|oral is an NDC
 *   ^MED_START_(.*)$ -> NAME             the name of a drug, for maps of names (terms/code_map.h)
 *   HCPCS// -> -                         as the source has it, whatever else would fit
 *
 * Built in are those of MIMIC-III, MIMIC-IV and MIMIC-IV-MEDS (the list in source_pattern.c), Gender/, Race/ and
 * Ethnicity/ of EHRSHOT, and then terms/meds_code.h: the part behind one that names a system (ICD9CM/428.0, CPT4/99213,
 * MEDICATION//ATC//N02BE01).
 */
#ifndef MEDTOK_TERMS_SOURCE_PATTERN_H
#define MEDTOK_TERMS_SOURCE_PATTERN_H

#include <stdint.h>

#include "store/subject_record.h"
#include "terms/code_map.h"

struct source_patterns;

int source_patterns_new(struct source_patterns **patterns);
void source_patterns_free(struct source_patterns *patterns); /* may be NULL */

/* Adds a user's. The error says what is wrong with it. */
int source_patterns_add(struct source_patterns *patterns, const char *line);

/* Writes system and code and returns 1; 0 if no pattern fits, or one says that the code stays as it is. */
int source_patterns_match(const struct source_patterns *patterns, const char *code, char system[CODE_NAME_BYTES],
                          char found[CODE_NAME_BYTES]);

/* What an event is about, by its code alone: by the beginning of a code in MEDS' manner (LAB//, HOSPITAL_ADMISSION//),
 * else by the system that it names (LOINC/..). For sources without tables. `code` has `size` bytes and need not be
 * terminated. */
enum code_kind source_code_kind(const char *code, int64_t size);

/* What is called a race in MIMIC-IV's words: of OMOP's concept codes 1 to 5 (vocabulary Race) and concept ids; the code
 * itself for others. */
const char *race_name(const char *code);

#endif
