#include "synth/truth.h"

#include <stdlib.h>

#include "base/status.h"

const struct synth_table TRUTH_TABLES[N_TRUTH_TABLES] = {
    [TRUTH_SAMPLES] = {"truth",
                       "task,subject_id,hadm_id,prediction_time,split,label,probability,diagnoses,rare,unseen"},
    [TRUTH_CODES] = {"codes", "system,code,group,rank,train,all,flag"},
    [TRUTH_DISEASES] = {"diseases", "disease,kind,prevalence,incidence,coded,early,death,stay,back"},
    [TRUTH_PACKAGES] = {"ndc_to_atc", "ndc,atc_code,group"},
    [TRUTH_NAMES] = {"drug_to_atc", "drug,atc_code"},
    [TRUTH_FAULTS] = {"faults", "file,line,fault"},
};

/* ---- counts ---- */
int code_counts_make(struct code_counts *counts, const struct catalogue *c) {
    *counts = (struct code_counts){0};
    for (int v = 0; v < N_ICD; v++) {
        TRY(mem_alloc(&counts->train[v], c->diagnosis[v].n, sizeof **counts->train));
        TRY(mem_alloc(&counts->all[v], c->diagnosis[v].n, sizeof **counts->all));
    }
    return STATUS_OK;
}

void code_counts_add(struct code_counts *counts, const struct synth_patient *p) {
    for (int32_t i = 0; i < p->n_admissions; i++) EACH_ITEM(p, i, diagnosis, k) {
            int v = p->admissions[i].version;
            counts->all[v][p->diagnoses[k].code]++;
            counts->train[v][p->diagnoses[k].code] += p->split == SPLIT_TRAIN;
        }
}

int code_counts_sum(struct code_counts *counts, const struct comm *comm, const struct catalogue *c) {
    for (int v = 0; v < N_ICD; v++) {
        TRY(comm_sum_int64(comm, counts->train[v], c->diagnosis[v].n));
        TRY(comm_sum_int64(comm, counts->all[v], c->diagnosis[v].n));
    }
    return STATUS_OK;
}

void code_counts_free(struct code_counts *counts) {
    for (int v = 0; v < N_ICD; v++) {
        free(counts->train[v]);
        free(counts->all[v]);
    }
    *counts = (struct code_counts){0};
}

/* ---- samples ---- */
void truth_put_samples(struct rows *rows, const struct synth_patient *p, const struct synth_samples *samples,
                       const struct code_counts *counts) {
    int64_t known = 0, rare = 0, unseen = 0;
    int32_t seen = 0; /* admissions whose diagnoses are counted */
    for (long long i = 0; i < samples->n; i++) {
        const struct synth_sample *s = &samples->items[i];
        for (; seen < s->admission + (s->task != SYNTH_LOS_7D); seen++) EACH_ITEM(p, seen, diagnosis, k) {
                int64_t train = counts->train[p->admissions[seen].version][p->diagnoses[k].code];
                known++;
                rare += train > 0 && train < RARE_CODE;
                unseen += train == 0;
            }
        put_row(rows, "%s,%i,%i,%t,%s,%i,%r,%i,%i,%i", SYNTH_TASK_NAMES[s->task], p->subject,
                p->admissions[s->admission].id, s->time, SPLIT_NAMES[p->split], (int64_t)s->label, s->probability, 9,
                known, rare, unseen);
    }
}

/* ---- lists ---- */
static void put_codes(struct rows *r, const struct synth_codes *codes, const int64_t *train, const int64_t *all) {
    char code[SYNTH_CODE_BYTES + 1];
    for (int32_t i = 0; i < codes->n; i++) {
        catalogue_spelling(codes, i, code);
        put_row(r, "%s,%s,%i,%i,%i,%i,%s", codes->system == SYSTEM_ICD9CM ? "ICD9CM" : "ICD10CM", code,
                (int64_t)codes->group[i], (int64_t)codes->rank[i], train[i], all[i],
                train[i] >= RARE_CODE || all[i] == 0 ? ""
                : train[i]                           ? "rare"
                                                     : "unseen");
    }
}

static void put_diseases(struct rows *r, const struct synth_hospital *h) {
    for (int32_t k = 0; k < h->model->n_diseases; k++) {
        const struct disease *d = &h->model->diseases[k];
        put_row(r, "%i,%s,%r,%r,%r,%r,%r,%r,%r", (int64_t)k,
                k < SYNTH_NAMED                              ? "named"
                : k < SYNTH_NAMED + h->catalogue->n_of_graph ? "graph"
                                                             : "hierarchy",
                d->prevalence, 9, d->incidence, 9, d->coded, 9, d->early, 9, model_death(d), 2, model_stay(d), 2,
                model_back(d), 2);
    }
}

void truth_put_lists(struct rows tables[N_TRUTH_TABLES], const struct synth_hospital *h,
                     const struct code_counts *counts) {
    for (int v = 0; v < N_ICD; v++)
        put_codes(&tables[TRUTH_CODES], &h->catalogue->diagnosis[v], counts->train[v], counts->all[v]);
    put_diseases(&tables[TRUTH_DISEASES], h);
    for (int32_t i = 0; i < h->catalogue->drug.n; i++) {
        const struct synth_drug *drug = &h->catalogue->drugs[i];
        put_row(&tables[TRUTH_NAMES], "%c,%s", drug->name, drug->atc);
        for (int k = 0; k < drug->n_packages; k++)
            put_row(&tables[TRUTH_PACKAGES], "%s,%s,%i", drug->package[k], drug->atc,
                    (int64_t)h->catalogue->drug.group[i]);
    }
}
