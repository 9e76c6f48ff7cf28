/* Some codes of a vocabulary, by number. */
#ifndef MEDTOK_STORE_VOCABULARY_PICK_H
#define MEDTOK_STORE_VOCABULARY_PICK_H

#include "store/vocabulary.h"

/* Reads codes[n] (ascending), all parts but the names of relations, to indices 0 .. n-1 of `vocabulary`. The file is read
 * in pieces, so that memory is needed for the codes asked for, not for all that lie between them. */
int vocabulary_pick(const char *path, const int64_t *codes, int64_t n, struct vocabulary *vocabulary);

#endif
