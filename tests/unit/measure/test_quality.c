/* Parents of codes, and each quality measure on arrays small enough to calculate by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/neighbours.h"
#include "measure/quality.h"
#include "terms/code_hierarchy.h"

/* ---- parents ---- */
static void parents_are_those_that_the_string_tells(void **state) {
    (void)state;
    static const struct {
        const char *system, *code, *parent;
    } CASES[] = {
        {"ICD10CM", "E11.65", "E11.6"},
        {"ICD-10-CM", "E11.6", "E11"},
        {"icd10", "E1165", "E116"},
        {"icd10cm", "E116", "E11"},
        {"ICD10CM", "E11", ""},
        {"ICD10CM", "S72.001A", "S72.001"},
        {"ICD10CM", "A00-A09", ""},
        {"ICD10CM", "E11.", ""},
        {"ICD9CM", "250.00", "250.0"},
        {"ICD-9-CM", "250.0", "250"},
        {"icd9", "25000", "2500"},
        {"ICD9CM", "250", ""},
        {"ICD9CM", "E850.1", "E850"},
        {"ICD9CM", "E8501", "E850"},
        {"ICD9CM", "E850", ""},
        {"ICD9CM", "V10.0", "V10"},
        {"ICD9PROC", "14.23", "14.2"},
        {"ICD9PROC", "14.2", "14"},
        {"ICD9PROC", "142", "14"},
        {"ICD9PROC", "14", ""},
        {"ICD10PCS", "02B54ZX", "02B54Z"},
        {"icd10_pcs", "02B54Z", ""},
        {"ATC", "A10BA02", "A10BA"},
        {"atc", "A10BA", "A10B"},
        {"ATC", "A10B", "A10"},
        {"ATC", "A10", "A"},
        {"ATC", "A", ""},
        {"ATC", "A10BA0", ""},
        {"NDC", "00002-2024-02", "00002-2024"},
        {"NDC", "00002202402", ""},
        {"RxNorm", "706898", ""},
        {"HCPCS", "A6402", ""},
        {"SNOMED", "44054006", ""},
        {"ICD10C", "E11.65", ""},
        {"ICD10CMX", "E11.65", ""},
        {"", "E11.65", ""},
        {"ICD10CM", "", ""},
    };
    char parent[32];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int n = code_parent(CASES[i].system, CASES[i].code, parent, sizeof parent);
        if (strcmp(parent, CASES[i].parent) != 0) print_message("%s:%s\n", CASES[i].system, CASES[i].code);
        assert_string_equal(parent, CASES[i].parent);
        assert_int_equal(n, strlen(CASES[i].parent));
    }
    assert_int_equal(code_parent("ATC", "A10BA02", parent, 5), 0); /* no room: none, rather than a part */
    assert_string_equal(parent, "");
}

/* ---- bootstrap ---- */
static struct comm self;

static struct bootstrap bootstrap_of(int threads) {
    self = comm_self();
    return (struct bootstrap){.comm = &self, .seed = 5, .resamples = 1000, .threads = threads};
}

static void the_interval_of_a_mean_is_that_of_the_normal_distribution(void **state) {
    (void)state;
    enum { N = 400 };
    struct bootstrap b = bootstrap_of(2), one = bootstrap_of(1);
    struct estimate e[4], again[4];
    double a[N], c[N];
    for (int i = 0; i < N; i++) a[i] = i % 2, c[i] = 0.25;
    assert_int_equal(bootstrap_compare(&b, 0, N, a, c, e), STATUS_OK);
    assert_true(e[0].value == 0.5 && e[1].value == 0.25 && e[2].value == 0.25 && e[3].value == 2 && e[0].n == N);
    /* 1.96 sqrt(0.25 / 400) = 0.049; the percentiles of 1000 resamples are good to a tenth of that. */
    assert_true(fabs(e[0].high - 0.549) < 0.005 && fabs(e[0].low - 0.451) < 0.005);
    assert_true(e[1].low == 0.25 && e[1].high == 0.25); /* what does not vary has no width */
    assert_true(fabs(e[3].high - 2.196) < 0.02);
    assert_int_equal(bootstrap_compare(&one, 0, N, a, c, again), STATUS_OK);
    assert_memory_equal(e, again, sizeof e); /* whatever the number of threads */
    assert_int_equal(bootstrap_compare(&b, 1, N, a, c, again), STATUS_OK);
    assert_true(again[0].high != e[0].high); /* another stream */
    assert_int_equal(bootstrap_compare(&b, 0, 0, a, c, e), STATUS_OK);
    assert_int_equal(e[0].n, 0);
    for (int i = 0; i < N; i++) c[i] = 0;
    assert_int_equal(bootstrap_compare(&b, 0, N, a, c, e), STATUS_OK);
    assert_true(e[2].n == N && e[3].n == 0); /* no ratio to nothing */
}

/* ---- measures of tokens: K = 2, 12 rows, regions [0,4), [8,12) and all ---- */
static struct quality measure(int64_t n, const int32_t *tokens, uint64_t *system, uint64_t *parent, uint64_t *text) {
    struct bootstrap b = bootstrap_of(1);
    struct quality q;
    struct code_keys keys = {n, system, text, parent};
    struct quality_tokens t = {n, 2, 12, {{0, 4}, {8, 12}, {0, 12}, {0, 12}}, tokens};
    assert_int_equal(quality_measure_tokens(&q, &b, &t, &keys), STATUS_OK);
    assert_int_equal(quality_measure_neighbours(&q, &b, 0, NULL), STATUS_OK);
    return q;
}

static void value_is(const struct quality *q, int m, double value) {
    const struct estimate *e = &q->measures[m];
    if (!(fabs(e->value - value) < 1e-4)) print_message("measure %d is %g, not %g\n", m, e->value, value);
    assert_true(e->n > 0 && fabs(e->value - value) < 1e-4);
    assert_true(e->low <= e->value + 1e-12 && e->value <= e->high + 1e-12); /* but for the rounding of sums */
}

/* Codes 0 and 1 have the same sets in another order, code 2 has no graph, code 3 differs on the graph's side. */
static const int32_t FOUR[4 * 4 * 2] = {0, 1, 8,  9,  0, 5, 5,  0,  1, 0, 9, 8,  5, 0, 0, 5,
                                        0, 2, -1, -1, 3, 4, -1, -1, 0, 1, 8, 10, 0, 5, 6, 7};

static void usage_and_entropy_are_those_of_the_picks(void **state) {
    (void)state;
    uint64_t system[4] = {1, 1, 1, 1}, parent[4] = {0}, text[4] = {1, 2, 3, 4};
    struct quality q = measure(4, FOUR, system, parent, text);
    value_is(&q, QUALITY_USAGE_TEXT, 3.0 / 4);    /* rows 0, 1, 2 */
    value_is(&q, QUALITY_USAGE_GRAPH, 3.0 / 4);   /* rows 8, 9, 10 */
    value_is(&q, QUALITY_USAGE_SHARED, 6.0 / 12); /* rows 0, 3, 4, 5, 6, 7 */
    /* bits: text 4/8, 3/8, 1/8; graph 3/6, 2/6, 1/6; shared-text 3/8, 3/8, 1/8, 1/8; shared-graph 2/6, 2/6, 1/6, 1/6 */
    value_is(&q, QUALITY_ENTROPY + TEXT_SPECIFIC, 1.40564);
    value_is(&q, QUALITY_ENTROPY + GRAPH_SPECIFIC, 1.45915);
    value_is(&q, QUALITY_ENTROPY + SHARED_TEXT, 1.81128);
    value_is(&q, QUALITY_ENTROPY + SHARED_GRAPH, 1.91830);
    value_is(&q, QUALITY_PERPLEXITY_TEXT, pow(2, 1.405639));
    value_is(&q, QUALITY_PERPLEXITY_GRAPH, pow(2, 1.459148));
    value_is(&q, QUALITY_PERPLEXITY_SHARED, pow(2, 2.148835)); /* both: 5, 5, 1, 1, 1, 1 of 14 */
    assert_int_equal(q.measures[QUALITY_USAGE_TEXT].n, 4);
    assert_int_equal(q.measures[QUALITY_USAGE_GRAPH].n, 3);
    assert_int_equal(q.measures[QUALITY_ENTROPY + SHARED_GRAPH].n, 3);
}

static void duplicates_have_the_same_sets_in_any_order(void **state) {
    (void)state;
    uint64_t system[4] = {1, 1, 1, 1}, parent[4] = {0}, text[4] = {1, 2, 3, 4}, same[4] = {1, 1, 3, 4};
    struct quality q = measure(4, FOUR, system, parent, text);
    value_is(&q, QUALITY_DUPLICATES, 0.5);
    value_is(&q, QUALITY_DUPLICATES_OTHER_TEXT, 0.5);
    value_is(&q, QUALITY_DISTINCT_SETS, 3);
    q = measure(4, FOUR, system, parent, same);
    value_is(&q, QUALITY_DUPLICATES, 0.5);
    value_is(&q, QUALITY_DUPLICATES_OTHER_TEXT, 0);
}

static void siblings_are_compared_within_their_system(void **state) {
    (void)state;
    uint64_t system[4] = {1, 2, 1, 2}, parent[4] = {7, 0, 7, 0}, text[4] = {1, 2, 3, 4};
    struct quality q = measure(4, FOUR, system, parent, text);
    /* Codes 0 and 2, the only ones of system 1: of 3 + 2 + 4 + 2 tokens in the four unions one is in both sets. */
    value_is(&q, QUALITY_SIBLING_OVERLAP, 1.0 / 11);
    value_is(&q, QUALITY_SIBLING_RANDOM, 1.0 / 11);
    value_is(&q, QUALITY_SIBLING_DIFFERENCE, 0);
    value_is(&q, QUALITY_SIBLING_RATIO, 1);
    assert_int_equal(q.measures[QUALITY_SIBLING_OVERLAP].n, 2);
    parent[1] = parent[3] = 8; /* codes 1 and 3: 2 + 1 + 2 + 0 of 2 + 3 + 2 + 4 */
    q = measure(4, FOUR, system, parent, text);
    value_is(&q, QUALITY_SIBLING_OVERLAP, (1.0 / 11 + 5.0 / 11) / 2);
    for (int i = 0; i < 4; i++) parent[i] = (uint64_t)i + 1;
    q = measure(4, FOUR, system, parent, text);
    assert_int_equal(q.measures[QUALITY_SIBLING_OVERLAP].n, 0);
}

static void random_pairs_are_drawn_from_the_whole_system(void **state) {
    (void)state;
    enum { N = 240 }; /* two kinds of codes without a common token; siblings are of the same kind */
    int32_t tokens[N * 8];
    uint64_t system[N], parent[N], text[N];
    for (int i = 0; i < N; i++) {
        memcpy(tokens + 8 * i, (int32_t[2][8]){{0, 1, 8, 9, 0, 1, 2, 3}, {2, 3, 10, 11, 4, 5, 6, 7}}[i % 2],
               8 * sizeof *tokens);
        system[i] = 1;
        parent[i] = 1 + (uint64_t)(i % 2 + i / 24 * 2);
        text[i] = 1;
    }
    struct quality q = measure(N, tokens, system, parent, text);
    value_is(&q, QUALITY_SIBLING_OVERLAP, 1);
    /* 119 of 239 others are of the same kind; three standard deviations of the mean of 240 draws are 0.097. */
    assert_true(fabs(q.measures[QUALITY_SIBLING_RANDOM].value - 119.0 / 239) < 0.097);
}

static void sides_agree_by_shared_tokens(void **state) {
    (void)state;
    static const int32_t TWO[2 * 4 * 2] = {0, 1, 8, 9, 0, 5, 0, 6, 0, 1, 8, 9, 6, 1, 5, 2};
    uint64_t system[2] = {1, 1}, parent[2] = {0}, text[2] = {1, 1};
    struct quality q = measure(2, TWO, system, parent, text);
    value_is(&q, QUALITY_CROSS_MODAL_OWN, 1.0 / 6);   /* {0,5} with {0,6}: 1/3; {6,1} with {5,2}: 0 */
    value_is(&q, QUALITY_CROSS_MODAL_OTHER, 1.0 / 3); /* {0,5} with {5,2}, {6,1} with {0,6} */
    value_is(&q, QUALITY_CROSS_MODAL_DIFFERENCE, -1.0 / 6);
    value_is(&q, QUALITY_CROSS_MODAL_RATIO, 0.5);
}

static void measures_without_a_graph_are_said_to_be_missing(void **state) {
    (void)state;
    static const int32_t TEXT[2 * 4 * 2] = {0, 1, -1, -1, 0, 5, -1, -1, 0, 1, -1, -1, 6, 1, -1, -1};
    uint64_t system[2] = {1, 1}, parent[2] = {0}, text[2] = {1, 1};
    struct quality q = measure(2, TEXT, system, parent, text);
    static const int MISSING[] = {QUALITY_USAGE_GRAPH,     QUALITY_PERPLEXITY_GRAPH, QUALITY_ENTROPY + SHARED_GRAPH,
                                  QUALITY_CROSS_MODAL_OWN, QUALITY_SIBLING_OVERLAP,  QUALITY_NEIGHBOUR_RECALL};
    for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++) assert_int_equal(q.measures[MISSING[i]].n, 0);
    value_is(&q, QUALITY_USAGE_SHARED, 4.0 / 12);
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    struct json j = json_begin(out, 0);
    json_object(&j, NULL);
    quality_write_json(&j, &q);
    json_end(&j);
    fclose(out);
    assert_non_null(strstr(json, "\"usage_graph\": {\"value\": null, \"reason\""));
    assert_non_null(strstr(json, "\"usage_shared\": {\"value\": 0.333333333, \"low\""));
    free(json);
}

/* ---- links ---- */
/* One code with `listed` of its nodes[n] listed, and one edge (-1: none) between two nodes. */
static void add_code(struct code_links *l, int32_t listed, int64_t n, int32_t *nodes, int source, int target) {
    uint16_t from = (uint16_t)source, to = (uint16_t)target;
    uint8_t relation = 0;
    struct vocabulary v = {.n_codes = 1,
                           .n_listed = &listed,
                           .node_offsets = (int64_t[]){0, n},
                           .nodes = nodes,
                           .edge_offsets = (int64_t[]){0, source >= 0},
                           .edge_source = &from,
                           .edge_target = &to,
                           .edge_relation = &relation};
    assert_int_equal(code_links_add(l, &v), STATUS_OK);
}

static void codes_are_linked_by_a_node_or_an_edge(void **state) {
    (void)state;
    struct code_links l;
    int64_t mark[6] = {0};
    assert_int_equal(code_links_make(&l, 6, 10), STATUS_OK);
    add_code(&l, 1, 2, (int32_t[]){1, 3}, 1, 0);
    add_code(&l, 2, 2, (int32_t[]){1, 2}, -1, -1);
    add_code(&l, 1, 1, (int32_t[]){3}, -1, -1);
    add_code(&l, 1, 2, (int32_t[]){4, 6}, 0, 1); /* nobody lists node 6 */
    add_code(&l, 0, 0, NULL, -1, -1);
    add_code(&l, 1, 3, (int32_t[]){5, 4, 1}, 1, 2); /* 4 and 1 are joined, but this code lists neither */
    assert_int_equal(code_links_finish(&l), STATUS_OK);
    assert_int_equal(code_links_mark(&l, 0, mark), 2);
    assert_true(mark[1] == 1 && mark[2] == 1 && mark[0] == 0);
    assert_int_equal(code_links_mark(&l, 2, mark), 2); /* the edge that code 0 knows, from its other end */
    assert_true(mark[0] == 3 && mark[1] == 3);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(code_links_any(&l, i), i < 3);
        if (i >= 3) assert_int_equal(code_links_mark(&l, i, mark), 0);
    }
    code_links_free(&l);
}

static void popular_nodes_link_nothing(void **state) {
    (void)state;
    for (int extra = 0; extra <= 1; extra++) {
        struct code_links l;
        int n = LINK_MOST_CODES + extra;
        assert_int_equal(code_links_make(&l, n, 1), STATUS_OK);
        for (int i = 0; i < n; i++) add_code(&l, 1, 1, (int32_t[]){0}, -1, -1);
        assert_int_equal(code_links_finish(&l), STATUS_OK);
        int64_t mark[LINK_MOST_CODES + 1] = {0};
        assert_int_equal(code_links_mark(&l, 7, mark), extra ? 0 : n - 1);
        assert_int_equal(code_links_any(&l, 7), !extra);
        code_links_free(&l);

        n = LINK_MOST_NEIGHBOURS + extra; /* neighbours 1 .. n of node 0 */
        assert_int_equal(code_links_make(&l, n + 1, n + 1), STATUS_OK);
        add_code(&l, 1, 1, (int32_t[]){0}, -1, -1);
        for (int i = 1; i <= n; i++) add_code(&l, 1, 2, (int32_t[]){i, 0}, 0, 1);
        assert_int_equal(code_links_finish(&l), STATUS_OK);
        memset(mark, 0, sizeof mark);
        assert_int_equal(code_links_mark(&l, 0, mark), extra ? 0 : n);
        assert_int_equal(code_links_any(&l, 1), !extra);
        code_links_free(&l);
    }
}

/* ---- neighbours ---- */
static int read_rows(void *self, int64_t first, int64_t count, float *rows) {
    memcpy(rows, (const float *)self + 2 * first, (size_t)(2 * count) * sizeof *rows);
    return STATUS_OK;
}

static void recall_is_over_the_fifty_nearest_others(void **state) {
    (void)state;
    enum { N = 52 }; /* code i points at 0.01 i radians, so that code 51 alone is not among the 50 nearest to code 0 */
    struct device device;
    struct code_links links;
    static float rows[N][2];
    static uint8_t all[N];
    const int32_t queries[1] = {0};
    struct vector_source source = {.n = N, .width = 2, .read = read_rows, .self = rows};
    struct neighbour_question question = {1, N, queries, all};
    struct neighbour_recall recall;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(code_links_make(&links, N, 2), STATUS_OK);
    for (int i = 0; i < N; i++) {
        all[i] = 1;
        rows[i][0] = (float)((1 + i % 3) * cos(0.01 * i)); /* lengths do not matter */
        rows[i][1] = (float)((1 + i % 3) * sin(0.01 * i));
        if (i == 51) /* 0 and 50 list one node, to which an edge joins that of 51 */
            add_code(&links, 1, 2, (int32_t[]){0, 1}, 0, 1);
        else
            add_code(&links, i == 0 || i == 50, 1, (int32_t[]){1}, -1, -1);
    }
    assert_int_equal(code_links_finish(&links), STATUS_OK);
    self = comm_self();
    assert_int_equal(neighbours_recall(&self, &device, &source, &question, &links, &recall), STATUS_OK);
    assert_true(recall.found[LINKS_ALL] == 0.5 && fabs(recall.chance[LINKS_ALL] - 50.0 / 51) < 1e-12);
    assert_true(recall.found[LINKS_SAME_NODE] == 1 && fabs(recall.chance[LINKS_SAME_NODE] - 50.0 / 51) < 1e-12);
    assert_true(recall.found[LINKS_EDGE] == 0 && fabs(recall.chance[LINKS_EDGE] - 50.0 / 51) < 1e-12);
    code_links_free(&links);
    device_close(&device);
}

static void queries_are_linked_codes(void **state) {
    (void)state;
    struct code_links links;
    int32_t *all, *some, *others;
    int64_t n;
    assert_int_equal(code_links_make(&links, 100, 1), STATUS_OK);
    for (int i = 0; i < 100; i++) add_code(&links, i % 2, 1, (int32_t[]){0}, -1, -1);
    assert_int_equal(code_links_finish(&links), STATUS_OK);
    assert_int_equal(neighbour_queries(&links, 1, 1000, &all, &n), STATUS_OK);
    assert_int_equal(n, 50);
    for (int i = 0; i < 50; i++) assert_int_equal(all[i], 2 * i + 1);
    assert_int_equal(neighbour_queries(&links, 1, 10, &some, &n), STATUS_OK);
    assert_int_equal(n, 10);
    for (int i = 0; i < 10; i++) assert_true(some[i] % 2 == 1 && (i == 0 || some[i] > some[i - 1]));
    assert_int_equal(neighbour_queries(&links, 2, 10, &others, &n), STATUS_OK);
    assert_memory_not_equal(some, others, 10 * sizeof *some);
    free(all);
    free(some);
    free(others);
    code_links_free(&links);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_are_those_that_the_string_tells),
        cmocka_unit_test(the_interval_of_a_mean_is_that_of_the_normal_distribution),
        cmocka_unit_test(usage_and_entropy_are_those_of_the_picks),
        cmocka_unit_test(duplicates_have_the_same_sets_in_any_order),
        cmocka_unit_test(siblings_are_compared_within_their_system),
        cmocka_unit_test(random_pairs_are_drawn_from_the_whole_system),
        cmocka_unit_test(sides_agree_by_shared_tokens),
        cmocka_unit_test(measures_without_a_graph_are_said_to_be_missing),
        cmocka_unit_test(codes_are_linked_by_a_node_or_an_edge),
        cmocka_unit_test(popular_nodes_link_nothing),
        cmocka_unit_test(recall_is_over_the_fifty_nearest_others),
        cmocka_unit_test(queries_are_linked_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
