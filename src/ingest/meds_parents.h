/* What MEDS' list of codes says of parents: metadata/codes.parquet, by a Python with pyarrow. For the same as CSV:
 * ingest/code_lists.h. */
#ifndef MEDTOK_INGEST_MEDS_PARENTS_H
#define MEDTOK_INGEST_MEDS_PARENTS_H

#include "terms/source_code.h"

/* Gives the rules the parents; python: cohort.python. */
int meds_parents_read(struct source_code_rules *rules, const char *path, const char *python);

#endif
