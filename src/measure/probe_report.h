/* What probe found, one question after the other: a table to read and JSON. */
#ifndef MEDTOK_MEASURE_PROBE_REPORT_H
#define MEDTOK_MEASURE_PROBE_REPORT_H

#include <stdio.h>

#include "base/json.h"
#include "measure/bootstrap.h"
#include "measure/probe_question.h"

enum { PROBE_MOST_METRICS = 32, PROBE_MOST_SPACES = 32, PROBE_MOST_PAIRS = 16, PROBE_MOST_TOKENS = 64 };

/* Two spaces that are compared: the first less the second, in the same resamples. */
struct space_pair {
    int a, b;
};

/* The figures of one question. */
struct probe_result {
    char name[QUESTION_NAME_BYTES];
    enum question_kind kind;
    int64_t n_queries, n_units;
    int64_t n_candidates; /* of QUESTION_LINEAR: codes learned from; of QUESTION_DISTANCE: pairs */
    int n_metrics;
    char metric[PROBE_MOST_METRICS][QUESTION_NAME_BYTES];
    double seen[PROBE_MOST_METRICS]; /* probe_question_seen */
    int is_of_hierarchy; /* asks for classes or distances, and the training's graph had the parents of codes (graph.hierarchy) */
    struct estimate spaces[PROBE_MOST_SPACES][PROBE_MOST_METRICS];
    struct estimate pairs[PROBE_MOST_PAIRS][PROBE_MOST_METRICS];
    struct estimate curve[PROBE_MOST_TOKENS][PROBE_MOST_METRICS]; /* by the first 1, 2, ... tokens */
};

struct probe_report {
    int n_spaces, n_pairs, n_curve;
    const char *space[PROBE_MOST_SPACES]; /* names: embedding, tokens, frozen_text, ... */
    struct space_pair pairs[PROBE_MOST_PAIRS];
    int64_t n_results;
    struct probe_result *results; /* [n_results] */
};

void probe_report_print(FILE *out, const struct probe_report *report);

/* As the member "probes" of the object that is open: an object a question, in it "queries", and "candidates" or "learned_from" or "pairs",
 * "units", "seen": {METRIC: ..}, "of_hierarchy", "figures": {SPACE: {METRIC: {"value": ..}}},
 * "differences": {"A - B": ..}, "curve": {METRIC: [{"tokens": 1, ..}, ..]}. */
void probe_report_write_json(struct json *json, const struct probe_report *report);

/* Means of values[n_metrics, n] of queries with an interval by resampling units (unit [n], 0 .. n_units - 1): whole categories, whose
 * codes are much alike. NaN: the query has no value. Collective. */
int probe_estimate(const struct bootstrap *bootstrap, int64_t n, const int32_t *unit, int64_t n_units, int n_metrics,
                   const double *values, struct estimate *estimates);

#endif
