/* What stands above codes in their terminologies, as far as a vocabulary has it as nodes (graph.hierarchy): which codes have such a node in
 * common. A vocabulary without a hierarchy has none. */
#ifndef MEDTOK_MEASURE_CODE_ANCESTORS_H
#define MEDTOK_MEASURE_CODE_ANCESTORS_H

#include "store/vocabulary.h"

struct code_ancestors {
    int64_t n_codes, first_node, n_nodes; /* nodes of the hierarchy: first_node .. first_node + n_nodes - 1 */
    int64_t *offsets;                     /* [n_codes + 1] */
    int32_t *nodes;                       /* of each code, counted from first_node */
    int64_t *code_offsets;                /* [n_nodes + 1] */
    int32_t *codes;                       /* codes that have each node, ascending */
    long long capacity;
};

/* sizes: of the vocabulary, with n_codes codes. Free in any case. */
int code_ancestors_make(struct code_ancestors *ancestors, int64_t n_codes, const struct vocabulary *sizes);
void code_ancestors_free(struct code_ancestors *ancestors);

/* Adds the next codes, first to last, from a vocabulary with graphs; then code_ancestors_finish. */
int code_ancestors_add(struct code_ancestors *ancestors, const struct vocabulary *vocabulary);
int code_ancestors_finish(struct code_ancestors *ancestors);

/* Whether two codes have a node in common. */
int code_ancestors_share(const struct code_ancestors *ancestors, int64_t a, int64_t b);

#endif
