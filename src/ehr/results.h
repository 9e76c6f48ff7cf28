/* results.h5: what trainings of models of health records came to: settings, curves, and the predictions of tuning and held_out, one
 * training or all of a grid.
 *
 *   trial_name, trial_task, trial_model, trial_arm [n]     text
 *   trial_settings [n]                        text: all settings that shape the training, `key: value` lines
 *   trial_key [n]                             text: its provenance; the same key, the same training
 *   trial_failure [n]                         text: why there is no more than this; empty: it is whole
 *   trial_train_samples, trial_shots [n]      0: all of train
 *   trial_seed, trial_step, trial_parameters, trial_learned [n]    step: of the weights that are kept; learned: samples
 *   trial_seconds, trial_tuning, trial_threshold [n]    tuning: average precision; threshold: with the best F1 on tuning, or NaN
 *   curve_offsets [n + 1], curve_step, curve_average_precision     tuning, on the way
 *   trial_samples [n, 2]                      list of samples of tuning and of held_out, or -1: not scored
 *   score_offsets [n * 2 + 1], score          probabilities, of label 1 or of each class, sample by sample
 *   list_form, list_classes [m]               enum label_form; classes
 *   list_offsets [m + 1]                      samples of each list, ascending by number
 *   sample, sample_subject, sample_time       number in the task; number of the subject; prediction time
 *   sample_label                              0, 1; class; of a set, how many classes are in it
 *   sample_codes, sample_unseen               different medical codes of the history; those that training never saw
 *   sample_frequency                          median, over these codes, of the samples of train that have it; NaN: no codes
 *   set_offsets [samples + 1], set            classes of label sets
 */
#ifndef MEDTOK_EHR_RESULTS_H
#define MEDTOK_EHR_RESULTS_H

#include "measure/arms.h"
#include "store/h5file.h"
#include "store/task_samples.h"

/* The samples of a split, as a training saw them. All arrays are owned. */
struct result_samples {
    enum label_form form;
    int32_t n_classes;
    int64_t n;
    int64_t *sample, *subject, *time;
    int32_t *label;
    int64_t *set_offsets; /* [n + 1]; of other forms all are 0 */
    int32_t *set;
    int32_t *codes, *unseen;
    float *frequency;
};

enum result_split { RESULT_TUNING, RESULT_HELD_OUT, N_RESULT_SPLITS };

struct result {
    char *name, *task, *model, *arm, *settings, *key, *failure; /* owned */
    int64_t train_samples, shots, seed, step, parameters, learned;
    double seconds, tuning, threshold;
    int64_t n_curve;
    int64_t *curve_step;            /* [n_curve], owned */
    double *curve_precision;        /* [n_curve], owned */
    int64_t list[N_RESULT_SPLITS];  /* in results.lists, or -1 */
    double *score[N_RESULT_SPLITS]; /* [n, outputs], owned; NULL: not scored, or left in the file */
    char *file;                     /* where the scores were left, owned; NULL: they are here */
    int64_t first[N_RESULT_SPLITS]; /* of its scores there */
};

struct results {
    int64_t n, n_lists;
    struct result *trials;         /* [n], owned */
    struct result_samples **lists; /* [n_lists], owned, each different */
    long long capacity, lists_capacity;
};
void results_free(struct results *results);
void result_free(struct result *result);
void result_samples_free(struct result_samples *samples);

/* Takes over samples (freed if the results have such already); *list: where they are. */
int results_take_samples(struct results *results, struct result_samples *samples, int64_t *list);
/* Takes over a training, whose lists are those of the results; what could not be added is freed. */
int results_add(struct results *results, struct result *trial);

/* Adds what is in a file, but for the scores, which are left there: those of a grid need not fit the memory of a process. */
int results_read(struct results *results, const char *path);

/* The scores of one of the trainings on a split that it has, from wherever they are: [n, outputs] in *scores, which the caller frees in any
 * case. */
int result_scores_read(const struct results *results, const struct result *trial, enum result_split split,
                       double **scores);

/* This process alone, one training's scores in memory at a time; replaced when whole. */
int results_write(const struct results *results, const char *path, const struct provenance *provenance);

/* The samples of a list, for measures; all of them are taken. */
struct compared_samples result_compared(const struct result_samples *samples);

#endif
