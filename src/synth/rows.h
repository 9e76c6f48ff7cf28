/* Rows of text as they are written to a table. Fast, since a full-size hospital has 30 million rows: numbers and times are put by hand,
 * and a row asks for its room once.
 */
#ifndef MEDTOK_SYNTH_ROWS_H
#define MEDTOK_SYNTH_ROWS_H

#include <stdint.h>

enum { ROW_BYTES = 4096 }; /* more than the longest row */

struct rows {
    char *bytes; /* owned */
    long long n, capacity;
    int64_t n_rows;
    int status; /* STATUS_OK, or the first failure: rows after it are dropped */
};

/* One row: the pattern's characters as they stand, but for
 *   %i  int64_t                 %d  minutes since 1970: 2180-05-06       %t  the same: 2180-05-06 22:23:00; %d, %t: NO_MINUTE is empty
 *   %s  a text as it is         %c  a text, in quotes where RFC 4180 asks for them        %q  a text, always in quotes
 *   %r  double, int: a number with at most so many digits behind the point
 * and the line's end. */
void put_row(struct rows *rows, const char *pattern, ...);

void rows_clear(struct rows *rows); /* keeps the memory */
void rows_free(struct rows *rows);

#endif
