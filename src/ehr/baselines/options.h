/* Baselines: settings baseline.*. */
#ifndef MEDTOK_EHR_BASELINES_OPTIONS_H
#define MEDTOK_EHR_BASELINES_OPTIONS_H

#include "config/options.h"

#define BASELINE_MODELS(CHOICE) CHOICE(BASELINE_LOGISTIC, "logistic") CHOICE(BASELINE_TREES, "xgboost")
enum baseline_model { BASELINE_MODELS(OPTION_CHOICE_NUMBER) };

#define BASELINE_VALUES(CHOICE) CHOICE(VALUES_ONE_HOT, "one-hot") CHOICE(VALUES_COUNTS, "counts")
enum baseline_values { BASELINE_VALUES(OPTION_CHOICE_NUMBER) };

#define BASELINE_MEASURES(CHOICE) CHOICE(CHOOSE_AVERAGE_PRECISION, "average_precision") CHOICE(CHOOSE_AUROC, "auroc")
enum baseline_measure { BASELINE_MEASURES(OPTION_CHOICE_NUMBER) };

#define BASELINE_SCORED(CHOICE) CHOICE(BASELINE_TUNING, "tuning") CHOICE(BASELINE_HELD_OUT, "held_out")
enum baseline_scored { BASELINE_SCORED(OPTION_CHOICE_NUMBER) };

#define BASELINE_OPTIONS(KEY, in)                                                                                      \
    KEY(in, TEXT, "baseline.task", task, "", JOB_BASELINE, LEAVES,                                                     \
        "task of the cohort whose samples are learned and scored; empty: its only one")                                \
    KEY(in, CHOICE, "baseline.model", model, baseline_model, BASELINE_MODELS, "logistic", JOB_BASELINE, LEAVES,        \
        "logistic regression with an L2 penalty, or gradient-boosted trees by the library XGBoost")                    \
    KEY(in, LIST, "baseline.features", features, "names", JOB_BASELINE, NULL,                                          \
        "columns: codes, hierarchy (ancestors of codes), words (of their descriptions), age, sex; empty: codes, age, " \
        "sex")                                                                                                         \
    KEY(in, CHOICE, "baseline.values", values, baseline_values, BASELINE_VALUES, "one-hot", JOB_BASELINE, LEAVES,      \
        "whether a history has a code, or how often")                                                                  \
    KEY(in, INTEGER, "baseline.min_count", min_count, "1", 1, 1e9, "samples", JOB_BASELINE, LEAVES,                    \
        "a column is left out if fewer samples that are learned from have it")                                         \
    KEY(in, PATH, "baseline.vocabulary", vocabulary, "", JOB_BASELINE, 0, "vocabulary",                                \
        "vocabulary.h5 with descriptions, for words")                                                                  \
    KEY(in, LIST, "baseline.strengths", strengths, "numbers", JOB_BASELINE, NULL,                                      \
        "logistic: values of C, of which tuning chooses; the smaller, the stronger the penalty; empty: 0.001, 0.003, " \
        "0.01, 0.03, 0.1, 0.3, 1, 3, 10")                                                                              \
    KEY(in, REAL, "baseline.tolerance", tolerance, "1e-4", 1e-12, 1, JOB_BASELINE, LEAVES,                             \
        "logistic: length of the gradient at which a fit ends, which no weight is farther from its optimum")           \
    KEY(in, INTEGER, "baseline.iterations", iterations, "1000", 1, 1e6, "iterations", JOB_BASELINE, LEAVES,            \
        "logistic: at most so many a fit")                                                                             \
    KEY(in, LIST, "baseline.depths", depths, "numbers", JOB_BASELINE, NULL,                                            \
        "xgboost: depths of trees, of which tuning chooses; empty: 3, 6")                                              \
    KEY(in, LIST, "baseline.rates", rates, "numbers", JOB_BASELINE, NULL,                                              \
        "xgboost: learning rates, of which tuning chooses; empty: 0.1, 0.3")                                           \
    KEY(in, LIST, "baseline.rounds", rounds, "numbers", JOB_BASELINE, NULL,                                            \
        "xgboost: numbers of trees, ascending, of which tuning chooses; empty: 25, 50, 100, 200")                      \
    KEY(in, PATH, "baseline.xgboost", xgboost, "", JOB_BASELINE, 0, "library",                                         \
        "xgboost: the library's file; empty: libxgboost.so where the system looks for libraries")                      \
    KEY(in, CHOICE, "baseline.choose", choose, baseline_measure, BASELINE_MEASURES, "average_precision", JOB_BASELINE, \
        LEAVES, "score on tuning by which these are chosen")                                                           \
    KEY(in, LIST, "baseline.shots", shots, "numbers", JOB_BASELINE, NULL,                                              \
        "few-shot: so many samples of each class from train, and as many from tuning (EHRSHOT: 1, 2, 4, 8, 12, 16, "   \
        "24, 32, 48, 64, 128)")                                                                                        \
    KEY(in, LIST, "baseline.rows", rows, "numbers", JOB_BASELINE, NULL,                                                \
        "learning curve: so many samples of train, tuning whole")                                                      \
    KEY(in, INTEGER, "baseline.replicates", replicates, "5", 1, 1000, "draws", JOB_BASELINE, LEAVES,                   \
        "draws for each of the two; all samples of train are learned from once, in any case")                          \
    KEY(in, CHOICE, "baseline.score", score, baseline_scored, BASELINE_SCORED, "held_out", JOB_BASELINE, LEAVES,       \
        "split that is scored; tuning, while settings are chosen, leaves held_out unseen")                             \
    KEY(in, INTEGER, "baseline.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_BASELINE, LEAVES,              \
        "bootstrap resamples of subjects behind each interval")                                                        \
    KEY(in, INTEGER, "baseline.shown", shown, "10", 0, 1e6, "columns", JOB_BASELINE, LEAVES,                           \
        "logistic: the largest weights that are written with the scores")                                              \
    KEY(in, PATH, "baseline.matrix", matrix, "", 0, JOB_BASELINE, "matrix",                                            \
        "file for the samples as rows of columns and values, for other programs; empty: none")
struct baseline_options {
    BASELINE_OPTIONS(OPTION_MEMBER, )
};

#endif
