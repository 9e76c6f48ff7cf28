/* What tokens are: picks of rows of the codebook, in four groups, each with rows of its own or shared. */
#ifndef MEDTOK_MEASURE_TOKEN_GROUPS_H
#define MEDTOK_MEASURE_TOKEN_GROUPS_H

#include <stdint.h>

/* The four token groups, in the order of the table. */
enum token_group { TEXT_SPECIFIC, GRAPH_SPECIFIC, SHARED_TEXT, SHARED_GRAPH, N_GROUPS };

/* Candidate rows of the codebook: first .. last-1. */
struct region {
    int64_t first, last;
};

#endif
