/* Attention on CUDA against the CPU, value by value; the other primitives' cases do the same (test_cases.c). The CPU reads the inputs where
 * they are: they are managed memory. See support.h. */
#include <string.h>

#include "attention_problem.h"
#include "support.h"

static struct device reference;

/* An output of each of the two: on[0] of the CPU, on[1] of the device under test. */
struct pair {
    int64_t n;
    dev_real on[2];
};

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

/* ---- attention ---- */
static void parity_of_attention(const struct attention_shape *shape, double rate) {
    struct attention_problem p = attention_problem(&device, shape, rate);
    int64_t n_stats = p.a.queries.n_rows * p.a.heads * 2;
    struct pair out = pair(p.n_out + p.n_sums), stats = pair(n_stats), dq = pair(p.n_q), dk = pair(p.n_kv),
                dv = pair(p.n_kv), dbias = pair(p.n_bias);
    struct attention_problem on[2] = {p, p};
    on[0].on = &reference;
    for (int d = 0; d < 2; d++) {
        on[d].out = out.on[d];
        on[d].a.stats = stats.on[d];
        if (p.sums.at) on[d].sums = dev_real_at(out.on[d], p.n_out);
        run_attention(&on[d]);
    }
    for (int d = 0; d < 2; d++) { /* both from the same outputs */
        struct attention_gradients g = {.out = on[0].out, .sums = on[0].sums, .dout = p.dout, .dsums = p.dsums};
        on[d].a.stats = stats.on[0];
        g.dq = dq.on[d], g.dk = dk.on[d], g.dbias = dbias.on[d];
        g.dv = p.a.v.at == p.a.k.at ? g.dk : dv.on[d];
        if (p.n_bias == 0) g.dbias.at = NULL;
        run_attention_backward(&on[d], &g);
    }
    same(out, shape->what);
    same(stats, "statistics of attention");
    same(dq, "gradient of the queries");
    same(dk, "gradient of the keys");
    same(dv, "gradient of the values");
    same(dbias, "gradient of the types' bias");
    free_problem(&p);
}

static void attention_is_the_cpus(void **state) {
    (void)state;
    for (int i = 0; i < N_ATTENTION_SHAPES; i++) {
        parity_of_attention(&ATTENTION_SHAPES[i], 0);
        parity_of_attention(&ATTENTION_SHAPES[i], 0.1);
    }
}

int test_parity(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_the_cpus),
    };
    if (device_open_cpu(&reference, 2)) return 1;
    int failed = cmocka_run_group_tests_name("parity with the CPU", tests, NULL, NULL);
    device_close(&reference);
    return failed;
}
