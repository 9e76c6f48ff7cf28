#include "report/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/svg_style.h"

/* Size of a drawing: text of 13 in 480 is read on a telephone and in three columns alike. */
enum { WIDTH = 480, HEIGHT = 300, ROW_HEIGHT = 22, BROKEN_ROW_HEIGHT = 40, FRAME_HEIGHT = 70 };

/* Bytes of a label of a row; a longer one is broken into two lines. */
enum { LABEL_BYTES = 26 };

void plot_add_series(struct plot *p, const char *name, int y, int low, int high) {
    if (p->n_series == PLOT_MOST_SERIES)
        p->n_left_out++;
    else
        p->series[p->n_series++] = (struct plot_series){.name = name, .y = y, .low = low, .high = high};
}

static int colour_of(int series) { return 1 + series % PLOT_COLOURS; }

/* Where a label is broken: at a blank near its middle; 0: it is not. */
static size_t break_of(const char *label) {
    size_t n = strlen(label), at = n / 2;
    if (n <= LABEL_BYTES) return 0;
    for (size_t d = 0; d < n / 2; d++) {
        if (label[at + d] == ' ') return at + d;
        if (label[at - d] == ' ') return at - d;
    }
    return 0;
}

static int row_height(const struct plot *p) {
    int height = ROW_HEIGHT * (1 + p->n_series) / 2;
    for (long long r = 0; r < p->sheet->n_rows && height < BROKEN_ROW_HEIGHT; r++)
        if (break_of(sheet_text(p->sheet, r, p->x))) height = BROKEN_ROW_HEIGHT;
    return height;
}

static int height_of(const struct plot *p) {
    return p->kind == PLOT_INTERVALS ? FRAME_HEIGHT + row_height(p) * (int)p->sheet->n_rows : HEIGHT;
}

/* ---- the script ---- */
/* A text of gnuplot in single quotes; blanks for what would end a line. */
static void write_quoted_bytes(FILE *out, const char *text, size_t n) {
    fputc('\'', out);
    for (const char *end = text + n; text < end; text++) {
        if (*text == '\'') fputc('\'', out);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    }
    fputc('\'', out);
}

static void write_quoted(FILE *out, const char *text) { write_quoted_bytes(out, text, strlen(text)); }

static void write_value(FILE *out, double value) {
    if (isnan(value))
        fputs(" NaN", out);
    else
        fprintf(out, " %.9g", value);
}

/* Where row r of series s stands from below: those of a row lie beside each other. */
static double row_place(const struct plot *p, long long r, int s) {
    return (double)(p->sheet->n_rows - r) - ((double)s - (p->n_series - 1) / 2.0) * 0.6 / p->n_series;
}

/* Of each series a block of data: x, y, low, high. */
static void write_data(const struct plot *p, FILE *out) {
    for (int s = 0; s < p->n_series; s++) {
        const struct plot_series *series = &p->series[s];
        fprintf(out, "$s%d << END\n", s);
        for (long long r = 0; r < p->sheet->n_rows; r++) {
            double y = sheet_number(p->sheet, r, series->y);
            if (isnan(y)) continue;
            write_value(out, p->kind == PLOT_INTERVALS ? row_place(p, r, s) : sheet_number(p->sheet, r, p->x));
            write_value(out, y);
            write_value(out, series->low < 0 ? y : sheet_number(p->sheet, r, series->low));
            write_value(out, series->low < 0 ? y : sheet_number(p->sheet, r, series->high));
            fputc('\n', out);
        }
        fputs("END\n", out);
    }
}

static void write_label(FILE *out, const char *label) {
    size_t at = break_of(label);
    write_quoted_bytes(out, label, at ? at : strlen(label));
    if (!at) return;
    fputs(".\"\\n\".", out);
    write_quoted(out, label + at + 1);
}

static void write_rows(const struct plot *p, FILE *out) {
    fprintf(out, "set yrange [0.4:%lld.6]\nset ytics scale 0 (", p->sheet->n_rows);
    for (long long r = 0; r < p->sheet->n_rows; r++) {
        fputs(r ? ", " : "", out);
        write_label(out, sheet_text(p->sheet, r, p->x));
        fprintf(out, " %lld", p->sheet->n_rows - r);
    }
    fputs(")\n", out);
}

/* The least and the largest number that is drawn of the series, ends of intervals too. */
static void range_of(const struct plot *p, double *least, double *most) {
    *least = INFINITY;
    *most = -INFINITY;
    for (int s = 0; s < p->n_series; s++) {
        const int columns[] = {p->series[s].y, p->series[s].low, p->series[s].high};
        for (int c = 0; c < 3; c++)
            for (long long r = 0; r < p->sheet->n_rows && columns[c] >= 0; r++) {
                *least = fmin(*least, sheet_number(p->sheet, r, columns[c]));
                *most = fmax(*most, sheet_number(p->sheet, r, columns[c]));
            }
    }
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into at most 5 parts: beside long labels there is little room. */
static double step_of(double range) {
    double power = pow(10, floor(log10(range / 5)));
    return range / 5 <= power       ? power
           : range / 5 <= 2 * power ? 2 * power
           : range / 5 <= 5 * power ? 5 * power
                                    : 10 * power;
}

/* The axis of values: from zero, or with some room at both ends. */
static void write_values_axis(const struct plot *p, FILE *out) {
    double least, most;
    range_of(p, &least, &most);
    int from_zero = p->from_zero && least >= 0;
    double range = most - (from_zero ? 0 : least);
    if (p->kind == PLOT_INTERVALS && range > 0) fprintf(out, "set xtics %.9g\n", step_of(range));
    const char *axis = p->kind == PLOT_INTERVALS ? "x" : "y";
    if (from_zero)
        fprintf(out, "set %srange [0:*]\n", axis);
    else
        fputs(p->kind == PLOT_INTERVALS ? "set offsets graph 0.03, graph 0.03, 0, 0\n"
                                        : "set offsets 0, 0, graph 0.03, graph 0.03\n",
              out);
}

static void write_frame(const struct plot *p, FILE *out) {
    fprintf(out,
            "set terminal svg size %d,%d dynamic font 'sans-serif,13' noenhanced\nset encoding utf8\nunset key\n"
            "set border 3\nset tics nomirror out scale 0.5\nset grid linewidth 0.5 dashtype solid\n"
            "set rmargin 3\nset format '%%.4g'\n",
            WIDTH, height_of(p));
    fputs("set xlabel ", out);
    write_quoted(out, p->x_label);
    if (p->y_label[0]) {
        fputs("\nset ylabel ", out);
        write_quoted(out, p->y_label);
    }
    fputs(p->log_x ? "\nset logscale x\n" : "\n", out);
    if (p->kind == PLOT_INTERVALS) write_rows(p, out);
    write_values_axis(p, out);
}

/* Not every series has numbers. */
static int has_numbers(const struct plot *p, int s) {
    for (long long r = 0; r < p->sheet->n_rows; r++)
        if (!isnan(sheet_number(p->sheet, r, p->series[s].y))) return 1;
    return 0;
}

static void write_series(const struct plot *p, FILE *out) {
    const char *separator = "plot ";
    for (int s = 0; s < p->n_series; s++) {
        char colour[32];
        if (!has_numbers(p, s)) continue;
        snprintf(colour, sizeof colour, SVG_COLOUR, colour_of(s));
        fputs(separator, out);
        separator = ", ";
        if (p->kind != PLOT_INTERVALS)
            fprintf(out, "$s%d using 1:2 with lines linewidth 1.5 dashtype %s linecolor rgb '%s'", s,
                    s < PLOT_COLOURS ? "solid" : "(6,4)", colour);
        if (p->kind == PLOT_CURVES)
            fprintf(out, ", $s%d using 1:2:3:4 with yerrorbars pointtype 7 pointsize 0.5 linecolor rgb '%s'", s,
                    colour);
        if (p->kind == PLOT_INTERVALS)
            fprintf(out,
                    "$s%d using 2:1:3:4 with xerrorbars pointtype 7 pointsize 0.6 linewidth 1.5 linecolor rgb '%s'", s,
                    colour);
    }
    fputc('\n', out);
}

static int draw(const struct plot *p, char **drawing) {
    char *script = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&script, &size);
    if (!memory) return status_set(STATUS_FAILED, "out of memory");
    write_frame(p, memory);
    write_data(p, memory);
    write_series(p, memory);
    int status = fclose(memory) ? status_set(STATUS_FAILED, "out of memory") : gnuplot_run(script, size, drawing);
    free(script);
    return status == STATUS_OK ? status : status_prefix(status, "the plot \"%s\"", p->title);
}

/* ---- the text alternative ---- */
/* First and last number of a series, and the least and largest: what one sees of a line. */
static void describe_line(const struct plot *p, int s, FILE *out) {
    double first = NAN, last = NAN, least = INFINITY, most = -INFINITY, value;
    for (long long r = 0; r < p->sheet->n_rows; r++) {
        if (isnan(value = sheet_number(p->sheet, r, p->series[s].y))) continue;
        if (isnan(first)) first = value;
        last = value;
        least = fmin(least, value);
        most = fmax(most, value);
    }
    html_text(out, p->series[s].name);
    fprintf(out, " from %.4g to %.4g (least %.4g, largest %.4g). ", first, last, least, most);
}

static void describe_rows(const struct plot *p, int s, FILE *out) {
    for (long long r = 0; r < p->sheet->n_rows; r++) {
        double value = sheet_number(p->sheet, r, p->series[s].y);
        if (isnan(value)) continue;
        if (p->n_series > 1) {
            html_text(out, p->series[s].name);
            fputs(", ", out);
        }
        html_text(out, sheet_text(p->sheet, r, p->x));
        fprintf(out, ": %.4g", value);
        if (p->series[s].low >= 0 && !isnan(sheet_number(p->sheet, r, p->series[s].low)))
            fprintf(out, " (%.4g to %.4g)", sheet_number(p->sheet, r, p->series[s].low),
                    sheet_number(p->sheet, r, p->series[s].high));
        fputs(". ", out);
    }
}

static void describe(const struct plot *p, FILE *out) {
    if (p->y_label[0]) {
        html_text(out, p->y_label);
        fputs(" over ", out);
    }
    html_text(out, p->x_label);
    fputs(". ", out);
    for (int s = 0; s < p->n_series; s++) {
        if (!has_numbers(p, s)) continue;
        if (p->kind == PLOT_INTERVALS)
            describe_rows(p, s, out);
        else
            describe_line(p, s, out);
    }
}

/* ---- the figure ---- */
static void write_legend(const struct plot *p, FILE *out) {
    if (p->n_series < 2) return;
    fputs("<ul class=\"legend\">\n", out);
    for (int s = 0; s < p->n_series; s++) {
        if (!has_numbers(p, s)) continue;
        fprintf(out, "<li class=\"%s\"><i style=\"--key:var(--c%d)\"></i>", s < PLOT_COLOURS ? "solid" : "dashed",
                colour_of(s));
        html_text(out, p->series[s].name);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void write_drawing(const struct plot *p, struct page *page, const char *drawing) {
    FILE *out = page->out;
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"f%d-title f%d-text\"><title id=\"f%d-title\">",
            WIDTH, height_of(p), page->n_figures, page->n_figures, page->n_figures);
    html_text(out, p->title);
    fprintf(out, "</title><desc id=\"f%d-text\">", page->n_figures);
    describe(p, out);
    fputs("</desc>\n", out);
    svg_restyle(drawing, out);
    fputs("</svg>\n", out);
}

int plot_write(const struct plot *p, struct page *page) {
    char *drawing = NULL;
    int any = 0;
    for (int s = 0; s < p->n_series; s++) any |= has_numbers(p, s);
    if (!any) return STATUS_OK;
    if (page->can_plot) TRY(draw(p, &drawing));
    page->n_figures++;
    fputs("<figure class=\"plot\">\n", page->out);
    html_element(page->out, "figcaption", NULL, p->title);
    if (drawing) write_drawing(p, page, drawing);
    if (drawing) write_legend(p, page->out);
    if (drawing && p->n_left_out > 0)
        fprintf(page->out, "<p class=\"note\">Drawn are the first %d of %d; the others are in the CSV alone.</p>\n",
                p->n_series, p->n_series + p->n_left_out);
    free(drawing);
    TRY(html_csv(page->out, p->sheet, p->name));
    fputs("</figure>\n", page->out);
    return STATUS_OK;
}
