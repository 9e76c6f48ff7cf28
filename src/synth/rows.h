/* Rows of text as they are written to a table: numbers, times and texts put one behind another into a buffer. Fast, since a full-size
 * hospital has 30 million rows: a row asks for its room once.
 */
#ifndef MEDTOK_SYNTH_ROWS_H
#define MEDTOK_SYNTH_ROWS_H

#include <stdint.h>

enum { ROW_BYTES = 4096 }; /* the longest row */

struct rows {
    char *bytes; /* owned */
    long long n, capacity;
    int64_t n_rows;
    int status; /* STATUS_OK, or the first failure: rows after it are dropped */
};

/* Asks for the room of one more row; 0: there is none, and rows->status says so. */
int row_begin(struct rows *rows);
void row_end(struct rows *rows); /* puts the line's end */

/* Fields; the caller puts the commas. */
void put_char(struct rows *rows, char c);
void put_text(struct rows *rows, const char *text);
void put_csv(struct rows *rows, const char *text); /* in quotes where RFC 4180 asks for them */
void put_integer(struct rows *rows, int64_t value);
void put_real(struct rows *rows, double value, int digits); /* fixed, without zeros at its end */
void put_date(struct rows *rows, int64_t minutes);          /* 2180-05-06 */
void put_time(struct rows *rows, int64_t minutes);          /* 2180-05-06 22:23:00 */

void rows_clear(struct rows *rows); /* keeps the memory */
void rows_free(struct rows *rows);

#endif
