/* Which samples a model is fitted to and chosen by: all; so many of each class (EHRSHOT's few-shot protocol: Wornow et al., 2023); or
 * so many of train (learning curves).
 *
 * Draws are prefixes of one random order a replicate, so that a smaller set is part of a larger one. A class that has fewer samples than are
 * asked for gives all, and then more of them with replacement: such a sample counts as often as it was drawn.
 */
#ifndef MEDTOK_EHR_BASELINES_FEW_SHOT_H
#define MEDTOK_EHR_BASELINES_FEW_SHOT_H

#include "fit/design.h"
#include "store/cohort.h"

enum training_kind { TRAINING_ALL, TRAINING_SHOTS, TRAINING_ROWS };

struct training_set {
    enum training_kind kind;
    int64_t size; /* samples of each class, or of train */
    int64_t replicate;
    int64_t n[N_SPLITS];               /* of train and tuning */
    struct chosen_row *rows[N_SPLITS]; /* owned */
};

/* All samples of a task: [n] split and label. */
struct sample_list {
    int64_t n;
    int32_t n_classes;
    const uint8_t *split;
    const int32_t *label;
};

/* Collective or not: a function of its arguments. Free in any case. */
int training_set_draw(struct training_set *set, const struct sample_list *samples, enum training_kind kind,
                      int64_t size, uint64_t seed, int64_t replicate);
void training_set_free(struct training_set *set);

/* All samples of a split, each once, into *rows [*n], which the caller frees. */
int split_rows(const struct sample_list *samples, int split, int64_t *n, struct chosen_row **rows);

#endif
