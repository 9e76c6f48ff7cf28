/* Rows for tokens: what a model's arm is (settings ehr.embedding). Special tokens, a missing code among them, and codes that are no
 * medical ones (sex, kind of admission) have a learned row E[t] in each arm. Medical codes c (terms/meds_code.h) have:
 *
 *   base            E[c]                                    the model as published; a code that train has too seldom is missing
 *   hierarchy       sum over a of A[a]                      a: c and its ancestors, as far as train has them (ehr/code_paths.h)
 *   medtok-init     E[c]                                    first values R z_c
 *   medtok-frozen   W z_c + b                               z_c: c's vector in MedTok's table
 *   medtok-tokens   sum over p of w_p U[t_p]                t_p, w_p: c's 4 x K tokens and weights there, the graph's times the table's
 *                                                           graph_weight, as in z_c; first values of U from the codebook: R u_t
 *   random-frozen   W r_c + b                               r_c normal: what the map and its number of parameters bring
 *   shuffled        W z_s(c) + b                            s: a permutation of the codes of each system, by chance: the vectors without
 *                                                           what they mean
 *   text-only       W S x_c + b                             x_c: mean of the text encoder's features of c's description
 *   graph-only      W S g_c + b                             g_c: the graph-specific part of z_c
 *
 * E, A, U, W and b are learned; z, r, x, g and R, S are not. z, x and g are what ehr/arms.h makes of them: off their mean over the
 * codes of train, of mean squared length 1 there. S brings them to the width of z, so that W is as large in all arms: its rows or
 * columns are orthonormal. E and W are N(0, 0.02^2) at first, R too, and A and U are scaled, so that rows of all arms are as large.
 *
 * Codes that train never saw: base, random-frozen: missing. hierarchy: the rows of those ancestors that train has. All others: their
 * own vector or tokens. Arms that read a table give a code that it lacks what its nearest ancestor there has.
 */
#ifndef MEDTOK_EHR_CODE_ROWS_H
#define MEDTOK_EHR_CODE_ROWS_H

#include "ehr/options.h"
#include "loader/pack.h"
#include "nn/parameters.h"

/* First values of the models here are N(0, 0.02^2) (Devlin et al., 2019). */
#define EHR_INIT 0.02

/* How an arm makes the rows of codes. */
enum rows_shape { ROWS_OF_TABLE, ROWS_OF_MAP, ROWS_OF_BAGS };
enum rows_shape arm_rows_shape(enum ehr_arm arm);

/* Bags of rows of a table: code i is the sum of table[row[p]] times weight[p], p = offsets[i] .. offsets[i + 1] - 1. */
struct code_bags {
    int64_t n_rows; /* of the table */
    int64_t n_items;
    int64_t top_k;    /* items of a group, which stand side by side: medtok-tokens; 0: there are no groups */
    int64_t *offsets; /* [n + 1] owned, as all here */
    int32_t *row;     /* [n_items] */
    float *weight;    /* [n_items] */
    int64_t width;
    float *vectors; /* [n_rows, width]: rows are R times these at first; NULL: normal, .. */
    double std;     /* .. of this standard deviation */
};
void code_bags_free(struct code_bags *bags);

/* What the rows of codes are made from; borrowed. */
struct code_rows_source {
    enum ehr_arm arm;
    int64_t n_own;                /* codes with a row of their own */
    int64_t n_vectors, width;     /* codes with a vector, or a bag; width of vectors */
    int64_t n_train_vectors;      /* of them those that train has, which come first */
    const float *vectors;         /* [n_vectors, width]; NULL: none, or in random-frozen normal ones */
    const int32_t *system;        /* [n_vectors] in shuffled: codes of one number change places */
    const struct code_bags *bags; /* of n_vectors codes, in hierarchy and medtok-tokens */
};

struct code_rows {
    struct code_rows_source source;
    int64_t dim;
    struct parameter
        *table; /* [special tokens, codes with a row of their own, of ROWS_OF_TABLE those with a vector; dim] */
    struct parameter *vectors; /* ROWS_OF_MAP: frozen [n_vectors, width] */
    struct linear_map map;     /* likewise */
    struct parameter *bag;     /* ROWS_OF_BAGS: [bags->n_rows, dim] */
};

/* Adds the parameters, before parameter_set_allocate; rows->source is set before. Once for each model. */
void code_rows_add(struct code_rows *rows, struct parameter_set *set, int64_t dim);

/* What first values the vectors give; after parameter_set_initialize with the same seed. */
int code_rows_start(const struct code_rows *rows, struct device *device, uint64_t seed);

/* Values that are learned, of the model's parameters. */
int64_t code_rows_learned(const struct code_rows *rows);

/* Tokens of which the device shall make rows. Of the codes with a vector each is made once, however often it stands in the list. */
struct code_list {
    int64_t n;
    dev_int learned; /* [n] row of the table, or -1 */
    dev_int made;    /* [n] which of the codes below, or -1 */
    int64_t n_made;
    dev_int vector;  /* [n_made] numbers of vectors: ROWS_OF_MAP */
    struct bag bags; /* of n_made codes: ROWS_OF_BAGS */
};

/* Packs a list of token[n], a host array that is read at once. The list must stay where it is until the pack is sent. */
int code_list_pack(struct code_list *list, struct pack *pack, const struct code_rows *rows, int64_t n,
                   const int32_t *token);

/* Their rows: [n, dim] */
struct var *code_rows_look_up(const struct code_rows *rows, struct tape *tape, const struct code_list *list);

/* One behind the tokens of train: what pre-training may be asked to tell. Codes behind it are those of other splits alone. */
int64_t code_rows_in_train(const struct code_rows *rows);

/* The table whose row t is that of token t, for all tokens, in arms that have one (base, medtok-init), so that outputs may be tied to it;
 * else NULL: a model then has an output matrix of its own [ehr_data.n_rows, dim]. */
struct parameter *code_rows_table(const struct code_rows *rows);

#endif
