/* Benchmarks: settings bench.*. */
#ifndef MEDTOK_BENCH_OPTIONS_H
#define MEDTOK_BENCH_OPTIONS_H

#include <stdint.h>

#include "base/string_list.h"

enum bench_data { BENCH_SYNTHETIC, BENCH_FILES };

struct bench_options {
    struct string_list items;
    enum bench_data data;
    int64_t repeats, queries, nodes, edges, tokens, graph_nodes;
    double seconds;
    char *json, *export_folder;
};

#endif
