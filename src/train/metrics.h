/* What training reports: one JSON line a step in a file, and a readable line in the log every few steps. Evaluations
 * are lines of their own, {"eval_step": N, ...}, behind that of step N.
 */
#ifndef MEDTOK_TRAIN_METRICS_H
#define MEDTOK_TRAIN_METRICS_H

#include <stdio.h>

#include "train/step.h"

struct metrics {
    FILE *file;                          /* rank 0; NULL elsewhere */
    char *path;                          /* owned */
    int64_t last_step, samples, clipped; /* since the last log line: samples drawn, steps clipped */
    double last_time;
};

/* About what a step's line takes, in bytes. */
int64_t metrics_line_bytes(const struct learner *learner);

/* Collective. Opens `path`, keeping the lines of steps up to the training's (a resumed run goes on in the same
 * file). */
int metrics_open(struct metrics *metrics, const struct training *training, const char *path);

/* Writes the step that training_step just made; not collective. */
int metrics_step(struct metrics *metrics, const struct training *training, const struct step_report *report);

/* What was written, each line of it, is in the file when this returns: before a checkpoint, behind which a resumed run goes on. Not
 * collective. */
int metrics_flush(struct metrics *metrics);

/* Writes what the learner measured after the last step, which took so many seconds; not collective. */
int metrics_evaluation(struct metrics *metrics, const struct training *training, const struct measures *measures,
                       double seconds);

/* Flushes and closes; an error if something could not be written. */
int metrics_close(struct metrics *metrics);

#endif
