/* The Python text that makes Parquet of MEDS as CSV, part of the program, and what it is told to do. */
#ifndef MEDTOK_SYNTH_PARQUET_H
#define MEDTOK_SYNTH_PARQUET_H

#include "base/string_list.h"

extern const char *const PARQUET_TEXT;

/* Its arguments for the tables of MEDS in folder/meds, into folder/meds_parquet, that fall to a rank of so many; none: nothing to do. gzip:
 * whether the tables are compressed. */
int parquet_arguments(const char *folder, int gzip, int rank, int n_ranks, struct string_list *arguments);

#endif
