/* Numbers and times, without the locale and the copies that strtod and strptime need. */
#include "ingest/field_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_NUMBER = 64 };

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- whole numbers ---- */
int field_integer(struct field field, int64_t least, int64_t most, int64_t *value) {
    const char *p = field.text, *end = p + field.size;
    int negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return 0;
    uint64_t n = 0;
    for (; p < end && is_digit(*p); p++) {
        if (n > (uint64_t)INT64_MAX / 10) return 0;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    if (p < end && *p == '.') do
            p++;
        while (p < end && *p == '0');
    if (p < end || n > INT64_MAX) return 0;
    int64_t found = negative ? -(int64_t)n : (int64_t)n;
    if (found < least || found > most) return 0;
    *value = found;
    return 1;
}

/* ---- numbers ---- */
/* What a text is made of: digits as a whole number, and the power of ten that it is multiplied by. */
struct decimal {
    uint64_t digits;
    int power, negative, inexact; /* inexact: more digits than fit */
};

static const char *read_digits(const char *p, const char *end, int behind_point, struct decimal *d) {
    for (; p < end && is_digit(*p); p++) {
        if (d->digits < 100000000000000) { /* 15 digits are exact in a double */
            d->digits = d->digits * 10 + (uint64_t)(*p - '0');
            d->power -= behind_point;
        } else {
            d->inexact = 1;
        }
    }
    return p;
}

/* Whether the text is a decimal number. */
static int read_decimal(const char *p, const char *end, struct decimal *d) {
    *d = (struct decimal){.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+')) p++;
    const char *whole = p, *stop = read_digits(p, end, 0, d);
    int64_t n = stop - whole;
    if (stop < end && *stop == '.') {
        const char *behind = stop + 1;
        stop = read_digits(behind, end, 1, d);
        n += stop - behind;
    }
    if (n == 0) return 0;
    if (stop < end && (*stop == 'e' || *stop == 'E')) {
        int64_t power;
        if (!field_integer((struct field){stop + 1, end - stop - 1}, -9999, 9999, &power)) return 0;
        if (memchr(stop, '.', (size_t)(end - stop))) return 0;
        d->power += (int)power;
        stop = end;
    }
    return stop == end;
}

int field_number(struct field field, float *value) {
    static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}; /* exact */
    struct decimal d;
    if (field.size >= LONGEST_NUMBER || !read_decimal(field.text, field.text + field.size, &d)) return 0;
    double number;
    if (!d.inexact && d.power >= -22 && d.power <= 22) { /* one operation on exact numbers is rounded rightly */
        number = d.power < 0 ? (double)d.digits / TENS[-d.power] : (double)d.digits * TENS[d.power];
        if (d.negative) number = -number;
    } else {
        char text[LONGEST_NUMBER];
        memcpy(text, field.text, (size_t)field.size);
        text[field.size] = 0;
        number = strtod(text, NULL);
    }
    if (!isfinite((float)number)) return 0;
    *value = (float)number;
    return 1;
}

/* ---- times ---- */
static const int64_t DAY = 86400LL * 1000000;

static int is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

/* Days from 1 January of year 1 to that of `year`. */
static int64_t days_before_year(int64_t year) {
    int64_t past = year - 1;
    return 365 * past + past / 4 - past / 100 + past / 400;
}

int64_t time_of_year(int64_t year) { return (days_before_year(year) - days_before_year(1970)) * DAY; }

int64_t time_day(int64_t time) {
    int64_t into = time % DAY;
    return time - (into < 0 ? into + DAY : into);
}

/* Two digits as a number, or at least 100. */
static int two_digits(const char *p) {
    int tens = p[0] - '0', ones = p[1] - '0';
    return (unsigned)tens > 9 || (unsigned)ones > 9 ? 100 : tens * 10 + ones;
}

/* The day YYYY-MM-DD at p[10]. */
static int read_day(const char *p, int64_t *time) {
    static const int BEFORE[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int century = two_digits(p), rest = two_digits(p + 2), month = two_digits(p + 5), day = two_digits(p + 8);
    if (century > 99 || rest > 99 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12 || day < 1) return 0;
    int year = century * 100 + rest, leap = is_leap(year);
    if (year < 1 || day > BEFORE[month] - BEFORE[month - 1] + (leap && month == 2)) return 0;
    *time = time_of_year(year) + (BEFORE[month - 1] + (leap && month > 2) + day - 1) * DAY;
    return 1;
}

/* Whether all of the text is a zone, or nothing. */
static int is_zone(const char *p, const char *end) {
    if (p < end && *p == ' ') p++;
    int64_t n = end - p;
    if (n == 0 || (n == 1 && (*p == 'Z' || *p == 'z')) || (n == 3 && memcmp(p, "UTC", 3) == 0)) return 1;
    if ((*p != '+' && *p != '-') || n < 3 || two_digits(p + 1) > 14) return 0;
    if (n == 3) return 1;
    const char *minutes = p[3] == ':' ? p + 4 : p + 3;
    return end - minutes == 2 && two_digits(minutes) < 60;
}

/* A time of day, and what may stand behind it. */
static int read_time_of_day(const char *p, const char *end, int64_t *time) {
    int64_t second = 0, fraction = 0;
    if (end - p < 5 || two_digits(p) > 23 || p[2] != ':' || two_digits(p + 3) > 59) return 0;
    int64_t minute = two_digits(p) * 60 + two_digits(p + 3);
    p += 5;
    if (end - p >= 3 && *p == ':') {
        second = two_digits(p + 1);
        if (second > 59) return 0;
        p += 3;
        if (p < end && *p == '.') {
            const char *first = ++p;
            for (; p < end && is_digit(*p); p++)
                if (p - first < 6) fraction = fraction * 10 + (*p - '0');
            if (p == first || p - first > 9) return 0;
            for (int64_t n = p - first; n < 6; n++) fraction *= 10;
        }
    }
    *time = (minute * 60 + second) * 1000000 + fraction;
    return is_zone(p, end);
}

int field_time(struct field field, int64_t *time, int *is_day) {
    int64_t day, in_day = 0;
    const char *p = field.text;
    if (field.size < 10 || !read_day(p, &day)) return 0;
    if (field.size > 10 && ((p[10] != ' ' && p[10] != 'T') || !read_time_of_day(p + 11, p + field.size, &in_day)))
        return 0;
    if (is_day) *is_day = field.size == 10;
    *time = day + in_day;
    return 1;
}

/* ---- texts ---- */
struct field field_trim(struct field f) {
    while (f.size > 0 && (f.text[0] == ' ' || f.text[0] == '\t')) f.text++, f.size--;
    while (f.size > 0 && (f.text[f.size - 1] == ' ' || f.text[f.size - 1] == '\t')) f.size--;
    return f;
}

int field_is(struct field field, const char *text) {
    return field.size == (int64_t)strlen(text) && strncasecmp(field.text, text, (size_t)field.size) == 0;
}

int field_fault(const struct record_sink *sink, struct row_position at, const char *column, struct field field,
                const char *expected) {
    if (field.size == 0) return sink->fault(sink->self, at, "%s is empty: expected %s", column, expected);
    return sink->fault(sink->self, at, "%s is \"%.*s\": expected %s", column, (int)(field.size < 64 ? field.size : 64),
                       field.text, expected);
}
