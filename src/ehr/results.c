/* In memory: what trainings share is kept once. The file is ehr/results_file.c's. */
#include "ehr/results.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void result_samples_free(struct result_samples *s) {
    if (!s) return;
    free(s->sample);
    free(s->subject);
    free(s->time);
    free(s->label);
    free(s->set_offsets);
    free(s->set);
    free(s->codes);
    free(s->unseen);
    free(s->frequency);
    free(s);
}

void result_free(struct result *r) {
    char *const texts[] = {r->name, r->task, r->model, r->arm, r->settings, r->key, r->failure};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
    free(r->curve_step);
    free(r->curve_precision);
    free(r->file);
    for (int s = 0; s < N_RESULT_SPLITS; s++) free(r->score[s]);
    *r = (struct result){0};
}

void results_free(struct results *r) {
    for (int64_t i = 0; i < r->n; i++) result_free(&r->trials[i]);
    for (int64_t i = 0; i < r->n_lists; i++) result_samples_free(r->lists[i]);
    free(r->trials);
    free(r->lists);
    *r = (struct results){0};
}

static int same(const void *a, const void *b, int64_t n, size_t size) {
    return n == 0 || memcmp(a, b, (size_t)n * size) == 0;
}

static int same_samples(const struct result_samples *a, const struct result_samples *b) {
    int64_t n = a->n;
    return a->form == b->form && a->n_classes == b->n_classes && n == b->n &&
           same(a->sample, b->sample, n, sizeof *a->sample) && same(a->subject, b->subject, n, sizeof *a->subject) &&
           same(a->time, b->time, n, sizeof *a->time) && same(a->label, b->label, n, sizeof *a->label) &&
           same(a->set_offsets, b->set_offsets, n + 1, sizeof *a->set_offsets) &&
           same(a->set, b->set, a->set_offsets[n], sizeof *a->set) && same(a->codes, b->codes, n, sizeof *a->codes) &&
           same(a->unseen, b->unseen, n, sizeof *a->unseen) &&
           same(a->frequency, b->frequency, n, sizeof *a->frequency);
}

int results_take_samples(struct results *r, struct result_samples *samples, int64_t *list) {
    for (*list = 0; *list < r->n_lists; (*list)++)
        if (same_samples(r->lists[*list], samples)) {
            result_samples_free(samples);
            return STATUS_OK;
        }
    int status = mem_grow(&r->lists, &r->lists_capacity, r->n_lists + 1, sizeof(struct result_samples *));
    if (status == STATUS_OK)
        r->lists[r->n_lists++] = samples;
    else
        result_samples_free(samples);
    return status;
}

int results_add(struct results *r, struct result *trial) {
    int status = mem_grow(&r->trials, &r->capacity, r->n + 1, sizeof *r->trials);
    if (status == STATUS_OK)
        r->trials[r->n++] = *trial;
    else
        result_free(trial);
    *trial = (struct result){0};
    return status;
}

struct compared_samples result_compared(const struct result_samples *s) {
    return (struct compared_samples){.form = s->form,
                                     .n_classes = s->n_classes,
                                     .n = s->n,
                                     .subject = s->subject,
                                     .label = s->label,
                                     .set_offsets = s->set_offsets,
                                     .set = s->set};
}
