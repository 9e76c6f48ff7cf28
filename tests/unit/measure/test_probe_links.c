/* What training's graph had of the answers that probe asks for: removed edges and those that stay, nodes in common, what stands above. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/probe_links.h"

/* ---- removed edges ---- */
/* Codes 0 to 4 list nodes {0}, {1}, {2}, {1, 0}, {3}. Removed: 0 - 1 and 0 - 2; an edge 0 - 3 stays, in the subgraph of code 0. */
static void a_code_is_asked_for_the_other_end_and_not_for_what_the_graph_links(void **state) {
    static int32_t nodes[] = {0, 3, 1, 2, 1, 0, 3}, n_listed[] = {1, 1, 1, 2, 1};
    static int64_t node_offsets[] = {0, 2, 3, 4, 6, 7}, edge_offsets[] = {0, 1, 1, 1, 1, 1};
    static uint16_t source[] = {0}, target[] = {1};
    static const struct probe_link LINKS[] = {{0, 1}, {0, 2}};
    static const struct link_ends ENDS = {"indication", "drug", "disease"};
    struct vocabulary v = {.n_codes = 5,
                           .n_listed = n_listed,
                           .node_offsets = node_offsets,
                           .nodes = nodes,
                           .edge_offsets = edge_offsets,
                           .edge_source = source,
                           .edge_target = target};
    struct probe_codes codes = {.n = 5};
    struct question_list questions = {0};
    (void)state;
    assert_int_equal(code_links_make(&codes.links, 5, 4), STATUS_OK);
    assert_int_equal(code_links_add(&codes.links, &v), STATUS_OK);
    assert_int_equal(code_links_finish(&codes.links), STATUS_OK);
    assert_int_equal(probe_questions_of_links(&codes, &ENDS, 2, LINKS, 100, 0, &questions), STATUS_OK);
    assert_int_equal(questions.n, 4); /* no answer is still linked */
    const struct probe_question *q = &questions.items[0];
    assert_string_equal(q->name, "indication, drug to disease");
    assert_int_equal(q->n_candidates, 3); /* those that list 1 or 2 */
    assert_int_equal(q->n_queries, 2);    /* those that list 0 */
    assert_int_equal(q->queries[0], 0);
    assert_int_equal(q->queries[1], 3);
    assert_int_equal(q->targets.offsets[1], 2); /* 1 and 2; not 3, which lists 0 too */
    assert_int_equal(q->targets.codes[0], 1);
    assert_int_equal(q->targets.codes[1], 2);
    assert_int_equal(q->known.offsets[1], 1);
    assert_int_equal(q->known.codes[0], 3);
    assert_int_equal(q->targets.offsets[2] - q->targets.offsets[1], 1);
    assert_int_equal(q->targets.codes[q->targets.offsets[1]], 2); /* of 3: 1 shares a node with it */
    assert_string_equal(questions.items[1].name, "indication, disease to drug");
    assert_string_equal(questions.items[2].name, "indication, drug to disease, a node in common");
    assert_int_equal(questions.items[2].targets.codes[0], 3);
    question_list_free(&questions);
    code_links_free(&codes.links);
}

/* Codes 0 to 66 list nodes {0}, {1, 2}, {1}, and one node each from 3 on. Removed is 0 - 1 alone; 0 - 2 and edges from 0 to 64 other nodes stay,
 * in the subgraph of code 0: node 0 is a popular one, which links no wrong answer, and yet training saw that 0 - 2 joins codes 0 and 1. */
static void an_answer_that_another_edge_joins_is_asked_apart(void **state) {
    enum { OTHERS = LINK_MOST_NEIGHBOURS, N = 3 + OTHERS, N_NODES = 3 + OTHERS };
    static int32_t nodes[N_NODES + N], n_listed[N];
    static int64_t node_offsets[N + 1], edge_offsets[N + 1];
    static uint16_t source[OTHERS + 1], target[OTHERS + 1];
    static const struct probe_link LINKS[] = {{0, 1}};
    static const struct link_ends ENDS = {"indication", "drug", "disease"};
    struct vocabulary v = {.n_codes = N,
                           .n_listed = n_listed,
                           .node_offsets = node_offsets,
                           .nodes = nodes,
                           .edge_offsets = edge_offsets,
                           .edge_source = source,
                           .edge_target = target};
    struct probe_codes codes = {.n = N};
    struct question_list questions = {0};
    double seen;
    int n = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        n_listed[i] = i == 1 ? 2 : 1;
        nodes[n++] = i < 3 ? i > 0 : i;
        if (i == 1) nodes[n++] = 2;
        for (int other = 2; i == 0 && other < N_NODES; other++) {
            source[other - 2] = 0;
            target[other - 2] = (uint16_t)n;
            nodes[n++] = other;
        }
        node_offsets[i + 1] = n;
        edge_offsets[i + 1] = OTHERS + 1;
    }
    assert_int_equal(code_links_make(&codes.links, N, N_NODES), STATUS_OK);
    assert_int_equal(code_links_add(&codes.links, &v), STATUS_OK);
    assert_int_equal(code_links_finish(&codes.links), STATUS_OK);
    assert_true(code_links_join(&codes.links, 0, 1) && code_links_join(&codes.links, 1, 0));
    assert_false(code_links_join(&codes.links, 0, 2));
    assert_int_equal(probe_questions_of_links(&codes, &ENDS, 1, LINKS, 100, 0, &questions), STATUS_OK);
    assert_int_equal(questions.n, 4); /* two directions of code 2, which 0 - 1 alone joined, and of code 1 */
    for (int still = 0; still < 2; still++) {
        const struct probe_question *q = &questions.items[2 * still];
        assert_string_equal(q->name,
                            still ? "indication, drug to disease, still linked" : "indication, drug to disease");
        assert_int_equal(q->n_queries, 1);
        assert_int_equal(q->targets.offsets[1], 1);
        assert_int_equal(q->targets.codes[0], still ? 1 : 2);
        assert_int_equal(q->known.offsets[1], 1); /* the other is no wrong answer */
        assert_int_equal(q->known.codes[0], still ? 2 : 1);
        assert_int_equal(probe_question_seen(&codes, q, NULL, &seen), STATUS_OK);
        assert_float_equal(seen, still, 0);
    }
    question_list_free(&questions);
    code_links_free(&codes.links);
}

/* Codes 0 to 4 stand below nodes {6, 7}, {7}, {8}, {8}, {} of a hierarchy behind the graph's nodes 0 to 5, and list {0}, {1}, {2}, {3}, {3}; an edge
 * joins 0 and 2. */
static void what_stands_below_the_same_node_is_seen(void **state) {
    enum { N = 5 };
    static int32_t nodes[] = {0, 6, 7, 2, 1, 7, 2, 8, 3, 8, 3}, n_listed[] = {1, 1, 1, 1, 1},
                   category[] = {0, 1, 2, 3, 4};
    static int32_t queries[] = {0, 1, 2, 3, 4}, target[] = {1, 2, 3, 4, 0}, class_of[] = {5, 5, 6, 7, 7};
    static int64_t node_offsets[] = {0, 4, 6, 8, 10, 11}, edge_offsets[] = {0, 1, 1, 1, 1, 1},
                   of_query[] = {0, 1, 2, 3, 4, 5};
    static uint16_t from[] = {0}, to[] = {3};
    static uint8_t candidates[] = {1, 1, 1, 1, 1};
    static struct code_pair pairs[] = {{0, 1, 1}, {1, 2, 1}, {0, 2, 1}, {3, 4, 1}};
    struct vocabulary v = {.n_codes = N,
                           .n_nodes = 9,
                           .n_hierarchy = 3,
                           .n_listed = n_listed,
                           .node_offsets = node_offsets,
                           .nodes = nodes,
                           .edge_offsets = edge_offsets,
                           .edge_source = from,
                           .edge_target = to};
    struct probe_question
        rank = {.kind = QUESTION_RANK, .n_queries = N, .queries = queries, .targets = {of_query, target, 0}},
        nearest = {.kind = QUESTION_NEAREST, .n_queries = N, .queries = queries, .is_candidate = candidates},
        distance = {.kind = QUESTION_DISTANCE, .n_queries = N, .queries = queries, .n_pairs = 4, .pairs = pairs};
    (void)state;
    for (int hierarchy = 0; hierarchy < 2; hierarchy++) {
        struct probe_codes codes = {.n = N, .category = category};
        double seen;
        v.n_hierarchy = hierarchy ? 3 : 0;
        assert_int_equal(code_links_make(&codes.links, N, 6), STATUS_OK);
        assert_int_equal(code_links_add(&codes.links, &v), STATUS_OK);
        assert_int_equal(code_links_finish(&codes.links), STATUS_OK);
        assert_int_equal(code_ancestors_make(&codes.ancestors, N, &v), STATUS_OK);
        assert_int_equal(code_ancestors_add(&codes.ancestors, &v), STATUS_OK);
        assert_int_equal(code_ancestors_finish(&codes.ancestors), STATUS_OK);
        assert_int_equal(probe_question_seen(&codes, &rank, NULL, &seen), STATUS_OK);
        assert_float_equal(seen, hierarchy ? 3 / 5.0 : 1 / 5.0,
                           1e-12); /* 3 - 4 by their node; 0 - 1 and 2 - 3 by what is above */
        assert_int_equal(probe_question_seen(&codes, &nearest, class_of, &seen), STATUS_OK);
        assert_float_equal(seen, hierarchy ? 4 / 5.0 : 2 / 5.0, 1e-12); /* 3, 4; 0, 1; 2 has no other of its class */
        assert_int_equal(probe_question_seen(&codes, &distance, NULL, &seen), STATUS_OK);
        assert_float_equal(seen, hierarchy ? 3 / 4.0 : 2 / 4.0,
                           1e-12); /* 0 - 2 by an edge, 3 - 4 by their node; 0 - 1 */
        code_links_free(&codes.links);
        code_ancestors_free(&codes.ancestors);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_is_asked_for_the_other_end_and_not_for_what_the_graph_links),
        cmocka_unit_test(an_answer_that_another_edge_joins_is_asked_apart),
        cmocka_unit_test(what_stands_below_the_same_node_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
