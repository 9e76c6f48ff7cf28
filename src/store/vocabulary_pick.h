/* Some codes of a vocabulary, by number. */
#ifndef MEDTOK_STORE_VOCABULARY_PICK_H
#define MEDTOK_STORE_VOCABULARY_PICK_H

#include "store/vocabulary.h"

/* Collective (store/row_fetch.h: each rank reads its share of the file, and holds what it asked for); every rank with codes and parts of its
 * own choice but for `parts`, which all share. Reads the asked parts (all but VOCABULARY_HIERARCHY and the names of relations) of
 * codes[n], ascending, each once, to indices 0 .. n-1 of `vocabulary`; its `first` is 0. Checks as vocabulary_read does. `status`: what failed on this rank on the way here, which
 * becomes every rank's. */
int vocabulary_pick(const struct comm *comm, const char *path, const int64_t *codes, int64_t n, unsigned parts,
                    struct vocabulary *vocabulary, int status);

#endif
