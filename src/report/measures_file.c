#include "report/measures_file.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

enum { NAME_BYTES = 256, MOST_DEPTH = 12 };

int measures_load(const char *path, json_t **json) {
    json_error_t error;
    *json = json_load_file(path, 0, &error);
    return *json ? STATUS_OK : status_set(STATUS_FAILED, "%s:%d: %s", path, error.line, error.text);
}

double member_number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

double measure_number(const json_t *measure) {
    return json_is_number(measure) ? json_number_value(measure) : member_number(measure, "value");
}

static int add(struct sheet *s, const char *name, json_t *object) {
    TRY(sheet_add_row(s));
    TRY(sheet_set(s, MEASURE_NAME, name));
    TRY(sheet_set_number(s, MEASURE_VALUE, member_number(object, "value")));
    TRY(sheet_set_number(s, MEASURE_LOW, member_number(object, "low")));
    TRY(sheet_set_number(s, MEASURE_HIGH, member_number(object, "high")));
    return sheet_set_number(s, MEASURE_N, member_number(object, "n"));
}

static void append(char *name, const char *text) {
    size_t used = strlen(name);
    snprintf(name + used, NAME_BYTES - used, "%s%s", used ? " " : "", text);
}

/* What an element of an array is called. */
static void append_element(char *name, json_t *element, size_t index) {
    const char *member;
    char text[32];
    size_t before = strlen(name);
    json_t *value;
    json_object_foreach(element, member, value) {
        if (json_is_string(value) && !strstr(member, "_id")) append(name, json_string_value(value));
        if (strcmp(member, "seed") != 0 || !json_is_integer(value)) continue;
        snprintf(text, sizeof text, "seed %lld", (long long)json_integer_value(value));
        append(name, text);
    }
    if (strlen(name) > before) return;
    snprintf(text, sizeof text, "%zu", index);
    append(name, text);
}

/* The way is as deep as the file is, of which MOST_DEPTH is looked at. NOLINTNEXTLINE(misc-no-recursion) */
static int flatten(json_t *json, const char *name, int depth, struct sheet *s) {
    const char *member;
    json_t *value;
    size_t i;
    if (depth == MOST_DEPTH) return STATUS_OK;
    if (json_is_number(json_object_get(json, "value"))) TRY(add(s, name, json));
    json_object_foreach(json, member, value) {
        char longer[NAME_BYTES];
        snprintf(longer, sizeof longer, "%s", name);
        if (strcmp(member, "measures") != 0) append(longer, member);
        TRY(flatten(value, longer, depth + 1, s));
    }
    json_array_foreach(json, i, value) {
        char longer[NAME_BYTES];
        snprintf(longer, sizeof longer, "%s", name);
        append_element(longer, value, i);
        TRY(flatten(value, longer, depth + 1, s));
    }
    return STATUS_OK;
}

int measures_flatten(json_t *json, struct sheet *s) {
    static const char *const COLUMNS[N_MEASURE_COLUMNS] = {"measure", "value", "low", "high", "n"};
    TRY(sheet_make(s, N_MEASURE_COLUMNS, COLUMNS));
    return flatten(json, "", 0, s);
}
