/* New codes: codes that a model was not trained on, made ready for the tokenizer. prepare and encode, with the settings that
 * the model's own vocabulary and text features were made with, give them a vocabulary and (unless text.mode is online) text
 * features of their own, as scratch files beside the table. */
#ifndef MEDTOK_JOBS_NEW_CODES_H
#define MEDTOK_JOBS_NEW_CODES_H

#include <limits.h>

#include "dist/comm.h"
#include "settings.h"

struct new_codes {
    struct config
        config; /* the given one, with the files of the new codes; borrows from it and from this struct, but for graph.remove */
    char vocabulary[PATH_MAX], text[PATH_MAX], model[PATH_MAX];
    char *list[1]; /* files.codes of config */
};

/* Collective. Reads config->tokenize.codes and writes the two files. Errors: what prepare says of a code table; a code that
 * the vocabulary or the table to append to has already; that table made with another checkpoint; another knowledge graph
 * or language model than the model was trained with; files.table holding the vocabulary's tokens and nothing appended to
 * them. */
int new_codes_make(struct new_codes *codes, const struct comm *comm, const struct config *config);

/* Frees the codes; removes the two files, and what was begun of them, unless `status` says that a signal came: then they are gone on with.
 * Needed in any case. */
void new_codes_remove(struct new_codes *codes, const struct comm *comm, int status);

#endif
