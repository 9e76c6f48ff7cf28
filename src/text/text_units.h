/* The plan of all ranks' rows: each plans the codes of its run of the vocabulary (text/text_encoder.h), and together they number the
 * distinct texts and words as one rank would that plans all. Then each gets what the texts and words hold that it computes. No rank
 * holds more than its share of the descriptions, of the dictionaries, of the index, and of the texts that it computes.
 */
#ifndef MEDTOK_TEXT_TEXT_UNITS_H
#define MEDTOK_TEXT_TEXT_UNITS_H

#include "dist/shared_numbers.h"
#include "text/text_encoder.h"

struct shared_plan {
    int64_t n_codes, n_units, n_rows, n_tokens; /* of all ranks */
    int64_t n_nodes;                            /* of the graph, whose names have rows; 0: they have none */
    int64_t first_code, first_token;            /* of this rank's */
    int64_t first_node;
    struct text_plan own; /* of its codes and nodes: token_offsets, token_row and node_row are those of the file */
    struct shared_numbers kinds[TEXT_MOST_KINDS];
    int64_t kind_first[TEXT_MOST_KINDS]; /* the first unit of each kind */
    /* Parts that are computed at once: units part_unit[p] .. part_unit[p + 1] - 1, from row part_row[p] on, behind so much work. [n_parts + 1] */
    int64_t n_parts, *part_unit, *part_row, *part_cost;
};

/* Collective. Plans the descriptions of the vocabulary at `path`, with_nodes also the names of its nodes, and cuts parts of n_batches batches of at most batch_cost each. Free in any
 * case. */
int shared_plan_make(struct shared_plan *plan, const struct comm *comm, const char *path, struct text_encoder *encoder,
                     int with_nodes, int64_t batch_cost, int64_t n_batches);
void shared_plan_free(struct shared_plan *plan);

/* Collective, before units are dealt. work [n_parts]: what computing each part takes, in units of its own: tokens, where rows are made by products.
 * The own plan may be gone. */
int text_units_work(const struct shared_plan *plan, const struct comm *comm, const struct text_encoder *encoder,
                    int64_t *work);

/* Runs of the parts for the ranks, with about as much work each; rank_of_part [n_parts]: -1 for those that are done. */
void text_units_share(int64_t n_parts, const int64_t *work, const int64_t *done, int n_ranks, int32_t *rank_of_part);

/* Collective. What the units of the parts p with rank_of_part[p] == the own rank hold. The encoder's dictionaries go: what was planned is dealt. */
int text_units_deal(struct text_units *units, const struct comm *comm, const struct shared_plan *plan,
                    struct text_encoder *encoder, const int32_t *rank_of_part);

#endif
