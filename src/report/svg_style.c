#include "report/svg_style.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

/* What stands in gnuplot's drawings, and what stands there instead. The first that fits counts. */
static const char *const CHANGES[][2] = {
    {" color=\"black\"", ""},
    {" color=\"white\"", ""},
    {" color=\"gray\"", ""},
    {"'black'", "'currentColor'"},
    {"\"black\"", "\"currentColor\""},
    {"'gray'", "'var(--rule)'"},
    {"\"gray\"", "\"var(--rule)\""},
    {"'white'", "'var(--paper)'"},
    {"\"white\"", "\"var(--paper)\""},
    {" stroke-linecap=\"butt\" stroke-linejoin=\"miter\"", ""},
    {" font-family=\"sans-serif\"", ""},
    {" id=\"gnuplot_canvas\"", ""},
    {"<use xlink:href='#gpPt6'", "<circle r='1' stroke='none' fill='currentColor'"}};
enum { N_CHANGES = sizeof CHANGES / sizeof *CHANGES };

/* Behind a group that holds nothing; NULL if none begins here. */
static const char *skip_empty_group(const char *at) {
    const char *end = text_begins(at, "<g ") ? strchr(at, '>') : NULL;
    return end && text_begins(end, ">\n</g>\n") ? end + strlen(">\n</g>\n") : NULL;
}

/* Behind the beginning of a group with an id and a title of gnuplot's. */
static const char *skip_plot_title(const char *at) {
    const char *end = text_begins(at, "<g id=\"gnuplot_plot_") ? strstr(at, "</title>") : NULL;
    return end ? end + strlen("</title>") : NULL;
}

/* Behind a colour of the page; its number into *colour. */
static const char *skip_colour(const char *at, int *colour) {
    int end = 0;
    return text_begins(at, "rgb(") && sscanf(at, "rgb( 1, 1, %d)%n", colour, &end) == 1 && end > 0 ? at + end : NULL;
}

static const char *skip_change(const char *at, FILE *out) {
    for (size_t i = 0; i < N_CHANGES; i++) {
        if (!text_begins(at, CHANGES[i][0])) continue;
        fputs(CHANGES[i][1], out);
        return at + strlen(CHANGES[i][0]);
    }
    return NULL;
}

/* Writes what stands at `at`, and returns what is behind it. */
static const char *write_next(const char *at, FILE *out) {
    const char *next;
    int colour;
    if (text_begins(at, "<defs>") && (next = strstr(at, "</defs>"))) return next + strlen("</defs>\n");
    if ((next = skip_empty_group(at))) return next;
    if ((next = skip_plot_title(at))) {
        fputs("<g>", out);
        return next;
    }
    if ((next = skip_colour(at, &colour))) {
        fprintf(out, "var(--c%d)", colour);
        return next;
    }
    if ((next = skip_change(at, out))) return next;
    fputc(*at, out);
    return at + 1;
}

void svg_restyle(const char *drawing, FILE *out) {
    const char *at = strstr(drawing, "<g id=\"gnuplot_canvas\">"), *end = at ? strstr(at, "</svg>") : NULL;
    while (at && at < end) at = write_next(at, out);
}
