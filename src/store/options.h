/* The files of all jobs: settings files.*. Relative paths are relative to the working directory. */
#ifndef MEDTOK_STORE_OPTIONS_H
#define MEDTOK_STORE_OPTIONS_H

#include "config/options.h"

#define FILE_OPTIONS(KEY, in)                                                                                          \
    KEY(in, LIST, "files.codes", codes, "", JOB_PREPARE | JOB_SYNTH, "codes",                                          \
        "code tables, TSV or CSV, plain or gzip; columns system, code, description, nodes or MedTok's own")            \
    KEY(in, PATH, "files.graph", graph, "", JOB_PREPARE | JOB_TOKENIZE, 0, "graph",                                    \
        "knowledge graph, PrimeKG's kg.csv, plain or gzip")                                                            \
    KEY(in, PATH, "files.vocabulary", vocabulary, "results/vocabulary.h5",                                             \
        JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_LOOKUP | JOB_VERIFY | JOB_INSPECT | JOB_PROBE | JOB_BENCH |        \
            JOB_SYNTH | JOB_REPORT | JOB_QA_LINK | JOB_QA_TRAIN | JOB_QA,                                              \
        JOB_PREPARE, "vocabulary", "codes and subgraphs")                                                              \
    KEY(in, PATH, "files.text", text, "results/text.h5", MODEL_JOBS | JOB_EVALUATE | JOB_PROBE | JOB_REPORT,           \
        JOB_ENCODE, "text", "text features")                                                                           \
    KEY(in, PATH, "files.checkpoint", checkpoint, "results/checkpoint.h5", JOB_TOKENIZE | JOB_EXPORT | JOB_REPORT,     \
        JOB_TRAIN, "checkpoint", "trained model")                                                                      \
    KEY(in, PATH, "files.table", table, "results/table.h5",                                                            \
        JOB_LOOKUP | JOB_EXPORT | JOB_VERIFY | JOB_INSPECT | JOB_PROBE | JOB_EVALUATE | JOB_REPORT | JOB_QA_COSINE |   \
            JOB_QA_PREFIX | JOB_QA_TRAIN | JOB_QA,                                                                     \
        JOB_TOKENIZE, "table", "token table")                                                                          \
    KEY(in, PATH, "files.cohort", cohort, "results/cohort.h5", JOB_EVALUATE | JOB_BASELINE | JOB_EXPLAIN | JOB_REPORT, \
        JOB_COHORT, "cohort", "subjects, their events, and the samples of tasks")                                      \
    KEY(in, PATH, "files.export", export_folder, "results/export", 0, JOB_EXPORT, "export",                            \
        "folder for exported files")                                                                                   \
    KEY(in, PATH, "files.hugging_face", hugging_face, "", 0, JOB_EXPORT, "hugging-face",                               \
        "folder that export hf makes for transformers of Hugging Face; empty: that named behind hf")                   \
    KEY(in, PATH, "files.metrics", metrics, "", JOB_REPORT, JOB_TRAIN, "metrics",                                      \
        "metrics, one JSON object a step; empty: beside the checkpoint, ending in .jsonl")                             \
    KEY(in, PATH, "files.scores", scores, "results/scores.json", JOB_REPORT, JOB_EVALUATE | JOB_BASELINE, "scores",    \
        "scores of a model of health records as JSON; beside it, for each seed, its predictions (.csv), the model "    \
        "(.h5) and the metrics of its training (.jsonl); of a baseline its predictions (.csv)")                        \
    KEY(in, PATH, "files.report", report, "", JOB_REPORT, JOB_INSPECT, "report",                                       \
        "quality measures as JSON; empty: beside the table, ending in .quality.json")
struct file_options {
    FILE_OPTIONS(OPTION_MEMBER, )
};

#endif
