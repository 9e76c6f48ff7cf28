/* Measures in a JSON file of ours, wherever they stand in it: an object with a number `value`, and mostly `low` and `high`. */
#ifndef MEDTOK_REPORT_MEASURES_FILE_H
#define MEDTOK_REPORT_MEASURES_FILE_H

#include <jansson.h>

#include "report/sheet.h"

enum { MEASURE_NAME, MEASURE_VALUE, MEASURE_LOW, MEASURE_HIGH, MEASURE_N, N_MEASURE_COLUMNS };

/* The number that an object has under a name; NaN: none. */
double member_number(const json_t *object, const char *name);

/* A measure as files of ours hold it: a number, or an object with a number `value`; NaN: neither. */
double measure_number(const json_t *measure);

/* Parses a file; json_decref it. An error names line and reason. */
int measures_load(const char *path, json_t **json);

/* A sheet of the measures, one a row, in the order of the file. A measure's name is that of the members that lead to it, with blanks
 * between; elements of an array are called by their texts (task, arm, ...) and `seed`, or else by their number. `measures` is left out.
 * Free it in any case. */
int measures_flatten(json_t *json, struct sheet *sheet);

#endif
