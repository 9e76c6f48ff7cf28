/* The input of GT-BEHRT (gt_behrt.c): the visits of a batch as graphs, and what pre-training hides of them.
 *
 * A visit is a graph of its own node (TOKEN_VISIT), the first, and one node for each of its codes; all see all, themselves too. The type
 * of an edge follows from the kinds of its ends:
 *
 *   diagnosis - diagnosis 0, drug - drug 1, procedure - procedure 2, diagnosis - drug 3, diagnosis - procedure 4, drug - procedure 5,
 *   the visit's own node with any 6, and, since cohorts have codes of other kinds: such a code with any code 7
 *
 * Of each sample the last MOST_VISITS visits are read, a visit of static codes counted among them; of these the last ehr.max_length codes
 * (static ones stay, up to half the length).
 */
#ifndef MEDTOK_EHR_MODELS_GT_BEHRT_INPUT_H
#define MEDTOK_EHR_MODELS_GT_BEHRT_INPUT_H

#include "ehr/models.h"

enum {
    MOST_VISITS = 50,
    N_NODE_KINDS = 5,
    N_EDGE_TYPES = 8,
    GRAPH_HEADS = 2,
    STATIC_TYPE = N_VISIT_KINDS, /* types of visits: enum visit_kind, static codes, */
    MASKED_TYPE,                 /* and one that is hidden */
    N_VISIT_TYPES,
    N_TOLD_TYPES = MASKED_TYPE,
    MOST_DAYS = 367 /* of a year, counted from 1; 0: not known */
};

/* Lists of integers of a batch. `asked`: the nodes whose last state is wanted: of each visit its own, then those that are masked. `row`:
 * of the sequences: of each sample CLS, then its visits. */
enum gt_list {
    NODE_TOKEN,     /* [nodes] */
    NODE_KIND,      /* [nodes] 0 .. N_NODE_KINDS - 1 */
    VISIT_NODES,    /* [visits + 1] first node of each */
    VISIT_KEY,      /* [visits] of random numbers */
    VISIT_TYPE,     /* [visits] */
    VISIT_POSITION, /* [visits] in its sample */
    VISIT_AGE,      /* [visits] class */
    VISIT_DAY,      /* [visits] of the year */
    ASKED_NODE,     /* [asked] */
    ASKED_KIND,     /* [asked] */
    ASKED_HEADS,    /* [asked + 1] multiples of GRAPH_HEADS */
    VISIT_ASKED,    /* [visits + 1] first asked node of each: its own */
    SAMPLE_NODES,   /* [samples + 1] first node of each */
    SAMPLE_ASKED,   /* [samples + 1] first asked node of each */
    SAMPLE_ROWS,    /* [samples + 1] first row of each: CLS */
    ROW_VISIT,      /* [rows] visit; -1: CLS */
    ROW_CLS,        /* [rows] 0: CLS; -1: a visit */
    MASKED_ASKED,   /* [masked codes] place in asked; what it is, row - TOKEN_FIRST_CODE */
    MASKED_CODE,
    MISSING_ROW, /* [codes that are left out] row of their visit; what they are */
    MISSING_CODE,
    TOLD_ROW, /* [hidden types] row of the visit; the type */
    TOLD_TYPE,
    EDGE_TYPES, /* [N_NODE_KINDS, N_NODE_KINDS] */
    N_GT_LISTS
};

/* Zeroed it is empty; it is reused. */
struct gt_input {
    /* on the host */
    struct gt_ints {
        int32_t *at; /* [n], owned */
        long long n, capacity;
    } list[N_GT_LISTS];
    struct visits visits;     /* of the sample that was made last */
    int64_t n_pairs, n_asked; /* pairs of nodes of one visit; and those whose one end is asked */
    /* on the device, when the pack is sent */
    dev_int on_device[N_GT_LISTS];
    struct code_list nodes;
};

static inline int64_t gt_length(const struct gt_input *input, enum gt_list list) { return input->list[list].n; }

/* What gt_input_pack reads of the model. */
struct gt_terms {
    const struct ehr_options *options;
    const struct code_rows *codes;
    uint64_t seed;
};

/* Makes and packs the input of a batch. STAGE_PRETRAIN hides: of codes with a row 15 in 100 are masked (the node stays, and its kind), 10 in
 * 100 are left out of the graph; of visits' types one half is masked. Which, follows from (seed, batch->step, sample, place). */
int gt_input_pack(struct gt_input *input, struct pack *pack, const struct ehr_batch *batch, enum ehr_stage stage,
                  const struct gt_terms *terms);
void gt_input_free(struct gt_input *input);

/* How many visits of a history are too many. */
int gt_count_dropped(struct visits *memory, const struct sample_history *history, const struct ehr_options *options,
                     int64_t *dropped);

#endif
