#include "store/task_samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int task_samples_add(struct task_samples *t, const struct task_sample *sample, const int32_t *set) {
    TRY(mem_grow(&t->samples, &t->samples_capacity, t->n + 1, sizeof *t->samples));
    if (t->form == LABEL_SET && sample->label > 0) {
        TRY(mem_grow(&t->set, &t->set_capacity, t->n_set + sample->label, sizeof *t->set));
        memcpy(t->set + t->n_set, set, (size_t)sample->label * sizeof *set);
        t->n_set += sample->label;
    }
    t->samples[t->n++] = *sample;
    return STATUS_OK;
}

void task_samples_free(struct task_samples *t) {
    if (t->class_names)
        for (int32_t i = 0; i < t->n_classes; i++) free(t->class_names[i]);
    free(t->class_names);
    free(t->name);
    free(t->samples);
    free(t->set);
    *t = (struct task_samples){0};
}
