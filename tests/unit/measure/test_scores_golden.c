/* All measures of scores equal scikit-learn's on the cases of tests/golden/make_scores_golden.py (ties, kinds that nobody has, one class
 * alone, subjects of many samples), by samples and by subjects. tests/python/scores_golden.py computes the cases anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

#define GOLDEN "tests/golden/scores/scores.txt"

/* Sums of some hundred terms in double, in another order. */
static const double TOLERANCE = 1e-12;

static FILE *in;
static char name[64];

static void check(const char *by, const char *measure, double found, double wanted) {
    if (isnan(found) && isnan(wanted)) return;
    if (fabs(found - wanted) <= TOLERANCE * fmax(1, fabs(wanted))) return;
    fail_msg("%s, by %s: %s is %.17g, not %.17g", name, by, measure, found, wanted);
}

static int index_of(const char *word, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(word, names[i]) == 0) return i;
    return -1;
}

static long long read_integer(void) {
    long long value;
    assert_int_equal(fscanf(in, "%lld", &value), 1);
    return value;
}

static double read_number(void) {
    char word[64], *end;
    assert_int_equal(fscanf(in, "%63s", word), 1);
    double value = strtod(word, &end);
    assert_true(*end == 0);
    return value;
}

/* ---- binary ---- */
static enum decision read_decision(void) {
    static const enum decision DECISIONS[] = {DECISION_NONE, DECISION_FALSE, DECISION_TRUE};
    return DECISIONS[read_integer() + 1];
}

static double value_of(const struct scores *s, int measure) {
#define VALUE(NAME, member) s->member,
    const double values[] = {SCORES_MEASURES(VALUE)};
#undef VALUE
    return values[measure];
}

static void check_binary(void) {
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm, .seed = 1, .resamples = 20, .threads = 1};
    struct estimate estimates[N_SCORES_ESTIMATES];
    struct scores scores[N_WEIGHTINGS];
    char by[16], measure[32];
    int64_t n = read_integer();
    double best = read_number(), threshold;
    struct scored_sample *samples;
    assert_int_equal(mem_alloc(&samples, n, sizeof *samples), STATUS_OK);
    for (int64_t i = 0; i < n; i++) {
        samples[i] = (struct scored_sample){.sample = i, .subject = read_integer()};
        samples[i].label = read_integer();
        samples[i].score = read_number();
        samples[i].chosen = read_decision();
        samples[i].given = read_decision();
    }
    for (int w = 0; w < N_WEIGHTINGS; w++)
        assert_int_equal(scores_compute_by((enum weighting)w, n, samples, &scores[w]), STATUS_OK);
    assert_int_equal(scores_bootstrap(&bootstrap, n, samples, estimates), STATUS_OK);
    assert_int_equal(scores_choose_threshold(n, samples, &threshold), STATUS_OK);
    assert_true(threshold == best);
    while (fscanf(in, "%15s", by) == 1 && strcmp(by, "end") != 0) {
        int w = index_of(by, WEIGHTING_NAMES, N_WEIGHTINGS);
        assert_true(w >= 0 && fscanf(in, "%31s", measure) == 1);
        int m = index_of(measure, SCORES_NAMES, N_SCORES_MEASURES);
        double wanted = read_number();
        check(by, measure, m < 0 ? scores[w].prevalence : value_of(&scores[w], m), wanted);
        if (m < 0) continue;
        const struct estimate *e = &estimates[w * N_SCORES_MEASURES + m];
        check(by, measure, e->n ? e->value : NAN, wanted);
    }
    free(samples);
}

/* ---- classes ---- */
struct case_of_classes {
    struct class_predictions p;
    int64_t *subject, *set_offsets;
    float *scores;
    int32_t *label, *set;
    double best; /* threshold */
};

static void read_classes(struct case_of_classes *c, enum label_form form) {
    int64_t n = read_integer(), n_classes = read_integer(), n_set = 0;
    double threshold = read_number();
    c->best = read_number();
    assert_int_equal(mem_alloc(&c->subject, n, sizeof *c->subject), STATUS_OK);
    assert_int_equal(mem_alloc(&c->scores, n * n_classes, sizeof *c->scores), STATUS_OK);
    assert_int_equal(mem_alloc(&c->label, n, sizeof *c->label), STATUS_OK);
    assert_int_equal(mem_alloc(&c->set_offsets, n + 1, sizeof *c->set_offsets), STATUS_OK);
    assert_int_equal(mem_alloc(&c->set, n * n_classes, sizeof *c->set), STATUS_OK);
    for (int64_t i = 0; i < n; i++) {
        c->subject[i] = read_integer();
        c->label[i] = (int32_t)read_integer(); /* of a set: how many */
        for (int k = 0; form == LABEL_SET && k < c->label[i]; k++) c->set[n_set++] = (int32_t)read_integer();
        c->set_offsets[i + 1] = n_set;
        for (int64_t k = 0; k < n_classes; k++) c->scores[i * n_classes + k] = (float)read_number();
    }
    c->p = (struct class_predictions){.form = form,
                                      .n = n,
                                      .n_classes = (int32_t)n_classes,
                                      .subject = c->subject,
                                      .scores = c->scores,
                                      .label = c->label,
                                      .set_offsets = c->set_offsets,
                                      .set = c->set,
                                      .threshold = threshold};
}

static void check_class(const struct class_scores *s) {
    const struct class_score *c = &s->classes[read_integer()];
    assert_true(c->n_positive == read_integer());
    check("class", "prevalence", c->prevalence, read_number());
    check("class", "auroc", c->auroc, read_number());
    check("class", "average_precision", c->average_precision, read_number());
}

static void check_classes(enum label_form form) {
    static const char *const PREVALENCES[] = {"prevalence_micro", "prevalence_macro", "prevalence_weighted",
                                              "prevalence_samples"};
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm, .seed = 1, .resamples = 20, .threads = 1};
    struct estimate estimates[N_CLASS_SCORES_ESTIMATES];
    struct case_of_classes c;
    struct class_scores scores;
    char by[16], measure[32];
    double threshold;
    read_classes(&c, form);
    assert_int_equal(class_scores_compute(&c.p, &scores), STATUS_OK);
    assert_int_equal(class_scores_bootstrap(&bootstrap, &c.p, estimates), STATUS_OK);
    if (form == LABEL_SET) {
        assert_int_equal(class_scores_choose_threshold(&c.p, &threshold), STATUS_OK);
        assert_true(threshold == c.best);
    }
    while (fscanf(in, "%15s", by) == 1 && strcmp(by, "end") != 0) {
        if (strcmp(by, "class") == 0) {
            check_class(&scores);
            continue;
        }
        int w = index_of(by, WEIGHTING_NAMES, N_WEIGHTINGS);
        assert_true(w >= 0 && fscanf(in, "%31s", measure) == 1);
        int m = index_of(measure, CLASS_SCORES_NAMES, N_CLASS_SCORES_MEASURES);
        double wanted = read_number();
        if (m < 0) {
            m = index_of(measure, PREVALENCES, N_CLASS_AVERAGES);
            assert_true(m >= 0);
            if (form == LABEL_SET || m < 3) check(by, measure, scores.prevalence[w][m], wanted);
            continue;
        }
        const struct estimate *e = &estimates[w * N_CLASS_SCORES_MEASURES + m];
        check(by, measure, scores.values[w * N_CLASS_SCORES_MEASURES + m], wanted);
        check(by, measure, e->n ? e->value : NAN, wanted);
    }
    class_scores_free(&scores);
    free(c.subject);
    free(c.set_offsets);
    free(c.scores);
    free(c.label);
    free(c.set);
}

static void all_measures_are_those_of_scikit_learn(void **state) {
    (void)state;
    char word[16];
    int n[3] = {0};
    in = fopen(GOLDEN, "r");
    if (!in) fail_msg("%s cannot be read: run the test from the root of the repository", GOLDEN);
    assert_int_equal(fscanf(in, "#%*[^\n]"), 0);
    while (fscanf(in, "%15s %63s", word, name) == 2) {
        int kind = strcmp(word, "binary") == 0 ? 0 : strcmp(word, "class") == 0 ? 1 : 2;
        n[kind]++;
        if (kind == 0)
            check_binary();
        else
            check_classes(kind == 1 ? LABEL_CLASS : LABEL_SET);
    }
    assert_true(feof(in) && n[0] >= 15 && n[1] >= 7 && n[2] >= 6);
    fclose(in);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_measures_are_those_of_scikit_learn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
