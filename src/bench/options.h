/* Benchmarks: settings bench.*. */
#ifndef MEDTOK_BENCH_OPTIONS_H
#define MEDTOK_BENCH_OPTIONS_H

#include "config/options.h"

#define BENCH_DATA(CHOICE) CHOICE(BENCH_SYNTHETIC, "synthetic") CHOICE(BENCH_FILES, "files")
enum bench_data { BENCH_DATA(OPTION_CHOICE_NUMBER) };

#define BENCH_OPTIONS(KEY, in)                                                                                         \
    KEY(in, LIST, "bench.items", items, "names", JOB_BENCH, NULL,                                                      \
        "what to measure: primitives of kernels/kernels.h, and step, a whole training step; empty, or all: "           \
        "everything")                                                                                                  \
    KEY(in, INTEGER, "bench.repeats", repeats, "7", 1, 1000, "samples", JOB_BENCH, LEAVES,                             \
        "times that each item is measured; their median counts")                                                       \
    KEY(in, REAL, "bench.seconds", seconds, "0.5", 0, 3600, JOB_BENCH, LEAVES,                                         \
        "least time of all samples of an item together")                                                               \
    KEY(in, INTEGER, "bench.memory", memory, "0", 0, 65536, "MB", JOB_BENCH, LEAVES,                                   \
        "memory of an item's operands, all of which is used before any is used again; 0: twice the last cache, "       \
        "so that none is in it")                                                                                       \
    KEY(in, CHOICE, "bench.data", data, bench_data, BENCH_DATA, "synthetic", JOB_BENCH, LEAVES,                        \
        "what step trains on: made-up codes, or files.vocabulary and files.text")                                      \
    KEY(in, INTEGER, "bench.queries", queries, "0", 0, 16777216, "vectors", JOB_BENCH, LEAVES,                         \
        "vectors that the primitives of the quantiser work on; 0: train.batch")                                        \
    KEY(in, INTEGER, "bench.nodes", nodes, "31", 1, 32767, "nodes", JOB_BENCH, LEAVES,                                 \
        "made-up codes: mean nodes of a code")                                                                         \
    KEY(in, INTEGER, "bench.edges", edges, "167", 0, 1000000, "edges", JOB_BENCH, LEAVES,                              \
        "made-up codes: mean directed edges of a code")                                                                \
    KEY(in, INTEGER, "bench.tokens", tokens, "24", 1, 32767, "tokens", JOB_BENCH, LEAVES,                              \
        "made-up codes: mean tokens of a code's text")                                                                 \
    KEY(in, INTEGER, "bench.graph_nodes", graph_nodes, "129375", 1, 1e9, "nodes", JOB_BENCH, LEAVES,                   \
        "made-up codes: nodes of the knowledge graph")                                                                 \
    KEY(in, PATH, "bench.json", json, "results/bench.json", 0, JOB_BENCH, "benchmark", "what was measured, as JSON")   \
    KEY(in, PATH, "bench.export", export_folder, "", 0, JOB_BENCH, "arrays",                                           \
        "folder for the vectors, the codebook and the picks of quantize on rank 0, as raw arrays; empty: none")
struct bench_options {
    BENCH_OPTIONS(OPTION_MEMBER, )
};

#endif
