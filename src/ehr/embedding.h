/* Rows for tokens: what a model's arm is (settings ehr.embedding). Special tokens, a missing code among them, and codes with a row of
 * their own have learned rows in each arm.
 *
 *   random          E[token], trained; all codes have rows of their own
 *   medtok-init     the same, but that rows of codes with a vector start as R z: z the code's vector in MedTok's table, standardised
 *                   (ehr/medtok_vectors.h), R fixed, random, so that values are as large as those of random
 *   medtok-frozen   W z + b for codes with a vector, W and b trained
 *   random-frozen   the same with normal random vectors of that length for z: what projection and number of parameters alone bring
 */
#ifndef MEDTOK_EHR_EMBEDDING_H
#define MEDTOK_EHR_EMBEDDING_H

#include "ehr/batch.h"
#include "nn/parameters.h"

/* First values of the models here are N(0, 0.02^2) (Devlin et al., 2019). */
#define EHR_INIT 0.02

/* What the rows of codes are made from; borrowed. */
struct embedding_source {
    enum ehr_arm arm;
    int64_t n_own;            /* codes with a row of their own */
    int64_t n_vectors, width; /* codes with a vector */
    const float *vectors;     /* [n_vectors, width]; NULL in arms that read none */
};

struct embedding {
    struct embedding_source source;
    struct parameter
        *table; /* [special tokens, codes with a row of their own, in medtok-init those with a vector; dim] */
    struct parameter *vectors; /* frozen [n_vectors, width]; NULL where no map is trained */
    struct linear_map projection;
};

/* Adds the parameters, before parameter_set_allocate. */
void embedding_add(struct embedding *embedding, struct parameter_set *set, const struct embedding_source *source,
                   int64_t dim);

/* What first values the vectors give; after parameter_set_initialize with the same seed. */
int embedding_start(const struct embedding *embedding, struct device *device, uint64_t seed);

/* The rows of a batch's tokens: [tokens, dim] */
struct var *embedding_rows(const struct embedding *embedding, struct tape *tape, const struct ehr_batch *batch);

#endif
