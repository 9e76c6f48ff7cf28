#include "synth/model.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "synth/draws.h"
#include "synth/patient.h"

/* Reference ranges of adults, as laboratories print them; LOINC's and MIMIC's numbers of the five tests. */
const struct lab_facts LABS[N_LABS] = {
    {"Platelet Count", "777-3", "K/uL", "10*9/L", 51265, 230, 70, 150, 440, 0},
    {"Potassium", "2823-3", "mEq/L", "mmol/L", 50971, 4.3, 0.6, 3.3, 5.1, 1},
    {"Glucose", "2345-7", "mg/dL", "mg/dL", 50931, 125, 35, 70, 105, 0},
    {"Sodium", "2951-2", "mEq/L", "mmol/L", 50983, 138.5, 3.5, 133, 145, 0},
    {"Hemoglobin", "718-7", "g/dL", "g/dL", 51222, 12, 1.8, 12, 16, 1},
};

enum { MOST_CALIBRATION = 6000, FEWEST_CALIBRATION = 500, CALIBRATION_ROUNDS = 15 };
#define CALIBRATION_DRAWS   1200000 /* diseases times patients */
#define OF_DISEASES         0.6     /* share of the diagnoses that diseases bring */
#define MORE_DIAGNOSES      0.5
#define FIRST_DAY_OF_DRUGS  0.4 /* share of the drugs that begin on the first day */
#define INCIDENCE           0.1 /* of the prevalence, at each later admission */
#define CARE_LOG_ODDS       (-2.0)
#define LARGEST_DEATH_STEPS 8
#define LARGEST_BACK_STEPS  4
#define LARGEST_STAY_STEPS  8

double model_sigma(double x) { return 1 / (1 + exp(-x)); }
static double log_odds(double p) { return log(p / (1 - p)); }

/* ---- diseases ---- */
static int32_t draw_effect(struct draws *d, double share, double size, int most) {
    int has = draw_is(d, share), steps = 1 + (int)draw_below(d, most), negative = draw_is(d, 0.1);
    if (!has) return 0;
    int32_t effect = (int32_t)lround(size * steps);
    return negative ? -effect : effect;
}

static void draw_disease(struct disease *disease, struct draws *d, const struct synth_options *options) {
    disease->coded = 0.4 + 0.5 * draw_uniform(d);
    disease->early = 0.2 + 0.6 * draw_uniform(d);
    disease->death = draw_effect(d, options->effect_share, options->effect, LARGEST_DEATH_STEPS);
    disease->stay = draw_effect(d, options->effect_share, options->effect, LARGEST_STAY_STEPS);
    disease->back = draw_effect(d, options->effect_share, options->effect, LARGEST_BACK_STEPS);
    for (int l = 0; l < N_LABS; l++) disease->lab[l] = 0;
    int shifts = draw_is(d, 0.3), lab = (int)draw_below(d, N_LABS), down = draw_is(d, 0.5);
    double size = 0.5 + draw_uniform(d);
    if (shifts) disease->lab[lab] = (float)(down ? -size : size);
}

/* Prevalence by a power law, those of the named ones as given; scaled so that so many are coded in a first admission. */
static void draw_diseases(struct synth_model *m, const struct synth_options *options) {
    static const double NAMED_PREVALENCE[SYNTH_NAMED] = {0.3, 0.25, 0.01, 0.05};
    static const int32_t NAMED_DEATH[SYNTH_NAMED] = {0, 0, 6, 5};
    struct draws d = draws_begin((uint64_t)m->seed, DRAW_MODEL, 0, 0);
    double wanted = OF_DISEASES * (options->diagnoses - 1) / (1 + MORE_DIAGNOSES), named = 0, sum = 0;
    for (int32_t k = 0; k < m->n_diseases; k++) {
        struct disease *disease = &m->diseases[k];
        draw_disease(disease, &d, options);
        double rank = 3 + draw_uniform(&d) * m->n_diseases;
        disease->prevalence = k < SYNTH_NAMED ? NAMED_PREVALENCE[k] : pow(rank, -0.9);
        if (k < SYNTH_NAMED) disease->death = (int32_t)lround(options->effect * NAMED_DEATH[k]);
        *(k < SYNTH_NAMED ? &named : &sum) += disease->prevalence * disease->coded;
    }
    double scale = sum > 0 && wanted > named ? (wanted - named) / sum : 0.05;
    for (int32_t k = 0; k < m->n_diseases; k++) {
        struct disease *disease = &m->diseases[k];
        if (k >= SYNTH_NAMED) disease->prevalence *= scale;
        if (disease->prevalence > 0.6) disease->prevalence = 0.6;
        disease->incidence = INCIDENCE * disease->prevalence;
    }
}

/* ---- intercepts ---- */
struct course_means {
    double admissions, alive, died, back, log_stay, days, coded, coded_days, early; /* sums; early: of coded diseases */
};

static void add_course(struct course_means *s, const struct synth_patient *p) {
    for (int32_t i = 0; i < p->n_admissions; i++) {
        const struct synth_admission *a = &p->admissions[i];
        double minutes = (double)(a->discharge - a->admit);
        int last = i + 1 == p->n_admissions;
        s->admissions++;
        s->died += a->died;
        s->alive += !a->died;
        s->back += !a->died && !last && a[1].admit - a->discharge <= 30 * MINUTES_A_DAY;
        s->log_stay += log(minutes / MINUTES_A_DAY);
        double days = floor(minutes / MINUTES_A_DAY);
        if (days > MOST_LATER_DAYS) days = MOST_LATER_DAYS;
        s->days += days;
        s->coded_days += days * (double)(a[1].coded - a->coded);
        s->coded += (double)(a[1].coded - a->coded);
        for (long long k = a->coded; k < a[1].coded; k++) s->early += p->coded[k].early;
    }
}

static int run_courses(const struct synth_model *m, struct synth_patient *p, int64_t n, struct course_means *sums) {
    *sums = (struct course_means){0};
    for (int64_t i = 0; i < n; i++) {
        TRY(patient_course(p, m, DRAW_CALIBRATION, i));
        add_course(sums, p);
    }
    return STATUS_OK;
}

static double between(double x, double least, double most) { return x < least ? least : x > most ? most : x; }

/* One step of a fixed point: each intercept moves by the difference of wanted and found, in log odds. */
static void correct(struct synth_model *m, const struct synth_options *options, int64_t n, const struct course_means *s,
                    double wanted_admissions) {
    double died = between(s->died / s->admissions, 1e-5, 1 - 1e-5), back = between(s->back / s->alive, 1e-5, 1 - 1e-5);
    double again = between(1 - (double)n / s->admissions, 1e-6, 1 - 1e-6);
    m->death += log_odds(options->death) - log_odds(died);
    m->back += log_odds(options->readmission) - log_odds(back);
    m->stay += log(options->stay) - s->log_stay / s->admissions;
    double wanted = between(1 - 1 / wanted_admissions, 1e-6, 1 - 1e-6);
    m->later = model_sigma(between(log_odds(m->later) + log_odds(wanted) - log_odds(again), -14, 14));
}

/* Means of what an admission holds beside its outcomes. */
static void set_means(struct synth_model *m, const struct synth_options *options, const struct course_means *s) {
    double coded = s->coded / s->admissions, early = s->early / (s->coded > 0 ? s->coded : 1);
    double days = s->days / s->admissions, of_disease = 0.5 * options->drugs / fmax(coded, 0.1);
    m->more_diagnoses = MORE_DIAGNOSES;
    m->background_diagnoses = fmax(0, options->diagnoses - 1 - coded * (1 + MORE_DIAGNOSES));
    m->procedures = 0.5 * options->procedures / fmax(coded, 0.1);
    m->background_procedures = 0.5 * options->procedures;
    double first = FIRST_DAY_OF_DRUGS * of_disease / (early > 0 ? early : 1);
    m->early_drugs = fmax(0, first - 1);
    if (first < 1) /* few drugs: few diseases are treated on the first day */
        for (int32_t k = 0; k < m->n_diseases; k++) m->diseases[k].early *= first;
    m->later_drugs = 0.5 * options->drugs * (1 - FIRST_DAY_OF_DRUGS) / fmax(s->coded_days / s->admissions, 0.1);
    m->background_first_day = 0.5 * options->drugs * FIRST_DAY_OF_DRUGS;
    m->background_later = 0.5 * options->drugs * (1 - FIRST_DAY_OF_DRUGS) / fmax(days, 0.1);
}

static int calibrate(struct synth_model *m, const struct synth_options *options) {
    int64_t n = CALIBRATION_DRAWS / m->n_diseases;
    n = n > MOST_CALIBRATION ? MOST_CALIBRATION : n < FEWEST_CALIBRATION ? FEWEST_CALIBRATION : n;
    double without = options->without_admission, wanted = options->admissions / (1 - without);
    if (wanted < 1) {
        without = 1 - options->admissions;
        wanted = 1;
    }
    struct synth_patient patient = {0};
    struct course_means sums = {0};
    int status = STATUS_OK;
    m->without_admission = 0;
    for (int round = 0; round < CALIBRATION_ROUNDS && status == STATUS_OK; round++) {
        status = run_courses(m, &patient, n, &sums);
        if (status == STATUS_OK && round + 1 < CALIBRATION_ROUNDS) correct(m, options, n, &sums, wanted);
    }
    patient_free(&patient);
    TRY(status);
    m->without_admission = without;
    set_means(m, options, &sums);
    log_info(
        "the model: %.3f admissions a patient, of which %.4f end in death and %.3f of the others are followed by "
        "another within 30 days; a stay of %.2f days in the geometric mean, with %.2f diseases coded",
        sums.admissions / (double)n * (1 - without), sums.died / sums.admissions, sums.back / sums.alive,
        exp(sums.log_stay / sums.admissions), sums.coded / sums.admissions);
    return STATUS_OK;
}

int synth_model_make(struct synth_model *m, const struct comm *comm, const struct synth_options *options, int64_t seed,
                     const struct catalogue *catalogue) {
    *m = (struct synth_model){.n_diseases = catalogue->n_diseases,
                              .seed = seed,
                              .rare = options->rare,
                              .care = CARE_LOG_ODDS,
                              .lab_days = (int)options->lab_days,
                              .icd = options->icd,
                              .death = log_odds(options->death),
                              .back = log_odds(options->readmission),
                              .later = 0.3,
                              .stay = log(options->stay)};
    struct disease *diseases;
    TRY(comm_agree(comm, mem_alloc(&diseases, m->n_diseases, sizeof *diseases)));
    m->diseases = diseases;
    int status = STATUS_OK;
    if (comm->rank == 0) {
        draw_diseases(m, options);
        status = calibrate(m, options);
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_broadcast(comm, m, sizeof *m);
    m->diseases = diseases; /* rank 0's address means nothing here */
    if (status == STATUS_OK)
        status = comm_broadcast(comm, diseases, (int64_t)m->n_diseases * (int64_t)sizeof *diseases);
    if (status != STATUS_OK) synth_model_free(m);
    return status;
}

void synth_model_free(struct synth_model *m) {
    free(m->diseases);
    m->diseases = NULL;
}
