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
static void put_titles(struct rows *r, const struct synth_codes *codes, int version) {
    for (int32_t i = 0; i < codes->n && row_begin(r); i++) {
        put_text(r, codes->code[i]);
        put_text(r, version == ICD9 ? ",9,group " : ",10,group ");
        put_integer(r, codes->group[i]);
        put_text(r, " of a made-up hospital");
        row_end(r);
    }
}

static void put_lists(const struct synth_hospital *h, struct rows *tables) {
    for (int v = 0; v < N_ICD; v++) {
        put_titles(&tables[D_DIAGNOSES], &h->catalogue->diagnosis[v], v);
        put_titles(&tables[D_PROCEDURES], &h->catalogue->procedure[v], v);
    }
    for (int l = 0; l < N_LABS && row_begin(&tables[D_LABITEMS]); l++) {
        put_integer(&tables[D_LABITEMS], LABS[l].mimic_item);
        put_char(&tables[D_LABITEMS], ',');
        put_text(&tables[D_LABITEMS], LABS[l].name);
        put_text(&tables[D_LABITEMS], ",Blood,Made up");
        row_end(&tables[D_LABITEMS]);
    }
}

/* ---- a patient ---- */
static void put_ids(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    put_integer(r, p->subject);
    put_char(r, ',');
    put_integer(r, a->id);
    put_char(r, ',');
}

static void put_person(struct rows *r, const struct synth_patient *p) {
    if (!row_begin(r)) return;
    put_integer(r, p->subject);
    put_text(r, p->female ? ",F," : ",M,");
    put_integer(r, p->age);
    put_char(r, ',');
    put_integer(r, p->anchor_year);
    put_char(r, ',');
    int group = p->real_year - (p->real_year - 2008) % 3;
    put_integer(r, group);
    put_text(r, " - ");
    put_integer(r, group + 2);
    put_char(r, ',');
    if (p->death != NO_MINUTE) put_date(r, p->death);
    row_end(r);
}

static void put_admission(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    static const char *const WHERE[] = {"EMERGENCY ROOM", "PHYSICIAN REFERRAL", "TRANSFER FROM HOSPITAL"};
    static const char *const TO[] = {"HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", "REHAB"};
    if (!row_begin(r)) return;
    put_ids(r, p, a);
    put_time(r, a->admit);
    put_char(r, ',');
    put_time(r, a->discharge);
    put_char(r, ',');
    if (a->died) put_time(r, a->discharge);
    put_char(r, ',');
    put_text(r, SYNTH_ADMISSION_TYPES[a->type]);
    put_text(r, ",P00AAA,");
    put_text(r, WHERE[a->emergency_in != NO_MINUTE ? 0 : 1 + a->type % 2]);
    put_char(r, ',');
    put_text(r, a->died ? "DIED" : TO[a->id % 4]);
    put_text(r, p->age >= 65 ? ",Medicare,English," : ",Private,English,");
    put_text(r, p->number % 2 ? "MARRIED," : "SINGLE,");
    put_text(r, SYNTH_RACES[p->race]);
    put_char(r, ',');
    if (a->emergency_in != NO_MINUTE) {
        put_time(r, a->emergency_in);
        put_char(r, ',');
        put_time(r, a->admit + 15);
    } else
        put_char(r, ',');
    put_text(r, a->died ? ",1" : ",0");
    row_end(r);
}

static void put_codes(struct rows *tables, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    struct rows *r = &tables[DIAGNOSES];
    EACH_ITEM(p, i, diagnosis, k) {
        if (!row_begin(r)) return;
        put_ids(r, p, a);
        put_integer(r, k - a->diagnosis + 1);
        put_char(r, ',');
        put_text(r, h->catalogue->diagnosis[a->version].code[p->diagnoses[k].code]);
        put_text(r, a->version == ICD9 ? ",9" : ",10");
        row_end(r);
    }
    r = &tables[PROCEDURES];
    EACH_ITEM(p, i, procedure, k) {
        if (!row_begin(r)) return;
        put_ids(r, p, a);
        put_integer(r, k - a->procedure + 1);
        put_char(r, ',');
        put_date(r, p->procedures[k].day);
        put_char(r, ',');
        put_text(r, h->catalogue->procedure[a->version].code[p->procedures[k].code]);
        put_text(r, a->version == ICD9 ? ",9" : ",10");
        row_end(r);
    }
}

static void put_prescriptions(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p,
                              int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, prescription, k) {
        const struct synth_prescription *x = &p->prescriptions[k];
        const struct synth_drug *drug = &h->catalogue->drugs[x->drug];
        if (!row_begin(r)) return;
        put_ids(r, p, a);
        put_integer(r, item_id(p, k));
        put_char(r, ',');
        put_integer(r, p->subject);
        put_char(r, '-');
        put_integer(r, k + 1);
        put_char(r, ',');
        put_integer(r, k + 1);
        put_text(r, ",P00AAA,");
        put_time(r, x->start);
        put_char(r, ',');
        put_time(r, x->stop);
        put_text(r, ",MAIN,");
        put_csv(r, drug->name);
        put_char(r, ',');
        put_text(r, drug->atc);
        put_text(r, ",00");
        put_integer(r, 1000 + x->drug);
        put_char(r, ',');
        put_text(r, drug->package[x->package]);
        put_text(r, ",10mg Tab,,10,mg,1,TAB,1,PO");
        row_end(r);
    }
}

static void put_labs(struct rows *r, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, lab, k) {
        const struct synth_lab *x = &p->labs[k];
        const struct lab_facts *lab = &LABS[x->lab];
        if (!row_begin(r)) return;
        put_integer(r, item_id(p, k));
        put_char(r, ',');
        put_ids(r, p, a);
        put_integer(r, item_id(p, k - k % N_LABS));
        put_char(r, ',');
        put_integer(r, lab->mimic_item);
        put_text(r, ",,");
        put_time(r, x->time);
        put_char(r, ',');
        put_time(r, x->time + 45);
        for (int times = 0; times < 2; times++) {
            put_char(r, ',');
            put_real(r, x->value, (int)lab->digits);
        }
        put_char(r, ',');
        put_text(r, lab->unit);
        put_char(r, ',');
        put_real(r, lab->low, 1);
        put_char(r, ',');
        put_real(r, lab->high, 1);
        put_text(r, x->value < lab->low || x->value > lab->high ? ",abnormal,ROUTINE," : ",,ROUTINE,");
        row_end(r);
    }
}

static void put_care(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    if (a->care_in == NO_MINUTE || !row_begin(r)) return;
    put_ids(r, p, a);
    put_integer(r, a->id + 10000000);
    put_char(r, ',');
    put_text(r, SYNTH_UNITS[a->unit]);
    put_char(r, ',');
    put_text(r, SYNTH_UNITS[a->unit]);
    put_char(r, ',');
    put_time(r, a->care_in);
    put_char(r, ',');
    put_time(r, a->care_out);
    put_char(r, ',');
    put_real(r, (double)(a->care_out - a->care_in) / MINUTES_A_DAY, 6);
    row_end(r);
}

static void put_patient(const struct synth_hospital *h, const struct synth_patient *p, struct rows *tables) {
    put_person(&tables[PATIENTS], p);
    for (int32_t i = 0; i < p->n_admissions; i++) {
        put_admission(&tables[ADMISSIONS], p, &p->admissions[i]);
        put_codes(tables, h, p, i);
        put_prescriptions(&tables[PRESCRIPTIONS], h, p, i);
        put_labs(&tables[LABEVENTS], p, i);
        put_care(&tables[ICUSTAYS], p, &p->admissions[i]);
    }
}

const struct synth_format SYNTH_MIMIC4_FORMAT = {
    .name = "mimic4", .n_tables = N_TABLES, .tables = TABLES, .lists = put_lists, .patient = put_patient};
