/* Which code stands above another in its system, where the code itself tells. */
#ifndef MEDTOK_STORE_CODE_HIERARCHY_H
#define MEDTOK_STORE_CODE_HIERARCHY_H

#include <stddef.h>

/* The parent of a code: ICD-9-CM and ICD-10-CM without the last character (dots apart), down to three; ICD-10-PCS the
 * first six of seven; ATC the next shorter of its levels of 1, 3, 4, 5 and 7 characters. Systems are told by their
 * letters and digits, in any case. Returns 1 and fills parent[size], or 0 if the code has no parent that is known. */
int code_parent(const char *system, const char *code, char *parent, size_t size);

#endif
