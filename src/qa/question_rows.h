/* The rows of a token table that the codes of questions are. */
#ifndef MEDTOK_QA_QUESTION_ROWS_H
#define MEDTOK_QA_QUESTION_ROWS_H

#include "qa/questions.h"
#include "store/table.h"
#include "terms/code_index.h"

/* Rows of codes [n] into rows [n], -1 where the table has no such code. Row numbers, as released, are those of MedTok's own table of
 * QUESTION_NO_ROW codes: with a table of another size they are an error that says to look the questions up with qa-link. */
int question_rows(const struct code_index *index, const char *path, int64_t n, const struct question_code *codes,
                  int64_t *rows);

/* The rows of all questions' codes (not of their options), one question behind the other, those that the table has not left out: *rows [*n], which the caller
 * frees in any case. */
int question_rows_all(const struct table *table, const char *path, const struct questions *questions, int64_t *n,
                      int64_t **rows);

/* An index of the table's codes, whose names must stay. */
int question_rows_index(struct code_index *index, const struct table *table);

#endif
