/* How alike two tables say what they say, whatever numbers they give: of two trainings of the same codes, or of a training that went on from
 * the other (train.from). Rows are the codes that both have, in one order.
 *
 *   kept                of each group, share of the tokens of the second table that the first has for the same code: token numbers, which mean
 *                       the same in both only where one training went on from the other
 *   rand index          of the clusters of codes with the same first token of the group: adjusted for chance (Hubert and Arabie, 1985); 1 is the
 *                       same clusters under any numbers, 0 what chance gives
 *   overlap correlation of the group, Pearson's over near pairs of codes, of the weighted overlap of their tokens in the one table with that in
 *                       the other; the overlap is the cosine of the two bags of tokens, 1 for the same tokens with the same weights
 *   nearest             share of a code's NEAR nearest codes by the cosine of embeddings in the one table that are so in the other
 *
 * Near pairs are a query with each of its NEAR nearest in either table. A group counts where both tables have it. Intervals resample codes
 * (kept, rand index: two copies of one code are no pair) and queries.
 */
#ifndef MEDTOK_MEASURE_STABILITY_H
#define MEDTOK_MEASURE_STABILITY_H

#include <stdio.h>

#include "base/json.h"
#include "measure/bootstrap.h"
#include "measure/token_groups.h"

enum { STABILITY_NEAR = 10 };

struct stability {
    struct estimate kept[N_GROUPS], rand_index[N_GROUPS], overlap[N_GROUPS], nearest;
};

/* Of one table: tokens, weights [n, 4, K], -1 and 0 where a group is absent. */
struct stability_tokens {
    int64_t top_k, codebook_size;
    const int32_t *tokens;
    const float *weights;
};

/* Collective; every rank passes the same. Sets kept and rand_index; tables[0] is the one in hand, tables[1] the other. */
int stability_measure_tokens(struct stability *stability, const struct bootstrap *bootstrap, int64_t n,
                             const struct stability_tokens tables[2]);

/* Collective; every rank passes the same. Sets overlap and nearest. queries [n_queries]: rows; near[t] [n_queries, STABILITY_NEAR]: rows nearest
 * to each in table t, -1 behind the last. */
int stability_measure_pairs(struct stability *stability, const struct bootstrap *bootstrap,
                            const struct stability_tokens tables[2], int64_t n_queries, const int64_t *queries,
                            const int32_t *const near[2]);

void stability_print(FILE *out, const struct stability *stability);

/* As members of the object that is open. */
void stability_write_json(struct json *json, const struct stability *stability);

#endif
