/* The category of a code: the group of close relatives that is held out together when it is asked what is known of a code without
 * them. */
#ifndef MEDTOK_TERMS_CODE_CATEGORY_H
#define MEDTOK_TERMS_CODE_CATEGORY_H

#include "terms/code_form.h"

/* Writes the category of a code and returns its length; 0 (and ""): its system has none here, or the code is above all categories or
 * a range of them.
 *   ICD10CM 3 characters; ICD9CM 3, of E codes 4; ICD9PROC 2; ICD10PCS 3, the table (section, body system, operation);
 *   ATC 5, level 4; NDC 9 digits, labeler and product */
int code_category(enum code_system system, const char *code, char category[CODE_FORM_BYTES]);

/* The class that a code's own string tells of it, characters of its form: the section of ICD-10-PCS (the first), level 1 (the first)
 * and level 2 (the first three) of ATC. Number `i` of those of the system: writes it and returns its name; NULL: there is none. "" is
 * written for a code that is above the class. */
const char *code_string_class(enum code_system system, int i, const char *code, char value[CODE_FORM_BYTES]);

#endif
