/* The chapter of a code: the first level of its system, by its string. */
#ifndef MEDTOK_REPORT_CODE_CHAPTER_H
#define MEDTOK_REPORT_CODE_CHAPTER_H

/* "E00-E89 endocrine, nutritional, metabolic"; NULL: its system has no chapters that a string tells, or the code none of them.
 * ICD-10-CM: the 22 chapters of the tabular list of 2025 (CMS). ICD-9-CM: its 17 chapters and the supplements V and E. ATC: the 14
 * anatomical main groups (WHO). */
const char *code_chapter(const char *system, const char *code);

#endif
