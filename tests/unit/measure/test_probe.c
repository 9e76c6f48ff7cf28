/* What probe counts: ranks under ties, votes, bags, principal components, untrained quantisers; each on few codes, by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/bag_search.h"
#include "measure/probe.h"
#include "measure/probe_baselines.h"
#include "measure/probe_hierarchy.h"
#include "measure/probe_question.h"
#include "terms/code_category.h"

#define ROUNDING 1e-6

/* ---- ranks ---- */
static void a_rank_under_ties_is_the_mean_over_all_orders(void **state) {
    (void)state;
    struct rank_answer alone = {0, 0, 1}, third = {2, 0, 1}, tied = {0, 1, 1}, two_of_four = {1, 2, 2},
                       none = {0, 0, 0};
    assert_float_equal(rank_hit(alone, 1), 1, ROUNDING);
    assert_float_equal(rank_reciprocal(alone), 1, ROUNDING);
    assert_float_equal(rank_hit(third, 2), 0, ROUNDING);
    assert_float_equal(rank_hit(third, 3), 1, ROUNDING);
    assert_float_equal(rank_reciprocal(third), 1 / 3.0, ROUNDING);
    assert_float_equal(rank_hit(tied, 1), 0.5, ROUNDING); /* first or second */
    assert_float_equal(rank_reciprocal(tied), 0.75, ROUNDING);
    /* ranks 2 to 5, two of them right: the first right one is at 2, 3, 4 in 3, 2, 1 of 6 orders */
    assert_float_equal(rank_hit(two_of_four, 1), 0, ROUNDING);
    assert_float_equal(rank_hit(two_of_four, 2), 0.5, ROUNDING);
    assert_float_equal(rank_hit(two_of_four, 10), 1, ROUNDING);
    assert_float_equal(rank_reciprocal(two_of_four), (3 / 2.0 + 2 / 3.0 + 1 / 4.0) / 6, ROUNDING);
    assert_float_equal(rank_hit(none, 10), 0, ROUNDING);
    assert_float_equal(rank_reciprocal(none), 0, ROUNDING);
}

static void the_class_of_most_neighbours_wins_and_of_equal_ones_the_nearest(void **state) {
    static const int32_t CLASSES[] = {7, 8, 8, 9, -1};
    static const struct near_candidate MOST[] = {{0.9F, 0}, {0.8F, 1}, {0.7F, 2}, {0.6F, 3}, {0.5F, 4}},
                                       EVEN[] = {{0.9F, 3}, {0.8F, 0}, {0, -1}, {0, -1}, {0, -1}},
                                       UNKNOWN[] = {{0.9F, 4}, {0, -1}, {0, -1}, {0, -1}, {0, -1}};
    (void)state;
    assert_int_equal(nearest_class(MOST, 5, CLASSES), 8);
    assert_int_equal(nearest_class(EVEN, 5, CLASSES), 9);
    assert_int_equal(nearest_class(UNKNOWN, 5, CLASSES), -1);
}

static void the_nearest_are_kept_in_order_whatever_order_they_come_in(void **state) {
    static const float LIKENESS[] = {0.1F, 0.9F, 0.5F, 0.5F, 0.7F};
    (void)state;
    struct near_candidate up[3] = {{0, -1}, {0, -1}, {0, -1}}, down[3] = {{0, -1}, {0, -1}, {0, -1}};
    for (int32_t i = 0; i < 5; i++) near_candidates_add(up, 3, LIKENESS[i], i);
    for (int32_t i = 4; i >= 0; i--) near_candidates_add(down, 3, LIKENESS[i], i);
    assert_int_equal(up[0].code, 1);
    assert_int_equal(up[1].code, 4);
    assert_in_range(up[2].code, 2, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(up[i].code, down[i].code);
}

/* ---- bags ---- */
static void tokens_count_by_rank_then_group_and_absent_groups_do_not(void **state) {
    static const int32_t TOKENS[] = {4, 2, -1, -1, 2, 7};
    static const float WEIGHTS[] = {0.6F, 0.4F, 0, 0, 0.8F, 0.2F};
    struct token_bags tokens = {1, 8, 2, 3, TOKENS, WEIGHTS, NULL};
    struct bags bags;
    (void)state;
    assert_int_equal(bags_of_tokens(&bags, &tokens, 3), STATUS_OK);
    assert_int_equal(bags.offsets[1], 2); /* 4: 0.6; 2: 0.8 of the third group and 0.4 of the first */
    assert_int_equal(bags.items[0], 2);
    assert_int_equal(bags.items[1], 4);
    assert_float_equal(bags.weights[0], 1.2 / sqrt(1.2 * 1.2 + 0.6 * 0.6), 1e-6);
    assert_float_equal(bags.weights[1], 0.6 / sqrt(1.2 * 1.2 + 0.6 * 0.6), 1e-6);
    bags_free(&bags);
}

/* Five codes; code 0 asks, 3 and 4 are right, 1 is known already and left out. Likeness to 0: of 1 and 2 one half, of 3 one half, of 4
 * nothing. */
static void what_is_known_and_what_shares_nothing_is_left_out_of_a_ranking(void **state) {
    static int32_t ITEMS[][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 4}, {5, 6}};
    static const int32_t QUERY[] = {0}, TARGETS[] = {3, 4}, KNOWN[] = {1};
    static const int64_t TARGET_OFFSETS[] = {0, 2}, KNOWN_OFFSETS[] = {0, 1};
    static const uint8_t CANDIDATES[] = {1, 1, 1, 1, 1};
    struct comm comm = comm_self();
    struct bags bags;
    struct probe_answers answers;
    struct probe_question q = {.kind = QUESTION_RANK, .n_queries = 1};
    (void)state;
    memcpy(&q.queries, &(const int32_t *){QUERY}, sizeof q.queries); /* arrays of the test are not changed */
    memcpy(&q.is_candidate, &(const uint8_t *){CANDIDATES}, sizeof q.is_candidate);
    memcpy(&q.targets.offsets, &(const int64_t *){TARGET_OFFSETS}, sizeof q.targets.offsets);
    memcpy(&q.targets.codes, &(const int32_t *){TARGETS}, sizeof q.targets.codes);
    assert_int_equal(bags_make(&bags, 5, 7), STATUS_OK);
    for (int i = 0; i < 5; i++) {
        float weights[2] = {1, 1};
        assert_int_equal(bags_add(&bags, 2, ITEMS[i], weights), STATUS_OK);
    }
    for (int known = 0; known < 2; known++) {
        if (known) {
            memcpy(&q.known.offsets, &(const int64_t *){KNOWN_OFFSETS}, sizeof q.known.offsets);
            memcpy(&q.known.codes, &(const int32_t *){KNOWN}, sizeof q.known.codes);
        }
        assert_int_equal(probe_answers_make(&answers, &q, 5), STATUS_OK);
        assert_int_equal(bag_search(&comm, 1, &bags, &q, &answers), STATUS_OK);
        assert_int_equal(answers.ranks[0].above, 0);
        assert_int_equal(answers.ranks[0].tied, known ? 1 : 2);
        assert_int_equal(answers.ranks[0].right, 1);
        probe_answers_free(&answers);
    }
    bags_free(&bags);
}

/* ---- classes ---- */
/* Codes 0 to 3 of one system, code 4 of another. */
static void a_system_is_asked_only_if_its_codes_have_two_classes(void **state) {
    static int32_t one[] = {7, -1, 7, 7, 8}, two[] = {7, -1, 7, 9, 8}, category[5];
    static uint8_t system[] = {0, 0, 0, 0, 1}, is_above[5];
    struct code_classes classes[] = {{.name = "one", .class_of = one}, {.name = "two", .class_of = two}};
    struct probe_codes codes = {.n = 5,
                                .n_systems = 2,
                                .systems = {"ICD9CM", "ATC"},
                                .system = system,
                                .category = category,
                                .is_above = is_above};
    struct question_list questions = {0};
    (void)state;
    assert_int_equal(probe_question_of_system(&codes, 0, 1, classes, 100, 0, &questions), STATUS_OK);
    assert_int_equal(questions.n, 0);
    assert_int_equal(probe_question_of_system(&codes, 1, 2, classes, 100, 0, &questions), STATUS_OK);
    assert_int_equal(questions.n, 0);
    assert_int_equal(probe_question_of_system(&codes, 0, 2, classes, 100, 0, &questions), STATUS_OK);
    assert_int_equal(questions.n, 1);
    assert_string_equal(questions.items[0].name, "ICD9CM");
    assert_int_equal(questions.items[0].n_queries, 3);
    question_list_free(&questions);
}

static void as_many_classes_are_measured_as_there_are(void **state) {
    enum { N_CLASSES = PROBE_MOST_METRICS };
    static int32_t class_of[] = {7, 7, 9}, category[3], queries[] = {0, 1, 2}, n_listed[3];
    static int64_t offsets[4];
    static uint8_t candidates[] = {1, 1, 1};
    struct code_classes classes[N_CLASSES];
    struct vocabulary v = {.n_codes = 3, .n_listed = n_listed, .node_offsets = offsets, .edge_offsets = offsets};
    struct probe_codes codes = {.n = 3, .category = category, .categories = {.n = 1}};
    struct probe_question question = {
        .kind = QUESTION_NEAREST, .n_queries = 3, .n_candidates = 3, .queries = queries, .is_candidate = candidates};
    struct question_list questions = {&question, 1, 1};
    struct probe_run run = {.codes = &codes, .questions = &questions, .classes = classes, .n_classes = N_CLASSES};
    (void)state;
    for (int k = 0; k < N_CLASSES; k++) {
        snprintf(classes[k].name, sizeof classes[k].name, "class %d", k);
        classes[k].class_of = class_of;
    }
    assert_true(N_CLASSES > 8);
    assert_int_equal(code_links_make(&codes.links, 3, 1), STATUS_OK);
    assert_int_equal(code_links_add(&codes.links, &v), STATUS_OK);
    assert_int_equal(code_links_finish(&codes.links), STATUS_OK);
    assert_int_equal(probe_run_make(&run), STATUS_OK);
    assert_int_equal(run.report.results[0].n_metrics, N_CLASSES);
    assert_string_equal(run.report.results[0].metric[9], "nearest, class 9");
    probe_run_free(&run);
    code_links_free(&codes.links);
}

/* ---- hierarchy ---- */
/* Distances by hand: 4280 - 4281 are 2 by 428; 4280 - 428 is 1; either to 5849 goes over the chapters: 428x 3 up, 5849 3 up; 428 one
 * less; chapters are known of all. */
static void distances_go_over_the_lowest_common_ancestor(void **state) {
    static const char *const NAMES[] = {"ICD9CM/428", "ICD9CM/4280", "ICD9CM/4281", "ICD9CM/5849"};
    static const int32_t DISTANCES[4][4] = {{0, 1, 1, 5}, {1, 0, 2, 6}, {1, 2, 0, 6}, {5, 6, 6, 0}};
    static int32_t name[4], chapters[] = {7, 7, 7, 10};
    static uint8_t system[4], is_above[4];
    struct probe_codes codes = {
        .n = 4, .name = name, .n_systems = 1, .systems = {"ICD9CM"}, .system = system, .is_above = is_above};
    struct question_list questions = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(dictionary_add(&codes.names, NAMES[i], (int64_t)strlen(NAMES[i]), &name[i]), STATUS_OK);
    assert_int_equal(probe_question_of_hierarchy(&codes, 0, chapters, 100, 1, &questions), STATUS_OK);
    const struct probe_question *q = &questions.items[0];
    assert_string_equal(q->name, "ICD9CM, hierarchy");
    assert_int_equal(q->n_pairs, 6); /* 800 draws find each */
    for (int64_t i = 0; i < q->n_pairs; i++) {
        int32_t a = q->queries[q->pairs[i].a], b = q->queries[q->pairs[i].b];
        assert_true(a < b);
        assert_int_equal(q->pairs[i].distance, DISTANCES[a][b]);
    }
    question_list_free(&questions);
    dictionary_free(&codes.names);
}

/* scipy.stats.spearmanr([.9, .5, .5, .1, .3], [1, 2, 1, 3, 3]) is -0.8922178; without the pair of .1, which has no likeness in the other
 * space, ([.9, .5, .5, .3], [1, 2, 1, 3]) -0.8333333, and the other space, ([1, 2, 3, 4]), 0.6324555. */
static void a_rank_correlation_is_spearmans_with_ties(void **state) {
    static struct code_pair pairs[] = {{0, 1, 1}, {0, 2, 2}, {1, 2, 1}, {1, 3, 3}, {2, 3, 3}};
    const double one[] = {0.9, 0.5, 0.5, 0.1, 0.3}, other[] = {1, 2, 3, NAN, 4};
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm, .resamples = 20, .threads = 1};
    struct probe_question q = {.kind = QUESTION_DISTANCE, .n_queries = 4, .n_pairs = 5, .pairs = pairs};
    struct query_units units = {4, (const int32_t[]){0, 1, 2, 3}};
    struct estimate e;
    (void)state;
    assert_int_equal(correlate_with_distance(&bootstrap, &q, &units, 1, one, &e), STATUS_OK);
    assert_float_equal(e.value, -0.8922178, 1e-6);
    assert_true(e.low >= -1.0000001 && e.low <= e.value && e.value <= e.high + 1e-12);
    assert_int_equal(correlation_difference(&bootstrap, &q, &units, one, other, &e), STATUS_OK);
    assert_float_equal(e.value, -0.8333333 - 0.6324555, 1e-6);
}

/* Of codes of one category all pairs count as often as it does: resamples say the same, or nothing. Of two categories with two pairs each, and
 * one between them, a resample has the pairs of the one alone, of the other alone, or of both: the interval ends where the pairs of one
 * category do. spearmanr([.9, .1], [1, 2]) is -1, of ([.1, .9], [1, 2]) it is 1. */
static void intervals_of_a_rank_correlation_resample_whole_categories(void **state) {
    static struct code_pair pairs[] = {{0, 1, 1}, {0, 2, 2}, {3, 4, 1}, {3, 5, 2}, {2, 3, 4}};
    const double likeness[] = {0.9, 0.1, 0.1, 0.9, 0.5};
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm, .resamples = 200, .threads = 1};
    struct probe_question q = {.kind = QUESTION_DISTANCE, .n_queries = 6, .n_pairs = 5, .pairs = pairs};
    struct query_units one = {1, (const int32_t[]){0, 0, 0, 0, 0, 0}}, two = {2, (const int32_t[]){0, 0, 0, 1, 1, 1}};
    struct estimate e;
    (void)state;
    assert_int_equal(correlate_with_distance(&bootstrap, &q, &one, 1, likeness, &e), STATUS_OK);
    assert_float_equal(e.low, e.value, 1e-12);
    assert_float_equal(e.high, e.value, 1e-12);
    assert_int_equal(e.n, 1);
    assert_int_equal(correlate_with_distance(&bootstrap, &q, &two, 1, likeness, &e), STATUS_OK);
    assert_float_equal(e.low, -1, 1e-12);
    assert_float_equal(e.high, 1, 1e-12);
    assert_int_equal(e.n, 2);
}

/* ---- vectors ---- */
struct made {
    int64_t width;
    const float *rows;
};

static int read_made(void *self, int64_t first, int64_t count, float *rows) {
    const struct made *m = self;
    memcpy(rows, m->rows + first * m->width, (size_t)(count * m->width) * sizeof *rows);
    return STATUS_OK;
}

static void an_untrained_quantizer_of_codes_gives_each_of_them_its_own_row_first(void **state) {
    enum { N = 300, WIDTH = 4 };
    static float rows[N * WIDTH];
    static uint8_t used[N];
    struct region regions[N_GROUPS];
    struct made made = {WIDTH, rows};
    struct vector_source source = {.n = N, .width = WIDTH, .read = read_made, .self = &made, .used = used};
    struct untrained_quantizer q;
    struct device device;
    struct comm comm = comm_self();
    float sums[N_GROUPS * WIDTH];
    (void)state;
    for (int i = 0; i < N; i++) {
        used[i] = i > 0; /* code 0 has no vector and is not asked for */
        for (int c = 0; c < WIDTH; c++) rows[i * WIDTH + c] = i ? (float)sin(1.7 * i + 0.9 * c * i) : 0;
    }
    for (int g = 0; g < N_GROUPS; g++) regions[g] = (struct region){100 * g, 100 * g + (g == 1 ? 20 : 400)};
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(untrained_quantizer_make(&q, &comm, &device, &source, regions, 3, 0, 0, 5, ROWS_CODES), STATUS_OK);
    assert_int_equal(q.first[1], N - 1); /* more rows than codes: each is one */
    assert_int_equal(q.first[2] - q.first[1], 20);
    for (int i = 1; i < N; i++) {
        assert_int_equal(q.tokens[(i * N_GROUPS + 0) * 3], i - 1);
        float total = 0;
        for (int k = 0; k < 3; k++) total += q.weights[(i * N_GROUPS + 1) * 3 + k];
        assert_float_equal(total, 1, 1e-6);
        assert_in_range(q.tokens[(i * N_GROUPS + 1) * 3], 0, 19);
    }
    assert_int_equal(q.tokens[0], -1);
    /* the sum of rows by weight, as the formula says: softmax of minus the squared distance */
    double wanted = 0, norm = 0, weight[3], all = 0;
    for (int k = 0; k < 3; k++) {
        const float *row = q.rows + (int64_t)q.tokens[7 * N_GROUPS * 3 + k] * WIDTH;
        double distance = 0;
        for (int c = 0; c < WIDTH; c++) norm += k == 0 ? rows[7 * WIDTH + c] * rows[7 * WIDTH + c] : 0;
        for (int c = 0; c < WIDTH; c++) distance += pow(rows[7 * WIDTH + c] / sqrt(norm) - (double)row[c], 2);
        all += weight[k] = exp(-distance);
    }
    for (int k = 0; k < 3; k++) wanted += weight[k] / all * (double)q.rows[q.tokens[7 * N_GROUPS * 3 + k] * WIDTH];
    assert_int_equal(q.source.read(q.source.self, 7, 1, sums), STATUS_OK);
    assert_float_equal(sums[0], wanted, 1e-5);
    untrained_quantizer_free(&q);
    device_close(&device);
}

/* Every code is a row of some level: what the levels before it leave of it is that row, which explains the rest. */
static void an_untrained_residual_quantizer_of_all_codes_explains_each_wholly(void **state) {
    enum { N = 40, WIDTH = 12, LEVELS = 4 };
    static float rows[N * WIDTH];
    static uint8_t used[N];
    struct region regions[N_GROUPS];
    struct made made = {WIDTH, rows};
    struct vector_source source = {.n = N, .width = WIDTH, .read = read_made, .self = &made, .used = used};
    struct untrained_quantizer q;
    struct device device;
    struct comm comm = comm_self();
    float sums[N_GROUPS * WIDTH];
    (void)state;
    memset(used, 1, sizeof used); /* code 3 is asked for, but has no vector */
    for (int i = 0; i < N * WIDTH; i++)
        rows[i] = i / WIDTH == 3 ? 0 : (float)rng_normal(7, RNG_PROBE_ROWS, 0, (uint64_t)i);
    for (int g = 0; g < N_GROUPS; g++) regions[g] = (struct region){50 * g, 50 * g + 50};
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(untrained_quantizer_make(&q, &comm, &device, &source, regions, LEVELS, 1, 0, 5, ROWS_CODES),
                     STATUS_OK);
    assert_int_equal(q.first[1], N - 1);
    int whole = 0;
    for (int i = 0; i < N; i++) {
        double norm = 0, left = 0;
        assert_int_equal(q.source.read(q.source.self, i, 1, sums), STATUS_OK);
        for (int c = 0; c < WIDTH; c++) norm += (double)rows[i * WIDTH + c] * (double)rows[i * WIDTH + c];
        for (int c = 0; c < WIDTH; c++)
            left += pow((norm > 0 ? rows[i * WIDTH + c] / sqrt(norm) : 0) - (double)sums[c], 2);
        whole += left < 1e-8;
        for (int k = 0; k < LEVELS && i != 3; k++)
            assert_in_range(q.tokens[i * N_GROUPS * LEVELS + k], residual_level_first(0, N - 1, LEVELS, k),
                            residual_level_first(0, N - 1, LEVELS, k + 1) - 1);
    }
    assert_int_equal(whole, N);
    assert_int_equal(q.tokens[3 * N_GROUPS * LEVELS], -1);
    untrained_quantizer_free(&q);
    device_close(&device);
}

static void eigenvectors_give_the_matrix_back(void **state) {
    enum { N = 7 };
    double vectors[N * N], copy[N * N], values[N];
    (void)state;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) copy[i * N + j] = vectors[i * N + j] = cos(i * j + 1.0) + (i == j ? i : 0);
    assert_int_equal(symmetric_eigen(N, vectors, values), STATUS_OK);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0, dot = 0;
            for (int k = 0; k < N; k++) sum += values[k] * vectors[k * N + i] * vectors[k * N + j];
            for (int k = 0; k < N; k++) dot += vectors[i * N + k] * vectors[j * N + k];
            assert_float_equal(sum, copy[i * N + j], 1e-10);
            assert_float_equal(dot, i == j, 1e-10);
        }
    for (int k = 1; k < N; k++) assert_true(values[k - 1] >= values[k]);
    for (int k = 0; k < N; k++) {
        double least = 0, most = 0;
        for (int i = 0; i < N; i++) {
            least = fmin(least, vectors[k * N + i]);
            most = fmax(most, vectors[k * N + i]);
        }
        assert_true(most >= -least); /* which way an axis points is no matter of rounding */
    }
}

/* ---- categories ---- */
static void categories_and_classes_are_told_by_the_code(void **state) {
    static const struct {
        enum code_system system;
        const char *code, *category, *class[2];
    } CASES[] = {
        {SYSTEM_ICD10CM, "e11.65", "E11", {NULL}},         {SYSTEM_ICD10CM, "A00-A09", "", {NULL}},
        {SYSTEM_ICD9CM, "250.00", "250", {NULL}},          {SYSTEM_ICD9CM, "E850.1", "E850", {NULL}},
        {SYSTEM_ICD9PROC, "14.23", "14", {NULL}},          {SYSTEM_ICD10PCS, "02B54ZX", "02B", {"0", NULL}},
        {SYSTEM_ATC, "A10BA02", "A10BA", {"A", "A10"}},    {SYSTEM_ATC, "A", "", {"A", ""}},
        {SYSTEM_NDC, "0002-1200-01", "000021200", {NULL}}, {SYSTEM_RXNORM, "706898", "", {NULL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[CODE_FORM_BYTES];
        assert_int_equal(code_category(CASES[i].system, CASES[i].code, text), strlen(CASES[i].category));
        assert_string_equal(text, CASES[i].category);
        for (int k = 0; k < 2; k++) {
            const char *name = code_string_class(CASES[i].system, k, CASES[i].code, text);
            assert_true(!name == !CASES[i].class[k]);
            if (name) assert_string_equal(text, CASES[i].class[k]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_under_ties_is_the_mean_over_all_orders),
        cmocka_unit_test(the_class_of_most_neighbours_wins_and_of_equal_ones_the_nearest),
        cmocka_unit_test(the_nearest_are_kept_in_order_whatever_order_they_come_in),
        cmocka_unit_test(tokens_count_by_rank_then_group_and_absent_groups_do_not),
        cmocka_unit_test(what_is_known_and_what_shares_nothing_is_left_out_of_a_ranking),
        cmocka_unit_test(a_system_is_asked_only_if_its_codes_have_two_classes),
        cmocka_unit_test(as_many_classes_are_measured_as_there_are),
        cmocka_unit_test(an_untrained_quantizer_of_codes_gives_each_of_them_its_own_row_first),
        cmocka_unit_test(an_untrained_residual_quantizer_of_all_codes_explains_each_wholly),
        cmocka_unit_test(distances_go_over_the_lowest_common_ancestor),
        cmocka_unit_test(a_rank_correlation_is_spearmans_with_ties),
        cmocka_unit_test(intervals_of_a_rank_correlation_resample_whole_categories),
        cmocka_unit_test(eigenvectors_give_the_matrix_back),
        cmocka_unit_test(categories_and_classes_are_told_by_the_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
