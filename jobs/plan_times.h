/* How fast stages were in finished runs. */
#ifndef MEDTOK_JOBS_PLAN_TIMES_H
#define MEDTOK_JOBS_PLAN_TIMES_H

#include <stdint.h>

#include "jobs.h"

/* Work of a stage, in units that its time goes with: codes (encode: texts, of codes and, with text.nodes, of nodes), or codes (samples) times
 * steps; 0: not known before. */
int64_t plan_units(enum job job, int64_t n_codes, int64_t n_nodes, const struct config *config);

/* Units a second and rank of the job in the newest run folder under `runs` that finished it and whose vocabulary is still there; 0: none. */
int past_rate(const char *runs, const struct job_entry *entry, double *rate);

#endif
