/* phenotypes: which of 25 groups of HCUP's Clinical Classifications Software are among a stay's diagnoses?
 *
 * clean: at admission, of grown-up subjects, from what was known before; the stay's own diagnoses are hidden, whenever they are dated.
 * medtok: at discharge, with the stay's own diagnoses in the input: a task of looking up. Of visits that MedTok's scripts keep, with one
 *   stay in intensive care; a subject with a visit without phenotype gives none at all. The scripts' own labels are 24 nodes of PrimeKG,
 *   two of which are one; here the groups take their place (specs 7.3).
 */
#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

/* The groups of a visit, ascending, into stays->set; returns how many. *n_diagnoses: of all groups. */
static int32_t groups_of(const struct labelling *l, int32_t visit, int64_t *n_diagnoses) {
    const struct subject_record *r = l->record;
    unsigned found = 0;
    int32_t n = 0;
    *n_diagnoses = 0;
    for (int64_t i = 0; i < r->n_events; i++) {
        if (r->visit[i] != visit || l->codes->kind[r->code[i]] != CODE_KIND_DIAGNOSIS) continue;
        ++*n_diagnoses;
        if (l->codes->phenotype[r->code[i]] >= 0) found |= 1U << l->codes->phenotype[r->code[i]];
    }
    for (int32_t p = 0; p < N_PHENOTYPES; p++)
        if (found >> p & 1) l->stays->set[n++] = p;
    return n;
}

static int label_clean(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    TRY(mem_grow(&l->stays->set, &l->stays->set_capacity, N_PHENOTYPES, sizeof *l->stays->set));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i];
        int64_t n_diagnoses;
        if (!stays_adult(l, visits[v].start, v)) continue;
        int32_t n = groups_of(l, v, &n_diagnoses);
        if (n_diagnoses == 0)
            labelling_leave_out(l, FILTER_NO_DIAGNOSIS, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].start, v, n, l->stays->set));
    }
    return STATUS_OK;
}

static int label_medtok(const struct labelling *l) {
    struct stays *s = l->stays;
    int64_t n_diagnoses;
    TRY(stays_retain(l, 1));
    TRY(mem_grow(&s->set, &s->set_capacity, N_PHENOTYPES, sizeof *s->set));
    for (int32_t i = 0; i < s->n; i++) {
        if (groups_of(l, s->visit[i], &n_diagnoses) > 0) continue;
        labelling_leave_out(l, FILTER_NO_PHENOTYPE, COHORT_NO_TIME, -1, NULL);
        return STATUS_OK;
    }
    for (int32_t i = 0; i + 1 < s->n; i++) {
        int32_t n = groups_of(l, s->visit[i], &n_diagnoses);
        TRY(labelling_add(l, l->record->visits[s->visit[i]].end, s->visit[i], n, s->set));
    }
    return STATUS_OK;
}

/* tasks.c fills in the names of the classes. */
const struct task_kind PHENOTYPE_TASKS[] = {{.name = "phenotypes",
                                             .summary = "at admission: which of 25 groups are among the diagnoses",
                                             .form = LABEL_SET,
                                             .n_classes = N_PHENOTYPES,
                                             .hidden = {1 << CODE_KIND_DIAGNOSIS, 0},
                                             .needs = NEEDS_CCS,
                                             .by_default = 1,
                                             .label = {label_clean, label_medtok}},
                                            {0}};
