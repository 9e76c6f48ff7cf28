/* Diseases that the knowledge graph defines: the codes that have one node in common. */
#ifndef MEDTOK_SYNTH_GRAPH_GROUPS_H
#define MEDTOK_SYNTH_GRAPH_GROUPS_H

#include "synth/catalogue.h"

/* Makes at most `most` groups, numbered from `first`, of codes that are in no group yet; number[v][i] is the given code behind code i
 * of version v. Nodes are tried in a random order; one serves if it leaves between 3 and 300 codes of either version. How many groups
 * were made comes in *n. */
int graph_groups_make(struct synth_codes diagnosis[N_ICD], const int64_t *const number[N_ICD],
                      const struct synth_given_codes *given, int32_t first, int32_t most, int64_t seed, int32_t *n);

#endif
