/* Made-up numbers for tests and measurements: functions of a stream and a position, so that every run has the same. */
#ifndef MEDTOK_KERNELS_CASES_NUMBERS_H
#define MEDTOK_KERNELS_CASES_NUMBERS_H

#include <stdint.h>

/* What streams are for. OPERANDS and beyond: one for each operand of a call. */
enum number_stream {
    GRAPH_LENGTHS,
    TEXT_LENGTHS,
    SOURCES,
    NODES,
    WORDS,
    POSITIONS,
    PICKS,
    WEIGHTS,
    FEATURES,
    OPERANDS
};

/* One of 0 .. n-1; n > 0 */
int64_t number_pick(int64_t n, uint64_t stream, int64_t i);
/* Uniform in -1 .. 1, in steps of 2^-23, which float32 has exactly. */
double number_uniform(uint64_t stream, int64_t i);
/* Roughly normal, of variance 1. */
float number_normal(uint64_t stream, int64_t i);
/* A length of 1 .. 2 mean - 1, `mean` on average. */
int64_t number_length(int64_t mean, uint64_t stream, int64_t i);

/* Edge e of a graph of n nodes and n_edges edges goes from *source to *target; targets ascend, and each node has its share. */
void number_edge(int64_t n, int64_t n_edges, int64_t e, int64_t *source, int64_t *target);

#endif
