/* The HTML that a page is made of: every text is escaped here, and nowhere else. Errors are the stream's (ferror). */
#ifndef MEDTOK_REPORT_HTML_H
#define MEDTOK_REPORT_HTML_H

#include <stdio.h>

#include "report/sheet.h"

/* UTF-8 text, for content and for attributes in double quotes. What is no UTF-8, or a control character, becomes U+FFFD. */
void html_text(FILE *out, const char *text);
void html_text_bytes(FILE *out, const char *text, long long n);

/* `<tag class="...">text</tag>`, with text escaped; class NULL: none. */
void html_element(FILE *out, const char *tag, const char *class, const char *text);

/* The page from `<!doctype` on, and its end; style and script stand inside. */
void html_begin(FILE *out, const char *title);
/* One that a browser loads again after so many seconds; 0: never. */
void html_begin_refreshed(FILE *out, const char *title, int seconds);
void html_end(FILE *out);

/* A section with a heading, and an entry for it in the contents of the page by its id. */
void html_section_begin(FILE *out, const char *id, const char *title);
void html_section_end(FILE *out);

/* The sheet as a table with a caption; numbers are shown with at most 4 digits (the CSV has all). */
void html_table(FILE *out, const struct sheet *sheet, const char *caption);

/* The sheet as CSV, folded up: to read in the page and as a link that saves it as NAME.csv. */
int html_csv(FILE *out, const struct sheet *sheet, const char *name);

#endif
