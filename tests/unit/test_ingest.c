/* Reading tables, the knowledge graph, and growing subgraphs. */
#include <math.h>
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
#include "ingest/code_table.h"
#include "ingest/delimited.h"
#include "ingest/subgraph.h"

static char path[] = "/tmp/medtok-ingest-XXXXXX";

static int make_file(void **state) {
    (void)state;
    strcpy(path, "/tmp/medtok-ingest-XXXXXX");
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void write_text(const char *text) {
    FILE *file = fopen(path, "wb");
    fputs(text, file);
    fclose(file);
}

static void field_is(const struct delimited *r, int column, const char *wanted) {
    assert_int_equal(r->fields[column].size, strlen(wanted));
    assert_memory_equal(r->fields[column].text, wanted, strlen(wanted));
}

static void csv_follows_rfc_4180(void **state) {
    (void)state;
    struct delimited r;
    int more;
    write_text(
        "\xef\xbb\xbf"
        "a,b,c\r\n1,\"x, \"\"y\"\"\r\nz\",\r\n\r\n\"\",2,3");
    assert_int_equal(delimited_open(&r, path), STATUS_OK);
    assert_int_equal(delimited_column(&r, "a"), 0);
    assert_int_equal(delimited_column(&r, "d"), -1);
    assert_int_equal(delimited_next(&r, &more), STATUS_OK);
    field_is(&r, 0, "1");
    field_is(&r, 1, "x, \"y\"\r\nz");
    field_is(&r, 2, "");
    assert_int_equal(delimited_next(&r, &more), STATUS_OK);
    assert_int_equal(more, 1);
    assert_int_equal(r.row_line, 5); /* behind a row of two lines and a blank one */
    field_is(&r, 0, "");
    field_is(&r, 2, "3");
    assert_int_equal(delimited_next(&r, &more), STATUS_OK);
    assert_int_equal(more, 0);
    delimited_close(&r);
}

static void tsv_takes_quotes_as_they_are(void **state) {
    (void)state;
    struct delimited r;
    int more;
    write_text("a\tb\n\"x\ty\"\n");
    assert_int_equal(delimited_open(&r, path), STATUS_OK);
    assert_int_equal(delimited_next(&r, &more), STATUS_OK);
    field_is(&r, 0, "\"x");
    field_is(&r, 1, "y\"");
    delimited_close(&r);
}

static void rows_longer_than_the_buffer_are_read(void **state) {
    (void)state;
    struct delimited r;
    int more;
    enum { LONG = 3 << 20 };
    FILE *file = fopen(path, "wb");
    fputs("a,b\n", file);
    for (int row = 0; row < 2; row++) {
        fputc('"', file);
        for (int i = 0; i < LONG; i++) fputc(i % 50 ? 'x' : '\n', file);
        fprintf(file, "\",%d\n", row);
    }
    fclose(file);
    assert_int_equal(delimited_open(&r, path), STATUS_OK);
    for (int row = 0; row < 2; row++) {
        assert_int_equal(delimited_next(&r, &more), STATUS_OK);
        assert_int_equal(r.fields[0].size, LONG);
        field_is(&r, 1, row ? "1" : "0");
    }
    delimited_close(&r);
}

static void invalid_utf8_is_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {"\xff",     "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe2\x82", "\x80"};
    static const char *const GOOD[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbd"};
    char text[64];
    int more;
    for (int i = 0; i < 11; i++) {
        struct delimited r;
        snprintf(text, sizeof text, "a\tb\nabcdefghij\t%s\n", i < 7 ? BAD[i] : GOOD[i - 7]);
        write_text(text);
        assert_int_equal(delimited_open(&r, path), STATUS_OK);
        assert_int_equal(delimited_next(&r, &more), i < 7 ? STATUS_FAILED : STATUS_OK);
        if (i < 7) assert_non_null(strstr(status_message(), ":2: byte 12 of the row"));
        delimited_close(&r);
    }
}

static void code_tables_keep_order_and_clean_descriptions(void **state) {
    (void)state;
    char *files[] = {path};
    struct string_list list = {1, files};
    struct code_table t;
    write_text("code_system,desc,med_code,pkg_index_list\nicd10, Type 2\nDM ,E11.9,\"[4, 4, 7]\"\nx,,B,\n");
    assert_int_equal(code_table_read(&t, &list), STATUS_FAILED); /* the line break is not quoted */
    code_table_free(&t);
    write_text("code_system,desc,med_code,pkg_index_list\nicd10,\" Type 2\nDM \",E11.9,\"[4, 4, 7]\"\nMine,,B,\n");
    assert_int_equal(code_table_read(&t, &list), STATUS_OK);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.text + t.system[0], "ICD10CM");
    assert_string_equal(t.text + t.description[0], "Type 2 DM");
    assert_string_equal(t.text + t.system[1], "Mine");
    assert_string_equal(t.text + t.description[1], "B");
    assert_int_equal(t.node_offsets[1], 2);
    assert_int_equal(t.nodes[1], 7);
    assert_int_equal(t.n_repeated_nodes, 1);
    assert_int_equal(t.n_without_description, 1);
    assert_int_equal(code_table_check_nodes(&t, 8, "kg"), STATUS_OK);
    assert_int_equal(code_table_check_nodes(&t, 7, "kg"), STATUS_FAILED);
    code_table_free(&t);
}

static const char GRAPH[] =
    "x_index,display_relation,y_index\n"
    "0,a,1\n1,a,0\n0,b,1\n1,b,0\n1,a,2\n2,a,1\n2,c,5\n5,c,2\n0,a,1\n3,a,3\n6,a,4\n";

static void graph_drops_repeats_and_self_loops(void **state) {
    (void)state;
    struct knowledge_graph g;
    write_text(GRAPH);
    assert_int_equal(knowledge_graph_read(&g, path), STATUS_OK);
    assert_int_equal(g.n_nodes, 7);
    assert_int_equal(g.n_edges, 9);
    assert_int_equal(g.n_repeated, 1);
    assert_int_equal(g.n_self_loops, 1);
    assert_int_equal(g.n_one_way, 1);
    assert_int_equal(g.n_relations, 3);
    assert_string_equal(g.relation[2], "c");
    assert_int_equal(g.offsets[0], 0);
    assert_int_equal(g.offsets[1], 2); /* 0: to 1 by a and by b */
    assert_int_equal(g.edges[1].relation, 1);
    knowledge_graph_free(&g);
}

static void check_subgraph(const struct knowledge_graph *g, int64_t hops, int64_t most, const int32_t *listed,
                           int64_t n, const int32_t *wanted, int64_t n_wanted, int64_t n_edges) {
    struct subgraph_grower grower;
    struct subgraph s = {0};
    assert_int_equal(subgraph_grower_make(&grower, g, hops, most), STATUS_OK);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(subgraph_grow(&grower, listed, n, &s), STATUS_OK);
        assert_int_equal(s.n_nodes, n_wanted);
        if (n_wanted) assert_memory_equal(s.nodes, wanted, (size_t)n_wanted * sizeof *wanted);
        assert_int_equal(s.n_edges, n_edges);
        for (int64_t e = 1; e < s.n_edges; e++) assert_true(s.edges[e].target >= s.edges[e - 1].target);
    }
    subgraph_free(&s);
    subgraph_grower_free(&grower);
}

static void subgraphs_grow_hop_by_hop_in_ascending_order(void **state) {
    (void)state;
    struct knowledge_graph g;
    write_text(GRAPH);
    assert_int_equal(knowledge_graph_read(&g, path), STATUS_OK);
    check_subgraph(&g, 1, 64, (int32_t[]){2}, 1, (int32_t[]){2, 1, 5}, 3, 4);
    check_subgraph(&g, 2, 64, (int32_t[]){2}, 1, (int32_t[]){2, 1, 5, 0}, 4, 8);
    check_subgraph(&g, 2, 3, (int32_t[]){2}, 1, (int32_t[]){2, 1, 5}, 3, 4);
    check_subgraph(&g, 0, 1, (int32_t[]){5, 2, 0}, 3, (int32_t[]){5, 2, 0}, 3, 2);
    check_subgraph(&g, 1, 2, (int32_t[]){5, 2, 0}, 3, (int32_t[]){5, 2}, 2, 2);
    check_subgraph(&g, 1, 64, (int32_t[]){4}, 1, (int32_t[]){4, 6}, 2, 1); /* a one-way edge joins both ends */
    check_subgraph(&g, 1, 64, (int32_t[]){3}, 1, (int32_t[]){3}, 1, 0);
    check_subgraph(&g, 1, 64, NULL, 0, NULL, 0, 0);
    knowledge_graph_free(&g);
}

/* A star of 500 leaves: the hub has many more edges than the subgraph nodes, which takes the other way of finding edges. */
static void hubs_find_their_edges_too(void **state) {
    (void)state;
    struct knowledge_graph g;
    FILE *file = fopen(path, "wb");
    fputs("x_index,display_relation,y_index\n", file);
    for (int i = 1; i <= 500; i++) fprintf(file, "0,a,%d\n%d,a,0\n", i, i);
    fputs("0,b,3\n3,b,0\n", file);
    fclose(file);
    assert_int_equal(knowledge_graph_read(&g, path), STATUS_OK);
    check_subgraph(&g, 1, 5, (int32_t[]){0}, 1, (int32_t[]){0, 1, 2, 3, 4}, 5, 10);
    knowledge_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(csv_follows_rfc_4180, make_file, remove_file),
        cmocka_unit_test_setup_teardown(tsv_takes_quotes_as_they_are, make_file, remove_file),
        cmocka_unit_test_setup_teardown(rows_longer_than_the_buffer_are_read, make_file, remove_file),
        cmocka_unit_test_setup_teardown(invalid_utf8_is_refused, make_file, remove_file),
        cmocka_unit_test_setup_teardown(code_tables_keep_order_and_clean_descriptions, make_file, remove_file),
        cmocka_unit_test_setup_teardown(graph_drops_repeats_and_self_loops, make_file, remove_file),
        cmocka_unit_test_setup_teardown(subgraphs_grow_hop_by_hop_in_ascending_order, make_file, remove_file),
        cmocka_unit_test_setup_teardown(hubs_find_their_edges_too, make_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
