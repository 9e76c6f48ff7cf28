/* The model of a made-up hospital: what is drawn, and from what. sigma(x) = 1 / (1 + exp(-x)).
 *
 * A patient has disease k from the first admission on with probability prevalence_k, and gets it before each later admission with
 * probability incidence_k; nobody loses one. In an admission a disease that is there is coded with probability coded_k:
 *
 *   M_ik = 1 if disease k is coded in admission i;   H_ik = max over j <= i of M_jk: it was coded up to then
 *
 * All else depends on the diseases through M and H alone, and a diagnosis code belongs to one disease. So codes tell M and H, and
 * outcomes tell no more of a patient's diseases than codes do: this is what makes the Bayes probabilities exact (synth/bayes.h).
 *
 *   death in admission i         sigma(death + age_i * 0.02 + sum_k death_k M_ik)         age_i: years over 60 at the first admission
 *   length of stay in days       exp(stay + sum_k stay_k M_ik + stay_sd * normal)
 *   return within 30 days        sigma(back + sum_k back_k H_ik), of discharges alive; 0.6 of them within 15 days
 *   another admission later      probability `later`, of the rest; 30 days and an exponential time of mean LATER_DAYS on
 *   death at home                a quarter of those who do not come back, more than 30 days after discharge
 *   intensive care               sigma(care + sum_k death_k H_(i-1)k), before that of the admission itself shows
 *   diagnoses                    of each k with M_ik = 1 one and a Poisson number more; background: one and a Poisson number more.
 *                                Which code: from the group, with probability 1 - rare by Zipf's law, else any with the same chance
 *   procedures                   of each k with M_ik = 1 a Poisson number; background: a Poisson number
 *   drugs                        of each k with M_ik = 1: treatment begins on the first day with probability early_k (E_ik), then
 *                                one drug and a Poisson number more on that day; else none on that day; more on later days.
 *                                background: Poisson numbers a day
 *   tests of blood               a normal number, shifted by lab_k H_(i-1)k in the first 24 hours, by lab_k H_ik later
 *
 * Effects stand on a lattice (death and return in steps of EFFECT_STEP, stay in steps of STAY_STEP), so that sums over uncertain
 * diseases have few values. The intercepts death, back, stay, later and the background's means are found on patients of their own, so
 * that the shares and means that synth.* asks for come out.
 */
#ifndef MEDTOK_SYNTH_MODEL_H
#define MEDTOK_SYNTH_MODEL_H

#include "dist/comm.h"
#include "synth/catalogue.h"

#define EFFECT_STEP 0.25
#define STAY_STEP   0.1
#define STAY_SD     0.7
#define AGE_EFFECT  0.02
#define WITHIN_15   0.6
#define LATER_DAYS  300.0
#define HOME_DEATH  0.25

/* The tests of blood that EHRSHOT asks about. */
enum { N_LABS = 5 };
struct lab_facts {
    const char *name, *loinc, *unit, *omop_unit; /* omop_unit: as EHRSHOT spells it */
    int mimic_item;
    double mean, sd, low, high; /* low, high: of normal values */
    int digits;                 /* behind the point */
};
extern const struct lab_facts LABS[N_LABS];

struct disease {
    double prevalence, incidence, coded, early;
    int32_t death, stay, back; /* effects, in steps of the lattice */
    float lab[N_LABS];         /* shifts, in standard deviations */
};

struct synth_model {
    int32_t n_diseases;
    int64_t seed;
    double death, back, stay, later, care;       /* intercepts; `later` is a probability */
    double without_admission, rare;              /* shares */
    double more_diagnoses, background_diagnoses; /* means: further codes of a disease; further background codes */
    double procedures, background_procedures;
    double early_drugs, later_drugs;               /* of a disease: further ones on the first day; a later day */
    double background_first_day, background_later; /* of drugs: on the first day, on each later day */
    int lab_days;
    enum synth_version icd;
    struct disease *diseases; /* [n_diseases] owned */
};

static inline double model_death(const struct disease *d) { return EFFECT_STEP * d->death; }
static inline double model_back(const struct disease *d) { return EFFECT_STEP * d->back; }
static inline double model_stay(const struct disease *d) { return STAY_STEP * d->stay; }

double model_sigma(double x);

/* Collective: rank 0 finds the intercepts, all have the same. Logs what came out. */
int synth_model_make(struct synth_model *model, const struct comm *comm, const struct synth_options *options,
                     int64_t seed, const struct catalogue *catalogue);
void synth_model_free(struct synth_model *model);

#endif
