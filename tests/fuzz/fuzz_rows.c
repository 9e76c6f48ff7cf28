/* Any bytes are rows, or faults: the same ones whole and cut in two anywhere, as ranks cut files. Their fields are values or none, and
 * the rows of MIMIC put into the sink what can be put. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/mimic_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define HOLDS(condition)                                                                                               \
    if (!(condition)) abort()

/* ---- a sink that looks at what it gets ---- */
static int visit(void *self, struct row_position at, int64_t subject, const struct cohort_visit *v) {
    (void)self, (void)at;
    HOLDS(subject > 0 && v->id > 0 && v->start != COHORT_NO_TIME && v->died <= 1);
    return 0;
}

static int death(void *self, struct row_position at, int64_t subject, int64_t time, enum time_precision precision) {
    (void)self, (void)at;
    HOLDS(subject > 0 && time != COHORT_NO_TIME && precision != TIME_DISCHARGE);
    return 0;
}

static int event(void *self, struct row_position at, const struct found_event *e) {
    (void)self, (void)at;
    HOLDS(e->subject > 0 && e->code_size > 0 && e->code_size < 256 && memchr(e->code, '/', (size_t)e->code_size));
    HOLDS(e->time != COHORT_NO_TIME || e->precision == TIME_DISCHARGE || e->kind == CODE_KIND_FACT);
    HOLDS(isnan(e->value) || isfinite(e->value));
    return 0;
}

static int fault(void *self, struct row_position at, const char *format, ...) {
    (void)self, (void)at, (void)format;
    return 0;
}

static int leave_out(void *self, struct row_position at, const char *rule) {
    (void)self, (void)at, (void)rule;
    return 0;
}

static const struct record_sink SINK = {
    .visit = visit, .death = death, .event = event, .fault = fault, .leave_out = leave_out};

/* ---- rows ---- */
static uint64_t add_bytes(uint64_t sum, const char *bytes, int64_t n) { /* FNV-1a */
    for (int64_t i = 0; i < n; i++) sum = (sum ^ (unsigned char)bytes[i]) * 1099511628211u;
    return (sum ^ 0x1f) * 1099511628211u;
}

static void look_at_values(const struct field *fields, int n) {
    struct field padded[8] = {{"", 0}};
    for (int i = 0; i < 8; i++) padded[i] = i < n ? fields[i] : (struct field){"", 0};
    for (int i = 0; i < n; i++) {
        int64_t number, time;
        float value;
        if (field_integer(fields[i], INT64_MIN + 1, INT64_MAX, &number)) HOLDS(fields[i].size > 0);
        if (field_time(fields[i], &time, NULL))
            HOLDS(fields[i].size >= 10 && time >= time_of_year(1) && time < time_of_year(10000));
        if (field_number(fields[i], &value)) HOLDS(isfinite(value));
    }
    struct row_position at = {0, 1};
    mimic_admission(NULL, padded, at, &SINK);
    mimic_stay(NULL, padded, at, &SINK);
    mimic_lab(NULL, padded, at, &SINK);
    mimic_drug(padded, at, &SINK, n & 1, "starttime");
}

/* What the rows that begin in [from, stop) sum up to; *n: how many there are. */
static uint64_t read_rows(const char *text, int64_t size, int64_t from, int64_t stop, int64_t line, char separator,
                          int columns, int values, int64_t *n) {
    char *bytes = malloc((size_t)size + 1);
    struct field fields[ROW_MAX_COLUMNS];
    struct row_scan s = {.separator = separator, .n_columns = columns, .fields = fields, .bytes = bytes, .size = size};
    uint64_t sum = 0;
    memcpy(bytes, text, (size_t)size);
    s.at = from;
    s.stop = stop;
    s.line = line;
    s.last = 1;
    row_scan_move(&s);
    for (enum row_state state; (state = row_scan_next(&s)) != ROW_NONE; ++*n) {
        uint64_t row = (uint64_t)s.row_line * 31 + state;
        if (state == ROW_GOOD)
            for (int i = 0; i < s.n_columns; i++) row = add_bytes(row, fields[i].text, fields[i].size);
        if (state == ROW_BAD) row = add_bytes(row, s.fault, (int64_t)strlen(s.fault));
        sum += row * 0x9e3779b97f4a7c15u;
        if (state == ROW_OPEN) break;
        if (state == ROW_GOOD && values) look_at_values(fields, s.n_columns);
    }
    free(bytes);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 3) return 0;
    char separator = bytes[0] & 1 ? ',' : '\t';
    int columns = 1 + (bytes[0] >> 1) % 8;
    int64_t n = (int64_t)size - 3, cut = n == 0 ? 0 : (bytes[1] * 256 + bytes[2]) % n, whole = 0, parts = 0;
    char *text = malloc((size_t)n + 1);
    for (int64_t i = 0; i < n; i++)
        text[i] = bytes[3 + i] ? (char)bytes[3 + i] : 'x'; /* readers look for zeros before */
    uint64_t sum = read_rows(text, n, 0, n, 1, separator, columns, 1, &whole);
    int64_t n_lines, n_quotes, passed = 0, first = cut;
    row_scan_count(text, cut, &n_lines, &n_quotes);
    if (separator == '\t') n_quotes = 0;
    uint64_t sum_of_parts = read_rows(text, n, 0, cut, 1, separator, columns, 0, &parts);
    if (cut > 0 && (text[cut - 1] != '\n' || n_quotes % 2 != 0)) {
        first = row_scan_first(text + cut, n - cut, separator == ',', n_quotes % 2 != 0, &passed);
        first = first < 0 ? n : first + cut;
    }
    sum_of_parts += read_rows(text, n, first, n, 1 + n_lines + passed, separator, columns, 0, &parts);
    HOLDS(sum == sum_of_parts && whole == parts);
    free(text);
    return 0;
}
