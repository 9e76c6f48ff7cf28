#include "synth/patient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "synth/draws.h"

enum { FIRST_DAY = MINUTES_A_DAY, LONGEST_DAYS = 365 };

/* ---- calendar ---- */
int64_t minutes_of_date(int year, int month, int day) {
    int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468) * MINUTES_A_DAY;
}

void date_of_days(int64_t days, int *year, int *month, int *day) {
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097, y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

/* A time at midnight means a day, in EHRSHOT and OMOP: nothing else happens then. */
static int64_t off_midnight(int64_t minutes, int by) { return minutes == midnight(minutes) ? minutes + by : minutes; }

/* ---- who ---- */
static int make_person(struct synth_patient *p, const struct synth_model *model, int what, int64_t number) {
    struct draws d = draws_begin((uint64_t)model->seed, DRAW_PERSON, (uint32_t)what, number);
    p->number = number;
    p->subject = 10000000 + number;
    double percent = 100 * rng_uniform((uint64_t)model->seed, RNG_SPLIT, 0, (uint64_t)p->subject);
    p->split = percent < 70 ? SPLIT_TRAIN : percent < 80 ? SPLIT_TUNING : SPLIT_HELD_OUT;
    p->female = draw_is(&d, 0.52);
    p->race = (int)draw_zipf(&d, 5);
    p->age = 18 + (int)(71 * sqrt(draw_uniform(&d))); /* 18 .. 88 */
    p->anchor_year = 2110 + (int)draw_below(&d, 90);
    p->real_year = 2008 + (int)draw_below(&d, 12);
    p->birth = minutes_of_date(p->anchor_year - p->age, 1, 1);
    p->death = NO_MINUTE;
    p->died_in_hospital = 0;
    p->n_admissions = 0;
    p->n_coded = p->n_diagnoses = p->n_procedures = p->n_prescriptions = p->n_labs = 0;
    return mem_grow(&p->admissions, &p->admissions_capacity, 1, sizeof *p->admissions);
}

/* ---- the course: admissions, what is coded in them, outcomes ---- */
/* Who has which disease at admission i, and what of it is coded. */
static int code_diseases(struct synth_patient *p, const struct synth_model *m, struct draws *d, int first) {
    for (int32_t k = 0; k < m->n_diseases; k++) {
        const struct disease *disease = &m->diseases[k];
        if (!p->has[k]) p->has[k] = (uint8_t)draw_is(d, first ? disease->prevalence : disease->incidence);
        if (!p->has[k] || !draw_is(d, disease->coded)) continue;
        TRY(mem_grow(&p->coded, &p->coded_capacity, p->n_coded + 1, sizeof *p->coded));
        p->coded[p->n_coded++] = (struct synth_stay){k, (uint8_t)draw_is(d, disease->early), (uint8_t)!p->history[k]};
    }
    return STATUS_OK;
}

static void make_care(struct synth_admission *a, double log_odds, struct draws *d) {
    int64_t stay = a->discharge - a->admit, in = NO_MINUTE;
    double kind = draw_uniform(d), when = draw_uniform(d), length = draw_exponential(d);
    a->unit = (int)draw_below(d, 6);
    a->care_in = a->care_out = NO_MINUTE;
    if (kind >= model_sigma(log_odds)) return;
    if (kind < 0.7 * model_sigma(log_odds)) /* within 12 hours, however long the stay will be */
        in = a->admit + 1 + (int64_t)(719 * when);
    else if (stay > FIRST_DAY + 60) /* or after the first day */
        in = a->admit + FIRST_DAY + 1 + (int64_t)((double)(stay - FIRST_DAY - 2) * when);
    if (in == NO_MINUTE || in >= a->discharge) return;
    a->care_in = off_midnight(in, 1);
    a->care_out = in + 60 + (int64_t)(length * 2 * MINUTES_A_DAY);
    a->care_out = off_midnight(a->care_out < a->discharge ? a->care_out : a->discharge, 1);
}

/* Length of stay, death, intensive care; leaves the sum of effects on return in *back. */
static void make_outcomes(struct synth_patient *p, const struct synth_model *m, struct synth_admission *a,
                          struct draws *d, double *back) {
    double death = m->death + AGE_EFFECT * (p->age - 60), stay = m->stay, care = m->care;
    for (int32_t k = 0; k < m->n_diseases; k++) care += p->history[k] ? model_death(&m->diseases[k]) : 0;
    for (long long i = a->coded; i < p->n_coded; i++) {
        const struct disease *disease = &m->diseases[p->coded[i].disease];
        death += model_death(disease);
        stay += model_stay(disease);
        p->history[p->coded[i].disease] = 1;
    }
    *back = m->back;
    for (int32_t k = 0; k < m->n_diseases; k++) *back += p->history[k] ? model_back(&m->diseases[k]) : 0;
    double days = exp(stay + STAY_SD * draw_normal(d));
    int64_t minutes = (int64_t)(days * MINUTES_A_DAY);
    if (minutes < 120) minutes = 120;
    if (minutes > (int64_t)LONGEST_DAYS * MINUTES_A_DAY) minutes = (int64_t)LONGEST_DAYS * MINUTES_A_DAY;
    a->discharge = off_midnight(a->admit + minutes, -1);
    a->died = draw_is(d, model_sigma(death));
    a->type = (int)draw_zipf(d, 5);
    a->emergency_in = draw_is(d, 0.6) ? a->admit - 30 - draw_below(d, 600) : NO_MINUTE;
    if (p->n_admissions > 1 && a->emergency_in < a[-1].discharge) a->emergency_in = NO_MINUTE;
    make_care(a, care, d);
}

/* The next admission, or NO_MINUTE; deaths at home. */
static int64_t next_admission(struct synth_patient *p, const struct synth_model *m, const struct synth_admission *a,
                              struct draws *d, double back) {
    int64_t month = 30 * MINUTES_A_DAY, half = 15 * MINUTES_A_DAY;
    double soon = draw_uniform(d), when = draw_uniform(d), later = draw_uniform(d), wait = draw_exponential(d),
           home = draw_uniform(d);
    if (a->died) {
        p->death = a->discharge;
        p->died_in_hospital = 1;
        return NO_MINUTE;
    }
    if (p->n_admissions < MOST_ADMISSIONS) {
        if (soon < WITHIN_15 * model_sigma(back)) return a->discharge + 60 + (int64_t)(when * (double)(half - 60));
        if (soon < model_sigma(back)) return a->discharge + half + 1 + (int64_t)(when * (double)(month - half - 1));
        if (later < m->later) return a->discharge + month + 1 + (int64_t)(wait * LATER_DAYS * MINUTES_A_DAY);
    }
    if (home < HOME_DEATH) /* a date alone is known */
        p->death = midnight(a->discharge + month + 2 * MINUTES_A_DAY + (int64_t)(wait * LATER_DAYS * MINUTES_A_DAY));
    return NO_MINUTE;
}

/* 9 before 1 October 2015 of the calendar that was, 10 from then on. */
static int version_of(const struct synth_patient *p, const struct synth_model *m, int64_t admit) {
    if (m->icd != SYNTH_BY_DATE) return m->icd == SYNTH_ICD9 ? ICD9 : ICD10;
    int year, month, day;
    date_of_days(midnight(admit) / MINUTES_A_DAY, &year, &month, &day);
    year += p->real_year - p->anchor_year;
    return year > 2015 || (year == 2015 && month >= 10) ? ICD10 : ICD9;
}

static int make_course(struct synth_patient *p, const struct synth_model *m, int what) {
    struct draws d = draws_begin((uint64_t)m->seed, what, 0, p->number);
    memset(p->has, 0, (size_t)m->n_diseases);
    memset(p->history, 0, (size_t)m->n_diseases);
    int64_t admit = minutes_of_date(p->anchor_year, 1, 1) + draw_below(&d, 365LL * MINUTES_A_DAY);
    uint32_t shift = draw_word(&d) % MOST_ADMISSIONS;
    if (draw_is(&d, m->without_admission)) admit = NO_MINUTE;
    while (admit != NO_MINUTE) {
        double back;
        admit = off_midnight(admit, 1);
        TRY(mem_grow(&p->admissions, &p->admissions_capacity, p->n_admissions + 2, sizeof *p->admissions));
        struct synth_admission *a = &p->admissions[p->n_admissions++];
        *a = (struct synth_admission){.admit = admit, .coded = p->n_coded, .version = version_of(p, m, admit)};
        a->id = 20000000 + p->number * MOST_ADMISSIONS + ((uint32_t)p->n_admissions * 101 + shift) % MOST_ADMISSIONS;
        TRY(code_diseases(p, m, &d, p->n_admissions == 1));
        make_outcomes(p, m, a, &d, &back);
        admit = next_admission(p, m, a, &d, back);
    }
    p->admissions[p->n_admissions].coded = p->n_coded;
    return STATUS_OK;
}

/* ---- what is coded, given and measured ---- */
/* A code of the group, in both versions with the same numbers. */
static int32_t draw_member(const struct synth_codes *codes, int32_t group, double which, double even, double rare) {
    int32_t n = codes->offsets[group + 1] - codes->offsets[group];
    int64_t j = even < rare ? (int64_t)(which * n) : (int64_t)exp(which * log((double)n + 1.0)) - 1;
    return codes->member[codes->offsets[group] + (j < n ? j : n - 1)];
}

static int add_diagnosis(struct synth_patient *p, const struct synth_admission *a, const struct catalogue *c,
                         struct draws *d, int32_t group, double rare) {
    double which = draw_uniform(d), even = draw_uniform(d);
    struct synth_diagnosis new = {draw_member(&c->diagnosis[a->version], group, which, even, rare),
                                  draw_member(&c->diagnosis[ICD9], group, which, even, rare)};
    for (long long i = a->diagnosis; i < p->n_diagnoses; i++) /* each code once */
        if (p->diagnoses[i].code == new.code || p->diagnoses[i].code9 == new.code9) return STATUS_OK;
    TRY(mem_grow(&p->diagnoses, &p->diagnoses_capacity, p->n_diagnoses + 1, sizeof *p->diagnoses));
    p->diagnoses[p->n_diagnoses++] = new;
    return STATUS_OK;
}

/* A date alone is known of a procedure, and the day after admission at the earliest, if the stay is that long. */
static int add_procedure(struct synth_patient *p, const struct synth_admission *a, const struct catalogue *c,
                         struct draws *d, int32_t group, double rare) {
    double which = draw_uniform(d), even = draw_uniform(d), when = draw_uniform(d);
    int64_t first = midnight(a->admit) + MINUTES_A_DAY, last = midnight(a->discharge);
    int64_t n_days = last > first ? (last - first) / MINUTES_A_DAY + 1 : 1;
    struct synth_procedure new = {draw_member(&c->procedure[a->version], group, which, even, rare),
                                  draw_member(&c->procedure[ICD9], group, which, even, rare),
                                  (last > first ? first : last) + (int64_t)(when * (double)n_days) * MINUTES_A_DAY};
    for (long long i = a->procedure; i < p->n_procedures; i++)
        if (p->procedures[i].code == new.code || p->procedures[i].code9 == new.code9) return STATUS_OK;
    TRY(mem_grow(&p->procedures, &p->procedures_capacity, p->n_procedures + 1, sizeof *p->procedures));
    p->procedures[p->n_procedures++] = new;
    return STATUS_OK;
}

/* A drug of the group begins between two times, within the stay. */
static int add_drug(struct synth_patient *p, const struct synth_admission *a, const struct catalogue *c,
                    struct draws *d, int32_t group, int64_t from, int64_t to) {
    double which = draw_uniform(d), when = draw_uniform(d), package = draw_uniform(d), length = draw_exponential(d);
    if (to > a->discharge) to = a->discharge;
    if (from > to) return STATUS_OK;
    TRY(mem_grow(&p->prescriptions, &p->prescriptions_capacity, p->n_prescriptions + 1, sizeof *p->prescriptions));
    struct synth_prescription *new = &p->prescriptions[p->n_prescriptions++];
    new->drug = draw_member(&c->drug, group, which, 1, 0);
    new->package = (int32_t)(package * c->drugs[new->drug].n_packages);
    new->start = off_midnight(from + (int64_t)(when * (double)(to - from + 1)), 1);
    new->stop = off_midnight(new->start + 60 + (int64_t)(length * 2 * MINUTES_A_DAY), 1);
    if (new->stop > a->discharge) new->stop = a->discharge;
    return STATUS_OK;
}

static int add_drugs(struct synth_patient *p, const struct synth_model *m, const struct synth_admission *a,
                     const struct catalogue *c, struct draws *d, int32_t group, int first_day, double later) {
    int64_t end = a->admit + FIRST_DAY - 1, days = (a->discharge - a->admit) / MINUTES_A_DAY;
    (void)m;
    for (int i = 0; i < first_day; i++) TRY(add_drug(p, a, c, d, group, a->admit, end));
    int n = draw_poisson(d, later * (double)(days < MOST_LATER_DAYS ? days : MOST_LATER_DAYS));
    for (int i = 0; i < n; i++) TRY(add_drug(p, a, c, d, group, end + 2, a->discharge));
    return STATUS_OK;
}

static int add_labs(struct synth_patient *p, const struct synth_model *m, const struct synth_admission *a,
                    const struct synth_admission *next, struct draws *d, double before[N_LABS]) {
    double shift[N_LABS];
    memcpy(shift, before, sizeof shift);
    for (long long i = a->coded; i < next->coded; i++)
        for (int l = 0; l < N_LABS && p->coded[i].first; l++) before[l] += m->diseases[p->coded[i].disease].lab[l];
    for (int day = 0; day < m->lab_days; day++) {
        int64_t time =
            day == 0 ? off_midnight(a->admit + 20 + draw_below(d, 90), 1) : midnight(a->admit) + (24 * day + 6) * 60;
        if (time >= a->discharge) break;
        const double *by = time <= a->admit + FIRST_DAY ? shift : before;
        TRY(mem_grow(&p->labs, &p->labs_capacity, p->n_labs + N_LABS, sizeof *p->labs));
        for (int l = 0; l < N_LABS; l++) {
            double value = LABS[l].mean + LABS[l].sd * (by[l] + draw_normal(d)), unit = pow(10, LABS[l].digits);
            value = round(value * unit) / unit;
            p->labs[p->n_labs++] = (struct synth_lab){l, value < LABS[l].mean / 10 ? LABS[l].mean / 10 : value, time};
        }
    }
    return STATUS_OK;
}

static int add_items(struct synth_patient *p, const struct synth_model *m, const struct catalogue *c, int32_t i,
                     double labs[N_LABS]) {
    struct synth_admission *a = &p->admissions[i];
    struct draws d = draws_begin((uint64_t)m->seed, DRAW_DETAILS, (uint32_t)i, p->number);
    a->diagnosis = p->n_diagnoses;
    a->procedure = p->n_procedures;
    a->prescription = p->n_prescriptions;
    a->lab = p->n_labs;
    for (long long k = a->coded; k < p->admissions[i + 1].coded; k++) {
        int32_t group = p->coded[k].disease;
        for (int n = 1 + draw_poisson(&d, m->more_diagnoses); n > 0; n--)
            TRY(add_diagnosis(p, a, c, &d, group, m->rare));
        for (int n = draw_poisson(&d, m->procedures); n > 0; n--) TRY(add_procedure(p, a, c, &d, group, m->rare));
        TRY(add_drugs(p, m, a, c, &d, group, p->coded[k].early ? 1 + draw_poisson(&d, m->early_drugs) : 0,
                      m->later_drugs));
    }
    for (int n = 1 + draw_poisson(&d, m->background_diagnoses); n > 0; n--)
        TRY(add_diagnosis(p, a, c, &d, m->n_diseases, m->rare));
    for (int n = draw_poisson(&d, m->background_procedures); n > 0; n--)
        TRY(add_procedure(p, a, c, &d, m->n_diseases, m->rare));
    TRY(add_drugs(p, m, a, c, &d, m->n_diseases, draw_poisson(&d, m->background_first_day), m->background_later));
    return add_labs(p, m, a, a + 1, &d, labs);
}

/* ---- all ---- */
static int room_for_diseases(struct synth_patient *p, const struct synth_model *m) {
    if (!p->has) TRY(mem_alloc(&p->has, m->n_diseases, 1));
    if (!p->history) TRY(mem_alloc(&p->history, m->n_diseases, 1));
    return STATUS_OK;
}

int patient_course(struct synth_patient *p, const struct synth_model *m, int what, int64_t number) {
    TRY(room_for_diseases(p, m));
    TRY(make_person(p, m, what, number));
    return make_course(p, m, what);
}

int patient_make(struct synth_patient *p, const struct synth_model *m, const struct catalogue *c, int64_t number) {
    double labs[N_LABS] = {0};
    TRY(patient_course(p, m, DRAW_COURSE, number));
    for (int32_t i = 0; i < p->n_admissions; i++) TRY(add_items(p, m, c, i, labs));
    struct synth_admission *end = &p->admissions[p->n_admissions];
    end->diagnosis = p->n_diagnoses;
    end->procedure = p->n_procedures;
    end->prescription = p->n_prescriptions;
    end->lab = p->n_labs;
    return STATUS_OK;
}

void patient_free(struct synth_patient *p) {
    free(p->admissions);
    free(p->coded);
    free(p->diagnoses);
    free(p->procedures);
    free(p->prescriptions);
    free(p->labs);
    free(p->has);
    free(p->history);
    *p = (struct synth_patient){0};
}
