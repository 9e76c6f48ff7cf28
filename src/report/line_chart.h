/* A small chart of one line, as SVG inside a page, without another program: for pages that are made again every few seconds. */
#ifndef MEDTOK_REPORT_LINE_CHART_H
#define MEDTOK_REPORT_LINE_CHART_H

#include <stdio.h>

/* Writes y over x, n points that lie `stride` values apart; those that are not finite are left out. A figure with its title, the newest
 * value, the least and the largest, and a text alternative. Nothing is written of less than two points, or of points that
 * are all the same. */
void line_chart(FILE *out, const char *title, int n, const double *x, const double *y, int stride);

#endif
