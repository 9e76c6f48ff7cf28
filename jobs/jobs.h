/* The jobs of the one binary. Each is a recipe: check up to date, load, check, compute, write. All are collective over
 * `comm` except those without it, which run on one rank. */
#ifndef MEDTOK_JOBS_JOBS_H
#define MEDTOK_JOBS_JOBS_H

#include "config/config.h"
#include "dist/comm.h"

/* Code tables and the knowledge graph (none if files.graph is empty) into vocabulary.h5. */
int job_prepare(const struct comm *comm, const struct config *config);

/* Descriptions into text.h5. */
int job_encode(const struct comm *comm, const struct config *config);

/* The same with the language model that the text file `like` was made with; another one in text.model is an error. NULL:
 * any. */
int encode_like(const struct comm *comm, const struct config *config, const char *like);

/* vocabulary.h5 and text.h5 into checkpoint.h5. */
int job_train(const struct comm *comm, const struct config *config);

/* Everything, or the codes of tokenize.codes, into table.h5. */
int job_tokenize(const struct comm *comm, const struct config *config);

/* table.h5 and vocabulary.h5 into quality measures: printed, and written as JSON. */
int job_inspect(const struct comm *comm, const struct config *config);

/* How fast the primitives and whole training steps are here: a table on standard output, and bench.json. */
int job_bench(const struct comm *comm, const struct config *config);

/* Prints the tokens of the codes named in args; near > 0: and the `near` nearest codes of each. */
int job_lookup(const struct config *config, int n_args, char **args, int near);

/* Writes the table in the formats named in args: npy, tsv, jsonl; none: all. */
int job_export(const struct config *config, int n_args, char **args);

/* Checks the files named in args, of any kind of this program; none: the table. The first fault is the error. */
int job_verify(const struct config *config, int n_args, char **args);

#endif
