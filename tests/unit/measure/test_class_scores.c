/* Scores of classes and sets on cases that are small enough to count by hand; intervals, thresholds, and the sort behind it all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/class_scores.h"
#include "measure/keyed_sort.h"

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-14)

/* ---- by hand ---- */
/* Three samples of subjects 1, 1, 2; true classes 0, 2, 1; the highest scores are those of 0, 1, 1. */
static const int64_t THREE_SUBJECTS[] = {1, 1, 2};
static const int32_t THREE_LABELS[] = {0, 2, 1};
static const float THREE_SCORES[] = {0.6F, 0.3F, 0.1F, 0.2F, 0.5F, 0.3F, 0.1F, 0.7F, 0.2F};

static struct class_predictions three_classes(void) {
    return (struct class_predictions){.form = LABEL_CLASS,
                                      .n = 3,
                                      .n_classes = 3,
                                      .subject = THREE_SUBJECTS,
                                      .scores = THREE_SCORES,
                                      .label = THREE_LABELS,
                                      .threshold = NAN};
}

static void classes_by_hand(void **state) {
    (void)state;
    struct class_predictions p = three_classes();
    struct class_scores s;
    assert_int_equal(class_scores_compute(&p, &s), STATUS_OK);
    const double *samples = s.values, *subjects = s.values + N_CLASS_SCORES_MEASURES;
    assert_true(s.n == 3 && s.n_subjects == 2 && s.n_without_positive == 0 && s.n_without_negative == 0);
    /* each class ranks its own sample first */
    assert_near(samples[CLASS_AVERAGE_PRECISION_MACRO], 1);
    assert_near(samples[CLASS_AUROC_MACRO], 1);
    /* all pairs, from the highest: + 0.7, + 0.6, - 0.5, then 0.3 (one of each), 2 - of 0.2, 2 - of 0.1 */
    assert_near(samples[CLASS_AVERAGE_PRECISION_MICRO], (1 + 1 + 3 / 5.0) / 3);
    assert_near(samples[CLASS_AUROC_MICRO], (6 + 6 + 4.5) / 18);
    assert_near(samples[CLASS_ACCURACY], 2 / 3.0);
    assert_near(subjects[CLASS_ACCURACY], (0.5 + 1) / 2);
    /* sum |i - j| O = 1; margins: decided 1, 2, 0; true 1, 1, 1: E = (1 (0 + 1 + 2) + 2 (1 + 0 + 1)) / 3 = 7 / 3 */
    assert_near(samples[CLASS_KAPPA], 1 - 3 / 7.0);
    /* F1 of the classes: 1, 2 / 3, 0 */
    assert_near(samples[CLASS_F1_MACRO], (1 + 2 / 3.0) / 3);
    assert_near(samples[CLASS_F1_MICRO], 2 / 3.0);
    assert_true(isnan(samples[CLASS_F1_SAMPLES]) && isnan(samples[CLASS_F1_CHOSEN_MICRO]));
    assert_near(s.prevalence[BY_SAMPLES][0], 1 / 3.0);
    class_scores_free(&s);
}

/* Four samples of subjects 1, 1, 1, 2: sets {0, 1}, {}, {1}, {0, 1, 2}; nobody has class 3. */
static const int64_t FOUR_SUBJECTS[] = {1, 1, 1, 2}, FOUR_OFFSETS[] = {0, 2, 2, 3, 6};
static const int32_t FOUR_SETS[] = {0, 1, 1, 0, 1, 2};
static const float FOUR_SCORES[] = {0.9F, 0.5F, 0.4F, 0.1F, 0.6F, 0.2F, 0.1F, 0.1F,
                                    0.3F, 0.2F, 0.8F, 0.0F, 0.7F, 0.4F, 0.3F, 0.3F};

static struct class_predictions four_sets(void) {
    return (struct class_predictions){.form = LABEL_SET,
                                      .n = 4,
                                      .n_classes = 4,
                                      .subject = FOUR_SUBJECTS,
                                      .scores = FOUR_SCORES,
                                      .set_offsets = FOUR_OFFSETS,
                                      .set = FOUR_SETS,
                                      .threshold = 0.4F};
}

static void sets_by_hand(void **state) {
    (void)state;
    struct class_predictions p = four_sets();
    struct class_scores s;
    double threshold;
    assert_int_equal(class_scores_compute(&p, &s), STATUS_OK);
    const double *samples = s.values, *subjects = s.values + N_CLASS_SCORES_MEASURES;
    assert_true(s.n_without_positive == 1 && s.n_without_negative == 0 && s.classes[3].n_positive == 0);
    /* class 0: 0.9 +, 0.7 +; class 1: 0.5 +, 0.4 +, then 0.2 (+ and -); class 2: 0.8 -, 0.4 -, 0.3 +; class 3 is left out */
    assert_near(s.classes[1].average_precision, (1 + 1 + 3 / 4.0) / 3);
    assert_near(s.classes[1].auroc, (1 + 1 + 0.5) / 3);
    assert_near(s.classes[2].auroc, 1 / 3.0);
    assert_true(isnan(s.classes[3].auroc) && isnan(s.classes[3].average_precision));
    assert_near(samples[CLASS_AVERAGE_PRECISION_MACRO], (1 + 2.75 / 3 + 1 / 3.0) / 3);
    assert_near(samples[CLASS_AVERAGE_PRECISION_WEIGHTED], (2 * 1 + 2.75 + 1 / 3.0) / 6);
    assert_near(samples[CLASS_AUROC_WEIGHTED], (2 * 1 + 2.5 + 1 / 3.0) / 6);
    /* samples: the first and the last rank theirs first (0.3 of the last is tied with class 3); the third's is third; the second has none */
    double last = (1 + 1 + 3 / 4.0) / 3;
    assert_near(samples[CLASS_AVERAGE_PRECISION_SAMPLES], (1 + 1 / 3.0 + last) / 3);
    assert_near(subjects[CLASS_AVERAGE_PRECISION_SAMPLES], (1 / 3.0 * (1 + 1 / 3.0) + last) / (2 / 3.0 + 1));
    assert_near(samples[CLASS_AUROC_SAMPLES], (1 + 1 / 3.0 + 2.5 / 3) / 3);
    /* decided at 0.5: {0, 1}, {0}, {2}, {0}: 3 right, 2 wrong, 3 missed; at 0.4 {0, 1, 2}, {0}, {2}, {0, 1}: 4, 3, 2 */
    assert_near(samples[CLASS_F1_MICRO], 6 / 11.0);
    assert_near(samples[CLASS_F1_CHOSEN_MICRO], 8 / 13.0);
    assert_near(samples[CLASS_F1_SAMPLES], (1 + 0 + 0 + 2 / 4.0) / 4);
    /* class 0: 2 right, 1 wrong; class 1: 1 right, 2 missed; class 2: 1 wrong, 1 missed; class 3: nothing to say */
    assert_near(samples[CLASS_F1_MACRO], (4 / 5.0 + 2 / 4.0 + 0) / 3);
    assert_near(samples[CLASS_F1_WEIGHTED], (2 * 4 / 5.0 + 3 * 2 / 4.0 + 0) / 6);
    assert_true(isnan(samples[CLASS_ACCURACY]) && isnan(samples[CLASS_KAPPA]));
    assert_near(s.prevalence[BY_SAMPLES][1], (2 + 3 + 1) / 12.0);
    assert_near(s.prevalence[BY_SUBJECTS][0], (3 / 3.0 + 3) / 8);
    /* 0.4: 8 / 13; 0.3: 5 right, 5 wrong, 1 missed, 10 / 16; 0.2 finds all with 6 wrong: 12 / 18; 0.1 and 0: 12 / 22 */
    assert_int_equal(class_scores_choose_threshold(&p, &threshold), STATUS_OK);
    assert_true(threshold == (double)0.2F);
    class_scores_free(&s);
}

/* ---- intervals ---- */
enum { N_MANY = 300, N_MANY_CLASSES = 4 };
struct many {
    int64_t subject[N_MANY];
    int32_t label[N_MANY];
    float scores[N_MANY * N_MANY_CLASSES];
};

static struct class_predictions make_many(struct many *m, double signal) {
    for (int i = 0; i < N_MANY; i++) {
        m->subject[i] = i / 3;
        m->label[i] = i * 7 % N_MANY_CLASSES;
        for (int c = 0; c < N_MANY_CLASSES; c++)
            m->scores[i * N_MANY_CLASSES + c] =
                (float)(rng_uniform(5, 0, 0, (uint64_t)(i * N_MANY_CLASSES + c)) + (c == m->label[i] ? signal : 0));
    }
    return (struct class_predictions){.form = LABEL_CLASS,
                                      .n = N_MANY,
                                      .n_classes = N_MANY_CLASSES,
                                      .subject = m->subject,
                                      .scores = m->scores,
                                      .label = m->label,
                                      .threshold = NAN};
}

static void intervals_hold_the_values_and_arms_are_compared_on_the_same_subjects(void **state) {
    (void)state;
    static struct many one, other;
    static struct estimate once[N_CLASS_SCORES_ESTIMATES], difference[N_CLASS_SCORES_ESTIMATES];
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm, .seed = 3, .resamples = 200, .threads = 2};
    struct class_predictions a = make_many(&one, 0.3), b = make_many(&other, 0.3);
    assert_int_equal(class_scores_bootstrap(&bootstrap, &a, once), STATUS_OK);
    for (int i = 0; i < N_CLASS_SCORES_ESTIMATES; i++) {
        if (once[i].n == 0) continue;
        assert_int_equal(once[i].n, N_MANY / 3);
        assert_true(once[i].low < once[i].value && once[i].value < once[i].high);
        assert_near(once[i].low, once[i % N_CLASS_SCORES_MEASURES].low); /* all subjects have three samples */
    }
    assert_int_equal(class_scores_bootstrap_difference(&bootstrap, &a, &b, difference), STATUS_OK);
    for (int i = 0; i < N_CLASS_SCORES_ESTIMATES; i++)
        assert_true(difference[i].value == 0 && difference[i].low == 0 && difference[i].high == 0);
    b = make_many(&other, 0.1);
    assert_int_equal(class_scores_bootstrap_difference(&bootstrap, &a, &b, difference), STATUS_OK);
    assert_true(difference[CLASS_AUROC_MACRO].low > 0 && difference[CLASS_KAPPA].low > 0);
    double width = once[CLASS_AUROC_MACRO].high - once[CLASS_AUROC_MACRO].low;
    assert_true(difference[CLASS_AUROC_MACRO].high - difference[CLASS_AUROC_MACRO].low < width); /* they are paired */
    other.label[7] = (other.label[7] + 1) % N_MANY_CLASSES;
    assert_int_equal(class_scores_bootstrap_difference(&bootstrap, &a, &b, difference), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "row 7"));
    one.scores[9] = NAN;
    assert_int_equal(class_scores_bootstrap(&bootstrap, &a, once), STATUS_FAILED);
    assert_string_equal(status_message(), "the score of class 1 of sample 2 (subject 0) is not a number");
}

/* ---- the sort ---- */
static int by_key(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void keys_are_sorted_and_nothing_is_lost(void **state) {
    (void)state;
    enum { MOST = 20000 };
    static struct keyed items[MOST], wanted[MOST];
    static const int SIZES[] = {0, 1, 2, 31, 32, 33, 257, MOST};
    static const uint64_t MASKS[] = {0, 1, 0xff, 0xff00ff00ff, 0xff00000000000000, UINT64_MAX};
    for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++)
        for (size_t m = 0; m < sizeof MASKS / sizeof *MASKS; m++) {
            int n = SIZES[k];
            uint64_t sum = 0;
            for (int i = 0; i < n; i++) {
                uint32_t words[4];
                rng_words(k, (uint32_t)m, 0, (uint64_t)i, 0, words);
                items[i] = (struct keyed){((uint64_t)words[0] << 32 | words[1]) & MASKS[m], (uint32_t)i, words[2]};
                sum += items[i].key ^ items[i].mark * (uint64_t)(i + 1);
            }
            memcpy(wanted, items, sizeof items);
            qsort(wanted, (size_t)n, sizeof *wanted, by_key);
            keyed_sort(n, items);
            for (int i = 0; i < n; i++) {
                assert_true(items[i].key == wanted[i].key);
                sum -= items[i].key ^ items[i].mark * (uint64_t)(items[i].unit + 1);
            }
            assert_true(sum == 0);
        }
}

static void keys_order_scores_from_the_highest(void **state) {
    (void)state;
    static const double SCORES[] = {INFINITY, 1e300, 1, 0.5, 0x1p-1074, 0, -0x1p-1074, -2, -1e300, -INFINITY};
    enum { N = sizeof SCORES / sizeof *SCORES };
    for (int i = 0; i < N; i++) {
        assert_true(score_of_key(key_of_score(SCORES[i])) == SCORES[i]);
        if (i) assert_true(key_of_score(SCORES[i - 1]) < key_of_score(SCORES[i]));
    }
    assert_true(key_of_score(0.0) == key_of_score(-0.0));
    assert_true(key_of_integer(INT64_MIN) < key_of_integer(-1) && key_of_integer(-1) < key_of_integer(0));
}

static void subjects_are_numbered_in_their_order_however_rows_come(void **state) {
    (void)state;
    static const int64_t SORTED[] = {-5, -5, 0, 7, 7, 7}, MIXED[] = {7, -5, 7, 0, 7, -5};
    static const uint32_t OF_MIXED[] = {2, 0, 2, 1, 2, 0};
    struct subject_units a, b;
    double weights[3];
    static const uint8_t TIMES[] = {2, 0, 3};
    assert_int_equal(subject_units_make(&a, 6, SORTED, sizeof *SORTED), STATUS_OK);
    assert_int_equal(subject_units_make(&b, 6, MIXED, sizeof *MIXED), STATUS_OK);
    assert_true(a.n == 3 && b.n == 3);
    assert_memory_equal(b.unit, OF_MIXED, sizeof OF_MIXED);
    assert_memory_equal(a.rows, b.rows, 3 * sizeof *a.rows);
    subject_units_weigh(&a, BY_SUBJECTS, TIMES, weights);
    assert_true(weights[0] == 1 && weights[1] == 0 && weights[2] == 1);
    subject_units_weigh(&a, BY_SUBJECTS, NULL, weights);
    assert_true(weights[0] == 0.5 && weights[1] == 1 && weights[2] == 1 / 3.0);
    subject_units_free(&a);
    subject_units_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_by_hand),
        cmocka_unit_test(sets_by_hand),
        cmocka_unit_test(intervals_hold_the_values_and_arms_are_compared_on_the_same_subjects),
        cmocka_unit_test(keys_are_sorted_and_nothing_is_lost),
        cmocka_unit_test(keys_order_scores_from_the_highest),
        cmocka_unit_test(subjects_are_numbered_in_their_order_however_rows_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
