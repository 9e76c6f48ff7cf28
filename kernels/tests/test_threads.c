/* The CPU alone: results do not depend on the number of threads. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static void results_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    enum { N = 3000, DIM = 64, SIZE = 900, K = 5 };
    static real first[N * DIM + SIZE * DIM + DIM + SIZE + 1];
    dev_real u = values(N * DIM), c = values(SIZE * DIM), g = values(N * DIM);
    normalize_rows(u, N, DIM);
    normalize_rows(c, SIZE, DIM);
    for (int threads = 1; threads <= 3; threads++) {
        struct device d;
        assert_int_equal(device_open_cpu(&d, threads), 0);
        dev_real q = zeros(N * DIM), w = zeros(N * K), du = zeros(N * DIM), dc = zeros(SIZE * DIM), sum = zeros(DIM),
                 dbias = zeros(SIZE), dot = zeros(1);
        dev_int index = device_alloc_ints(&d, N * K);
        d.run->quantize(&d, N, DIM, 0, SIZE, K, u, c, index, w, q);
        d.run->quantize_backward(&d, N, DIM, K, u, c, index, w, g, du, dc);
        struct cross_entropy loss = {.n = 500, .m = SIZE, .dim = DIM, .scale = 10, .a = u, .b = c, .weight = 1};
        d.run->cross_entropy(&d, &loss, dot, (dev_real){NULL}, du, dc, dbias);
        d.run->sum_rows(&d, N, DIM, g, sum);
        d.run->dot(&d, N * DIM, 1, u, g, dot);
        real *now = first;
        if (threads > 1) now = malloc(sizeof first);
        memcpy(now, du.at, N * DIM * sizeof(real));
        memcpy(now + N * DIM, dc.at, SIZE * DIM * sizeof(real));
        memcpy(now + N * DIM + SIZE * DIM, sum.at, DIM * sizeof(real));
        memcpy(now + N * DIM + SIZE * DIM + DIM, dbias.at, SIZE * sizeof(real));
        now[N * DIM + SIZE * DIM + DIM + SIZE] = dot.at[0];
        if (threads > 1) {
            assert_memory_equal(first, now, sizeof first);
            free(now);
        }
        device_free_ints(&d, index);
        release(7, q, w, du, dc, sum, dbias, dot);
        device_close(&d);
    }
    release(3, u, c, g);
}

static void graph_attention_does_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    enum { GRAPHS = 200, N = 3 * GRAPHS, HEADS = 2, COLS = 40, WIDTH = HEADS * COLS };
    static real first[2 * N * WIDTH + WIDTH];
    int32_t graphs[GRAPHS + 1], edges[N + 1], sources[2 * N];
    for (int i = 0; i <= GRAPHS; i++) graphs[i] = 3 * i;
    for (int v = 0; v <= N; v++) edges[v] = 2 * v;
    for (int e = 0; e < 2 * N; e++) sources[e] = e / 6 * 3 + (e * 7 + 1) % 3;
    struct ragged g = segments(graphs, GRAPHS);
    struct edges e = {2 * N, ints(edges, N + 1), ints(sources, 2 * N)};
    dev_real x = values(N * WIDTH), dy = values(N * WIDTH), a = values(WIDTH), source = values(N * HEADS),
             target = values(N * HEADS);
    for (int threads = 1; threads <= 3; threads++) {
        struct device d;
        assert_int_equal(device_open_cpu(&d, threads), 0);
        dev_real y = zeros(N * WIDTH), probs = zeros(3 * N * HEADS), dx = zeros(N * WIDTH), da = zeros(WIDTH),
                 ds = zeros(N * HEADS), dt = zeros(N * HEADS);
        d.run->graph_attention(&d, g, e, HEADS, COLS, source, target, x, probs, y);
        d.run->graph_attention_backward(&d, g, e, HEADS, COLS, source, target, x, probs, dy, ds, dt, dx);
        d.run->head_dots_backward(&d, N, HEADS, COLS, x, a, ds, dx, da);
        real *now = threads == 1 ? first : malloc(sizeof first);
        memcpy(now, y.at, N * WIDTH * sizeof(real));
        memcpy(now + N * WIDTH, dx.at, N * WIDTH * sizeof(real));
        memcpy(now + 2 * N * WIDTH, da.at, WIDTH * sizeof(real));
        assert_memory_equal(first, now, sizeof first);
        if (threads > 1) free(now);
        release(6, y, probs, dx, da, ds, dt);
        device_close(&d);
    }
    device_free_ints(&device, g.offsets);
    device_free_ints(&device, e.offsets);
    device_free_ints(&device, e.sources);
    release(5, x, dy, a, source, target);
}

int test_threads(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(graph_attention_does_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
