/* One patient of a made-up hospital: who, when, and what was coded. A function of (model, seed, number) alone.
 *
 * Times are minutes since 1970-01-01 in the shifted calendar, in which MIMIC's patients live: each patient's first admission is moved to a
 * year of 2110 .. 2199. The year in which it took place, 2008 .. 2019, decides on the version of ICD.
 */
#ifndef MEDTOK_SYNTH_PATIENT_H
#define MEDTOK_SYNTH_PATIENT_H

#include "store/subject_record.h"
#include "synth/model.h"

#define NO_MINUTE       INT64_MIN
#define MINUTES_A_DAY   1440
#define MOST_LATER_DAYS 14  /* of an admission, on which drugs begin */
#define MOST_ADMISSIONS 256 /* of a patient: whoever is discharged from that does not come back */

struct synth_stay { /* what happened to a disease in an admission */
    int32_t disease;
    uint8_t early, first; /* treated on the first day; not coded before */
};

struct synth_diagnosis {
    int32_t code, code9; /* in catalogue.diagnosis[version], and what stands for it in ICD-9 */
};

struct synth_procedure {
    int32_t code, code9;
    int64_t day; /* its midnight */
};

struct synth_prescription {
    int32_t drug, package;
    int64_t start, stop;
};

struct synth_lab {
    int lab;
    double value;
    int64_t time;
};

struct synth_admission {
    int64_t id, admit, discharge;  /* id: of 8 or 9 digits, not in the order of time */
    int64_t emergency_in;          /* registration in the emergency department, or NO_MINUTE */
    int64_t care_in, care_out;     /* intensive care, or NO_MINUTE */
    int version, died, type, unit; /* type, unit: of admission and of intensive care, a number each */
    long long coded, diagnosis, procedure, prescription, lab; /* where its items begin in the patient's lists */
};

struct synth_patient {
    int64_t number, subject;
    enum cohort_split split;    /* as `cohort` draws it with the same seed, 70/10/20, where a format has none */
    int female, race, age;      /* age: in anchor_year */
    int anchor_year, real_year; /* of the first admission: shifted, and as it was */
    int64_t birth, death;       /* 1 January of anchor_year - age; NO_MINUTE: alive */
    int died_in_hospital;
    int32_t n_admissions;
    struct synth_admission *admissions; /* [n_admissions + 1]: the last one ends the lists */
    struct synth_stay *coded;
    struct synth_diagnosis *diagnoses;
    struct synth_procedure *procedures;
    struct synth_prescription *prescriptions;
    struct synth_lab *labs;
    uint8_t *has, *history; /* [n_diseases] while it is made: has the disease; it was coded before */
    long long admissions_capacity, coded_capacity, diagnoses_capacity, procedures_capacity, prescriptions_capacity,
        labs_capacity, n_coded, n_diagnoses, n_procedures, n_prescriptions, n_labs;
};

/* A zeroed struct is ready for use and can be used again for the next patient; free it at the end. */
int patient_make(struct synth_patient *patient, const struct synth_model *model, const struct catalogue *catalogue,
                 int64_t number);

/* The same without diagnoses, procedures, drugs and tests; of a stream of its own (synth/draws.h), for finding intercepts. */
int patient_course(struct synth_patient *patient, const struct synth_model *model, int what, int64_t number);
void patient_free(struct synth_patient *patient);

/* Calendar: minutes of a midnight, and the date of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms"). */
int64_t minutes_of_date(int year, int month, int day);
void date_of_days(int64_t days, int *year, int *month, int *day);
static inline int64_t midnight(int64_t minutes) {
    int64_t rest = minutes % MINUTES_A_DAY;
    return minutes - rest - (rest < 0 ? MINUTES_A_DAY : 0);
}

/* Number i of a list belongs to admission a of the patient: [first, end). */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): members and a declaration cannot stand in them */
#define EACH_ITEM(p, a, list, i) for (long long i = (p)->admissions[a].list; i < (p)->admissions[(a) + 1].list; i++)

#endif
