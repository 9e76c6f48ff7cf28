/* The hierarchy that a code's own string tells: the parent of E11.65 is E11.6, whose parent is the category E11. */
#ifndef MEDTOK_TERMS_CODE_HIERARCHY_H
#define MEDTOK_TERMS_CODE_HIERARCHY_H

#include <stddef.h>

/* Writes the parent of `code` in `system` to parent[size] and returns its length; 0 (and "") if the string tells none. The
 * parent need not be a code of its own. Systems are told by their letters and digits in any case (ICD-10-CM, icd10cm):
 *   ICD10, ICD10CM, ICD9, ICD9CM    one character less, down to the category: what stands before the dot; without a dot the
 *                                   first 3 characters (ICD-9's E codes: 4)
 *   ICD9PROC, ICD9PCS               the same; without a dot the category has 2 characters
 *   ICD10PCS                        the first 6 of 7 characters
 *   ATC                             levels of 7, 5, 4, 3 and 1 characters
 *   NDC                             labeler and product of labeler-product-package
 * Categories, ranges (A00-A09) and all other systems have none. */
int code_parent(const char *system, const char *code, char *parent, size_t size);

#endif
