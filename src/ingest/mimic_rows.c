/* Rows of admissions, stays in intensive care, drugs and laboratory values. */
#include "ingest/mimic_rows.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

enum { LONGEST_CODE = 255 };

int mimic_id(struct field field, int64_t *id) { return field_integer(field, 1, INT64_MAX, id); }

/* The id of a visit, or empty: COHORT_NO_VISIT. */
static int mimic_visit(struct field field, int64_t *visit) {
    *visit = COHORT_NO_VISIT;
    return field.size == 0 || mimic_id(field, visit);
}

int mimic_time(struct field field, int64_t *time, int *is_day) {
    *time = COHORT_NO_TIME;
    *is_day = 0;
    return field.size == 0 || field_time(field, time, is_day);
}

/* ---- codes ---- */
int mimic_event(const struct record_sink *sink, struct row_position at, struct found_event *event, const char *prefix,
                struct field code) {
    char text[LONGEST_CODE];
    int64_t n = (int64_t)strlen(prefix);
    code = field_trim(code);
    if (code.size == 0) return sink->leave_out(sink->self, at, "an empty code");
    if (n + code.size > LONGEST_CODE)
        return sink->fault(sink->self, at, "a code of %lld bytes: expected at most %lld", (long long)code.size,
                           (long long)(LONGEST_CODE - n));
    memcpy(text, prefix, (size_t)n);
    memcpy(text + n, code.text, (size_t)code.size);
    event->code = text;
    event->code_size = n + code.size;
    int status = sink->event(sink->self, at, event);
    event->code = NULL;
    return status;
}

int mimic_fact(const struct record_sink *sink, struct row_position at, int64_t subject, int64_t visit,
               const char *prefix, struct field value) {
    struct found_event event = {
        .subject = subject, .visit = visit, .time = COHORT_NO_TIME, .kind = CODE_KIND_FACT, .value = NAN};
    return field_trim(value).size == 0 ? STATUS_OK : mimic_event(sink, at, &event, prefix, value);
}

/* ---- rows ---- */
int mimic_admission(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct cohort_visit visit = {.kind = VISIT_INPATIENT};
    int64_t subject, death, died;
    int is_day, death_is_day;
    ROW_NEEDS(mimic_id(f[0], &subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_id(f[1], &visit.id), "hadm_id", f[1], "a number");
    ROW_NEEDS(field_time(f[2], &visit.start, NULL), "admittime", f[2], "a time");
    ROW_NEEDS(mimic_time(f[3], &visit.end, &is_day), "dischtime", f[3], "a time");
    ROW_NEEDS(mimic_time(f[4], &death, &death_is_day), "deathtime", f[4], "a time");
    ROW_NEEDS(field_integer(f[5], 0, 1, &died), "hospital_expire_flag", f[5], "0 or 1");
    visit.died = (uint8_t)died;
    if (died && death != COHORT_NO_TIME && visit.end != COHORT_NO_TIME && death > visit.end) visit.end = death;
    int status = sink->visit(sink->self, at, subject, &visit);
    if (status == STATUS_OK && death != COHORT_NO_TIME)
        status = sink->death(sink->self, at, subject, death, death_is_day ? TIME_DAY : TIME_EXACT);
    return status == STATUS_OK ? mimic_fact(sink, at, subject, visit.id, "RACE//", f[6].size > 0 ? f[6] : f[7])
                               : status;
}

int mimic_stay(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_event event = {.kind = CODE_KIND_VISIT, .value = NAN};
    int64_t out;
    int is_day;
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_visit(f[1], &event.visit), "hadm_id", f[1], "a number");
    ROW_NEEDS(field_time(f[2], &event.time, NULL), "intime", f[2], "a time");
    ROW_NEEDS(mimic_time(f[3], &out, &is_day), "outtime", f[3], "a time");
    if (out != COHORT_NO_TIME && out < event.time)
        return sink->fault(sink->self, at, "outtime %.*s is before intime", (int)f[3].size, f[3].text);
    int status = mimic_event(sink, at, &event, "ICU_ADMISSION//", f[4]);
    event.time = out;
    return status != STATUS_OK || out == COHORT_NO_TIME ? status
                                                        : mimic_event(sink, at, &event, "ICU_DISCHARGE//", f[5]);
}

int mimic_lab(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    (void)state;
    struct found_event event = {.kind = CODE_KIND_MEASUREMENT, .value = NAN};
    char code[64];
    struct field unit = field_trim(f[5]);
    int64_t item, n;
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_visit(f[1], &event.visit), "hadm_id", f[1], "a number");
    ROW_NEEDS(mimic_id(f[2], &item), "itemid", f[2], "a number");
    ROW_NEEDS(field_time(f[3], &event.time, NULL), "charttime", f[3], "a time");
    ROW_NEEDS(f[4].size == 0 || field_number(f[4], &event.value), "valuenum", f[4], "a number");
    if (unit.size == 0) unit = (struct field){"UNK", 3}; /* as MIMIC-IV-MEDS has it */
    ROW_NEEDS(f[2].size + unit.size + 2 <= (int64_t)sizeof code, "valueuom", unit, "a unit");
    n = f[2].size;
    memcpy(code, f[2].text, (size_t)n);
    code[n++] = '/';
    code[n++] = '/';
    memcpy(code + n, unit.text, (size_t)unit.size);
    return mimic_event(sink, at, &event, "LAB//", (struct field){code, n + unit.size});
}

/* ---- drugs ---- */
enum { NDC_DIGITS = 11, FEWEST_DIGITS = 7, MOST_NAME = 160 };

/* Whether the field is an NDC and not a stand-in for none; eleven digits, with those zeros in front that a program which takes it for a
 * number has lost. */
static int read_ndc(struct field f, char ndc[NDC_DIGITS]) {
    int64_t number;
    if (!field_integer(f, 1, 99999999999, &number)) return 0;
    for (int i = NDC_DIGITS - 1; i >= 0; i--, number /= 10) ndc[i] = (char)('0' + number % 10);
    int zeros = 0;
    while (ndc[zeros] == '0') zeros++;
    return NDC_DIGITS - zeros >= FEWEST_DIGITS; /* a labeller's number has at most four zeros in front */
}

/* Puts the name of the drug behind its NDC, cut at its room. */
static struct field add_name(char code[NDC_DIGITS + 2 + MOST_NAME], struct field name) {
    int64_t n = name.size < MOST_NAME ? name.size : MOST_NAME;
    if (n == 0) return (struct field){code, NDC_DIGITS};
    code[NDC_DIGITS] = code[NDC_DIGITS + 1] = '/';
    memcpy(code + NDC_DIGITS + 2, name.text, (size_t)n);
    return (struct field){code, NDC_DIGITS + 2 + n};
}

int mimic_drug(const struct field *f, struct row_position at, const struct record_sink *sink, int days,
               const char *column) {
    struct found_event event = {.kind = CODE_KIND_DRUG, .value = NAN};
    char code[NDC_DIGITS + 2 + MOST_NAME];
    int is_day;
    ROW_NEEDS(mimic_id(f[0], &event.subject), "subject_id", f[0], "a number");
    ROW_NEEDS(mimic_visit(f[1], &event.visit), "hadm_id", f[1], "a number");
    ROW_NEEDS(mimic_time(f[2], &event.time, &is_day), column, f[2], "a time");
    event.precision = days || is_day ? TIME_DAY : TIME_EXACT;
    if (event.time == COHORT_NO_TIME) event.precision = TIME_DISCHARGE;
    if (event.time == COHORT_NO_TIME && event.visit == COHORT_NO_VISIT)
        return sink->leave_out(sink->self, at, "a drug without time and visit");
    struct field name = field_trim(f[3]);
    if (read_ndc(f[4], code)) return mimic_event(sink, at, &event, "MEDICATION//NDC//", add_name(code, name));
    if (name.size == 0) return sink->leave_out(sink->self, at, "a drug without NDC and name");
    return mimic_event(sink, at, &event, "MEDICATION//NAME//", name);
}
