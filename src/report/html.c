#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "page_css.h" /* made of page.css */
#include "page_js.h"  /* made of page.js */

/* ---- text ---- */
/* Bytes of the UTF-8 character at text[n], 0 if there is none. */
static int character_bytes(const unsigned char *text, long long n) {
    static const unsigned LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    int bytes = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
    if (bytes == 0 || bytes > n) return 0;
    unsigned code = bytes == 1 ? text[0] : text[0] & (0xffU >> (bytes + 1));
    for (int i = 1; i < bytes; i++) {
        if (text[i] >> 6 != 2) return 0;
        code = code << 6 | (text[i] & 0x3fU);
    }
    int is_control = (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0);
    return is_control || code < LEAST[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : bytes;
}

void html_text_bytes(FILE *out, const char *text, long long n) {
    for (long long i = 0; i < n;) {
        int bytes = character_bytes((const unsigned char *)text + i, n - i);
        switch (bytes ? text[i] : 0) {
            case 0: fputs(bytes ? "" : "\xef\xbf\xbd", out); break;
            case '&': fputs("&amp;", out); break;
            case '<': fputs("&lt;", out); break;
            case '>': fputs("&gt;", out); break;
            case '"': fputs("&quot;", out); break;
            default: fwrite(text + i, 1, (size_t)bytes, out);
        }
        i += bytes ? bytes : 1;
    }
}

void html_text(FILE *out, const char *text) { html_text_bytes(out, text, (long long)strlen(text)); }

void html_element(FILE *out, const char *tag, const char *class, const char *text) {
    fprintf(out, class ? "<%s class=\"%s\">" : "<%s>", tag, class);
    html_text(out, text);
    fprintf(out, "</%s>\n", tag);
}

/* ---- the page ---- */
void html_begin(FILE *out, const char *title) { html_begin_refreshed(out, title, 0); }

void html_begin_refreshed(FILE *out, const char *title, int seconds) {
    fputs(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"generator\" content=\"medtok " MEDTOK_VERSION
        "\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">\n"
        "<link rel=\"icon\" href=\"data:,\">\n",
        out);
    if (seconds > 0) fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", seconds);
    html_element(out, "title", NULL, title);
    fprintf(out, "<style>\n%s</style>\n</head>\n<body>\n<header>\n", PAGE_CSS);
    html_element(out, "h1", NULL, title);
    fputs("<nav id=\"contents\" aria-label=\"Contents\"></nav>\n</header>\n<main>\n", out);
}

void html_end(FILE *out) { fprintf(out, "</main>\n<script>\n%s</script>\n</body>\n</html>\n", PAGE_JS); }

void html_section_begin(FILE *out, const char *id, const char *title) {
    fprintf(out, "<section id=\"%s\">\n", id);
    html_element(out, "h2", NULL, title);
}

void html_section_end(FILE *out) { fputs("</section>\n", out); }

/* ---- sheets ---- */
enum { LONG_TEXT = 40 }; /* bytes; a longer one may be broken into lines */

static void write_cell(FILE *out, const struct sheet *s, long long row, int column) {
    double value = sheet_number(s, row, column);
    char text[32];
    if (isnan(value)) {
        const char *words = sheet_text(s, row, column);
        html_element(out, column ? "td" : "th", strlen(words) > LONG_TEXT ? "long" : NULL, words);
        return;
    }
    snprintf(text, sizeof text, fabs(value) >= 1e4 && fabs(value) < 1e15 ? "%.0f" : "%.4g", value);
    html_element(out, column ? "td" : "th", "number", text);
}

/* Whether a column's first cell that is not empty is a number. */
static int has_numbers(const struct sheet *s, int column) {
    long long r = 0;
    while (r < s->n_rows && !sheet_text(s, r, column)[0]) r++;
    return r < s->n_rows && !isnan(sheet_number(s, r, column));
}

void html_table(FILE *out, const struct sheet *s, const char *caption) {
    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"", out);
    html_text(out, caption);
    fputs("\"><table>\n", out);
    html_element(out, "caption", NULL, caption);
    fputs("<thead><tr>\n", out);
    for (int c = 0; c < s->n_columns; c++) html_element(out, "th", has_numbers(s, c) ? "number" : NULL, s->names[c]);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (long long r = 0; r < s->n_rows; r++) {
        fputs("<tr>\n", out);
        for (int c = 0; c < s->n_columns; c++) write_cell(out, s, r, c);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* What stands in a link: all but letters, digits, and some signs by their bytes. */
static void write_percent_encoded(FILE *out, const char *text, size_t n) {
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~,:;()*/!";
    for (size_t i = 0; i < n; i++)
        if (text[i] && strchr(PLAIN, text[i]))
            fputc(text[i], out);
        else
            fprintf(out, "%%%02X", (unsigned char)text[i]);
}

int html_csv(FILE *out, const struct sheet *s, const char *name) {
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return status_set(STATUS_FAILED, "out of memory");
    sheet_write_csv(s, memory);
    if (fclose(memory)) {
        free(text);
        return status_set(STATUS_FAILED, "out of memory");
    }
    fputs("<details class=\"csv\"><summary>Numbers as CSV</summary>\n<a download=\"", out);
    html_text(out, name);
    fputs(".csv\" href=\"data:text/csv;charset=utf-8,", out);
    write_percent_encoded(out, text, n);
    fputs("\">Save ", out);
    html_text(out, name);
    fputs(".csv</a>\n<pre tabindex=\"0\">", out);
    html_text_bytes(out, text, (long long)n);
    fputs("</pre></details>\n", out);
    free(text);
    return STATUS_OK;
}
