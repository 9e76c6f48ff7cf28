/* The files of one training of a grid: what is there already, and what it leaves. */
#ifndef MEDTOK_EHR_TRIAL_FILES_H
#define MEDTOK_EHR_TRIAL_FILES_H

#include "ehr/grid_run.h"

struct trial_paths {
    char checkpoint[PATH_MAX], metrics[PATH_MAX], results[PATH_MAX], predictions[PATH_MAX], meds[PATH_MAX];
};
void trial_paths_make(struct trial_paths *paths, const struct grid_run *run, const struct grid_trial *trial);

/* Whether the file of results is whole, of this training, and has the scores that are asked for. Fails if it is another's, which would be
 * lost, unless all is to be made anew. */
int trial_results_current(const struct trial_paths *paths, const struct grid_run *run, const struct grid_trial *trial,
                          const struct provenance *provenance, uint8_t *is_current);

/* Writes what a training came to: predictions, scores as meds-evaluation's (of binary tasks), last the results, which say that it is
 * finished; then removes the weights, if they are not to be kept. Takes over what result and samples hold. */
int trial_files_write(const struct trial_paths *paths, const struct grid_run *run, const struct grid_trial *trial,
                      const char *task, const struct provenance *provenance, struct result *result,
                      struct result_samples *samples[N_RESULT_SPLITS]);

/* Removes the weights of a training, if they are there. */
void trial_weights_drop(const struct grid_run *run, const struct grid_trial *trial);

/* Adds a training that failed. */
int trial_failed_add(struct results *results, const struct grid_run *run, const struct grid_trial *trial,
                     const char *message);

/* Of grid_run.describe, settings included. */
void trial_provenance_free(struct provenance *provenance);

#endif
