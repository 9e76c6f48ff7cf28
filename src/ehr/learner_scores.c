/* Scores of a learner: batch by batch, and brought together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ehr/learner.h"

/* ---- this rank's ---- */
static void to_probabilities(enum label_form form, int64_t n, int64_t outputs, const real *logits, double *out) {
    for (int64_t i = 0; i < n; i++, logits += outputs, out += outputs) {
        double most = -INFINITY, sum = 0;
        for (int64_t k = 0; k < outputs; k++) most = fmax(most, (double)logits[k]);
        for (int64_t k = 0; k < outputs; k++) sum += exp((double)logits[k] - most);
        for (int64_t k = 0; k < outputs; k++) {
            double x = (double)logits[k];
            out[k] = form == LABEL_CLASS ? exp(x - most) / sum : 1 / (1 + exp(-x));
        }
    }
}

/* The next n samples of the set. */
static int score_batch(struct ehr_learner *l, const struct sample_set *set, int64_t n, const int64_t *which, real *host,
                       double *out) {
    const struct ehr_task *task = &l->terms.data->tasks[0];
    int64_t outputs = ehr_task_outputs(task);
    struct ehr_slot *s = &l->scored;
    TRY(ehr_learner_pack(l, s, set, n, which));
    TRY(pack_send(&s->pack));
    tape_reset(&l->tape, 1);
    struct var *h = l->model->represent(l->self, &l->tape, &s->batch);
    struct var *logits = ehr_heads_logits(&l->heads, &l->tape, 0, h);
    TRY(tape_status(&l->tape));
    device_download_reals(l->device, host, logits->value, n * outputs);
    to_probabilities(task->form, n, outputs, host, out);
    return STATUS_OK;
}

static int score_set(struct ehr_learner *l, const struct sample_set *set, int64_t outputs, double *out) {
    int64_t *which = NULL;
    real *host = NULL;
    int status = mem_alloc(&which, set->n, sizeof *which);
    if (status == STATUS_OK) status = mem_alloc(&host, set->n * outputs, sizeof *host);
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++) which[i] = i;
    for (int64_t first = 0, end; first < set->n && status == STATUS_OK; first = end) {
        for (end = first + 1; end < set->n && set->offsets[end + 1] - set->offsets[first] <= l->most_tokens;) end++;
        status = score_batch(l, set, end - first, which + first, host, out + first * outputs);
        if (l->comm->size == 1) comm_progress(); /* for those that train beside it */
    }
    free(which);
    free(host);
    return status;
}

int ehr_learner_predict(struct ehr_learner *l, enum cohort_split split, double **scores) {
    const struct sample_set *set = &l->terms.data->sets[split];
    int64_t outputs = ehr_task_outputs(&l->terms.data->tasks[0]);
    int status = mem_alloc(scores, set->n * outputs, sizeof **scores);
    if (status == STATUS_OK)
        status =
            l->model->score ? l->model->score(l->self, l->device, set, *scores) : score_set(l, set, outputs, *scores);
    status = comm_agree(l->comm, status);
    if (status == STATUS_OK) return STATUS_OK;
    free(*scores);
    *scores = NULL;
    return status;
}

/* ---- of all ranks ---- */
int ehr_learner_score(struct ehr_learner *l, enum cohort_split split, int64_t *n, struct scored_sample **samples) {
    const struct sample_set *set = &l->terms.data->sets[split];
    struct scored_sample *own = NULL;
    double *scores;
    TRY(ehr_learner_predict(l, split, &scores));
    int status = comm_agree(l->comm, mem_alloc(&own, set->n, sizeof *own));
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++)
        own[i] = (struct scored_sample){.sample = set->number[i] - l->terms.data->first_sample,
                                        .subject = set->subject[i],
                                        .label = set->label[i],
                                        .score = scores[i]};
    if (status == STATUS_OK) status = scored_samples_gather(l->comm, set->n, own, n, samples);
    free(own);
    free(scores);
    return status;
}

/* A sample as it travels: its numbers, then n_classes scores, then as many marks of the classes that are its own. */
struct class_row {
    int64_t sample, subject;
    int32_t label, n;
};

static void fill_row(const struct ehr_learner *l, const struct sample_set *set, int64_t i, int32_t classes,
                     const double *scores, char *row) {
    struct class_row head = {set->number[i] - l->terms.data->first_sample, set->subject[i], set->label[i], classes};
    char *marks = row + sizeof head + (size_t)classes * sizeof(float);
    memcpy(row, &head, sizeof head);
    for (int32_t k = 0; k < classes; k++) {
        float score = (float)scores[k];
        memcpy(row + sizeof head + (size_t)k * sizeof score, &score, sizeof score);
    }
    memset(marks, 0, (size_t)classes);
    for (int64_t k = set->set_offsets[i]; k < set->set_offsets[i + 1]; k++) marks[set->set[k]] = 1;
}

static int take_rows(struct ehr_class_scores *x, enum label_form form, int64_t n, int32_t classes, size_t bytes,
                     const char *rows) {
    long long capacity = 0;
    TRY(mem_alloc(&x->sample, n, sizeof *x->sample));
    TRY(mem_alloc(&x->subject, n, sizeof *x->subject));
    TRY(mem_alloc(&x->label, n, sizeof *x->label));
    TRY(mem_alloc(&x->scores, n * classes, sizeof *x->scores));
    TRY(mem_alloc(&x->set_offsets, n + 1, sizeof *x->set_offsets));
    for (int64_t i = 0; i < n; i++) {
        const char *row = rows + (size_t)i * bytes, *marks;
        struct class_row head;
        memcpy(&head, row, sizeof head);
        memcpy(x->scores + i * classes, row + sizeof head, (size_t)classes * sizeof *x->scores);
        marks = row + sizeof head + (size_t)classes * sizeof *x->scores;
        x->sample[i] = head.sample;
        x->subject[i] = head.subject;
        x->label[i] = head.label;
        x->set_offsets[i + 1] = x->set_offsets[i];
        TRY(mem_grow(&x->set, &capacity, x->set_offsets[i] + classes, sizeof *x->set));
        for (int32_t k = 0; k < classes; k++)
            if (marks[k]) x->set[x->set_offsets[i + 1]++] = k;
    }
    x->predictions =
        (struct class_predictions){form, n, classes, x->subject, x->scores, x->label, x->set_offsets, x->set, NAN};
    return STATUS_OK;
}

int ehr_learner_score_classes(struct ehr_learner *l, enum cohort_split split, struct ehr_class_scores *x) {
    const struct sample_set *set = &l->terms.data->sets[split];
    const struct ehr_task *task = &l->terms.data->tasks[0];
    int32_t classes = task->n_classes;
    size_t bytes = sizeof(struct class_row) + (size_t)classes * (sizeof(float) + 1);
    char *own = NULL, *all = NULL;
    double *scores;
    int64_t n;
    *x = (struct ehr_class_scores){0};
    TRY(ehr_learner_predict(l, split, &scores));
    int status = comm_agree(l->comm, mem_alloc(&own, set->n, (long long)bytes));
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++)
        fill_row(l, set, i, classes, scores + i * classes, own + (size_t)i * bytes);
    if (status == STATUS_OK) status = comm_gather_rows(l->comm, set->n, (int64_t)bytes, own, &n, &all);
    if (status == STATUS_OK) status = comm_agree(l->comm, take_rows(x, task->form, n, classes, bytes, all));
    free(own);
    free(all);
    free(scores);
    return status;
}

void ehr_class_scores_free(struct ehr_class_scores *x) {
    free(x->sample);
    free(x->subject);
    free(x->scores);
    free(x->label);
    free(x->set_offsets);
    free(x->set);
    *x = (struct ehr_class_scores){0};
}
