/* The samples of a task as tokens, dealt to ranks; and the rows that their codes have in an embedding.
 *
 * Rows, and all that is estimated from data, come from the split train; what a code of the other splits brings (a vector of the
 * token table) is its own. Nothing depends on events behind prediction times: adding some changes no token and no row.
 */
#ifndef MEDTOK_EHR_DATA_H
#define MEDTOK_EHR_DATA_H

#include "ehr/timeline.h"

static inline enum cohort_split ehr_scored_split(const struct ehr_options *options) {
    return options->score == SCORED_TUNING ? SPLIT_TUNING : SPLIT_HELD_OUT;
}

/* Some samples of a task, and their timelines side by side. Tokens are those of timeline.h, but that codes have given way to rows:
 * special tokens, among them TOKEN_MISSING, then codes with a row of their own, then, from first_vector on, codes with a vector. */
struct sample_set {
    int64_t n;
    int64_t *number;  /* of the sample in its task */
    int64_t *subject; /* the cohort's number of it */
    int64_t *time;    /* prediction time */
    int32_t *label;
    int64_t *offsets; /* [n + 1] tokens of each */
    struct timeline_token *tokens;
    int32_t first_vector;
};

/* Vectors for codes, from outside: find writes for each of the codes with wanted[i] != 0 to row[i] the number of its vector, or one of
 * the constants. */
enum {
    VECTOR_MISSING = -1,
    VECTOR_OWN_ROW = -2 /* it is no medical code (sex, kind of admission): its row is learned */
};
struct vector_source {
    int (*find)(void *self, const struct cohort *cohort, const uint8_t *wanted, int64_t *row);
    void *self;
    int in_train; /* codes that train has not are missing */
};

struct ehr_data {
    char *task;                                              /* its name, owned */
    int64_t task_samples[N_SPLITS], task_positive[N_SPLITS]; /* of all ranks */
    double prior;                                            /* share of positives in train */
    double *train_cost; /* [task_samples[SPLIT_TRAIN]] expected work of each sample of train, in their order */
    struct sample_set sets[N_SPLITS];   /* this rank's: of train a run in their order, of the others likewise */
    int64_t train_first;                /* sets[SPLIT_TRAIN] is samples train_first .. of train */
    int64_t n_own;                      /* codes with a row of their own, all in train */
    int64_t n_vectors, n_train_vectors; /* codes with a vector: first those that train has, then the others */
    int64_t *vector;                    /* [n_vectors] what the source found */
    int64_t n_codes, n_missing_codes, n_missing_tokens, n_tokens; /* of all ranks, over all splits */
    int64_t n_dropped, n_cut; /* tokens that were too many, and in how many samples */
};

/* Collective. Reads the task of options->task from the cohort file. `source`: of the codes with a
 * vector; NULL: none has. A code without has a row of its own if it is in the histories of options->min_count samples of train or
 * more. Ranks share the samples of train as
 * train/sampler.h cuts them into batches of options->batch, the others by cost. Free in any case. */
int ehr_data_make(struct ehr_data *data, const struct comm *comm, const char *cohort, const struct ehr_options *options,
                  const struct vector_source *source);
void ehr_data_free(struct ehr_data *data);

#endif
