/* EHRSHOT, the original form (som-shahlab/ehrshot-benchmark): data/ehrshot.csv, splits/person_id_map.csv.
 *
 * A time at midnight means a day, so nothing else happens at midnight. It cannot hold a Hispanic patient's race, nor drugs' names; who was in
 * intensive care it says by a care site. Procedures have days, diagnoses the time of discharge.
 */
#include <stddef.h>

#include "synth/format.h"

enum { EVENTS, SPLITS, N_TABLES };

static const struct synth_table TABLES[N_TABLES] = {
    [EVENTS] = {"data/ehrshot", "patient_id,start,end,code,value,unit,visit_id,omop_table"},
    [SPLITS] = {"splits/person_id_map", "split,omop_person_id"},
};

static const char *const SPLIT_WORDS[N_SPLITS] = {"train", "val", "test"};

/* ---- a patient ---- */
static void put_person(struct rows *r, const struct synth_patient *p) {
    static const char *const RACES[5] = {"Race/5", "Race/3", "Ethnicity/Hispanic", "Race/2", NULL};
    put_row(r, "%i,%t,,SNOMED/3950001,,,,person", p->subject, p->birth);
    put_row(r, "%i,%t,,Gender/%s,,,,person", p->subject, p->birth, p->female ? "F" : "M");
    if (RACES[p->race]) put_row(r, "%i,%t,,%s,,,,person", p->subject, p->birth, RACES[p->race]);
}

static void put_codes(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    char code[SYNTH_CODE_BYTES + 1];
    EACH_ITEM(p, i, procedure, k) {
        catalogue_spelling(&h->catalogue->procedure[a->version], p->procedures[k].code, code);
        put_row(r, "%i,%t,,%s/%s,,,%i,procedure_occurrence", p->subject, p->procedures[k].day,
                a->version == ICD9 ? "ICD9Proc" : "ICD10PCS", code, a->id);
    }
    EACH_ITEM(p, i, diagnosis, k) {
        catalogue_spelling(&h->catalogue->diagnosis[a->version], p->diagnoses[k].code, code);
        put_row(r, "%i,%t,,%s/%s,,,%i,condition_occurrence", p->subject, a->discharge,
                a->version == ICD9 ? "ICD9CM" : "ICD10CM", code, a->id);
    }
}

static void put_admission(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    put_row(r, "%i,%t,%t,Visit/IP,,,%i,visit_occurrence", p->subject, a->admit, a->discharge, a->id);
    if (a->care_in != NO_MINUTE)
        put_row(r, "%i,%t,%t,CARE_SITE/ICU%i,,,%i,visit_detail", p->subject, a->care_in, a->care_out, (int64_t)a->unit,
                a->id);
    EACH_ITEM(p, i, lab, k)
    put_row(r, "%i,%t,,LOINC/%s,%r,%s,%i,measurement", p->subject, p->labs[k].time, LABS[p->labs[k].lab].loinc,
            p->labs[k].value, LABS[p->labs[k].lab].digits, LABS[p->labs[k].lab].omop_unit, a->id);
    EACH_ITEM(p, i, prescription, k) {
        const struct synth_prescription *x = &p->prescriptions[k];
        put_row(r, "%i,%t,%t,NDC/%s,,,%i,drug_exposure", p->subject, x->start, x->stop,
                h->catalogue->drugs[x->drug].package[x->package], a->id);
    }
    put_codes(r, h, p, i);
}

static void put_split(struct rows *r, const struct synth_patient *p) {
    put_row(r, "%s,%i", SPLIT_WORDS[p->split], p->subject);
}

static void put_patient(const struct synth_hospital *h, const struct synth_patient *p,
                        const struct synth_samples *samples, struct rows *tables) {
    (void)samples;
    put_split(&tables[SPLITS], p);
    put_person(&tables[EVENTS], p);
    for (int32_t i = 0; i < p->n_admissions; i++) put_admission(&tables[EVENTS], h, p, i);
    if (p->death != NO_MINUTE)
        put_row(&tables[EVENTS], "%i,%t,,Death Type/OMOP generated,,,,death", p->subject, p->death);
}

/* ---- faults ---- */
static int put_fault(const struct synth_patient *p, enum synth_fault fault, struct rows *tables) {
    const struct synth_admission *a = p->admissions;
    int64_t other = p->subject + SYNTH_FAULT_IDS;
    struct rows *r = &tables[EVENTS];
    if (p->n_admissions == 0) return -1;
    switch (fault) {
        case FAULT_BAD_DATE:
            put_row(r, "%i,2180-13-45 00:00:00,,ICD9CM/428.0,,,%i,condition_occurrence", p->subject, a->id);
            break;
        case FAULT_ENDS_EARLY:
            put_row(r, "%i,2290-01-01 08:00:00,%t,Visit/IP,,,%i,visit_occurrence", p->subject, a->discharge,
                    a->id + SYNTH_FAULT_IDS);
            break;
        case FAULT_DIES_EARLY: /* of somebody else */
            put_row(&tables[SPLITS], "train,%i", other);
            put_row(r, "%i,%t,,SNOMED/3950001,,,,person", other, p->birth);
            put_row(r, "%i,%t,,Death Type/OMOP generated,,,,death", other, p->birth - 300LL * MINUTES_A_DAY);
            break;
        case FAULT_TWICE: put_split(&tables[SPLITS], p); return SPLITS;
        case FAULT_UNKNOWN:
            put_row(r, "%i,%t,,ICD9CM/428.0,,,,condition_occurrence", other + SYNTH_FAULT_IDS, a->discharge);
            break;
        case FAULT_NO_NUMBER: put_row(r, "unknown,%t,,ICD9CM/428.0,,,,condition_occurrence", a->discharge); break;
        default: return -1;
    }
    return EVENTS;
}

const struct synth_format SYNTH_EHRSHOT_FORMAT = {
    .name = "ehrshot", .n_tables = N_TABLES, .tables = TABLES, .patient = put_patient, .fault = put_fault};
