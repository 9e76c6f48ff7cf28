/* Rows for tokens: what a model's arm is (settings ehr.embedding). Special tokens, a missing code among them, and codes with a row of
 * their own have learned rows in each arm.
 *
 *   random          E[token], trained; all codes have rows of their own
 *   medtok-init     the same, but that rows of codes with a vector start as R z: z the code's vector in MedTok's table, standardised
 *                   (ehr/medtok_vectors.h), R fixed, random, so that values are as large as those of random
 *   medtok-frozen   W z + b for codes with a vector, W and b trained
 *   random-frozen   the same with normal random vectors of that length for z: what projection and number of parameters alone bring
 */
#ifndef MEDTOK_EHR_CODE_ROWS_H
#define MEDTOK_EHR_CODE_ROWS_H

#include "ehr/options.h"
#include "loader/pack.h"
#include "nn/parameters.h"

/* First values of the models here are N(0, 0.02^2) (Devlin et al., 2019). */
#define EHR_INIT 0.02

/* What the rows of codes are made from; borrowed. */
struct code_rows_source {
    enum ehr_arm arm;
    int64_t n_own;            /* codes with a row of their own */
    int64_t n_vectors, width; /* codes with a vector */
    const float *vectors;     /* [n_vectors, width]; NULL in arms that read none */
};

struct code_rows {
    struct code_rows_source source;
    int64_t dim;
    struct parameter
        *table; /* [special tokens, codes with a row of their own, in medtok-init those with a vector; dim] */
    struct parameter *vectors; /* frozen [n_vectors, width]; NULL where no map is trained */
    struct linear_map projection;
};

/* Adds the parameters, before parameter_set_allocate; rows->source is set before. Once for each model. */
void code_rows_add(struct code_rows *rows, struct parameter_set *set, int64_t dim);

/* What first values the vectors give; after parameter_set_initialize with the same seed. */
int code_rows_start(const struct code_rows *rows, struct device *device, uint64_t seed);

/* Tokens of which the device shall make rows. */
struct code_list {
    int64_t n;
    dev_int token;   /* [n] */
    dev_int learned; /* [n] the token, if its row is learned; else -1 */
    dev_int vector;  /* [n] number of the code's vector; -1: it has none */
};

/* Packs a list of token[n], a host array that is read at once. The list must stay where it is until the pack is sent. */
int code_list_pack(struct code_list *list, struct pack *pack, const struct code_rows *rows, int64_t n,
                   const int32_t *token);

/* Their rows: [n, dim] */
struct var *code_rows_look_up(const struct code_rows *rows, struct tape *tape, const struct code_list *list);

/* The table whose row t is that of token t, for all tokens, in arms that have one (random, medtok-init), so that outputs may be tied to it;
 * else NULL: a model then has an output matrix of its own [ehr_data.n_rows, dim]. */
struct parameter *code_rows_table(const struct code_rows *rows);

#endif
