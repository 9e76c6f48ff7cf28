/* The made-up hospital: its codes, its draws, its calendar, its rows, and the Bayes probabilities beside sums over all that may be so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "synth/bayes.h"
#include "synth/draws.h"
#include "synth/rows.h"
#include "synth/truth.h"

/* ---- draws ---- */
static void draws_have_the_distributions_that_they_say(void **state) {
    enum { N = 200000, MOST = 6 };
    struct draws d = draws_begin(7, DRAW_COURSE, 0, 3);
    double normal = 0, square = 0, exponential = 0, poisson = 0, large = 0, zipf[MOST] = {0};
    (void)state;
    for (int i = 0; i < N; i++) {
        double x = draw_normal(&d);
        normal += x / N;
        square += x * x / N;
        exponential += draw_exponential(&d) / N;
        poisson += draw_poisson(&d, 1.5) / (double)N;
        large += draw_poisson(&d, 80) / (double)N;
        zipf[draw_zipf(&d, MOST)] += 1.0 / N;
    }
    /* five standard errors of a mean of N draws */
    assert_true(fabs(normal) < 5 / sqrt(N));
    assert_true(fabs(square - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(exponential - 1) < 5 / sqrt(N));
    assert_true(fabs(poisson - 1.5) < 5 * sqrt(1.5 / N));
    assert_true(fabs(large - 80) < 5 * sqrt(80.0 / N));
    for (int j = 0; j < MOST; j++) {
        double p = log((j + 2.0) / (j + 1.0)) / log(MOST + 1.0);
        assert_true(fabs(zipf[j] - p) < 5 * sqrt(p * (1 - p) / N));
    }
}

static void draws_of_a_patient_are_its_own(void **state) {
    struct draws a = draws_begin(7, DRAW_COURSE, 0, 3), again = a, other = draws_begin(7, DRAW_COURSE, 0, 4);
    int same = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        uint32_t word = draw_word(&a);
        assert_int_equal(word, draw_word(&again));
        same += word == draw_word(&other);
    }
    assert_int_equal(same, 0);
}

/* ---- calendar and rows ---- */
static void dates_are_those_of_the_c_library(void **state) {
    (void)state;
    for (int64_t day = -40000; day < 130000; day += 13) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        int year, month, d;
        gmtime_r(&seconds, &tm);
        date_of_days(day, &year, &month, &d);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(d, tm.tm_mday);
        assert_int_equal(minutes_of_date(year, month, d), day * MINUTES_A_DAY);
    }
}

static void rows_are_written_as_csv(void **state) {
    struct rows r = {0};
    int64_t time = minutes_of_date(2180, 2, 29) + 22 * 60 + 3;
    (void)state;
    put_row(&r, "%i,%i,%d,%t,%t,%s,%c,%c,%q,%r,%r,%r", (int64_t)0, (int64_t)-120, time, time, (int64_t)NO_MINUTE, "a b",
            "plain", "with, \"comma\"", "q", 4.0, 1, 138.25, 2, -0.5, 3);
    assert_int_equal(r.status, STATUS_OK);
    assert_int_equal(r.n_rows, 1);
    const char *expected =
        "0,-120,2180-02-29,2180-02-29 22:03:00,,a b,plain,\"with, \"\"comma\"\"\",\"q\",4,138.25,-0.5\n";
    assert_int_equal(r.n, strlen(expected));
    assert_memory_equal(r.bytes, expected, strlen(expected));
    rows_free(&r);
}

/* ---- codes ---- */
static int fits(const char *code,
                const char *form) { /* A a letter, 0 a digit, X either; ? and behind it may be missing */
    size_t n = strlen(code), i = 0;
    int optional = 0;
    for (; *form; form++) {
        if (*form == '?') {
            optional = 1;
            continue;
        }
        if (i == n) return optional;
        int c = code[i++];
        if (!(*form == 'A' ? isupper(c) : *form == '0' ? isdigit(c) : isupper(c) || isdigit(c))) return 0;
    }
    return i == n;
}

static void made_codes_are_well_formed(void **state) {
    static const struct {
        enum code_system system;
        const char *forms[2];
    } SYSTEMS[] = {{SYSTEM_ICD9CM, {"000?00", "A00?00"}},
                   {SYSTEM_ICD10CM, {"A00?00", NULL}},
                   {SYSTEM_ICD9PROC, {"000?0", NULL}},
                   {SYSTEM_ICD10PCS, {"XXXXXXX", NULL}},
                   {SYSTEM_ATC, {"A00AA00", NULL}}};
    char code[SYNTH_CODE_BYTES];
    (void)state;
    for (size_t s = 0; s < sizeof SYSTEMS / sizeof *SYSTEMS; s++) {
        int64_t n = 0;
        for (; made_code(SYSTEMS[s].system, n, code); n++)
            if (!fits(code, SYSTEMS[s].forms[0]) && !(SYSTEMS[s].forms[1] && fits(code, SYSTEMS[s].forms[1])))
                fail_msg("%s is no code of %s", code, SYSTEMS[s].forms[0]);
        assert_true(n > 900);
    }
}

static void check_codes(const struct synth_codes *c) {
    for (int32_t i = 1; i < c->n; i++) assert_true(strcmp(c->code[i - 1], c->code[i]) < 0); /* each once */
    for (int32_t g = 0; g < c->n_groups; g++) {
        assert_true(c->offsets[g] < c->offsets[g + 1]);
        for (int32_t k = c->offsets[g]; k < c->offsets[g + 1]; k++) {
            assert_int_equal(c->group[c->member[k]], g);
            assert_int_equal(c->rank[c->member[k]], k - c->offsets[g]);
        }
    }
    assert_int_equal(c->offsets[c->n_groups], c->n);
}

static void each_code_is_of_one_group_and_none_is_empty(void **state) {
    struct synth_options options = {.diseases = 200, .graph_share = 0.3};
    struct synth_given_codes none = {0};
    struct catalogue c;
    (void)state;
    assert_int_equal(catalogue_make(&c, &options, 5, &none), STATUS_OK);
    for (int v = 0; v < N_ICD; v++) {
        check_codes(&c.diagnosis[v]);
        check_codes(&c.procedure[v]);
        for (int32_t i = 1; i < c.diagnosis[v].n; i++) /* a category is not cut */
            if (strncmp(c.diagnosis[v].code[i - 1], c.diagnosis[v].code[i], 3) == 0)
                assert_int_equal(c.diagnosis[v].group[i - 1], c.diagnosis[v].group[i]);
    }
    check_codes(&c.drug);
    const char *const asked_for[SYNTH_NAMED] = {"I10", "E78", "C25", "I21"};
    for (int32_t i = 0; i < c.diagnosis[ICD10].n; i++)
        for (int g = 0; g < SYNTH_NAMED; g++)
            if (strncmp(c.diagnosis[ICD10].code[i], asked_for[g], 3) == 0)
                assert_int_equal(c.diagnosis[ICD10].group[i], g);
    catalogue_free(&c);
}

static void more_diseases_than_codes_are_refused(void **state) {
    struct synth_options options = {.diseases = 20000};
    struct synth_given_codes none = {0};
    struct catalogue c;
    (void)state;
    assert_int_equal(catalogue_make(&c, &options, 5, &none), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "lower synth.diseases"));
}

/* 60 categories of ten codes in each system; every category's codes 3 to 5 have the node 7 times the category / 6. */
enum { N_CATEGORIES = 60, N_SYSTEMS = 5, N_GIVEN = N_CATEGORIES * 10 * N_SYSTEMS };
static void codes_that_share_a_node_are_one_disease(void **state) {
    static char text[2 * N_GIVEN][16];
    static int64_t offsets[N_GIVEN + 1];
    static int32_t nodes[N_GIVEN];
    static const char *const NAMES[N_SYSTEMS] = {"ICD9CM", "ICD10CM", "ICD9PROC", "ICD10PCS", "ATC"};
    static const char *const FORMS[N_SYSTEMS] = {"6%02d.%d", "M%02d.%d", "%02d.%d", "0%02d%dZZZ", "A%02dAA0%d"};
    struct synth_options options = {.diseases = 24, .graph_share = 0.3};
    struct catalogue c;
    int64_t n_nodes = 0;
    (void)state;
    for (int i = 0; i < N_GIVEN; i++) {
        int system = i / (N_GIVEN / N_SYSTEMS), category = i / 10 % N_CATEGORIES, place = i % 10;
        snprintf(text[i], sizeof text[i], FORMS[system], category, place);
        snprintf(text[N_GIVEN + i], sizeof text[i], "%s", NAMES[system]);
        offsets[i] = n_nodes;
        if (system < 2 && place >= 3 && place <= 5) nodes[n_nodes++] = category / 6 * 7;
        offsets[i + 1] = n_nodes;
    }
    /* hypertension and the other named diseases must be there */
    snprintf(text[0], 16, "401.9"), snprintf(text[1], 16, "272.4"), snprintf(text[2], 16, "157.0");
    snprintf(text[6], 16, "410.1"), snprintf(text[600], 16, "I10"), snprintf(text[601], 16, "E78.5");
    snprintf(text[602], 16, "C25.0"), snprintf(text[606], 16, "I21.4");
    struct synth_given_codes given = {.n = N_GIVEN,
                                      .code = {.text = text[0], .stride = 16},
                                      .system = {.text = text[N_GIVEN], .stride = 16},
                                      .description = {.text = text[0], .stride = 16},
                                      .node_offsets = offsets,
                                      .nodes = nodes};
    int status = catalogue_make(&c, &options, 5, &given);
    if (status != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(c.n_of_graph, 6); /* of 20 that are not named */
    for (int32_t g = SYNTH_NAMED; g < SYNTH_NAMED + c.n_of_graph; g++)
        for (int v = 0; v < N_ICD; v++) {
            const struct synth_codes *codes = &c.diagnosis[v];
            int first = atoi(codes->code[codes->member[codes->offsets[g]]] + 1) / 10 / 6;
            assert_true(codes->offsets[g + 1] - codes->offsets[g] >= 3);
            for (int32_t k = codes->offsets[g]; k < codes->offsets[g + 1]; k++) {
                int number = atoi(codes->code[codes->member[k]] + 1); /* category and place */
                assert_int_equal(number / 10 / 6, first);
                assert_in_range(number % 10, 3, 5);
            }
        }
    catalogue_free(&c);
}

/* ---- Bayes ---- */
enum { K = 3, N_ADMISSIONS = 3 };
static struct disease diseases[K] = {
    {.prevalence = 0.3, .incidence = 0.1, .coded = 0.6, .early = 0.4, .death = 4, .stay = 2, .back = 1},
    {.prevalence = 0.2, .incidence = 0.05, .coded = 0.8, .early = 0.7, .death = -2, .stay = -1, .back = 3},
    {.prevalence = 0.5, .incidence = 0.2, .coded = 0.5, .early = 0.2, .death = 1, .stay = 3, .back = -1}};
static const struct synth_model MODEL = {.n_diseases = K, .death = -2, .back = -1, .stay = 1, .diseases = diseases};

/* Admission 0: disease 0, treated at once, and 2; admission 1: none; admission 2: 1, treated later. */
static struct synth_stay coded[] = {{0, 1, 1}, {2, 0, 1}, {1, 0, 1}};
static const int M[N_ADMISSIONS][K] = {{1, 0, 1}, {0, 0, 0}, {0, 1, 0}}, E[N_ADMISSIONS][K] = {{1, 0, 0}};

static double sigma(double x) { return 1 / (1 + exp(-x)); }
static double longer(double days, double s) {
    return 0.5 * erfc((log(days + 1.0 / MINUTES_A_DAY) - MODEL.stay - s) / STAY_SD / sqrt(2));
}

/* The chance that disease k is there from admission `onset` on (N_ADMISSIONS: not in these). */
static double onset_chance(int k, int onset) {
    double p = onset == 0 ? diseases[k].prevalence : 1 - diseases[k].prevalence;
    for (int i = 1; i < onset && i < N_ADMISSIONS; i++) p *= 1 - diseases[k].incidence;
    return onset > 0 && onset < N_ADMISSIONS ? p * diseases[k].incidence : p;
}

/* Of all onsets and all M of the admission `asked`: the mean of two functions of M, given diagnoses before it, and, if first_day, E in it. */
static void enumerate(int asked, int first_day, double *died, double *over_7) {
    double all = 0, death = 0, seven = 0, one = 0;
    for (int onsets = 0; onsets < 64; onsets++)
        for (int m = 0; m < 8; m++) {
            double p = 1, deaths = 0, stays = 0;
            for (int k = 0; k < K; k++) {
                int onset = onsets >> (2 * k) & 3, is = m >> k & 1;
                double c = diseases[k].coded, e = diseases[k].early;
                p *= onset_chance(k, onset);
                for (int i = 0; i < asked; i++) p *= i < onset ? !M[i][k] : M[i][k] ? c : 1 - c;
                p *= asked < onset ? !is : is ? c : 1 - c;
                if (first_day) p *= E[asked][k] ? is * e : is ? 1 - e : 1;
                deaths += is * EFFECT_STEP * diseases[k].death;
                stays += is * STAY_STEP * diseases[k].stay;
            }
            all += p;
            death += p * sigma(MODEL.death + AGE_EFFECT * 10 + deaths);
            seven += p * longer(7, stays);
            one += p * longer(1, stays);
        }
    *died = death / all;
    *over_7 = seven / one;
}

static void bayes_is_the_sum_over_all_that_may_be(void **state) {
    struct synth_admission a[N_ADMISSIONS + 1] = {{.coded = 0}, {.coded = 2}, {.coded = 2}, {.coded = 3}};
    struct synth_patient p = {.age = 70, .n_admissions = N_ADMISSIONS, .admissions = a, .coded = coded, .n_coded = 3};
    struct synth_samples samples = {0};
    int n[N_SYNTH_TASKS] = {0}, history[K] = {0};
    (void)state;
    for (int i = 0; i < N_ADMISSIONS; i++) {
        a[i].admit = i * 40LL * MINUTES_A_DAY + 500;
        a[i].discharge = a[i].admit + (i == 1 ? 8 : 3) * MINUTES_A_DAY;
    }
    a[2].died = 1;
    assert_int_equal(bayes_samples(&samples, &MODEL, &p), STATUS_OK);
    for (long long i = 0; i < samples.n; i++) {
        const struct synth_sample *s = &samples.items[i];
        double died, over_7, back = MODEL.back;
        n[s->task]++;
        enumerate(s->admission + (s->task == SYNTH_MORTALITY), s->task == SYNTH_LOS_7D, &died, &over_7);
        for (int k = 0; k < K; k++) {
            history[k] |= s->task != SYNTH_LOS_7D && M[s->admission][k];
            back += history[k] ? EFFECT_STEP * diseases[k].back : 0;
        }
        double expected = s->task == SYNTH_MORTALITY ? died : s->task == SYNTH_LOS_7D ? over_7 : sigma(back);
        if (s->task == SYNTH_READMISSION_15D) expected *= WITHIN_15;
        if (fabs(s->probability - expected) > 1e-12) /* sums of some hundred terms of at most 1 */
            fail_msg("%s %d: %.15g, not %.15g", SYNTH_TASK_NAMES[s->task], s->admission, s->probability, expected);
        int label = s->task == SYNTH_MORTALITY ? s->admission == 1 : s->task == SYNTH_LOS_7D && s->admission == 1;
        assert_int_equal(s->label, label); /* each comes back after 37 and 32 days */
    }
    assert_int_equal(n[SYNTH_MORTALITY], 2);
    assert_int_equal(n[SYNTH_READMISSION_30D], 2);
    assert_int_equal(n[SYNTH_READMISSION_15D], 2);
    assert_int_equal(n[SYNTH_LOS_7D], 3);
    bayes_free(&samples);
}

/* ---- patients ---- */
static void a_patient_is_the_same_whoever_came_before(void **state) {
    struct synth_options options = {.diseases = 200,
                                    .admissions = 3,
                                    .diagnoses = 8,
                                    .procedures = 1,
                                    .drugs = 10,
                                    .death = 0.05,
                                    .readmission = 0.2,
                                    .stay = 3,
                                    .effect = 1,
                                    .effect_share = 0.3,
                                    .rare = 0.3,
                                    .lab_days = 3};
    struct synth_given_codes none = {0};
    struct comm comm = comm_self();
    struct catalogue catalogue;
    struct synth_model model;
    struct synth_patient used = {0};
    (void)state;
    assert_int_equal(catalogue_make(&catalogue, &options, 1, &none), STATUS_OK);
    assert_int_equal(synth_model_make(&model, &comm, &options, 1, &catalogue), STATUS_OK);
    for (int64_t i = 0; i < 200; i++) {
        struct synth_patient fresh = {0};
        assert_int_equal(patient_make(&used, &model, &catalogue, i), STATUS_OK);
        assert_int_equal(patient_make(&fresh, &model, &catalogue, i), STATUS_OK);
        assert_int_equal(used.n_admissions, fresh.n_admissions);
        assert_int_equal(used.death, fresh.death);
        assert_int_equal(used.n_diagnoses, fresh.n_diagnoses);
        assert_int_equal(used.n_prescriptions, fresh.n_prescriptions);
        for (int32_t k = 0; k < used.n_admissions; k++) {
            const struct synth_admission *a = &used.admissions[k];
            assert_memory_equal(a, &fresh.admissions[k], sizeof *a);
            assert_true(a->admit < a->discharge && (k == 0 || a[-1].discharge < a->admit));
            assert_true(a->diagnosis < a[1].diagnosis); /* no admission is without one */
            EACH_ITEM(&used, k, prescription, j)
            assert_true(used.prescriptions[j].start >= a->admit && used.prescriptions[j].start <= a->discharge);
            EACH_ITEM(&used, k, lab, j) assert_true(used.labs[j].time > a->admit && used.labs[j].time < a->discharge);
        }
        if (used.n_diagnoses)
            assert_memory_equal(used.diagnoses, fresh.diagnoses, (size_t)used.n_diagnoses * sizeof *used.diagnoses);
        patient_free(&fresh);
    }
    patient_free(&used);
    synth_model_free(&model);
    catalogue_free(&catalogue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_have_the_distributions_that_they_say),
        cmocka_unit_test(draws_of_a_patient_are_its_own),
        cmocka_unit_test(dates_are_those_of_the_c_library),
        cmocka_unit_test(rows_are_written_as_csv),
        cmocka_unit_test(made_codes_are_well_formed),
        cmocka_unit_test(each_code_is_of_one_group_and_none_is_empty),
        cmocka_unit_test(more_diseases_than_codes_are_refused),
        cmocka_unit_test(codes_that_share_a_node_are_one_disease),
        cmocka_unit_test(bayes_is_the_sum_over_all_that_may_be),
        cmocka_unit_test(a_patient_is_the_same_whoever_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
