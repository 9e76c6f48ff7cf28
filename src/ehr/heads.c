#include "ehr/heads.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "ehr/code_rows.h"

int ehr_heads_add(struct ehr_heads *heads, struct parameter_set *set, const struct ehr_data *data, int64_t width) {
    *heads = (struct ehr_heads){.data = data};
    TRY(mem_alloc(&heads->maps, data->n_tasks, sizeof *heads->maps));
    for (int64_t t = 0; t < data->n_tasks; t++) {
        const struct ehr_task *task = &data->tasks[t];
        int64_t n = ehr_task_outputs(task);
        heads->maps[t].weight = parameter_add(set, n, width, (struct init){.normal = EHR_INIT}, PARAMETER_DECAYS,
                                              "head.%s.weight", task->name);
        heads->maps[t].bias = parameter_add(set, 1, n, (struct init){0}, 0, "head.%s.bias", task->name);
    }
    return STATUS_OK;
}

void ehr_heads_free(struct ehr_heads *heads) {
    free(heads->maps);
    heads->maps = NULL;
}

/* What gives a share p alone: its logit, or the logarithm of a class's. Of a class that no or each sample of train has: as if half of
 * one sample more had it, or had it not. */
static double bias_of(const struct ehr_task *task, double p) {
    double least = 0.5 / (double)(task->samples[SPLIT_TRAIN] + 1);
    p = fmin(fmax(p, least), 1 - least);
    return task->form == LABEL_CLASS ? log(p) : log(p / (1 - p));
}

int ehr_heads_start(const struct ehr_heads *heads, struct device *device) {
    for (int64_t t = 0; t < heads->data->n_tasks; t++) {
        const struct ehr_task *task = &heads->data->tasks[t];
        int64_t n = ehr_task_outputs(task);
        real *bias;
        TRY(mem_alloc(&bias, n, sizeof *bias));
        for (int64_t k = 0; k < n; k++) bias[k] = (real)bias_of(task, task->prior[k]);
        device_upload_reals(device, heads->maps[t].bias->value, bias, n);
        device_synchronize(device);
        free(bias);
    }
    return STATUS_OK;
}

struct var *ehr_heads_logits(const struct ehr_heads *heads, struct tape *tape, int64_t task, struct var *h) {
    return linear_map_apply(tape, h, heads->maps[task]);
}

void ehr_heads_loss(const struct ehr_heads *heads, struct tape *tape, const struct ehr_batch *b, struct var *h,
                    const int64_t *total, dev_real loss) {
    const struct ehr_data *d = heads->data;
    for (int64_t t = 0; t < d->n_tasks; t++) {
        if (total[t] == 0) continue;
        const struct ehr_task *task = &d->tasks[t];
        double weight = 1 / ((double)total[t] * (double)d->n_tasks);
        if (task->form == LABEL_CLASS) {
            struct linear_map map = heads->maps[t];
            nn_cross_entropy(tape, h, parameter_var(tape, map.weight), parameter_var(tape, map.bias),
                             (struct cross_entropy){.scale = 1, .weight = weight, .target = b->labels[t]}, loss,
                             (dev_real){NULL});
        } else {
            weight /= (double)ehr_task_outputs(task);
            nn_bce(tape, ehr_heads_logits(heads, tape, t, h), (struct bce){.y = b->labels[t], .weight = weight}, loss);
        }
    }
}
