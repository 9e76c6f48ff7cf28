/* Texts: how far apart two are, and one in JSON. */
#ifndef MEDTOK_BASE_TEXT_H
#define MEDTOK_BASE_TEXT_H

#include <stdio.h>

/* Levenshtein's distance without regard to case; of longer texts the first TEXT_DISTANCE_BYTES count. */
enum { TEXT_DISTANCE_BYTES = 96 };
int text_distance(const char *a, const char *b);

/* Writes a text as a JSON string, in quotes; bytes from 0x80 as they are (UTF-8). */
void text_print_json(FILE *out, const char *text);

#endif
