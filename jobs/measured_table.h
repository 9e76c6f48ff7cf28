/* A table whose codes are measured (inspect, probe): opened, and checked against the vocabulary that it was made from. */
#ifndef MEDTOK_JOBS_MEASURED_TABLE_H
#define MEDTOK_JOBS_MEASURED_TABLE_H

#include "store/table.h"

/* Opens the table; its shape.n_codes becomes the rows of the vocabulary, new codes behind them are left out. Fails if it was made from another
 * vocabulary or holds new codes alone. The ids are the caller's to free, in any case. job: for messages. */
int measured_table_open(struct table *table, const char *path, const char *vocabulary_path, const char *job,
                        char **table_id, char **vocabulary_id);

/* Whether a training that the table's went on from (train.from) had the parents of codes in its graph. */
int measured_table_hierarchy_before(const struct table *table, int *before);

/* The tokens [n, 4, K] of all codes, which lie in the regions of their groups; the caller frees. */
int measured_table_tokens(struct table *table, int32_t **tokens);

#endif
