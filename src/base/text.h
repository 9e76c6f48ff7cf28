/* How far apart two texts are. */
#ifndef MEDTOK_BASE_TEXT_H
#define MEDTOK_BASE_TEXT_H

/* Levenshtein's distance without regard to case; of longer texts the first TEXT_DISTANCE_BYTES count. */
enum { TEXT_DISTANCE_BYTES = 96 };
int text_distance(const char *a, const char *b);

#endif
