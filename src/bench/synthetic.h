/* A made-up vocabulary and its text features as files, so that whole training steps can be measured without data: codes with
 * graphs and texts of the lengths of the workbench, every text token with a feature row of its own. */
#ifndef MEDTOK_BENCH_SYNTHETIC_H
#define MEDTOK_BENCH_SYNTHETIC_H

#include "bench/workbench.h"
#include "dist/comm.h"

/* Collective. Writes n_codes codes to the files `vocabulary` and `text`, which the caller removes. */
int synthetic_write(const struct comm *comm, const struct step_sizes *sizes, int64_t n_codes, const char *vocabulary,
                    const char *text);

#endif
