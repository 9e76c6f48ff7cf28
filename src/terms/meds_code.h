/* Codes as MEDS data sets write them, in parts with a double slash between: the system and the code that they mean.
 *
 *   DIAGNOSIS//ICD//9//4280, DIAGNOSIS//ICD//10//E11     ICD9CM, ICD10CM
 *   PROCEDURE//ICD//9//3893, PROCEDURE//ICD//10//0FT44ZZ ICD9PROC, ICD10PCS
 *   MEDICATION//ATC//N02BE01                             the part behind one that names a system of terms/code_form.h
 *   ICD10CM/E11                                          the same with single slashes, as in parent_codes
 */
#ifndef MEDTOK_TERMS_MEDS_CODE_H
#define MEDTOK_TERMS_MEDS_CODE_H

enum { MEDS_PART_BYTES = 80 };

/* Writes system and code, cut at their room, and returns 1; 0 if the text tells none ("GENDER//F"). */
int meds_code_split(const char *text, char system[MEDS_PART_BYTES], char code[MEDS_PART_BYTES]);

#endif
