/* Neighbour recall (measure/quality.h): whether the codes that the knowledge graph links are near each other by embedding.
 *
 * Queries are compared with all codes that have a graph, which come in blocks, so that no rank holds all embeddings. Ranks
 * share the queries in blocks of fixed size, and a block is computed alike by any rank: the result is the same for any
 * number of ranks.
 */
#ifndef MEDTOK_MEASURE_NEIGHBOURS_H
#define MEDTOK_MEASURE_NEIGHBOURS_H

#include "dist/comm.h"
#include "kernels.h"
#include "measure/code_links.h"
#include "measure/quality.h"

enum { NEIGHBOURS = 50, NEIGHBOUR_BLOCK = 4096 };

/* queries: at most `most` codes with links, drawn by (seed, code), in ascending order; the caller frees. */
int neighbour_queries(const struct code_links *links, uint64_t seed, int64_t most, int64_t **queries,
                      int64_t *n_queries);

struct neighbour {
    real cosine;
    int32_t code;
};

struct neighbour_search {
    const struct comm *comm;
    struct device *device;
    int64_t width, n_queries, n_candidates;
    const int64_t *queries; /* [n_queries] borrowed */
    real *host;             /* [NEIGHBOUR_BLOCK, width] rows of norm 1 on their way to the device, and scores back */
    dev_real rows;          /* [n_queries, width] the queries, of norm 1 */
    dev_real candidates, score; /* a block of candidates; cosines of a block of queries with them */
    struct neighbour *best;     /* [n_queries, NEIGHBOURS] of this rank's queries, nearest first */
};

/* rows [n_queries, width]: embeddings of the queries. */
int neighbour_search_make(struct neighbour_search *search, const struct comm *comm, struct device *device,
                          int64_t width, int64_t n_queries, const int64_t *queries, const float *rows);
void neighbour_search_free(struct neighbour_search *search);

/* Adds the next n <= NEIGHBOUR_BLOCK candidates: codes[n] in ascending order, embeddings rows [n, width]. All ranks add
 * the same blocks. Of equally near candidates the first counts as nearer. */
int neighbour_search_add(struct neighbour_search *search, int64_t n, const int64_t *codes, const float *rows);

/* Collective. recall [n_queries]: of each query. All linked codes must have been candidates. */
int neighbour_search_recall(struct neighbour_search *search, const struct code_links *links,
                            struct neighbour_recall *recall);

/* Collective. codes [n_queries, k], k <= NEIGHBOURS: those nearest to each query, nearest first; -1 behind the last. */
int neighbour_search_nearest(const struct neighbour_search *search, int k, int32_t *codes);

#endif
