/* Row functions, one a table. */
#include "ingest/ehrshot_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "ingest/field_values.h"
#include "terms/source_pattern.h"

static int begins(struct field f, const char *text) {
    size_t n = strlen(text);
    return f.size >= (int64_t)n && strncasecmp(f.text, text, n) == 0;
}

/* ---- subjects ---- */
static int split_row(const void *state, const struct field *fields, struct row_position at,
                     const struct record_sink *sink) {
    static const char *const NAMES[N_SPLITS] = {"train", "val", "test"};
    struct found_subject subject = {.birth = COHORT_NO_TIME, .death = COHORT_NO_TIME};
    (void)state;
    if (!field_integer(fields[1], INT64_MIN + 1, INT64_MAX, &subject.subject))
        return field_fault(sink, at, "omop_person_id", fields[1], "a whole number");
    while (subject.split < N_SPLITS && !field_is(fields[0], NAMES[subject.split])) subject.split++;
    if (subject.split == N_SPLITS) return field_fault(sink, at, "split", fields[0], "train, val or test");
    return sink->subject(sink->self, at, &subject);
}

const struct table_kind EHRSHOT_SPLITS = {
    .name = "splits/person_id_map", .columns = {"split", "omop_person_id"}, .row = split_row, .required = 1};

/* ---- events ---- */
enum { PATIENT_ID, START, CODE, END, VALUE, UNIT, VISIT_ID, OMOP_TABLE };

static const struct {
    const char *table;
    enum code_kind kind;
} TABLES[] = {{"condition_occurrence", CODE_KIND_DIAGNOSIS},
              {"procedure_occurrence", CODE_KIND_PROCEDURE},
              {"drug_exposure", CODE_KIND_DRUG},
              {"measurement", CODE_KIND_MEASUREMENT},
              {"visit_detail", CODE_KIND_VISIT},
              {"person", CODE_KIND_FACT},
              {"observation", CODE_KIND_OTHER},
              {"device_exposure", CODE_KIND_OTHER},
              {"note", CODE_KIND_OTHER}};

static enum code_kind kind_of(const struct field *fields) {
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++)
        if (field_is(fields[OMOP_TABLE], TABLES[i].table)) return TABLES[i].kind;
    return source_code_kind(fields[CODE].text, fields[CODE].size);
}

static int visit_row(const struct field *fields, struct row_position at, const struct record_sink *sink,
                     int64_t subject, struct cohort_visit *visit) {
    if (fields[END].size && !field_time(fields[END], &visit->end, NULL))
        return field_fault(sink, at, "end", fields[END], "a time");
    visit->kind = field_is(fields[CODE], "Visit/IP") ? VISIT_INPATIENT
                  : begins(fields[CODE], "Visit/ER") ? VISIT_EMERGENCY
                                                     : VISIT_OUTPATIENT;
    return sink->visit(sink->self, at, subject, visit);
}

/* What stands behind a measurement's code: its unit, or its result in words. */
static struct field behind_code(const struct field *fields) {
    static const char *const WORDS[] = {"normal", "adequate"};
    struct field value = field_trim(fields[VALUE]);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (value.size == (int64_t)strlen(WORDS[i]) && begins(value, WORDS[i]))
            return (struct field){.text = "normal", .size = (int64_t)strlen("normal")};
    return field_trim(fields[UNIT]);
}

static int event_row(const void *state, const struct field *fields, struct row_position at,
                     const struct record_sink *sink) {
    struct found_event event = {.code = fields[CODE].text, .code_size = fields[CODE].size, .value = NAN};
    struct cohort_visit visit = {.id = COHORT_NO_VISIT, .end = COHORT_NO_TIME};
    int is_day;
    (void)state;
    if (!field_integer(fields[PATIENT_ID], INT64_MIN + 1, INT64_MAX, &event.subject))
        return field_fault(sink, at, "patient_id", fields[PATIENT_ID], "a whole number");
    if (!field_time(fields[START], &event.time, &is_day))
        return field_fault(sink, at, "start", fields[START], "a time");
    if (fields[VISIT_ID].size && !field_integer(fields[VISIT_ID], INT64_MIN + 1, INT64_MAX, &visit.id))
        return field_fault(sink, at, "visit_id", fields[VISIT_ID], "a whole number");
    if (event.code_size == 0) return sink->leave_out(sink->self, at, "an empty code");
    event.precision = is_day || event.time == time_day(event.time) ? TIME_DAY : TIME_EXACT;
    if (field_is(fields[CODE], "SNOMED/3950001") || field_is(fields[CODE], "MEDS_BIRTH")) {
        struct found_subject birth = {event.subject, event.time, COHORT_NO_TIME, TIME_EXACT, -1, 1};
        return sink->subject(sink->self, at, &birth);
    }
    if (field_is(fields[OMOP_TABLE], "death") || field_is(fields[CODE], "MEDS_DEATH") ||
        (!fields[OMOP_TABLE].size && begins(fields[CODE], "Death Type/")))
        return sink->death(sink->self, at, event.subject, event.time, event.precision);
    if (field_is(fields[OMOP_TABLE], "visit_occurrence") ||
        (!fields[OMOP_TABLE].size && begins(fields[CODE], "Visit/"))) {
        visit.start = event.time;
        return visit_row(fields, at, sink, event.subject, &visit);
    }
    event.kind = kind_of(fields);
    event.visit = visit.id;
    if (event.kind == CODE_KIND_FACT) {
        event.time = COHORT_NO_TIME;
        event.precision = TIME_EXACT;
    }
    field_number(fields[VALUE], &event.value);
    char code[CODE_NAME_BYTES];
    struct field unit = behind_code(fields);
    if (event.kind == CODE_KIND_MEASUREMENT && unit.size && event.code_size + unit.size + 2 < CODE_NAME_BYTES) {
        event.code_size =
            snprintf(code, sizeof code, "%.*s//%.*s", (int)event.code_size, event.code, (int)unit.size, unit.text);
        event.code = code;
    }
    return sink->event(sink->self, at, &event);
}

const struct table_kind EHRSHOT_EVENTS = {.name = "data/ehrshot",
                                          .columns = {"patient_id", "start", "code"},
                                          .optional = {"end", "value", "unit", "visit_id", "omop_table"},
                                          .row = event_row,
                                          .required = 1};

/* ---- labels ---- */
static const char *const CHEXPERT[] = {"No Finding",       "Enlarged Cardiomediastinum",
                                       "Cardiomegaly",     "Lung Lesion",
                                       "Lung Opacity",     "Edema",
                                       "Consolidation",    "Pneumonia",
                                       "Atelectasis",      "Pneumothorax",
                                       "Pleural Effusion", "Pleural Other",
                                       "Fracture",         "Support Devices"};
enum { N_CHEXPERT = sizeof CHEXPERT / sizeof *CHEXPERT };

static int chexpert_labels(const struct found_label *label, struct row_position at, const struct record_sink *sink) {
    for (int i = 0; i < N_CHEXPERT; i++) {
        char task[64];
        struct found_label finding = {task, label->subject, label->time, label->label >> (N_CHEXPERT - 1 - i) & 1};
        snprintf(task, sizeof task, "chexpert/%s", CHEXPERT[i]);
        TRY(sink->label(sink->self, at, &finding));
    }
    return STATUS_OK;
}

static int label_row(const void *state, const struct field *fields, struct row_position at,
                     const struct record_sink *sink) {
    struct found_label label = {.task = label_files_task(state, at.file)};
    int64_t value;
    if (!field_integer(fields[0], INT64_MIN + 1, INT64_MAX, &label.subject))
        return field_fault(sink, at, "patient_id", fields[0], "a whole number");
    if (!field_time(fields[1], &label.time, NULL)) return field_fault(sink, at, "prediction_time", fields[1], "a time");
    int is_chexpert = strcmp(label.task, "chexpert") == 0;
    if (!field_truth(fields[2], &label.label)) {
        if (!field_integer(fields[2], 0, is_chexpert ? (1 << N_CHEXPERT) - 1 : LABEL_MOST_CLASSES - 1, &value))
            return field_fault(sink, at, "value", fields[2], "True, False or the number of a class");
        label.label = (int32_t)value;
    }
    return is_chexpert ? chexpert_labels(&label, at, sink) : sink->label(sink->self, at, &label);
}

const struct table_kind EHRSHOT_LABELS = {
    .name = "labeled_patients", .columns = {"patient_id", "prediction_time", "value"}, .row = label_row};
