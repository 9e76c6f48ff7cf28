/* A sheet: named columns of texts. What stands in a table, behind a plot, and in its CSV, so that all three are the same numbers. */
#ifndef MEDTOK_REPORT_SHEET_H
#define MEDTOK_REPORT_SHEET_H

#include <stdio.h>

struct sheet {
    int n_columns;
    long long n_rows, capacity, name_capacity, text_capacity; /* capacity: of cells */
    char **names;                                             /* [n_columns], owned */
    char *is_text;                                            /* [n_columns], owned: set by sheet_mark_text */
    char **cells;                                             /* [n_rows, n_columns], owned; NULL: empty */
};

/* A sheet without rows; names are copied. Free it in any case. */
int sheet_make(struct sheet *sheet, int n_columns, const char *const *names);
void sheet_free(struct sheet *sheet);

/* Adds a column to a sheet that has no rows yet. */
int sheet_add_column(struct sheet *sheet, const char *name);

/* Adds an empty row; sheet_set and sheet_set_number fill cells of the last row. Numbers have 9 digits; NaN: empty. */
int sheet_add_row(struct sheet *sheet);
int sheet_set(struct sheet *sheet, int column, const char *text);
int sheet_set_number(struct sheet *sheet, int column, double value);

/* Says that a column holds no numbers, whatever it looks like: 250.40 is a code. */
void sheet_mark_text(struct sheet *sheet, int column);

/* The column of that name, or -1. */
int sheet_column(const struct sheet *sheet, const char *name);

/* "" if it is empty. */
const char *sheet_text(const struct sheet *sheet, long long row, int column);
/* NaN if it is no number, or its column holds texts. */
double sheet_number(const struct sheet *sheet, long long row, int column);

/* As CSV (RFC 4180, lines end in \n): all columns. */
void sheet_write_csv(const struct sheet *sheet, FILE *out);

#endif
