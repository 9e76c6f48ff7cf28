/* What the codes of a cohort are to tasks: asked once a code, looked up once an event. */
#ifndef MEDTOK_EHR_TASKS_CODE_TRAITS_H
#define MEDTOK_EHR_TASKS_CODE_TRAITS_H

#include "ehr/tasks/tasks.h"

/* Sets of codes. Diagnoses are named by prefixes of ICD's codes without dots, as in their tabular lists (code_traits.c), or by a concept of
 * SNOMED CT with its descendants, which are those of EHRSHOT (ehrshot/labelers/ehrshot.py). */
enum code_set {
    SET_HYPERTENSION,
    SET_HYPERLIPIDEMIA,
    SET_PANCREATIC_CANCER,
    SET_AMI,
    SET_CELIAC,
    SET_LUPUS,
    N_DIAGNOSIS_SETS,
    SET_AMI_MEDTOK = N_DIAGNOSIS_SETS, /* the list in MedTok's load_data.py, which lacks most of ICD-10's codes */
    SET_ICU,                           /* a stay in intensive care begins */
    SET_ATC,                           /* a drug that is known to ATC */
    N_CODE_SETS
};

enum { N_FIVE_DRUGS = 5, N_PHENOTYPES = 25, ATC3_LETTERS = 4 };
extern const char *const FIVE_DRUG_NAMES[N_FIVE_DRUGS]; /* ATC codes, in the order of load_data.py */
extern const struct phenotype {
    int ccs;          /* number of the group in HCUP's Clinical Classifications Software, single level */
    const char *name; /* as HCUP has it */
} PHENOTYPES[N_PHENOTYPES];

struct code_traits {
    int64_t n;
    const uint8_t *kind; /* [n] enum code_kind; borrowed */
    uint16_t *sets;      /* [n] bits 1 << enum code_set */
    int8_t *five;        /* [n] index in FIVE_DRUG_NAMES, or -1 */
    int8_t *phenotype;   /* [n] index in PHENOTYPES, or -1 */
    int8_t *lab;         /* [n] enum lab_analyte (ehr/tasks/labs.h), or -1 */
    int8_t *lab_unit;    /* [n] of its values, for lab_value; -1: it is not known */
    int32_t *atc3;       /* [n] class, or -1 */
    int32_t n_atc3;
    char **atc3_names;         /* [n_atc3] ascending; those of codes that train has */
    int has_atc, n_phenotypes; /* whether there is a code of ATC; groups of PHENOTYPES that are known */
};

int code_traits_make(struct code_traits *traits, const struct task_codes *codes);
void code_traits_free(struct code_traits *traits);

static inline int code_in(const struct code_traits *t, int32_t code, enum code_set set) {
    return (t->sets[code] >> set) & 1;
}

#endif
