/* Samples side by side on the device: what all models share. Device memory of a pack (loader/pack.h). */
#ifndef MEDTOK_EHR_BATCH_H
#define MEDTOK_EHR_BATCH_H

#include "ehr/data.h"
#include "loader/pack.h"
#include "nn/layers.h"

struct ehr_batch {
    int64_t n;
    const struct sample_set *set; /* samples which[n] of it: for a model's pack, on the host */
    const int64_t *which;
    struct segments each; /* one row a sample; keys: numbers of the samples */
    /* [n_tasks], device memory. LABEL_BINARY: [n], 1, 0; LABEL_SET: [n, n_classes], 1, 0; LABEL_CLASS: [n]. -1: of another task. */
    dev_int *labels;
    uint32_t step; /* of dropout, and of what pre-training hides */
    void *input;   /* of the model: struct ehr_model's input_bytes, filled by its pack */
};

/* Packs which[n] of a set, but for the model's input; pack_send sends it. batch->labels [data->n_tasks], batch->input are set before;
 * `batch` and what it points to must stay where they are until then. */
int ehr_batch_pack(struct ehr_batch *batch, struct pack *pack, const struct ehr_data *data,
                   const struct sample_set *set, int64_t n, const int64_t *which);

#endif
