/* Attention of short query segments to short key segments. Threads share the segments; all rows of a segment stay in
 * cache, so plain loops over (query, head, key) do. */
#include <omp.h>

#include "cpu/cpu.h"
#include "cpu/dropout_cpu.h"
#include "cpu/vector_math.h"

/* One segment's rows. Keys and values lie in one row of kv, 2 * dim apart from the next row. */
struct segment {
    int64_t n_queries, n_keys, heads, dim, head_dim;
    const real *q, *kv;
    real *probs;        /* [query][head][key] */
    const real *factor; /* dropout, same layout; NULL: none */
    real scale;
};

static real head_dot(const real *a, const real *b, int64_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n; c++) sum += a[c] * b[c];
    return sum;
}

static void head_add(real alpha, const real *x, real *y, int64_t n) {
#pragma omp simd
    for (int64_t c = 0; c < n; c++) y[c] += alpha * x[c];
}

static void softmax(real *p, int64_t n) {
    real most = p[0], sum = 0;
#pragma omp simd reduction(max : most)
    for (int64_t k = 0; k < n; k++) most = p[k] > most ? p[k] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < n; k++) {
        p[k] = real_exp(p[k] - most);
        sum += p[k];
    }
    real scale = 1 / sum;
#pragma omp simd
    for (int64_t k = 0; k < n; k++) p[k] *= scale;
}

static void segment_forward(const struct segment *s, real *out) {
    for (int64_t r = 0; r < s->n_queries; r++) {
        for (int64_t h = 0; h < s->heads; h++) {
            int64_t at = (r * s->heads + h) * s->n_keys, column = h * s->head_dim;
            const real *q = s->q + r * s->dim + column, *key = s->kv + column;
            real *p = s->probs + at, *o = out + r * s->dim + column;
            for (int64_t c = 0; c < s->head_dim; c++) o[c] = 0;
            if (s->n_keys == 0) continue;
            for (int64_t k = 0; k < s->n_keys; k++) p[k] = s->scale * head_dot(q, key + k * 2 * s->dim, s->head_dim);
            softmax(p, s->n_keys);
            for (int64_t k = 0; k < s->n_keys; k++)
                head_add(s->factor ? s->factor[at + k] * p[k] : p[k], key + k * 2 * s->dim + s->dim, o, s->head_dim);
        }
    }
}

/* `slope` [n_keys] is scratch. */
static void segment_backward(const struct segment *s, const real *dout, real *dq, real *dkv, real *slope) {
    for (int64_t r = 0; r < s->n_queries; r++) {
        for (int64_t h = 0; h < s->heads; h++) {
            int64_t at = (r * s->heads + h) * s->n_keys, column = h * s->head_dim;
            const real *p = s->probs + at, *g = dout + r * s->dim + column, *q = s->q + r * s->dim + column;
            const real *key = s->kv + column;
            real *dkey = dkv + column, mean = 0;
            for (int64_t k = 0; k < s->n_keys; k++) {
                real f = s->factor ? s->factor[at + k] : 1;
                slope[k] = f * head_dot(g, key + k * 2 * s->dim + s->dim, s->head_dim);
                mean += p[k] * slope[k];
                head_add(f * p[k], g, dkey + k * 2 * s->dim + s->dim, s->head_dim);
            }
            for (int64_t k = 0; k < s->n_keys; k++) {
                real w = s->scale * p[k] * (slope[k] - mean);
                head_add(w, key + k * 2 * s->dim, dq + r * s->dim + column, s->head_dim);
                head_add(w, q, dkey + k * 2 * s->dim, s->head_dim);
            }
        }
    }
}

/* Scratch of each thread: dropout factors of a segment (rounded up to whole chunks), and one row of slopes. */
struct thread_scratch {
    real *base;
    int64_t factors, slopes;
};

static int make_scratch(struct device *device, int64_t n, int64_t heads, dev_int k_offsets, dev_int pair_offsets,
                        int threads, struct thread_scratch *scratch) {
    int64_t pairs = 0, keys = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t p = pair_offsets.at[i + 1] - pair_offsets.at[i], k = k_offsets.at[i + 1] - k_offsets.at[i];
        if (p > pairs) pairs = p;
        if (k > keys) keys = k;
    }
    scratch->factors = (pairs * heads + DROPOUT_CHUNK) / DROPOUT_CHUNK * DROPOUT_CHUNK;
    scratch->slopes = (keys + 16) / 16 * 16;
    scratch->base = cpu_scratch(device, threads * (scratch->factors + scratch->slopes));
    return scratch->base != NULL;
}

struct attention_call {
    int64_t heads, dim;
    dev_int q_offsets, k_offsets, pair_offsets, keys;
    struct dropout dropout;
    dev_real q, kv, probs;
};

static struct segment make_segment(const struct attention_call *a, int64_t i, real *factor) {
    struct segment s = {.n_queries = a->q_offsets.at[i + 1] - a->q_offsets.at[i],
                        .n_keys = a->k_offsets.at[i + 1] - a->k_offsets.at[i],
                        .heads = a->heads,
                        .dim = a->dim,
                        .head_dim = a->dim / a->heads,
                        .q = a->q.at + (int64_t)a->q_offsets.at[i] * a->dim,
                        .kv = a->kv.at + (int64_t)a->k_offsets.at[i] * 2 * a->dim,
                        .probs = a->probs.at + (int64_t)a->pair_offsets.at[i] * a->heads,
                        .scale = 1 / real_sqrt((real)(a->dim / a->heads))};
    if (a->dropout.rate == 0) return s;
    int64_t count = s.n_queries * s.n_keys * s.heads;
    for (int64_t c = 0; c * DROPOUT_CHUNK < count; c++)
        cpu_dropout_factors(a->dropout, (uint64_t)(uint32_t)a->keys.at[i], c, factor + c * DROPOUT_CHUNK);
    s.factor = factor;
    return s;
}

void cpu_attention(struct device *device, int64_t n, int64_t heads, int64_t dim, dev_int q_offsets, dev_int k_offsets,
                   dev_int pair_offsets, dev_int keys, struct dropout dropout, dev_real q, dev_real kv, dev_real probs,
                   dev_real out) {
    struct attention_call a = {heads, dim, q_offsets, k_offsets, pair_offsets, keys, dropout, q, kv, probs};
    struct thread_scratch scratch;
    int threads = cpu_threads(device);
    if (device->error[0] || !make_scratch(device, n, heads, k_offsets, pair_offsets, threads, &scratch)) return;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8)
    for (int64_t i = 0; i < n; i++) {
        real *mine = scratch.base + omp_get_thread_num() * (scratch.factors + scratch.slopes);
        struct segment s = make_segment(&a, i, mine);
        segment_forward(&s, out.at + (int64_t)q_offsets.at[i] * dim);
    }
}

void cpu_attention_backward(struct device *device, int64_t n, int64_t heads, int64_t dim, dev_int q_offsets,
                            dev_int k_offsets, dev_int pair_offsets, dev_int keys, struct dropout dropout, dev_real q,
                            dev_real kv, dev_real probs, dev_real dout, dev_real dq, dev_real dkv) {
    struct attention_call a = {heads, dim, q_offsets, k_offsets, pair_offsets, keys, dropout, q, kv, probs};
    struct thread_scratch scratch;
    int threads = cpu_threads(device);
    if (device->error[0] || !make_scratch(device, n, heads, k_offsets, pair_offsets, threads, &scratch)) return;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8)
    for (int64_t i = 0; i < n; i++) {
        real *mine = scratch.base + omp_get_thread_num() * (scratch.factors + scratch.slopes);
        struct segment s = make_segment(&a, i, mine);
        segment_backward(&s, dout.at + (int64_t)q_offsets.at[i] * dim, dq.at + (int64_t)q_offsets.at[i] * dim,
                         dkv.at + (int64_t)k_offsets.at[i] * 2 * dim, mine + scratch.factors);
    }
}
