#include "synth/faults.h"

#include <stdlib.h>

#include "base/status.h"
#include "dist/gather.h"
#include "synth/draws.h"

#define FAULT_NAME(constant, name) name,
const char *const SYNTH_FAULT_NAMES[N_SYNTH_FAULTS] = {SYNTH_FAULTS(FAULT_NAME)};
#undef FAULT_NAME

static int by_patient(const void *a, const void *b) {
    const struct planned_fault *x = a, *y = b;
    if (x->patient != y->patient) return (x->patient > y->patient) - (x->patient < y->patient);
    return x->fault - y->fault;
}

static int by_place(const void *a, const void *b) {
    const struct planted_fault *x = a, *y = b;
    if (x->table != y->table) return x->table - y->table;
    return (x->line > y->line) - (x->line < y->line);
}

/* From the wanted place on the first patient who has an admission. */
static int plan_kind(struct fault_list *list, const struct synth_model *m, struct synth_patient *p, int64_t n_patients,
                     int64_t count, int fault) {
    int64_t next = 0;
    for (int64_t j = 0; j < count && next < n_patients; j++) {
        int64_t wanted = (j * N_SYNTH_FAULTS + fault) * n_patients / (count * N_SYNTH_FAULTS);
        for (int64_t i = next > wanted ? next : wanted; i < n_patients; i++) {
            next = i + 1;
            TRY(patient_course(p, m, DRAW_COURSE, i));
            if (p->n_admissions == 0) continue;
            TRY(mem_grow(&list->planned, &list->planned_capacity, list->n_planned + 1, sizeof *list->planned));
            list->planned[list->n_planned++] = (struct planned_fault){i, fault};
            break;
        }
    }
    return STATUS_OK;
}

static int plan(struct fault_list *list, const struct synth_model *m, int64_t n_patients, int64_t count) {
    struct synth_patient patient = {0};
    int status = STATUS_OK;
    for (int f = 0; f < N_SYNTH_FAULTS && status == STATUS_OK; f++)
        status = plan_kind(list, m, &patient, n_patients, count, f);
    if (list->n_planned) qsort(list->planned, (size_t)list->n_planned, sizeof *list->planned, by_patient);
    patient_free(&patient);
    return status;
}

int faults_plan(struct fault_list *list, const struct comm *comm, const struct synth_model *m, int64_t n_patients,
                int64_t count) {
    *list = (struct fault_list){0};
    if (count == 0) return STATUS_OK;
    TRY(comm_agree(comm, comm->rank == 0 ? plan(list, m, n_patients, count) : STATUS_OK));
    TRY(comm_broadcast(comm, &list->n_planned, sizeof list->n_planned));
    int status = comm->rank == 0 ? STATUS_OK : mem_alloc(&list->planned, list->n_planned, sizeof *list->planned);
    TRY(comm_agree(comm, status));
    return comm_broadcast(comm, list->planned, (int64_t)list->n_planned * (int64_t)sizeof *list->planned);
}

int faults_note(struct fault_list *list, int32_t table, int32_t fault, const struct rows *rows) {
    TRY(mem_grow(&list->planted, &list->planted_capacity, list->n_planted + 1, sizeof *list->planted));
    list->planted[list->n_planted++] = (struct planted_fault){rows->n_rows, table, fault};
    return STATUS_OK;
}

int faults_gather(const struct fault_list *list, const struct comm *comm, int64_t *n, struct planted_fault **all) {
    TRY(comm_gather_rows(comm, list->n_planted, (int64_t)sizeof *list->planted, list->planted, n, all));
    if (*n) qsort(*all, (size_t)*n, sizeof **all, by_place);
    return STATUS_OK;
}

void faults_free(struct fault_list *list) {
    free(list->planned);
    free(list->planted);
    *list = (struct fault_list){0};
}
