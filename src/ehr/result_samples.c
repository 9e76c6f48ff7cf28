#include "ehr/result_samples.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "dist/gather.h"

/* ---- codes ---- */
static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* What sample_set.unseen counts too: all but facts, and what says of a visit no more than that it is one. */
static int is_medical(uint8_t kind) { return kind != CODE_KIND_FACT && kind != CODE_KIND_VISIT; }

struct code_memory {
    int32_t *codes;
    int64_t *counts;
    long long codes_capacity, counts_capacity;
};

/* Different medical codes of a history, and the median of how many samples of train have them. */
static int count_codes(const struct ehr_data *d, const struct sample_history *h, struct code_memory *m, int32_t *n,
                       float *median) {
    int64_t all = 0;
    TRY(mem_grow(&m->codes, &m->codes_capacity, h->n + 1, sizeof *m->codes));
    TRY(mem_grow(&m->counts, &m->counts_capacity, h->n + 1, sizeof *m->counts));
    for (int64_t i = 0; i < h->n; i++)
        if (is_medical(h->code_kind[h->events[i].code])) m->codes[all++] = h->events[i].code;
    if (all) qsort(m->codes, (size_t)all, sizeof *m->codes, ascending);
    *n = 0;
    for (int64_t i = 0; i < all; i++)
        if (i == 0 || m->codes[i] != m->codes[i - 1]) m->counts[(*n)++] = d->in_train[m->codes[i]];
    *median = NAN;
    if (*n == 0) return STATUS_OK;
    qsort(m->counts, (size_t)*n, sizeof *m->counts, by_number);
    *median = ((float)m->counts[(*n - 1) / 2] + (float)m->counts[*n / 2]) / 2;
    return STATUS_OK;
}

/* Of this rank's samples. */
static int count_all(const struct ehr_data *d, const struct sample_set *set, int32_t *codes, float *frequency) {
    struct code_memory memory = {0};
    int status = STATUS_OK;
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++) {
        struct sample_history history = sample_set_history(set, i);
        status = count_codes(d, &history, &memory, &codes[i], &frequency[i]);
    }
    free(memory.codes);
    free(memory.counts);
    return status;
}

/* ---- gathering ---- */
static int gather_sets(const struct comm *comm, const struct sample_set *set, struct result_samples *s) {
    int64_t *count, *all = NULL, n;
    int status = mem_alloc(&count, set->n, sizeof *count);
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++)
        count[i] = s->form == LABEL_SET ? set->set_offsets[i + 1] - set->set_offsets[i] : 0;
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_gather_rows(comm, set->n, sizeof *count, count, &n, &all);
    free(count);
    if (status == STATUS_OK) status = comm_agree(comm, mem_alloc(&s->set_offsets, s->n + 1, sizeof *s->set_offsets));
    for (int64_t i = 0; i < s->n && status == STATUS_OK; i++) s->set_offsets[i + 1] = s->set_offsets[i] + all[i];
    free(all);
    if (status != STATUS_OK) return status;
    return comm_gather_rows(comm, s->form == LABEL_SET ? set->set_offsets[set->n] : 0, sizeof *s->set, set->set, &n,
                            &s->set);
}

/* first: number in the cohort of the task's first sample. */
static int gather(const struct comm *comm, const struct sample_set *set, int64_t first, const int32_t *codes,
                  const float *frequency, struct result_samples *s) {
    int64_t n;
    TRY(comm_gather_rows(comm, set->n, sizeof *s->sample, set->number, &s->n, &s->sample));
    for (int64_t i = 0; i < s->n; i++) s->sample[i] -= first;
    TRY(comm_gather_rows(comm, set->n, sizeof *s->subject, set->subject, &n, &s->subject));
    TRY(comm_gather_rows(comm, set->n, sizeof *s->time, set->time, &n, &s->time));
    TRY(comm_gather_rows(comm, set->n, sizeof *s->label, set->label, &n, &s->label));
    TRY(comm_gather_rows(comm, set->n, sizeof *s->unseen, set->unseen, &n, &s->unseen));
    TRY(comm_gather_rows(comm, set->n, sizeof *s->codes, codes, &n, &s->codes));
    TRY(comm_gather_rows(comm, set->n, sizeof *s->frequency, frequency, &n, &s->frequency));
    return gather_sets(comm, set, s);
}

int result_samples_gather(const struct comm *comm, const struct ehr_data *d, enum cohort_split split,
                          struct result_samples **samples) {
    const struct sample_set *set = &d->sets[split];
    struct result_samples *s = NULL;
    int32_t *codes = NULL;
    float *frequency = NULL;
    int status = mem_alloc(&s, 1, sizeof *s);
    if (status == STATUS_OK) status = mem_alloc(&codes, set->n, sizeof *codes);
    if (status == STATUS_OK) status = mem_alloc(&frequency, set->n, sizeof *frequency);
    if (status == STATUS_OK) status = count_all(d, set, codes, frequency);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) {
        s->form = d->tasks[0].form;
        s->n_classes = d->tasks[0].n_classes;
        status = gather(comm, set, d->first_sample, codes, frequency, s);
    }
    free(codes);
    free(frequency);
    *samples = s;
    return status;
}

/* ---- for measures ---- */
int result_scored(const struct result_samples *s, const double *scores, struct scored_sample **scored) {
    TRY(mem_alloc(scored, s->n, sizeof **scored));
    for (int64_t i = 0; i < s->n; i++)
        (*scored)[i] = (struct scored_sample){
            .sample = s->sample[i], .subject = s->subject[i], .label = s->label[i], .score = scores[i]};
    return STATUS_OK;
}

int result_predictions(const struct result_samples *s, const double *scores, struct class_predictions *p,
                       float **floats) {
    TRY(mem_alloc(floats, s->n * s->n_classes, sizeof **floats));
    for (int64_t i = 0; i < s->n * s->n_classes; i++) (*floats)[i] = (float)scores[i];
    *p = (struct class_predictions){.form = s->form,
                                    .n = s->n,
                                    .n_classes = s->n_classes,
                                    .subject = s->subject,
                                    .scores = *floats,
                                    .label = s->label,
                                    .set_offsets = s->set_offsets,
                                    .set = s->set,
                                    .threshold = NAN};
    return STATUS_OK;
}
