/* What is true of a made-up hospital, beside its data sets:
 *
 *   truth.csv      a row a sample (synth/bayes.h): task, subject_id, hadm_id, prediction_time, split, label, probability; how many
 *                  diagnoses were known, and how many of them with a code that is rare or unseen in train
 *   codes.csv      system, code, group, rank in the group, events in train and in all; "rare": fewer than RARE_CODE events in train,
 *                  "unseen": none there, but elsewhere. The last group is the background
 *   diseases.csv   the parameters of the model, a row a disease; effects in log odds (stay: of log days)
 *   ndc_to_atc.csv, drug_to_atc.csv   maps of packages and of names of drugs, as cohort.maps takes them; group as in codes.csv
 *   faults.csv     file, line, fault: the faulty rows that were planted
 */
#ifndef MEDTOK_SYNTH_TRUTH_H
#define MEDTOK_SYNTH_TRUTH_H

#include "dist/comm.h"
#include "synth/format.h"

enum { RARE_CODE = 10 };
enum truth_table {
    TRUTH_SAMPLES,
    TRUTH_CODES,
    TRUTH_DISEASES,
    TRUTH_PACKAGES,
    TRUTH_NAMES,
    TRUTH_FAULTS,
    N_TRUTH_TABLES
};
extern const struct synth_table TRUTH_TABLES[N_TRUTH_TABLES];

/* How often each diagnosis code stands in train and in all, [n] of each version, as coded in all formats but MIMIC-III. */
struct code_counts {
    int64_t *train[N_ICD], *all[N_ICD];
};
int code_counts_make(struct code_counts *counts, const struct catalogue *catalogue);
void code_counts_add(struct code_counts *counts, const struct synth_patient *patient);
/* Collective: sums of all ranks. */
int code_counts_sum(struct code_counts *counts, const struct comm *comm, const struct catalogue *catalogue);
void code_counts_free(struct code_counts *counts);

void truth_put_samples(struct rows *rows, const struct synth_patient *patient, const struct synth_samples *samples,
                       const struct code_counts *counts);
/* codes, diseases and drugs */
void truth_put_lists(struct rows tables[N_TRUTH_TABLES], const struct synth_hospital *hospital,
                     const struct code_counts *counts);

#endif
