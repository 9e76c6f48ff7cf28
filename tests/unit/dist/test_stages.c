/* The stage summary: what primitives cost, and what the table makes of the ranks' figures. All expected values are worked out
 * by hand from the definitions in costs.h and stages.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "costs.h"
#include "dist/stages.h"

/* Values that primitives may read and write; what they compute is not looked at. */
static struct device device;
static dev_real values;
static dev_int zeros;

static int open_device(void **state) {
    (void)state;
    if (device_open_cpu(&device, 1)) return -1;
    values = device_alloc_reals(&device, 4096);
    zeros = device_alloc_ints(&device, 64);
    device.run->fill(&device, 4096, 0.5, values);
    memset(zeros.at, 0, 64 * sizeof *zeros.at);
    device.work = (struct work){0};
    return 0;
}

static int close_device(void **state) {
    (void)state;
    device_free_reals(&device, values);
    device_free_ints(&device, zeros);
    device_close(&device);
    return 0;
}

static dev_real at(int64_t offset) { return dev_real_at(values, offset); }

/* Sums of a few doubles: equal to a few roundings. */
#define assert_same(found, wanted) assert_true(fabs((found) - (double)(wanted)) <= 1e-14 * fabs((double)(wanted)))

static void assert_work(double flops, double bytes, int64_t calls) {
    assert_null(device_error(&device));
    assert_same(device.work.flops, flops);
    assert_same(device.work.bytes, bytes);
    assert_int_equal(device.work.calls, calls);
}

/* ---- counting ---- */
static void every_primitive_is_in_the_table_that_counts(void **state) {
    (void)state;
    void (*entries[sizeof(struct kernels) / sizeof(void (*)(void))])(void);
    memcpy(entries, device.run, sizeof entries);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) assert_non_null(entries[i]);
    assert_ptr_not_equal(device.run, device.primitives);
}

static void gemm_is_two_operations_for_each_product(void **state) {
    (void)state;
    /* [3,7] times [7,5]: 105 products; 21 + 35 + 15 values, and 15 more where c is added to. */
    struct gemm g = {.m = 3, .n = 5, .k = 7, .alpha = 1};
    struct matrix a = {at(0), 7}, b = {at(100), 5}, c = {at(200), 5};
    device.run->gemm(&device, &g, a, b, c);
    assert_work(210, 71 * 4, 1);
    g.beta = 1;
    device.run->gemm(&device, &g, a, b, c);
    assert_work(420, 71 * 4 + 86 * 4, 2);
}

static void quantize_counts_distances_and_picks(void **state) {
    (void)state;
    /* 4 vectors of 8 values, candidates 2 .. 11, 3 picks each: 2 x 4 x 10 x 8 for the distances; each of 12 picks a softmax
     * (5) and 16 for the mean of code vectors. Values: u 32, candidates 80, weights 12, q 32; 12 indices. */
    dev_int index = device_alloc_ints(&device, 12);
    struct quantize z = {.n = 4, .dim = 8, .first = 2, .last = 12, .top_k = 3, .u = at(0), .c = at(100)};
    device.run->quantize(&device, &z, (struct picks){.index = index, .weight = at(300)}, at(400));
    assert_work(640 + 12 * 21, 156 * 4 + 12 * 4, 1);
    device_free_ints(&device, index);
}

static void attention_counts_pairs(void **state) {
    (void)state;
    /* Segments of 2 queries x 3 keys and 1 x 4: 10 pairs; 2 heads of 3 values. Two products of 2 x 6 a pair; for each of 20
     * probabilities a softmax (5), and dropout's factor. Values: q 18, out 18, k and v 84, statistics 12; 6 offsets, 2 dropout
     * keys. */
    const int32_t offsets[6] = {0, 2, 3, 0, 3, 7};
    dev_int segments = device_alloc_ints(&device, 6);
    device_upload_ints(&device, segments, offsets, 6);
    struct attention a = {.heads = 2, .kv_heads = 2, .head_dim = 3, .ld_q = 6, .ld_kv = 6, .n_pairs = 10};
    a.queries = spans_of((struct ragged){2, 3, segments});
    a.keys = spans_of((struct ragged){2, 7, dev_int_at(segments, 3)});
    a.q = at(0), a.k = at(100), a.v = at(200), a.stats = at(300), a.drop_keys = zeros;
    device.run->attention(&device, &a, at(400), (dev_real){NULL});
    assert_work(240 + 100, 132 * 4 + 6 * 4, 1);
    device.work = (struct work){0};
    a.dropout.rate = 0.5;
    device.run->attention(&device, &a, at(400), (dev_real){NULL});
    assert_work(240 + 120, 132 * 4 + 8 * 4, 1);
    device.work = (struct work){0};
    a.n_pairs = 0; /* as if both segments had 1.5 queries and 3.5 keys; a softmax for each again, and 5 products */
    a.dropout.rate = 0;
    struct attention_gradients g = {.out = at(400), .dout = at(500), .dq = at(600), .dk = at(700), .dv = at(800)};
    device.run->attention_backward(&device, &a, &g);
    assert_work(21 * (5 * 6 + 10), (4 * 18 + 2 * 84 + 12) * 4 + 6 * 4, 1);
    device_free_ints(&device, segments);
}

static void linear_counts_the_sizes_of_its_packed_weights(void **state) {
    (void)state;
    /* [3,4] times [4,5], a bias, and GELU's 5: 120 + 15 x 6. Values: x 12, y 15, weights 20, bias 5. */
    static const real weight[20];
    struct linear map = {.in = 4, .out = 5, .bias = at(200), .f = ACTIVATION_GELU};
    map.packed = device.run->linear_pack(&device, 4, 5, weight, STORAGE_REAL, PRODUCTS_F32);
    assert_non_null(map.packed);
    device.run->linear(&device, &map, 3, at(0), at(100));
    device.run->linear_free(&device, map.packed);
    assert_work(120 + 90, 52 * 4, 1);
}

/* ---- stages ---- */
static void the_table_is_made_of_sums_and_largest_values(void **state) {
    (void)state;
    /* Two ranks. Stage 0: 4 s and 2 s, of which the second waits 1 s in MPI: own 4 and 1, imbalance 4 / 2.5. Stage 1: 1 s each,
     * no waiting. Stage 2: never entered. */
    const struct stage_totals sum[3] = {{6, 5, 8e9, 16e9, 10, 3e6}, {2, 2, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}};
    const struct stage_totals most[3] = {{4, 4, 5e9, 9e9, 5, 2e6}, {1, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}};
    struct stage_row rows[3];
    stages_summarize(sum, most, 3, 2, rows);
    assert_same(rows[0].seconds, 4);
    assert_same(rows[0].share, 0.75);
    assert_same(rows[0].imbalance, 1.6);
    assert_same(rows[0].in_mpi, 1.0 / 6);
    assert_same(rows[0].flop_rate, 2e9);
    assert_same(rows[0].byte_rate, 4e9);
    assert_same(rows[0].messages, 10);
    assert_same(rows[0].sent, 3e6);
    assert_same(rows[1].share, 0.25);
    assert_same(rows[1].imbalance, 1);
    assert_same(rows[2].share, 0);
    assert_same(rows[2].imbalance, 0);
}

static void work_goes_to_the_stage_that_runs(void **state) {
    (void)state;
    static const char *const NAMES[] = {"first", "second"};
    struct stages stages;
    double since = clock_seconds(), total = 0;
    stages_begin(&stages, &device, NAMES, 2);
    device.run->fill(&device, 10, 0, values); /* other */
    stage_begin(&stages, 0);
    device.run->axpy(&device, 10, 1, at(0), at(100));
    stage_begin(&stages, 1);
    device.run->axpy(&device, 20, 1, at(0), at(100));
    stage_begin(&stages, 0);
    device.run->axpy(&device, 100, 1, at(0), at(200));
    stage_end(&stages);
    struct comm self = comm_self();
    assert_int_equal(stages_log(&stages, &self, "test", NULL, STAGES_WITH_RANKS, STATUS_OK), STATUS_OK);
    assert_same(stages.of[0].flops, 220); /* axpy: 2 a value */
    assert_same(stages.of[1].flops, 40);
    assert_same(stages.of[2].flops, 0);
    assert_same(stages.of[0].bytes, 110 * 12);
    assert_same(stages.of[2].bytes, 40);
    for (int i = 0; i < 3; i++) {
        assert_true(stages.of[i].seconds > 0);
        assert_same(stages.of[i].own_seconds, stages.of[i].seconds);
        assert_same(stages.of[i].messages, 0);
        total += stages.of[i].seconds;
    }
    assert_true(total <= clock_seconds() - since);
}

static void a_rank_alone_sends_nothing(void **state) {
    (void)state;
    struct comm self = comm_self();
    int64_t value = 1;
    assert_int_equal(comm_sum_int64(&self, &value, 1), STATUS_OK);
    assert_int_equal(comm_broadcast(&self, &value, sizeof value), STATUS_OK);
    assert_int_equal(comm_traffic().messages, 0);
    assert_int_equal(comm_traffic().bytes, 0);
}

static void a_failed_job_has_no_table(void **state) {
    (void)state;
    struct stages stages;
    struct comm self = comm_self();
    stages_begin(&stages, NULL, NULL, 0);
    assert_int_equal(stages_log(&stages, &self, "test", NULL, STAGES_ALWAYS, STATUS_FAILED), STATUS_FAILED);
    assert_same(stages.of[0].seconds, 0); /* nothing was settled */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_primitive_is_in_the_table_that_counts, open_device, close_device),
        cmocka_unit_test_setup_teardown(gemm_is_two_operations_for_each_product, open_device, close_device),
        cmocka_unit_test_setup_teardown(quantize_counts_distances_and_picks, open_device, close_device),
        cmocka_unit_test_setup_teardown(attention_counts_pairs, open_device, close_device),
        cmocka_unit_test_setup_teardown(linear_counts_the_sizes_of_its_packed_weights, open_device, close_device),
        cmocka_unit_test(the_table_is_made_of_sums_and_largest_values),
        cmocka_unit_test_setup_teardown(work_goes_to_the_stage_that_runs, open_device, close_device),
        cmocka_unit_test(a_rank_alone_sends_nothing),
        cmocka_unit_test(a_failed_job_has_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
