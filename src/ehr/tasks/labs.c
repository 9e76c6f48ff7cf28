/* Tasks of EHRSHOT on laboratory results: how far out of bounds the next one is, one minute before it is known.
 *
 *   lab_thrombocytopenia  platelets < 150, 100, 50 1e9/L       lab_hyperkalemia  potassium > 5.5, 6, 7 mmol/L
 *   lab_hypoglycemia      glucose <= 3.9, < 3.5, < 3 mmol/L    lab_hyponatremia  sodium <= 135, < 130, < 125 mmol/L
 *   lab_anemia            hemoglobin < 120, 110, 70 g/L
 *
 * A result in words, "normal" or "adequate", is normal.
 *
 * Bounds and times: ehrshot/labelers/ehrshot.py, omop_lab_values.py. Otherwise than there, potassium in mg/dL is divided by 3.91 and not by
 * glucose's 18; a unit that is not known gives no sample for any analyte; and of results at one time the worst gives the sample.
 */
#include "ehr/tasks/labs.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "ehr/tasks/labeller.h"
#include "ehr/tasks/stays.h"

/* ---- units ---- */
/* value * times / over is in the unit of the bounds. mmol/L from mg/dL: molar masses 18.02 (as 18, EHRSHOT's), 39.1, 22.99 g/mol over 10. */
static const struct lab_unit {
    enum lab_analyte analyte;
    const char *name; /* lower case; a unit is this one if it begins so */
    double times, over;
} UNITS[] = {
    {LAB_PLATELETS, "k/ul", 1, 1},     {LAB_PLATELETS, "k/mm3", 1, 1},    {LAB_PLATELETS, "10*3/ul", 1, 1},
    {LAB_PLATELETS, "10^3/ul", 1, 1},  {LAB_PLATELETS, "10*9/l", 1, 1},   {LAB_PLATELETS, "10^9/l", 1, 1},
    {LAB_PLATELETS, "10e3/ul", 1, 1},  {LAB_PLATELETS, "10e9/l", 1, 1},   {LAB_PLATELETS, "thousand", 1, 1},
    {LAB_PLATELETS, "/ul", 1, 1000},   {LAB_PLATELETS, "/mm3", 1, 1000},  {LAB_POTASSIUM, "mmol/l", 1, 1},
    {LAB_POTASSIUM, "meq/l", 1, 1},    {LAB_POTASSIUM, "mg/dl", 1, 3.91}, {LAB_GLUCOSE, "mmol/l", 1, 1},
    {LAB_GLUCOSE, "mg/dl", 1, 18},     {LAB_SODIUM, "mmol/l", 1, 1},      {LAB_SODIUM, "meq/l", 1, 1},
    {LAB_SODIUM, "mg/dl", 1, 2.299},   {LAB_HEMOGLOBIN, "g/l", 1, 1},     {LAB_HEMOGLOBIN, "g/dl", 10, 1},
    {LAB_HEMOGLOBIN, "mg/dl", 1, 100},
};
enum { N_UNITS = sizeof UNITS / sizeof *UNITS };

/* size: of the unit's text. */
static int8_t find_unit(enum lab_analyte analyte, const char *unit) {
    if (strcmp(unit, "normal") == 0) return LAB_UNIT_NORMAL;
    for (int u = 0; u < N_UNITS; u++)
        if (UNITS[u].analyte == analyte && strncasecmp(unit, UNITS[u].name, strlen(UNITS[u].name)) == 0)
            return (int8_t)u;
    return -1;
}

/* A value in the unit of the analyte's bounds: 1e9/L, mmol/L, mmol/L, mmol/L, g/L. */
static float lab_value(int8_t unit, float value) {
    return (float)((double)value * UNITS[unit].times / UNITS[unit].over);
}

/* ---- codes ---- */
/* Of blood, serum or plasma. LOINC's codes say by their property in which unit a value is; MIMIC's items (D_LABITEMS) have one unit each. */
static const struct lab_code {
    const char *system, *code;
    enum lab_analyte analyte;
    const char *unit;
} CODES[] = {
    {"LOINC", "777-3", LAB_PLATELETS, "10*3/ul"},   {"LOINC", "778-1", LAB_PLATELETS, "10*3/ul"},
    {"LOINC", "26515-7", LAB_PLATELETS, "10*3/ul"}, {"LOINC", "49497-1", LAB_PLATELETS, "10*3/ul"},
    {"LOINC", "2823-3", LAB_POTASSIUM, "mmol/l"},   {"LOINC", "6298-4", LAB_POTASSIUM, "mmol/l"},
    {"LOINC", "77142-8", LAB_POTASSIUM, "mmol/l"},  {"LOINC", "2345-7", LAB_GLUCOSE, "mg/dl"},
    {"LOINC", "2339-0", LAB_GLUCOSE, "mg/dl"},      {"LOINC", "2340-8", LAB_GLUCOSE, "mg/dl"},
    {"LOINC", "41653-7", LAB_GLUCOSE, "mg/dl"},     {"LOINC", "14749-6", LAB_GLUCOSE, "mmol/l"},
    {"LOINC", "15074-8", LAB_GLUCOSE, "mmol/l"},    {"SNOMED", "33747003", LAB_GLUCOSE, ""},
    {"LOINC", "2951-2", LAB_SODIUM, "mmol/l"},      {"LOINC", "2947-0", LAB_SODIUM, "mmol/l"},
    {"LOINC", "718-7", LAB_HEMOGLOBIN, "g/dl"},     {"LOINC", "20509-6", LAB_HEMOGLOBIN, "g/dl"},
    {"LOINC", "30313-1", LAB_HEMOGLOBIN, "g/dl"},   {"LOINC", "30350-3", LAB_HEMOGLOBIN, "g/dl"},
    {"LAB", "51265", LAB_PLATELETS, "k/ul"},        {"LAB", "51704", LAB_PLATELETS, "k/ul"},
    {"LAB", "50971", LAB_POTASSIUM, "meq/l"},       {"LAB", "50822", LAB_POTASSIUM, "meq/l"},
    {"LAB", "52610", LAB_POTASSIUM, "meq/l"},       {"LAB", "50931", LAB_GLUCOSE, "mg/dl"},
    {"LAB", "50809", LAB_GLUCOSE, "mg/dl"},         {"LAB", "52569", LAB_GLUCOSE, "mg/dl"},
    {"LAB", "50983", LAB_SODIUM, "meq/l"},          {"LAB", "50824", LAB_SODIUM, "meq/l"},
    {"LAB", "52623", LAB_SODIUM, "meq/l"},          {"LAB", "51222", LAB_HEMOGLOBIN, "g/dl"},
    {"LAB", "50811", LAB_HEMOGLOBIN, "g/dl"},       {"LAB", "51640", LAB_HEMOGLOBIN, "g/dl"},
};

static int part_is(const char *part, size_t size, const char *text) {
    return size == strlen(text) && strncasecmp(part, text, size) == 0;
}

/* Cuts SYSTEM/CODE or SYSTEM//CODE, and //UNIT behind it. */
void lab_of_code(const char *text, int8_t *analyte, int8_t *unit) {
    *analyte = *unit = -1;
    size_t system_size = strcspn(text, "/");
    const char *code = text + system_size;
    while (*code == '/') code++;
    const char *end = strstr(code, "//"), *written = end ? end + 2 : "";
    size_t size = end ? (size_t)(end - code) : strlen(code);
    int mimic = part_is(text, system_size, "MIMIC_LAB"); /* EHRSHOT's shape of MIMIC */
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        const char *system = CODES[i].system;
        if (!part_is(text, system_size, system) && !(mimic && strcmp(system, "LAB") == 0)) continue;
        if (!part_is(code, size, CODES[i].code)) continue;
        *analyte = (int8_t)CODES[i].analyte;
        *unit = find_unit(CODES[i].analyte, *written ? written : CODES[i].unit);
    }
}

/* ---- severity ---- */
static const struct {
    int above;       /* out of bounds is above them, else below */
    float bounds[3]; /* mild, moderate, severe */
    int closed;      /* the mild bound itself is out of bounds */
} BOUNDS[N_LAB_ANALYTES] = {[LAB_PLATELETS] = {0, {150, 100, 50}, 0},
                            [LAB_POTASSIUM] = {1, {5.5f, 6, 7}, 0},
                            [LAB_GLUCOSE] = {0, {3.9f, 3.5f, 3}, 1},
                            [LAB_SODIUM] = {0, {135, 130, 125}, 1},
                            [LAB_HEMOGLOBIN] = {0, {120, 110, 70}, 0}};

static int32_t severity(int analyte, float value) {
    int32_t class = 0;
    for (int32_t i = 0; i < 3; i++) {
        float bound = BOUNDS[analyte].bounds[i];
        int out = BOUNDS[analyte].above ? value > bound
                                        : value < bound || (i == 0 && BOUNDS[analyte].closed && value == bound);
        if (out) class = i + 1;
    }
    return class;
}

/* ---- the tasks ---- */
/* The class of event i, or -1 if it gives no sample; then it is told why. */
static int32_t class_of(const struct labelling *l, int64_t i, int64_t first) {
    const struct subject_record *r = l->record;
    int8_t unit = l->codes->lab_unit[r->code[i]];
    if (unit == LAB_UNIT_NORMAL && r->time[i] != first) return 0;
    enum task_filter why = r->time[i] == first  ? FILTER_FIRST_EVENT
                           : isnan(r->value[i]) ? FILTER_NO_VALUE
                           : unit < 0           ? FILTER_UNIT
                                                : N_TASK_FILTERS;
    if (why == N_TASK_FILTERS) return severity(l->task->kind->argument, lab_value(unit, r->value[i]));
    labelling_leave_out(l, why, r->time[i] - MINUTE, r->visit[i], NULL);
    return -1;
}

static int label(const struct labelling *l) {
    const struct subject_record *r = l->record;
    int64_t i = 0;
    while (i < r->n_events && r->time[i] == COHORT_NO_TIME) i++;
    int64_t first = i < r->n_events ? r->time[i] : 0, at = COHORT_NO_TIME;
    int32_t worst = -1, visit = -1;
    for (; i < r->n_events; i++) {
        if (l->codes->lab[r->code[i]] != l->task->kind->argument) continue;
        labelling_look_at(l);
        if (!stays_adult(l, r->time[i] - MINUTE, r->visit[i])) continue;
        int32_t class = class_of(l, i, first);
        if (class < 0) continue;
        if (worst >= 0 && r->time[i] != at) {
            TRY(labelling_add(l, at - MINUTE, visit, worst, NULL));
            worst = -1;
        }
        if (worst >= 0)
            labelling_leave_out(l, FILTER_SAME_TIME, at - MINUTE, class > worst ? visit : r->visit[i], NULL);
        if (class > worst) worst = class, visit = r->visit[i];
        at = r->time[i];
    }
    return worst >= 0 ? labelling_add(l, at - MINUTE, visit, worst, NULL) : STATUS_OK;
}

static const char *const SEVERITIES[] = {"normal", "mild", "moderate", "severe"};
#define LAB_TASK(name, analyte, summary)                                                                               \
    {                                                                                                                  \
        name, summary, LABEL_CLASS, 4, SEVERITIES, {0, 0}, analyte, 0, 0, { label, label }                             \
    }
const struct task_kind LAB_TASKS[] = {
    LAB_TASK("lab_thrombocytopenia", LAB_PLATELETS, "the next platelet count, a minute before it"),
    LAB_TASK("lab_hyperkalemia", LAB_POTASSIUM, "the next potassium, a minute before it"),
    LAB_TASK("lab_hypoglycemia", LAB_GLUCOSE, "the next glucose, a minute before it"),
    LAB_TASK("lab_hyponatremia", LAB_SODIUM, "the next sodium, a minute before it"),
    LAB_TASK("lab_anemia", LAB_HEMOGLOBIN, "the next hemoglobin, a minute before it"),
    {0}};
