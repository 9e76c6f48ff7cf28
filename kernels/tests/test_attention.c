/* Attention over ragged rows. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "dropout.h"
#include "support.h"

/* ---- attention: segments with one, no, and many keys ---- */
enum { A_DIM = 8, A_HEADS = 2, A_Q = 6, A_K = 9, A_PAIRS = 2 * 4 + 1 * 0 + 3 * 5 };
static const int32_t Q_OFFSETS[] = {0, 2, 3, 6}, K_OFFSETS[] = {0, 4, 4, 9}, PAIR_OFFSETS[] = {0, 8, 8, 23},
                     A_KEYS[] = {4, 9, 2};

struct attention_call {
    struct ragged queries, keys;
    struct attention_pairs pairs;
    dev_int drop_keys;
    struct dropout dropout;
    dev_real q, kv, probs, out;
};

static void run_attention(void *context) {
    struct attention_call *c = context;
    RUN(attention, c->queries, c->keys, c->pairs, A_HEADS, A_DIM, c->drop_keys, c->dropout, c->q, c->kv, c->probs,
        c->out);
}

static void check_attention(double rate) {
    struct attention_call c = {segments(Q_OFFSETS, 3),  segments(K_OFFSETS, 3),   {A_PAIRS, ints(PAIR_OFFSETS, 4)},
                               ints(A_KEYS, 3),         {rate, 3, 8, 1},          values(A_Q * A_DIM),
                               values(A_K * 2 * A_DIM), zeros(A_PAIRS * A_HEADS), values(A_Q * A_DIM)};
    run_attention(&c);
    for (int s = 0; s < 3; s++) {
        int nk = K_OFFSETS[s + 1] - K_OFFSETS[s];
        for (int r = Q_OFFSETS[s]; r < Q_OFFSETS[s + 1]; r++)
            for (int j = 0; j < A_DIM; j++) {
                int h = j / 4;
                double e[8], total = 0, sum = 0;
                for (int k = 0; k < nk; k++) {
                    double dot = 0;
                    for (int i = h * 4; i < h * 4 + 4; i++)
                        dot += (double)c.q.at[r * A_DIM + i] * c.kv.at[(K_OFFSETS[s] + k) * 2 * A_DIM + i];
                    total += e[k] = exp(dot / 2); /* sqrt(4) */
                }
                for (int k = 0; k < nk; k++) {
                    uint64_t element = (uint64_t)(((r - Q_OFFSETS[s]) * A_HEADS + h) * nk + k);
                    double f = rate == 0 ? 1 : dropout_keeps(c.dropout, (uint64_t)A_KEYS[s], element) / (1 - rate);
                    sum += f * e[k] / total * c.kv.at[(K_OFFSETS[s] + k) * 2 * A_DIM + A_DIM + j];
                }
                close_to(c.out.at[r * A_DIM + j], sum, "attention", r);
            }
    }
    dev_real g = values(A_Q * A_DIM), dq = zeros(A_Q * A_DIM), dkv = zeros(A_K * 2 * A_DIM);
    RUN(attention_backward, c.queries, c.keys, c.pairs, A_HEADS, A_DIM, c.drop_keys, c.dropout, c.q, c.kv, c.probs, g,
        dq, dkv, 1);
    dev_real over[2] = {values(A_Q * A_DIM), values(A_K * 2 * A_DIM)};
    RUN(attention_backward, c.queries, c.keys, c.pairs, A_HEADS, A_DIM, c.drop_keys, c.dropout, c.q, c.kv, c.probs, g,
        over[0], over[1], 0);
    overwritten("gradient of q", over[0], A_Q * A_DIM, dq);
    overwritten("gradient of kv", over[1], A_K * 2 * A_DIM, dkv);
    check_gradient("q", c.q, A_Q * A_DIM, dq, g.at, c.out, A_Q * A_DIM, run_attention, &c);
    check_gradient("kv", c.kv, A_K * 2 * A_DIM, dkv, g.at, c.out, A_Q * A_DIM, run_attention, &c);
    device_free_ints(&device, c.queries.offsets);
    device_free_ints(&device, c.keys.offsets);
    device_free_ints(&device, c.pairs.offsets);
    device_free_ints(&device, c.drop_keys);
    release(7, c.q, c.kv, c.probs, c.out, g, dq, dkv);
}

static void attention_agrees_and_differentiates(void **state) {
    (void)state;
    check_attention(0);
    check_attention(0.3);
}

/* Wide heads and many queries take another way through the CPU's code: against plain loops, and kept probabilities
 * against none kept. */
static void attention_of_wide_heads_agrees(void **state) {
    (void)state;
    enum { HEADS = 3, WIDTH = 32, DIM = HEADS * WIDTH, MOST = 70 };
    static const int32_t Q[] = {0, 5, 5, 6, 46}, K[] = {0, 16, 17, 50, 120}, PAIRS[] = {0, 80, 80, 113, 2913};
    struct ragged queries = segments(Q, 4), keys = segments(K, 4);
    struct attention_pairs pairs = {2913, ints(PAIRS, 5)}, not_kept = {2913, {NULL}};
    dev_int none = {NULL};
    dev_real q = values(46 * DIM), kv = values(120 * 2 * DIM), out = values(46 * DIM), again = values(46 * DIM),
             probs = zeros(HEADS * 2913), nothing = {NULL};
    RUN(attention, queries, keys, pairs, HEADS, DIM, none, (struct dropout){0}, q, kv, probs, out);
    RUN(attention, queries, keys, not_kept, HEADS, DIM, none, (struct dropout){0}, q, kv, nothing, again);
    assert_memory_equal(out.at, again.at, 46 * DIM * sizeof(real));
    for (int s = 0; s < 4; s++)
        for (int r = Q[s]; r < Q[s + 1]; r++)
            for (int h = 0; h < HEADS; h++) {
                int nk = K[s + 1] - K[s];
                double e[MOST], total = 0;
                for (int k = 0; k < nk; k++) {
                    double dot = 0;
                    for (int i = h * WIDTH; i < (h + 1) * WIDTH; i++)
                        dot += (double)q.at[r * DIM + i] * kv.at[(K[s] + k) * 2 * DIM + i];
                    total += e[k] = exp(dot / sqrt(WIDTH));
                }
                for (int k = 0; k < nk; k++)
                    close_to(probs.at[HEADS * PAIRS[s] + ((r - Q[s]) * HEADS + h) * nk + k], e[k] / total, "p", k);
                for (int j = h * WIDTH; j < (h + 1) * WIDTH; j++) {
                    double sum = 0;
                    for (int k = 0; k < nk; k++) sum += e[k] / total * kv.at[(K[s] + k) * 2 * DIM + DIM + j];
                    close_to(out.at[r * DIM + j], sum, "attention", r);
                }
            }
    device_free_ints(&device, queries.offsets);
    device_free_ints(&device, keys.offsets);
    device_free_ints(&device, pairs.offsets);
    release(5, q, kv, out, again, probs);
}

int test_attention(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_and_differentiates),
        cmocka_unit_test(attention_of_wide_heads_agrees),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
