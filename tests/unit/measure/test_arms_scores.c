/* Arms beside each other: their scores and intervals are those of measure/scores.h and measure/class_scores.h, alone and as differences;
 * replicates are averaged; samples that are left out do not count. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/arms.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-13)

enum { N = 300, ARMS = 3, CLASSES = 4 };

static int64_t subjects[N];
static int32_t labels[N], classes[N];
static double scores[ARMS][N], class_scores[ARMS][N * CLASSES];

static int make(void **state) {
    (void)state;
    for (int i = 0; i < N; i++) {
        subjects[i] = i / 3;
        labels[i] = rng_uniform(1, 1, 0, (uint64_t)i) < 0.3;
        classes[i] = (int32_t)(CLASSES * rng_uniform(1, 2, 0, (uint64_t)i));
        for (int a = 0; a < ARMS; a++) {
            /* rounded, so that some are equal */
            scores[a][i] = round(50 * (rng_uniform(1, 3, (uint32_t)a, (uint64_t)i) + 0.2 * a * labels[i])) / 100;
            for (int c = 0; c < CLASSES; c++)
                class_scores[a][i * CLASSES + c] =
                    (double)(float)(rng_uniform(1, 4, (uint32_t)a, (uint64_t)(i * CLASSES + c)) +
                                    0.1 * (c == classes[i]));
        }
    }
    return 0;
}

static struct bootstrap bootstrap_of(const struct comm *comm) {
    return (struct bootstrap){.comm = comm, .seed = 5, .resamples = 200, .threads = 2};
}

static void assert_same(struct estimate a, struct estimate b) {
    assert_near(a.value, b.value);
    assert_near(a.low, b.low);
    assert_near(a.high, b.high);
}

/* ---- as the measures of one arm and of two ---- */
static void binary_arms_are_scored_as_one_by_one(void **state) {
    (void)state;
    struct comm self = comm_self();
    struct bootstrap b = bootstrap_of(&self);
    struct compared_samples s = {.form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = labels};
    const double *each[ARMS] = {scores[0], scores[1], scores[2]};
    struct compared_arm arms[ARMS] = {{1, &each[0], NULL}, {1, &each[1], NULL}, {1, &each[2], NULL}};
    struct arm_estimates got[ARMS];
    const int references[MOST_REFERENCES] = {0, 2};
    static struct scored_sample samples[ARMS][N];
    for (int a = 0; a < ARMS; a++)
        for (int i = 0; i < N; i++)
            samples[a][i] =
                (struct scored_sample){.sample = i, .subject = subjects[i], .label = labels[i], .score = scores[a][i]};
    assert_int_equal(arms_compare(&b, &s, ARMS, arms, references, got), STATUS_OK);
    for (int a = 0; a < ARMS; a++) {
        struct estimate alone[N_SCORES_ESTIMATES], less[N_SCORES_ESTIMATES];
        assert_int_equal(scores_bootstrap(&b, N, samples[a], alone), STATUS_OK);
        assert_same(got[a].value[ARMS_AVERAGE_PRECISION], alone[ESTIMATE_AVERAGE_PRECISION]);
        assert_same(got[a].value[ARMS_AUROC], alone[ESTIMATE_AUROC]);
        for (int k = 0; k < MOST_REFERENCES; k++) {
            assert_int_equal(scores_bootstrap_difference(&b, N, samples[a], samples[references[k]], less), STATUS_OK);
            assert_same(got[a].over[k][ARMS_AVERAGE_PRECISION], less[ESTIMATE_AVERAGE_PRECISION]);
            assert_same(got[a].over[k][ARMS_AUROC], less[ESTIMATE_AUROC]);
        }
    }
}

static void classes_are_scored_as_macro(void **state) {
    (void)state;
    struct comm self = comm_self();
    struct bootstrap b = bootstrap_of(&self);
    struct compared_samples s = {
        .form = LABEL_CLASS, .n_classes = CLASSES, .n = N, .subject = subjects, .label = classes};
    static float floats[2][N * CLASSES];
    const double *each[2] = {class_scores[0], class_scores[1]};
    struct compared_arm arms[2] = {{1, &each[0], NULL}, {1, &each[1], NULL}};
    struct class_predictions p[2];
    struct arm_estimates got[2];
    struct estimate alone[N_CLASS_SCORES_ESTIMATES], less[N_CLASS_SCORES_ESTIMATES];
    for (int a = 0; a < 2; a++) {
        for (int i = 0; i < N * CLASSES; i++) floats[a][i] = (float)class_scores[a][i];
        p[a] = (struct class_predictions){.form = LABEL_CLASS,
                                          .n = N,
                                          .n_classes = CLASSES,
                                          .subject = subjects,
                                          .scores = floats[a],
                                          .label = classes,
                                          .threshold = NAN};
    }
    assert_int_equal(arms_compare(&b, &s, 2, arms, (const int[]){0, -1}, got), STATUS_OK);
    assert_int_equal(class_scores_bootstrap(&b, &p[1], alone), STATUS_OK);
    assert_int_equal(class_scores_bootstrap_difference(&b, &p[1], &p[0], less), STATUS_OK);
    assert_same(got[1].value[ARMS_AVERAGE_PRECISION], alone[CLASS_AVERAGE_PRECISION_MACRO]);
    assert_same(got[1].value[ARMS_AUROC], alone[CLASS_AUROC_MACRO]);
    assert_same(got[1].over[0][ARMS_AVERAGE_PRECISION], less[CLASS_AVERAGE_PRECISION_MACRO]);
    assert_same(got[1].over[0][ARMS_AUROC], less[CLASS_AUROC_MACRO]);
    assert_int_equal(got[1].over[1][ARMS_AUROC].n, 0); /* there is no second reference */
}

/* ---- replicates ---- */
static void an_arm_is_the_mean_of_its_replicates(void **state) {
    (void)state;
    struct comm self = comm_self();
    struct bootstrap b = bootstrap_of(&self);
    struct compared_samples s = {.form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = labels};
    const double *both[2] = {scores[1], scores[2]}, *base[1] = {scores[0]};
    struct compared_arm arms[2] = {{1, base, NULL}, {2, both, NULL}};
    struct arm_estimates got[2];
    double values[ARMS][N_ARMS_MEASURES];
    for (int a = 0; a < ARMS; a++) assert_int_equal(arm_measure(&s, scores[a], values[a]), STATUS_OK);
    assert_int_equal(arms_compare(&b, &s, 2, arms, (const int[]){0, -1}, got), STATUS_OK);
    for (int m = 0; m < N_ARMS_MEASURES; m++) {
        double mean = (values[1][m] + values[2][m]) / 2;
        assert_near(got[1].value[m].value, mean);
        assert_near(got[1].over[0][m].value, mean - values[0][m]);
        assert_near(got[0].over[0][m].value, 0); /* itself, in every resample */
        assert_near(got[0].over[0][m].high, 0);
    }
}

/* Samples whose codes training never saw are others where other samples were drawn to be learned from. */
static void replicates_may_take_other_samples(void **state) {
    (void)state;
    struct comm self = comm_self();
    struct bootstrap b = bootstrap_of(&self);
    static uint8_t even[N], odd[N];
    struct compared_samples s = {.form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = labels};
    const double *both[2] = {scores[1], scores[2]};
    const uint8_t *taken[2] = {even, odd};
    struct compared_arm arm = {2, both, taken};
    struct arm_estimates got;
    double first[N_ARMS_MEASURES], second[N_ARMS_MEASURES];
    for (int i = 0; i < N; i++) even[i] = i % 2 == 0, odd[i] = i % 2;
    assert_int_equal(arms_compare(&b, &s, 1, &arm, (const int[]){-1, -1}, &got), STATUS_OK);
    s.taken = even;
    assert_int_equal(arm_measure(&s, scores[1], first), STATUS_OK);
    s.taken = odd;
    assert_int_equal(arm_measure(&s, scores[2], second), STATUS_OK);
    for (int m = 0; m < N_ARMS_MEASURES; m++) assert_near(got.value[m].value, (first[m] + second[m]) / 2);
}

static void samples_that_are_left_out_do_not_count(void **state) {
    (void)state;
    static uint8_t taken[N];
    static struct scored_sample few[N];
    struct compared_samples s = {
        .form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = labels, .taken = taken};
    struct scores expected;
    double values[N_ARMS_MEASURES];
    int64_t n = 0, n_taken, n_positive;
    for (int i = 0; i < N; i++) {
        taken[i] = i % 4 == 1;
        if (taken[i])
            few[n++] =
                (struct scored_sample){.sample = i, .subject = subjects[i], .label = labels[i], .score = scores[1][i]};
    }
    assert_int_equal(scores_compute(n, few, &expected), STATUS_OK);
    assert_int_equal(arm_measure(&s, scores[1], values), STATUS_OK);
    assert_near(values[ARMS_AVERAGE_PRECISION], expected.average_precision);
    assert_near(values[ARMS_AUROC], expected.auroc);
    assert_near(compared_prevalence(&s, &n_taken, &n_positive), expected.prevalence);
    assert_true(n_taken == n && n_positive == expected.n_positive);
}

static void without_positive_samples_there_is_no_average_precision(void **state) {
    (void)state;
    struct comm self = comm_self();
    struct bootstrap b = bootstrap_of(&self);
    static const int32_t NONE[N];
    struct compared_samples s = {.form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = NONE};
    const double *base[1] = {scores[0]};
    struct compared_arm arm = {1, base, NULL};
    struct arm_estimates got;
    int64_t n, n_positive;
    assert_int_equal(arms_compare(&b, &s, 1, &arm, (const int[]){0, -1}, &got), STATUS_OK);
    assert_int_equal(got.value[ARMS_AVERAGE_PRECISION].n, 0);
    assert_int_equal(got.over[0][ARMS_AUROC].n, 0);
    assert_true(isnan(compared_prevalence(&s, &n, &n_positive)) && n == N && n_positive == 0);
}

static void a_score_that_is_no_number_is_refused(void **state) {
    (void)state;
    static double bad[N];
    struct compared_samples s = {.form = LABEL_BINARY, .n_classes = 2, .n = N, .subject = subjects, .label = labels};
    double values[N_ARMS_MEASURES];
    bad[7] = NAN;
    assert_int_equal(arm_measure(&s, bad, values), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "the score of sample 7 (subject 2) is not a number"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(binary_arms_are_scored_as_one_by_one),
                                       cmocka_unit_test(classes_are_scored_as_macro),
                                       cmocka_unit_test(an_arm_is_the_mean_of_its_replicates),
                                       cmocka_unit_test(replicates_may_take_other_samples),
                                       cmocka_unit_test(samples_that_are_left_out_do_not_count),
                                       cmocka_unit_test(without_positive_samples_there_is_no_average_precision),
                                       cmocka_unit_test(a_score_that_is_no_number_is_refused)};
    return cmocka_run_group_tests(tests, make, NULL);
}
