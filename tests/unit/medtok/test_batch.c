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
#include "half.h"
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
        int64_t index = codes[i] - FIRST, e = v->edge_offsets[index];
        if (NODES[index] == 0) continue;
        for (int k = 0; k < NODES[index]; k++) {
            assert_int_equal(graphs->edges.offsets.at[node + k], edge);
            for (; e < v->edge_offsets[index + 1] && v->edge_target[e] == k; e++) {
                uint64_t number = (uint64_t)(e - v->edge_offsets[index]);
                if (dropout.rate > 0 && !dropout_keeps(dropout, (uint64_t)codes[i], number)) {
                    n_dropped++;
                    continue;
                }
                assert_int_equal(graphs->edges.sources.at[edge++], node + v->edge_source[e]);
            }
        }
        node += NODES[index];
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
    struct dataset dataset, packed;
    fill_dataset(&dataset);
    fill_dataset(&packed);
    dataset_pack_edges(&packed);
    assert_true(packed.edge_ends && !packed.vocabulary.edge_source);
    for (int threads = 1; threads <= 3; threads++) { /* with packed edges on two */
        const struct dataset *made_from = threads == 2 ? &packed : &dataset;
        struct device device;
        struct batch_builder builder;
        struct batch batch;
        assert_int_equal(device_open_cpu(&device, threads), 0);
        assert_int_equal(batch_builder_make(&builder, &device, made_from), STATUS_OK);
        for (uint32_t step = 0; step < 12; step++) { /* the builder's marks are clean each time */
            const int64_t *codes = CODES[step % 4];
            int64_t n = N[step % 4];
            struct view_drop drop = {.rate = 0.3, .second_view = 1, .seed = 5, .step = step};
            assert_int_equal(batch_build(&batch, &builder, made_from, codes, n, drop), STATUS_OK);
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
    dataset_free(&packed);
}

/* Up to 256 nodes, whose numbers have 8 bits; the last of them is still told from the first. */
static void edges_are_packed_where_their_ends_fit_a_byte(void **state) {
    (void)state;
    for (int nodes = 256; nodes <= 257; nodes++) {
        struct dataset d;
        struct vocabulary *v = &d.vocabulary;
        make_dataset(&d, 0, 2, nodes, nodes, 3, 2, 1, 1);
        v->node_offsets[2] = nodes; /* none of the first code */
        v->edge_offsets[2] = 3;
        static const uint16_t SOURCE[] = {255, 0, 7}, TARGET[] = {0, 1, 255};
        memcpy(v->edge_source, SOURCE, sizeof SOURCE);
        memcpy(v->edge_target, TARGET, sizeof TARGET);
        dataset_pack_edges(&d);
        assert_true((d.edge_ends != NULL) == (nodes == 256));
        struct code_view c = dataset_view(&d, 1);
        for (int e = 0; e < 3; e++) {
            assert_int_equal(code_edge_source(&c, e), SOURCE[e]);
            assert_int_equal(code_edge_target(&c, e), TARGET[e]);
        }
        dataset_free(&d);
    }
}

/* Node k of a code goes by the number of (code, k), and takes its edges with it; a graph keeps one node at least, the first where none
 * would stay. */
static void a_second_view_without_nodes_is_without_their_edges(void **state) {
    (void)state;
    static const int64_t CODES[] = {104, 100, 103, 101};
    enum { N = 4 };
    struct dataset dataset, packed;
    struct device device;
    struct batch_builder builder;
    struct batch batch;
    int n_lost = 0, n_rescued = 0;
    fill_dataset(&dataset);
    fill_dataset(&packed);
    dataset_pack_edges(&packed);
    const struct vocabulary *v = &dataset.vocabulary;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(batch_builder_make(&builder, &device, &dataset), STATUS_OK);
    for (uint32_t step = 0; step < 20; step++) {
        struct view_drop drop = {.rate = 0.3, .second_view = 1, .seed = 5, .step = step, .node_rate = 0.6};
        struct dropout nodes = {.rate = 0.6, .seed = 5, .stream = RNG_NODE_DROP, .step = step};
        struct dropout edges = {.rate = 0.3, .seed = 5, .stream = RNG_EDGE_DROP, .step = step};
        int32_t first = 0, edge = 0, row = 0;
        const struct dataset *made_from = step % 2 ? &packed : &dataset;
        assert_int_equal(batch_build(&batch, &builder, made_from, CODES, N, drop), STATUS_OK);
        check_edges(&dataset, &batch.graphs, CODES, N, (struct dropout){0}); /* the first view has all */
        for (int i = 0; i < N; i++) {
            int64_t index = CODES[i] - FIRST, e = v->edge_offsets[index];
            int kept[MOST_NODES], n = 0;
            for (int k = 0; k < NODES[index]; k++) n += kept[k] = dropout_keeps(nodes, (uint64_t)CODES[i], (uint64_t)k);
            n_lost += NODES[index] - n;
            n_rescued += n == 0;
            if (n == 0) kept[0] = 1;
            assert_int_equal(batch.kept_nodes.rows.offsets.at[i], row);
            for (int k = 0; k < NODES[index]; k++) {
                if (kept[k]) assert_int_equal(batch.kept_rows.at[row++], first + k);
                assert_int_equal(batch.dropped.edges.offsets.at[first + k], edge);
                for (; e < v->edge_offsets[index + 1] && v->edge_target[e] == k; e++) {
                    uint64_t number = (uint64_t)(e - v->edge_offsets[index]);
                    if (!dropout_keeps(edges, (uint64_t)CODES[i], number) || !kept[k] || !kept[v->edge_source[e]])
                        continue;
                    assert_int_equal(batch.dropped.edges.sources.at[edge++], first + v->edge_source[e]);
                }
            }
            first += NODES[index];
        }
        assert_int_equal(batch.kept_nodes.rows.offsets.at[N], row);
        assert_int_equal(batch.kept_nodes.rows.n_rows, row);
        assert_int_equal(batch.dropped.edges.n, edge);
    }
    assert_true(n_lost > 0 && n_rescued > 0);
    batch_builder_free(&builder);
    device_close(&device);
    dataset_free(&dataset);
    dataset_free(&packed);
}

/* ---- text features that stay on the device ---- */
enum { DIM = 5 };
static int64_t free_bytes; /* of a device with memory of its own: the CPU, which says so */

static void own_memory(struct device *device, int64_t *left, int64_t *total) {
    (void)device;
    *left = *total = free_bytes;
}

static void fill_features(struct dataset *d, int halves) {
    struct text_features *t = &d->text;
    t->dim = DIM;
    t->n_rows = N_CODES;
    free(t->rows_f32);
    t->rows_f32 = NULL;
    assert_int_equal(mem_alloc(&t->rows_f32, N_CODES * DIM, sizeof *t->rows_f32), STATUS_OK);
    for (int i = 0; i < N_CODES * DIM; i++) t->rows_f32[i] = (float)i / 8 - 1;
    for (int i = 0; i < N_CODES; i++) t->token_row[i] = N_CODES - 1 - i;
    if (!halves) return;
    assert_int_equal(mem_alloc(&t->rows_f16, N_CODES * DIM, sizeof *t->rows_f16), STATUS_OK);
    for (int i = 0; i < N_CODES * DIM; i++) t->rows_f16[i] = half_from_float(t->rows_f32[i]);
    free(t->rows_f32);
    t->rows_f32 = NULL;
}

/* They stay, in their own precision, where they take half of what is free; and batches are the same either way. */
static void features_stay_where_there_is_room_and_batches_are_the_same(void **state) {
    (void)state;
    static const int64_t CODES[] = {103, 100, 105};
    for (int halves = 0; halves < 2; halves++)
        for (int enough = 0; enough < 2; enough++) {
            struct dataset d;
            struct device device;
            struct batch_builder builder;
            struct batch batch;
            fill_dataset(&d);
            fill_features(&d, halves);
            assert_int_equal(device_open_cpu(&device, 2), 0);
            struct device_backend memory = *device.memory;
            memory.size = own_memory;
            device.memory = &memory;
            free_bytes = 2 * N_CODES * DIM * (halves ? 2 : 4) - !enough;
            assert_int_equal(dataset_keep_on_device(&d, &device), STATUS_OK);
            assert_true((d.resident.at != NULL) == (enough && !halves));
            assert_true((d.resident_halves.at != NULL) == (enough && halves));
            assert_int_equal(batch_builder_make(&builder, &device, &d), STATUS_OK);
            assert_int_equal(batch_build(&batch, &builder, &d, CODES, 3, (struct view_drop){0}), STATUS_OK);
            batch_arrives(&builder);
            assert_true(batch.n_rows == 3 && batch.dim == DIM);
            for (int i = 0; i < 3; i++)
                for (int c = 0; c < DIM; c++)
                    assert_true(batch.features.at[batch.cls_row.at[i] * DIM + c] ==
                                (real)((N_CODES - 1 - (CODES[i] - FIRST)) * DIM + c) / 8 - 1);
            batch_builder_free(&builder);
            dataset_free(&d);
            device_close(&device);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(batches_hold_nodes_and_surviving_edges),
                                       cmocka_unit_test(edges_are_packed_where_their_ends_fit_a_byte),
                                       cmocka_unit_test(a_second_view_without_nodes_is_without_their_edges),
                                       cmocka_unit_test(features_stay_where_there_is_room_and_batches_are_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
