/* Measures of scores against scikit-learn 1.x (roc_auc_score, average_precision_score, brier_score_loss, log_loss,
 * calibration_curve with uniform bins) on vectors made up here; and intervals by resampling subjects. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/scores.h"

/* Sums of a few hundred terms in double. */
static const double TOLERANCE = 1e-13;

#define assert_near(a, b) assert_true(fabs((a) - (b)) < TOLERANCE)

enum { MOST = 12 };

static void compute(int n, const double *scores, const int *labels, struct scores *out) {
    struct scored_sample samples[MOST] = {{0}};
    for (int i = 0; i < n; i++)
        samples[i] = (struct scored_sample){.sample = i, .subject = i / 2, .label = labels[i], .score = scores[i]};
    assert_int_equal(scores_compute(n, samples, out), STATUS_OK);
}

static void measures_are_those_of_scikit_learn(void **state) {
    (void)state;
    static const struct {
        int n;
        double scores[MOST];
        int labels[MOST];
        double auroc, average_precision, brier, log_loss, calibration_error;
    } CASES[] = {
        {10,
         {0.9, 0.8, 0.7, 0.6, 0.55, 0.54, 0.53, 0.52, 0.51, 0.505},
         {1, 1, 0, 1, 1, 1, 0, 0, 1, 0},
         0.75,
         0.8416666666666666,
         0.21605249999999998,
         0.6122859464278845,
         0.25875},
        {12, /* ties within and between labels; scores of 0 and 1 */
         {0.5, 0.5, 0.25, 0.75, 0.5, 0.25, 0.75, 0.125, 0.5, 0.75, 0.0, 1.0},
         {1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1},
         0.763888888888889,
         0.725,
         0.19401041666666666,
         0.5451462545382856,
         0.0763888888888889},
        {8,
         {0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3},
         {1, 0, 0, 0, 1, 0, 0, 0},
         0.5,
         0.25,
         0.19,
         0.5684994090355333,
         0.05},
        {4, {0.1, 0.2, 0.9, 0.8}, {1, 1, 0, 0}, 0, 0.41666666666666663, 0.725, 1.956011502714073, 0.85},
        {3, {0.2, 0.9, 0.4}, {1, 1, 1}, NAN, 1, 0.3366666666666667, 0.8770297199886938, 0.5},
        {10, /* at the edges of the bins */
         {0.0, 0.1, 0.2, 0.3, 0.30000000000000004, 0.6, 0.7000000000000001, 0.7, 0.95, 1.0},
         {0, 0, 1, 0, 1, 0, 1, 1, 0, 1},
         0.72,
         0.7416666666666667,
         0.26725,
         0.7900819069662205,
         0.4041666666666666},
    };
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        struct scores s;
        compute(CASES[c].n, CASES[c].scores, CASES[c].labels, &s);
        assert_true(isnan(CASES[c].auroc) ? isnan(s.auroc) : fabs(s.auroc - CASES[c].auroc) < TOLERANCE);
        assert_near(s.average_precision, CASES[c].average_precision);
        assert_near(s.brier, CASES[c].brier);
        assert_near(s.log_loss, CASES[c].log_loss);
        assert_near(s.calibration_error, CASES[c].calibration_error);
    }
}

/* score_i = (7919 i mod 97) / 97; label_i: (104729 i mod 101) < 20 + 60 score_i; two samples a subject */
enum { N_FORMULA = 400 };

static void make_formula(struct scored_sample *samples) {
    for (int64_t i = 0; i < N_FORMULA; i++) {
        double score = (double)(i * 7919 % 97) / 97;
        samples[i] = (struct scored_sample){
            .sample = i, .subject = i / 2, .label = (double)(i * 104729 % 101) < 20 + 60 * score, .score = score};
    }
}

static void many_samples_with_ties_agree(void **state) {
    (void)state;
    struct scored_sample samples[N_FORMULA];
    struct scores s;
    make_formula(samples);
    assert_int_equal(scores_compute(N_FORMULA, samples, &s), STATUS_OK);
    assert_true(s.n == N_FORMULA && s.n_positive == 192 && s.prevalence == 0.48);
    assert_near(s.auroc, 0.6944861778846154);
    assert_near(s.average_precision, 0.6427620418688885);
    assert_near(s.brier, 0.23611356148368587);
    assert_near(s.log_loss, 0.7920008467376437);
    assert_near(s.calibration_error, 0.1107883845625863);
    int64_t n = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++) n += s.bins[b].n;
    assert_int_equal(n, N_FORMULA);
}

static void what_cannot_be_formed_is_nan(void **state) {
    (void)state;
    static const double SCORES[] = {0.5, 0.25}, LOGITS[] = {-3, 2};
    static const int NEGATIVE[] = {0, 0}, BOTH[] = {0, 1};
    struct scores s;
    compute(0, SCORES, NEGATIVE, &s);
    assert_true(isnan(s.prevalence) && isnan(s.auroc) && isnan(s.average_precision) && isnan(s.brier));
    compute(2, SCORES, NEGATIVE, &s);
    assert_true(isnan(s.auroc) && isnan(s.average_precision) && s.prevalence == 0);
    assert_near(s.brier, (0.25 + 0.0625) / 2);
    compute(2, LOGITS, BOTH, &s);
    assert_true(s.auroc == 1 && s.average_precision == 1);
    assert_true(isnan(s.brier) && isnan(s.log_loss) && isnan(s.calibration_error));
}

static struct bootstrap bootstrap_of(const struct comm *comm) {
    return (struct bootstrap){.comm = comm, .seed = 3, .resamples = 200, .threads = 2};
}

static void intervals_hold_the_value_and_count_subjects(void **state) {
    (void)state;
    static struct scored_sample samples[N_FORMULA], twice[2 * N_FORMULA];
    struct comm comm = comm_self();
    struct bootstrap bootstrap = bootstrap_of(&comm);
    struct estimate once[N_SCORES_ESTIMATES], again[N_SCORES_ESTIMATES];
    make_formula(samples);
    assert_int_equal(scores_bootstrap(&bootstrap, N_FORMULA, samples, once), STATUS_OK);
    for (int i = 0; i < N_SCORES_ESTIMATES; i++) {
        int measure = i % N_SCORES_MEASURES;
        assert_int_equal(once[i].n, measure >= ESTIMATE_ACCURACY_CHOSEN ? 0 : N_FORMULA / 2); /* nothing was decided */
        if (once[i].n == 0) continue;
        assert_true(once[i].low < once[i].value && once[i].value < once[i].high);
        /* all subjects have two samples */
        assert_near(once[i].value, once[measure].value);
        assert_near(once[i].low, once[measure].low);
    }
    assert_near(once[ESTIMATE_AUROC].value, 0.6944861778846154);
    assert_near(once[ESTIMATE_AVERAGE_PRECISION].value, 0.6427620418688885);
    /* Each sample once more for the same subject adds no knowledge: the interval stays. */
    for (int64_t i = 0; i < 2 * N_FORMULA; i++) twice[i] = samples[i % N_FORMULA];
    assert_int_equal(scores_bootstrap(&bootstrap, 2 * N_FORMULA, twice, again), STATUS_OK);
    for (int i = 0; i < N_SCORES_ESTIMATES; i++) {
        assert_near(again[i].low, once[i].low);
        assert_near(again[i].high, once[i].high);
    }
}

static void arms_are_compared_on_the_same_subjects(void **state) {
    (void)state;
    static struct scored_sample a[N_FORMULA], b[N_FORMULA];
    struct comm comm = comm_self();
    struct bootstrap bootstrap = bootstrap_of(&comm);
    struct estimate difference[N_SCORES_ESTIMATES];
    make_formula(a);
    make_formula(b);
    assert_int_equal(scores_bootstrap_difference(&bootstrap, N_FORMULA, a, b, difference), STATUS_OK);
    for (int i = 0; i < N_SCORES_ESTIMATES; i++)
        assert_true(difference[i].value == 0 && difference[i].low == 0 && difference[i].high == 0);
    /* A better arm, by an order that is kept and a scale that is not: only the Brier score differs. */
    for (int i = 0; i < N_FORMULA; i++) b[i].score = 0.25 + b[i].score / 2;
    assert_int_equal(scores_bootstrap_difference(&bootstrap, N_FORMULA, a, b, difference), STATUS_OK);
    assert_true(difference[ESTIMATE_AUROC].low == 0 && difference[ESTIMATE_AUROC].high == 0);
    assert_true(difference[ESTIMATE_BRIER].low > 0);
    b[7].label ^= 1;
    assert_int_equal(scores_bootstrap_difference(&bootstrap, N_FORMULA, a, b, difference), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "row 7"));
}

static void each_sample_is_scored_once(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct scored_sample samples[] = {{.sample = 5, .subject = 1, .label = 0, .score = 0.5},
                                      {.sample = 2, .subject = 1, .label = 1, .score = 0.25},
                                      {.sample = 9, .subject = 2, .label = 0, .score = 0.125}},
                         *all;
    int64_t n;
    assert_int_equal(scored_samples_gather(&comm, 3, samples, &n, &all), STATUS_OK);
    assert_true(n == 3 && all[0].sample == 2 && all[1].sample == 5 && all[2].sample == 9 && all[0].score == 0.25);
    free(all);
    samples[2].sample = 2;
    assert_int_equal(scored_samples_gather(&comm, 3, samples, &n, &all), STATUS_FAILED);
    assert_string_equal(status_message(), "sample 2 is scored twice");
    samples[2] = (struct scored_sample){.sample = 9, .subject = 4, .score = NAN};
    assert_int_equal(scored_samples_gather(&comm, 3, samples, &n, &all), STATUS_FAILED);
    assert_string_equal(status_message(), "the score of sample 9 (subject 4) is not a number");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_are_those_of_scikit_learn),
        cmocka_unit_test(many_samples_with_ties_agree),
        cmocka_unit_test(what_cannot_be_formed_is_nan),
        cmocka_unit_test(intervals_hold_the_value_and_count_subjects),
        cmocka_unit_test(arms_are_compared_on_the_same_subjects),
        cmocka_unit_test(each_sample_is_scored_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
