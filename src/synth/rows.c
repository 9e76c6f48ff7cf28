#include "synth/rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "synth/patient.h"

static int has_room(struct rows *r) {
    if (r->status == STATUS_OK && r->n + ROW_BYTES > r->capacity)
        r->status = mem_grow(&r->bytes, &r->capacity, r->n + ROW_BYTES, 1);
    return r->status == STATUS_OK;
}

static void put_char(struct rows *r, char c) { r->bytes[r->n++] = c; }

static void put_text(struct rows *r, const char *text) {
    size_t n = strlen(text);
    memcpy(r->bytes + r->n, text, n);
    r->n += (long long)n;
}

static void put_quoted(struct rows *r, const char *text) {
    put_char(r, '"');
    for (; *text; text++) {
        if (*text == '"') put_char(r, '"');
        put_char(r, *text);
    }
    put_char(r, '"');
}

static void put_integer(struct rows *r, int64_t value) {
    char digits[24];
    int n = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do digits[n++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) put_char(r, '-');
    while (n) put_char(r, digits[--n]);
}

static void put_real(struct rows *r, double value, int digits) {
    int64_t unit = 1;
    for (int i = 0; i < digits; i++) unit *= 10;
    int64_t whole = llround(fabs(value) * (double)unit), fraction = whole % unit;
    if (value < 0 && whole) put_char(r, '-');
    put_integer(r, whole / unit);
    if (!fraction) return;
    put_char(r, '.');
    for (unit /= 10; fraction; unit /= 10) {
        put_char(r, (char)('0' + fraction / unit));
        fraction %= unit;
    }
}

static void put_two(struct rows *r, int value) {
    put_char(r, (char)('0' + value / 10));
    put_char(r, (char)('0' + value % 10));
}

static void put_date(struct rows *r, int64_t minutes) {
    int year, month, day;
    date_of_days(midnight(minutes) / MINUTES_A_DAY, &year, &month, &day);
    put_integer(r, year);
    put_char(r, '-');
    put_two(r, month);
    put_char(r, '-');
    put_two(r, day);
}

static void put_time(struct rows *r, int64_t minutes) {
    int of_day = (int)(minutes - midnight(minutes));
    put_date(r, minutes);
    put_char(r, ' ');
    put_two(r, of_day / 60);
    put_char(r, ':');
    put_two(r, of_day % 60);
    put_text(r, ":00");
}

void put_row(struct rows *r, const char *pattern, ...) {
    va_list fields;
    if (!has_room(r)) return;
    va_start(fields, pattern);
    for (const char *p = pattern; *p; p++) {
        if (*p != '%') {
            put_char(r, *p);
            continue;
        }
        int64_t minutes;
        const char *text;
        double value;
        switch (*++p) {
            case 'i': put_integer(r, va_arg(fields, int64_t)); break;
            case 'd':
            case 't':
                minutes = va_arg(fields, int64_t);
                if (minutes != NO_MINUTE) (*p == 'd' ? put_date : put_time)(r, minutes);
                break;
            case 's': put_text(r, va_arg(fields, const char *)); break;
            case 'q': put_quoted(r, va_arg(fields, const char *)); break;
            case 'c':
                text = va_arg(fields, const char *);
                (strpbrk(text, "\",\n\r") ? put_quoted : put_text)(r, text);
                break;
            default: /* r */ value = va_arg(fields, double); put_real(r, value, va_arg(fields, int));
        }
    }
    va_end(fields);
    put_char(r, '\n');
    r->n_rows++;
}

void rows_clear(struct rows *r) { r->n = r->n_rows = 0; }

void rows_free(struct rows *r) {
    free(r->bytes);
    *r = (struct rows){0};
}
