/* EHRSHOT's leaderboard: scores of one model over its tasks and numbers of shots, as the CSV that the site takes
 * (https://ehrshot.stanford.edu, som-shahlab/ehrshot-website, results/README.md of 5 March 2026).
 *
 *   model,metric,task,all,all_ci_low,all_ci_high,all_std,k_1,k_2,...,k_128,k_1_std,...,k_128_std
 *
 * Two rows a task, auroc and auprc. all: trained on the whole of train and validation; k: on so many of each class. Of several
 * replicates stand the mean and the standard deviation (n - 1); of one alone no deviation. The interval is that of `all`, where it has one
 * replicate. What there is no result for stays empty, as the site wants it.
 */
#ifndef MEDTOK_EHR_LEADERBOARD_H
#define MEDTOK_EHR_LEADERBOARD_H

#include "measure/scores.h"

enum { SHOTS_ALL = 0 };

/* One training, scored on the whole test split. */
struct leaderboard_result {
    const char *task;                              /* by the site's name, or the benchmark's: "Long LOS", "guo_los" */
    int64_t shots;                                 /* k, one of the site's; or SHOTS_ALL */
    struct estimate estimates[N_SCORES_ESTIMATES]; /* AUROC and average precision by samples are read */
};

/* The site's name of a task, by its own or the benchmark's. NULL: it has no such task. */
const char *leaderboard_task(const char *name);

/* Whether the site has a column for so many shots. */
int leaderboard_has_shots(int64_t shots);

/* Writes results[n] in any order, replaced when whole. Fails if a task or a number of shots is not the site's, naming those that are. */
int leaderboard_write(const char *path, const char *model, int64_t n, const struct leaderboard_result *results);

#endif
