/* Plots of a sheet in one style: drawn by gnuplot, as SVG inside the page, with a text alternative, a legend, and the sheet as CSV. Colours
 * are those of the page (page.css), light and dark. */
#ifndef MEDTOK_REPORT_PLOT_H
#define MEDTOK_REPORT_PLOT_H

#include "report/sheet.h"

/* A page that is being written. */
struct page {
    FILE *out;     /* borrowed */
    int can_plot;  /* gnuplot is there; else a plot is its CSV alone */
    int n_figures; /* so far: ids of figures are numbered */
};

enum plot_kind {
    PLOT_LINES,    /* lines over x */
    PLOT_CURVES,   /* lines with points and intervals over x */
    PLOT_INTERVALS /* a line for each row of the sheet, called by column x, with points and intervals to the right */
};

enum { PLOT_COLOURS = 8, PLOT_MOST_SERIES = 16 };

struct plot_series {
    const char *name; /* borrowed */
    int y, low, high; /* columns; low -1: no intervals */
};

struct plot {
    const char *name;  /* of the CSV, a file name without ending */
    const char *title; /* what is seen */
    const char *x_label, *y_label;
    const struct sheet *sheet; /* borrowed */
    enum plot_kind kind;
    int x;                    /* column */
    int log_x, from_zero;     /* from_zero: the axis of values begins there, if none is less */
    int n_series, n_left_out; /* n_left_out: series that are in the CSV alone */
    struct plot_series series[PLOT_MOST_SERIES];
};

/* Adds a series; of more than PLOT_MOST_SERIES the last are not drawn, which the figure says. */
void plot_add_series(struct plot *plot, const char *name, int y, int low, int high);

/* Writes the plot as a figure. One without any number is left out. */
int plot_write(const struct plot *plot, struct page *page);

#endif
