/* Which samples of which tasks a model learns and is scored on, before any history is read. Every rank has the whole lists. */
#ifndef MEDTOK_EHR_SAMPLE_CHOICE_H
#define MEDTOK_EHR_SAMPLE_CHOICE_H

#include "ehr/data.h"

/* A sample; or, with sample -1, all that is known of a subject of train. */
struct chosen_sample {
    int64_t subject, sample; /* indices in the cohort */
    int32_t task;            /* index in ehr_data.tasks; -1: none */
    int32_t window;          /* of pre-training: which of the windows of the subject's history, from 0 on */
};

/* Lists of a split, and behind them that of pre-training. */
enum { LIST_PRETRAIN = N_SPLITS, N_LISTS };
struct sample_choice {
    int64_t n[N_LISTS];
    struct chosen_sample *samples[N_LISTS]; /* by subject, then task, then sample; owned */
};

/* Fills data->tasks from the cohort, of which no events are needed, and chooses (ehr_data_make says how). Fails if a split lacks what
 * can be learned or scored. Free in any case. */
int sample_choice_make(struct sample_choice *choice, const char *path, const struct cohort *cohort,
                       const struct ehr_options *options, uint64_t seed, struct ehr_data *data);
void sample_choice_free(struct sample_choice *choice);

/* Puts subject i of the list of pre-training there windows[i] times, side by side, and its cost, [n], likewise. */
int sample_choice_repeat(struct sample_choice *choice, const int64_t *windows, double **cost);

#endif
