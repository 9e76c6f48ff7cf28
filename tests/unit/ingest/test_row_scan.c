/* Rows in memory, wherever they are cut, and what their fields say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ingest/byte_masks.h"
#include "ingest/field_values.h"
#include "ingest/row_scan.h"

static uint64_t random_state = 1;
static unsigned draw(unsigned n) { /* 0 .. n - 1; Knuth's MMIX generator */
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static void masks_of_64_bytes_are_those_of_each_byte(void **state) {
    (void)state;
    char bytes[64];
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 64; i++) bytes[i] = draw(3) ? ",\n\"\tx\xc3"[draw(6)] : (char)draw(256);
        char separator = round % 2 ? ',' : '\t';
        struct byte_masks fast = byte_masks(bytes, separator), plain = byte_masks_portable(bytes, separator);
        assert_memory_equal(&fast, &plain, sizeof fast);
        uint64_t inside = round % 3 ? 0 : ~(uint64_t)0, mask = byte_masks_inside(plain.quote, &inside);
        int within = round % 3 == 0;
        for (int i = 0; i < 64; i++) {
            within ^= bytes[i] == '"';
            assert_int_equal(mask >> i & 1, within);
        }
        assert_int_equal(inside & 1, within);
    }
}

/* ---- rows ---- */
/* A table as its author meant it: each row's line, and its fields joined by 0x1f. */
enum { MOST_ROWS = 400, MOST_BYTES = 200000 };
struct table {
    char text[MOST_BYTES], fields[MOST_BYTES];
    int64_t size, n_rows, begin[MOST_ROWS + 1], line[MOST_ROWS];
    char *row[MOST_ROWS];
};

/* Rows of three fields, written with the quotes that they need and some that they do not. */
static void make_table(struct table *t, char separator, int n_rows, unsigned longest) {
    static const char *const PIECES[] = {"a", "7", " ", "\xc3\xa9", "\"", ",", "\n", "\r\n", "text of some length"};
    char *to = t->text, *kept = t->fields;
    int64_t line = 1;
    for (t->n_rows = 0; t->n_rows < n_rows; t->n_rows++) {
        while (t->n_rows > 0 && draw(20) == 0) *to++ = '\n', line++; /* a blank line */
        t->begin[t->n_rows] = to - t->text;
        t->line[t->n_rows] = line;
        t->row[t->n_rows] = kept;
        for (int column = 0; column < 3; column++) {
            char field[512] = "";
            int special = 0;
            for (unsigned n = draw(longest); n > 0; n--) {
                unsigned piece = draw(separator == ',' ? 9 : 4);
                special |= piece >= 4 && piece < 8;
                strcat(field, PIECES[piece]);
            }
            if (column == 0 && !*field) strcpy(field, "x");
            if (column > 0) *to++ = separator;
            int quoted = separator == ',' && (special || draw(4) == 0);
            if (quoted) *to++ = '"';
            for (const char *p = field; *p; p++) {
                if (*p == '"') *to++ = '"';
                line += *p == '\n';
                *to++ = *p;
            }
            if (quoted) *to++ = '"';
            kept += sprintf(kept, "%s\x1f", field);
        }
        kept++;
        if (t->n_rows + 1 < n_rows || draw(2)) {
            if (draw(2)) *to++ = '\r';
            *to++ = '\n', line++;
        }
    }
    t->size = to - t->text;
    t->begin[n_rows] = t->size;
}

static void row_is(const struct row_scan *s, const struct table *t, int64_t row) {
    char fields[4096];
    size_t n = 0;
    for (int i = 0; i < s->n_columns; i++)
        n += (size_t)sprintf(fields + n, "%.*s\x1f", (int)s->fields[i].size, s->fields[i].text);
    assert_string_equal(fields, t->row[row]);
    assert_int_equal(s->row_line, t->line[row]);
}

static int64_t more(int64_t size, int64_t most) {
    size += 1 + draw(200);
    return size < most ? size : most;
}

/* Reads rows that begin in [from, stop) from bytes that grow as delimited.c's buffer does. */
static void read_part(const struct table *t, char separator, int64_t from, int64_t stop, int64_t line, int64_t *row) {
    char *bytes = malloc((size_t)t->size + 1); /* ends where it may not be read on: for the address sanitizer */
    struct field fields[ROW_MAX_COLUMNS];
    struct row_scan s = {separator, 0, fields, bytes, .at = from, .stop = stop, .line = line};
    memcpy(bytes, t->text, (size_t)t->size);
    s.size = more(from, t->size);
    s.last = s.size == t->size;
    row_scan_move(&s);
    for (;;) {
        enum row_state found = row_scan_next(&s);
        if (found == ROW_GOOD) {
            row_is(&s, t, (*row)++);
        } else {
            assert_int_equal(found, ROW_NONE);
            if (s.last || s.at >= stop) break;
            s.size = more(s.size, t->size);
            s.last = s.size == t->size;
            row_scan_move(&s);
        }
    }
    free(bytes);
}

static void rows_are_what_their_author_wrote_however_they_are_cut(void **state) {
    (void)state;
    struct table *t = malloc(sizeof *t);
    for (int round = 0; round < 300; round++) {
        char separator = round % 5 ? ',' : '\t';
        make_table(t, separator, 1 + (int)draw(60), 1 + draw(12));
        int64_t row = 0, stop, lines = 0, all_lines = 1;
        int64_t quotes = 0;
        for (int64_t from = 0; from < t->size; from = stop) { /* ranges as ranks have them */
            stop = from + 1 + draw(1 + (unsigned)t->size / (1 + draw(6)));
            if (stop > t->size) stop = t->size;
            int64_t first = 0, n_lines, n_quotes, passed = 0;
            int begins = from == 0 || (t->text[from - 1] == '\n' && (quotes % 2 == 0 || separator == '\t'));
            if (!begins)
                first = row_scan_first(t->text + from, stop - from, separator == ',', quotes % 2 != 0, &passed);
            if (first >= 0) read_part(t, separator, from + first, stop, all_lines + passed, &row);
            row_scan_count(t->text + from, stop - from, &n_lines, &n_quotes);
            quotes += n_quotes;
            all_lines += n_lines;
        }
        assert_int_equal(row, t->n_rows);
        for (const char *p = t->text; p < t->text + t->size; p++) lines += *p == '\n';
        assert_int_equal(all_lines, lines + 1);
    }
    free(t);
}

static void the_last_cut_is_where_a_row_begins_that_is_not_whole(void **state) {
    (void)state;
    struct table *t = malloc(sizeof *t);
    for (int round = 0; round < 200; round++) {
        make_table(t, ',', 1 + (int)draw(30), 1 + draw(12));
        struct row_cut cut = {.quoting = 1};
        int64_t at = 0;
        while (at < t->size) {
            int64_t n = 1 + draw(300);
            if (n > t->size - at) n = t->size - at;
            row_cut_add(&cut, t->text + at, n);
            at += n;
            int64_t wanted = 0, n_lines = 0, quotes = 0, lines = 0;
            for (int64_t i = 0; i < at; i++) { /* a plain loop over all bytes */
                quotes += t->text[i] == '"';
                lines += t->text[i] == '\n';
                if (t->text[i] == '\n' && quotes % 2 == 0) wanted = i + 1, n_lines = lines;
            }
            assert_int_equal(cut.cut, wanted);
            assert_int_equal(cut.n_lines_at_cut, n_lines);
        }
    }
    free(t);
}

static void bad_rows_are_passed_over_and_say_what_is_wrong(void **state) {
    (void)state;
    static const char TEXT[] =
        "a,b\n"
        "1\n"                 /* 2 */
        "1,2,3\n"             /* 3 */
        "\"x\"y,2\n"          /* 4 */
        "\xff\xfe,2\n"        /* 5 */
        "\"good, and\n\",2\n" /* 6 and 7 */
        "5\" tube,6\"\n"      /* 8: quotes within fields that are not quoted */
        "\"open,2\n";         /* 9 */
    static const struct {
        int64_t line;
        enum row_state state;
        const char *fault;
    } ROWS[] = {
        {1, ROW_GOOD, NULL},
        {2, ROW_BAD, "1 fields, but the header has 2 columns"},
        {3, ROW_BAD, "3 fields, but the header has 2 columns"},
        {4, ROW_BAD, "text behind a closing quote"},
        {5, ROW_BAD, "byte 1 of the row (0xff) is not UTF-8"},
        {6, ROW_GOOD, NULL},
        {8, ROW_GOOD, NULL},
        {9, ROW_OPEN, NULL},
    };
    char bytes[sizeof TEXT];
    struct field fields[ROW_MAX_COLUMNS];
    struct row_scan s = {',', 0, fields, bytes, sizeof TEXT - 1, .stop = sizeof TEXT - 1, .line = 1, .last = 1};
    memcpy(bytes, TEXT, sizeof TEXT);
    row_scan_move(&s);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        assert_int_equal(row_scan_next(&s), ROWS[i].state);
        assert_int_equal(s.row_line, ROWS[i].line);
        if (ROWS[i].fault) assert_memory_equal(s.fault, ROWS[i].fault, strlen(ROWS[i].fault));
    }
    assert_int_equal(fields[1].size, 2);
    assert_memory_equal(fields[1].text, "6\"", 2);
}

static void more_columns_than_are_kept_are_counted(void **state) {
    (void)state;
    char bytes[ROW_MAX_COLUMNS + 2];
    struct field fields[ROW_MAX_COLUMNS];
    for (int n = ROW_MAX_COLUMNS - 1; n <= ROW_MAX_COLUMNS; n++) { /* separators */
        memset(bytes, ',', sizeof bytes);
        struct row_scan s = {',', 0, fields, bytes, n, .stop = n, .line = 1, .last = 1};
        row_scan_move(&s);
        assert_int_equal(row_scan_next(&s), n < ROW_MAX_COLUMNS ? ROW_GOOD : ROW_BAD);
    }
}

/* ---- values ---- */
static struct field field_of(const char *text) { return (struct field){text, (int64_t)strlen(text)}; }

static void whole_numbers_are_read_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int good;
        int64_t value;
    } CASES[] = {
        {"0", 1, 0},
        {"0042", 1, 42},
        {"-7", 1, -7},
        {"+7", 1, 7},
        {"20001.0", 1, 20001},
        {"20001.", 1, 20001},
        {"9223372036854775807", 1, INT64_MAX},
        {"9223372036854775808", 0, 0},
        {"99999999999999999999", 0, 0},
        {"", 0, 0},
        {"-", 0, 0},
        {"1.5", 0, 0},
        {"1e3", 0, 0},
        {" 1", 0, 0},
        {"12a", 0, 0},
        {".0", 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t value = 0;
        if (field_integer(field_of(CASES[i].text), INT64_MIN, INT64_MAX, &value) != CASES[i].good ||
            value != CASES[i].value)
            fail_msg("\"%s\" gives %lld", CASES[i].text, (long long)value);
    }
    int64_t value = 5;
    assert_false(field_integer(field_of("11"), 1, 10, &value));
    assert_false(field_integer(field_of("0"), 1, 10, &value));
    assert_int_equal(value, 5);
}

static void numbers_are_those_of_strtod(void **state) {
    (void)state;
    static const char *const GOOD[] = {"0",      "-0.5",       "1.",          ".5",
                                       "3.4e38", "1e-45",      "1E+05",       "+2",
                                       "007.50", "16777217.0", "1.000000001", "123456789012345678901234567890"};
    static const char *const BAD[] = {"",   ".",     "-",  "1,5",  "nan", "inf",  "0x10",
                                      "1e", "1e5.0", "1 ", "1e99", "--1", "1.2.3"};
    float value;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_true(field_number(field_of(GOOD[i]), &value));
        assert_true(value == (float)strtod(GOOD[i], NULL));
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (field_number(field_of(BAD[i]), &value)) fail_msg("\"%s\" is taken for a number", BAD[i]);
    for (int round = 0; round < 100000; round++) {
        char text[64];
        snprintf(text, sizeof text, "%s%u.%0*u%s", draw(2) ? "-" : "", draw(1u << (1 + draw(30))), 1 + (int)draw(9),
                 draw(1000000), draw(4) ? "" : "e-7");
        assert_true(field_number(field_of(text), &value));
        assert_true(value == (float)strtod(text, NULL));
    }
}

static void times_are_those_of_timegm(void **state) {
    (void)state;
    for (int round = 0; round < 100000; round++) {
        struct tm tm = {.tm_year = (int)draw(2400) - 1400,
                        .tm_mon = (int)draw(12),
                        .tm_mday = 1 + (int)draw(28),
                        .tm_hour = (int)draw(24),
                        .tm_min = (int)draw(60),
                        .tm_sec = (int)draw(60)};
        if (round % 10 == 0) tm.tm_mday += 3;
        int month = tm.tm_mon, day = tm.tm_mday, is_day;
        int64_t wanted = (int64_t)timegm(&tm) * 1000000, time = -1;
        char text[64];
        snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, month + 1, day, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
        int good = field_time(field_of(text), &time, &is_day);
        assert_int_equal(good, tm.tm_mday == day); /* timegm makes 31 February one of March */
        if (good) assert_int_equal(time, wanted);
        if (good) assert_int_equal(is_day, 0);
    }
}

static void forms_of_times_are_read_or_refused(void **state) {
    (void)state;
    enum { SECOND = 1000000 };
    static const int64_t DAY = 86400LL * SECOND;
    static const struct {
        const char *text;
        int64_t time; /* -1: refused */
        int is_day;
    } CASES[] = {
        {"1970-01-02", 86400LL * SECOND, 1},
        {"1970-01-01 00:01", 60 * SECOND, 0},
        {"1970-01-01T00:01:02", 62 * SECOND, 0},
        {"1970-01-01 00:00:02.5", 2500000, 0},
        {"1970-01-01 00:00:02.1234567", 2123456, 0},
        {"1970-01-01 00:00:02Z", 2 * SECOND, 0},
        {"1970-01-01 00:00:02 UTC", 2 * SECOND, 0},
        {"1970-01-01 00:00:02.25+05:30", 2250000, 0},
        {"1970-01-01 00:00-0500", 0, 0},
        {"2000-02-29", 11016 * 86400LL * SECOND, 1},
        {"", -1, 0},
        {"2180-13-01", -1, 0},
        {"2180-00-01", -1, 0},
        {"2180-02-30", -1, 0},
        {"2100-02-29", -1, 0},
        {"0000-01-01", -1, 0},
        {"2180-1-01", -1, 0},
        {"2180/01/01", -1, 0},
        {"2180-01-01 24:00:00", -1, 0},
        {"2180-01-01 23:60:00", -1, 0},
        {"2180-01-01 23:59:60", -1, 0},
        {"2180-01-01 7:00", -1, 0},
        {"2180-01-01 ", -1, 0},
        {"2180-01-01x10:00", -1, 0},
        {"2180-01-01 10:00:00.", -1, 0},
        {"2180-01-01 10:00:00 EST", -1, 0},
        {"2180-01-01 10:00:00+99:00", -1, 0},
        {"2180-01-01 10:00:00.1234567890", -1, 0},
        {"tomorrow..", -1, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t time = -1;
        int is_day = 0;
        field_time(field_of(CASES[i].text), &time, &is_day);
        if (time != CASES[i].time || is_day != CASES[i].is_day)
            fail_msg("\"%s\" gives %lld", CASES[i].text, (long long)time);
    }
    assert_int_equal(time_of_year(1971), 365 * DAY);
    assert_int_equal(time_of_year(1969), -365 * DAY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_64_bytes_are_those_of_each_byte),
        cmocka_unit_test(rows_are_what_their_author_wrote_however_they_are_cut),
        cmocka_unit_test(the_last_cut_is_where_a_row_begins_that_is_not_whole),
        cmocka_unit_test(bad_rows_are_passed_over_and_say_what_is_wrong),
        cmocka_unit_test(more_columns_than_are_kept_are_counted),
        cmocka_unit_test(whole_numbers_are_read_or_refused),
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(times_are_those_of_timegm),
        cmocka_unit_test(forms_of_times_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
