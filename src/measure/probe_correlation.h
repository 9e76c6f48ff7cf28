/* How alike two codes are in a space, against how far apart they stand in their hierarchy (measure/probe_hierarchy.h): Spearman's rank
 * correlation over pairs, with an interval by resampling whole categories of codes. A space that knows the hierarchy has -1. */
#ifndef MEDTOK_MEASURE_PROBE_CORRELATION_H
#define MEDTOK_MEASURE_PROBE_CORRELATION_H

#include "measure/bags.h"
#include "measure/bootstrap.h"
#include "measure/probe_question.h"
#include "measure/vector_search.h"

/* likeness [n_pairs] of the pairs of a question: the cosine of vectors (the mean of those of the parts that both have), NaN where
 * there is none; */
void likeness_of_vectors(const struct probe_question *question, const struct vector_rows *rows, double *likeness);

/* and the weighted overlap of bags, sum of min(a, b) / sum of max(a, b) over items with the weights of each bag summing to 1 (Ruzicka;
 * Jaccard's of sets where all weights are equal), NaN where one is empty. */
void likeness_of_bags(const struct probe_question *question, const struct bags *bags, double *likeness);

/* What is resampled together: the category of each query, since the codes of one are much alike. */
struct query_units {
    int64_t n;
    const int32_t *of_query; /* [n_queries] 0 .. n - 1 */
};

/* Collective. estimates [n] of likeness [n, n_pairs], n <= BOOTSTRAP_MOST_RESULTS; equal values have the mean of their ranks, and pairs
 * with NaN are left out. A pair counts in a resample as often as its unit does, one of two units as often as the product of theirs. */
int correlate_with_distance(const struct bootstrap *bootstrap, const struct probe_question *question,
                            const struct query_units *units, int n, const double *likeness, struct estimate *estimates);

/* Collective. The same of the difference of two spaces' correlations, both over the pairs that have a likeness in both. */
int correlation_difference(const struct bootstrap *bootstrap, const struct probe_question *question,
                           const struct query_units *units, const double *a, const double *b,
                           struct estimate *estimate);

#endif
