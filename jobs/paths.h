/* The files that a job reads and writes, from the table of settings: so that no output is an input, whatever the job.
 *
 * Kinds of outputs: "vocabulary", "text", "checkpoint", "table", "cohort" (HDF5 files of ours), "metrics", "report",
 * "scores", "score", "meds-scores", "benchmark" (JSON), "predictions" (CSV or Parquet), "leaderboard" (CSV), "matrix"
 * (svmlight), "export", "arrays", "hospital", "labels" (folders).
 */
#ifndef MEDTOK_JOBS_PATHS_H
#define MEDTOK_JOBS_PATHS_H

#include <limits.h>

#include "settings.h"

struct job_path {
    const char *key;  /* the setting, or --config */
    const char *kind; /* "config" for --config */
    int written;
    int of_seed; /* one of the files of a seed, which lie beside the setting's own and are under its lock */
    char path[PATH_MAX];
};

/* Where train writes its metrics and inspect its report: the setting, or beside the checkpoint and the table. */
void config_metrics_path(const struct config *config, char path[PATH_MAX]);
void config_report_path(const struct config *config, char path[PATH_MAX]);

/* Where evaluate writes what is of one seed: beside files.scores, scores.json -> scores.seed-3.csv; ending: ".h5" (the model),
 * ".jsonl" (its metrics), ".csv" or ".parquet" (predictions), ".meds.json" (scores as meds-evaluation's). */
void config_seed_path(const struct config *config, int64_t seed, const char *ending, char path[PATH_MAX]);

/* Where baseline writes its predictions: beside files.scores, scores.json -> scores.csv. */
void config_predictions_path(const struct config *config, char path[PATH_MAX]);

/* All files that `job` reads or writes under these settings, into *paths [*n] (the caller frees): files of lists one by one,
 * keys that are empty left out. */
int config_paths(const struct config *config, enum job job, struct job_path **paths, int *n);

/* STATUS_USAGE, naming both settings, if an output of `job` is also one of its inputs or another of its outputs: by device and
 * inode, and by where links lead. tokenize.append_to alone may be the table that is written, which is its next version. */
int config_check_paths(const struct config *config, enum job job);

#endif
