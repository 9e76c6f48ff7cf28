/* gnuplot's SVG in the style of a page. */
#ifndef MEDTOK_REPORT_SVG_STYLE_H
#define MEDTOK_REPORT_SVG_STYLE_H

#include <stdio.h>

/* How a script names the colour number 1 .. 255 of the page (printf style); in the drawing it becomes var(--cNUMBER). */
#define SVG_COLOUR "#0101%02x"

/* Writes what a drawing of gnuplot's terminal svg shows, without the element svg itself: black is the colour of the text around,
 * gray the page's for rules, white that of its paper; without ids, which must be unique in a page, and groups that hold nothing. */
void svg_restyle(const char *drawing, FILE *out);

#endif
