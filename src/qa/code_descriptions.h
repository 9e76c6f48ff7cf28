/* What the codes of questions are called, for prompts that say so in words: the control to vectors that say it in numbers. */
#ifndef MEDTOK_QA_CODE_DESCRIPTIONS_H
#define MEDTOK_QA_CODE_DESCRIPTIONS_H

#include "qa/questions.h"

struct code_descriptions {
    int64_t n_questions, *offsets; /* [n_questions + 1] of `texts`; NULL: none were read */
    char **texts;                  /* [offsets[n_questions]] UTF-8, in the order of a question's codes; owned */
    char vocabulary_id[33];        /* content_id of the vocabulary */
};

/* Reads the descriptions of the first `most` codes of each question that the vocabulary has with one; of equal texts of a question the
 * first. questions_path: for messages. Free with code_descriptions_free in any case. */
int code_descriptions_read(struct code_descriptions *descriptions, const char *vocabulary,
                           const struct questions *questions, const char *questions_path, int64_t most);
void code_descriptions_free(struct code_descriptions *descriptions);

/* Those of a question; *n: how many, 0 if none were read. */
const char *const *code_descriptions_of(const struct code_descriptions *descriptions, int64_t question, int *n);

#endif
