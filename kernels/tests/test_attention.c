/* Attention, with each of its options, against plain loops; its gradients against plain loops and, where there are few values,
 * against central differences. See support.h and attention_problem.h. */
#include "attention_problem.h"
#include "support.h"

static void check_forward(struct attention_problem *p, const struct attention_wanted *w) {
    const struct attention *a = &p->a;
    int64_t types = p->n_types;
    run_attention(p);
    for (int64_t e = 0; e < p->n_out; e++)
        if (w->row_used[e / a->head_dim / a->heads]) close_to(p->out.at[e], w->out[e], p->what, e);
    for (int64_t e = 0; e < p->n_sums; e++)
        if (w->row_used[e / types / a->heads]) close_to(p->sums.at[e], w->sums[e], "sum", e);
    for (int64_t e = 0; e < a->queries.n_rows * a->heads; e++) {
        if (!w->row_used[e / a->heads] || w->total[e] == 0) continue;
        close_to(a->stats.at[2 * e], w->most[e], "largest logit", e);
        close_to(a->stats.at[2 * e + 1], w->total[e], "sum of exponentials", e);
    }
    struct attention_problem again = *p; /* the same without the statistics */
    again.a.stats.at = NULL;
    again.out = values(p->n_out + p->n_sums);
    if (p->sums.at) again.sums = dev_real_at(again.out, p->n_out);
    run_attention(&again);
    for (int64_t e = 0; e < p->n_out; e++)
        if (w->row_used[e / a->head_dim / a->heads]) assert_true(again.out.at[e] == p->out.at[e]);
    release(1, again.out);
}

/* Values of rows are those wanted, with `add` more than before; what lies between the rows stays. */
static void check_rows(const char *what, const struct attention_problem *p, const real *found, const real *before,
                       const double *wanted, const char *used, int64_t n, int add) {
    for (int64_t e = 0; e < n; e++) {
        if (!used[e] && found[e] != before[e]) fail_msg("%s: %s[%lld] changed", p->what, what, (long long)e);
        if (used[e]) close_to(found[e] - (add ? before[e] : 0), wanted[e], what, e);
    }
}

static void check_gradients(const struct attention_problem *p, const struct attention_wanted *w, int add) {
    struct attention_gradients g = new_gradients(p, add, 0), before = new_gradients(p, add, 0);
    int add_kv = add || p->a.key_index.at;
    for (int64_t e = 0; e < p->n_q; e++) before.dq.at[e] = g.dq.at[e];
    for (int64_t e = 0; e < p->n_kv; e++) before.dk.at[e] = g.dk.at[e], before.dv.at[e] = g.dv.at[e];
    for (int64_t e = 0; e < p->n_bias; e++) before.dbias.at[e] = g.dbias.at[e];
    for (int64_t e = 0; e < p->n_dots; e++) before.ddots.at[e] = g.ddots.at[e];
    run_attention_backward(p, &g);
    check_rows("dq", p, g.dq.at, before.dq.at, w->dq, w->q_used, p->n_q, add);
    check_rows("dk", p, g.dk.at, before.dk.at, w->dk, w->kv_used, p->n_kv, add_kv);
    if (w->dv) check_rows("dv", p, g.dv.at, before.dv.at, w->dv, w->kv_used, p->n_kv, add_kv);
    for (int64_t e = 0; e < p->n_bias; e++) close_to(g.dbias.at[e] - before.dbias.at[e], w->dbias[e], "dbias", e);
    for (int64_t e = 0; e < p->n_dots; e++) close_to(g.ddots.at[e] - before.ddots.at[e], w->ddots[e], "ddots", e);
    free_gradients(p, &before);
    free_gradients(p, &g);
}

/* What is not wanted is not touched, and the rest is as it was: 0 dq, 1 dk and dv, 2 dbias are not wanted, 3 dk, 4 dv,
 * 5 ddots. */
static void check_frozen(const struct attention_problem *p, const struct attention_wanted *w) {
    dev_real none = {NULL};
    for (int frozen = 0; frozen < 6; frozen++) {
        if ((frozen == 3 || frozen == 4) && !w->dv) continue;
        struct attention_gradients all = new_gradients(p, 1, 1), g = all;
        if (frozen == 0) g.dq = none;
        if (frozen == 1 || frozen == 3) g.dk = none;
        if (frozen == 1 || frozen == 4) g.dv = none;
        if (frozen == 2) g.dbias = none;
        if (frozen == 5) g.ddots = none;
        run_attention_backward(p, &g);
        for (int64_t e = 0; e < p->n_q; e++) close_to(all.dq.at[e], g.dq.at ? w->dq[e] : 0, "frozen: dq", e);
        for (int64_t e = 0; e < p->n_kv; e++) close_to(all.dk.at[e], g.dk.at ? w->dk[e] : 0, "frozen: dk", e);
        for (int64_t e = 0; w->dv && e < p->n_kv; e++) close_to(all.dv.at[e], g.dv.at ? w->dv[e] : 0, "frozen: dv", e);
        for (int64_t e = 0; e < p->n_bias; e++)
            close_to(all.dbias.at[e], g.dbias.at ? w->dbias[e] : 0, "frozen: dbias", e);
        for (int64_t e = 0; e < p->n_dots; e++)
            close_to(all.ddots.at[e], g.ddots.at ? w->ddots[e] : 0, "frozen: ddots", e);
        free_gradients(p, &all);
    }
}

static void check_differences(struct attention_problem *p) {
    struct attention_gradients g = new_gradients(p, 1, 1);
    int64_t n_out = p->n_out + p->n_sums;
    run_attention_backward(p, &g);
    check_gradient("q", p->a.q, p->n_q, g.dq, p->dout.at, p->out, n_out, run_attention, p);
    check_gradient("k", p->a.k, p->n_kv, g.dk, p->dout.at, p->out, n_out, run_attention, p);
    if (g.dv.at != g.dk.at) check_gradient("v", p->a.v, p->n_kv, g.dv, p->dout.at, p->out, n_out, run_attention, p);
    if (p->n_bias > 0)
        check_gradient("bias", p->a.types.bias, p->n_bias, g.dbias, p->dout.at, p->out, n_out, run_attention, p);
    if (p->n_dots > 0)
        check_gradient("dots", p->a.types.dots, p->n_dots, g.ddots, p->dout.at, p->out, n_out, run_attention, p);
    free_gradients(p, &g);
}

static void check(const struct attention_shape *shape, double rate) {
    struct attention_problem p = attention_problem(&device, shape, rate);
    struct attention_wanted w = attention_reference(&p);
    check_forward(&p, &w);
    check_gradients(&p, &w, 1);
    check_gradients(&p, &w, 0);
    if (rate > 0) check_frozen(&p, &w);
    /* What CUDA gives is that of the plain loops, and these are checked by the CPU's differences. */
    if (on_cpu() && p.n_q + p.n_kv < 700 && !p.fused) check_differences(&p);
    free_wanted(&w);
    free_problem(&p);
}

static void attention_agrees_and_differentiates(void **state) {
    (void)state;
    for (int i = 0; i < N_ATTENTION_SHAPES; i++) {
        check(&ATTENTION_SHAPES[i], 0);
        check(&ATTENTION_SHAPES[i], 0.3);
    }
}

/* The results of a text do not change with the texts beside it. */
static void a_segment_does_not_depend_on_the_others(void **state) {
    (void)state;
    static const int32_t BOTH[] = {0, 70, 93}, SECOND[] = {0, 23};
    for (int narrow = 0; narrow < 2; narrow++) {
        int64_t heads = 3, dim = narrow ? 8 : 32, width = heads * dim;
        dev_real q = values(93 * width), out[2] = {values(93 * width), values(23 * width)};
        struct attention a = {.heads = heads, .kv_heads = heads, .head_dim = dim, .ld_q = width, .ld_kv = width};
        a.scale = 0.3;
        for (int alone = 0; alone < 2; alone++) {
            struct ragged rows = alone ? segments(SECOND, 1) : segments(BOTH, 2);
            a.queries = a.keys = spans_of(rows);
            a.q = a.k = a.v = dev_real_at(q, alone ? 70 * width : 0);
            RUN(attention, &a, out[alone], (dev_real){NULL});
            device_free_ints(&device, rows.offsets);
        }
        assert_memory_equal(out[0].at + 70 * width, out[1].at, (size_t)(23 * width) * sizeof(real));
        release(3, q, out[0], out[1]);
    }
}

/* A cache of keys: one new query a segment sees all of its keys, as the last query of the whole does. */
static void a_query_on_a_cache_is_the_last_of_all(void **state) {
    (void)state;
    enum { ROOM = 40, HEADS = 4, KV_HEADS = 2, DIM = 16 };
    static const int32_t FIRST[] = {0, ROOM}, END[] = {33, ROOM + 7}, LAST[] = {32, ROOM + 6};
    dev_real q = values(2 * ROOM * HEADS * DIM), k = values(2 * ROOM * KV_HEADS * DIM),
             v = values(2 * ROOM * KV_HEADS * DIM), all = values(2 * ROOM * HEADS * DIM), one = values(2 * HEADS * DIM),
             last = values(2 * HEADS * DIM);
    struct spans rows = {2, 2 * ROOM, ints(FIRST, 2), ints(END, 2)};
    struct attention a = {.queries = rows, .keys = rows, .heads = HEADS, .kv_heads = KV_HEADS, .head_dim = DIM};
    a.ld_q = HEADS * DIM, a.ld_kv = KV_HEADS * DIM, a.scale = 0.25, a.causal = 1, a.q = q, a.k = k, a.v = v;
    RUN(attention, &a, all, (dev_real){NULL});
    dev_int index = ints(LAST, 2);
    RUN(gather_rows, 2, HEADS * DIM, q, index, last);
    a.queries = spans_of_single_rows(2);
    a.q = last;
    RUN(attention, &a, one, (dev_real){NULL});
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < HEADS * DIM; c++)
            close_to(one.at[i * HEADS * DIM + c], all.at[LAST[i] * HEADS * DIM + c], "decoded row", c);
    device_free_ints(&device, rows.first);
    device_free_ints(&device, rows.end);
    device_free_ints(&device, index);
    release(6, q, k, v, all, one, last);
}

static void run_with_threads(struct attention_problem *p, int threads, struct attention_gradients *g) {
    struct device d;
    assert_int_equal(device_open_cpu(&d, threads), 0);
    p->on = &d;
    run_attention(p);
    run_attention_backward(p, g);
    device_close(&d);
    p->on = &device;
}

static void same_bits(const char *what, dev_real a, dev_real b, int64_t n) {
    for (int64_t e = 0; a.at && e < n; e++)
        if (a.at[e] != b.at[e]) fail_msg("%s[%lld] depends on the number of threads", what, (long long)e);
}

static void no_bit_depends_on_the_number_of_threads(void **state) {
    (void)state;
    for (int i = 0; on_cpu() && i < N_ATTENTION_SHAPES; i++) {
        struct attention_problem p = attention_problem(&device, &ATTENTION_SHAPES[i], 0.2), one = p;
        struct attention_gradients g = new_gradients(&p, 1, 1), of_one = new_gradients(&p, 1, 1);
        one.out = values(p.n_out + p.n_sums);
        for (int64_t e = 0; e < p.n_out + p.n_sums; e++) one.out.at[e] = p.out.at[e]; /* gaps stay as they are */
        if (p.sums.at) one.sums = dev_real_at(one.out, p.n_out);
        of_one.out = one.out, of_one.sums = one.sums;
        run_with_threads(&one, 1, &of_one);
        run_with_threads(&p, 3, &g);
        same_bits("out", p.out, one.out, p.n_out + p.n_sums);
        same_bits("dq", g.dq, of_one.dq, p.n_q);
        same_bits("dk", g.dk, of_one.dk, p.n_kv);
        same_bits("dv", g.dv, of_one.dv, p.n_kv);
        same_bits("dbias", g.dbias, of_one.dbias, p.n_bias);
        same_bits("ddots", g.ddots, of_one.ddots, p.n_dots);
        release(1, one.out);
        free_gradients(&p, &g);
        free_gradients(&p, &of_one);
        free_problem(&p);
    }
}

int test_attention(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_and_differentiates),
        cmocka_unit_test(a_segment_does_not_depend_on_the_others),
        cmocka_unit_test(a_query_on_a_cache_is_the_last_of_all),
        cmocka_unit_test(no_bit_depends_on_the_number_of_threads),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
