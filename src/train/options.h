/* The training loop: settings train.*. */
#ifndef MEDTOK_TRAIN_OPTIONS_H
#define MEDTOK_TRAIN_OPTIONS_H

#include "config/options.h"

#define SCHEDULES(CHOICE) CHOICE(SCHEDULE_CONSTANT, "constant") CHOICE(SCHEDULE_COSINE, "cosine")
enum schedule { SCHEDULES(OPTION_CHOICE_NUMBER) };
#define RATE_SCALES(CHOICE) CHOICE(RATE_AS_SET, "none") CHOICE(RATE_BY_ROOT, "sqrt") CHOICE(RATE_BY_BATCH, "linear")
enum rate_scale { RATE_SCALES(OPTION_CHOICE_NUMBER) };
#define PARTITIONS(CHOICE)                                                                                             \
    CHOICE(PARTITION_AUTO, "auto")                                                                                     \
    CHOICE(PARTITION_BLOCK, "block") CHOICE(PARTITION_RANDOM, "random") CHOICE(PARTITION_GRAPH, "graph")
enum partition { PARTITIONS(OPTION_CHOICE_NUMBER) };
#define RESUMES(CHOICE) CHOICE(RESUME_AUTO, "auto") CHOICE(RESUME_NEVER, "never")
enum resume { RESUMES(OPTION_CHOICE_NUMBER) };

#define TRAIN_OPTIONS(KEY, in)                                                                                         \
    KEY(in, INTEGER, "train.batch", batch, "1024", 2, 1048576, "codes", STEP_JOBS, SHAPES,                             \
        "codes in a batch, over all ranks")                                                                            \
    KEY(in, INTEGER, "train.micro_batches", micro_batches, "1", 1, 65536, "batches", STEP_JOBS, SHAPES,                \
        "batches, one after the other, whose mean gradient makes one step")                                            \
    KEY(in, INTEGER, "train.steps", steps, "3000", 1, 1e9, "steps", STEP_JOBS, SHAPES, "length of training")           \
    KEY(in, REAL, "train.rate", rate, "5e-6", 0, 1e6, STEP_JOBS, SHAPES,                                               \
        "Adam's learning rate: maps go as far as rate times steps; the default is for train.steps=3000")               \
    KEY(in, CHOICE, "train.rate_scale", rate_scale, rate_scale, RATE_SCALES, "none", STEP_JOBS, SHAPES,                \
        "what train.rate becomes for k times train.rate_batch codes in a step: it stays, or is multiplied by the "     \
        "root "                                                                                                        \
        "of k, or by k")                                                                                               \
    KEY(in, INTEGER, "train.rate_batch", rate_batch, "1024", 1, 1e12, "codes", STEP_JOBS, SHAPES,                      \
        "train.rate_scale: codes in a step for which train.rate is meant")                                             \
    KEY(in, CHOICE, "train.schedule", schedule, schedule, SCHEDULES, "cosine", STEP_JOBS, SHAPES,                      \
        "rate after the warm-up: constant, or falling along half a cosine to the last step")                           \
    KEY(in, INTEGER, "train.warmup", warmup, "50", 0, 1e9, "steps", STEP_JOBS, SHAPES,                                 \
        "the rate rises linearly so long")                                                                             \
    KEY(in, REAL, "train.rate_end", rate_end, "0", 0, 1, JOB_TRAIN, SHAPES,                                            \
        "cosine: share of the rate at the last step")                                                                  \
    KEY(in, REAL, "train.beta1", beta1, "0.9", 0, 0.999999, JOB_TRAIN, SHAPES, "Adam's decay of the mean")             \
    KEY(in, REAL, "train.beta2", beta2, "0.95", 0, 0.999999, JOB_TRAIN, SHAPES, "Adam's decay of the square")          \
    KEY(in, REAL, "train.epsilon", epsilon, "1e-8", 1e-30, 1, JOB_TRAIN, SHAPES, "Adam's epsilon")                     \
    KEY(in, REAL, "train.weight_decay", weight_decay, "0", 0, 1e6, STEP_JOBS, SHAPES,                                  \
        "decoupled decay, times the rate, of weight matrices; biases, norms, codebook and node vectors do not decay")  \
    KEY(in, REAL, "train.clip", clip, "1", 0, 1e12, STEP_JOBS, SHAPES, "largest norm of the gradient; 0: no limit")    \
    KEY(in, REAL, "train.max_loss", max_loss, "1e6", 0, 1e300, JOB_TRAIN, LEAVES,                                      \
        "a loss term beyond this stops the job: training diverges; 0: no limit")                                       \
    KEY(in, REAL, "train.max_length", max_length, "1e4", 0, 1e300, JOB_TRAIN, LEAVES,                                  \
        "vectors to quantise whose root mean square of lengths is beyond this stop the job likewise; 0: no limit")     \
    KEY(in, REAL, "train.average", average, "0", 0, 0.999999, STEP_JOBS, SHAPES,                                       \
        "decay of the moving average of all parameters, which tokenize then uses; 0: none")                            \
    KEY(in, CHOICE, "train.partition", partition, partition, PARTITIONS, "auto", STEP_JOBS, SHAPES,                    \
        "which codes share a rank: neighbours in the input, by chance, or those that share nodes of the graph (needs " \
        "METIS); auto: graph, or in a build without METIS block")                                                      \
    KEY(in, INTEGER, "train.checkpoint_every", checkpoint_every, "500", 0, 1e9, "steps", JOB_TRAIN, LEAVES,            \
        "0: only at the end")                                                                                          \
    KEY(in, INTEGER, "train.keep", keep, "2", 1, 1000, "checkpoints", JOB_TRAIN, LEAVES,                               \
        "checkpoints kept while training")                                                                             \
    KEY(in, INTEGER, "train.log_every", log_every, "10", 1, 1e9, "steps", JOB_TRAIN, LEAVES,                           \
        "steps between log lines")                                                                                     \
    KEY(in, CHOICE, "train.resume", resume, resume, RESUMES, "auto", JOB_TRAIN, LEAVES,                                \
        "auto: go on from the newest checkpoint of the same training")                                                 \
    KEY(in, REAL, "train.holdout", holdout, "0", 0, 0.5, JOB_TRAIN, SHAPES,                                            \
        "share of the codes that training never draws, by (seed, code)")                                               \
    KEY(in, INTEGER, "train.eval_every", eval_every, "0", 0, 1e9, "steps", JOB_TRAIN, LEAVES,                          \
        "steps between quality measures of held-out codes, also at the end; 0: none")                                  \
    KEY(in, INTEGER, "train.eval_codes", eval_codes, "4096", 2, 1048576, "codes", JOB_TRAIN, LEAVES,                   \
        "at most so many held-out codes are measured")                                                                 \
    KEY(in, INTEGER, "train.patience", patience, "0", 0, 1e9, "evaluations", JOB_TRAIN, SHAPES,                        \
        "so many in a row without a better first measure end the training, whose best weights are kept; 0: never")
struct train_options {
    TRAIN_OPTIONS(OPTION_MEMBER, )
};

/* The partition that is meant: auto is graph where the program was built with METIS, else block. */
enum partition train_partition(const struct train_options *options);

/* STATUS_USAGE if there is to be an evaluation, but of no codes, patience without evaluations, or a partition by a METIS that is
 * not there. */
int train_options_check(const struct train_options *options);

#endif
