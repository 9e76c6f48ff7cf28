/* From a data set's own codes to the codes that a cohort has: normal forms (428.0 and 4280 are ICD9CM/4280), maps that the user names (NDC to
 * ATC, names of drugs to ATC, ICD-9 to ICD-10), names of OMOP's concepts. Works on the list of codes, once a code and not once an event.
 *
 * A code of the cohort is SYSTEM/FORM (terms/code_form.h) where the system is known, else what the source has.
 */
#ifndef MEDTOK_TERMS_SOURCE_CODE_H
#define MEDTOK_TERMS_SOURCE_CODE_H

#include "base/dictionary.h"

/* What source codes become: code i becomes names target[offsets[i]] .. target[offsets[i + 1] - 1], one or more. */
struct code_targets {
    int64_t n, n_targets;
    int64_t *offsets;        /* [n + 1] */
    int32_t *target;         /* [n_targets] number in names */
    struct dictionary names; /* of the cohort's codes */
};

struct source_code_rules; /* patterns and maps, read once */

int code_targets_make(struct code_targets *targets, const struct source_code_rules *rules,
                      const struct dictionary *codes);
void code_targets_free(struct code_targets *targets);

#endif
