/* The files that a job reads and writes, from the table of settings: so that no output is an input, whatever the job.
 *
 * Kinds of outputs: "vocabulary", "text", "checkpoint", "table", "cohort", "results" (HDF5 files of ours), "metrics", "report",
 * "scores", "score", "probe", "meds-scores", "benchmark", "links", "linked", "qa-cosine", "qa" (JSON), "predictions" (CSV or Parquet),
 * "leaderboard" (CSV), "evaluation" (Markdown), "matrix" (svmlight), "removed" (TSV), "live" (HTML), "export", "hugging-face", "prefix", "adapter", "arrays",
 * "hospital", "made-vocabulary", "labels" (folders).
 */
#ifndef MEDTOK_JOBS_PATHS_H
#define MEDTOK_JOBS_PATHS_H

#include <limits.h>

#include "settings.h"

struct job_path {
    const char *key;  /* the setting, or --config */
    const char *kind; /* "config" for --config */
    int written;
    int is_beside; /* one of the files of a training, or of all, which lie beside the setting's own and are under its lock */
    char *path; /* owned */
};

/* Where train writes its metrics and inspect its report: the setting, or beside the checkpoint and the table. */
void config_metrics_path(const struct config *config, char path[PATH_MAX]);
void config_report_path(const struct config *config, char path[PATH_MAX]);

/* Where evaluate writes what is of one training: beside files.scores, scores.json -> scores.seed-3.csv, or with a grid in a folder of
 * their own, scores.trials/NAME.csv; name: that of the training (ehr/grid.h); ending: ".results.h5" (all that it came to), ".h5" (the model),
 * ".jsonl" (its metrics), ".csv" or ".parquet" (predictions), ".meds.json" (scores as meds-evaluation's). */
void config_trial_path(const struct config *config, const char *name, const char *ending, char path[PATH_MAX]);

/* Where it writes the results of all: scores.json -> scores.h5. */
void config_results_path(const struct config *config, char path[PATH_MAX]);

/* Where synth writes: the setting, or a folder by what it makes. */
void config_synth_folder(const struct config *config, char path[PATH_MAX]);

/* Of one of LIVE_JOBS: what it makes, and its page while it does (live.h), text.h5 -> text.live.html; of train beside its metrics. */
const char *config_live_output(const struct config *config, enum job job);
void config_live_path(const struct config *config, enum job job, char path[PATH_MAX]);

/* Where baseline writes its predictions: beside files.scores, scores.json -> scores.csv. */
void config_predictions_path(const struct config *config, char path[PATH_MAX]);

/* All files that `job` reads or writes under these settings, into *paths [*n], which the caller frees in any case: files of lists one by
 * one, keys that are empty left out. */
int config_paths(const struct config *config, enum job job, struct job_path **paths, int *n);

void job_paths_free(struct job_path *paths, int n);

/* STATUS_USAGE, naming both settings, if an output of `job` is also one of its inputs or another of its outputs: by device and
 * inode, and by where links lead; or if one is called as a file that jobs make beside another (base/path.h). Of n files, n log n comparisons. tokenize.append_to alone may be the table that is written, which is its next version. */
int config_check_paths(const struct config *config, enum job job);

#endif
