/* Codes as weighted bags of items: their tokens, the nodes that they list, the beginnings of their strings. */
#ifndef MEDTOK_MEASURE_BAGS_H
#define MEDTOK_MEASURE_BAGS_H

#include <stdint.h>

struct bags {
    int64_t n, n_items;
    int64_t *offsets; /* [n + 1] */
    int32_t *items;   /* of bag i items[offsets[i] .. offsets[i + 1]), ascending, each once; 0 .. n_items - 1 */
    float *weights;   /* above 0; each bag of norm 1 */
    long long item_capacity, weight_capacity;
};

/* An empty collection of n_items items; bags_add appends a bag of items[count], in any order, whose weights are summed where one comes
 * twice (those that are not above 0 are left out). The arrays are sorted in place. */
int bags_make(struct bags *bags, int64_t n, int64_t n_items);
int bags_add(struct bags *bags, int64_t count, int32_t *items, float *weights);
void bags_free(struct bags *bags);

/* Tokens of n codes: tokens, weights [n, groups, top_k], -1 where a group is absent. Of each code the first `most` tokens count that it
 * has: the nearest row of each group, then the second of each, and so on. Token t of group g is item group_first[g] + t. */
struct token_bags {
    int64_t n, n_items, top_k;
    int groups;
    const int32_t *tokens;
    const float *weights;
    const int64_t *group_first; /* [groups]; NULL: 0 for all, one codebook */
};
int bags_of_tokens(struct bags *bags, const struct token_bags *tokens, int64_t most);

#endif
