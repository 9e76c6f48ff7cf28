/* Whether tokens are any good, measured without a loss or a label. Each measure comes with a bootstrap interval
 * (measure/bootstrap.h) over codes, or over pairs of codes.
 *
 * A code's token set is the set of (group, token) of its four groups; an absent group adds nothing. The overlap of two sets is
 * Jaccard's: size of the intersection over size of the union.
 *
 *   usage, perplexity   of a region of the codebook: share of its rows that some code picks; exp of the entropy of the picks
 *   entropy             of the picks of a group, in bits
 *   duplicates          share of codes whose token set is that of another code; the same counting only those that thereby
 *                       equal a code with another description; number of distinct token sets
 *   sibling overlap     mean overlap of each code that has siblings (codes of its system with the same parent, as far as
 *                       its string tells: terms/code_hierarchy.h) with one of them, drawn by (seed, code); beside the
 *                       mean overlap with another code of its system, drawn likewise; their difference and ratio
 *   cross-modal         mean overlap of a code's shared-text tokens with its own shared-graph tokens; beside that with the
 *                       shared-graph tokens of another code; their difference and ratio
 *   neighbour recall    of each query (a code with KG links, measure/code_links.h): found / min(links, 50), where `found` of
 *                       its linked codes are among the 50 codes nearest to it by the cosine of embeddings, of all other
 *                       codes with a graph; beside what 50 codes drawn by chance would find; and the ratio. The same of the links by
 *                       a node that both list, which the nodes alone tell, and of those by an edge alone
 */
#ifndef MEDTOK_MEASURE_QUALITY_H
#define MEDTOK_MEASURE_QUALITY_H

#include <stdio.h>

#include "base/json.h"
#include "measure/bootstrap.h"
#include "measure/code_keys.h"
#include "measure/token_groups.h"

enum quality_measure {
    QUALITY_USAGE_TEXT,
    QUALITY_USAGE_GRAPH,
    QUALITY_USAGE_SHARED,
    QUALITY_PERPLEXITY_TEXT,
    QUALITY_PERPLEXITY_GRAPH,
    QUALITY_PERPLEXITY_SHARED,
    QUALITY_ENTROPY, /* four: one a group */
    QUALITY_DUPLICATES = QUALITY_ENTROPY + N_GROUPS,
    QUALITY_DUPLICATES_OTHER_TEXT,
    QUALITY_DISTINCT_SETS,
    QUALITY_SIBLING_OVERLAP,
    QUALITY_SIBLING_RANDOM,
    QUALITY_SIBLING_DIFFERENCE,
    QUALITY_SIBLING_RATIO,
    QUALITY_CROSS_MODAL_OWN,
    QUALITY_CROSS_MODAL_OTHER,
    QUALITY_CROSS_MODAL_DIFFERENCE,
    QUALITY_CROSS_MODAL_RATIO,
    QUALITY_NEIGHBOUR_RECALL,
    QUALITY_NEIGHBOUR_CHANCE,
    QUALITY_NEIGHBOUR_DIFFERENCE,
    QUALITY_NEIGHBOUR_RATIO,
    QUALITY_NODE_RECALL, /* links by a node in common, four as above; then links by an edge alone, four */
    QUALITY_EDGE_RECALL = QUALITY_NODE_RECALL + 4,
    N_QUALITY_MEASURES = QUALITY_EDGE_RECALL + 4
};

/* Links of a code to others: all; those to codes that list a node which it lists; those by an edge alone. */
enum link_kind { LINKS_ALL, LINKS_SAME_NODE, LINKS_EDGE, N_LINK_KINDS };

/* Of a query and each kind of its links: found / min(links, NEIGHBOURS), and what that would be on average if NEIGHBOURS of the other
 * candidates were drawn by chance. NaN: it has no links of the kind. */
struct neighbour_recall {
    double found[N_LINK_KINDS], chance[N_LINK_KINDS];
};

struct quality {
    struct estimate measures[N_QUALITY_MEASURES];
};

/* The tokens of n codes, in the order of keys->n = n codes. */
struct quality_tokens {
    int64_t n, top_k, codebook_size;
    struct region regions[N_GROUPS];
    const int32_t *tokens; /* [n, 4, K], each in 0 .. codebook_size-1, or the whole group -1 */
};

enum { QUALITY_TOKEN_BOOTSTRAPS = 4 }; /* that quality_measure_tokens runs, for a caller who shows progress */

/* Collective; every rank passes the same. Sets all measures but those of neighbours. */
int quality_measure_tokens(struct quality *quality, const struct bootstrap *bootstrap,
                           const struct quality_tokens *tokens, const struct code_keys *keys);

/* Collective; every rank passes the same. recall [n]: of the queries (measure/neighbours.h). */
int quality_measure_neighbours(struct quality *quality, const struct bootstrap *bootstrap, int64_t n,
                               const struct neighbour_recall *recall);

/* A table to read: value, interval, from how many codes or pairs; or why there is no value. */
void quality_print(FILE *out, const struct quality *quality);

/* The name of a measure in JSON, and why it has no value where it has none. */
const char *quality_name(enum quality_measure measure);
const char *quality_reason(enum quality_measure measure);

/* The measures as members of the object that is open: "NAME": {"value": V, "low": L, "high": H, "n": N}, ... and
 * "value": null with a "reason" where a measure cannot be formed. */
void quality_write_json(struct json *json, const struct quality *quality);

/* The main measures in one line of text. */
void quality_summarize(const struct quality *quality, char *text, size_t size);

#endif
