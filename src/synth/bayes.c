#include "synth/bayes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define TASK_NAME(constant, name) name,
const char *const SYNTH_TASK_NAMES[N_SYNTH_TASKS] = {SYNTH_TASKS(TASK_NAME)};
#undef TASK_NAME

/* ---- the distribution of a sum of effects ---- */
enum effect { DEATH, STAY };

static int32_t steps_of(const struct disease *d, enum effect effect) { return effect == DEATH ? d->death : d->stay; }

/* P(S = step * (i + least)) into sum[0 .. *n), by one convolution a disease with an effect. Diseases known not to be coded cost nothing. */
static void sum_effects(struct synth_samples *s, const struct synth_model *m, enum effect effect, int32_t *least,
                        int32_t *n) {
    *least = 0;
    *n = 1;
    s->sum[0] = 1;
    for (int32_t k = 0; k < m->n_diseases; k++) {
        int32_t step = steps_of(&m->diseases[k], effect), up = step > 0 ? step : 0, down = step < 0 ? -step : 0;
        double p = s->coded[k];
        if (step == 0 || p == 0) continue;
        memset(s->next, 0, (size_t)(*n + up + down) * sizeof *s->next);
        for (int32_t i = 0; i < *n; i++) {
            s->next[i + down] += (1 - p) * s->sum[i];
            s->next[i + up] += p * s->sum[i];
        }
        *n += up + down;
        *least -= down;
        double *swap = s->sum;
        s->sum = s->next;
        s->next = swap;
    }
}

static double die_probability(struct synth_samples *s, const struct synth_model *m, int age) {
    int32_t least, n;
    double p = 0;
    sum_effects(s, m, DEATH, &least, &n);
    for (int32_t i = 0; i < n; i++)
        if (s->sum[i] > 0) p += s->sum[i] * model_sigma(m->death + AGE_EFFECT * (age - 60) + EFFECT_STEP * (least + i));
    return p;
}

/* 1 - Phi: the stay is longer than so many minutes, which are counted whole. */
static double longer(double minutes, double mean) {
    return 0.5 * erfc((log((minutes + 1) / MINUTES_A_DAY) - mean) / (STAY_SD * sqrt(2)));
}

static double stay_probability(struct synth_samples *s, const struct synth_model *m) {
    int32_t least, n;
    double over_7 = 0, over_1 = 0;
    sum_effects(s, m, STAY, &least, &n);
    for (int32_t i = 0; i < n; i++) {
        double mean = m->stay + STAY_STEP * (least + i);
        if (s->sum[i] <= 0) continue;
        over_7 += s->sum[i] * longer(7.0 * MINUTES_A_DAY, mean);
        over_1 += s->sum[i] * longer(MINUTES_A_DAY, mean);
    }
    return over_7 / over_1;
}

/* ---- what is known ---- */
static void set_coded(struct synth_samples *s, const struct synth_model *m) {
    for (int32_t k = 0; k < m->n_diseases; k++) s->coded[k] = s->present[k] * m->diseases[k].coded;
}

/* After the first 24 hours of admission i. */
static void see_first_day(struct synth_samples *s, const struct synth_model *m, const struct synth_patient *p,
                          int32_t i) {
    for (int32_t k = 0; k < m->n_diseases; k++) {
        double early = m->diseases[k].early;
        s->coded[k] = s->coded[k] * (1 - early) / (1 - s->coded[k] * early);
    }
    EACH_ITEM(p, i, coded, j) if (p->coded[j].early) s->coded[p->coded[j].disease] = 1;
}

/* At the discharge from admission i, and on to the next one. */
static void see_diagnoses(struct synth_samples *s, const struct synth_model *m, const struct synth_patient *p,
                          int32_t i) {
    EACH_ITEM(p, i, coded, j) s->history[p->coded[j].disease] = 1;
    for (int32_t k = 0; k < m->n_diseases; k++) {
        const struct disease *d = &m->diseases[k];
        double a = s->present[k], u = a * (1 - d->coded) / (1 - a * d->coded);
        s->present[k] = s->history[k] ? 1 : u + (1 - u) * d->incidence;
    }
}

static double back_probability(const struct synth_samples *s, const struct synth_model *m, int32_t admission) {
    int32_t steps = 0; /* whole, so that equal sums are equal whatever their order */
    for (int32_t k = 0; k < m->n_diseases; k++) steps += s->history[k] ? m->diseases[k].back : 0;
    return admission + 1 < MOST_ADMISSIONS ? model_sigma(m->back + EFFECT_STEP * steps) : 0;
}

/* ---- samples ---- */
static int add_sample(struct synth_samples *s, enum synth_task task, int32_t admission, int64_t time, int label,
                      double probability) {
    TRY(mem_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items));
    s->items[s->n++] = (struct synth_sample){task, admission, time, label, probability};
    return STATUS_OK;
}

static int add_admission(struct synth_samples *s, const struct synth_model *m, const struct synth_patient *p,
                         int32_t i) {
    const struct synth_admission *a = &p->admissions[i], *next = i + 1 < p->n_admissions ? a + 1 : NULL;
    int64_t stay = a->discharge - a->admit;
    set_coded(s, m);
    if (stay > MINUTES_A_DAY) {
        see_first_day(s, m, p, i);
        TRY(add_sample(s, SYNTH_LOS_7D, i, a->admit + MINUTES_A_DAY, stay > 7 * MINUTES_A_DAY, stay_probability(s, m)));
    }
    see_diagnoses(s, m, p, i);
    if (a->died) return STATUS_OK;
    double back = back_probability(s, m, i);
    int64_t gap = next ? next->admit - a->discharge : INT64_MAX;
    TRY(add_sample(s, SYNTH_READMISSION_15D, i, a->discharge, gap <= 15 * MINUTES_A_DAY, WITHIN_15 * back));
    TRY(add_sample(s, SYNTH_READMISSION_30D, i, a->discharge, gap <= 30 * MINUTES_A_DAY, back));
    if (!next) return STATUS_OK;
    set_coded(s, m);
    return add_sample(s, SYNTH_MORTALITY, i, a->discharge, next->died, die_probability(s, m, p->age));
}

static int set_up(struct synth_samples *s, const struct synth_model *m) {
    int64_t steps[2] = {1, 1};
    for (int32_t k = 0; k < m->n_diseases; k++)
        for (int e = DEATH; e <= STAY; e++) steps[e] += abs(steps_of(&m->diseases[k], (enum effect)e));
    s->n_sums = (int32_t)(steps[DEATH] > steps[STAY] ? steps[DEATH] : steps[STAY]);
    TRY(mem_alloc(&s->present, m->n_diseases, sizeof *s->present));
    TRY(mem_alloc(&s->coded, m->n_diseases, sizeof *s->coded));
    TRY(mem_alloc(&s->history, m->n_diseases, 1));
    TRY(mem_alloc(&s->sum, s->n_sums, sizeof *s->sum));
    return mem_alloc(&s->next, s->n_sums, sizeof *s->next);
}

int bayes_samples(struct synth_samples *s, const struct synth_model *m, const struct synth_patient *p) {
    if (!s->next) TRY(set_up(s, m));
    s->n = 0;
    memset(s->history, 0, (size_t)m->n_diseases);
    for (int32_t k = 0; k < m->n_diseases; k++) s->present[k] = m->diseases[k].prevalence;
    for (int32_t i = 0; i < p->n_admissions; i++) TRY(add_admission(s, m, p, i));
    return STATUS_OK;
}

void bayes_free(struct synth_samples *s) {
    free(s->items);
    free(s->present);
    free(s->coded);
    free(s->history);
    free(s->sum);
    free(s->next);
    *s = (struct synth_samples){0};
}
