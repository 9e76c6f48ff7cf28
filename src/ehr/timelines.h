/* The timelines of a batch, one after the other: the input that sequence models share. */
#ifndef MEDTOK_EHR_TIMELINES_H
#define MEDTOK_EHR_TIMELINES_H

#include "ehr/batch.h"
#include "ehr/code_rows.h"
#include "ehr/timeline.h"

/* Zeroed it is empty; it is reused. */
struct timelines {
    /* on the host, by timelines_make */
    int64_t n;                     /* tokens */
    struct timeline_token *tokens; /* [n], owned; may be changed before they are packed */
    long long capacity;
    int64_t *offsets; /* [samples + 1], owned */
    long long offsets_capacity;
    struct visits visits; /* of the sample that was made last */
    struct timeline timeline;
    int32_t *token; /* [n], memory for timelines_pack */
    long long token_capacity;
    /* on the device, by timelines_pack and pack_send */
    struct segments rows;   /* a segment a sample; keys: numbers of the samples */
    struct code_list codes; /* of all tokens */
    dev_int age, visit;     /* [n] as in struct timeline_token */
    dev_int visit_parity;   /* [n] visit modulo 2 */
    dev_int first;          /* [samples] row of CLS */
};

/* Makes the timelines of batch->which, each of options->max_length tokens at most. */
int timelines_make(struct timelines *timelines, const struct ehr_batch *batch, const struct ehr_options *options);

/* Packs them. */
int timelines_pack(struct timelines *timelines, struct pack *pack, const struct ehr_batch *batch,
                   const struct code_rows *codes);
void timelines_free(struct timelines *timelines);

#endif
