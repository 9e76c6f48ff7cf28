/* Attention of one query row a segment to rows that are key and value of all heads. See support.h. */
#include <stdlib.h>

#include "dropout.h"
#include "support.h"

static const double SCALE = 0.3;

struct shared_call {
    struct ragged rows;
    int64_t heads, dim;
    dev_int keys;
    struct dropout dropout;
    dev_real q, x, probs, out, sums; /* sums follow out, so that both are one result */
};

static void run_shared(void *context) {
    struct shared_call *c = context;
    RUN(shared_attention, c->rows, c->heads, c->dim, SCALE, c->keys, c->dropout, c->q, c->x, c->probs, c->out, c->sums);
}

/* One head of one segment. */
static void check_head(const struct shared_call *c, const int32_t *offsets, const int32_t *keys, int64_t i, int64_t h) {
    int64_t first = offsets[i], n = offsets[i + 1] - first, at = i * c->heads + h;
    const real *q = c->q.at + at * c->dim, *x = c->x.at + first * c->dim;
    double *p = malloc((size_t)(n + 1) * sizeof *p), total = 0, kept = 0;
    for (int64_t r = 0; r < n; r++) {
        double dot = 0;
        for (int64_t k = 0; k < c->dim; k++) dot += (double)q[k] * x[r * c->dim + k];
        total += p[r] = exp(SCALE * dot);
    }
    for (int64_t r = 0; r < n; r++) {
        p[r] /= total;
        close_to(c->probs.at[c->heads * first + h * n + r], p[r], "probability", r);
        if (c->dropout.rate > 0)
            p[r] *= dropout_keeps(c->dropout, (uint64_t)keys[i], (uint64_t)(h * n + r)) / (1 - c->dropout.rate);
        kept += p[r];
    }
    close_to(c->sums.at[at], kept, "sum", at);
    for (int64_t k = 0; k < c->dim; k++) {
        double wanted = 0;
        for (int64_t r = 0; r < n; r++) wanted += p[r] * x[r * c->dim + k];
        close_to(c->out.at[at * c->dim + k], wanted, "shared attention", at);
    }
    free(p);
}

static void check_shared(const int32_t *offsets, int64_t n, int64_t heads, int64_t dim, double rate) {
    static const int32_t KEYS[] = {4, 9, 2, 1000003};
    int64_t n_rows = offsets[n], n_out = n * heads * dim + n * heads;
    struct shared_call c = {segments(offsets, n),
                            heads,
                            dim,
                            ints(KEYS, n),
                            {rate, 3, 8, 1},
                            values(n * heads * dim),
                            values(n_rows * dim),
                            zeros(heads * n_rows),
                            values(n_out),
                            {NULL}};
    c.sums = dev_real_at(c.out, n * heads * dim);
    run_shared(&c);
    for (int64_t i = 0; i < n; i++)
        for (int64_t h = 0; h < heads; h++) check_head(&c, offsets, KEYS, i, h);
    dev_real g = values(n_out), dq = zeros(n * heads * dim), dx = zeros(n_rows * dim);
    RUN(shared_attention_backward, c.rows, heads, dim, SCALE, c.keys, c.dropout, c.q, c.x, c.probs, g,
        dev_real_at(g, n * heads * dim), dq, dx);
    if (n_rows * dim < 400) {
        check_gradient("q", c.q, n * heads * dim, dq, g.at, c.out, n_out, run_shared, &c);
        check_gradient("x", c.x, n_rows * dim, dx, g.at, c.out, n_out, run_shared, &c);
    }
    device_free_ints(&device, c.rows.offsets);
    device_free_ints(&device, c.keys);
    release(7, c.q, c.x, c.probs, c.out, g, dq, dx);
}

static void shared_attention_agrees_and_differentiates(void **state) {
    (void)state;
    static const int32_t NONE[] = {0}, ONE[] = {0, 1}, FEW[] = {0, 4, 4, 5, 12}, LONG[] = {0, 131, 131, 180, 437};
    static const double RATES[] = {0, 0.3};
    for (int r = 0; r < 2; r++) {
        check_shared(NONE, 0, 2, 4, RATES[r]);
        check_shared(ONE, 1, 1, 1, RATES[r]);
        check_shared(FEW, 4, 3, 5, RATES[r]);
        check_shared(FEW, 4, 2, 16, RATES[r]);
        check_shared(LONG, 4, 4, 33, RATES[r]);
        check_shared(LONG, 4, 2, 257, RATES[r]);
    }
}

int test_shared_attention(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_attention_agrees_and_differentiates),
    };
    return cmocka_run_group_tests_name("shared attention", tests, NULL, NULL);
}
