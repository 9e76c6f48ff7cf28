/* MIMIC-III 1.4: files and headers in upper case and in quotes, as published (mimic.mit.edu/docs/iii/tables).
 *
 * It cannot hold ICD-10: a code of ICD-10 in other formats is here one of the same disease in ICD-9. Of a prescription it holds days, of a
 * procedure nothing but the admission, of a birth the date.
 */
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
    [PATIENTS] = {"PATIENTS",
                  "\"ROW_ID\",\"SUBJECT_ID\",\"GENDER\",\"DOB\",\"DOD\",\"DOD_HOSP\",\"DOD_SSN\",\"EXPIRE_FLAG\""},
    [ADMISSIONS] =
        {"ADMISSIONS",
         "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"ADMITTIME\",\"DISCHTIME\",\"DEATHTIME\",\"ADMISSION_TYPE\","
         "\"ADMISSION_LOCATION\",\"DISCHARGE_LOCATION\",\"INSURANCE\",\"LANGUAGE\",\"RELIGION\","
         "\"MARITAL_STATUS\",\"ETHNICITY\",\"EDREGTIME\",\"EDOUTTIME\",\"DIAGNOSIS\","
         "\"HOSPITAL_EXPIRE_FLAG\",\"HAS_CHARTEVENTS_DATA\""},
    [DIAGNOSES] = {"DIAGNOSES_ICD", "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"SEQ_NUM\",\"ICD9_CODE\""},
    [PROCEDURES] = {"PROCEDURES_ICD", "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"SEQ_NUM\",\"ICD9_CODE\""},
    [PRESCRIPTIONS] =
        {"PRESCRIPTIONS",
         "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"ICUSTAY_ID\",\"STARTDATE\",\"ENDDATE\",\"DRUG_TYPE\","
         "\"DRUG\",\"DRUG_NAME_POE\",\"DRUG_NAME_GENERIC\",\"FORMULARY_DRUG_CD\",\"GSN\",\"NDC\","
         "\"PROD_STRENGTH\",\"DOSE_VAL_RX\",\"DOSE_UNIT_RX\",\"FORM_VAL_DISP\",\"FORM_UNIT_DISP\",\"ROUTE\""},
    [LABEVENTS] = {"LABEVENTS",
                   "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"ITEMID\",\"CHARTTIME\",\"VALUE\",\"VALUENUM\",\"VALUEUOM\","
                   "\"FLAG\""},
    [ICUSTAYS] = {"ICUSTAYS",
                  "\"ROW_ID\",\"SUBJECT_ID\",\"HADM_ID\",\"ICUSTAY_ID\",\"DBSOURCE\",\"FIRST_CAREUNIT\","
                  "\"LAST_CAREUNIT\",\"FIRST_WARDID\",\"LAST_WARDID\",\"INTIME\",\"OUTTIME\",\"LOS\""},
    [D_DIAGNOSES] = {"D_ICD_DIAGNOSES", "\"ROW_ID\",\"ICD9_CODE\",\"SHORT_TITLE\",\"LONG_TITLE\""},
    [D_PROCEDURES] = {"D_ICD_PROCEDURES", "\"ROW_ID\",\"ICD9_CODE\",\"SHORT_TITLE\",\"LONG_TITLE\""},
    [D_LABITEMS] = {"D_LABITEMS", "\"ROW_ID\",\"ITEMID\",\"LABEL\",\"FLUID\",\"CATEGORY\",\"LOINC_CODE\""},
};

static const char *const UNITS[6] = {"MICU", "CSRU", "MICU", "SICU", "TSICU", "CCU"};

/* ---- lists ---- */
static void put_titles(struct rows *r, const struct synth_codes *codes) {
    for (int32_t i = 0; i < codes->n; i++)
        put_row(r, "%i,%q,\"group %i\",\"group %i of a made-up hospital\"", (int64_t)i + 1, codes->code[i],
                (int64_t)codes->group[i], (int64_t)codes->group[i]);
}

static void put_lists(const struct synth_hospital *h, struct rows *tables) {
    put_titles(&tables[D_DIAGNOSES], &h->catalogue->diagnosis[ICD9]);
    put_titles(&tables[D_PROCEDURES], &h->catalogue->procedure[ICD9]);
    for (int l = 0; l < N_LABS; l++)
        put_row(&tables[D_LABITEMS], "%i,%i,%q,\"BLOOD\",\"MADE UP\",%q", (int64_t)l + 1, (int64_t)LABS[l].mimic_item,
                LABS[l].name, LABS[l].loinc);
}

/* ---- a patient ---- */
static void put_person(struct rows *r, const struct synth_patient *p) {
    int64_t dead = p->death == NO_MINUTE ? NO_MINUTE : midnight(p->death);
    put_row(r, "%i,%i,%q,%t,%t,%t,%t,%i", p->number + 1, p->subject, p->female ? "F" : "M", p->birth, dead,
            p->died_in_hospital ? dead : NO_MINUTE, p->died_in_hospital ? NO_MINUTE : dead,
            (int64_t)(dead != NO_MINUTE));
}

static void put_admission(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    static const char *const TYPES[5] = {"EMERGENCY", "EMERGENCY", "URGENT", "ELECTIVE", "ELECTIVE"};
    static const char *const TO[] = {"HOME", "HOME HEALTH CARE", "SNF", "REHAB/DISTINCT PART HOSP"};
    int emergency = a->emergency_in != NO_MINUTE;
    put_row(r, "%i,%i,%i,%t,%t,%t,%q,%q,%q,%q,,,%q,%q,%t,%t,\"MADE UP\",%i,1", item_id(p, a - p->admissions),
            p->subject, a->id, a->admit, a->discharge, a->died ? a->discharge : NO_MINUTE, TYPES[a->type],
            emergency ? "EMERGENCY ROOM ADMIT" : "PHYS REFERRAL/NORMAL DELI", a->died ? "DEAD/EXPIRED" : TO[a->id % 4],
            p->age >= 65 ? "Medicare" : "Private", p->number % 2 ? "MARRIED" : "SINGLE", SYNTH_RACES[p->race],
            a->emergency_in, emergency ? a->admit + 15 : NO_MINUTE, (int64_t)a->died);
}

static void put_codes(struct rows *tables, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, diagnosis, k)
    put_row(&tables[DIAGNOSES], "%i,%i,%i,%i,%q", item_id(p, k), p->subject, a->id, (int64_t)(k - a->diagnosis + 1),
            h->catalogue->diagnosis[ICD9].code[p->diagnoses[k].code9]);
    EACH_ITEM(p, i, procedure, k)
    put_row(&tables[PROCEDURES], "%i,%i,%i,%i,%q", item_id(p, k), p->subject, a->id, (int64_t)(k - a->procedure + 1),
            h->catalogue->procedure[ICD9].code[p->procedures[k].code9]);
}

static void put_drugs(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, prescription, k) {
        const struct synth_prescription *x = &p->prescriptions[k];
        const struct synth_drug *drug = &h->catalogue->drugs[x->drug];
        put_row(r, "%i,%i,%i,,%t,%t,\"MAIN\",%q,%q,%q,%q,\"00%i\",%q,\"10mg Tab\",\"10\",\"mg\",\"1\",\"TAB\",\"PO\"",
                item_id(p, k), p->subject, a->id, midnight(x->start), midnight(x->stop), drug->name, drug->name,
                drug->name, drug->atc, (int64_t)x->drug + 1000, drug->package[x->package]);
    }
}

static void put_labs(struct rows *r, const struct synth_patient *p, int32_t i) {
    EACH_ITEM(p, i, lab, k) {
        const struct synth_lab *x = &p->labs[k];
        const struct lab_facts *lab = &LABS[x->lab];
        put_row(r, "%i,%i,%i,%i,%t,\"%r\",%r,%q,%s", item_id(p, k), p->subject, p->admissions[i].id,
                (int64_t)lab->mimic_item, x->time, x->value, lab->digits, x->value, lab->digits, lab->unit,
                x->value < lab->low || x->value > lab->high ? "\"abnormal\"" : "");
    }
}

static void put_care(struct rows *r, const struct synth_patient *p, const struct synth_admission *a) {
    if (a->care_in == NO_MINUTE) return;
    put_row(r, "%i,%i,%i,%i,\"metavision\",%q,%q,50,50,%t,%t,%r", item_id(p, a - p->admissions), p->subject, a->id,
            a->id + 10000000, UNITS[a->unit], UNITS[a->unit], a->care_in, a->care_out,
            (double)(a->care_out - a->care_in) / MINUTES_A_DAY, 4);
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
    static const char ADMISSION[] =
        "%i,%i,%i,%s,%t,,\"URGENT\",\"PHYS REFERRAL/NORMAL DELI\",\"HOME\",\"Private\",,,"
        "\"SINGLE\",\"WHITE\",,,\"MADE UP\",0,1";
    const struct synth_admission *a = p->admissions;
    int64_t row = SYNTH_FAULT_IDS + item_id(p, fault);
    if (p->n_admissions == 0) return -1;
    switch (fault) {
        case FAULT_BAD_DATE:
            put_row(&tables[ADMISSIONS], ADMISSION, row, p->subject, a->id + SYNTH_FAULT_IDS, "2180-13-45 00:00:00",
                    a->discharge);
            return ADMISSIONS;
        case FAULT_ENDS_EARLY:
            put_row(&tables[ADMISSIONS], ADMISSION, row, p->subject, a->id + SYNTH_FAULT_IDS, "2290-01-01 00:00:00",
                    a->discharge);
            return ADMISSIONS;
        case FAULT_DIES_EARLY:
            put_row(&tables[PATIENTS], "%i,%i,\"F\",%t,%t,,,1", row, p->subject + SYNTH_FAULT_IDS, p->birth,
                    p->birth - 300LL * MINUTES_A_DAY);
            return PATIENTS;
        case FAULT_TWICE: put_person(&tables[PATIENTS], p); return PATIENTS;
        case FAULT_UNKNOWN:
            put_row(&tables[DIAGNOSES], "%i,%i,%i,1,\"4280\"", row, p->subject + 2 * SYNTH_FAULT_IDS, a->id);
            return DIAGNOSES;
        case FAULT_NO_NUMBER:
            put_row(&tables[DIAGNOSES], "%i,%i,\"unknown\",1,\"4280\"", row, p->subject);
            return DIAGNOSES;
        default: return -1;
    }
}

const struct synth_format SYNTH_MIMIC3_FORMAT = {.name = "mimic3",
                                                 .n_tables = N_TABLES,
                                                 .tables = TABLES,
                                                 .lists = put_lists,
                                                 .patient = put_patient,
                                                 .fault = put_fault};
