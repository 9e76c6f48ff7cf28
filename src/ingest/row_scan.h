/* Rows of CSV and TSV in bytes that are in memory: what delimited.h and table_reader.h share.
 *
 * CSV follows RFC 4180: quoted fields may hold commas, doubled quotes and line breaks. TSV has no quoting. One pass over the text finds
 * separators, line breaks and quotes 64 bytes at a time; only rows that hold bytes that are not ASCII are checked to be UTF-8, and only rows
 * that hold quotes are looked at for them.
 */
#ifndef MEDTOK_INGEST_ROW_SCAN_H
#define MEDTOK_INGEST_ROW_SCAN_H

#include <stdint.h>

enum { ROW_MAX_COLUMNS = 256 };
#define ROW_LONGEST (64LL << 20) /* bytes: what is longer is no table, or has a quote left open */

struct field {
    const char *text; /* not terminated */
    int64_t size;
};

enum row_state {
    ROW_GOOD, /* in `fields` */
    ROW_BAD,  /* what is wrong with it is in `fault` */
    ROW_OPEN, /* a quote that is opened in the row that begins at `at` is never closed: `last` is set, and there is no more */
    ROW_NONE /* no whole row that begins before `stop` is left */
};

/* A walk over rows. Set what stands before the line, the rest zero. */
struct row_scan {
    char separator;         /* ',' or '\t' */
    int n_columns;          /* that each row has; 0: as many as the first, and is then set */
    struct field *fields;   /* [ROW_MAX_COLUMNS], of the caller: those of the row in hand, within `bytes` */
    char *bytes;            /* [size], of the caller, without zero bytes; quotes are removed in place */
    int64_t size, at, stop; /* `at`: where the next row begins; rows that begin at `stop` or behind are not read */
    int64_t line;           /* the line of `at`, from 1 */
    int last;               /* the bytes end where the file ends: the last row may lack its line end */
    /* ---- set by row_scan_next ---- */
    int64_t row_line; /* where the row in hand begins */
    char fault[224];
    /* ---- its own: the 64 bytes in hand begin at `block` ---- */
    int64_t block;
    uint64_t ends, lines,
        quoted_lines; /* separators and line ends, line ends, line breaks within quotes: those not yet passed */
    uint64_t inside, quotes, high, row_quotes, row_high;
};

/* The next row that is not blank. */
enum row_state row_scan_next(struct row_scan *scan);

/* To be called when bytes, size, at, stop or last were set anew: `at` is where a row begins. */
void row_scan_move(struct row_scan *scan);

/* ---- where rows begin in bytes whose beginning is anywhere; `quoting` is 0 for TSV ---- */
/* How many line breaks and quotes there are. */
void row_scan_count(const char *bytes, int64_t size, int64_t *n_lines, int64_t *n_quotes);

/* Where the first row begins behind a line break outside quotes, or -1. inside: whether the bytes begin within quotes. *n_lines: how many
 * line breaks stand before. */
int64_t row_scan_first(const char *bytes, int64_t size, int quoting, int inside, int64_t *n_lines);

/* Goes through bytes piece by piece; the pieces before were `size` bytes. */
struct row_cut {
    int quoting;
    uint64_t inside;
    int64_t size, n_lines;       /* of all pieces */
    int64_t cut, n_lines_at_cut; /* where the last row begins that is not whole, 0 at first; line breaks before it */
};
void row_cut_add(struct row_cut *cut, const char *bytes, int64_t size);

#endif
