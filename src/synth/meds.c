/* MEDS 0.4 as CSV, in the codes of MIMIC-IV-MEDS: data/SPLIT/0.csv, metadata, and labels of the tasks whose truth is known. Parquet is made of it
 * (csv_to_parquet.py). Subjects one behind another, events by time, those without a time first.
 *
 * A time is a moment: a procedure, of which a day is known, stands at that day's last microsecond or at the discharge, whichever is
 * first, and so does a death at home. Visits are told by the events HOSPITAL_ADMISSION and HOSPITAL_DISCHARGE, and hadm_id, a column of its own.
 */
#include <stddef.h>
#include <stdlib.h>

#include "base/status.h"
#include "synth/format.h"

enum { DATA, SPLITS = DATA + N_SPLITS, CODES, LABELS, N_TABLES = LABELS + N_SYNTH_TASKS };

#define EVENT_HEADER "subject_id,time,code,numeric_value,hadm_id"
#define LABEL_HEADER "subject_id,prediction_time,boolean_value"
static const struct synth_table TABLES[N_TABLES] = {
    [DATA + SPLIT_TRAIN] = {"data/train/0", EVENT_HEADER},
    [DATA + SPLIT_TUNING] = {"data/tuning/0", EVENT_HEADER},
    [DATA + SPLIT_HELD_OUT] = {"data/held_out/0", EVENT_HEADER},
    [SPLITS] = {"metadata/subject_splits", "subject_id,split"},
    [CODES] = {"metadata/codes", "code,description,parent_codes"},
    [LABELS + SYNTH_MORTALITY] = {"labels/mortality/labels", LABEL_HEADER},
    [LABELS + SYNTH_READMISSION_15D] = {"labels/readmission_15d/labels", LABEL_HEADER},
    [LABELS + SYNTH_READMISSION_30D] = {"labels/readmission_30d/labels", LABEL_HEADER},
    [LABELS + SYNTH_LOS_7D] = {"labels/los_7d/labels", LABEL_HEADER},
};

/* ---- codes ---- */
static void put_titles(struct rows *r, const struct synth_codes *codes, const char *what, int version,
                       const char *system) {
    char full[SYNTH_CODE_BYTES + 1];
    for (int32_t i = 0; i < codes->n; i++) {
        catalogue_spelling(codes, i, full);
        put_row(r, "%s//ICD//%i//%s,group %i of a made-up hospital,%s/%s", what, synth_version(version), codes->code[i],
                (int64_t)codes->group[i], system, full);
    }
}

static void put_lists(const struct synth_hospital *h, struct rows *tables) {
    struct rows *r = &tables[CODES];
    for (int v = 0; v < N_ICD; v++) {
        put_titles(r, &h->catalogue->diagnosis[v], "DIAGNOSIS", v, v == ICD9 ? "ICD9CM" : "ICD10CM");
        put_titles(r, &h->catalogue->procedure[v], "PROCEDURE", v, v == ICD9 ? "ICD9Proc" : "ICD10PCS");
    }
    for (int32_t i = 0; i < h->catalogue->drug.n; i++)
        for (int k = 0; k < h->catalogue->drugs[i].n_packages; k++)
            put_row(r, "MEDICATION//NDC//%s,%c,ATC/%s", h->catalogue->drugs[i].package[k], h->catalogue->drugs[i].name,
                    h->catalogue->drugs[i].atc);
    for (int l = 0; l < N_LABS; l++)
        put_row(r, "LAB//%i//%s,%s,LOINC/%s", (int64_t)LABS[l].mimic_item, LABS[l].unit, LABS[l].name, LABS[l].loinc);
}

/* ---- the timeline of a patient ---- */
enum event_kind { ADMITTED, IN_CARE, OUT_OF_CARE, LAB, DRUG, PROCEDURE, DIAGNOSIS, DISCHARGED, DIED };

struct event {
    int64_t time;
    int end_of_day; /* at the last microsecond of the day of `time`, which is a midnight */
    enum event_kind kind;
    int32_t admission;
    long long item;
};

static int64_t moment(const struct event *e) { return e->end_of_day ? e->time + MINUTES_A_DAY : e->time; }

static int by_time(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    int64_t s = moment(x), t = moment(y);
    if (s != t) return s < t ? -1 : 1;
    if (x->end_of_day != y->end_of_day) return y->end_of_day - x->end_of_day; /* a microsecond before the midnight */
    if (x->kind != y->kind) return (int)x->kind - (int)y->kind;
    return (x->item > y->item) - (x->item < y->item);
}

/* What happened in the admissions, in no order; at most n of them. */
static int64_t list_events(const struct synth_patient *p, struct event *events) {
    int64_t n = 0;
    for (int32_t i = 0; i < p->n_admissions; i++) {
        const struct synth_admission *a = &p->admissions[i];
        events[n++] = (struct event){a->admit, 0, ADMITTED, i, 0};
        events[n++] = (struct event){a->discharge, 0, DISCHARGED, i, 0};
        if (a->care_in != NO_MINUTE) {
            events[n++] = (struct event){a->care_in, 0, IN_CARE, i, 0};
            events[n++] = (struct event){a->care_out, 0, OUT_OF_CARE, i, 0};
        }
        EACH_ITEM(p, i, lab, k) events[n++] = (struct event){p->labs[k].time, 0, LAB, i, k};
        EACH_ITEM(p, i, prescription, k) events[n++] = (struct event){p->prescriptions[k].start, 0, DRUG, i, k};
        EACH_ITEM(p, i, diagnosis, k) events[n++] = (struct event){a->discharge, 0, DIAGNOSIS, i, k};
        EACH_ITEM(p, i, procedure, k) {
            int whole = p->procedures[k].day + MINUTES_A_DAY <= a->discharge;
            events[n++] = (struct event){whole ? p->procedures[k].day : a->discharge, whole, PROCEDURE, i, k};
        }
    }
    if (p->death != NO_MINUTE) events[n++] = (struct event){p->death, !p->died_in_hospital, DIED, -1, 0};
    return n;
}

static void put_lab(struct rows *r, const struct synth_patient *p, const struct synth_admission *a,
                    const struct synth_lab *x) {
    put_row(r, "%i,%t,LAB//%i//%s,%r,%i", p->subject, x->time, (int64_t)LABS[x->lab].mimic_item, LABS[x->lab].unit,
            x->value, LABS[x->lab].digits, a->id);
}

static void put_drug(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p,
                     const struct synth_admission *a, const struct synth_prescription *x) {
    put_row(r, "%i,%t,MEDICATION//NDC//%s,,%i", p->subject, x->start, h->catalogue->drugs[x->drug].package[x->package],
            a->id);
}

static void put_event(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p,
                      const struct event *e) {
    const struct synth_admission *a = e->admission >= 0 ? &p->admissions[e->admission] : NULL;
    const char *of_day = e->end_of_day ? " 23:59:59.999999" : "";
    int64_t day = e->end_of_day ? e->time : NO_MINUTE, time = e->end_of_day ? NO_MINUTE : e->time;
    switch (e->kind) {
        case ADMITTED:
            put_row(r, "%i,%t,HOSPITAL_ADMISSION//%s,,%i", p->subject, time, SYNTH_ADMISSION_TYPES[a->type], a->id);
            break;
        case DISCHARGED:
            put_row(r, "%i,%t,HOSPITAL_DISCHARGE//%s,,%i", p->subject, time, a->died ? "DIED" : "HOME", a->id);
            break;
        case IN_CARE:
        case OUT_OF_CARE:
            put_row(r, "%i,%t,%s//%s,,%i", p->subject, time, e->kind == IN_CARE ? "ICU_ADMISSION" : "ICU_DISCHARGE",
                    SYNTH_UNITS[a->unit], a->id);
            break;
        case LAB: put_lab(r, p, a, &p->labs[e->item]); break;
        case DRUG: put_drug(r, h, p, a, &p->prescriptions[e->item]); break;
        case DIAGNOSIS:
            put_row(r, "%i,%t,DIAGNOSIS//ICD//%i//%s,,%i", p->subject, time, synth_version(a->version),
                    h->catalogue->diagnosis[a->version].code[p->diagnoses[e->item].code], a->id);
            break;
        case PROCEDURE:
            put_row(r, "%i,%d%s%t,PROCEDURE//ICD//%i//%s,,%i", p->subject, day, of_day, time, synth_version(a->version),
                    h->catalogue->procedure[a->version].code[p->procedures[e->item].code], a->id);
            break;
        case DIED: put_row(r, "%i,%d%s%t,MEDS_DEATH,,", p->subject, day, of_day, time); break;
    }
}

static void put_events(struct rows *r, const struct synth_hospital *h, const struct synth_patient *p) {
    struct event *events;
    long long most = p->n_labs + p->n_prescriptions + p->n_diagnoses + p->n_procedures + 4LL * p->n_admissions + 1;
    if (r->status == STATUS_OK) r->status = mem_alloc(&events, most, sizeof *events);
    if (r->status != STATUS_OK) return;
    int64_t n = list_events(p, events);
    qsort(events, (size_t)n, sizeof *events, by_time);
    for (int64_t i = 0; i < n; i++) put_event(r, h, p, &events[i]);
    free(events);
}

static void put_split(struct rows *r, const struct synth_patient *p) {
    put_row(r, "%i,%s", p->subject, SPLIT_NAMES[p->split]);
}

static void put_patient(const struct synth_hospital *h, const struct synth_patient *p,
                        const struct synth_samples *samples, struct rows *tables) {
    struct rows *r = &tables[DATA + p->split];
    put_split(&tables[SPLITS], p);
    put_row(r, "%i,,GENDER//%s,,", p->subject, p->female ? "F" : "M");
    put_row(r, "%i,,RACE//%s,,", p->subject, SYNTH_RACES[p->race]);
    put_row(r, "%i,%t,MEDS_BIRTH,,", p->subject, p->birth);
    put_events(r, h, p);
    for (long long i = 0; i < samples->n; i++)
        put_row(&tables[LABELS + samples->items[i].task], "%i,%t,%s", p->subject, samples->items[i].time,
                samples->items[i].label ? "True" : "False");
}

/* ---- faults ---- */
static int put_fault(const struct synth_patient *p, enum synth_fault fault, struct rows *tables) {
    int64_t other = p->subject + SYNTH_FAULT_IDS;
    struct rows *r = &tables[DATA + p->split];
    switch (fault) {
        case FAULT_BAD_DATE: put_row(r, "%i,2180-13-45 00:00:00,DIAGNOSIS//ICD//9//4280,,", p->subject); break;
        case FAULT_DIES_EARLY: /* of somebody else */
            put_row(&tables[SPLITS], "%i,%s", other, SPLIT_NAMES[p->split]);
            put_row(r, "%i,%t,MEDS_BIRTH,,", other, p->birth);
            put_row(r, "%i,%t,MEDS_DEATH,,", other, p->birth - 300LL * MINUTES_A_DAY);
            break;
        case FAULT_TWICE: put_split(&tables[SPLITS], p); return SPLITS;
        case FAULT_UNKNOWN:
            put_row(r, "%i,2150-01-01 00:00:00,DIAGNOSIS//ICD//9//4280,,", other + SYNTH_FAULT_IDS);
            break;
        case FAULT_NO_NUMBER: put_row(r, "%i,2150-01-01 00:00:00,LAB//51265//K/uL,high,", p->subject); break;
        default: return -1; /* visits are told by their events: there is no row with both ends */
    }
    return DATA + (int)p->split;
}

const struct synth_format SYNTH_MEDS_FORMAT = {.name = "meds",
                                               .n_tables = N_TABLES,
                                               .tables = TABLES,
                                               .lists = put_lists,
                                               .patient = put_patient,
                                               .fault = put_fault};
