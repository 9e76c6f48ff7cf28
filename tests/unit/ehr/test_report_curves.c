/* The report's curves: which arms have one, and what stands in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "dist/comm.h"
#include "ehr/report.h"

enum { SAMPLES = 8 };

static void *list_of(int64_t n, size_t size) {
    void *list;
    assert_int_equal(mem_alloc(&list, n, (long long)size), STATUS_OK);
    return list;
}

/* Of eight subjects every other one has label 1. */
static struct result_samples *samples_of(void) {
    struct result_samples *s = list_of(1, sizeof *s);
    *s = (struct result_samples){.form = LABEL_BINARY, .n_classes = 2, .n = SAMPLES};
    s->sample = list_of(SAMPLES, 8), s->subject = list_of(SAMPLES, 8), s->time = list_of(SAMPLES, 8);
    s->label = list_of(SAMPLES, 4), s->codes = list_of(SAMPLES, 4), s->unseen = list_of(SAMPLES, 4);
    s->frequency = list_of(SAMPLES, sizeof(float));
    s->set_offsets = list_of(SAMPLES + 1, 8);
    for (int i = 0; i < SAMPLES; i++) {
        s->sample[i] = s->subject[i] = i;
        s->label[i] = i % 2;
        s->frequency[i] = NAN;
    }
    return s;
}

/* One that tells all labels, or at n_wrong > 0 takes the first so many false ones for the likeliest. */
static void add_trial(struct results *r, const char *model, const char *arm, int64_t train_samples, int n_wrong) {
    struct result t = {.name = strdup("t"),
                       .task = strdup("death"),
                       .model = strdup(model),
                       .arm = strdup(arm),
                       .settings = strdup(""),
                       .key = strdup(""),
                       .failure = strdup(""),
                       .train_samples = train_samples,
                       .tuning = 0.5,
                       .threshold = NAN,
                       .list = {-1, -1}};
    assert_int_equal(results_take_samples(r, samples_of(), &t.list[RESULT_HELD_OUT]), STATUS_OK);
    t.score[RESULT_HELD_OUT] = list_of(SAMPLES, 8);
    for (int i = 0; i < SAMPLES; i++)
        t.score[RESULT_HELD_OUT][i] = i % 2 ? 0.5 - 0.01 * i : i / 2 < n_wrong ? 0.9 - 0.01 * i : 0.1;
    assert_int_equal(results_add(r, &t), STATUS_OK);
}

static char *text_of(const struct results *r) {
    static char *arms[] = {"base", "hierarchy"};
    struct ehr_options options = {.resamples = 10, .score = SCORED_HELD_OUT, .grid_arms = {2, arms}};
    struct comm comm = comm_self();
    struct bootstrap b = {.comm = &comm, .resamples = 10, .threads = 1};
    struct ehr_report report = {.cohort_id = "c", .options = &options, .results = r};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(ehr_report_make(&report, &b), STATUS_OK);
    ehr_report_print(&report, out);
    assert_int_equal(fclose(out), 0);
    ehr_report_free(&report);
    return text;
}

/* The arm hierarchy learned from all samples first, base from two numbers of them, medtok-frozen from one of them. The average precision of a
 * ranking with k false ones in front of four true ones is the mean of i / (i + k), i = 1 .. 4. */
static void each_arm_of_several_sizes_has_a_curve(void **state) {
    (void)state;
    struct results r = {0};
    add_trial(&r, "behrt", "base", 100, 2); /* (1/3 + 2/4 + 3/5 + 4/6) / 4 */
    add_trial(&r, "behrt", "base", 0, 1);   /* (1/2 + 2/3 + 3/4 + 4/5) / 4 */
    add_trial(&r, "behrt", "hierarchy", 0, 0);
    add_trial(&r, "behrt", "hierarchy", 1000, 1);
    add_trial(&r, "behrt", "medtok-frozen", 0, 0);
    add_trial(&r, "ethos", "medtok-frozen", 100, 0); /* another model */
    char *text = text_of(&r), *curves = strstr(text, "### Average precision over what was learned from");
    assert_non_null(curves);
    char *end = strstr(curves, "### In words");
    assert_non_null(end);
    *end = 0;
    assert_non_null(strstr(curves, "\n| behrt | base | 100 samples: 0.5250 | all: 0.6792 |\n"));
    assert_non_null(strstr(curves, "\n| behrt | hierarchy | all: 1.0000 | 1,000 samples: 0.6792 |\n"));
    assert_null(strstr(curves, "medtok-frozen"));
    free(text);
    results_free(&r);
}

static void there_are_no_curves_of_one_size(void **state) {
    (void)state;
    struct results r = {0};
    add_trial(&r, "behrt", "base", 0, 0);
    add_trial(&r, "behrt", "hierarchy", 100, 0);
    char *text = text_of(&r);
    assert_null(strstr(text, "what was learned from"));
    free(text);
    results_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_arm_of_several_sizes_has_a_curve),
                                       cmocka_unit_test(there_are_no_curves_of_one_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
