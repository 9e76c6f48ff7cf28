/* What is known of a sample at its prediction time, and what is probable then: exact under the model (synth/model.h).
 *
 * Samples are those of the tasks in `clean` mode (src/ehr/tasks):
 *   mortality          at each discharge alive that another admission follows: death in that one
 *   readmission_15d,   at each discharge alive: another admission within 15, 30 days
 *   readmission_30d
 *   los_7d             24 hours into each admission that is longer: whether it lasts over 7 days
 *
 * Conditioned on: the diagnosis codes of all admissions up to then (M and H; at los_7d those before this one), the drugs begun up to then
 * (E, in the first 24 hours), that the patient was alive and in hospital (los_7d) or came back (mortality), and the age. Nothing else in the
 * files tells more, given these: procedures show the day after admission at the earliest, blood drawn on the first day and intensive care depend
 * on H of the admissions before, lengths of earlier stays, gaps and deaths on M and H. Which code of a disease it was tells nothing beyond the
 * disease. The parameters of the model and which code is of which disease count as known.
 *
 *   a_ik, the chance that the disease is there at admission i:   prevalence_k at the first; 1 once coded; else
 *       u + (1 - u) incidence_k,   u = a (1 - coded_k) / (1 - a coded_k)   of the admission before, where it was not coded
 *   m_ik = P(M_ik = 1) = a_ik coded_k before admission i; after its first 24 hours 1 if treatment has begun, else
 *       m (1 - early_k) / (1 - m early_k)
 *   mortality    sum over s of P(S = s) sigma(death + 0.02 age + s),   S = sum_k death_k M_k, M_k independent of each other
 *   los_7d       P(T > 7 d) / P(T > 1 d), each sum over s of P(S = s) (1 - Phi((log T - stay - s) / stay_sd)), S = sum_k stay_k M_k
 *   readmission  sigma(back + sum_k back_k H_ik), times 0.6 within 15 days: H is known
 * S has its values on the lattice of effects: its distribution is one convolution a disease.
 */
#ifndef MEDTOK_SYNTH_BAYES_H
#define MEDTOK_SYNTH_BAYES_H

#include "synth/patient.h"

#define SYNTH_TASKS(TASK)                                                                                              \
    TASK(MORTALITY, "mortality")                                                                                       \
    TASK(READMISSION_15D, "readmission_15d") TASK(READMISSION_30D, "readmission_30d") TASK(LOS_7D, "los_7d")
#define SYNTH_TASK_NUMBER(constant, name) SYNTH_##constant,
enum synth_task { SYNTH_TASKS(SYNTH_TASK_NUMBER) N_SYNTH_TASKS };
#undef SYNTH_TASK_NUMBER
extern const char *const SYNTH_TASK_NAMES[N_SYNTH_TASKS];

struct synth_sample {
    enum synth_task task;
    int32_t admission; /* that it stands in, and up to which (los_7d: before which) diagnoses are known */
    int64_t time;      /* minutes */
    int label;
    double probability; /* that the label is 1 */
};

struct synth_samples {
    long long n, capacity;
    struct synth_sample *items;
    double *present, *coded, *sum, *next; /* [n_diseases] a and m; [n_sums] P(S), and room for its convolution */
    uint8_t *history;                     /* [n_diseases] H */
    int32_t n_sums;
};

/* The samples of a patient, ascending by admission. Zero it before the first; free at the end. */
int bayes_samples(struct synth_samples *samples, const struct synth_model *model, const struct synth_patient *patient);
void bayes_free(struct synth_samples *samples);

#endif
