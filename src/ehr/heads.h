/* From a sample's vector to each task's logits, and the loss: binary cross-entropy of a label, the mean of it over the classes of a set,
 * or softmax cross-entropy of a class. Of several tasks the loss is the mean.
 *
 *   logit = W_task h + b_task          W ~ N(0, 0.02^2); b: what gives train's shares, untrained
 */
#ifndef MEDTOK_EHR_HEADS_H
#define MEDTOK_EHR_HEADS_H

#include "ehr/batch.h"
#include "nn/parameters.h"

struct ehr_heads {
    const struct ehr_data *data; /* borrowed */
    struct linear_map *maps;     /* [n_tasks], owned */
};

/* Adds the parameters head.TASK.weight and .bias, before parameter_set_allocate. */
int ehr_heads_add(struct ehr_heads *heads, struct parameter_set *set, const struct ehr_data *data, int64_t width);
void ehr_heads_free(struct ehr_heads *heads);

/* First biases; after parameter_set_initialize. */
int ehr_heads_start(const struct ehr_heads *heads, struct device *device);

/* Logits of a task: [n, ehr_task_outputs] */
struct var *ehr_heads_logits(const struct ehr_heads *heads, struct tape *tape, int64_t task, struct var *h);

/* The loss of a batch whose tasks have total[n_tasks] samples on all ranks; added to `loss`. Ends the tape. */
void ehr_heads_loss(const struct ehr_heads *heads, struct tape *tape, const struct ehr_batch *batch, struct var *h,
                    const int64_t *total, dev_real loss);

#endif
