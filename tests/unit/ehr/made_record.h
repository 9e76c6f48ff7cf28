/* Records that tests of tasks make up, visit by visit and event by event, and what a task says of them. Included once by a test. */
#ifndef MEDTOK_TESTS_UNIT_EHR_MADE_RECORD_H
#define MEDTOK_TESTS_UNIT_EHR_MADE_RECORD_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/tasks/code_traits.h"
#include "ehr/tasks/tasks.h"
#include "terms/code_groups.h"

enum { MOST_VISITS = 16, MOST_EVENTS = 64 };
static const int64_t MIN = (int64_t)60 * 1000000, DAYS = (int64_t)86400 * 1000000;

/* Minutes of day `day`, counted from 2077-01-01, which is day 39082 of 1970's. */
static inline int64_t at(int day, int hour, int minute) {
    return (39082 + (int64_t)day) * DAYS + (hour * 60 + minute) * MIN;
}

enum code {
    AMI_9,
    AMI_10,
    HYPERTENSION,
    PROCEDURE,
    HEPARIN,
    METOPROLOL,
    ASPIRIN,
    UNMAPPED_DRUG,
    ICU,
    POTASSIUM_MEQ,
    POTASSIUM_MG,
    POTASSIUM_ODD,
    GLUCOSE_MG,
    GLUCOSE_MMOL,
    HEMOGLOBIN,
    SODIUM,
    PLATELETS,
    PLATELETS_NORMAL,
    FEMALE,
    SNOMED_AMI,
    AMI_MEDTOK,
    N_CODES
};
static const struct {
    char text[32];
    uint8_t kind;
} CODES[N_CODES] = {[AMI_9] = {"ICD9CM/41012", CODE_KIND_DIAGNOSIS},
                    [AMI_10] = {"DIAGNOSIS//ICD//10//I2101", CODE_KIND_DIAGNOSIS},
                    [HYPERTENSION] = {"ICD10CM/I10", CODE_KIND_DIAGNOSIS},
                    [PROCEDURE] = {"ICD9PROC/3893", CODE_KIND_PROCEDURE},
                    [HEPARIN] = {"ATC/B01AB01", CODE_KIND_DRUG},
                    [METOPROLOL] = {"ATC/C07AB02", CODE_KIND_DRUG},
                    [ASPIRIN] = {"ATC/B01AC06", CODE_KIND_DRUG},
                    [UNMAPPED_DRUG] = {"NDC/00002120001", CODE_KIND_DRUG},
                    [ICU] = {"ICU_ADMISSION//MICU", CODE_KIND_VISIT},
                    [POTASSIUM_MEQ] = {"LAB//50971//mEq/L", CODE_KIND_MEASUREMENT},
                    [POTASSIUM_MG] = {"LOINC/2823-3//mg/dL", CODE_KIND_MEASUREMENT},
                    [POTASSIUM_ODD] = {"LAB//50971//grains", CODE_KIND_MEASUREMENT},
                    [GLUCOSE_MG] = {"LOINC/2345-7", CODE_KIND_MEASUREMENT},
                    [GLUCOSE_MMOL] = {"LOINC/14749-6", CODE_KIND_MEASUREMENT},
                    [HEMOGLOBIN] = {"MIMIC_LAB/51222", CODE_KIND_MEASUREMENT},
                    [SODIUM] = {"LOINC/2951-2", CODE_KIND_MEASUREMENT},
                    [PLATELETS] = {"LOINC/777-3", CODE_KIND_MEASUREMENT},
                    [PLATELETS_NORMAL] = {"LOINC/777-3//normal", CODE_KIND_MEASUREMENT},
                    [FEMALE] = {"GENDER//F", CODE_KIND_FACT},
                    [SNOMED_AMI] = {"SNOMED/57054005", CODE_KIND_DIAGNOSIS},
                    [AMI_MEDTOK] = {"ICD9CM/41011", CODE_KIND_DIAGNOSIS}};

/* ---- records ---- */
static struct cohort_visit visits[MOST_VISITS];
static int64_t event_times[MOST_EVENTS];
static int32_t event_codes[MOST_EVENTS], event_visits[MOST_EVENTS];
static float event_values[MOST_EVENTS];
static struct subject_record record;

/* A woman born on 2027-01-01: 50 years old on day 0. */
static inline void begin(void) {
    record = (struct subject_record){.subject = 7,
                                     .birth = (int64_t)20819 * DAYS,
                                     .death = COHORT_NO_TIME,
                                     .visits = visits,
                                     .time = event_times,
                                     .code = event_codes,
                                     .value = event_values,
                                     .visit = event_visits};
}

/* Visits and events are given in their order. */
static inline int add_visit(int64_t start, int64_t end) {
    visits[record.n_visits] = (struct cohort_visit){record.n_visits, start, end, VISIT_INPATIENT, 0};
    return (int)record.n_visits++;
}

static inline void add_value(int64_t time, enum code code, int visit, float value) {
    int64_t i = record.n_events++;
    event_times[i] = time;
    event_codes[i] = (int32_t)code;
    event_visits[i] = visit;
    event_values[i] = value;
}
static inline void add_event(int64_t time, enum code code, int visit) { add_value(time, code, visit, NAN); }

/* What MedTok's scripts want of a visit, but for the diagnosis, at its end. */
static inline void add_tables(int visit, enum code diagnosis, enum code drug) {
    add_event(visits[visit].start, ICU, visit);
    add_event(visits[visit].end, diagnosis, visit);
    add_event(visits[visit].end, PROCEDURE, visit);
    add_event(visits[visit].end, drug, visit);
}

/* ---- what comes out ---- */
static struct task_set *set;
static const struct task_samples *samples;
static const struct task_counts *counts;

static inline struct task_codes all_codes(void) {
    static uint8_t kinds[N_CODES];
    for (int i = 0; i < N_CODES; i++) kinds[i] = CODES[i].kind;
    return (struct task_codes){.n = N_CODES, .text = {.text = CODES[0].text, .stride = sizeof CODES[0]}, .kind = kinds};
}

static inline void label(const char *task, enum task_mode mode) {
    struct task_codes codes = all_codes();
    struct task_options options = {.mode = mode};
    struct string_list names = {0};
    task_set_free(set);
    assert_int_equal(string_list_add(&names, task), STATUS_OK);
    assert_int_equal(task_set_make(&set, &options, &names, &codes), STATUS_OK);
    assert_int_equal(task_set_label(set, &record), STATUS_OK);
    samples = task_set_samples(set, 0);
    counts = task_set_counts(set, 0);
    string_list_clear(&names);
}

#define is(i, when, which, what)                                                                                       \
    do {                                                                                                               \
        assert_true((i) < samples->n);                                                                                 \
        assert_int_equal(samples->samples[i].time, when);                                                              \
        assert_int_equal(samples->samples[i].visit, which);                                                            \
        assert_int_equal(samples->samples[i].label, what);                                                             \
    } while (0)
#define are(count)              assert_int_equal(samples->n, count)
#define left_out(filter, count) assert_int_equal(counts->left_out[FILTER_##filter], count)

#endif
