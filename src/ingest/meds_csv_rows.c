/* Row functions, one a table. */
#include "ingest/meds_csv_rows.h"

#include <math.h>
#include <stddef.h>

#include "base/status.h"
#include "ingest/field_values.h"
#include "terms/source_pattern.h"

static int is_id(struct field f, int64_t *id) { return field_integer(f, INT64_MIN + 1, INT64_MAX, id); }

static int split_row(const void *state, const struct field *fields, struct row_position at,
                     const struct record_sink *sink) {
    struct found_subject subject = {.birth = COHORT_NO_TIME, .death = COHORT_NO_TIME};
    (void)state;
    if (!is_id(fields[0], &subject.subject)) return field_fault(sink, at, "subject_id", fields[0], "a whole number");
    while (subject.split < N_SPLITS && !field_is(fields[1], SPLIT_NAMES[subject.split])) subject.split++;
    if (subject.split == N_SPLITS) return field_fault(sink, at, "split", fields[1], "train, tuning or held_out");
    return sink->subject(sink->self, at, &subject);
}

const struct table_kind MEDS_CSV_SPLITS = {
    .name = "metadata/subject_splits", .columns = {"subject_id", "split"}, .row = split_row, .required = 1};

/* ---- events ---- */
enum { SUBJECT_ID, CODE, TIME, NUMERIC_VALUE };

static int event_row(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    struct found_event event = {.visit = COHORT_NO_VISIT,
                                .time = COHORT_NO_TIME,
                                .code = f[CODE].text,
                                .code_size = f[CODE].size,
                                .value = NAN};
    (void)state;
    if (!is_id(f[SUBJECT_ID], &event.subject))
        return field_fault(sink, at, "subject_id", f[SUBJECT_ID], "a whole number");
    if (f[TIME].size && !field_time(f[TIME], &event.time, NULL))
        return field_fault(sink, at, "time", f[TIME], "a time");
    if (f[NUMERIC_VALUE].size && !field_is(f[NUMERIC_VALUE], "nan") && !field_number(f[NUMERIC_VALUE], &event.value))
        return field_fault(sink, at, "numeric_value", f[NUMERIC_VALUE], "a number");
    if (f[CODE].size == 0) return field_fault(sink, at, "code", f[CODE], "a code");
    if (field_is(f[CODE], "MEDS_BIRTH")) {
        struct found_subject birth = {event.subject, event.time, COHORT_NO_TIME, TIME_EXACT, -1, 1};
        return sink->subject(sink->self, at, &birth);
    }
    if (field_is(f[CODE], "MEDS_DEATH") && f[TIME].size)
        return sink->death(sink->self, at, event.subject, event.time, TIME_EXACT);
    event.kind = source_code_kind(f[CODE].text, f[CODE].size);
    return sink->event(sink->self, at, &event);
}

const struct table_kind MEDS_CSV_EVENTS = {.name = "data",
                                           .columns = {"subject_id", "code"},
                                           .optional = {"time", "numeric_value"},
                                           .row = event_row,
                                           .required = 1};

/* ---- labels ---- */
enum { L_SUBJECT, L_TIME, L_BOOLEAN, L_INTEGER, L_FLOAT, L_CATEGORICAL };

/* The one value that is given; returns whether it is a class. */
static int read_label(const struct field *f, int32_t *label) {
    int64_t value;
    int n = (f[L_BOOLEAN].size > 0) + (f[L_INTEGER].size > 0) + (f[L_FLOAT].size > 0) + (f[L_CATEGORICAL].size > 0);
    if (n != 1) return 0;
    if (f[L_BOOLEAN].size && field_truth(f[L_BOOLEAN], label)) return 1;
    struct field given = f[L_BOOLEAN].size   ? f[L_BOOLEAN]
                         : f[L_INTEGER].size ? f[L_INTEGER]
                         : f[L_FLOAT].size   ? f[L_FLOAT]
                                             : f[L_CATEGORICAL];
    if (!field_integer(given, 0, f[L_BOOLEAN].size ? 1 : LABEL_MOST_CLASSES - 1, &value)) return 0;
    *label = (int32_t)value;
    return 1;
}

static int label_row(const void *state, const struct field *f, struct row_position at, const struct record_sink *sink) {
    struct found_label label = {.task = label_files_task(state, at.file)};
    if (!is_id(f[L_SUBJECT], &label.subject))
        return field_fault(sink, at, "subject_id", f[L_SUBJECT], "a whole number");
    if (!field_time(f[L_TIME], &label.time, NULL)) return field_fault(sink, at, "prediction_time", f[L_TIME], "a time");
    if (!read_label(f, &label.label))
        return sink->fault(sink->self, at,
                           "no label: expected just one of boolean_value (True, False) and, as the number of a class "
                           "below %d, integer_value, float_value and categorical_value",
                           LABEL_MOST_CLASSES);
    return sink->label(sink->self, at, &label);
}

const struct table_kind MEDS_CSV_LABELS = {
    .name = "labels",
    .columns = {"subject_id", "prediction_time"},
    .optional = {"boolean_value", "integer_value", "float_value", "categorical_value"},
    .row = label_row};
