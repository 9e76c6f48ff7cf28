/* What a report is made of: sheets, escaped texts, gnuplot's drawings in the page's style, chapters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "report/code_chapter.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/sheet.h"
#include "report/svg_style.h"

/* What is written to a stream in memory. */
static char *text;
static size_t size;
static FILE *open_text(void) {
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    return out;
}
static void expect(FILE *out, const char *expected) {
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- sheets ---- */
static void a_sheet_is_csv_with_quotes_where_they_are_needed(void **state) {
    (void)state;
    struct sheet s;
    assert_int_equal(sheet_make(&s, 3, (const char *const[]){"step", "a, b", "say \"x\""}), STATUS_OK);
    assert_int_equal(sheet_add_row(&s), STATUS_OK);
    assert_int_equal(sheet_set_number(&s, 0, 12345678.9), STATUS_OK);
    assert_int_equal(sheet_set(&s, 1, "two\nlines"), STATUS_OK);
    assert_int_equal(sheet_set_number(&s, 2, NAN), STATUS_OK);
    FILE *out = open_text();
    sheet_write_csv(&s, out);
    expect(out, "step,\"a, b\",\"say \"\"x\"\"\"\n12345678.9,\"two\nlines\",\n");
    sheet_free(&s);
}

static void a_code_that_looks_like_a_number_stays_as_it_is(void **state) {
    (void)state;
    struct sheet s;
    assert_int_equal(sheet_make(&s, 2, (const char *const[]){"code", "value"}), STATUS_OK);
    sheet_mark_text(&s, 0);
    assert_int_equal(sheet_add_row(&s), STATUS_OK);
    assert_int_equal(sheet_set(&s, 0, "250.40"), STATUS_OK);
    assert_int_equal(sheet_set_number(&s, 1, 0.123456789), STATUS_OK);
    assert_true(isnan(sheet_number(&s, 0, 0)));
    assert_true(sheet_number(&s, 0, 1) == 0.123456789);
    FILE *out = open_text();
    html_table(out, &s, "t");
    fclose(out);
    assert_non_null(strstr(text, ">250.40<"));
    assert_non_null(strstr(text, ">0.1235<"));
    free(text);
    sheet_free(&s);
}

/* ---- texts ---- */
static void texts_are_escaped(void **state) {
    (void)state;
    FILE *out = open_text();
    html_text(out, "a<b>&\"c\" \xc3\xa9");
    expect(out, "a&lt;b&gt;&amp;&quot;c&quot; \xc3\xa9");
}

/* Bytes that are no UTF-8: alone, cut, overlong, a surrogate, beyond U+10FFFF; and control characters. */
static void what_is_no_text_is_replaced(void **state) {
    (void)state;
    static const char *const BAD[] = {"\xff", "\xc3",    "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\x01", "\xc2\x85"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        FILE *out = open_text();
        html_text(out, BAD[i]);
        fclose(out);
        for (size_t k = 0; k < size; k += 3) assert_memory_equal(text + k, "\xef\xbf\xbd", 3);
        assert_true(size >= 3);
        free(text);
    }
}

/* ---- drawings ---- */
static void drawings_take_the_colours_of_the_page(void **state) {
    (void)state;
    static const char DRAWING[] =
        "<?xml?><svg><title>Gnuplot</title><g id=\"gnuplot_canvas\"><defs>\n<b/></defs>\n"
        "<g fill=\"none\" color=\"black\" stroke=\"black\">\n</g>\n"
        "<g id=\"gnuplot_plot_1\" ><title>gnuplot_plot_1</title>"
        "<path stroke='rgb(  1,   1,  12)'/><path stroke='gray'/><text fill=\"black\">it's rgb</text>"
        "<use xlink:href='#gpPt6' color='white'/></g></g></svg>";
    FILE *out = open_text();
    svg_restyle(DRAWING, out);
    expect(out,
           "<g><g><path stroke='var(--c12)'/><path stroke='var(--rule)'/><text fill=\"currentColor\">it's rgb</text>"
           "<circle r='1' stroke='none' fill='currentColor' color='var(--paper)'/></g></g>");
}

/* ---- several runs ---- */
enum { N_RUNS = PLOT_MOST_SERIES + 2, N_SHARES = 50 };

/* What the section writes of N_RUNS runs that share their files; the caller frees text. */
static void write_section(int (*section)(struct report *report)) {
    static struct report_run runs[N_RUNS];
    static const struct report_options OPTIONS = {.rows = 10};
    struct report x = {.options = &OPTIONS, .n_runs = N_RUNS, .runs = runs, .page = {.out = open_text()}};
    for (int r = 0; r < N_RUNS; r++) {
        snprintf(runs[r].name, sizeof runs[r].name, "run %d", r);
        snprintf(runs[r].path[REPORT_METRICS], PATH_MAX, "page_parts.%d.jsonl", (int)getpid());
        snprintf(runs[r].path[REPORT_QUALITY], PATH_MAX, "page_parts.%d.json", (int)getpid());
        runs[r].is_there[REPORT_METRICS] = runs[r].is_there[REPORT_QUALITY] = 1;
    }
    FILE *file = fopen(runs[0].path[REPORT_METRICS], "w");
    assert_non_null(file);
    fputs("{\"step\": 0, \"loss\": 0}\n{\"step\": 1, \"loss\": 1}\n", file);
    fclose(file);
    file = fopen(runs[0].path[REPORT_QUALITY], "w");
    assert_non_null(file);
    fputs("{\"measures\": {", file);
    for (int i = 0; i < N_SHARES; i++)
        fprintf(file, "%s\"share %d\": {\"value\": 0.5, \"low\": 0.25, \"high\": 0.75, \"n\": 3}", i ? ", " : "", i);
    fputs("}}\n", file);
    fclose(file);
    int status = section(&x);
    remove(runs[0].path[REPORT_METRICS]);
    remove(runs[0].path[REPORT_QUALITY]);
    assert_int_equal(status, STATUS_OK);
    fclose(x.page.out);
}

static void every_run_has_its_column_of_losses(void **state) {
    (void)state;
    write_section(report_training_section);
    assert_non_null(strstr(text, "step,run 0,run 1,"));
    assert_non_null(strstr(text, "run 16,run 17\n0,0,"));
    free(text);
}

static void every_run_has_its_columns_of_measures_and_what_is_not_drawn_is_told(void **state) {
    (void)state;
    write_section(report_quality_section);
    assert_non_null(strstr(text, "&quot;n, run 16&quot;,&quot;value, run 17&quot;"));
    assert_non_null(strstr(text, "share 49"));
    assert_non_null(strstr(text, "the first 40 of 50, all are in the table</figcaption>"));
    free(text);
}

/* ---- codes ---- */
static void expect_chapter(const char *system, const char *code, const char *begins) {
    const char *chapter = code_chapter(system, code);
    if (!begins)
        assert_null(chapter);
    else if (!chapter || strncmp(chapter, begins, strlen(begins)) != 0)
        fail_msg("%s %s is in %s, not %s", system, code, chapter ? chapter : "none", begins);
}

/* First and last categories of chapters, by the tabular lists. */
static void codes_are_in_the_chapters_of_their_systems(void **state) {
    (void)state;
    expect_chapter("ICD10CM", "A00.1", "A00-B99");
    expect_chapter("ICD10CM", "B99.9", "A00-B99");
    expect_chapter("ICD-10-CM", "C00", "C00-D49");
    expect_chapter("ICD10CM", "D49.9", "C00-D49");
    expect_chapter("ICD10CM", "D50.0", "D50-D89");
    expect_chapter("ICD10CM", "E11.9", "E00-E89");
    expect_chapter("ICD10CM", "H59.0", "H00-H59");
    expect_chapter("ICD10CM", "H60.0", "H60-H95");
    expect_chapter("ICD10CM", "O9A.1", "O00-O9A");
    expect_chapter("ICD10CM", "C7A.0", "C00-D49");
    expect_chapter("ICD10CM", "Z3A.0", "Z00-Z99");
    expect_chapter("ICD10CM", "W19", "V00-Y99");
    expect_chapter("ICD9CM", "250.00", "240-279");
    expect_chapter("ICD9CM", "139.8", "001-139");
    expect_chapter("ICD9CM", "V58.67", "V01-V91");
    expect_chapter("ICD9CM", "E880.9", "E000-E999");
    expect_chapter("ATC", "A10BA02", "A alimentary");
    expect_chapter("ATC", "V", "V various");
    expect_chapter("RxNorm", "8183", NULL);
    expect_chapter("ICD10CM", "", NULL);
    expect_chapter("ATC", "", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sheet_is_csv_with_quotes_where_they_are_needed),
        cmocka_unit_test(a_code_that_looks_like_a_number_stays_as_it_is),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(what_is_no_text_is_replaced),
        cmocka_unit_test(drawings_take_the_colours_of_the_page),
        cmocka_unit_test(every_run_has_its_column_of_losses),
        cmocka_unit_test(every_run_has_its_columns_of_measures_and_what_is_not_drawn_is_told),
        cmocka_unit_test(codes_are_in_the_chapters_of_their_systems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
