/* Read llama_generate first. */
#include "lm/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

struct text {
    const struct llama *llama;
    struct tape tape;
    struct kv_cache *caches; /* [layers] */
    dev_real rows;           /* of all caches */
    int64_t capacity, n;     /* rows of a cache, and those that are there */
    real *logits;            /* [vocabulary] of what comes next */
    struct choice *choices;  /* [vocabulary] */
};

struct choice {
    double probability;
    int32_t id;
};

/* ---- the cache ---- */
static int begin(struct text *t, const struct llama *m, int64_t capacity) {
    const struct llama_config *c = &m->config;
    int64_t width = 2 * c->kv_heads * c->head_dim, n = c->layers * capacity * width;
    *t = (struct text){.llama = m, .capacity = capacity};
    tape_init(&t->tape, m->device);
    TRY(mem_alloc(&t->caches, c->layers, sizeof *t->caches));
    TRY(mem_alloc(&t->logits, c->vocabulary, sizeof *t->logits));
    TRY(mem_alloc(&t->choices, c->vocabulary, sizeof *t->choices));
    t->rows = device_alloc_reals(m->device, n);
    if (!t->rows.at) return status_set(STATUS_FAILED, "%s", device_error(m->device));
    m->device->run->fill(m->device, n, 0, t->rows);
    for (int64_t l = 0; l < c->layers; l++)
        t->caches[l] = (struct kv_cache){.rows = dev_real_at(t->rows, l * capacity * width),
                                         .capacity = capacity,
                                         .spans = {.n = 1, .n_rows = capacity}};
    return STATUS_OK;
}

static void end(struct text *t) {
    if (!t->llama) return;
    device_free_reals(t->llama->device, t->rows);
    tape_free(&t->tape);
    free(t->caches);
    free(t->logits);
    free(t->choices);
}

/* Adds tokens ids[n] to the text, and looks at what comes next. */
static int extend(struct text *t, const int32_t *ids, int64_t n) {
    const struct llama *m = t->llama;
    int64_t count = 2 * n + 6;
    int32_t *host;
    tape_reset(&t->tape, 1);
    dev_int ints = tape_ints(&t->tape, count);
    TRY(tape_status(&t->tape));
    TRY(mem_alloc(&host, count, sizeof *host));
    memcpy(host, ids, (size_t)n * sizeof *host);
    for (int64_t i = 0; i < n; i++) host[n + i] = (int32_t)(t->n + i);
    const int32_t rest[6] = {0, (int32_t)n, 0, (int32_t)(t->n + n), (int32_t)(n - 1),
                             0}; /* offsets, span, last row, key */
    memcpy(host + 2 * n, rest, sizeof rest);
    device_upload_ints(m->device, ints, host, count);
    device_synchronize(m->device);
    free(host);
    dev_int behind = dev_int_at(ints, 2 * n);
    struct llama_rows rows = {.segments = {{1, n, behind}, dev_int_at(behind, 5)},
                              .n_pairs = n * t->n + n * (n + 1) / 2,
                              .token = ints,
                              .position = dev_int_at(ints, n)};
    for (int64_t l = 0; l < m->config.layers; l++) {
        t->caches[l].spans.first = dev_int_at(behind, 2);
        t->caches[l].spans.end = dev_int_at(behind, 3);
        t->caches[l].added = rows.position;
    }
    t->n += n;
    struct var *h = llama_hidden(m, &t->tape, &rows, t->caches);
    struct var *last = nn_gather(&t->tape, h, dev_int_at(behind, 4), 1);
    struct var *logits = nn_linear(&t->tape, last, llama_head(m, &t->tape), NULL);
    TRY(tape_status(&t->tape));
    device_download_reals(m->device, t->logits, logits->value, m->config.vocabulary);
    return tape_status(&t->tape);
}

/* ---- choosing ---- */
static int32_t most_probable(const struct text *t) {
    int32_t best = 0;
    for (int32_t i = 1; i < t->llama->config.vocabulary; i++)
        if (t->logits[i] > t->logits[best]) best = i;
    return best;
}

static int most_probable_first(const void *a, const void *b) {
    const struct choice *x = a, *y = b;
    if (x->probability != y->probability) return (x->probability < y->probability) - (x->probability > y->probability);
    return (x->id > y->id) - (x->id < y->id);
}

/* A token for u, which is uniform in 0 to 1. */
static int32_t draw(struct text *t, const struct generation *how, double u) {
    int64_t n = t->llama->config.vocabulary, kept = 0;
    double most = (double)t->logits[most_probable(t)], sum = 0, nucleus = 0, before = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = exp(((double)t->logits[i] - most) / how->temperature);
        t->choices[i] = (struct choice){p, (int32_t)i};
        sum += p;
    }
    qsort(t->choices, (size_t)n, sizeof *t->choices, most_probable_first);
    while (kept < n && (kept == 0 || nucleus < how->top_p * sum)) nucleus += t->choices[kept++].probability;
    for (int64_t i = 0; i + 1 < kept; i++) {
        before += t->choices[i].probability;
        if (before > u * nucleus) return t->choices[i].id;
    }
    return t->choices[kept - 1].id;
}

static int stops(const struct generation *how, int32_t id) {
    for (int64_t i = 0; i < how->n_stops; i++)
        if (how->stops[i] == id) return 1;
    return 0;
}

int llama_generate(const struct llama *m, const int32_t *prompt, int64_t n, const struct generation *how,
                   struct tokens *made) {
    struct text t = {0};
    int status;
    int32_t id = 0;
    if (n < 1 || n + how->most > m->config.positions)
        return status_set(STATUS_USAGE,
                          "a prompt of %lld tokens and %lld to make: it takes 1, and %s has %lld positions",
                          (long long)n, (long long)how->most, m->folder, (long long)m->config.positions);
    for (int64_t i = 0; i < n; i++)
        if (prompt[i] < 0 || prompt[i] >= m->config.vocabulary)
            return status_set(STATUS_USAGE, "token %lld of the prompt is %d, and %s has tokens 0 to %lld", (long long)i,
                              (int)prompt[i], m->folder, (long long)m->config.vocabulary - 1);
    TRY_DONE(begin(&t, m, n + how->most));
    for (int64_t i = 0; i < how->most; i++) {
        TRY_DONE(i == 0 ? extend(&t, prompt, n) : extend(&t, &id, 1));
        id = how->temperature > 0 ? draw(&t, how, rng_uniform(how->seed, RNG_NEXT_TOKEN, 0, (uint64_t)i))
                                  : most_probable(&t);
        TRY_DONE(tokens_add(made, id));
        if (stops(how, id)) break;
    }
    status = STATUS_OK;
done:
    end(&t);
    return status;
}
