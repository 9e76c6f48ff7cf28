#include "ehr/baselines/sample_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"

int sample_scores_make(struct sample_scores *s, int64_t n, int n_outputs) {
    *s = (struct sample_scores){.n = n, .n_outputs = n_outputs};
    TRY(mem_alloc(&s->sample, n, sizeof *s->sample));
    TRY(mem_alloc(&s->subject, n, sizeof *s->subject));
    return mem_alloc(&s->score, n * n_outputs, sizeof *s->score);
}

void sample_scores_free(struct sample_scores *s) {
    free(s->sample);
    free(s->subject);
    free(s->score);
    *s = (struct sample_scores){0};
}

int sample_scores_gather(const struct comm *comm, const struct sample_scores *own, struct sample_scores *all) {
    int64_t n;
    *all = (struct sample_scores){.n_outputs = own->n_outputs};
    TRY(comm_gather_rows(comm, own->n, sizeof *own->sample, own->sample, &all->n, &all->sample));
    TRY(comm_gather_rows(comm, own->n, sizeof *own->subject, own->subject, &n, &all->subject));
    return comm_gather_rows(comm, own->n, own->n_outputs * (int64_t)sizeof *own->score, own->score, &n, &all->score);
}

/* ---- two classes ---- */
int scored_samples_make(const struct features *f, const struct sample_scores *s, struct scored_sample **samples) {
    TRY(mem_alloc(samples, s->n, sizeof **samples));
    for (int64_t i = 0; i < s->n; i++)
        (*samples)[i] = (struct scored_sample){
            .sample = s->sample[i], .subject = s->subject[i], .label = f->label[s->sample[i]], .score = s->score[i]};
    return STATUS_OK;
}

static int estimate_binary(const struct bootstrap *b, const struct features *f, const struct sample_scores *s,
                           struct scored_part *part) {
    struct estimate estimates[N_SCORES_ESTIMATES];
    struct scored_sample *samples;
    struct scores scores = {0};
    int status = scored_samples_make(f, s, &samples);
    if (status == STATUS_OK) status = scores_compute(s->n, samples, &scores);
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK) status = scores_bootstrap(b, s->n, samples, estimates);
    free(samples);
    if (status != STATUS_OK) return status;
    part->n_positive = scores.n_positive;
    part->prevalence = scores.prevalence;
    memcpy(part->estimates, estimates, N_SCORES_MEASURES * sizeof *estimates); /* those by samples stand first */
    return STATUS_OK;
}

/* ---- several ---- */
/* The scores as measure/class_scores.h has them. */
struct class_rows {
    struct class_predictions predictions;
    float *scores;
    int32_t *label, *set;
    int64_t *set_offsets;
};

static void class_rows_free(struct class_rows *c) {
    free(c->scores);
    free(c->label);
    free(c->set);
    free(c->set_offsets);
}

static int list_sets(struct class_rows *c, const struct features *f, const struct sample_scores *s) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) n += f->set_offsets[s->sample[i] + 1] - f->set_offsets[s->sample[i]];
    TRY(mem_alloc(&c->set, n, sizeof *c->set));
    TRY(mem_alloc(&c->set_offsets, s->n + 1, sizeof *c->set_offsets));
    for (int64_t i = 0; i < s->n; i++) {
        int64_t from = f->set_offsets[s->sample[i]], count = f->set_offsets[s->sample[i] + 1] - from;
        memcpy(c->set + c->set_offsets[i], f->set + from, (size_t)count * sizeof *c->set);
        c->set_offsets[i + 1] = c->set_offsets[i] + count;
    }
    return STATUS_OK;
}

static int class_rows_make(struct class_rows *c, const struct features *f, const struct sample_scores *s) {
    *c = (struct class_rows){0};
    TRY(mem_alloc(&c->scores, s->n * s->n_outputs, sizeof *c->scores));
    TRY(mem_alloc(&c->label, s->n, sizeof *c->label));
    for (int64_t i = 0; i < s->n * s->n_outputs; i++) c->scores[i] = (float)s->score[i];
    for (int64_t i = 0; i < s->n; i++) c->label[i] = f->label[s->sample[i]];
    if (f->form == LABEL_SET) TRY(list_sets(c, f, s));
    c->predictions = (struct class_predictions){.form = f->form,
                                                .n = s->n,
                                                .n_classes = f->n_classes,
                                                .subject = s->subject,
                                                .scores = c->scores,
                                                .label = c->label,
                                                .set_offsets = c->set_offsets,
                                                .set = c->set,
                                                .threshold = NAN};
    return STATUS_OK;
}

static int estimate_classes(const struct bootstrap *b, const struct features *f, const struct sample_scores *s,
                            struct scored_part *part) {
    enum { MACRO = 1 }; /* of struct class_scores */
    struct estimate estimates[N_CLASS_SCORES_ESTIMATES];
    struct class_rows rows;
    struct class_scores scores = {0};
    int status = class_rows_make(&rows, f, s);
    if (status == STATUS_OK) status = class_scores_compute(&rows.predictions, &scores);
    status = comm_agree(b->comm, status);
    part->prevalence = scores.prevalence[BY_SAMPLES][MACRO];
    if (status == STATUS_OK) status = class_scores_bootstrap(b, &rows.predictions, estimates);
    if (status == STATUS_OK) memcpy(part->estimates, estimates, N_CLASS_SCORES_MEASURES * sizeof *estimates);
    class_scores_free(&scores);
    class_rows_free(&rows);
    return status;
}

static int measure_classes(const struct features *f, const struct sample_scores *s, enum baseline_measure measure,
                           double *value) {
    struct class_rows rows;
    struct class_scores scores = {0};
    int status = class_rows_make(&rows, f, s);
    if (status == STATUS_OK) status = class_scores_compute(&rows.predictions, &scores);
    *value = scores.values[measure == CHOOSE_AUROC ? CLASS_AUROC_MACRO : CLASS_AVERAGE_PRECISION_MACRO];
    class_scores_free(&scores);
    class_rows_free(&rows);
    return status;
}

/* ---- either ---- */
int sample_scores_measure(const struct features *f, const struct sample_scores *s, enum baseline_measure measure,
                          double *value) {
    struct scored_sample *samples;
    struct scores scores = {0};
    if (f->form != LABEL_BINARY) return measure_classes(f, s, measure, value);
    int status = scored_samples_make(f, s, &samples);
    if (status == STATUS_OK) status = scores_compute(s->n, samples, &scores);
    *value = measure == CHOOSE_AUROC ? scores.auroc : scores.average_precision;
    free(samples);
    return status;
}

int sample_scores_estimate(const struct bootstrap *b, const struct features *f, const struct sample_scores *s,
                           struct scored_part *part) {
    *part = (struct scored_part){.n = s->n, .prevalence = NAN};
    if (s->n == 0) return STATUS_OK;
    return f->form == LABEL_BINARY ? estimate_binary(b, f, s, part) : estimate_classes(b, f, s, part);
}

int measures_of(const struct features *f, const char *const **names) {
    *names = f->form == LABEL_BINARY ? SCORES_NAMES : CLASS_SCORES_NAMES;
    return f->form == LABEL_BINARY ? (int)N_SCORES_MEASURES : (int)N_CLASS_SCORES_MEASURES;
}

void shown_measures(const struct features *f, int shown[2]) {
    shown[0] = f->form == LABEL_BINARY ? (int)ESTIMATE_AUROC : (int)CLASS_AUROC_MACRO;
    shown[1] = f->form == LABEL_BINARY ? (int)ESTIMATE_AVERAGE_PRECISION : (int)CLASS_AVERAGE_PRECISION_MACRO;
}
