/* The page beside a job's output that shows how far it is (report/live_page.h), made by a thread of rank 0 while the job computes: settings
 * run.live_page. It takes nothing from the job but what this writes: progress (base/log.h) and metrics. What it costs is bounded: after a version that
 * took t seconds there is none for 100 t. A page that cannot be written is a warning, once, and never an error of the job. */
#ifndef MEDTOK_JOBS_LIVE_H
#define MEDTOK_JOBS_LIVE_H

#include "jobs.h"

struct live; /* opaque */

/* Begins it for a job that has one, on rank 0; NULL elsewhere, or if there can be none. The first version comes after run.live_page seconds:
 * a job that is done before leaves none. config must outlive it. */
struct live *live_begin(const struct comm *comm, const struct config *config, const struct job_entry *entry);

/* Ends it: the last version says what became of the job (status, and its message where it failed). NULL is allowed. */
void live_end(struct live *live, int status);

#endif
