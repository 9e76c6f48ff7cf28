/* The samples of a task with their histories, dealt to ranks; and the rows that their codes have.
 *
 * Rows, and all that is estimated from data, come from the split train; what a code of the other splits brings (a vector of the
 * token table) is its own. Nothing depends on events behind prediction times: adding some changes no token and no row.
 *
 * Tasks: the first is learned and scored; others (ehr.also) are learned beside it, from train alone.
 */
#ifndef MEDTOK_EHR_DATA_H
#define MEDTOK_EHR_DATA_H

#include "ehr/visits.h"
#include "store/task_samples.h"

static inline enum cohort_split ehr_scored_split(const struct ehr_options *options) {
    return options->score == SCORED_TUNING ? SPLIT_TUNING : SPLIT_HELD_OUT;
}

struct ehr_task {
    char *name; /* owned */
    enum label_form form;
    int32_t n_classes;                             /* 2 of LABEL_BINARY */
    int64_t samples[N_SPLITS], positive[N_SPLITS]; /* of all ranks; positive: of LABEL_BINARY */
    double *prior; /* [ehr_task_outputs] share of train's samples with the label, or of the class; owned */
};

/* Logits of a sample: 1 of a binary label, else one a class. */
static inline int64_t ehr_task_outputs(const struct ehr_task *task) {
    return task->form == LABEL_BINARY ? 1 : task->n_classes;
}

/* Some samples and their histories side by side. */
struct sample_set {
    int64_t n;
    int64_t *number;       /* [n] of the sample in the cohort: the key of its random numbers */
    int32_t *task;         /* [n] index in ehr_data.tasks; -1: of pre-training, without a label */
    int64_t *subject;      /* [n] the cohort's number of it */
    int64_t *birth, *time; /* [n] prediction time */
    int32_t *label;        /* [n] as in struct task_sample */
    int32_t *unseen;       /* [n] different medical codes of the history that no sample of train has */
    int64_t *set_offsets;  /* [n + 1] classes of each in set */
    int32_t *set;
    int32_t *
        window; /* [n] of pre-training: which of the windows of a subject's history this is; NULL: each is the only one */
    int64_t *history;            /* [n] the sample whose events and visits it has, if not its own; NULL: its own */
    int64_t *offsets, *n_static; /* [n + 1], [n] events of each */
    struct sample_event *
        events; /* their tokens are rows: special ones, codes with a row of their own, then, from first_vector on, codes with
                                    a vector */
    int64_t *visit_offsets; /* [n + 1] */
    struct cohort_visit *visits;
    int64_t birth_code;       /* of MEDS_BIRTH; -1: none */
    const uint8_t *code_kind; /* of the cohort's codes; borrowed */
};

/* The history of sample i. */
struct sample_history sample_set_history(const struct sample_set *set, int64_t i);

/* What is known from train of the different medical codes of a history: all but facts and what says of a visit no more than that it is one. */
struct sample_codes {
    int64_t n, unseen; /* of them; of those that no sample of train has */
    int64_t
        frequency; /* median of the number of samples of train that have them, the smaller of two in the middle; -1: there are none */
};

/* Vectors for codes, from outside: find writes for each of the codes with wanted[i] != 0 to row[i] the number of its vector, or one of
 * the constants. in_train: as in struct ehr_data. */
enum {
    VECTOR_MISSING = -1,
    VECTOR_OWN_ROW = -2 /* it is no medical code (sex, kind of admission): its row is learned */
};
struct vector_source {
    int (*find)(void *self, const struct cohort *cohort, const int64_t *in_train, const uint8_t *wanted, int64_t *row);
    void *self;
    int train_only; /* codes that train has not are missing */
};

struct ehr_data {
    int64_t n_tasks;
    struct ehr_task *tasks;           /* [n_tasks], the one that is scored first; owned */
    int64_t first_sample;             /* of the scored task, in the cohort */
    int64_t n_train;                  /* samples of train, of all tasks and ranks, in the order of the cohort */
    double *train_cost;               /* [n_train] expected work of each */
    struct sample_set sets[N_SPLITS]; /* this rank's: of train a run in their order, of the others likewise */
    int64_t train_first;              /* sets[SPLIT_TRAIN] is samples train_first .. of train */
    /* With ehr.pretrain_steps: subjects of train, each with all that is known of it; tuning and held_out have no part in it. For ETHOS,
     * which reads a window of a history at a time, a subject stands there as often as its history fills windows, about. */
    struct sample_set pretrain; /* this rank's, as of train */
    int64_t n_pretrain, pretrain_first;
    double *pretrain_cost; /* [n_pretrain] */
    /* rows */
    int64_t n_own;                      /* codes with a row of their own, all in train */
    int64_t n_vectors, n_train_vectors; /* codes with a vector: first those that train has, then the others */
    int64_t *vector;                    /* [n_vectors] what the source found */
    int64_t n_rows;                     /* TOKEN_FIRST_CODE + n_own + n_vectors */
    /* codes of the cohort */
    int64_t n_cohort_codes, code_bytes;
    char *code;         /* [n_cohort_codes, code_bytes] text */
    uint8_t *code_kind; /* [n_cohort_codes] */
    int64_t birth_code; /* of MEDS_BIRTH; -1: none */
    int64_t *in_train;  /* [n_cohort_codes] samples of train (and of pre-training) whose history has it */
    int32_t *row;       /* [n_cohort_codes] its token */
    /* counts, of all ranks, over all splits of the scored task */
    int64_t n_codes, n_missing_codes, n_missing_tokens, n_tokens;
    int64_t n_dropped, n_cut; /* tokens of timelines that were too many, and in how many samples */
};

/* Of sample i. */
int ehr_sample_codes(const struct ehr_data *data, const struct sample_set *set, int64_t i, struct sample_codes *codes);

static inline const char *ehr_code(const struct ehr_data *d, int64_t code) { return d->code + code * d->code_bytes; }

/* Collective. Reads the task of options->task, and those of options->also, from the cohort file. `source`: of the codes with a
 * vector; NULL: none has. A code without has a row of its own if it is in the histories of options->min_count samples of train or
 * more. options->shots and options->train_samples choose samples of train, and shots of tuning, by `seed`; each choice holds the smaller
 * ones. Ranks share the samples of train as train/sampler.h cuts them into batches of options->batch, the others by cost. Free in any
 * case. */
int ehr_data_make(struct ehr_data *data, const struct comm *comm, const char *cohort, const struct ehr_options *options,
                  uint64_t seed, const struct vector_source *source);
void ehr_data_free(struct ehr_data *data);

#endif
