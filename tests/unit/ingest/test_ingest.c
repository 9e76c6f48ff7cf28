/* Reading tables, the knowledge graph, and growing subgraphs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

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

static const struct comm SELF = {.size = 1, .local_size = 1};

static void code_tables_keep_order_and_clean_descriptions(void **state) {
    (void)state;
    char *files[] = {path};
    struct string_list list = {1, files};
    struct code_table t;
    write_text("code_system,desc,med_code,pkg_index_list\nicd10, Type 2\nDM ,E11.9,\"[4, 4, 7]\"\nx,,B,\n");
    assert_int_equal(code_table_read(&t, &SELF, &list), STATUS_FAILED); /* the line break is not quoted */
    code_table_free(&t);
    write_text("code_system,desc,med_code,pkg_index_list\nicd10,\" Type 2\nDM \",E11.9,\"[4, 4, 7]\"\nMine,,B,\n");
    assert_int_equal(code_table_read(&t, &SELF, &list), STATUS_OK);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.text + t.system[0], "ICD10CM");
    assert_string_equal(t.text + t.description[0], "Type 2 DM");
    assert_string_equal(t.text + t.system[1], "Mine");
    assert_string_equal(t.text + t.description[1], "B");
    assert_int_equal(t.node_offsets[1], 2);
    assert_int_equal(t.nodes[1], 7);
    assert_int_equal(t.n_repeated_nodes, 1);
    assert_int_equal(t.n_without_description, 1);
    uint64_t identity[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    struct knowledge_graph graph = {.n_nodes = 8, .identities = {.of = identity, .n = 8}};
    assert_int_equal(code_table_check_nodes(&t, &graph, "kg"), STATUS_OK);
    assert_int_equal(t.n_in_gaps, 1); /* node 4 is in a gap */
    graph.n_nodes = 7;
    assert_int_equal(code_table_check_nodes(&t, &graph, "kg"), STATUS_FAILED);
    code_table_free(&t);
}

static void names_of_columns_have_no_case_and_nodes_may_lack(void **state) {
    (void)state;
    char *files[] = {path};
    struct string_list list = {1, files};
    struct code_table t;
    write_text("Description\tCODE\tcode\tSystem\nx\tA\tB\tMine\n");
    assert_int_equal(code_table_read(&t, &SELF, &list), STATUS_OK);
    assert_string_equal(t.text + t.code[0], "B"); /* spelled exactly so */
    assert_int_equal(t.node_offsets[1], 0);
    code_table_free(&t);
    write_text("MED_CODE\tDESC\tCode_System\tPKG_INDEX_LIST\nA\tx\tMine\t3 4\n");
    assert_int_equal(code_table_read(&t, &SELF, &list), STATUS_OK);
    assert_int_equal(t.node_offsets[1], 2);
    code_table_free(&t);
}

static void two_spellings_of_a_code_are_listed_twice(void **state) {
    (void)state;
    static const struct {
        const char *rows, *message; /* NULL: two codes */
    } CASES[] = {
        {"ICD10CM\tE11.9\tx\nICD10CM\tE119\ty\nICD10CM\te11.9\tz\n",
         ":3: ICD10CM:E119 is listed twice; first at /tmp/medtok-ingest-"},
        {"ICD10CM\tE11.9\tx\nICD10CM\tE119\ty\nICD10CM\te11.9\tz\n", ":2, spelled E11.9; 1 more are like it"},
        {"NDC\t0002-1200-01\tx\nndc\t00002120001\ty\n", ":2, spelled 0002-1200-01"},
        {"NDC\t0002-1200-01\tx\nNDC\t0002120001\ty\nNDC\t0002-1200\ty\n", NULL},
        {"ICD9CM\t428.0\tx\nICD9PROC\t42.80\ty\n", NULL},
        {"ICD10CM\tA00-A09\tx\nICD10CM\tA00\ty\n", NULL},
        {"READ\tXE0Uc\tx\nREAD\tXE0UC\ty\n", NULL},
        {"Mine\t1\tx\nMINE\t1\ty\n", ":3: MINE:1 is listed twice"},
    };
    char *files[] = {path}, text[256];
    struct string_list list = {1, files};
    struct code_table t;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        snprintf(text, sizeof text, "system\tcode\tdescription\n%s", CASES[i].rows);
        write_text(text);
        assert_int_equal(code_table_read(&t, &SELF, &list), CASES[i].message ? STATUS_FAILED : STATUS_OK);
        if (CASES[i].message && !strstr(status_message(), CASES[i].message))
            fail_msg("\"%s\" does not say \"%s\"", status_message(), CASES[i].message);
        code_table_free(&t);
    }
}

/* ---- gzip ---- */
/* Appends a gzip member of `text`, without its last `cut` bytes. */
static void add_member(FILE *file, const char *text, int cut) {
    unsigned char bytes[256];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = bytes;
    z.avail_out = sizeof bytes;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    fwrite(bytes, 1, sizeof bytes - z.avail_out - (size_t)cut, file);
    deflateEnd(&z);
}

static void gzip_files_are_read_to_their_end_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *behind; /* bytes behind two members */
        int n, cut;
        const char *message; /* NULL: good */
    } CASES[] = {
        {"", 0, 0, NULL},
        {"\0\0\0\0", 4, 0, NULL}, /* padding */
        {"x", 1, 0, "the gzip data end at byte"},
        {"\0x", 2, 0, "the gzip data end at byte"},
        {"\x1f", 1, 0, "truncated gzip"},
        {"\x1fx and more", 11, 0, "damaged gzip file (member 3"},
        {"", 0, 1, "truncated gzip"},
        {"", 0, 9, "truncated gzip"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct delimited r;
        int more = 1, n = 0, status;
        FILE *file = fopen(path, "wb");
        add_member(file, "a\tb\n1\t2\n3\t", 0);
        add_member(file, "4\n", CASES[i].cut);
        fwrite(CASES[i].behind, 1, (size_t)CASES[i].n, file);
        fclose(file);
        status = delimited_open(&r, path);
        while (status == STATUS_OK && (status = delimited_next(&r, &more)) == STATUS_OK && more) n++;
        delimited_close(&r);
        assert_int_equal(status, CASES[i].message ? STATUS_FAILED : STATUS_OK);
        if (!CASES[i].message) assert_int_equal(n, 2);
        if (CASES[i].message && !strstr(status_message(), CASES[i].message))
            fail_msg("\"%s\" does not say \"%s\"", status_message(), CASES[i].message);
    }
}

static void pipes_and_devices_are_refused_unopened(void **state) {
    (void)state;
    struct delimited r;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it would wait for a writer */
    alarm(60);
    assert_int_equal(delimited_open(&r, path), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "is a pipe"));
    delimited_close(&r);
    assert_int_equal(delimited_open(&r, "/dev/zero"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "is a device"));
    delimited_close(&r);
    alarm(0);
}

static const char GRAPH[] =
    "x_index,display_relation,y_index\n"
    "0,a,1\n1,a,0\n0,b,1\n1,b,0\n1,a,2\n2,a,1\n2,c,5\n5,c,2\n0,a,1\n3,a,3\n6,a,4\n";

static void graph_drops_repeats_and_self_loops(void **state) {
    (void)state;
    struct knowledge_graph g;
    write_text(GRAPH);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    assert_int_equal(g.n_nodes, 7);
    assert_int_equal(g.n_edges, 9);
    assert_int_equal(g.n_repeated, 1);
    assert_int_equal(g.n_self_loops, 1);
    assert_int_equal(g.n_one_way, 1);
    assert_int_equal(g.n_relations, 3);
    assert_string_equal(g.relation[2], "c");
    assert_int_equal(g.out.offsets[0], 0);
    assert_int_equal(g.out.offsets[1], 2); /* 0: to 1 by a and by b */
    assert_int_equal(g.out.relation[1], 1);
    knowledge_graph_free(&g);
}

/* A node whose index is beyond all gaps of the rows until then, and which no later row names again. */
static void nodes_with_large_indices_in_the_first_rows_are_identified(void **state) {
    (void)state;
    enum { N = 3000, LARGE = 300000 };
    struct knowledge_graph g;
    FILE *file = fopen(path, "wb");
    fputs("x_index,x_id,relation,y_index,y_id\n", file);
    fprintf(file, "%d,large,a,0,n0\n", LARGE);
    for (int i = 0; i < N; i++) fprintf(file, "%d,n%d,a,%d,n%d\n", i, i, i + 1, i + 1);
    fclose(file);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    assert_int_equal(g.identities.n, LARGE + 1);
    for (int i = 0; i <= LARGE; i++) assert_int_equal(g.identities.of[i] != 0, i <= N || i == LARGE);
    assert_true(g.identities.of[LARGE] != g.identities.of[0]);
    knowledge_graph_free(&g);
}

static void check_name(const struct knowledge_graph *g, int node, const char *wanted) {
    const struct node_name *name = &g->identities.name[node];
    assert_int_equal(name->size, strlen(wanted));
    if (name->size > 0) assert_memory_equal(g->identities.names + name->at, wanted, strlen(wanted));
}

/* As it first stands there; without one the id; nothing without either, and in a gap. */
static void nodes_are_called_by_name_or_id(void **state) {
    (void)state;
    enum { LARGE = 270000 }; /* beyond all gaps until the last row is read */
    struct knowledge_graph g;
    FILE *file = fopen(path, "wb");
    fprintf(file, "x_index,x_id,x_name,relation,y_index,y_id,y_name\n%d,n9,aspirin,a,0,n0,\"heart, failing\"\n", LARGE);
    fputs("0,n0,another,a,1,n1,\n3,,,a,1,n1,late\n", file);
    for (int i = 0; i < 3000; i++) fprintf(file, "%d,n%d,,a,0,n0,\n", 10 + i, 10 + i);
    fclose(file);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    check_name(&g, 0, "heart, failing");
    check_name(&g, 1, "n1");
    check_name(&g, 2, "");
    check_name(&g, 3, "");
    check_name(&g, 12, "n12");
    check_name(&g, LARGE, "aspirin");
    knowledge_graph_free(&g);
}

/* 40 pairs of nodes joined by drug_protein, shown as two relations, and by another one. */
static void write_pairs(void) {
    FILE *file = fopen(path, "wb");
    fprintf(file, "relation,display_relation,x_index,x_type,y_index,y_type\n");
    for (int i = 0; i < 40; i++)
        for (int way = 0; way < 2; way++) {
            int x = way ? 50 + i : i, y = way ? i : 50 + i;
            const char *x_type = way ? "protein" : "drug", *y_type = way ? "drug" : "protein";
            fprintf(file, "drug_protein,%s,%d,%s,%d,%s\n", i % 2 ? "target" : "enzyme", x, x_type, y, y_type);
            fprintf(file, "drug_protein,binds,%d,%s,%d,%s\nother,other,%d,%s,%d,%s\n", x, x_type, y, y_type, x, x_type,
                    y, y_type);
        }
    fclose(file);
}

static int joined(const struct knowledge_graph *g, int32_t x, int32_t y, const char *relation) {
    for (int64_t e = g->out.offsets[x]; e < g->out.offsets[x + 1]; e++)
        if (g->out.node[e] == y && strcmp(g->relation[g->out.relation[e]], relation) == 0) return 1;
    return 0;
}

static void removed_edges_go_both_ways_under_all_their_names_and_others_stay(void **state) {
    (void)state;
    struct knowledge_graph g;
    struct removed_edges removed, other, again;
    char file[] = "/tmp/medtok-removed-XXXXXX";
    close(mkstemp(file));
    write_pairs();
    assert_int_equal(removed_edges_begin(&removed, "drug_protein", 0.3, 1), STATUS_OK);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, &removed), STATUS_OK);
    assert_in_range(removed.n, 4, 24); /* 12 of 40, with a deviation of 2.9 */
    assert_int_equal(g.n_edges, 40 * 6 - removed.n * 4);
    assert_int_equal(g.n_nodes, 90);
    for (long long i = 0; i < removed.n; i++) {
        int32_t x = removed.edges[i].x, y = removed.edges[i].y;
        assert_int_equal(y, x + 50); /* each once, all in one direction */
        assert_true(!joined(&g, x, y, "binds") && !joined(&g, y, x, "binds"));
        assert_true(!joined(&g, x, y, x % 2 ? "target" : "enzyme"));
        assert_true(joined(&g, x, y, "other") && joined(&g, y, x, "other"));
    }
    knowledge_graph_free(&g);
    assert_int_equal(removed_edges_write(&removed, file), STATUS_OK);
    assert_int_equal(removed_edges_read(&again, file), STATUS_OK);
    assert_int_equal(again.n, removed.n);
    for (long long i = 0; i < removed.n; i++)
        assert_true(again.edges[i].x == removed.edges[i].x && again.edges[i].y == removed.edges[i].y);
    assert_int_equal(again.types.n, 2);
    assert_int_equal(removed_edges_begin(&other, "drug_protein", 0.3, 2), STATUS_OK);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, &other), STATUS_OK);
    int differs = other.n != removed.n;
    for (long long i = 0; i < other.n && !differs; i++) differs = other.edges[i].x != removed.edges[i].x;
    assert_true(differs);
    knowledge_graph_free(&g);
    removed_edges_free(&removed);
    removed_edges_free(&other);
    removed_edges_free(&again);
    remove(file);
}

static void a_relation_that_is_not_there_cannot_be_removed(void **state) {
    (void)state;
    struct knowledge_graph g;
    struct removed_edges removed;
    write_pairs();
    assert_int_equal(removed_edges_begin(&removed, "target, no such", 0.5, 1), STATUS_OK);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, &removed), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "graph.remove names no such, but no row of"));
    knowledge_graph_free(&g);
    removed_edges_free(&removed);
}

/* Two nodes and one at `largest`: 16 times the three named, and 2^18, are allowed. */
static void an_index_far_beyond_the_nodes_is_refused(void **state) {
    (void)state;
    static const int64_t LARGEST[] = {47 + (1 << 18), 48 + (1 << 18), INT32_MAX - 1};
    for (int i = 0; i < 3; i++) {
        struct knowledge_graph g;
        FILE *file = fopen(path, "wb");
        fprintf(file, "x_index,relation,y_index\n0,a,1\n%lld,a,0\n1,a,0\n", (long long)LARGEST[i]);
        fclose(file);
        assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), i == 0 ? STATUS_OK : STATUS_FAILED);
        if (i == 0) {
            assert_int_equal(g.n_nodes, LARGEST[0] + 1);
            assert_true(g.identities.of[0] && g.identities.of[1] && !g.identities.of[2] && g.identities.of[LARGEST[0]]);
        } else {
            assert_non_null(strstr(status_message(), ":3: x_index is "));
            assert_non_null(strstr(status_message(), "far beyond the 3 nodes"));
        }
        knowledge_graph_free(&g);
    }
}

/* More nodes than the table of them begins with. */
static void many_nodes_are_all_named(void **state) {
    (void)state;
    enum { N = 5000 };
    struct knowledge_graph g;
    FILE *file = fopen(path, "wb");
    fputs("x_index,relation,y_index\n", file);
    for (int i = 0; i < N; i++) fprintf(file, "%d,a,%d\n", 2 * i, 2 * ((i + 7) % N));
    fclose(file);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    assert_int_equal(g.n_nodes, 2 * N - 1);
    for (int i = 0; i < g.n_nodes; i++) assert_int_equal(g.identities.of[i] != 0, i % 2 == 0);
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

static void subgraphs_grow_hop_by_hop(void **state) {
    (void)state;
    struct knowledge_graph g;
    write_text(GRAPH);
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    check_subgraph(&g, 1, 64, (int32_t[]){2}, 1, (int32_t[]){2, 5, 1}, 3, 4);
    check_subgraph(&g, 2, 64, (int32_t[]){2}, 1, (int32_t[]){2, 5, 1, 0}, 4, 8);
    check_subgraph(&g, 2, 3, (int32_t[]){2}, 1, (int32_t[]){2, 5, 1}, 3, 4);
    check_subgraph(&g, 0, 1, (int32_t[]){5, 2, 0}, 3, (int32_t[]){5, 2, 0}, 3, 2);
    check_subgraph(&g, 1, 2, (int32_t[]){5, 2, 0}, 3, (int32_t[]){5, 2}, 2, 2);
    check_subgraph(&g, 1, 64, (int32_t[]){4}, 1, (int32_t[]){4, 6}, 2, 1); /* a one-way edge joins both ends */
    check_subgraph(&g, 1, 64, (int32_t[]){3}, 1, (int32_t[]){3}, 1, 0);
    check_subgraph(&g, 1, 64, NULL, 0, NULL, 0, 0);
    knowledge_graph_free(&g);
}

/* From 0 and 1, by one hop: 7 and 8 are joined to both, 2 to 6 to one; of equals the one of fewer edges, then the smaller index. */
static void beyond_the_cut_are_the_neighbours_that_say_least_of_the_code(void **state) {
    (void)state;
    struct knowledge_graph g;
    write_text(
        "x_index,relation,y_index\n0,r,2\n0,r,3\n1,r,4\n1,r,5\n5,s,1\n1,r,6\n0,r,7\n1,r,7\n0,r,8\n1,r,8\n0,s,8\n"
        "2,r,9\n3,r,9\n3,r,10\n6,r,9\n7,r,9\n7,r,10\n7,r,11\n");
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    /* edges: 8 three, 7 five; 4 one; 2, 5 and 6 two; 3 three */
    check_subgraph(&g, 1, 64, (int32_t[]){0, 1}, 2, (int32_t[]){0, 1, 8, 7, 4, 2, 5, 6, 3}, 9, 11);
    check_subgraph(&g, 1, 6, (int32_t[]){0, 1}, 2, (int32_t[]){0, 1, 8, 7, 4, 2}, 6, 7);
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
    assert_int_equal(knowledge_graph_read(&g, &SELF, path, NULL), STATUS_OK);
    check_subgraph(&g, 1, 5, (int32_t[]){0, 3}, 2, (int32_t[]){0, 3, 1, 2, 4}, 5, 10);
    knowledge_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(csv_follows_rfc_4180, make_file, remove_file),
        cmocka_unit_test_setup_teardown(tsv_takes_quotes_as_they_are, make_file, remove_file),
        cmocka_unit_test_setup_teardown(rows_longer_than_the_buffer_are_read, make_file, remove_file),
        cmocka_unit_test_setup_teardown(invalid_utf8_is_refused, make_file, remove_file),
        cmocka_unit_test_setup_teardown(code_tables_keep_order_and_clean_descriptions, make_file, remove_file),
        cmocka_unit_test_setup_teardown(names_of_columns_have_no_case_and_nodes_may_lack, make_file, remove_file),
        cmocka_unit_test_setup_teardown(two_spellings_of_a_code_are_listed_twice, make_file, remove_file),
        cmocka_unit_test_setup_teardown(gzip_files_are_read_to_their_end_or_refused, make_file, remove_file),
        cmocka_unit_test_setup_teardown(pipes_and_devices_are_refused_unopened, make_file, remove_file),
        cmocka_unit_test_setup_teardown(an_index_far_beyond_the_nodes_is_refused, make_file, remove_file),
        cmocka_unit_test_setup_teardown(many_nodes_are_all_named, make_file, remove_file),
        cmocka_unit_test_setup_teardown(removed_edges_go_both_ways_under_all_their_names_and_others_stay, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(a_relation_that_is_not_there_cannot_be_removed, make_file, remove_file),
        cmocka_unit_test_setup_teardown(beyond_the_cut_are_the_neighbours_that_say_least_of_the_code, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(graph_drops_repeats_and_self_loops, make_file, remove_file),
        cmocka_unit_test_setup_teardown(nodes_with_large_indices_in_the_first_rows_are_identified, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(nodes_are_called_by_name_or_id, make_file, remove_file),
        cmocka_unit_test_setup_teardown(subgraphs_grow_hop_by_hop, make_file, remove_file),
        cmocka_unit_test_setup_teardown(hubs_find_their_edges_too, make_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
