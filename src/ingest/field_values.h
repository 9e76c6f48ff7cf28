/* What the fields of a table say: whole numbers, numbers, times; and what is said of those that say no such thing. */
#ifndef MEDTOK_INGEST_FIELD_VALUES_H
#define MEDTOK_INGEST_FIELD_VALUES_H

#include "ingest/record_sink.h"
#include "ingest/row_scan.h"

/* Each returns whether the field is what it should be; *value is set only then. An empty field is not. */

/* Digits with a sign or none, least..most. Zeros behind a point are let go: "20001.0" is what some programs make of 20001 in a column with
 * gaps. */
int field_integer(struct field field, int64_t least, int64_t most, int64_t *value);

/* A decimal number that is finite: the float nearest to the double that strtod gives. */
int field_number(struct field field, float *value);

/* YYYY-MM-DD, alone or with HH:MM, HH:MM:SS or HH:MM:SS.F behind a blank or a T, as microseconds since 1970-01-01; F, of 1 to 9 digits, is
 * cut to microseconds. A zone behind the time of day (Z, UTC, +HH, +HHMM, +HH:MM; a blank may stand before) is left out of account: what
 * clocks showed at the place counts. *is_day (may be NULL): no time of day is given; *time is the day's first moment. */
int field_time(struct field field, int64_t *time, int *is_day);

/* 1 January of a year 1..9999 (is not checked). */
int64_t time_of_year(int64_t year);

/* The first moment of the time's day, and how long a day is. */
#define TIME_DAY_LENGTH (86400LL * 1000000)
int64_t time_day(int64_t time);

/* Without blanks at its ends. */
struct field field_trim(struct field field);

/* Whether it is the text, in any case. */
int field_is(struct field field, const char *text);

/* Puts `COLUMN is "VALUE": expected WHAT` into sink->fault, and returns its status. */
int field_fault(const struct record_sink *sink, struct row_position at, const char *column, struct field field,
                const char *expected);

#endif
