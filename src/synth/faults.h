/* Faulty rows for tests of readers: which patients they stand behind, and where in which file they came to stand. The good rows are those of
 * the same hospital without faults.
 */
#ifndef MEDTOK_SYNTH_FAULTS_H
#define MEDTOK_SYNTH_FAULTS_H

#include "dist/comm.h"
#include "synth/format.h"

extern const char *const SYNTH_FAULT_NAMES[N_SYNTH_FAULTS];

struct planned_fault {
    int64_t patient;
    int32_t fault; /* enum synth_fault */
};

struct planted_fault {
    int64_t line; /* in the file; before the block is written: in the block, from 1 */
    int32_t table, fault;
};

struct fault_list {
    long long n_planned, n_planted, planned_capacity, planted_capacity;
    struct planned_fault *planned; /* [n_planned] by patient */
    struct planted_fault *planted; /* [n_planted] of this rank */
    long long n_settled;           /* whose line is that of the file */
};

/* Collective. `count` of each kind, spread over the patients, each behind one who has an admission; fewer where there are not so many. */
int faults_plan(struct fault_list *list, const struct comm *comm, const struct synth_model *model, int64_t n_patients,
                int64_t count);

/* Notes that `fault` was put into a table, as the last row of it so far. */
int faults_note(struct fault_list *list, int32_t table, int32_t fault, const struct rows *rows);

/* Collective. All planted faults of all ranks, by table and line; the caller frees. */
int faults_gather(const struct fault_list *list, const struct comm *comm, int64_t *n, struct planted_fault **all);

void faults_free(struct fault_list *list);

#endif
