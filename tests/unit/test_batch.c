/* How codes become a batch: distinct nodes ascending, and the edges of both views, those of the second one drawn by their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "dropout.h"
#include "made_dataset.h"
#include "medtok/batch.h"

/* Fewer edges than are drawn at once, as many, more, many, and none. */
enum { N_CODES = 6, N_NODES = 200, MOST_NODES = 40, MOST_EDGES = 400, FIRST = 100 };
static const int NODES[N_CODES] = {3, 5, 0, 1, MOST_NODES, 9}, EDGES[N_CODES] = {7, 8, 0, 0, MOST_EDGES, 17};

/* Codes FIRST, FIRST + 1, ...: global numbers, which key the draws. */
static void fill_dataset(struct dataset *d) {
    struct vocabulary *v = &d->vocabulary;
    struct text_features *t = &d->text;
    make_dataset(d, FIRST, N_CODES, N_NODES, N_CODES * MOST_NODES, N_CODES * MOST_EDGES, N_CODES, 1, 1);
    for (int i = 0; i < N_CODES; i++) {
        int64_t node = v->node_offsets[i], edge = v->edge_offsets[i];
        for (int k = 0; k < NODES[i]; k++) v->nodes[node++] = (i * 57 + k * 31) % N_NODES;
        for (int e = 0; e < EDGES[i]; e++) { /* by target, some of which have none */
            v->edge_target[edge] = (uint16_t)(e * NODES[i] / EDGES[i] / 2 * 2);
            v->edge_source[edge++] = (uint16_t)((e * 7 + i) % NODES[i]);
        }
        v->node_offsets[i + 1] = node;
        v->edge_offsets[i + 1] = edge;
        t->token_offsets[i + 1] = i + 1;
    }
}

/* The edges of `graphs` are those of the dataset that survive. */
static void check_edges(const struct dataset *d, const struct graphs *graphs, const int64_t *codes, int64_t n,
                        struct dropout dropout) {
    const struct vocabulary *v = &d->vocabulary;
    int32_t node = 0, edge = 0;
    int n_dropped = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t place = codes[i] - FIRST, e = v->edge_offsets[place];
        if (NODES[place] == 0) continue;
        for (int k = 0; k < NODES[place]; k++) {
            assert_int_equal(graphs->edges.offsets.at[node + k], edge);
            for (; e < v->edge_offsets[place + 1] && v->edge_target[e] == k; e++) {
                uint64_t number = (uint64_t)(e - v->edge_offsets[place]);
                if (dropout.rate > 0 && !dropout_keeps(dropout, (uint64_t)codes[i], number)) {
                    n_dropped++;
                    continue;
                }
                assert_int_equal(graphs->edges.sources.at[edge++], node + v->edge_source[e]);
            }
        }
        node += NODES[place];
    }
    assert_int_equal(graphs->edges.offsets.at[node], edge);
    assert_int_equal(graphs->edges.n, edge);
    assert_true((n_dropped > 0) == (dropout.rate > 0));
}

static void check_nodes(const struct dataset *d, const struct batch *batch, const int64_t *codes, int64_t n) {
    int64_t row = 0;
    for (int64_t k = 1; k < batch->n_distinct; k++)
        assert_true(batch->distinct_nodes[k - 1] < batch->distinct_nodes[k]);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < NODES[codes[i] - FIRST]; k++, row++)
            assert_int_equal(batch->distinct_nodes[batch->node_row.at[row]],
                             d->vocabulary.nodes[d->vocabulary.node_offsets[codes[i] - FIRST] + k]);
    assert_int_equal(batch->n_nodes, row);
}

static void batches_hold_nodes_and_surviving_edges(void **state) {
    (void)state;
    static const int64_t CODES[][N_CODES] = {{100, 101, 102, 103, 104, 105}, {105, 104}, {102}, {104, 100, 103}};
    static const int64_t N[] = {N_CODES, 2, 1, 3};
    struct dataset dataset;
    fill_dataset(&dataset);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct device device;
        struct batch_builder builder;
        struct batch batch;
        assert_int_equal(device_open_cpu(&device, threads), 0);
        assert_int_equal(batch_builder_make(&builder, &device, &dataset), STATUS_OK);
        for (uint32_t step = 0; step < 12; step++) { /* the builder's marks are clean each time */
            const int64_t *codes = CODES[step % 4];
            int64_t n = N[step % 4];
            struct edge_drop drop = {.rate = 0.3, .second_view = 1, .seed = 5, .step = step};
            assert_int_equal(batch_build(&batch, &builder, &dataset, codes, n, drop), STATUS_OK);
            check_nodes(&dataset, &batch, codes, n);
            check_edges(&dataset, &batch.graphs, codes, n, (struct dropout){0});
            if (n == 1) continue; /* no edges at all */
            check_edges(&dataset, &batch.dropped, codes, n,
                        (struct dropout){.rate = 0.3, .seed = 5, .stream = RNG_EDGE_DROP, .step = step});
        }
        batch_builder_free(&builder);
        device_close(&device);
    }
    dataset_free(&dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(batches_hold_nodes_and_surviving_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
