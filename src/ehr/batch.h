/* Samples side by side on the device, as a model reads them. Device memory of a pack (loader/pack.h). */
#ifndef MEDTOK_EHR_BATCH_H
#define MEDTOK_EHR_BATCH_H

#include "ehr/data.h"
#include "loader/pack.h"
#include "nn/layers.h"

struct ehr_batch {
    int64_t n;
    struct segments tokens; /* a segment a sample; keys: numbers of the samples */
    struct segments each;   /* one row a sample */
    /* [tokens.rows.n_rows] */
    dev_int token;   /* as in struct sample_set */
    dev_int learned; /* the token, if its row is learned; else -1 */
    dev_int vector;  /* number of the code's vector; -1: it has none */
    dev_int age;     /* class */
    dev_int visit;   /* its number; visit_parity: modulo 2 */
    dev_int visit_parity;
    /* [n] */
    dev_int first; /* row of CLS */
    dev_int label;
    uint32_t step; /* of dropout */
};

/* Packs samples which[n] of a set; pack_send sends it. `batch` must stay where it is until then. */
int ehr_batch_pack(struct ehr_batch *batch, struct pack *pack, const struct sample_set *set, int64_t n,
                   const int64_t *which);

#endif
