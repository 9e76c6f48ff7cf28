/* CUDA against the CPU, value by value, over more shapes and larger ones than plain loops are written for. In single
 * precision this is also what holds the gradients, since finite differences need double. The CPU reads the inputs where
 * they are: they are managed memory. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct device reference;

/* An output of each of the two: on[0] of the CPU, on[1] of the device under test. */
struct pair {
    int64_t n;
    dev_real on[2];
};

/* Runs a primitive on both; in the arguments, `d` is 0 or 1. */
#define BOTH(name, ...)                                                                                                \
    do {                                                                                                               \
        for (int d = 0; d < 2; d++) {                                                                                  \
            struct device *run_on = d ? &device : &reference;                                                          \
            run_on->run->name(run_on, __VA_ARGS__);                                                                    \
        }                                                                                                              \
        primitive_ended(#name);                                                                                        \
        assert_null(device_error(&reference));                                                                         \
    } while (0)

/* The same random contents twice: what adds must not lose what was there. */
static struct pair pair(int64_t n) {
    struct pair p = {n, {values(n), zeros(n)}};
    memcpy(p.on[1].at, p.on[0].at, (size_t)n * sizeof(real));
    return p;
}

/* Compares and frees. Each side rounds by itself: twice the tolerance of one against exact loops. */
static void same(struct pair p, const char *what) {
    for (int64_t i = 0; i < p.n; i++) {
        double found = p.on[1].at[i], wanted = p.on[0].at[i];
        if (!(fabs(found - wanted) <= 2 * TOLERANCE * (1 + fabs(wanted))))
            fail_msg("%s[%lld of %lld] is %.9g, on the CPU %.9g", what, (long long)i, (long long)p.n, found, wanted);
    }
    release(2, p.on[0], p.on[1]);
}

static int32_t below(int64_t n) { return (int32_t)((uniform() + 1) / 2 * (double)n * 0.999999); }

/* n segments of 0 to `most` rows, the last one longer than all. */
static struct ragged random_segments(int64_t n, int64_t most) {
    struct ragged s = {n, 0, device_alloc_ints(&device, n + 1)};
    s.offsets.at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        s.offsets.at[i + 1] = s.offsets.at[i] + (i == n - 1 ? (int32_t)(3 * most) : below(most + 1));
    s.n_rows = s.offsets.at[n];
    return s;
}

static dev_int random_ints(int64_t n, int64_t least, int64_t end) {
    dev_int x = device_alloc_ints(&device, n);
    for (int64_t i = 0; i < n; i++) x.at[i] = (int32_t)least + below(end - least);
    return x;
}

static void release_ints(int n, ...) {
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) device_free_ints(&device, va_arg(args, dev_int));
    va_end(args);
}

static const int64_t TABLE[][2] = {{0, 4},    {1, 1},    {1, 257},    {3, 5},    {31, 32},
                                   {33, 31},  {64, 64},  {257, 100},  {1025, 1}, {1025, 64},
                                   {5, 1024}, {2, 4099}, {1500, 200}, {300, 33}, {300, 2100}};
enum { N_TABLE = sizeof TABLE / sizeof *TABLE };

/* ---- rows ---- */
static void rows_are_the_cpus(void **state) {
    (void)state;
    static const int64_t COLS[] = {1, 5, 64, 257};
    static const int64_t ROWS[] = {0, 1, 33, 1025};
    for (int s = 0; s < 16; s++) {
        int64_t n = ROWS[s / 4], cols = COLS[s % 4], size = n / 3 + 1;
        dev_real table = values(size * cols), places = values(7 * cols);
        dev_int id = random_ints(n, 0, size), place = random_ints(n, 0, 7);
        struct pair y = pair(n * cols);
        BOTH(embed_tokens, n, cols, table, id, places, place, y.on[d]);
        same(y, "embedded tokens");
        release_ints(2, id, place);
        release(2, table, places);
    }
}

/* ---- attention ---- */
static void check_attention(int64_t n, int64_t most_queries, int64_t most_keys, int64_t heads, int64_t dim,
                            double rate) {
    struct ragged queries = random_segments(n, most_queries), keys = random_segments(n, most_keys);
    struct attention_pairs pairs = {0, device_alloc_ints(&device, n + 1)}, not_kept = {0, {NULL}};
    dev_int drop_keys = random_ints(n, 0, 1000000);
    struct dropout dropout = {rate, 3, 8, 1};
    pairs.offsets.at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        pairs.offsets.at[i + 1] = pairs.offsets.at[i] + (queries.offsets.at[i + 1] - queries.offsets.at[i]) *
                                                            (keys.offsets.at[i + 1] - keys.offsets.at[i]);
    not_kept.n = pairs.n = pairs.offsets.at[n];
    dev_real q = values(queries.n_rows * dim), kv = values(keys.n_rows * 2 * dim), dout = values(queries.n_rows * dim);
    struct pair probs = pair(heads * pairs.n), out = pair(queries.n_rows * dim), again = pair(queries.n_rows * dim),
                dq = pair(queries.n_rows * dim), dkv = pair(keys.n_rows * 2 * dim), over[2];
    over[0] = pair(queries.n_rows * dim);
    over[1] = pair(keys.n_rows * 2 * dim);
    BOTH(attention, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[d], out.on[d]);
    BOTH(attention_backward, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[0], dout, dq.on[d],
         dkv.on[d], 1);
    BOTH(attention_backward, queries, keys, pairs, heads, dim, drop_keys, dropout, q, kv, probs.on[0], dout,
         over[0].on[d], over[1].on[d], 0);
    same(over[0], "gradient of the queries, overwritten");
    same(over[1], "gradient of keys and values, overwritten");
    BOTH(attention, queries, keys, not_kept, heads, dim, (dev_int){NULL}, (struct dropout){0}, q, kv, (dev_real){NULL},
         again.on[d]);
    same(probs, "probabilities of attention");
    same(out, "attention");
    same(again, "attention that keeps nothing");
    same(dq, "gradient of the queries");
    same(dkv, "gradient of keys and values");
    release_ints(4, queries.offsets, keys.offsets, pairs.offsets, drop_keys);
    release(3, q, kv, dout);
}

static void check_shared_attention(int64_t n, int64_t most, int64_t heads, int64_t dim, double rate) {
    struct ragged rows = random_segments(n, most);
    dev_int keys = random_ints(n, 0, 1000000);
    struct dropout dropout = {rate, 3, 8, 1};
    dev_real q = values(n * heads * dim), x = values(rows.n_rows * dim), dout = values(n * heads * dim),
             dsums = values(n * heads);
    struct pair probs = pair(heads * rows.n_rows), out = pair(n * heads * dim), sums = pair(n * heads),
                dq = pair(n * heads * dim), dx = pair(rows.n_rows * dim);
    double scale = 1 / sqrt((double)dim);
    BOTH(shared_attention, rows, heads, dim, scale, keys, dropout, q, x, probs.on[d], out.on[d], sums.on[d]);
    BOTH(shared_attention_backward, rows, heads, dim, scale, keys, dropout, q, x, probs.on[0], dout, dsums, dq.on[d],
         dx.on[d]);
    same(probs, "probabilities of shared attention");
    same(out, "shared attention");
    same(sums, "sums of shared attention");
    same(dq, "gradient of the shared queries");
    same(dx, "gradient of the shared rows");
    release_ints(2, rows.offsets, keys);
    release(4, q, x, dout, dsums);
}

static void attention_is_the_cpus(void **state) {
    (void)state;
    static const double RATES[] = {0, 0.1};
    for (int r = 0; r < 2; r++) {
        check_attention(0, 0, 0, 1, 4, RATES[r]);
        check_attention(1, 1, 0, 2, 8, RATES[r]);
        check_attention(3, 2, 2, 1, 1, RATES[r]);
        check_attention(20, 3, 20, 4, 64, RATES[r]);
        check_attention(6, 12, 12, 3, 96, RATES[r]);
        check_attention(3, 1, 100, 2, 10, RATES[r]);
        check_attention(2, 20, 70, 1, 130, RATES[r]);
        check_attention(4, 8, 8, 2, 128, RATES[r]);
        check_attention(2, 3, 9, 2, 1200, RATES[r]);
        check_attention(5, 60, 5, 4, 64, RATES[r]); /* more queries than a block has at once, few keys */
        check_shared_attention(0, 0, 2, 4, RATES[r]);
        check_shared_attention(1, 0, 2, 4, RATES[r]);
        check_shared_attention(2, 1, 1, 1, RATES[r]);
        check_shared_attention(20, 12, 4, 64, RATES[r]);
        check_shared_attention(5, 9, 4, 768, RATES[r]);
        check_shared_attention(3, 100, 3, 33, RATES[r]);
    }
}

/* ---- the contrastive loss ---- */
static void check_nce(int64_t n, int64_t m, int64_t dim, int64_t positive, int64_t n_classes) {
    dev_real a = values(n * dim), b = values(m * dim);
    struct pair loss = pair(1), da = pair(n * dim), db = pair(m * dim);
    dev_int rows = {NULL}, columns = {NULL};
    normalize_rows(a, n, dim);
    normalize_rows(b, m, dim);
    if (n_classes > 0) {
        columns = random_ints(m, -1, n_classes);
        rows = ints(columns.at + positive, n);
    }
    BOTH(nce, n, m, dim, positive, 0.1, 0.01, rows, columns, a, b, loss.on[d], da.on[d], db.on[d]);
    same(loss, "contrastive loss");
    same(da, "gradient of the rows");
    same(db, "gradient of the columns");
    release_ints(2, rows, columns);
    release(2, a, b);
}

static void the_contrastive_loss_is_the_cpus(void **state) {
    (void)state;
    for (int64_t n_classes = 0; n_classes <= 9; n_classes += 9) {
        check_nce(0, 5, 3, 0, n_classes);
        check_nce(1, 1, 1, 0, n_classes);
        check_nce(5, 9, 7, 4, n_classes);
        check_nce(257, 257, 64, 0, n_classes);
        check_nce(100, 1025, 33, 900, n_classes);
    }
}

int test_parity(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_cpus),
        cmocka_unit_test(attention_is_the_cpus),
        cmocka_unit_test(the_contrastive_loss_is_the_cpus),
    };
    if (device_open_cpu(&reference, 2)) return 1;
    int failed = cmocka_run_group_tests_name("parity with the CPU", tests, NULL, NULL);
    device_close(&reference);
    return failed;
}
