/* Neighbour recall (measure/quality.h): whether the codes that the knowledge graph links are near each other by embedding, among all
 * codes that have a graph. */
#ifndef MEDTOK_MEASURE_NEIGHBOURS_H
#define MEDTOK_MEASURE_NEIGHBOURS_H

#include "measure/code_links.h"
#include "measure/quality.h"
#include "measure/vector_search.h"

enum { NEIGHBOURS = 50 };

/* queries: at most `most` codes with links, drawn by (seed, code), in ascending order; the caller frees. */
int neighbour_queries(const struct code_links *links, uint64_t seed, int64_t most, int32_t **queries,
                      int64_t *n_queries);

/* Codes whose neighbours are looked for, and among which; all borrowed. */
struct neighbour_question {
    int64_t n_queries, n_codes;
    const int32_t *queries;      /* [n_queries] */
    const uint8_t *is_candidate; /* [n_codes] */
};

/* Collective. nearest [n_queries, k]: the k candidates nearest to each query, itself left out; -1 where there are no more. */
int neighbours_find(const struct comm *comm, struct device *device, const struct vector_source *source,
                    const struct neighbour_question *question, int k, struct near_candidate *nearest);

/* Collective. recall [n_queries]: of each query among its NEIGHBOURS nearest of the source. All linked codes must be candidates. */
int neighbours_recall(const struct comm *comm, struct device *device, const struct vector_source *source,
                      const struct neighbour_question *question, const struct code_links *links,
                      struct neighbour_recall *recall);

#endif
