/* ETHOS's network, for its file and for generation (ethos_generate.c). */
#ifndef MEDTOK_EHR_MODELS_ETHOS_H
#define MEDTOK_EHR_MODELS_ETHOS_H

#include "ehr/models.h"
#include "ehr/models/ethos_outcome.h"
#include "nn/transformer.h"

struct ethos {
    const struct ehr_data *data;
    struct code_rows *codes;      /* borrowed; NULL: no code is a row of them */
    const struct code_bags *bags; /* borrowed; of medtok-tokens the codebook */
    struct ethos_vocabulary vocabulary;
    struct parameter *unit, *position;
    struct parameter *output; /* NULL: rows of `unit` */
    struct block_shape shape;
    struct block *blocks; /* [layers], owned */
    int64_t layers, dim, max_length;
    struct norm_map norm;
    uint64_t seed;
    /* of scores by generation (ethos_generate.h) */
    int64_t n_futures;
    struct ethos_outcome outcome;
};

/* Units in segments as the device reads them; device memory of a pack. */
struct ethos_units {
    struct segments segments;
    int64_t n_pairs;          /* of a unit and one that it sees */
    dev_int unit, position;   /* [rows]; unit -1: the row of a code */
    struct code_list codes;   /* [rows], or none */
    struct block_wanted last; /* without an index: the states of all units are wanted. Not filled by ethos_units_pack */
};

/* Packs the units of n segments, offsets [n + 1] from 0, at position[offsets[n]], with keys [n]; *codes, kept for the next pack: memory for as
 * many integers. */
struct ethos_packing {
    int32_t *token;
    long long capacity;
};
int ethos_units_pack(struct ethos_units *units, struct ethos_packing *packing, struct pack *pack,
                     const struct ethos *ethos, int64_t n, const int64_t *offsets, const int32_t *unit,
                     const int32_t *position, const int32_t *keys);

/* The hidden state behind the last norm: [rows, dim], or [n, dim] of the last unit of each segment if units->last is there. caches
 * [layers], or NULL. */
struct var *ethos_hidden(const struct ethos *ethos, struct tape *tape, const struct ethos_units *units, uint32_t step,
                         const struct kv_cache *caches);

/* The rows that the hidden state is multiplied with: [ethos_n_outputs, dim] */
struct var *ethos_outputs(const struct ethos *ethos, struct tape *tape);

#endif
