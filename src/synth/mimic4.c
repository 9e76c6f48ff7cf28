/* MIMIC-IV 3.1: hosp/ and icu/, headers as published (mimic.mit.edu/docs/iv/modules). Holds everything but the hour of a procedure,
 * whose date is given; deaths at home are dates. */
#include <stddef.h>

#include "synth/format.h"

enum {
    PATIENTS,
    ADMISSIONS,
    DIAGNOSES,
    PROCEDURES,
    PRESCRIPTIONS,
    LABEVENTS,
    ICUSTAYS,
    D_DIAGNOSES,
    D_PROCEDURES,
    D_LABITEMS,
    N_TABLES
};

static const struct synth_table TABLES[N_TABLES] = {
    [PATIENTS] = {"hosp/patients", "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"},
    [ADMISSIONS] = {"hosp/admissions",
                    "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,"
                    "admission_location,discharge_location,insurance,language,marital_status,race,edregtime,"
                    "edouttime,hospital_expire_flag"},
    [DIAGNOSES] = {"hosp/diagnoses_icd", "subject_id,hadm_id,seq_num,icd_code,icd_version"},
    [PROCEDURES] = {"hosp/procedures_icd", "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version"},
    [PRESCRIPTIONS] = {"hosp/prescriptions",
                       "subject_id,hadm_id,pharmacy_id,poe_id,poe_seq,order_provider_id,starttime,stoptime,"
                       "drug_type,drug,formulary_drug_cd,gsn,ndc,prod_strength,form_rx,dose_val_rx,dose_unit_rx,"
                       "form_val_disp,form_unit_disp,doses_per_24_hrs,route"},
    [LABEVENTS] = {"hosp/labevents",
                   "labevent_id,subject_id,hadm_id,specimen_id,itemid,order_provider_id,charttime,storetime,value,"
                   "valuenum,valueuom,ref_range_lower,ref_range_upper,flag,priority,comments"},
    [ICUSTAYS] = {"icu/icustays", "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los"},
    [D_DIAGNOSES] = {"hosp/d_icd_diagnoses", "icd_code,icd_version,long_title"},
    [D_PROCEDURES] = {"hosp/d_icd_procedures", "icd_code,icd_version,long_title"},
    [D_LABITEMS] = {"hosp/d_labitems", "itemid,label,fluid,category"},
};

/* ---- lists ---- */
static void put_titles(struct rows *r, const struct synth_codes *codes, int64_t version) {
    for (int32_t i = 0; i < codes->n; i++)
        put_row(r, "%s,%i,group %i of a made-up hospital", codes->code[i], version, (int64_t)codes->group[i]);
}

static void put_lists(const struct synth_hospital *h, struct rows *tables) {
    for (int v = 0; v < N_ICD; v++) {
        put_titles(&tables[D_DIAGNOSES], &h->catalogue->diagnosis[v], synth_version(v));
        put_titles(&tables[D_PROCEDURES], &h->catalogue->procedure[v], synth_version(v));
    }
    for (int l = 0; l < N_LABS; l++)
        put_row(&tables[D_LABITEMS], "%i,%s,Blood,Made up", (int64_t)LABS[l].mimic_item, LABS[l].name);
}

/* ---- a patient ---- */
static void put_person(struct rows *r, const struct synth_patient *p) {
    int64_t group = p->real_year - (p->real_year - 2008) % 3;
    put_row(r, "%i,%s,%i,%i,%i - %i,%d", p->subject, p->female ? "F" : "M", (int64_t)p->age, (int64_t)p->anchor_year,
            group, group + 2, p->death);
}

static void put_admission(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    static const char *const WHERE[] = {"EMERGENCY ROOM", "PHYSICIAN REFERRAL", "TRANSFER FROM HOSPITAL"};
    static const char *const TO[] = {"HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", "REHAB"};
    int emergency = a->emergency_in != NO_MINUTE;
    put_row(r, "%i,%i,%t,%t,%t,%s,P00AAA,%s,%s,%s,English,%s,%s,%t,%t,%i", p->subject, a->id, a->admit, a->discharge,
            a->died ? a->discharge : NO_MINUTE, SYNTH_ADMISSION_TYPES[a->type], WHERE[emergency ? 0 : 1 + a->type % 2],
            a->died ? "DIED" : TO[a->id % 4], p->age >= 65 ? "Medicare" : "Private",
            p->number % 2 ? "MARRIED" : "SINGLE", SYNTH_RACES[p->race], a->emergency_in,
            emergency ? a->admit + 15 : NO_MINUTE, (int64_t)a->died);
}

static void put_codes(struct rows *tables, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    int64_t version = synth_version(a->version);
    EACH_ITEM(p, i, diagnosis, k)
    put_row(&tables[DIAGNOSES], "%i,%i,%i,%s,%i", p->subject, a->id, (int64_t)(k - a->diagnosis + 1),
            h->catalogue->diagnosis[a->version].code[p->diagnoses[k].code], version);
    EACH_ITEM(p, i, procedure, k)
    put_row(&tables[PROCEDURES], "%i,%i,%i,%d,%s,%i", p->subject, a->id, (int64_t)(k - a->procedure + 1),
            p->procedures[k].day, h->catalogue->procedure[a->version].code[p->procedures[k].code], version);
}

static void put_drugs(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, prescription, k) {
        const struct synth_prescription *x = &p->prescriptions[k];
        const struct synth_drug *drug = &h->catalogue->drugs[x->drug];
        put_row(r, "%i,%i,%i,%i-%i,%i,P00AAA,%t,%t,MAIN,%c,%s,00%i,%s,10mg Tab,,10,mg,1,TAB,1,PO", p->subject, a->id,
                item_id(p, k), p->subject, (int64_t)k + 1, (int64_t)k + 1, x->start, x->stop, drug->name, drug->atc,
                (int64_t)x->drug + 1000, drug->package[x->package]);
    }
}

static void put_labs(struct rows *r, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, lab, k) {
        const struct synth_lab *x = &p->labs[k];
        const struct lab_facts *lab = &LABS[x->lab];
        put_row(r, "%i,%i,%i,%i,%i,,%t,%t,%r,%r,%s,%r,%r,%s,ROUTINE,", item_id(p, k), p->subject, a->id,
                item_id(p, k - k % N_LABS), (int64_t)lab->mimic_item, x->time, x->time + 45, x->value, lab->digits,
                x->value, lab->digits, lab->unit, lab->low, 1, lab->high, 1,
                x->value < lab->low || x->value > lab->high ? "abnormal" : "");
    }
}

static void put_care(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    if (a->care_in == NO_MINUTE) return;
    put_row(r, "%i,%i,%i,%s,%s,%t,%t,%r", p->subject, a->id, a->id + 10000000, SYNTH_UNITS[a->unit],
            SYNTH_UNITS[a->unit], a->care_in, a->care_out, (double)(a->care_out - a->care_in) / MINUTES_A_DAY, 6);
}

static void put_patient(const struct synth_hospital *h, const struct synth_patient *p,
                        const struct synth_samples *samples, struct rows *tables) {
    (void)samples;
    put_person(&tables[PATIENTS], p);
    for (int32_t i = 0; i < p->n_admissions; i++) {
        put_admission(&tables[ADMISSIONS], p, &p->admissions[i]);
        put_codes(tables, h, p, i);
        put_drugs(&tables[PRESCRIPTIONS], h, p, i);
        put_labs(&tables[LABEVENTS], p, i);
        put_care(&tables[ICUSTAYS], p, &p->admissions[i]);
    }
}

/* ---- faults ---- */
static int put_fault(const struct synth_patient *p, enum synth_fault fault, struct rows *tables) {
    const struct synth_admission *a = p->admissions;
    int64_t subject = p->subject, id = a->id + SYNTH_FAULT_IDS,
            died = minutes_of_date(p->anchor_year - p->age - 2, 5, 6);
    static const char ADMISSION[] =
        "%i,%i,%s,%t,,URGENT,P00AAA,PHYSICIAN REFERRAL,HOME,Private,English,SINGLE,WHITE,,,0";
    if (p->n_admissions == 0) return -1;
    switch (fault) {
        case FAULT_BAD_DATE:
            put_row(&tables[ADMISSIONS], ADMISSION, subject, id, "2180-13-45 00:00:00", a->discharge);
            return ADMISSIONS;
        case FAULT_ENDS_EARLY:
            put_row(&tables[ADMISSIONS], ADMISSION, subject, id, "2290-01-01 00:00:00", a->discharge);
            return ADMISSIONS;
        case FAULT_DIES_EARLY: /* somebody else, who has no admissions */
            put_row(&tables[PATIENTS], "%i,F,%i,%i,2008 - 2010,%d", subject + SYNTH_FAULT_IDS, (int64_t)p->age,
                    (int64_t)p->anchor_year, died);
            return PATIENTS;
        case FAULT_TWICE: put_person(&tables[PATIENTS], p); return PATIENTS;
        case FAULT_UNKNOWN:
            put_row(&tables[DIAGNOSES], "%i,%i,1,4280,9", subject + 2 * SYNTH_FAULT_IDS, a->id);
            return DIAGNOSES;
        case FAULT_NO_NUMBER: put_row(&tables[DIAGNOSES], "%i,unknown,1,4280,9", subject); return DIAGNOSES;
        default: return -1;
    }
}

const struct synth_format SYNTH_MIMIC4_FORMAT = {.name = "mimic4",
                                                 .n_tables = N_TABLES,
                                                 .tables = TABLES,
                                                 .lists = put_lists,
                                                 .patient = put_patient,
                                                 .fault = put_fault};
