/* What the page of a job under way is made of: metrics that are followed while they are written, and small charts. */
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
#include "report/line_chart.h"
#include "report/metrics_follow.h"

static char path[] = "/tmp/medtok-test-live-XXXXXX";

static double loss_of(int64_t step) { return 1.0 / (double)step; }

static void append(const char *text) {
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void append_steps(int64_t first, int64_t last) {
    char line[128];
    for (int64_t step = first; step <= last; step++) {
        snprintf(line, sizeof line, "{\"step\": %lld, \"codes\": 8, \"loss\": %.9g}\n", (long long)step, loss_of(step));
        append(line);
    }
}

static void begin_file(void) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/* Rows stand by step, end with the newest line, hold what was written, and are evenly spaced but for the newest. */
static void check_steps(const struct followed_lines *l, int64_t n) {
    assert_int_equal(l->n, n);
    assert_int_equal(l->n_columns, 3);
    assert_true(l->n_rows <= FOLLOWED_ROWS);
    assert_true(n < 4 || l->n_rows > FOLLOWED_ROWS / 2 - 1 || l->n_rows == n);
    for (int r = 0; r < l->n_rows; r++) {
        int64_t step = r == l->n_rows - 1 ? n : (r + 1) * l->every;
        assert_int_equal((int64_t)l->rows[FOLLOWED_COLUMNS * r], step);
        assert_true(fabs(l->rows[FOLLOWED_COLUMNS * r + 2] - loss_of(step)) <= 1e-8); /* nine digits are written */
    }
    assert_int_equal((int64_t)l->last[0], n);
}

static void metrics_are_followed_as_they_grow_in_bounded_memory(void **state) {
    struct metrics_follow m = {0};
    int64_t bursts[] = {1, 1, 7, 230, 1, 1, 500, 3, 1000}, n = 0;
    (void)state;
    begin_file();
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    assert_int_equal(m.steps.n, 0);
    for (size_t i = 0; i < sizeof bursts / sizeof *bursts; i++) {
        append_steps(n + 1, n + bursts[i]);
        n += bursts[i];
        assert_int_equal(metrics_follow(&m, path), STATUS_OK);
        check_steps(&m.steps, n);
        assert_int_equal(metrics_follow(&m, path), STATUS_OK); /* nothing new */
        check_steps(&m.steps, n);
    }
    assert_int_equal(followed_column(&m.steps, "loss"), 2);
    assert_int_equal(followed_column(&m.steps, "nothing"), -1);
    metrics_follow_free(&m);
}

/* As of a training that says usage in each tenth line: whatever is left out, some of them are there. */
static void what_some_lines_alone_have_is_kept_too(void **state) {
    enum { STEPS = 4000 };
    struct metrics_follow m = {0};
    int told = 0;
    (void)state;
    begin_file();
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    for (int step = 1; step <= STEPS; step++) {
        fprintf(file, "{\"step\": %d, \"loss\": 1", step);
        fprintf(file, step % 10 ? "}\n" : ", \"usage\": %d}\n", step);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    const struct followed_lines *l = &m.steps;
    int usage = followed_column(l, "usage");
    assert_int_equal(usage, 2);
    for (int r = 0; r < l->n_rows; r++) {
        const double *row = l->rows + r * FOLLOWED_COLUMNS;
        assert_true((int)row[0] % 10 ? isnan(row[usage]) : row[usage] == row[0]);
        told += !isnan(row[usage]);
    }
    assert_true(told > 20 && l->rows[0] > 1);
    metrics_follow_free(&m);
}

static void a_line_counts_when_it_is_whole_and_evaluations_are_their_own(void **state) {
    struct metrics_follow m = {0};
    (void)state;
    begin_file();
    append_steps(1, 2);
    append(
        "{\"eval_step\": 2, \"auroc\": {\"value\": 0.75, \"low\": 0.5}, \"kept\": 3}\n{\"step\": 3, \"codes\": 8, "
        "\"lo");
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    check_steps(&m.steps, 2);
    assert_int_equal(m.evaluations.n, 1);
    assert_true(m.evaluations.last[0] == 2 && m.evaluations.last[1] == 0.75 && m.evaluations.last[2] == 3);
    append("ss\": 0.333333333}\n");
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    check_steps(&m.steps, 3);
    metrics_follow_free(&m);
}

static void a_file_that_was_cut_is_read_anew(void **state) {
    struct metrics_follow m = {0};
    (void)state;
    begin_file();
    append_steps(1, 400);
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    begin_file();
    append_steps(1, 20);
    assert_int_equal(metrics_follow(&m, path), STATUS_OK);
    check_steps(&m.steps, 20);
    metrics_follow_free(&m);
    assert_int_equal(metrics_follow(&m, "/nowhere/metrics.jsonl"), STATUS_OK);
    assert_int_equal(m.steps.n, 0);
}

static char *chart_of(int n, const double *points) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    line_chart(out, "a <loss>", n, points, points + 1, 2);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void a_chart_says_its_numbers_and_draws_what_is_finite(void **state) {
    const double points[] = {1, 8, 2, NAN, 3, 2, 4, 4}, flat[] = {1, 5, 2, 5, 3, NAN};
    (void)state;
    char *text = chart_of(4, points);
    assert_non_null(strstr(text, "aria-label=\"a &lt;loss&gt;: 8 at step 1, 4 at step 4; least 2, largest 8\""));
    /* Within 300 x 80 and an edge of 3: the largest on top, the least at the bottom, the last a third of the way up. */
    assert_non_null(strstr(text, "d=\"M3.0 3.0L199.0 77.0L297.0 52.3\""));
    free(text);
    text = chart_of(3, flat);
    assert_string_equal(text, "");
    free(text);
}

int main(void) {
    int file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_followed_as_they_grow_in_bounded_memory),
        cmocka_unit_test(what_some_lines_alone_have_is_kept_too),
        cmocka_unit_test(a_line_counts_when_it_is_whole_and_evaluations_are_their_own),
        cmocka_unit_test(a_file_that_was_cut_is_read_anew),
        cmocka_unit_test(a_chart_says_its_numbers_and_draws_what_is_finite),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
