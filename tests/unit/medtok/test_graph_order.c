/* The order of train.partition: graph, of a made-up vocabulary whose clusters are known, and what it is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/graph_partition.h"
#include "medtok/graph_order.h"
#include "store/vocabulary.h"

/* Code i has a graph if i is even, and is then of cluster i / 2 mod CLUSTERS: LEAST nodes or one more, of a cluster's OWN. Codes of a list are many. */
enum { CODES = 4800, CLUSTERS = 8, OWN = 64, LEAST = 5, SHIFTS = 16 };

static char path[] = "/tmp/medtok_graph_order_XXXXXX";

static int has_graph(int64_t code) { return code % 2 == 0; }
static int cluster_of(int64_t code) { return (int)(code / 2 % CLUSTERS); }
static int64_t size_of(int64_t code) { return has_graph(code) ? LEAST + code / (2 * CLUSTERS) % 2 : 0; }

static void write_vocabulary(int with_graphs) {
    static char names[2 * CODES], relation[2];
    static int64_t one[CODES + 1], node_offsets[CODES + 1], none[CODES + 1];
    static int32_t listed[CODES], nodes[CODES * (LEAST + 1)];
    const struct comm self = comm_self();
    struct provenance provenance = {.job = "prepare"};
    for (int64_t i = 0; i < CODES; i++) {
        int64_t size = with_graphs ? size_of(i) : 0;
        int32_t *list = nodes + node_offsets[i];
        names[2 * i] = 'c';
        one[i + 1] = i + 1;
        for (int64_t k = 0; k < size; k++)
            list[k] = (int32_t)(cluster_of(i) * OWN + (i / (4 * CLUSTERS) % SHIFTS * 4 + 3 * k) % OWN);
        node_offsets[i + 1] = node_offsets[i] + size;
    }
    struct vocabulary v = {.n_codes = CODES,
                           .n_nodes = CLUSTERS * OWN,
                           .code_bytes = 2,
                           .system_bytes = 2,
                           .relation_bytes = 2,
                           .code = names,
                           .system = names,
                           .relation = relation,
                           .description_offsets = one,
                           .description = names,
                           .n_listed = listed,
                           .node_offsets = node_offsets,
                           .nodes = nodes,
                           .edge_offsets = none};
    assert_int_equal(vocabulary_write(&self, path, &v, &provenance), STATUS_OK);
}

static int64_t *make(void) {
    const struct comm self = comm_self();
    int64_t *order, n;
    if (!graph_partition_is_there()) skip();
    assert_int_equal(graph_order_make(&self, path, &order, &n), STATUS_OK);
    assert_int_equal(n, CODES);
    return order;
}

static void every_code_stands_in_it_once(void **state) {
    (void)state;
    for (int with_graphs = 0; with_graphs < 2; with_graphs++) {
        static char seen[CODES];
        write_vocabulary(with_graphs);
        int64_t *order = make();
        memset(seen, 0, sizeof seen);
        for (int64_t i = 0; i < CODES; i++) {
            assert_in_range(order[i], 0, CODES - 1);
            assert_int_equal(seen[order[i]]++, 0);
            if (!with_graphs) assert_int_equal(order[i], i);
        }
        free(order);
    }
}

/* Each eighth of the order has a cluster of its own: all but few of its codes with a graph are of one. */
static void codes_that_share_nodes_are_neighbours(void **state) {
    (void)state;
    write_vocabulary(1);
    int64_t *order = make();
    int strays = 0;
    for (int part = 0; part < CLUSTERS; part++) {
        int n[CLUSTERS] = {0}, most = 0, all = 0;
        for (int64_t i = CODES / CLUSTERS * part; i < CODES / CLUSTERS * (part + 1); i++)
            if (has_graph(order[i])) n[cluster_of(order[i])]++, all++;
        for (int c = 0; c < CLUSTERS; c++) most = n[c] > most ? n[c] : most;
        strays += all - most;
    }
    assert_in_range(strays, 0, CODES / 2 / 20);
    free(order);
}

/* Every sixteenth has as many codes with a graph as the others, but for those of a piece. */
static void stretches_are_of_one_mixture(void **state) {
    (void)state;
    enum { STRETCHES = 16, STRETCH = CODES / STRETCHES, OF_A_PIECE = CODES / 2 / (CLUSTERS * SHIFTS * 2 / 8) };
    write_vocabulary(1);
    int64_t *order = make();
    for (int part = 0; part < STRETCHES; part++) {
        int n = 0;
        for (int64_t i = STRETCH * part; i < STRETCH * (part + 1); i++) n += has_graph(order[i]);
        assert_in_range(n, STRETCH / 2 - OF_A_PIECE, STRETCH / 2 + OF_A_PIECE);
    }
    free(order);
}

static int make_path(void **state) {
    (void)state;
    log_configure(0, LOG_LEVEL_WARN);
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_stands_in_it_once),
        cmocka_unit_test(codes_that_share_nodes_are_neighbours),
        cmocka_unit_test(stretches_are_of_one_mixture),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
