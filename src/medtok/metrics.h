/* What training reports: one JSON line a step in a file, and a readable line in the log every few steps. Evaluations are lines
 * of their own, {"eval_step": N, ...}, behind that of step N. */
#ifndef MEDTOK_MEDTOK_METRICS_H
#define MEDTOK_MEDTOK_METRICS_H

#include <stdio.h>

#include "measure/quality.h"
#include "medtok/trainer.h"

struct metrics {
    FILE *file;                                            /* rank 0; NULL elsewhere */
    char *path;                                            /* owned */
    struct usage window;                                   /* picks since the last log line */
    int64_t log_every, last_step, codes, clipped, revived; /* since the last log line: steps clipped, rows revived */
    double last_time;
};

/* Collective. Opens `path`, keeping the lines of steps up to `step` (a resumed run goes on in the same file). */
int metrics_open(struct metrics *metrics, const struct trainer *trainer, const char *path);

/* Writes the step that trainer_step just made; not collective. */
int metrics_step(struct metrics *metrics, const struct trainer *trainer, const struct step_report *report);

/* Writes the quality of held-out codes after the last step, which took so many seconds to measure; not collective. */
int metrics_quality(struct metrics *metrics, const struct trainer *trainer, const struct quality *quality,
                    double seconds);

/* Flushes and closes; an error if something could not be written. */
int metrics_close(struct metrics *metrics);

#endif
