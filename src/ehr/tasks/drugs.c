/* drugs_5, drugs_atc3: which drugs does a stay have? At discharge, from all before and the stay's own diagnoses and procedures; its drugs are hidden.
 *
 * drugs_5: vancomycin, levofloxacin, heparin, metoprolol, atorvastatin, as their ATC codes. drugs_atc3: groups of ATC, codes of four
 * letters, that train has (PyHealth's task).
 * clean: of grown-up subjects; a stay without any drug tells nothing and is left out, one without these has none of the classes.
 * medtok: of visits that MedTok's scripts keep, with one stay in intensive care; visits with none of the five are left out. drugs_atc3
 *   is PyHealth's, in the same cohort with any number of stays in intensive care; each visit is a sample.
 */
#include <stdlib.h>

#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

enum { FIVE, ATC3 };

static int compare(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The classes of a visit, ascending and each once, into stays->set, and their number. *n_drugs: of all drugs. */
static int classes_of(const struct labelling *l, int32_t visit, int32_t *n, int64_t *n_drugs) {
    const struct subject_record *r = l->record;
    struct stays *s = l->stays;
    int32_t n_found = 0;
    *n = 0;
    *n_drugs = 0;
    for (int64_t i = 0; i < r->n_events; i++) {
        if (r->visit[i] != visit || l->codes->kind[r->code[i]] != CODE_KIND_DRUG) continue;
        ++*n_drugs;
        int32_t class = l->task->kind->argument == FIVE ? l->codes->five[r->code[i]] : l->codes->atc3[r->code[i]];
        if (class < 0) continue;
        TRY(mem_grow(&s->set, &s->set_capacity, n_found + 1, sizeof *s->set));
        s->set[n_found++] = class;
    }
    if (n_found > 0) qsort(s->set, (size_t)n_found, sizeof *s->set, compare);
    for (int32_t i = 0; i < n_found; i++)
        if (*n == 0 || s->set[*n - 1] != s->set[i]) s->set[(*n)++] = s->set[i];
    return STATUS_OK;
}

static int label_clean(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    TRY(stays_find(l));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i], n;
        int64_t n_drugs;
        if (!stays_adult(l, visits[v].start, v)) continue;
        TRY(classes_of(l, v, &n, &n_drugs));
        if (n_drugs == 0)
            labelling_leave_out(l, FILTER_NO_DRUG, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].end, v, n, l->stays->set));
    }
    return STATUS_OK;
}

static int label_medtok(const struct labelling *l) {
    const struct cohort_visit *visits = l->record->visits;
    int five = l->task->kind->argument == FIVE;
    TRY(stays_retain(l, five ? 1 : 0));
    for (int32_t i = 0; i < l->stays->n; i++) {
        int32_t v = l->stays->visit[i], n;
        int64_t n_drugs;
        TRY(classes_of(l, v, &n, &n_drugs));
        if (five && n == 0)
            labelling_leave_out(l, FILTER_NONE, visits[v].start, v, NULL);
        else
            TRY(labelling_add(l, visits[v].end, v, n, l->stays->set));
    }
    return STATUS_OK;
}

/* tasks.c fills in the groups of drugs_atc3. */
const struct task_kind DRUG_TASKS[] = {{.name = "drugs_5",
                                        .summary = "at discharge: which of five drugs the stay has",
                                        .form = LABEL_SET,
                                        .n_classes = N_FIVE_DRUGS,
                                        .class_names = FIVE_DRUG_NAMES,
                                        .hidden = {1 << CODE_KIND_DRUG, 1 << CODE_KIND_DRUG},
                                        .argument = FIVE,
                                        .needs = NEEDS_ATC,
                                        .by_default = 1,
                                        .label = {label_clean, label_medtok}},
                                       {.name = "drugs_atc3",
                                        .summary = "at discharge: which groups of ATC (four letters) the stay has",
                                        .form = LABEL_SET,
                                        .hidden = {1 << CODE_KIND_DRUG, 1 << CODE_KIND_DRUG},
                                        .argument = ATC3,
                                        .needs = NEEDS_ATC,
                                        .by_default = 1,
                                        .label = {label_clean, label_medtok}},
                                       {0}};
