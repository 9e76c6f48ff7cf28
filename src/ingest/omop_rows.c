/* Row functions, one a table. */
#include "ingest/omop_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/field_values.h"
#include "terms/omop_code.h"
#include "terms/source_pattern.h"

static int is_id(struct field f, int64_t *id) { return field_integer(f, INT64_MIN + 1, INT64_MAX, id); }

/* A concept: 0 where the field is empty. */
static int is_concept(struct field f, int64_t *concept) {
    *concept = 0;
    return f.size == 0 || field_integer(f, 0, INT64_MAX, concept);
}

/* The moment of a date and a datetime, either of which may be empty but not both; returns whether there is one. A
 * datetime on another day than the date is a stand-in (synPUF has 1900-01-01). */
static int read_time(struct field date, struct field datetime, int64_t *time, enum time_precision *precision) {
    int64_t day = COHORT_NO_TIME, moment = COHORT_NO_TIME;
    int is_day = 0;
    if (date.size && !field_time(date, &day, NULL)) return 0;
    if (datetime.size && !field_time(datetime, &moment, &is_day)) return 0;
    if (day == COHORT_NO_TIME && moment == COHORT_NO_TIME) return 0;
    if (day != COHORT_NO_TIME) day = time_day(day);
    int has_moment = moment != COHORT_NO_TIME && !is_day && moment != time_day(moment) &&
                     (day == COHORT_NO_TIME || time_day(moment) == day);
    *time = has_moment ? moment : day != COHORT_NO_TIME ? day : time_day(moment);
    *precision = has_moment ? TIME_EXACT : TIME_DAY;
    return 1;
}

static int time_fault(const struct record_sink *sink, struct row_position at, const char *what, struct field date,
                      struct field datetime) {
    struct field shown = date.size ? date : datetime;
    int64_t time;
    if (date.size && field_time(date, &time, NULL) && datetime.size) shown = datetime;
    return field_fault(sink, at, what, shown, "a date or a time");
}

/* ---- person ---- */
enum { P_ID, P_YEAR, P_MONTH, P_DAY, P_BIRTH, P_GENDER, P_RACE, P_GENDER_SOURCE, P_RACE_SOURCE };

static int read_birth(const struct field *f, int64_t *birth) {
    int64_t year = 0, month = 1, day = 1;
    char text[32];
    if (f[P_BIRTH].size) return field_time(f[P_BIRTH], birth, NULL);
    *birth = COHORT_NO_TIME;
    if (f[P_YEAR].size == 0) return 1;
    if (!field_integer(f[P_YEAR], 1, 9999, &year) || (f[P_MONTH].size && !field_integer(f[P_MONTH], 1, 12, &month)) ||
        (f[P_MONTH].size && f[P_DAY].size && !field_integer(f[P_DAY], 1, 31, &day)))
        return 0;
    int n = snprintf(text, sizeof text, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
    return field_time((struct field){text, n}, birth, NULL);
}

static int add_fact(const struct record_sink *sink, struct row_position at, int64_t subject, const char *what,
                    const char *name, struct field source) {
    char code[128];
    int size = (int)(source.size < 64 ? source.size : 64);
    if (!name && size == 0) return STATUS_OK;
    int n = name ? snprintf(code, sizeof code, "%s//%s", what, name)
                 : snprintf(code, sizeof code, "%s//%.*s", what, size, source.text);
    struct found_event event = {subject, COHORT_NO_VISIT, COHORT_NO_TIME, TIME_EXACT, CODE_KIND_FACT, code, n, NAN};
    return sink->event(sink->self, at, &event);
}

static int person_row(const void *state, const struct field *f, struct row_position at,
                      const struct record_sink *sink) {
    struct found_subject subject = {.death = COHORT_NO_TIME, .split = -1};
    char race[32];
    (void)state;
    if (!is_id(f[P_ID], &subject.subject)) return field_fault(sink, at, "person_id", f[P_ID], "a whole number");
    if (!read_birth(f, &subject.birth))
        return f[P_BIRTH].size ? field_fault(sink, at, "birth_datetime", f[P_BIRTH], "a time")
                               : sink->fault(sink->self, at, "year, month and day of birth are no date");
    TRY(sink->subject(sink->self, at, &subject));
    const char *sex = field_is(f[P_GENDER], "8507") ? "M" : field_is(f[P_GENDER], "8532") ? "F" : NULL;
    TRY(add_fact(sink, at, subject.subject, "GENDER", sex, f[P_GENDER_SOURCE]));
    snprintf(race, sizeof race, "%.*s", (int)(f[P_RACE].size < 31 ? f[P_RACE].size : 31), f[P_RACE].text);
    const char *name = f[P_RACE].size == 4 ? race_name(race) : race;
    return add_fact(sink, at, subject.subject, "RACE", name != race ? name : NULL, f[P_RACE_SOURCE]);
}

static const struct table_kind PERSON = {
    .name = "person",
    .columns = {"person_id", "year_of_birth"},
    .optional = {"month_of_birth", "day_of_birth", "birth_datetime", "gender_concept_id", "race_concept_id",
                 "gender_source_value", "race_source_value"},
    .row = person_row,
    .required = 1};

/* ---- visits ---- */
enum { V_ID, V_PERSON, V_START, V_CONCEPT, V_START_TIME, V_END, V_END_TIME, V_DISCHARGED, V_DISCHARGE };

/* Concepts of the vocabulary Visit. */
static uint8_t visit_kind(struct field concept) {
    static const struct {
        const char *concept;
        enum visit_kind kind;
    } KINDS[] = {{"9201", VISIT_INPATIENT},    /* inpatient */
                 {"262", VISIT_INPATIENT},     /* emergency room and inpatient */
                 {"8717", VISIT_INPATIENT},    /* inpatient hospital */
                 {"32037", VISIT_INPATIENT},   /* intensive care */
                 {"581379", VISIT_INPATIENT},  /* inpatient critical care facility */
                 {"9203", VISIT_EMERGENCY},    /* emergency room */
                 {"8870", VISIT_EMERGENCY},    /* emergency room of a hospital */
                 {"9202", VISIT_OUTPATIENT},   /* outpatient */
                 {"8756", VISIT_OUTPATIENT},   /* outpatient hospital */
                 {"581477", VISIT_OUTPATIENT}, /* office */
                 {"8940", VISIT_OUTPATIENT},   /* office */
                 {"5083", VISIT_OUTPATIENT}};  /* telehealth */
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (field_is(concept, KINDS[i].concept)) return (uint8_t)KINDS[i].kind;
    return VISIT_OTHER;
}

static int visit_row(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    struct cohort_visit visit = {.end = COHORT_NO_TIME, .kind = visit_kind(f[V_CONCEPT])};
    enum time_precision precision;
    int64_t person;
    (void)state;
    if (!is_id(f[V_ID], &visit.id)) return field_fault(sink, at, "visit_occurrence_id", f[V_ID], "a whole number");
    if (!is_id(f[V_PERSON], &person)) return field_fault(sink, at, "person_id", f[V_PERSON], "a whole number");
    if (!read_time(f[V_START], f[V_START_TIME], &visit.start, &precision))
        return time_fault(sink, at, "the start of the visit", f[V_START], f[V_START_TIME]);
    if (f[V_END].size || f[V_END_TIME].size) {
        if (!read_time(f[V_END], f[V_END_TIME], &visit.end, &precision))
            return time_fault(sink, at, "the end of the visit", f[V_END], f[V_END_TIME]);
        if (precision == TIME_DAY) visit.end += TIME_DAY_LENGTH - 1;
    }
    visit.died = field_is(f[V_DISCHARGED], "4216643") || field_is(f[V_DISCHARGE], "4216643");
    return sink->visit(sink->self, at, person, &visit);
}

static const struct table_kind VISIT = {
    .name = "visit_occurrence",
    .columns = {"visit_occurrence_id", "person_id", "visit_start_date"},
    .optional = {"visit_concept_id", "visit_start_datetime", "visit_end_date", "visit_end_datetime",
                 "discharged_to_concept_id", "discharge_to_concept_id"},
    .row = visit_row,
    .required = 1};

/* ---- intensive care ---- */
enum { D_PERSON, D_CONCEPT, D_START, D_START_TIME, D_END, D_END_TIME, D_VISIT, D_SOURCE };

static int add_stay(const struct record_sink *sink, struct row_position at, struct found_event *event, const char *what,
                    struct field unit) {
    char code[128];
    event->code = code;
    event->code_size =
        snprintf(code, sizeof code, "%s//%.*s", what, (int)(unit.size < 100 ? unit.size : 100), unit.text);
    return sink->event(sink->self, at, event);
}

static int detail_row(const void *state, const struct field *f, struct row_position at,
                      const struct record_sink *sink) {
    struct found_event event = {.visit = COHORT_NO_VISIT, .kind = CODE_KIND_VISIT, .value = NAN};
    struct field unit = field_trim(f[D_SOURCE]);
    (void)state;
    if (!is_id(f[D_PERSON], &event.subject)) return field_fault(sink, at, "person_id", f[D_PERSON], "a whole number");
    if (!field_is(f[D_CONCEPT], "32037") && !field_is(f[D_CONCEPT], "581379"))
        return sink->leave_out(sink->self, at, "no intensive care");
    if (f[D_VISIT].size && !is_id(f[D_VISIT], &event.visit))
        return field_fault(sink, at, "visit_occurrence_id", f[D_VISIT], "a whole number");
    struct found_event end = event;
    int has_end = f[D_END].size || f[D_END_TIME].size;
    if (!read_time(f[D_START], f[D_START_TIME], &event.time, &event.precision))
        return time_fault(sink, at, "the start of the stay", f[D_START], f[D_START_TIME]);
    if (has_end && !read_time(f[D_END], f[D_END_TIME], &end.time, &end.precision))
        return time_fault(sink, at, "the end of the stay", f[D_END], f[D_END_TIME]);
    if (unit.size == 0) unit = f[D_CONCEPT];
    TRY(add_stay(sink, at, &event, "ICU_ADMISSION", unit));
    return has_end ? add_stay(sink, at, &end, "ICU_DISCHARGE", unit) : STATUS_OK;
}

static const struct table_kind DETAIL = {
    .name = "visit_detail",
    .columns = {"person_id", "visit_detail_concept_id", "visit_detail_start_date"},
    .optional = {"visit_detail_start_datetime", "visit_detail_end_date", "visit_detail_end_datetime",
                 "visit_occurrence_id", "visit_detail_source_value"},
    .row = detail_row,
    .kinds = 1U << CODE_KIND_VISIT};

/* ---- deaths ---- */
static int death_row(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    int64_t person, time;
    enum time_precision precision;
    (void)state;
    if (!is_id(f[0], &person)) return field_fault(sink, at, "person_id", f[0], "a whole number");
    if (!read_time(f[1], f[2], &time, &precision)) return time_fault(sink, at, "the time of death", f[1], f[2]);
    return sink->death(sink->self, at, person, time, precision);
}

static const struct table_kind DEATH = {
    .name = "death", .columns = {"person_id", "death_date"}, .optional = {"death_datetime"}, .row = death_row};

/* ---- events ---- */
enum { E_PERSON, E_CONCEPT, E_DATE, E_DATETIME, E_VISIT, E_SOURCE, E_SOURCE_CONCEPT, E_VALUE, E_UNIT };

static int event_row(const char *table, enum code_kind kind, const struct field *f, struct row_position at,
                     const struct record_sink *sink) {
    struct found_event event = {.visit = COHORT_NO_VISIT, .kind = kind, .value = NAN};
    struct field source = field_trim(f[E_SOURCE]), unit = field_trim(f[E_UNIT]);
    int64_t concept, source_concept;
    char code[OMOP_CODE_BYTES];
    if (!is_id(f[E_PERSON], &event.subject)) return field_fault(sink, at, "person_id", f[E_PERSON], "a whole number");
    if (!read_time(f[E_DATE], f[E_DATETIME], &event.time, &event.precision))
        return time_fault(sink, at, "the date", f[E_DATE], f[E_DATETIME]);
    if (f[E_VISIT].size && !is_id(f[E_VISIT], &event.visit))
        return field_fault(sink, at, "visit_occurrence_id", f[E_VISIT], "a whole number");
    if (!is_concept(f[E_CONCEPT], &concept))
        return field_fault(sink, at, "the concept", f[E_CONCEPT], "a whole number");
    if (!is_concept(f[E_SOURCE_CONCEPT], &source_concept))
        return field_fault(sink, at, "the source concept", f[E_SOURCE_CONCEPT], "a whole number");
    if (f[E_VALUE].size && !field_number(f[E_VALUE], &event.value))
        return field_fault(sink, at, "value_as_number", f[E_VALUE], "a number");
    if (!concept && !source_concept && !source.size)
        return sink->leave_out(sink->self, at, "neither concept nor source value");
    event.code = code;
    event.code_size =
        omop_code_write(code, table, source_concept, concept, unit.text, unit.size, source.text, source.size);
    return sink->event(sink->self, at, &event);
}

/* A table of events: the names of its columns have its own word in them. */
#define EVENT_TABLE(constant, function, table, of_kind, word, date, datetime)                                          \
    static int function(const void *state, const struct field *fields, struct row_position at,                         \
                        const struct record_sink *sink) {                                                              \
        (void)state;                                                                                                   \
        return event_row(table, of_kind, fields, at, sink);                                                            \
    }                                                                                                                  \
    static const struct table_kind constant = {                                                                        \
        .name = (table),                                                                                               \
        .columns = {"person_id", word "_concept_id", date},                                                            \
        .optional = {datetime, "visit_occurrence_id", word "_source_value", word "_source_concept_id",                 \
                     "value_as_number", "unit_source_value"},                                                          \
        .row = (function),                                                                                             \
        .kinds = 1U << (of_kind)};
EVENT_TABLE(CONDITION, condition_row, "condition_occurrence", CODE_KIND_DIAGNOSIS, "condition", "condition_start_date",
            "condition_start_datetime")
EVENT_TABLE(PROCEDURE, procedure_row, "procedure_occurrence", CODE_KIND_PROCEDURE, "procedure", "procedure_date",
            "procedure_datetime")
EVENT_TABLE(DRUG, drug_row, "drug_exposure", CODE_KIND_DRUG, "drug", "drug_exposure_start_date",
            "drug_exposure_start_datetime")
EVENT_TABLE(MEASUREMENT, measurement_row, "measurement", CODE_KIND_MEASUREMENT, "measurement", "measurement_date",
            "measurement_datetime")
EVENT_TABLE(OBSERVATION, observation_row, "observation", CODE_KIND_OTHER, "observation", "observation_date",
            "observation_datetime")
EVENT_TABLE(DEVICE, device_row, "device_exposure", CODE_KIND_OTHER, "device", "device_exposure_start_date",
            "device_exposure_start_datetime")

const struct table_kind *const OMOP_TABLES[N_OMOP_TABLES + 1] = {
    &PERSON, &VISIT, &DETAIL, &DEATH, &CONDITION, &PROCEDURE, &DRUG, &MEASUREMENT, &OBSERVATION, &DEVICE, NULL};
