/* OMOP CDM 5.4 as CSV, columns in the order of OHDSI's DDL. Concepts of the codes are numbered from 2,000,000,001 on, where OHDSI leaves room for
 * those of a site; the standard concept of a diagnosis, procedure or drug is 0 (not mapped).
 *
 * It cannot hold splits. A Hispanic patient's race is 0, with the source's word; a day without a time is a date without a datetime.
 */
#include <stddef.h>
#include <string.h>

#include "synth/format.h"

enum { PERSON, PERIOD, VISIT, DETAIL, CONDITION, DRUG, PROCEDURE, MEASUREMENT, DEATH, CONCEPT, N_TABLES };

static const struct synth_table TABLES[N_TABLES] = {
    [PERSON] = {"person",
                "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime,race_concept_id,"
                "ethnicity_concept_id,location_id,provider_id,care_site_id,person_source_value,gender_source_value,"
                "gender_source_concept_id,race_source_value,race_source_concept_id,ethnicity_source_value,"
                "ethnicity_source_concept_id"},
    [PERIOD] = {"observation_period",
                "observation_period_id,person_id,observation_period_start_date,observation_period_end_date,"
                "period_type_concept_id"},
    [VISIT] = {"visit_occurrence",
               "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,"
               "visit_end_datetime,visit_type_concept_id,provider_id,care_site_id,visit_source_value,"
               "visit_source_concept_id,admitted_from_concept_id,admitted_from_source_value,"
               "discharged_to_concept_id,discharged_to_source_value,preceding_visit_occurrence_id"},
    [DETAIL] = {"visit_detail",
                "visit_detail_id,person_id,visit_detail_concept_id,visit_detail_start_date,"
                "visit_detail_start_datetime,visit_detail_end_date,visit_detail_end_datetime,"
                "visit_detail_type_concept_id,provider_id,care_site_id,visit_detail_source_value,"
                "visit_detail_source_concept_id,admitted_from_concept_id,admitted_from_source_value,"
                "discharged_to_source_value,discharged_to_concept_id,preceding_visit_detail_id,"
                "parent_visit_detail_id,visit_occurrence_id"},
    [CONDITION] = {"condition_occurrence",
                   "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,"
                   "condition_start_datetime,condition_end_date,condition_end_datetime,condition_type_concept_id,"
                   "condition_status_concept_id,stop_reason,provider_id,visit_occurrence_id,visit_detail_id,"
                   "condition_source_value,condition_source_concept_id,condition_status_source_value"},
    [DRUG] = {"drug_exposure",
              "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_start_datetime,"
              "drug_exposure_end_date,drug_exposure_end_datetime,verbatim_end_date,drug_type_concept_id,stop_reason,"
              "refills,quantity,days_supply,sig,route_concept_id,lot_number,provider_id,visit_occurrence_id,"
              "visit_detail_id,drug_source_value,drug_source_concept_id,route_source_value,dose_unit_source_value"},
    [PROCEDURE] = {"procedure_occurrence",
                   "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_datetime,"
                   "procedure_end_date,procedure_end_datetime,procedure_type_concept_id,modifier_concept_id,quantity,"
                   "provider_id,visit_occurrence_id,visit_detail_id,procedure_source_value,"
                   "procedure_source_concept_id,modifier_source_value"},
    [MEASUREMENT] = {"measurement",
                     "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,"
                     "measurement_time,measurement_type_concept_id,operator_concept_id,value_as_number,"
                     "value_as_concept_id,unit_concept_id,range_low,range_high,provider_id,visit_occurrence_id,"
                     "visit_detail_id,measurement_source_value,measurement_source_concept_id,unit_source_value,"
                     "unit_source_concept_id,value_source_value,measurement_event_id,meas_event_field_concept_id"},
    [DEATH] = {"death",
               "person_id,death_date,death_datetime,death_type_concept_id,cause_concept_id,cause_source_value,"
               "cause_source_concept_id"},
    [CONCEPT] = {"concept",
                 "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,"
                 "valid_start_date,valid_end_date,invalid_reason"},
};

/* ---- concepts ---- */
#define FIRST_CONCEPT 2000000001

/* The first concept of each list of codes, one behind another: diagnoses, procedures, packages of drugs, tests. */
struct concepts {
    int64_t diagnosis[N_ICD], procedure[N_ICD], drug, lab;
};

static struct concepts number_concepts(const struct catalogue *c) {
    struct concepts first;
    int64_t next = FIRST_CONCEPT;
    for (int v = 0; v < N_ICD; v++) {
        first.diagnosis[v] = next;
        next += c->diagnosis[v].n;
        first.procedure[v] = next;
        next += c->procedure[v].n;
    }
    first.drug = next;
    first.lab = next + (int64_t)c->drug.n * SYNTH_PACKAGES;
    return first;
}

static void put_concepts(struct rows *r, const struct synth_codes *codes, int64_t first, const char *domain,
                         const char *vocabulary) {
    char code[SYNTH_CODE_BYTES + 1];
    for (int32_t i = 0; i < codes->n; i++) {
        catalogue_spelling(codes, i, code);
        put_row(r, "%i,group %i of a made-up hospital,%s,%s,%s,,%s,1970-01-01,2099-12-31,", first + i,
                (int64_t)codes->group[i], domain, vocabulary, domain, code);
    }
}

static void put_lists(const struct synth_hospital *h, struct rows *tables) {
    struct concepts first = number_concepts(h->catalogue);
    struct rows *r = &tables[CONCEPT];
    for (int v = 0; v < N_ICD; v++) {
        put_concepts(r, &h->catalogue->diagnosis[v], first.diagnosis[v], "Condition", v == ICD9 ? "ICD9CM" : "ICD10CM");
        put_concepts(r, &h->catalogue->procedure[v], first.procedure[v], "Procedure",
                     v == ICD9 ? "ICD9Proc" : "ICD10PCS");
    }
    for (int32_t i = 0; i < h->catalogue->drug.n; i++)
        for (int k = 0; k < h->catalogue->drugs[i].n_packages; k++)
            put_row(r, "%i,%c,Drug,NDC,11-digit NDC,,%s,1970-01-01,2099-12-31,",
                    first.drug + (int64_t)i * SYNTH_PACKAGES + k, h->catalogue->drugs[i].name,
                    h->catalogue->drugs[i].package[k]);
    for (int l = 0; l < N_LABS; l++)
        put_row(r, "%i,%s,Measurement,LOINC,Lab Test,S,%s,1970-01-01,2099-12-31,", first.lab + l, LABS[l].name,
                LABS[l].loinc);
}

/* ---- a patient ---- */
/* 8532 FEMALE, 8507 MALE; 8527 White, 8516 Black, 8515 Asian; 38003563 Hispanic, 38003564 not; 32817 from an EHR; 9201 inpatient, 32037
 * intensive care; 4216643 died. */
static void put_person(struct rows *r, const struct synth_patient *p) {
    static const int64_t RACES[5] = {8527, 8516, 0, 8515, 0};
    int64_t year = p->anchor_year - p->age;
    put_row(r, "%i,%i,%i,1,1,%t,%i,%i,,,,%i,%s,0,%s,0,,0", p->subject, (int64_t)(p->female ? 8532 : 8507), year,
            p->birth, RACES[p->race], (int64_t)(p->race == 2 ? 38003563 : 38003564), p->subject, p->female ? "F" : "M",
            SYNTH_RACES[p->race]);
}

static void put_visit(struct rows *tables, const struct synth_patient *p, int32_t i) {
    const struct synth_admission *a = &p->admissions[i];
    put_row(&tables[VISIT], "%i,%i,9201,%d,%t,%d,%t,32817,,,%s,0,0,,%i,%s,", a->id, p->subject, a->admit, a->admit,
            a->discharge, a->discharge, SYNTH_ADMISSION_TYPES[a->type], (int64_t)(a->died ? 4216643 : 0),
            a->died ? "DIED" : "HOME");
    if (a->care_in == NO_MINUTE) return;
    put_row(&tables[DETAIL], "%i,%i,32037,%d,%t,%d,%t,32817,,,%s,0,0,,,0,,,%i", a->id + 10000000, p->subject,
            a->care_in, a->care_in, a->care_out, a->care_out, SYNTH_UNITS[a->unit], a->id);
}

static void put_codes(struct rows *tables, const struct synth_hospital *h, const struct synth_patient *p, int32_t i,
                      const struct concepts *first) {
    const struct synth_admission *a = &p->admissions[i];
    char code[SYNTH_CODE_BYTES + 1];
    EACH_ITEM(p, i, diagnosis, k) {
        catalogue_spelling(&h->catalogue->diagnosis[a->version], p->diagnoses[k].code, code);
        put_row(&tables[CONDITION], "%i,%i,0,%d,%t,,,32817,,,,%i,,%s,%i,", item_id(p, k), p->subject, a->discharge,
                a->discharge, a->id, code, first->diagnosis[a->version] + p->diagnoses[k].code);
    }
    EACH_ITEM(p, i, procedure, k) {
        catalogue_spelling(&h->catalogue->procedure[a->version], p->procedures[k].code, code);
        put_row(&tables[PROCEDURE], "%i,%i,0,%d,,,,32817,,,,%i,,%s,%i,", item_id(p, k), p->subject,
                p->procedures[k].day, a->id, code, first->procedure[a->version] + p->procedures[k].code);
    }
}

static void put_items(struct rows *tables, const struct synth_hospital *h, const struct synth_patient *p, int32_t i,
                      const struct concepts *first) {
    const struct synth_admission *a = &p->admissions[i];
    EACH_ITEM(p, i, prescription, k) {
        const struct synth_prescription *x = &p->prescriptions[k];
        put_row(&tables[DRUG], "%i,%i,0,%d,%t,%d,%t,,32817,,,,,,,,,%i,,%s,%i,PO,mg", item_id(p, k), p->subject,
                x->start, x->start, x->stop, x->stop, a->id, h->catalogue->drugs[x->drug].package[x->package],
                first->drug + (int64_t)x->drug * SYNTH_PACKAGES + x->package);
    }
    EACH_ITEM(p, i, lab, k) {
        const struct synth_lab *x = &p->labs[k];
        const struct lab_facts *lab = &LABS[x->lab];
        put_row(&tables[MEASUREMENT], "%i,%i,%i,%d,%t,,32817,,%r,,,%r,%r,,%i,,%s,%i,%s,,%r,,", item_id(p, k),
                p->subject, first->lab + x->lab, x->time, x->time, x->value, lab->digits, lab->low, 1, lab->high, 1,
                a->id, lab->loinc, first->lab + x->lab, lab->omop_unit, x->value, lab->digits);
    }
}

static void put_patient(const struct synth_hospital *h, const struct synth_patient *p,
                        const struct synth_samples *samples, struct rows *tables) {
    struct concepts first = number_concepts(h->catalogue);
    (void)samples;
    put_person(&tables[PERSON], p);
    for (int32_t i = 0; i < p->n_admissions; i++) {
        put_visit(tables, p, i);
        put_codes(tables, h, p, i, &first);
        put_items(tables, h, p, i, &first);
    }
    if (p->n_admissions)
        put_row(&tables[PERIOD], "%i,%i,%d,%d,32817", p->number + 1, p->subject, p->admissions[0].admit,
                p->admissions[p->n_admissions - 1].discharge);
    if (p->death == NO_MINUTE) return;
    put_row(&tables[DEATH], "%i,%d,%t,32817,0,,0", p->subject, p->death, p->died_in_hospital ? p->death : NO_MINUTE);
}

/* ---- faults ---- */
static void put_faulty_condition(struct rows *r, const struct synth_patient *p, enum synth_fault fault,
                                 const char *person, const char *date) {
    put_row(r, "%i,%s,0,%s,,,,32817,,,,,,428.0,0,", item_id(p, fault) + SYNTH_FAULT_IDS, person, date);
}

static int put_fault(const struct synth_patient *p, enum synth_fault fault, struct rows *tables) {
    const struct synth_admission *a = p->admissions;
    int64_t other = p->subject + SYNTH_FAULT_IDS;
    if (p->n_admissions == 0) return -1;
    switch (fault) {
        case FAULT_BAD_DATE:
            put_row(&tables[CONDITION], "%i,%i,0,2180-13-45,,,,32817,,,,,,428.0,0,",
                    item_id(p, fault) + SYNTH_FAULT_IDS, p->subject);
            return CONDITION;
        case FAULT_ENDS_EARLY:
            put_row(&tables[VISIT], "%i,%i,9201,2290-01-01,2290-01-01 08:00:00,%d,%t,32817,,,URGENT,0,0,,0,HOME,",
                    a->id + SYNTH_FAULT_IDS, p->subject, a->discharge, a->discharge);
            return VISIT;
        case FAULT_DIES_EARLY: /* somebody else */
            put_row(&tables[PERSON], "%i,8532,%i,1,1,%t,0,0,,,,%i,F,0,,0,,0", other, (int64_t)(p->anchor_year - p->age),
                    p->birth, other);
            put_row(&tables[DEATH], "%i,%d,,32817,0,,0", other, p->birth - 300LL * MINUTES_A_DAY);
            return DEATH;
        case FAULT_TWICE: put_person(&tables[PERSON], p); return PERSON;
        case FAULT_UNKNOWN:
            put_faulty_condition(&tables[CONDITION], p, fault, "999999999999", "2150-01-01");
            return CONDITION;
        case FAULT_NO_NUMBER:
            put_faulty_condition(&tables[CONDITION], p, fault, "unknown", "2150-01-01");
            return CONDITION;
        default: return -1;
    }
}

const struct synth_format SYNTH_OMOP_FORMAT = {.name = "omop",
                                               .n_tables = N_TABLES,
                                               .tables = TABLES,
                                               .lists = put_lists,
                                               .patient = put_patient,
                                               .fault = put_fault};
