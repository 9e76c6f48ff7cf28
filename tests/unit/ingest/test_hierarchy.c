/* What stands above codes as nodes and edges of their subgraphs: each expected by hand. */
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
#include "ingest/vocabulary_builder.h"

enum { TEXT = 1024 };

static char folder[] = "/tmp/medtok-hierarchy-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/medtok-hierarchy-XXXXXX");
    return !mkdtemp(folder) || chdir(folder);
}

static int remove_folder(void **state) {
    static const char *const FILES[] = {"codes.tsv", "kg.csv",      "ndc.tsv", "chapters.tsv",
                                        "ccs.tsv",   "removed.tsv", "base.h5"};
    (void)state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) unlink(FILES[i]);
    return chdir("/") || rmdir(folder);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Nodes 1 - 3 and 2 - 3, both ways. */
static void write_graph(void) {
    write_text("kg.csv", "display_relation,x_index,y_index\nr,1,3\nr,3,1\nq,2,3\nq,3,2\n");
}

static char *code_files[] = {"codes.tsv"};
static const struct string_list CODE_TABLES = {1, code_files};
static const struct description_options DESCRIPTIONS = {0};

/* known: the vocabulary that new codes follow; NULL: none. */
static int build_behind(struct vocabulary_builder *b, const struct subgraph_options *options, const char *graph,
                        const char *known) {
    static struct comm comm;
    comm = comm_self();
    *b = (struct vocabulary_builder){.comm = &comm,
                                     .subgraphs = options,
                                     .descriptions = &DESCRIPTIONS,
                                     .code_tables = &CODE_TABLES,
                                     .graph_path = graph,
                                     .known_path = known};
    TRY(vocabulary_builder_read_graph(b));
    TRY(vocabulary_builder_read_codes(b));
    return vocabulary_builder_grow_subgraphs(b);
}

static int build(struct vocabulary_builder *b, const struct subgraph_options *options) {
    return build_behind(b, options, "kg.csv", NULL);
}

static struct subgraph_options options_with(enum graph_hierarchy hierarchy, int64_t hops, int n_parents,
                                            char **parents) {
    return (struct subgraph_options){.hops = hops,
                                     .max_nodes = 64,
                                     .remove = "",
                                     .removed = "",
                                     .hierarchy = hierarchy,
                                     .parents = {n_parents, parents}};
}

static void append_node(const struct vocabulary *v, int64_t i, int index, char *text) {
    int32_t node = v->nodes[v->node_offsets[i] + index];
    int64_t above = node - vocabulary_graph_nodes(v);
    size_t used = strlen(text);
    if (above < 0)
        snprintf(text + used, TEXT - used, "%d", node);
    else
        snprintf(text + used, TEXT - used, "%s", v->hierarchy + above * v->hierarchy_bytes);
}

/* "NODE NODE | SOURCE>TARGET RELATION, ..." with the edges from a node to one behind it; the others must be their reverse. */
static void describe(const struct vocabulary *v, int64_t i, char text[TEXT]) {
    int64_t n_forward = 0, n_back = 0;
    text[0] = 0;
    for (int64_t k = v->node_offsets[i]; k < v->node_offsets[i + 1]; k++) {
        if (text[0]) strcat(text, " ");
        append_node(v, i, (int)(k - v->node_offsets[i]), text);
    }
    strcat(text, " |");
    for (int64_t e = v->edge_offsets[i]; e < v->edge_offsets[i + 1]; e++) {
        n_forward += v->edge_source[e] < v->edge_target[e];
        n_back += v->edge_source[e] > v->edge_target[e];
        if (e > v->edge_offsets[i]) assert_true(v->edge_target[e] >= v->edge_target[e - 1]);
        if (v->edge_source[e] > v->edge_target[e]) continue;
        strcat(text, n_forward > 1 ? ", " : " ");
        append_node(v, i, v->edge_source[e], text);
        strcat(text, ">");
        append_node(v, i, v->edge_target[e], text);
        size_t used = strlen(text);
        snprintf(text + used, TEXT - used, " %s", v->relation + v->edge_relation[e] * v->relation_bytes);
    }
    assert_int_equal(n_forward, n_back);
}

static void code_is(const struct vocabulary *v, int64_t i, int n_listed, const char *wanted) {
    char text[TEXT];
    describe(v, i, text);
    assert_string_equal(text, wanted);
    assert_int_equal(v->n_listed[i], n_listed);
}

/* A node of the hierarchy is called by its code's description, if the table has the code, else by its name; code: the one that has. */
static void nodes_are_called(const struct vocabulary *v, const char *code, const char *description) {
    int n_described = 0;
    for (int64_t i = 0; i < v->n_hierarchy; i++) {
        const char *name = v->hierarchy + i * v->hierarchy_bytes;
        int is_code = strcmp(name, code) == 0;
        const char *wanted = is_code ? description : name;
        const int64_t *offset = v->node_name_offsets + vocabulary_graph_nodes(v) + i;
        assert_int_equal(offset[1] - offset[0], strlen(wanted));
        assert_memory_equal(v->node_name + offset[0], wanted, strlen(wanted));
        n_described += is_code;
    }
    assert_int_equal(n_described, 1);
}

static const char CODES[] =
    "system\tcode\tdescription\tnodes\n"
    "ICD10CM\tE11.65\ta\t\n"
    "ICD10CM\tE11\tb\t3;1\n"
    "ICD10CM\tE11.69\tc\t2\n"
    "ICD10PCS\t00800ZZ\td\t\n"
    "ATC\tA10BA02\te\t\n"
    "ICD9CM\t250.00\tf\t3;1\n"
    "HCPCS\tA1\tg\t\n";

static void what_stands_above_a_code_is_in_its_subgraph_up_to_the_top(void **state) {
    (void)state;
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_YES, 0, 0, NULL);
    const struct vocabulary *v = &b.vocabulary;
    write_graph();
    write_text("codes.tsv", CODES);
    assert_int_equal(build(&b, &options), STATUS_OK);
    assert_int_equal(vocabulary_graph_nodes(v), 4);
    assert_int_equal(v->n_hierarchy, 14); /* E11, E116; six beginnings of 00800ZZ; A10BA, A10B, A10, A; 2500, 250 */
    assert_int_equal(v->n_nodes, 18);
    assert_int_equal(v->n_relations, 4);
    code_is(v, 0, 0, "ICD10CM/E116 ICD10CM/E11 | ICD10CM/E116>ICD10CM/E11 is a");
    /* A code that others stand below has a node of its own, to which what it lists is joined. */
    code_is(v, 1, 2, "3 1 ICD10CM/E11 | 3>1 r, 3>ICD10CM/E11 refers to, 1>ICD10CM/E11 refers to");
    code_is(v, 2, 1, "2 ICD10CM/E116 ICD10CM/E11 | ICD10CM/E116>ICD10CM/E11 is a");
    code_is(v, 3, 0,
            "ICD10PCS/00800Z ICD10PCS/00800 ICD10PCS/0080 ICD10PCS/008 ICD10PCS/00 ICD10PCS/0 | "
            "ICD10PCS/00800Z>ICD10PCS/00800 is a, ICD10PCS/00800>ICD10PCS/0080 is a, "
            "ICD10PCS/0080>ICD10PCS/008 is a, ICD10PCS/008>ICD10PCS/00 is a, ICD10PCS/00>ICD10PCS/0 is a");
    code_is(v, 4, 0,
            "ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA>ATC/A10B is a, ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    /* The node list of E11: its graph is taken over, its hierarchy is not. */
    code_is(v, 5, 2, "3 1 ICD9CM/2500 ICD9CM/250 | 3>1 r, ICD9CM/2500>ICD9CM/250 is a");
    code_is(v, 6, 0, " |");
    nodes_are_called(v, "ICD10CM/E11", "b");
    vocabulary_builder_free(&b);
}

static void without_a_hierarchy_subgraphs_are_those_of_the_graph(void **state) {
    (void)state;
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_NO, 0, 0, NULL);
    write_graph();
    write_text("codes.tsv", CODES);
    assert_int_equal(build(&b, &options), STATUS_OK);
    assert_int_equal(b.vocabulary.n_nodes, 4);
    assert_int_equal(b.vocabulary.n_hierarchy, 0);
    assert_int_equal(b.vocabulary.n_relations, 2);
    code_is(&b.vocabulary, 0, 0, " |");
    code_is(&b.vocabulary, 1, 2, "3 1 | 3>1 r");
    code_is(&b.vocabulary, 5, 2, "3 1 | 3>1 r");
    vocabulary_builder_free(&b);
}

/* E11.65 lists nothing: it takes what E11 lists, which is joined to E11's node. E11.69 lists a node and keeps to it. */
static void a_code_that_lists_nothing_inherits_what_the_nearest_above_it_lists(void **state) {
    (void)state;
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_INHERIT, 0, 0, NULL);
    write_graph();
    write_text("codes.tsv", CODES);
    assert_int_equal(build(&b, &options), STATUS_OK);
    code_is(&b.vocabulary, 0, 2,
            "3 1 ICD10CM/E116 ICD10CM/E11 | 3>1 r, 3>ICD10CM/E11 refers to, 1>ICD10CM/E11 refers to, "
            "ICD10CM/E116>ICD10CM/E11 is a");
    code_is(&b.vocabulary, 2, 1, "2 ICD10CM/E116 ICD10CM/E11 | ICD10CM/E116>ICD10CM/E11 is a");
    code_is(&b.vocabulary, 4, 0,
            "ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA>ATC/A10B is a, ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    vocabulary_builder_free(&b);
}

static void tables_of_the_user_tell_more_parents(void **state) {
    (void)state;
    static char *parents[] = {"ndc.tsv", "chapters.tsv", "ccs.tsv"};
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_YES, 0, 3, parents);
    const struct vocabulary *v = &b.vocabulary;
    write_graph();
    write_text("ndc.tsv", "ndc\tatc\n00002120001\tA10BA02\n");
    write_text("chapters.tsv", "code_start\tcode_end\nA00\tB99\nE00\tE89\n");
    write_text("ccs.tsv", "icd9cm\tccs_desc\n25000\tDiabetes\n25001\tDiabetes\n");
    write_text("codes.tsv",
               "system\tcode\tdescription\nICD10CM\tE11.6\ta\nICD10CM\tE10\tb\nATC\tA10BA02\tc\n"
               "NDC\t00002-1200-01\td\nICD9CM\t250.00\te\nICD9CM\t250.01\tf\n");
    assert_int_equal(build(&b, &options), STATUS_OK);
    /* The chapter stands above the uppermost alone. */
    code_is(v, 0, 0, "ICD10CM/E11 ICD10CM/E00-E89 | ICD10CM/E11>ICD10CM/E00-E89 is a");
    code_is(v, 1, 0, "ICD10CM/E00-E89 |");
    code_is(v, 2, 0,
            "ATC/A10BA02 ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA02>ATC/A10BA is a, ATC/A10BA>ATC/A10B is a, "
            "ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    /* Of a package both what the map gives it and its product, of which the map knows as much. */
    code_is(v, 3, 0,
            "ATC/A10BA02 NDC/00002-1200 ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA02>NDC/00002-1200 is a, "
            "ATC/A10BA02>ATC/A10BA is a, ATC/A10BA>ATC/A10B is a, ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    code_is(v, 4, 0, "ICD9CM/2500 CCS/diabetes ICD9CM/250 | ICD9CM/2500>ICD9CM/250 is a");
    code_is(v, 5, 0, "ICD9CM/2500 CCS/diabetes ICD9CM/250 | ICD9CM/2500>ICD9CM/250 is a");
    vocabulary_builder_free(&b);
}

static void maps_that_go_in_a_circle_end(void **state) {
    (void)state;
    static char *parents[] = {"ndc.tsv"};
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_YES, 0, 1, parents);
    write_graph();
    write_text("ndc.tsv", "from_system,from_code,to_system,to_code\nX,1,X,2\nX,2,X,1\nX,1,X,1\n");
    write_text("codes.tsv", "system\tcode\tdescription\nX\t1\ta\nX\t2\tb\n");
    assert_int_equal(build(&b, &options), STATUS_OK);
    code_is(&b.vocabulary, 0, 0, "X/1 X/2 | X/1>X/2 is a"); /* each stands above the other */
    code_is(&b.vocabulary, 1, 0, "X/2 X/1 | X/2>X/1 is a");
    vocabulary_builder_free(&b);
}

/* Codes of both ends hang below one parent, and one inherits; the edge 2 - 3 is removed and must be in no subgraph. */
static void removed_edges_do_not_come_back_through_the_hierarchy(void **state) {
    (void)state;
    struct vocabulary_builder b;
    struct subgraph_options options = options_with(HIERARCHY_INHERIT, 1, 0, NULL);
    const struct vocabulary *v = &b.vocabulary;
    options.remove = "q";
    options.remove_share = 1;
    options.removed = "removed.tsv";
    write_graph();
    write_text("codes.tsv",
               "system\tcode\tdescription\tnodes\nICD10CM\tE11\ta\t3;2\nICD10CM\tE11.6\tb\t2\n"
               "ICD10CM\tE11.65\tc\t\n");
    assert_int_equal(build(&b, &options), STATUS_OK);
    assert_int_equal(b.removed.n, 1);
    code_is(v, 0, 2, "3 2 1 ICD10CM/E11 | 3>1 r, 3>ICD10CM/E11 refers to, 2>ICD10CM/E11 refers to");
    code_is(v, 1, 1, "2 ICD10CM/E116 ICD10CM/E11 | 2>ICD10CM/E116 refers to, ICD10CM/E116>ICD10CM/E11 is a");
    code_is(v, 2, 1, "2 ICD10CM/E116 ICD10CM/E11 | 2>ICD10CM/E116 refers to, ICD10CM/E116>ICD10CM/E11 is a");
    vocabulary_builder_free(&b);
}

/* Codes that a model was not trained on: they have no nodes but the model's, and inherit from its codes, without the graph's file. */
static void new_codes_have_the_nodes_of_the_vocabulary_before(void **state) {
    (void)state;
    struct vocabulary_builder base, b;
    struct subgraph_options options = options_with(HIERARCHY_INHERIT, 0, 0, NULL);
    struct provenance provenance = {.job = "prepare", .config = ""};
    struct comm comm = comm_self();
    provenance_finish(&provenance, KIND_VOCABULARY);
    write_graph();
    write_text("codes.tsv", CODES);
    assert_int_equal(build(&base, &options), STATUS_OK);
    assert_int_equal(vocabulary_write(&comm, "base.h5", &base.vocabulary, &provenance), STATUS_OK);
    write_text("codes.tsv", "system\tcode\tdescription\nATC\tA10BA05\ta\nICD10CM\tE11.621\tb\nICD10CM\tE12.1\tc\n");
    assert_int_equal(build_behind(&b, &options, "", "base.h5"), STATUS_OK);
    const struct vocabulary *v = &b.vocabulary;
    assert_int_equal(v->n_nodes, base.vocabulary.n_nodes);
    assert_int_equal(v->n_hierarchy, base.vocabulary.n_hierarchy);
    assert_int_equal(v->n_relations, base.vocabulary.n_relations);
    assert_memory_equal(v->hierarchy, base.vocabulary.hierarchy,
                        (size_t)(v->n_hierarchy * base.vocabulary.hierarchy_bytes));
    code_is(v, 0, 0,
            "ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA>ATC/A10B is a, ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    /* The model has no E11.62, but E11.6, and E11 with what it lists. */
    code_is(v, 1, 2,
            "3 1 ICD10CM/E116 ICD10CM/E11 | 3>1 r, 3>ICD10CM/E11 refers to, 1>ICD10CM/E11 refers to, "
            "ICD10CM/E116>ICD10CM/E11 is a");
    code_is(v, 2, 0, " |"); /* nothing that stands above it was known */
    vocabulary_builder_free(&b);
    vocabulary_builder_free(&base);
}

/* The table of classes is of another system than the new codes: an error of a training's codes alone. */
static void new_codes_need_no_class_in_a_table_of_another_system(void **state) {
    (void)state;
    struct vocabulary_builder base, b;
    static char *parents[] = {"ccs.tsv"};
    struct subgraph_options options = options_with(HIERARCHY_YES, 0, 1, parents);
    struct provenance provenance = {.job = "prepare", .config = ""};
    struct comm comm = comm_self();
    provenance_finish(&provenance, KIND_VOCABULARY);
    write_graph();
    write_text("ccs.tsv", "icd10cm\tccs_desc\nE11\tdiabetes\n");
    write_text("codes.tsv", CODES);
    assert_int_equal(build(&base, &options), STATUS_OK);
    assert_int_equal(vocabulary_write(&comm, "base.h5", &base.vocabulary, &provenance), STATUS_OK);
    write_text("codes.tsv", "system\tcode\tdescription\nATC\tA10BA05\ta\n");
    assert_int_equal(build_behind(&b, &options, "", "base.h5"), STATUS_OK);
    code_is(&b.vocabulary, 0, 0,
            "ATC/A10BA ATC/A10B ATC/A10 ATC/A | ATC/A10BA>ATC/A10B is a, ATC/A10B>ATC/A10 is a, ATC/A10>ATC/A is a");
    vocabulary_builder_free(&b);
    assert_int_equal(build(&b, &options), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "gives no code"));
    vocabulary_builder_free(&b);
    vocabulary_builder_free(&base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_stands_above_a_code_is_in_its_subgraph_up_to_the_top, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(without_a_hierarchy_subgraphs_are_those_of_the_graph, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_code_that_lists_nothing_inherits_what_the_nearest_above_it_lists, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(tables_of_the_user_tell_more_parents, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(maps_that_go_in_a_circle_end, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(new_codes_have_the_nodes_of_the_vocabulary_before, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(new_codes_need_no_class_in_a_table_of_another_system, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(removed_edges_do_not_come_back_through_the_hierarchy, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
