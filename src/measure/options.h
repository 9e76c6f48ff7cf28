/* What is measured: settings inspect.* (quality of tokens), probe.* (what a table knows), score.* (predictions). */
#ifndef MEDTOK_MEASURE_OPTIONS_H
#define MEDTOK_MEASURE_OPTIONS_H

#include "config/options.h"

#define INSPECT_OPTIONS(KEY, in)                                                                                       \
    KEY(in, INTEGER, "inspect.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_TRAIN | JOB_INSPECT, LEAVES,    \
        "bootstrap resamples behind each interval")                                                                    \
    KEY(in, INTEGER, "inspect.sample", sample, "2000", 1, 1e6, "codes", JOB_TRAIN | JOB_INSPECT, LEAVES,               \
        "codes whose nearest codes are compared with the knowledge graph, or with those of inspect.other")             \
    KEY(in, PATH, "inspect.other", other, "", JOB_INSPECT, 0, "table",                                                 \
        "table of another training: how alike do both tell the codes apart? Empty: not asked")
struct inspect_options {
    INSPECT_OPTIONS(OPTION_MEMBER, )
};

#define PROBE_OPTIONS(KEY, in)                                                                                         \
    KEY(in, LIST, "probe.maps", maps, "", JOB_PROBE, "maps",                                                           \
        "tables that map codes between systems, as cohort.maps, or names of drugs (of NDC and RxNorm, told by their "  \
        "descriptions): does a code find its equivalents?")                                                            \
    KEY(in, LIST, "probe.classes", classes, "", JOB_PROBE, "classes",                                                  \
        "classes of codes: chapters of ICD-10-CM (columns code_start, code_end), CCS tables; sections of ICD-10-PCS "  \
        "and levels of ATC are told by the codes")                                                                     \
    KEY(in, PATH, "probe.removed", removed, "", JOB_PROBE, 0, "removed",                                               \
        "edges that prepare removed (graph.removed): do the codes of one end find those of the other? Empty: not "     \
        "asked")                                                                                                       \
    KEY(in, INTEGER, "probe.queries", queries, "4000", 1, 1e7, "codes", JOB_PROBE, LEAVES,                             \
        "most codes that each question is asked of, drawn by run.seed")                                                \
    KEY(in, INTEGER, "probe.learned", learned, "4000", 20, 1e7, "codes", JOB_PROBE, LEAVES,                            \
        "most codes that each linear map is fitted to, drawn by run.seed; a quarter of the categories is held out")    \
    KEY(in, INTEGER, "probe.pairs", pairs, "4000", 1, 1e7, "pairs", JOB_PROBE, LEAVES,                                 \
        "most pairs of codes of a system whose likeness is set beside their distance in its hierarchy")                \
    KEY(in, INTEGER, "probe.neighbours", neighbours, "5", 1, 64, "codes", JOB_PROBE, LEAVES,                           \
        "nearest codes outside a code's category that have a vote on its class")                                       \
    KEY(in, INTEGER, "probe.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_PROBE, LEAVES,                    \
        "bootstrap resamples of categories behind each interval")                                                      \
    KEY(in, PATH, "probe.report", report, "results/probe.json", JOB_EXPORT | JOB_REPORT, JOB_PROBE, "probe",           \
        "all figures as JSON")
struct probe_options {
    PROBE_OPTIONS(OPTION_MEMBER, )
};

#define SCORE_CLASSES(CHOICE) CHOICE(CLASSES_ONE, "one") CHOICE(CLASSES_ANY, "any")
enum score_classes { SCORE_CLASSES(OPTION_CHOICE_NUMBER) };

#define SCORE_OPTIONS(KEY, in)                                                                                         \
    KEY(in, PATH, "score.predictions", predictions, "", JOB_SCORE, 0, "predictions",                                   \
        "predictions of a binary task as meds-evaluation lays them out: subject_id, prediction_time, boolean_value, "  \
        "predicted_boolean_probability and, if you like, predicted_boolean_value; CSV, TSV, gzip or Parquet. Or of "   \
        "many classes, as "                                                                                            \
        "baseline writes them: subject_id, prediction_time, classes, and a column of scores for each class; CSV, TSV " \
        "or gzip")                                                                                                     \
    KEY(in, PATH, "score.against", against, "", JOB_SCORE, 0, "predictions",                                           \
        "other predictions of the same samples, for the paired difference")                                            \
    KEY(in, PATH, "score.tuning", tuning, "", JOB_SCORE, 0, "predictions",                                             \
        "predictions of validation samples, on which the threshold of F1 is chosen")                                   \
    KEY(in, PATH, "score.against_tuning", against_tuning, "", JOB_SCORE, 0, "predictions",                             \
        "the same of the other predictions")                                                                           \
    KEY(in, CHOICE, "score.classes", classes, score_classes, SCORE_CLASSES, "one", JOB_SCORE, LEAVES,                  \
        "classes that a sample has where there are many: one of them, or any number")                                  \
    KEY(in, PATH, "score.report", report, "results/score.json", 0, JOB_SCORE, "score",                                 \
        "scores, intervals and differences as JSON")                                                                   \
    KEY(in, PATH, "score.meds", meds, "", 0, JOB_SCORE, "meds-scores",                                                 \
        "scores as meds-evaluation's JSON; empty: none")                                                               \
    KEY(in, LIST, "score.shots", shots, "TASK:K=FILE", JOB_SCORE, NULL,                                                \
        "predictions of the models trained on K shots (or all) of EHRSHOT's tasks, for the leaderboard; several of a " \
        "task and K are replicates")                                                                                   \
    KEY(in, PATH, "score.leaderboard", leaderboard, "", 0, JOB_SCORE, "leaderboard",                                   \
        "scores of score.shots as the CSV that EHRSHOT's leaderboard takes; empty: none")                              \
    KEY(in, TEXT, "score.model", model, "MedTok", JOB_SCORE, LEAVES, "name of the model on the leaderboard")           \
    KEY(in, INTEGER, "score.resamples", resamples, "1000", 20, 1e6, "resamples", JOB_SCORE, LEAVES,                    \
        "bootstrap resamples of subjects behind each interval")                                                        \
    KEY(in, PATH, "score.python", python, "", JOB_SCORE, 0, "python",                                                  \
        "Python with pyarrow, which reads Parquet; empty: what PYTHON in the environment names, or python3")
struct score_options {
    SCORE_OPTIONS(OPTION_MEMBER, )
};

#endif
