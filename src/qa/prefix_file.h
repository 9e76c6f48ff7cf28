/* The vectors that stand before a question, for programs that run a language model elsewhere: NumPy arrays in a folder.
 *
 *   vectors.npy    f4 [questions, most, width] the vectors of the stem's codes in their order, each of norm 1 (table's groups side by side); 0
 *                  behind the last
 *   counts.npy     i4 [questions] how many there are; 0: the question gets the learned null vector
 *   questions.tsv  the questions' ids in the order of the arrays, one a line below the heading `id`
 *
 * A model's prefix is W v + b of each (qa.md 7.1), or of their mean. A code that the table has not, or has without a vector, is passed over.
 */
#ifndef MEDTOK_QA_PREFIX_FILE_H
#define MEDTOK_QA_PREFIX_FILE_H

#include "qa/questions.h"
#include "store/table.h"

/* Writes the three files, each whole or not at all. path: of the questions, for messages; most: vectors of a question, at least 1. */
int prefix_files_write(const char *folder, const struct questions *questions, const char *path, struct table *table,
                       int64_t most);

#endif
