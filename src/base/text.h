/* Texts beside each other. */
#ifndef MEDTOK_BASE_TEXT_H
#define MEDTOK_BASE_TEXT_H

/* Levenshtein's distance without regard to case; of longer texts the first TEXT_DISTANCE_BYTES count. */
enum { TEXT_DISTANCE_BYTES = 96 };
int text_distance(const char *a, const char *b);

/* Whether a text begins with another. */
int text_begins(const char *text, const char *with);

#endif
