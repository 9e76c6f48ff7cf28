/* Models of health records: settings ehr.*. Their training has settings of its own, since one file of settings serves the
 * tokenizer's training too. */
#ifndef MEDTOK_EHR_OPTIONS_H
#define MEDTOK_EHR_OPTIONS_H

#include "config/options.h"

/* The models, once: NUMBER gives the name in settings, and src/ehr/models/ defines NUMBER_MODEL (ehr/models.h). */
#define EHR_MODELS(CHOICE)                                                                                             \
    CHOICE(EHR_BEHRT, "behrt")                                                                                         \
    CHOICE(EHR_TRANSFORMEHR, "transformehr")                                                                           \
    CHOICE(EHR_ETHOS, "ethos")                                                                                         \
    CHOICE(EHR_ETHOS_PROBE, "ethos-probe")                                                                             \
    CHOICE(EHR_GT_BEHRT, "gt-behrt")                                                                                   \
    CHOICE(EHR_MULT_EHR, "mult-ehr")                                                                                   \
    CHOICE(EHR_MEDTOK_TRANSFORMER, "medtok-transformer")
enum ehr_model_number { EHR_MODELS(OPTION_CHOICE_NUMBER) N_EHR_MODELS };

#define EHR_SIZES(CHOICE) CHOICE(SIZE_SMALL, "small") CHOICE(SIZE_PUBLISHED, "published")
enum ehr_size_number { EHR_SIZES(OPTION_CHOICE_NUMBER) N_EHR_SIZES };

#define EHR_VISITS(CHOICE) CHOICE(VISITS_DAYS, "days") CHOICE(VISITS_ADMISSIONS, "admissions")
enum ehr_visits { EHR_VISITS(OPTION_CHOICE_NUMBER) };

#define EHR_ARMS(CHOICE)                                                                                               \
    CHOICE(ARM_BASE, "base")                                                                                           \
    CHOICE(ARM_HIERARCHY, "hierarchy")                                                                                 \
    CHOICE(ARM_MEDTOK_INIT, "medtok-init")                                                                             \
    CHOICE(ARM_MEDTOK_FROZEN, "medtok-frozen")                                                                         \
    CHOICE(ARM_MEDTOK_TOKENS, "medtok-tokens")                                                                         \
    CHOICE(ARM_RANDOM_FROZEN, "random-frozen")                                                                         \
    CHOICE(ARM_SHUFFLED, "shuffled") CHOICE(ARM_TEXT_ONLY, "text-only") CHOICE(ARM_GRAPH_ONLY, "graph-only")
enum ehr_arm { EHR_ARMS(OPTION_CHOICE_NUMBER) N_EHR_ARMS };

#define EHR_SCORED(CHOICE) CHOICE(SCORED_TUNING, "tuning") CHOICE(SCORED_HELD_OUT, "held_out")
enum ehr_scored { EHR_SCORED(OPTION_CHOICE_NUMBER) };

#define EHR_AGES(CHOICE) CHOICE(AGE_YEARS, "years") CHOICE(AGE_MONTHS, "months")
enum ehr_age { EHR_AGES(OPTION_CHOICE_NUMBER) };

#define EHR_PREDICTIONS(CHOICE) CHOICE(PREDICTIONS_CSV, "csv") CHOICE(PREDICTIONS_PARQUET, "parquet")
enum ehr_predictions { EHR_PREDICTIONS(OPTION_CHOICE_NUMBER) };

#define EHR_WEIGHTS(CHOICE) CHOICE(WEIGHTS_KEEP, "keep") CHOICE(WEIGHTS_DROP, "drop")
enum ehr_weights { EHR_WEIGHTS(OPTION_CHOICE_NUMBER) };

#define EHR_OPTIONS(KEY, in)                                                                                           \
    KEY(in, TEXT, "ehr.task", task, "", JOB_EVALUATE, LEAVES,                                                          \
        "task of the cohort whose samples are learned and scored; empty: its only one")                                \
    KEY(in, CHOICE, "ehr.model", model, ehr_model_number, EHR_MODELS, "behrt", JOB_EVALUATE, SHAPES,                   \
        "what learns the task: src/ehr/models/ has a file for each, with its formula")                                 \
    KEY(in, LIST, "ehr.also", also, "tasks", JOB_EVALUATE, NULL,                                                       \
        "further tasks that are learned beside ehr.task, from train; their scores are not made")                       \
    KEY(in, CHOICE, "ehr.size", size, ehr_size_number, EHR_SIZES, "small", JOB_EVALUATE, SHAPES,                       \
        "what ehr.dim, layers, heads, inner, dropout stand for where they are left open")                              \
    KEY(in, CHOICE, "ehr.visits", visits, ehr_visits, EHR_VISITS, "days", JOB_EVALUATE, SHAPES,                        \
        "what a visit is: a day with events, or an admission (and a day outside any)")                                 \
    KEY(in, INTEGER, "ehr.train_samples", train_samples, "0", 0, 1e12, "samples", JOB_EVALUATE, SHAPES,                \
        "so many samples of train are learned from; 0: all")                                                           \
    KEY(in, INTEGER, "ehr.shots", shots, "0", 0, 1e9, "samples", JOB_EVALUATE, SHAPES,                                 \
        "so many samples of each class, of train and of tuning, are learned from; 0: all")                             \
    KEY(in, INTEGER, "ehr.pretrain_steps", pretrain_steps, "0", 0, 1e9, "steps", JOB_EVALUATE, SHAPES,                 \
        "the model's own pre-training on the histories of train goes before; 0: none")                                 \
    KEY(in, REAL, "ehr.pretrain_rate", pretrain_rate, "5e-4", 0, 1e6, JOB_EVALUATE, SHAPES,                            \
        "Adam's learning rate in it; it falls along half a cosine to its last step")                                   \
    KEY(in, CHOICE, "ehr.embedding", arm, ehr_arm, EHR_ARMS, "base", JOB_EVALUATE, SHAPES,                             \
        "rows of medical codes: base, a trained table; hierarchy, with rows of their ancestors; from files.table "     \
        "medtok-init, medtok-frozen, medtok-tokens; controls random-frozen, shuffled, text-only (which reads "         \
        "files.text), graph-only")                                                                                     \
    KEY(in, LIST, "ehr.outcome", outcome, "outcomes", JOB_EVALUATE, NULL,                                              \
        "ethos: what a future must hold: admission, death, death-in-stay, icu, or beginnings of codes; empty: as the " \
        "task's name tells")                                                                                           \
    KEY(in, REAL, "ehr.horizon", horizon, "0", 0, 1e5, JOB_EVALUATE, LEAVES,                                           \
        "ethos: within so many days; 0: as the task's name tells, else 730")                                           \
    KEY(in, INTEGER, "ehr.futures", futures, "20", 1, 1024, "futures", JOB_EVALUATE, LEAVES,                           \
        "ethos: futures of a sample; its score is the share of them with the outcome")                                 \
    KEY(in, INTEGER, "ehr.min_count", min_count, "1", 1, 1e9, "samples", JOB_EVALUATE, SHAPES,                         \
        "a code without a vector is missing if fewer samples of train have it")                                        \
    KEY(in, INTEGER, "ehr.max_length", max_length, "512", 8, 65536, "tokens", JOB_EVALUATE, SHAPES,                    \
        "the last so many tokens of a history are read")                                                               \
    KEY(in, CHOICE, "ehr.age", age, ehr_age, EHR_AGES, "years", JOB_EVALUATE, SHAPES, "in what age is counted")        \
    KEY(in, INTEGER, "ehr.dim", dim, "0", 0, 65536, "values", JOB_EVALUATE, SHAPES,                                    \
        "width of the model; 0: as ehr.size says")                                                                     \
    KEY(in, INTEGER, "ehr.layers", layers, "0", 0, 64, "layers", JOB_EVALUATE, SHAPES, "layers; 0: as ehr.size says")  \
    KEY(in, INTEGER, "ehr.heads", heads, "0", 0, 256, "heads", JOB_EVALUATE, SHAPES,                                   \
        "heads of attention; 0: as ehr.size says")                                                                     \
    KEY(in, INTEGER, "ehr.inner", inner, "0", 0, 1048576, "values", JOB_EVALUATE, SHAPES,                              \
        "width inside a block's feed-forward part, of mult-ehr that of a node's features; 0: as ehr.size says")        \
    KEY(in, REAL, "ehr.dropout", dropout, "-1", -1, 0.95, JOB_EVALUATE, SHAPES,                                        \
        "dropout in the model; -1: as ehr.size says")                                                                  \
    KEY(in, REAL, "ehr.position_scale", position_scale, "-1", -1, 1e6, JOB_EVALUATE, SHAPES,                           \
        "fixed positions, sinusoids, times this; rows of codes are 0.02 at first; -1: as ehr.size says")               \
    KEY(in, INTEGER, "ehr.batch", batch, "64", 1, 1048576, "samples", JOB_EVALUATE, SHAPES,                            \
        "samples in a batch, over all ranks")                                                                          \
    KEY(in, INTEGER, "ehr.steps", steps, "1000", 1, 1e9, "steps", JOB_EVALUATE, SHAPES, "length of training, at most") \
    KEY(in, REAL, "ehr.rate", rate, "5e-4", 0, 1e6, JOB_EVALUATE, SHAPES,                                              \
        "Adam's learning rate; it falls along half a cosine to the last step")                                         \
    KEY(in, INTEGER, "ehr.warmup", warmup, "100", 0, 1e9, "steps", JOB_EVALUATE, SHAPES,                               \
        "the rate rises linearly so long")                                                                             \
    KEY(in, REAL, "ehr.weight_decay", weight_decay, "0.01", 0, 1e6, JOB_EVALUATE, SHAPES,                              \
        "decoupled decay, times the rate, of weight matrices and rows of codes")                                       \
    KEY(in, REAL, "ehr.max_loss", max_loss, "1e6", 0, 1e300, JOB_EVALUATE, LEAVES,                                     \
        "a loss beyond this stops the job: training diverges; 0: no limit")                                            \
    KEY(in, REAL, "ehr.average", average, "0", 0, 0.999999, JOB_EVALUATE, SHAPES,                                      \
        "decay of the moving average of all parameters, which is then scored; 0: none")                                \
    KEY(in, INTEGER, "ehr.eval_every", eval_every, "50", 1, 1e9, "steps", JOB_EVALUATE, SHAPES,                        \
        "steps between scores of the split tuning: the weights with its best average precision are kept")              \
    KEY(in, INTEGER, "ehr.patience", patience, "10", 1, 1e9, "evaluations", JOB_EVALUATE, SHAPES,                      \
        "so many in a row without a better average precision end the training")                                        \
    KEY(in, CHOICE, "ehr.score", score, ehr_scored, EHR_SCORED, "held_out", JOB_EVALUATE, LEAVES,                      \
        "split that is scored at the end; tuning, while settings are chosen, leaves held_out unseen")                  \
    KEY(in, INTEGER, "ehr.seeds", seeds, "1", 1, 1000, "seeds", JOB_EVALUATE, LEAVES,                                  \
        "trainings, with the seeds from run.seed on")                                                                  \
    KEY(in, INTEGER, "ehr.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_EVALUATE, LEAVES,                   \
        "bootstrap resamples of subjects behind each interval")                                                        \
    KEY(in, CHOICE, "ehr.predictions", predictions, ehr_predictions, EHR_PREDICTIONS, "csv", JOB_EVALUATE, LEAVES,     \
        "form of the predictions; of parquet, meds-evaluation reads the file as it is")                                \
    KEY(in, PATH, "ehr.python", python, "", JOB_EVALUATE, 0, "python",                                                 \
        "Python with pyarrow, which writes Parquet; empty: what PYTHON in the environment names, or python3")          \
    KEY(in, INTEGER, "ehr.log_every", log_every, "50", 1, 1e9, "steps", JOB_EVALUATE, LEAVES,                          \
        "steps between log lines")                                                                                     \
    KEY(in, INTEGER, "ehr.checkpoint_every", checkpoint_every, "1000", 0, 1e9, "steps", JOB_EVALUATE, LEAVES,          \
        "0: only at the end")                                                                                          \
    KEY(in, LIST, "ehr.grid.models", grid_models, "models", JOB_EVALUATE, NULL,                                        \
        "a grid: each of these in place of ehr.model")                                                                 \
    KEY(in, LIST, "ehr.grid.arms", grid_arms, "arms", JOB_EVALUATE, NULL,                                              \
        "a grid: each of these in place of ehr.embedding, in the order in which they are shown")                       \
    KEY(in, LIST, "ehr.grid.tasks", grid_tasks, "tasks", JOB_EVALUATE, NULL,                                           \
        "a grid: each of these in place of ehr.task")                                                                  \
    KEY(in, LIST, "ehr.grid.samples", grid_samples, "numbers, or all", JOB_EVALUATE, NULL,                             \
        "a grid: so many samples of train in place of ehr.train_samples")                                              \
    KEY(in, LIST, "ehr.grid.shots", grid_shots, "numbers", JOB_EVALUATE, NULL,                                         \
        "a grid: so many samples of each class in place of ehr.shots, beside those of ehr.grid.samples")               \
    KEY(in, LIST, "ehr.grid.settings", grid_settings, "MODEL.KEY=VALUE", JOB_EVALUATE, NULL,                           \
        "what a model's trainings have otherwise, in all arms alike: behrt.rate=1e-4 is ehr.rate of behrt")            \
    KEY(in, LIST, "ehr.grid.rates", grid_rates, "numbers", JOB_EVALUATE, NULL,                                         \
        "a grid: ehr.rate of each model, task and number of samples, in all arms alike, is the one of these with "     \
        "which base has the best average precision on tuning, mean over seeds; ehr.pretrain_rate is not chosen")       \
    KEY(in, INTEGER, "ehr.grid.ranks", grid_ranks, "0", 0, 1e6, "ranks", JOB_EVALUATE, LEAVES,                         \
        "ranks that share a training, while others train beside them; 0: one, or more where there are fewer "          \
        "trainings "                                                                                                   \
        "than ranks")                                                                                                  \
    KEY(in, CHOICE, "ehr.weights", weights, ehr_weights, EHR_WEIGHTS, "keep", JOB_EVALUATE, LEAVES,                    \
        "whether a model that is scored stays on the disk")                                                            \
    KEY(in, PATH, "ehr.report", report, "", 0, JOB_EVALUATE, "evaluation", "what is printed, as Markdown; empty: none")
struct ehr_options {
    EHR_OPTIONS(OPTION_MEMBER, )
};

#endif
